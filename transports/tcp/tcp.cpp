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
#include "transports/tcp/handshake.hpp"
#include "transports/tcp/outgoing_rails.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/reception.hpp"
#include "transports/tcp/regions.hpp"
#include "transports/tcp/two_way_connection.hpp"

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
  tcp::Offers offers;
  std::map<std::uint64_t, std::weak_ptr<tcp::Connection>> connections;  // by their owner
  // Those over which this rank has opened a peer, also where that has ended.
  std::vector<std::weak_ptr<tcp::TwoWayConnection>> used;
  // Last: its thread uses what is above, so it must end first.
  std::unique_ptr<tcp::Progress> progress;

  bool knows(Window window) const;
  Result<std::vector<Fd>> listen();
  Status receive_strangers(std::vector<Fd> listeners);
  tcp::TwoWayConnection::Setup connection_setup(tcp::Progress& progress);
  std::shared_ptr<tcp::Connection> known_connection(const tcp::Place& place);
  std::shared_ptr<tcp::Connection> adopt(const tcp::Place& place);
  Result<std::shared_ptr<tcp::Connection>> make_connection(const tcp::Place& place,
                                                           Deadline deadline);
  std::shared_ptr<tcp::Connection> use(const tcp::Place& place,
                                       std::shared_ptr<tcp::Outgoing> outgoing);
  void note_use(const std::shared_ptr<tcp::TwoWayConnection>& connection);
  std::vector<std::shared_ptr<tcp::TwoWayConnection>> finish_sending(Deadline deadline);
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
  state->terms = {bootstrap::derive_key(key, "tcp 2"), options.encrypt};
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
    SLUICE_TRY_ASSIGN(const auto interfaces, bootstrap::used_interfaces());
    for (const bootstrap::Interface& each : interfaces) wanted.push_back(each.address);
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
    bootstrap::OpenResult opened = bootstrap::listen_on(address, options.congestion_control);
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
  auto admit = [this, thread = progress.get()](tcp::Wire wire, const Address& peer) {
    auto connection = std::make_shared<tcp::TwoWayConnection>(
        std::move(wire), peer, tcp::TwoWayConnection::Maker::kPeer, connection_setup(*thread));
    // Refused by the system: logged, and the connection closes.
    static_cast<void>(thread->watch(std::move(connection)));
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
  const tcp::RemoteRegion region{place->region, place->bytes};
  auto connection = state_->known_connection(*place);
  if (connection == nullptr) {
    connection = state_->adopt(*place);
    if (connection != nullptr) {
      const Status status = connection->outgoing->open(place->owner, region, deadline);
      if (status.ok()) return Remote{std::move(connection), region};
      // The peer may be leaving, or not be who it says it is: then its own address is asked.
      if (status.code() != Errc::kRemoteError) return status;
    }
    SLUICE_TRY_ASSIGN(connection, state_->make_connection(*place, deadline));
  }
  SLUICE_TRY(connection->outgoing->open(place->owner, region, deadline));
  return Remote{std::move(connection), region};
}

tcp::TwoWayConnection::Setup Tcp::State::connection_setup(tcp::Progress& thread) {
  return {{regions, owner, openers, lost}, offers, thread, options.timeout};
}

std::shared_ptr<tcp::Connection> Tcp::State::known_connection(const tcp::Place& place) {
  const auto found = connections.find(place.owner);
  auto connection = found == connections.end() ? nullptr : found->second.lock();
  return connection && !connection->outgoing->failed() ? connection : nullptr;
}

/// The connection that the peer has made, if it has and one is all that there is to be.
std::shared_ptr<tcp::Connection> Tcp::State::adopt(const tcp::Place& place) {
  if (pairs_with(place.addresses).size() > 1) return nullptr;
  auto offered = offers.find(place.owner);
  if (offered == nullptr || !offered->adopt(place.addresses)) return nullptr;
  note_use(offered);
  return use(place, std::move(offered));
}

Result<std::shared_ptr<tcp::Connection>> Tcp::State::make_connection(const tcp::Place& place,
                                                                     Deadline deadline) {
  SLUICE_TRY_ASSIGN(auto outgoing, connect(place, deadline));
  return use(place, std::move(outgoing));
}

std::shared_ptr<tcp::Connection> Tcp::State::use(const tcp::Place& place,
                                                 std::shared_ptr<tcp::Outgoing> outgoing) {
  auto connection = std::make_shared<tcp::Connection>(std::move(outgoing));
  connections[place.owner] = connection;
  return connection;
}

void Tcp::State::note_use(const std::shared_ptr<tcp::TwoWayConnection>& connection) {
  std::erase_if(used, [](const auto& one) { return one.expired(); });
  used.push_back(connection);
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
    bootstrap::OpenResult opened = bootstrap::connect_to(
        address, by, paired ? &pairs[0].from : nullptr, options.congestion_control);
    tcp::Proof proof{opened.error == ETIMEDOUT ? Errc::kTimeout : Errc::kRemoteError,
                     std::strerror(opened.error)};
    if (opened.fd.valid()) proof = tcp::prove_as_opener(opened.fd, terms, by);
    if (proof.code == Errc::kOk) {
      auto connection = std::make_shared<tcp::TwoWayConnection>(
          tcp::Wire{std::move(opened.fd), std::move(proof.encryption)}, address,
          tcp::TwoWayConnection::Maker::kThisRank, connection_setup(*progress));
      SLUICE_TRY(progress->watch(connection));
      note_use(connection);
      return std::shared_ptr<tcp::Outgoing>(std::move(connection));
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
  const auto finished = state_->finish_sending(deadline);
  // From here nobody writes to the memory.
  state_->progress.reset();
  state_->memory.clear();
  for (const auto& connection : finished) connection->cut();
}

/// Until the peers' systems have everything: a socket that is closed while its peer goes on sending
/// takes back what it has not sent yet.
std::vector<std::shared_ptr<tcp::TwoWayConnection>> Tcp::State::finish_sending(Deadline deadline) {
  std::vector<std::shared_ptr<tcp::TwoWayConnection>> sending;
  for (const auto& one : used)
    if (auto connection = one.lock()) sending.push_back(std::move(connection));
  for (const auto& connection : sending) connection->stop_sending();
  for (const auto& connection : sending)
    while (!connection->is_delivered() && !deadline.passed())
      progress->poll(std::chrono::milliseconds(1));
  return sending;
}

void Tcp::poll(std::chrono::milliseconds patience, const Remote* awaited) noexcept {
  state_->progress->poll(patience, awaited == nullptr ? nullptr : end(*awaited).source());
}

Status Tcp::error() const noexcept { return state_->lost.status(); }

std::uint64_t Tcp::arrivals() const noexcept { return state_->regions.arrivals(); }

const std::vector<Address>& Tcp::addresses() const { return state_->addresses; }

}  // namespace sluice::transport
