#include "communicator/remote_peers.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "base/port.hpp"

namespace sluice {
namespace {

// Often enough to find a call that does not fit long before a deadline, seldom enough to be nothing
// on the network.
constexpr std::chrono::milliseconds kFetchEvery{100};
constexpr std::chrono::milliseconds kSleep{5};
// Without a byte; longer than TCP waits before it sends a lost packet again.
constexpr std::chrono::milliseconds kLastWords{500};
// Of one write of a link: the words of a slot and its data; the tag and the credit.
constexpr std::size_t kMaxPuts = 2;
constexpr std::size_t kMaxSignals = 2;

using HeaderWords = std::array<std::uint64_t, sizeof(SegmentHeader) / sizeof(std::uint64_t)>;
static_assert(std::is_trivially_copyable_v<SegmentHeader> &&
              sizeof(HeaderWords) == sizeof(SegmentHeader));

bool gives_no_answer(const Status& status) {
  const int error = status.os_error();
  return status.code() == Errc::kTimeout || error == ETIMEDOUT || error == EHOSTUNREACH ||
         error == ENETUNREACH;
}

}  // namespace

/// A call to a peer, from its beginning to its end on this rank. Who aborts sets the abort word and
/// then looks who is called (interrupt()); who calls says so and then looks at the abort word. Both
/// change one word, so one of them sees the other.
class RemotePeers::Call {
 public:
  Call(RemotePeers& peers, int peer) : calling_(peers.calling_) {
    calling_.exchange(peer);
    may_begin_ = port::load_acquire(&peers.waits_->abort_word) == 0;
  }
  ~Call() { calling_.exchange(kNobody); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool may_begin() const { return may_begin_; }

 private:
  std::atomic<int>& calling_;
  bool may_begin_;
};

Result<std::unique_ptr<RemotePeers>> RemotePeers::start(const Bootstrap::Key& key, Ways ways,
                                                        std::chrono::milliseconds timeout,
                                                        bool encrypt) {
  transport::Tcp::Options options;
  options.addresses = std::move(ways.addresses);
  options.connect_from = std::move(ways.connect_from);
  options.timeout = timeout;
  options.encrypt = encrypt;
  SLUICE_TRY_ASSIGN(auto tcp, transport::Tcp::start(key, std::move(options)));
  return std::unique_ptr<RemotePeers>(new RemotePeers(std::move(tcp)));
}

Result<transport::Blob> RemotePeers::publish(Window segment) {
  segment_ = segment;
  tcp_.adopt(segment);
  return tcp_.publish(segment);
}

Status RemotePeers::open(int peer, std::span<const std::byte> blob, std::uint64_t bytes,
                         Deadline deadline) {
  SLUICE_TRY_ASSIGN(auto remote, tcp_.open(blob, deadline));
  if (remote.region.bytes != bytes)
    return fail(Errc::kInvalidUsage, "bad segment",
                fmt::format("the segment of rank {} has {} bytes, expected {}", peer,
                            remote.region.bytes, bytes));
  peers_[peer] = {std::move(remote), std::make_unique<SegmentHeader>(), {}};
  return {};
}

std::byte* RemotePeers::header(int peer) const {
  return reinterpret_cast<std::byte*>(peers_.at(peer).header.get());
}

void RemotePeers::fetch(int peer) noexcept {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  Peer& one = found->second;
  HeaderWords words;
  const Call call(*this, peer);
  if (!call.may_begin()) return;
  const Status status =
      transport::Tcp::get(one.remote, 0, std::as_writable_bytes(std::span(words)));
  if (status.code() == Errc::kAborted) return;  // interrupted
  one.fetched = std::chrono::steady_clock::now();
  // Stopped, or behind a cable that was pulled: the deadline of the wait is what ends it, unless
  // the peer has been asked in vain for as long. Then the connection is given up, and nothing more
  // can come over it, also for a wait that has just begun because the last one's word did come.
  one.silent = gives_no_answer(status);
  if (status.code() == Errc::kTimeout) record_failure(*waits_, WaitOutcome::kTimeout, peer, 0, 0);
  if (one.silent) return;
  std::uint64_t& started = one.header->lanes[kStarted].value;
  if (status.ok()) {
    auto* copy = reinterpret_cast<std::uint64_t*>(one.header.get());
    for (std::size_t i = 0; i < words.size(); ++i) port::store_relaxed(copy + i, words[i]);
  } else {
    port::store_release(&started, kLeft);
  }
  if (started >= kOut && !std::exchange(one.out, true)) {
    one.quiet_since = one.fetched;
    one.arrivals = tcp_.arrivals();
  }
}

bool RemotePeers::has_said_all(int peer) noexcept {
  Peer& one = peers_.at(peer);
  if (!one.out) return false;
  const auto now = std::chrono::steady_clock::now();
  if (const std::uint64_t arrivals = tcp_.arrivals(); arrivals != one.arrivals) {
    one.arrivals = arrivals;
    one.quiet_since = now;
  }
  return now - one.quiet_since >= kLastWords;
}

void RemotePeers::interrupt() noexcept {
  const int peer = calling_.fetch_add(0);
  if (peer != kNobody) transport::Tcp::give_up(peers_.at(peer).remote);
}

void RemotePeers::fetch_sometimes(int peer) noexcept {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  if (std::chrono::steady_clock::now() - found->second.fetched >= kFetchEvery) fetch(peer);
}

ExpectedFragments* RemotePeers::expect_from(int peer, const SegmentLayout& layout) {
  auto& expected = expected_[peer];
  expected = std::make_unique<ExpectedFragments>(segment_.base, layout, peer);
  const auto place = [](void* self, std::byte* at, std::uint64_t bytes) {
    return static_cast<ExpectedFragments*>(self)->place(at, bytes);
  };
  const auto come = [](void* self) { static_cast<ExpectedFragments*>(self)->come(); };
  transport::Tcp::place_by(peers_.at(peer).remote, {place, come, expected.get()});
  return expected.get();
}

void RemotePeers::expect_nothing() noexcept {
  for (const auto& [number, peer] : peers_) transport::Tcp::place_by(peer.remote, {});
}

RemoteSegments RemotePeers::segments(WaitState& waits) {
  waits_ = &waits;
  return {.write = write, .context = this};
}

void RemotePeers::write(void* self, std::int32_t peer, std::span<const SegmentPut> puts,
                        std::span<const SegmentSignal> signals) {
  auto& me = *static_cast<RemotePeers*>(self);
  std::array<transport::tcp::Put, kMaxPuts> stretches;
  std::array<transport::tcp::Signal, kMaxSignals> counters;
  if (me.waits_->failed != 0 || puts.size() > kMaxPuts || signals.size() > kMaxSignals) return;
  for (std::size_t i = 0; i < puts.size(); ++i)
    stretches[i] = {puts[i].offset, {static_cast<const std::byte*>(puts[i].data), puts[i].bytes}};
  for (std::size_t i = 0; i < signals.size(); ++i)
    counters[i] = {signals[i].offset, signals[i].amount};
  const Call call(me, peer);
  if (!call.may_begin()) return record_failure(*me.waits_, WaitOutcome::kAborted, peer, 0, 0);
  const Status status =
      transport::Tcp::put_batch(me.peers_.at(peer).remote, std::span(stretches).first(puts.size()),
                                std::span(counters).first(signals.size()));
  // Credit alone is owed to peers that have left, too.
  if (status.ok() || puts.empty()) return;
  me.peers_.at(peer).silent = gives_no_answer(status);
  if (status.code() == Errc::kTimeout)
    record_failure(*me.waits_, WaitOutcome::kTimeout, peer, 0, 0);
  else
    record_failure(*me.waits_, WaitOutcome::kUnreachable, peer, 0,
                   static_cast<std::uint64_t>(status.os_error()));
}

void RemotePeers::take_in(int peer, TakeIn how) noexcept {
  if (how == TakeIn::kFromPeer) return tcp_.poll({}, &peers_.at(peer).remote);
  tcp_.poll(how == TakeIn::kAsleep ? kSleep : std::chrono::milliseconds(0));
}

}  // namespace sluice
