// Tcp: the ranks are processes of any hosts. Every frame that is sent names its place in the peer's
// memory and is checked there. docs/tcp.md says what is promised, and what is not there yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/address.hpp"
#include "bootstrap/authentication.hpp"
#include "bootstrap/interfaces.hpp"
#include "transports/tcp/outgoing.hpp"
#include "transports/transport.hpp"

namespace sluice::transport {

namespace tcp {

struct Options {
  /// Where to listen: 1 to 8 addresses of this host's interfaces, each with its port or 0 for a
  /// free one. None: those that SLUICE_NET selects.
  std::vector<bootstrap::Address> addresses;
  /// Up to 8 interfaces to connect from, each paired with an address of the peer: see
  /// pair_interfaces(). With more than one pair there is a connection over each, and puts are
  /// spread over them. None: one connection, from where the system's routes lead.
  std::vector<bootstrap::Interface> connect_from{};
  /// Of all connections, where the system knows it. Empty: the system's default. bbr, which is the
  /// default of some, halves what links between network namespaces can do.
  std::string congestion_control = "cubic";
  /// How long a call of the data path waits while nothing moves.
  std::chrono::milliseconds timeout{30'000};
  /// Nobody between the ranks can read or change what is sent; peers must want the same.
  bool encrypt = false;
  /// How long a connection may take to prove the key.
  std::chrono::milliseconds stranger_time{5'000};
};

/// What a goodbye may take where the peer receives nothing.
inline constexpr std::chrono::seconds kGoodbyeTime{2};

/// Says goodbye when the last Remote of a peer ends.
struct Connection {
  explicit Connection(std::shared_ptr<Outgoing> end) : outgoing(std::move(end)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { outgoing->leave(Deadline::after(kGoodbyeTime)); }

  const std::shared_ptr<Outgoing> outgoing;
};

struct Remote {
  std::shared_ptr<Connection> connection;
  RemoteRegion region;
};

}  // namespace tcp

/// Set-up calls are made by one thread at a time, those of the data path by any.
class Tcp {
 public:
  using Remote = tcp::Remote;
  using Options = tcp::Options;
  using Put = tcp::Put;
  using Signal = tcp::Signal;
  static constexpr const char* kName = "tcp";
  /// Not kOrdered: with several connections only signals wait for what was put before them.
  static constexpr std::uint32_t kCapabilities = 0;

  /// `key`: known to the job's processes only; both sides of every connection prove it.
  static Result<Tcp> start(const bootstrap::Secret& key, Options options = {});
  Tcp(Tcp&&) noexcept;
  ~Tcp();

  Result<Window> allocate(std::uint64_t bytes);
  /// Lets publish() take memory that is not this transport's; it must stay until close().
  void adopt(Window window);
  Result<Blob> publish(Window window);
  Result<Remote> open(std::span<const std::byte> blob, Deadline deadline);
  void close() noexcept;

  static Status put(const Remote& remote, std::uint64_t offset,
                    std::span<const std::byte> bytes) noexcept {
    const Put one{offset, bytes};
    return end(remote).put(remote.region, {&one, 1}, {});
  }
  /// All of `puts`, then `signals`, in as few system calls as there can be. All or, when one is out
  /// of range, none.
  static Status put_batch(const Remote& remote, std::span<const Put> puts,
                          std::span<const Signal> signals = {}) noexcept {
    return end(remote).put(remote.region, puts, signals);
  }
  static Status get(const Remote& remote, std::uint64_t offset,
                    std::span<std::byte> bytes) noexcept {
    return end(remote).get(remote.region, offset, bytes);
  }
  static Status signal(const Remote& remote, std::uint64_t offset, std::uint64_t n) noexcept {
    const Signal one{offset, n};
    return end(remote).put(remote.region, {}, {&one, 1});
  }
  static Status flush(const Remote& remote) noexcept { return end(remote).flush(remote.region); }

  /// Lets `placement` say where the peer's puts go, as far as they come over one connection only;
  /// {}: no more, and nothing is written elsewhere from the return on. Any thread; until close() or
  /// then what it points to must stay.
  static void place_by(const Remote& remote, tcp::Placement placement) {
    end(remote).place_by(placement);
  }

  /// Ends the calls that wait for this peer, and all later ones: kAborted. Any thread.
  static void give_up(const Remote& remote) noexcept { end(remote).give_up(); }

  /// Takes in what peers have sent, or send within `patience`, on this thread: for one that has
  /// nothing to do but wait for them. Any thread, until close(). `awaited`: the peer that is waited
  /// for: with it, and without patience, most calls look at this one only.
  void poll(std::chrono::milliseconds patience, const Remote* awaited = nullptr) noexcept;

  /// kRemoteError once a peer that had this transport's memory open was lost or cut off: what it
  /// was to put will not come. A peer that left is no error. Any thread, until close().
  Status error() const noexcept;
  /// Grows while peers' puts come in, also within a long one; small ones are not counted. Any
  /// thread.
  std::uint64_t arrivals() const noexcept;
  /// Over how many connections puts to the peer go now; 0 after a failure. Any thread.
  static std::size_t connections(const Remote& remote) { return end(remote).connections(); }
  /// Where this transport listens.
  const std::vector<bootstrap::Address>& addresses() const;

 private:
  struct State;

  static tcp::Outgoing& end(const Remote& remote) { return *remote.connection->outgoing; }
  explicit Tcp(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};
static_assert(Transport<Tcp>);

}  // namespace sluice::transport
