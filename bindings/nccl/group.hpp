// ncclGroupStart and ncclGroupEnd: what a thread calls in between is kept, and runs at the end,
// each communicator beside the others; what goes on streams is enqueued first.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/enqueue.hpp"
#include "bindings/nccl/operation.hpp"

namespace sluice::nccl {

/// How many groups are open in this thread.
inline constinit thread_local int group_depth = 0;

class Group {
 public:
  using Task = std::function<Status()>;

  /// This thread's.
  static Group& here();

  void add(ncclComm& comm, const Operation& operation);
  void add_task(ncclComm& comm, Task task);
  /// `task` makes the communicator that `out` points to; if it fails, `out` will be null.
  void add_newcomer(ncclComm& comm, ncclComm_t* out, Task task);
  /// To be destroyed when all else is done.
  void add_leaver(ncclComm& comm);
  /// A call of the group has failed: nothing of it will run, and its end returns `result`.
  void spoil(ncclResult_t result);

  ncclResult_t end();
  /// Ends the group without running it: what it would take, in us.
  ncclResult_t simulate(float& estimate_us);

 private:
  /// What one communicator has to do.
  struct Part {
    std::shared_ptr<ncclComm> comm;
    ncclComm_t* out = nullptr;  // a newcomer's
    std::vector<Task> tasks;
    std::vector<Operation> operations;  // on host memory
    std::vector<Operation> on_streams;
    Status status{};
    std::string text{};
  };
  using Parts = std::vector<std::shared_ptr<Part>>;

  Part& part_of(ncclComm& comm);
  /// Leaves the group empty.
  void clear();
  /// Whether there is something to do that waits for other ranks.
  static bool has_host_part(const Part& part) {
    return !part.tasks.empty() || !part.operations.empty();
  }
  static Status run(Part& part);
  /// What is on streams: in the caller's thread, before all that waits.
  static ncclResult_t enqueue_all(const Parts& parts);
  static Status enqueue(Part& part, const Diversions& diversions);
  static ncclResult_t report(Part& part);
  static ncclResult_t run_all(const Parts& parts);
  static ncclResult_t start_all(const Parts& parts);
  static void forget_newcomers(const Parts& parts);

  Parts parts_;
  std::vector<std::shared_ptr<ncclComm>> leavers_;
  ncclResult_t spoilt_ = ncclSuccess;
};

/// issue() for several operations of one communicator that belong together.
ncclResult_t issue_all(ncclComm_t comm, std::vector<Operation> operations);

}  // namespace sluice::nccl
