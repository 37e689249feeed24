#include "bindings/nccl/group.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <latch>

#include "base/error.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/estimate.hpp"

namespace sluice::nccl {

Group& Group::here() {
  thread_local Group group;
  return group;
}

Group::Part& Group::part_of(ncclComm& comm) {
  for (const auto& part : parts_)
    if (part->comm.get() == &comm) return *part;
  parts_.push_back(std::make_shared<Part>());
  parts_.back()->comm = comm.shared_from_this();
  return *parts_.back();
}

void Group::add(ncclComm& comm, const Operation& operation) {
  Part& part = part_of(comm);
  auto& list = operation.route == Operation::Route::kStream ? part.on_streams : part.operations;
  list.push_back(operation);
}

void Group::add_task(ncclComm& comm, Task task) { part_of(comm).tasks.push_back(std::move(task)); }

void Group::add_newcomer(ncclComm& comm, ncclComm_t* out, Task task) {
  Part& part = part_of(comm);
  part.out = out;
  part.tasks.push_back(std::move(task));
}

void Group::add_leaver(ncclComm& comm) { leavers_.push_back(comm.shared_from_this()); }

void Group::spoil(ncclResult_t result) {
  if (spoilt_ == ncclSuccess) spoilt_ = result;
}

void Group::clear() {
  parts_.clear();
  leavers_.clear();
  spoilt_ = ncclSuccess;
}

Status Group::run(Part& part) {
  const InUse use(*part.comm);
  if (!use.ok()) return part.comm->admit();
  for (const Task& task : part.tasks) SLUICE_TRY(task());
  return part.operations.empty() ? Status() : run_together(*part.comm, part.operations);
}

ncclResult_t Group::report(Part& part) {
  if (part.status.ok()) return ncclSuccess;
  set_last_error(part.text);
  return conclude(part.comm.get(), part.status);
}

Status Group::enqueue(Part& part, const Diversions& diversions) {
  const InUse use(*part.comm);
  if (!use.ok()) return part.comm->admit();
  return nccl::enqueue(*part.comm, part.on_streams, diversions.of(*part.comm));
}

ncclResult_t Group::enqueue_all(const Parts& parts) {
  Diversions diversions;
  const auto note = [](Part& part, const Status& status) {
    if (!part.status.ok()) return;
    part.status = status;
    if (!status.ok()) part.text = sluice::last_error();
  };
  for (const auto& part : parts)
    if (!part->on_streams.empty()) note(*part, diversions.add(*part->comm, part->on_streams));
  for (const auto& part : parts)
    if (!part->on_streams.empty() && part->status.ok()) note(*part, enqueue(*part, diversions));
  const Status closed = diversions.close();
  ncclResult_t result = ncclSuccess;
  for (const auto& part : parts) {
    const ncclResult_t failed = report(*part);
    if (result == ncclSuccess) result = failed;
  }
  return result == ncclSuccess ? conclude(closed) : result;
}

/// The first part in this thread, the others in their workers: ranks that one thread drives wait
/// for each other.
ncclResult_t Group::run_all(const Parts& parts) {
  const auto run_part = [](Part& part) {
    part.status = run(part);
    if (!part.status.ok()) part.text = sluice::last_error();
    if (part.out != nullptr) part.comm->settle(part.status);
  };
  std::latch done(static_cast<std::ptrdiff_t>(parts.size()) - 1);
  for (std::size_t i = 1; i < parts.size(); ++i)
    parts[i]->comm->worker.submit([&, part = parts[i].get()] {
      run_part(*part);
      done.count_down();
    });
  run_part(*parts.front());
  done.wait();

  ncclResult_t result = ncclSuccess;
  for (const auto& part : parts) {
    if (part->status.ok()) continue;
    const ncclResult_t failed = report(*part);
    if (result == ncclSuccess) result = failed;
    if (part->out == nullptr) continue;
    *part->out = nullptr;
    part->comm->self.reset();
  }
  return result;
}

ncclResult_t Group::start_all(const Parts& parts) {
  for (const auto& part : parts) {
    if (part->out == nullptr) part->comm->set_busy();
    part->comm->run_in_background([part] { return run(*part); });
  }
  return ncclInProgress;
}

void Group::forget_newcomers(const Parts& parts) {
  for (const auto& part : parts) {
    if (part->out == nullptr) continue;
    *part->out = nullptr;
    part->comm->self.reset();
  }
}

ncclResult_t Group::end() {
  Parts parts = std::move(parts_);
  const auto leavers = std::move(leavers_);
  const ncclResult_t spoilt = spoilt_;
  clear();
  ncclResult_t result = spoilt;
  const auto blocks = [](const auto& part) { return part->comm->config.blocking; };
  if (spoilt != ncclSuccess) {
    forget_newcomers(parts);
  } else if (const bool all = std::all_of(parts.begin(), parts.end(), blocks);
             !all && std::any_of(parts.begin(), parts.end(), blocks)) {
    forget_newcomers(parts);
    result =
        conclude(bad_argument("a group has blocking communicators or non-blocking ones, not both"));
  } else {
    result = enqueue_all(parts);
    std::erase_if(parts,
                  [](const auto& part) { return !has_host_part(*part) || !part->status.ok(); });
    const ncclResult_t ran = parts.empty() ? ncclSuccess : all ? run_all(parts) : start_all(parts);
    if (result == ncclSuccess) result = ran;
  }
  for (const auto& comm : leavers) CommDestroy(comm.get());
  return result;
}

ncclResult_t Group::simulate(float& estimate_us) {
  const Parts parts = std::move(parts_);
  const ncclResult_t spoilt = spoilt_;
  leavers_.clear();
  clear();
  forget_newcomers(parts);
  double longest_us = 0;
  for (const auto& part : parts) {
    double part_us = 0;
    for (const auto* list : {&part->operations, &part->on_streams})
      for (const Operation& operation : *list) part_us += estimated_us(*part->comm, operation);
    longest_us = std::max(longest_us, part_us);
  }
  estimate_us = static_cast<float>(longest_us);
  return spoilt;
}

ncclResult_t issue_all(ncclComm_t comm, std::vector<Operation> operations) {
  GroupStart();
  ncclResult_t first = ncclSuccess;
  for (Operation& operation : operations) {
    const ncclResult_t result = issue(comm, std::move(operation));
    if (first == ncclSuccess) first = result;
  }
  const ncclResult_t ended = GroupEnd();
  return first != ncclSuccess ? first : ended;
}

ncclResult_t GroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t GroupEnd() {
  if (group_depth == 0)
    return conclude(bad_usage("ncclGroupEnd: there is no group to end, start one first"));
  return --group_depth > 0 ? ncclSuccess : Group::here().end();
}

ncclResult_t GroupSimulateEnd(ncclSimInfo_t* simInfo) {
  constexpr unsigned kMagic = 0x74685283;
  if (group_depth == 0)
    return conclude(bad_usage("ncclGroupSimulateEnd: there is no group to end"));
  if (simInfo == nullptr || simInfo->magic != kMagic || simInfo->size < sizeof *simInfo)
    return conclude(bad_argument(
        "ncclGroupSimulateEnd: the ncclSimInfo_t was not made with NCCL_SIM_INFO_INITIALIZER"));
  if (--group_depth > 0) return ncclSuccess;
  return Group::here().simulate(simInfo->estimatedTime);
}

}  // namespace sluice::nccl
