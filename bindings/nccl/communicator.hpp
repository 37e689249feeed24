// What an ncclComm_t points to: a sluice::Communicator and what NCCL's interface keeps beside it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bindings/nccl/config.hpp"
#include "bindings/nccl/contact.hpp"
#include "bindings/nccl/nccl.h"
#include "bindings/nccl/signals.hpp"
#include "bindings/nccl/stream_order.hpp"
#include "bindings/nccl/window.hpp"
#include "bindings/nccl/worker.hpp"
#include "sluice/communicator.hpp"

/// One rank's. Its owner is itself (`self`) until Destroy or Abort; tasks under way share it.
struct ncclComm : std::enable_shared_from_this<ncclComm> {
  static constexpr std::uint64_t kAlive = 0x4d4d4f4343494c53;

  enum class State : std::uint8_t {
    kMaking,     // its task runs; ncclInProgress
    kReady,      // calls may come
    kBusy,       // non-blocking: a call runs; ncclInProgress
    kUnmade,     // could not be made; outcome() says why
    kSuspended,  // ncclCommSuspend
    kRevoked,    // ncclCommRevoke or Shrink with abort: only new communicators can be made of it
    kFinalized,
    kEnded,  // ncclCommAbort or Destroy have begun
  };

  /// A reduction with a factor, as ncclRedOpCreatePreMulSum makes it.
  struct Factor {
    sluice::Reduction reduction;
    ncclDataType_t type;
    bool alive;
  };

  explicit ncclComm(sluice::nccl::Config with) : config(std::move(with)) {}
  ~ncclComm() { magic = 0; }

  // ---- what other threads may touch ----

  std::uint64_t magic = kAlive;
  std::atomic<State> state{State::kMaking};
  /// Calls on this communicator that are running; Abort waits for them to leave.
  std::atomic<int> callers{0};

  /// Ok, or why no call may start now.
  sluice::Status admit() const {
    return state.load(std::memory_order_acquire) == State::kReady ? sluice::Status() : refusal();
  }
  /// What ncclCommGetAsyncError says.
  sluice::Status asynchronous_error() const;
  void keep(const std::string& text);
  std::string kept() const;

  // ---- of the thread that uses it, or of its task ----

  const sluice::nccl::Config config;
  /// Of the thread that made it, or of the list that it was made with; -1: there was none.
  int device = -1;
  bool on_device = false;  // calls may run on streams, too
  sluice::nccl::StreamOrder order;
  std::optional<sluice::device::OwnStream> own_stream;  // for groups that need one
  sluice::nccl::SignalBoard signals;  // before `ranks`: peers reach it until that is gone
  std::optional<sluice::Communicator> ranks;
  sluice::nccl::Contacts contacts;
  std::vector<Factor> factors;
  std::vector<std::unique_ptr<ncclWindow_vidmem>> windows;
  std::optional<ncclUniqueId> growing_by;  // the id of the next grow
  sluice::nccl::Worker worker;
  std::shared_ptr<ncclComm> self;

  /// A task is about to run: calls get ncclInProgress until it is settled. What it was comes back.
  void set_busy() { idle_state_ = state.exchange(State::kBusy); }
  /// Runs `task` on the worker, then settles it. The state is kMaking or kBusy already.
  void run_in_background(std::function<sluice::Status()> task);
  /// Takes what a task has come to, unless the communicator was given up meanwhile.
  void settle(const sluice::Status& status);
  /// Waits until no task runs: no longer than the task's own deadlines.
  void await_idle() const;
  /// Ends every call in flight, here and on the other ranks, and waits until they have left.
  /// Kernels leave by themselves soon after.
  void interrupt();
  /// Waits until nothing of this rank is on a stream any more: no longer than the communicator's
  /// timeout, which is an error.
  sluice::Status await_streams() const;

 private:
  sluice::Status refusal() const;

  State idle_state_ = State::kReady;  // what kBusy ends in
  mutable std::mutex mutex_;
  std::string kept_;        // sentence of the last error
  sluice::Status outcome_;  // of the last task
  std::string outcome_text_;
};

namespace sluice::nccl {

/// Counts a call in while it runs. Not ok(): the communicator is being aborted, touch nothing.
class InUse {
 public:
  explicit InUse(ncclComm& comm) : comm_(comm) { comm_.callers.fetch_add(1); }
  ~InUse() { comm_.callers.fetch_sub(1); }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  bool ok() const { return comm_.state.load() != ncclComm::State::kEnded; }

 private:
  ncclComm& comm_;
};

inline bool is_handle(const ncclComm* comm) {
  return comm != nullptr && comm->magic == ncclComm::kAlive;
}
/// Ok, or kInvalidArgument: null, or not a communicator (any more).
Status check_handle(const ncclComm* comm);

/// Runs `task` as a call on `comm` that is neither a collective nor a message: within a group at
/// its end, on a non-blocking communicator in the background, else now.
ncclResult_t manage(ncclComm* comm, std::function<Status(ncclComm&)> task);

/// Makes a communicator by `task`, which fills in `ranks`; in the same three ways.
ncclResult_t make(ncclComm_t* out, std::shared_ptr<ncclComm> comm,
                  std::function<Status(ncclComm&)> task);

/// The end of a communicator that nobody may use any more. It lives on while something of it is
/// still on a stream: until a later call finds that this has ended.
void let_go(std::shared_ptr<ncclComm> comm);

/// Takes the ranks in: learns who they are and makes the communicator ready for calls.
Status welcome(ncclComm& comm, Communicator ranks);

}  // namespace sluice::nccl
