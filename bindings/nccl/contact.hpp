// What the ranks of a communicator tell each other once: who they are, and where each could be met
// again. Shrinking and splitting after a failure need no connection that still works.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/address.hpp"
#include "bootstrap/socket.hpp"
#include "sluice/communicator.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

class Contacts {
 public:
  Contacts() = default;

  /// Collective. Errors: kInvalidUsage (ranks with different releases of this library, named),
  /// those of all_gather, kSystemError (no port to be had).
  static Result<Contacts> exchange(Communicator& ranks);

  bool one_process() const { return one_process_; }

  /// A new communicator of the ranks of `old` that `members` lists (ascending, this one among
  /// them), in that order. They all call it, the others do not; `old` may have failed. The first of
  /// them serves the rendezvous, at the port that it has kept for this.
  Result<Communicator> meet_again(Communicator& old, std::span<const int> members,
                                  const Options& options);

 private:
  std::vector<bootstrap::Address> addresses_;  // by rank
  bootstrap::Fd kept_port_;
  bool one_process_ = false;
  std::map<std::string, int> meetings_;  // how often these ranks have met again; all of them agree
};

}  // namespace sluice::nccl
