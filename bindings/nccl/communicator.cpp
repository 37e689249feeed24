#include "bindings/nccl/communicator.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/error.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/group.hpp"
#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"

using sluice::Status;
using State = ncclComm::State;

Status ncclComm::refusal() const {
  switch (state.load(std::memory_order_acquire)) {
    case State::kMaking:
    case State::kBusy:
      return sluice::nccl::bad_argument(
          "the communicator was used before its last operation left ncclInProgress");
    case State::kUnmade: return asynchronous_error();
    case State::kSuspended:
      return sluice::nccl::bad_usage("the communicator is suspended: ncclCommResume first");
    case State::kRevoked:
      return sluice::nccl::bad_usage(
          "the communicator was revoked: only split, shrink, destroy and abort are left");
    case State::kFinalized: return sluice::nccl::bad_usage("the communicator was finalized");
    case State::kEnded: return sluice::nccl::bad_usage("the communicator is being aborted");
    case State::kReady: break;
  }
  return {};
}

Status ncclComm::asynchronous_error() const {
  switch (state.load(std::memory_order_acquire)) {
    case State::kMaking:
    case State::kBusy: return {sluice::Errc::kInProgress, "in progress"};
    case State::kRevoked:
    case State::kFinalized:
    case State::kEnded: return {};
    case State::kReady:
    case State::kSuspended:
    case State::kUnmade: break;
  }
  if (ranks)
    if (const Status error = ranks->error(); !error.ok()) return error;
  const std::lock_guard lock(mutex_);
  if (!outcome_.ok()) sluice::set_last_error(outcome_text_);
  return outcome_;
}

void ncclComm::keep(const std::string& text) {
  const std::lock_guard lock(mutex_);
  kept_ = text;
}

std::string ncclComm::kept() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

void ncclComm::run_in_background(std::function<Status()> task) {
  worker.submit([comm = shared_from_this(), task = std::move(task)] { comm->settle(task()); });
}

void ncclComm::settle(const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    outcome_ = status;
    outcome_text_ = status.ok() ? std::string() : sluice::last_error();
    if (!status.ok()) kept_ = outcome_text_;
  }
  State from = State::kMaking;
  const State to = status.ok() ? State::kReady : State::kUnmade;
  if (!state.compare_exchange_strong(from, to)) {
    from = State::kBusy;
    state.compare_exchange_strong(from, idle_state_);
  }
  state.notify_all();
}

void ncclComm::await_idle() const {
  for (State now = state; now == State::kMaking || now == State::kBusy; now = state)
    state.wait(now);
}

void ncclComm::interrupt() {
  if (ranks) static_cast<void>(ranks->abort());
  while (callers.load() != 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

Status ncclComm::await_streams() const {
  if (!ranks) return {};
  const auto deadline = ranks->impl().deadline();
  while (!order.done()) {
    if (deadline.passed())
      return sluice::fail(
          sluice::Errc::kTimeout, "work on a stream does not end",
          fmt::format("rank {} of {}: what was enqueued has not ended within {} ms", ranks->rank(),
                      ranks->size(), ranks->impl().options().timeout.count()));
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return {};
}

namespace sluice::nccl {
namespace {

/// Communicators that are still leaving. Never destroyed: at exit the driver has gone before it.
struct Leaving {
  std::mutex mutex;
  std::vector<std::shared_ptr<ncclComm>> all;

  static Leaving& instance() {
    static auto* const leaving = new Leaving;
    return *leaving;
  }
};

}  // namespace

void let_go(std::shared_ptr<ncclComm> comm) {
  std::vector<std::shared_ptr<ncclComm>> gone;  // freed when the lock is
  Leaving& leaving = Leaving::instance();
  const std::lock_guard lock(leaving.mutex);
  if (comm != nullptr && !comm->order.done()) leaving.all.push_back(std::move(comm));
  for (auto& each : leaving.all)
    if (each->order.done()) gone.push_back(std::move(each));
  std::erase(leaving.all, nullptr);
}

Status check_handle(const ncclComm* comm) {
  if (is_handle(comm)) [[likely]]
    return {};
  return bad_argument(comm == nullptr ? "the communicator is null"
                                      : "not a communicator, or one that has been destroyed");
}

ncclResult_t manage(ncclComm* comm, std::function<Status(ncclComm&)> task) {
  if (group_depth > 0) {
    Group::here().add_task(*comm, [comm, task = std::move(task)] { return task(*comm); });
    return ncclSuccess;
  }
  if (!comm->config.blocking) {
    comm->set_busy();
    comm->run_in_background([comm, task = std::move(task)] {
      const InUse use(*comm);
      return use.ok() ? task(*comm) : Status(Errc::kAborted, "aborted");
    });
    return ncclInProgress;
  }
  const InUse use(*comm);
  return conclude(comm, use.ok() ? task(*comm) : comm->admit());
}

ncclResult_t make(ncclComm_t* out, std::shared_ptr<ncclComm> comm,
                  std::function<Status(ncclComm&)> task) {
  ncclComm& made = *comm;
  made.self = comm;
  *out = &made;
  if (group_depth > 0) {
    Group::here().add_newcomer(made, out, [&made, task = std::move(task)] { return task(made); });
    return ncclSuccess;
  }
  if (!made.config.blocking) {
    made.run_in_background([&made, task = std::move(task)] { return task(made); });
    return ncclInProgress;
  }
  const Status status = task(made);
  made.settle(status);
  if (status.ok()) return ncclSuccess;
  *out = nullptr;
  made.self.reset();
  return conclude(status);
}

Status welcome(ncclComm& comm, Communicator ranks) {
  SLUICE_TRY_ASSIGN(comm.contacts, Contacts::exchange(ranks));
  if (const DevicePart* part = ranks.impl().device(); part != nullptr) {
    comm.on_device = true;
    comm.device = part->device();
  }
  comm.ranks.emplace(std::move(ranks));
  return {};
}

}  // namespace sluice::nccl
