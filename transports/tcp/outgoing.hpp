// An opener's way to one peer: the data path. What every kind of it has in common: checks, requests
// and failure. two_way_connection.hpp sends over one connection, outgoing_rails.hpp over several.
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
#include "transports/tcp/put_frames.hpp"
#include "transports/tcp/request.hpp"
#include "transports/tcp/turn.hpp"

namespace sluice::transport::tcp {

class Watched;

/// Thread-safe. After the first failure every call returns it.
class Outgoing {
 public:
  virtual ~Outgoing() = default;
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  /// Asks whether the owner with this number has published the region.
  Status open(std::uint64_t owner, const RemoteRegion& region, Deadline deadline);
  /// All of `puts`, then `signals`; all or, when one is out of range, none.
  Status put(const RemoteRegion& region, std::span<const Put> puts,
             std::span<const Signal> signals) noexcept;
  Status get(const RemoteRegion& region, std::uint64_t offset, std::span<std::byte> bytes) noexcept;
  /// Nothing to wait for: after put() the caller's memory is not needed any more. Says whether the
  /// peer can still be reached.
  Status flush(const RemoteRegion& region) noexcept;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// Over how many connections it sends now.
  virtual std::size_t connections() = 0;
  /// The connection over which the peer's own puts come, if it is the same; else null.
  virtual Watched* source() { return nullptr; }
  /// Who says where the peer's puts go that come over this connection, from now on; {}: they go
  /// where they say, and from the return on nothing is written elsewhere. Where puts come over
  /// several connections nobody is asked.
  virtual void place_by(Placement) {}
  /// Ends calls that wait for the peer, and all later ones: kAborted. Any thread, at any time.
  void give_up() noexcept;
  /// Says goodbye, if there is room for it in time; from here every call fails.
  void leave(Deadline deadline) noexcept;

 protected:
  using Lock = std::unique_lock<std::mutex>;
  /// A call, for the text of its error.
  struct Operation {
    const char* verb;
    std::uint64_t bytes;
    std::uint64_t offset;
    std::uint64_t region;
    std::string text() const;
  };

  /// `peer`: its address, for texts. `timeout`: how long a call waits while nothing moves.
  Outgoing(std::string peer, std::chrono::nanoseconds timeout);

  /// Returns when `frames` are with the kernel, or copied.
  virtual Status send(PutFrames frames, const Operation& operation) = 0;
  /// Numbers the request, starts `request_` and sends it.
  virtual Status send_request(FrameHeader header, std::span<std::byte> out,
                              std::chrono::nanoseconds patience, const Operation& operation) = 0;
  /// False when it could not be said as a whole.
  virtual bool say_bye(Deadline deadline) = 0;
  /// Ends the sockets, which wakes who waits on them.
  virtual void hang_up(const Lock& lock) = 0;
  /// The goodbye has been said.
  virtual void left(const Lock& lock) { hang_up(lock); }

  const std::string& peer() const { return peer_; }
  std::chrono::nanoseconds timeout() const { return timeout_; }
  bool is_forked() const { return generation_ != bootstrap::fork_generation(); }
  void note_failure(const Lock& lock, Errc code, std::string text, int os_error = 0);
  /// The same without hanging up. Only the first failure counts.
  void end_calls(const Lock& lock, Errc code, std::string text, int os_error = 0);
  /// Once failed(); under mutex_.
  const std::string& failure_text() const { return failure_text_; }
  /// The failure as the result of `operation`.
  Status report(const Operation& operation);
  Status nothing_moved(Lock& lock, std::chrono::nanoseconds patience, const char* waited_for,
                       const Operation& operation);

  std::mutex mutex_;  // all below, and what the derived class says
  std::condition_variable changed_;
  Request request_;
  bool request_lost_ = false;  // with the connection over which its answer was to come

 private:
  Status ask(FrameHeader header, std::span<std::byte> out, std::chrono::nanoseconds patience,
             const Operation& operation);
  Status out_of_range(const Operation& operation, const RemoteRegion& region);
  Status usable(const Operation& operation);
  void set_failure(const Lock& lock, Errc code, std::string text, int os_error = 0);

  const std::string peer_;
  const std::chrono::nanoseconds timeout_;
  const unsigned generation_ = bootstrap::fork_generation();
  Turn ask_turn_;  // whose request it is
  Status failure_;
  std::string failure_text_;
  bool reported_ = false;
  std::atomic<bool> failed_ = false;  // whether failure_ is set
};

}  // namespace sluice::transport::tcp
