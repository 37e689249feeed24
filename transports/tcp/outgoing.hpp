// An opener's end of a connection: the data path. What it sends, it sends on the caller's thread;
// answers arrive on the progress thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

#include "base/deadline.hpp"
#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/request.hpp"
#include "transports/tcp/send_batch.hpp"
#include "transports/tcp/turn.hpp"

namespace sluice::transport::tcp {

/// A peer's published memory, as its blob names it.
struct RemoteRegion {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};

/// One stretch of a batch.
struct Put {
  std::uint64_t offset;
  std::span<const std::byte> bytes;
};

/// What is added to a counter of the peer.
struct Signal {
  std::uint64_t offset;
  std::uint64_t n;
};

/// Thread-safe. After the first failure every call returns it.
class Outgoing final : public Watched {
 public:
  /// `timeout`: how long a call waits while nothing moves.
  Outgoing(bootstrap::Fd socket, std::string peer, std::chrono::nanoseconds timeout);

  /// Asks whether the owner with this number has published the region.
  Status open(std::uint64_t owner, const RemoteRegion& region, Deadline deadline);
  /// All of `puts`, then `signals`; all or, when one is out of range, none.
  Status put(const RemoteRegion& region, std::span<const Put> puts,
             std::span<const Signal> signals) noexcept;
  Status get(const RemoteRegion& region, std::uint64_t offset, std::span<std::byte> bytes) noexcept;
  /// Nothing to wait for: put() returns when the kernel has everything. Says whether the
  /// connection holds.
  Status flush(const RemoteRegion& region) noexcept;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// Says goodbye, if there is room for it in time; from here every call fails.
  void leave(Deadline deadline) noexcept;

  const bootstrap::Fd& descriptor() const override { return socket_; }
  bool ready() override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  /// A call, for the text of its error.
  struct Operation {
    const char* verb;
    std::uint64_t bytes;
    std::uint64_t offset;
    std::uint64_t region;
    std::string text() const;
  };

  int transmit(SendBatch& batch, std::chrono::nanoseconds patience);
  Status ask(FrameHeader header, std::span<std::byte> out, std::chrono::nanoseconds patience,
             const Operation& operation);
  Status out_of_range(const Operation& operation, const RemoteRegion& region);
  Status usable(const Operation& operation);
  Status sending_failed(int error, const Operation& operation);
  void note_failure(const Lock& lock, Errc code, std::string text, int os_error = 0);
  /// The failure as the result of `operation`.
  Status report(const Operation& operation);

  const bootstrap::Fd socket_;
  const std::string peer_;
  const std::chrono::nanoseconds timeout_;
  const unsigned generation_ = bootstrap::fork_generation();

  Turn send_turn_;              // who writes to the socket
  std::uint64_t sequence_ = 0;  // of the last frame; under send_turn_
  Turn ask_turn_;               // whose request it is

  std::mutex mutex_;  // all below
  std::condition_variable changed_;
  Request request_;
  FrameReader reader_{request_};
  Status failure_;
  std::string failure_text_;
  bool reported_ = false;
  std::atomic<bool> failed_ = false;  // whether failure_ is set
};

}  // namespace sluice::transport::tcp
