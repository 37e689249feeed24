// How the ranks of a job find each other, and how they learn that one is gone.
//
// One rank's process runs the server of the job (a thread); every rank keeps one authenticated TCP
// connection to it: a star. Over it go the blobs of all_gather(), and, for the whole life of the
// communicator, the news that a rank has died or aborted. Nothing here is on a data path.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/address.hpp"
#include "sluice/status.hpp"
#include "sluice/unique_id.hpp"

namespace sluice {

class Bootstrap {
 public:
  using Blob = std::vector<std::byte>;
  using Key = std::array<std::uint8_t, 32>;

  /// News about another rank, delivered on the bootstrap's own thread.
  struct Event {
    enum class Kind { kLost, kAbort } kind;
    int rank;          // who was lost, or who aborted
    Errc code;         // kRemoteError for kLost; what the aborting rank said for kAbort
    std::string text;  // a whole sentence
  };

  /// Joins; returns when all `size` ranks have. Errors name the ranks that are missing, the rank
  /// that was taken twice, or whose size, version or encryption differs. `encrypt`: nobody between
  /// the ranks can read or change what they say; all ranks must want the same.
  static Result<std::unique_ptr<Bootstrap>> join(const UniqueId& id, int rank, int size,
                                                 Deadline deadline, bool encrypt = false);

  virtual ~Bootstrap() = default;  // leaves cleanly: the others hear nothing

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Everybody's blob, in rank order (sizes may differ, 16 MiB at most each). Collective; one at a
  /// time.
  virtual Result<std::vector<Blob>> all_gather(std::span<const std::byte> mine,
                                               Deadline deadline) = 0;

  /// Tells every other rank (Event::kAbort). Never blocks for long, any thread.
  virtual void send_abort(Errc code, std::string_view text) noexcept = 0;

  /// From now on `on_event` is called for each event, at once for those already met. Replaces the
  /// previous one; when it returns, the previous one is not running any more. Pass nullptr to stop.
  virtual void watch(std::function<void(const Event&)> on_event) = 0;

  /// The address of this host, port 0, that its connection to the server uses: where ranks on other
  /// hosts can be expected to reach it.
  virtual bootstrap::Address reachable_address() const = 0;

  /// A key that only this job's ranks can compute, different for each purpose (keyed hash of the
  /// job's secret).
  virtual Key derive_key(std::string_view purpose) const = 0;
};

}  // namespace sluice
