#include "transports/tcp/tcp.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "bootstrap/interfaces.hpp"
#include "bootstrap/little_endian.hpp"
#include "transports/tcp/arrivals.hpp"
#include "transports/tcp/blob.hpp"
#include "transports/tcp/congestion.hpp"
#include "transports/tcp/handshake.hpp"
#include "transports/tcp/incoming.hpp"
#include "transports/tcp/outgoing_connection.hpp"
#include "transports/tcp/outgoing_rails.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/reception.hpp"
#include "transports/tcp/regions.hpp"

namespace sluice::transport {
namespace {

using bootstrap::Address;
using bootstrap::Fd;

/// One allocation.
class Memory {
 public:
  explicit Memory(Window window) : window_(window) {}
  Memory(Memory&& other) noexcept : window_(std::exchange(other.window_, {})) {}
  Memory& operator=(Memory&&) = delete;
  ~Memory() {
    if (window_.base != nullptr) munmap(window_.base, window_.bytes);
  }
  Window window() const { return window_; }

 private:
  Window window_;
};

/// Whether peers can be told this address.
bool can_be_told(const Address& address) {
  if (address.ip == Address{}.ip) return false;  // any interface
  const bool link_local = address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
  return address.family == AF_INET || !link_local;
}

}  // namespace

struct Tcp::State {
  bootstrap::Secret key;  // of the blobs
  tcp::Terms terms;       // of the connections
  tcp::Options options;
  std::uint64_t owner = tcp::random_number();
  std::vector<Address> addresses;
  std::vector<Memory> memory;
  std::vector<Window> adopted;
  tcp::Regions regions;
  tcp::Openers openers;
  tcp::LostOpener lost;
  std::map<std::uint64_t, std::weak_ptr<tcp::Connection>> connections;  // by their owner
  // Last: its thread uses what is above, so it must end first.
  std::unique_ptr<tcp::Progress> progress;

  bool knows(Window window) const;
  Result<std::vector<Fd>> listen();
  Status receive_strangers(std::vector<Fd> listeners);
  Result<std::shared_ptr<tcp::Connection>> connection_to(const tcp::Place& place,
                                                         Deadline deadline);
  std::vector<tcp::NicPair> pairs_with(const std::vector<Address>& theirs) const;
  Result<std::shared_ptr<tcp::Outgoing>> connect(const tcp::Place& place, Deadline deadline);
  Result<std::shared_ptr<tcp::Outgoing>> connect_once(const tcp::Place& place,
                                                      const std::vector<tcp::NicPair>& pairs,
                                                      Deadline deadline);
};

Tcp::Tcp(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tcp::Tcp(Tcp&&) noexcept = default;
Tcp::~Tcp() { close(); }

Result<Tcp> Tcp::start(const bootstrap::Secret& key, Options options) {
  if (options.timeout.count() < 1 || options.stranger_time.count() < 1)
    return fail(
        Errc::kInvalidArgument, "bad limits",
        fmt::format("tcp: a timeout of {} ms and {} ms for strangers; both must be at least 1",
                    options.timeout.count(), options.stranger_time.count()));
  if (options.connect_from.size() > tcp::kMaxAddresses)
    return fail(Errc::kInvalidArgument, "too many interfaces",
                fmt::format("tcp: {} interfaces to connect from, expected at most {}",
                            options.connect_from.size(), tcp::kMaxAddresses));
  auto state = std::make_unique<State>();
  state->key = key;
  state->terms = {bootstrap::derive_key(key, "tcp 1"), options.encrypt};
  state->options = std::move(options);
  SLUICE_TRY_ASSIGN(auto listeners, state->listen());
  SLUICE_TRY_ASSIGN(state->progress, tcp::Progress::start());
  SLUICE_TRY(state->receive_strangers(std::move(listeners)));
  return Tcp(std::move(state));
}

Result<std::vector<Fd>> Tcp::State::listen() {
  std::vector<Address> wanted = options.addresses;
  if (wanted.empty()) {
    static_assert(bootstrap::kMaxInterfaces <= tcp::kMaxAddresses);
    SLUICE_TRY_ASSIGN(const auto used, bootstrap::used_interfaces());
    for (const bootstrap::Interface& each : used) wanted.push_back(each.address);
  }
  if (wanted.size() > tcp::kMaxAddresses)
    return fail(Errc::kInvalidArgument, "too many addresses",
                fmt::format("tcp: {} addresses to listen on, expected at most {}", wanted.size(),
                            tcp::kMaxAddresses));
  std::vector<Fd> listeners;
  for (const Address& address : wanted) {
    if (!can_be_told(address))
      return fail(Errc::kInvalidArgument, "not an address of one interface",
                  fmt::format("tcp: peers cannot connect to {}: expected the address of an "
                              "interface, and none that is link-local",
                              address.text()));
    bootstrap::OpenResult opened = bootstrap::listen_on(address);
    if (!opened.fd.valid())
      return fail_os("cannot listen", fmt::format("tcp: listening on {}", address.text()),
                     opened.error);
    SLUICE_TRY_ASSIGN(auto local, bootstrap::local_address(opened.fd));
    addresses.push_back(local);
    listeners.push_back(std::move(opened.fd));
  }
  return listeners;
}

Status Tcp::State::receive_strangers(std::vector<Fd> listeners) {
  // Runs on the progress thread, also while `progress` is being taken down.
  auto admit = [this, thread = progress.get()](tcp::Wire wire, std::string peer) {
    tcp::choose_congestion_control(wire.socket, options.congestion_control);
    auto incoming = std::make_shared<tcp::Incoming>(
        std::move(wire), std::move(peer), tcp::Incoming::Owner{regions, owner, openers, lost});
    // Refused by the system: logged, and the connection closes.
    static_cast<void>(thread->watch(std::move(incoming)));
  };
  SLUICE_TRY_ASSIGN(
      auto reception,
      tcp::Reception::make({std::move(listeners), terms, options.stranger_time, std::move(admit)}));
  return progress->watch(std::move(reception));
}

Result<Window> Tcp::allocate(std::uint64_t bytes) {
  if (bytes == 0)
    return fail(Errc::kInvalidArgument, "allocate: 0 bytes", "tcp: cannot allocate 0 bytes");
  // Mapped, not new: zeroed, and pages that nobody touches cost nothing.
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return fail_os("mmap failed", fmt::format("tcp: cannot allocate {} bytes", bytes), errno);
  state_->memory.emplace_back(Window{static_cast<std::byte*>(base), bytes});
  return state_->memory.back().window();
}

void Tcp::adopt(Window window) { state_->adopted.push_back(window); }

bool Tcp::State::knows(Window window) const {
  const auto same = [&](Window one) {
    return one.base == window.base && one.bytes == window.bytes;
  };
  return std::any_of(adopted.begin(), adopted.end(), same) ||
         std::any_of(memory.begin(), memory.end(),
                     [&](const Memory& one) { return same(one.window()); });
}

Result<Blob> Tcp::publish(Window window) {
  if (!state_->knows(window))
    return fail(Errc::kInvalidArgument, "publish: unknown memory",
                "tcp: publish() of memory that this transport has neither allocated nor adopted");
  return tcp::encode(
      {state_->owner, state_->regions.publish(window), window.bytes, state_->addresses},
      state_->key);
}

Result<tcp::Remote> Tcp::open(std::span<const std::byte> blob, Deadline deadline) {
  if (state_->progress == nullptr)
    return fail(Errc::kInvalidUsage, "open: closed", "tcp: open() after close()");
  const auto place = tcp::decode(blob, state_->key);
  if (!place)
    return fail(Errc::kInvalidArgument, "open: bad blob",
                fmt::format("tcp: a blob of {} bytes is damaged or of another job", blob.size()));
  SLUICE_TRY_ASSIGN(auto connection, state_->connection_to(*place, deadline));
  const tcp::RemoteRegion region{place->region, place->bytes};
  SLUICE_TRY(connection->outgoing->open(place->owner, region, deadline));
  return Remote{std::move(connection), region};
}

Result<std::shared_ptr<tcp::Connection>> Tcp::State::connection_to(const tcp::Place& place,
                                                                   Deadline deadline) {
  auto& known = connections[place.owner];
  if (auto connection = known.lock(); connection && !connection->outgoing->failed())
    return connection;
  SLUICE_TRY_ASSIGN(auto outgoing, connect(place, deadline));
  auto connection = std::make_shared<tcp::Connection>(std::move(outgoing));
  known = connection;
  return connection;
}

std::vector<tcp::NicPair> Tcp::State::pairs_with(const std::vector<Address>& theirs) const {
  std::vector<tcp::NicPair> pairs;
  for (const auto& pair : bootstrap::pair_interfaces(options.connect_from, theirs))
    pairs.push_back({options.connect_from[pair.mine].address, theirs[pair.theirs]});
  return pairs;
}

Result<std::shared_ptr<tcp::Outgoing>> Tcp::State::connect(const tcp::Place& place,
                                                           Deadline deadline) {
  std::vector<tcp::NicPair> pairs = pairs_with(place.addresses);
  if (pairs.size() < 2) return connect_once(place, pairs, deadline);
  SLUICE_TRY_ASSIGN(auto rails, tcp::OutgoingRails::connect(
                                    {std::move(pairs), terms, place.owner, options.timeout,
                                     options.congestion_control, progress.get()},
                                    deadline));
  return std::shared_ptr<tcp::Outgoing>(std::move(rails));
}

Result<std::shared_ptr<tcp::Outgoing>> Tcp::State::connect_once(
    const tcp::Place& place, const std::vector<tcp::NicPair>& pairs, Deadline deadline) {
  std::string attempts;
  Errc code = Errc::kRemoteError;
  for (std::size_t i = 0; i < place.addresses.size(); ++i) {
    const Address& address = place.addresses[i];
    // An address that swallows packets must leave time for the others.
    const auto share =
        (deadline.at() - Deadline::Clock::now()) / static_cast<long>(place.addresses.size() - i);
    const Deadline by = Deadline::after(share);
    const bool paired = !pairs.empty() && pairs[0].to.text() == address.text();
    bootstrap::OpenResult opened =
        bootstrap::connect_to(address, by, paired ? &pairs[0].from : nullptr);
    tcp::Proof proof{opened.error == ETIMEDOUT ? Errc::kTimeout : Errc::kRemoteError,
                     std::strerror(opened.error)};
    if (opened.fd.valid()) proof = tcp::prove_as_opener(opened.fd, terms, by);
    if (proof.code == Errc::kOk) {
      tcp::choose_congestion_control(opened.fd, options.congestion_control);
      auto outgoing = std::make_shared<tcp::OutgoingConnection>(
          tcp::Wire{std::move(opened.fd), std::move(proof.encryption)}, address.text(),
          options.timeout, *progress);
      SLUICE_TRY(progress->watch(outgoing));
      return std::shared_ptr<tcp::Outgoing>(std::move(outgoing));
    }
    code = proof.code;
    attempts +=
        fmt::format("{}{}: {}", attempts.empty() ? "" : "; ", address.text(), proof.complaint);
  }
  return fail(code, "open: the peer cannot be reached",
              fmt::format("tcp: opening region {}: {}", place.region, attempts));
}

void Tcp::close() noexcept {
  if (state_ == nullptr || state_->progress == nullptr) return;
  const Deadline deadline = Deadline::after(tcp::kGoodbyeTime);
  for (const auto& [owner, known] : state_->connections)
    if (const auto connection = known.lock()) connection->outgoing->leave(deadline);
  state_->connections.clear();
  // From here nobody writes to the memory.
  state_->progress.reset();
  state_->memory.clear();
}

void Tcp::poll(std::chrono::milliseconds patience) noexcept { state_->progress->poll(patience); }

Status Tcp::error() const noexcept { return state_->lost.status(); }

std::uint64_t Tcp::arrivals() const noexcept { return state_->regions.arrivals(); }

const std::vector<Address>& Tcp::addresses() const { return state_->addresses; }

}  // namespace sluice::transport
