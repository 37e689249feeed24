// Requests through a ring to a proxy: host threads post where kernels would, transports carry out.
#include "channel/fifo.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "bootstrap/address.hpp"
#include "channel/proxy.hpp"
#include "support/host_team.hpp"
#include "transports/loopback/loopback.hpp"
#include "transports/port.hpp"
#include "transports/tcp/tcp.hpp"

namespace sluice {
namespace {

using test::HostTeam;
using test::TeamBarrier;
using transport::Loopback;
using transport::Tcp;
using transport::TransportPort;

constexpr std::uint64_t kMax = ~0ull;

/// A ring in ordinary memory, and waits of those who post.
struct Ring {
  explicit Ring(std::uint64_t slots, std::size_t channels = 4)
      : slots_(slots), flushed_(channels, 0) {}

  FifoMemory memory() { return {slots_.data(), slots_.size(), &posted_, &taken_, flushed_.data()}; }
  FifoPort port(std::uint32_t channel) { return {memory(), channel, 1, &waits_}; }

  WaitState waits_{.timeout_ns = 20'000'000'000};
  std::vector<FifoSlot> slots_;
  std::vector<std::uint64_t> flushed_;
  std::uint64_t posted_ = 0, taken_ = 0;
};

/// Notes what it is asked to do.
class NotingPort {
 public:
  struct Note {
    PutRequest put;
    bool has_put, signal;
  };
  bool post(std::span<const PutRequest> requests, bool signal) noexcept {
    notes.push_back({requests.empty() ? PutRequest{} : requests[0], !requests.empty(), signal});
    return !broken;
  }
  bool flush() noexcept {
    ++flushes;
    return !broken;
  }
  std::vector<Note> notes;
  int flushes = 0;
  bool broken = false;
};

constexpr Window kAnywhere{nullptr, kMax};

TEST(Fifo, requests_of_one_thread_are_carried_out_in_order_round_the_ring) {
  Ring ring(4);
  NotingPort port;
  Proxy proxy(ring.memory(), &ring.waits_.abort_word);
  const FifoPort fifo = ring.port(proxy.add(port, kAnywhere, kMax, 1));
  proxy.start();
  constexpr std::uint64_t kRequests = 1000;
  for (std::uint64_t i = 0; i < kRequests; ++i)
    ASSERT_TRUE(fifo.post({{PutRequest{i << 33, kMax - 1 - i, 1}}}, i % 3 == 0));
  ASSERT_TRUE(fifo.post({}, true));
  ASSERT_TRUE(fifo.flush());
  EXPECT_EQ(port.flushes, 1);
  ASSERT_EQ(port.notes.size(), kRequests + 1);
  for (std::uint64_t i = 0; i < kRequests; ++i) {
    EXPECT_EQ(port.notes[i].put.remote_offset, i << 33);  // 64 bits arrive
    EXPECT_EQ(port.notes[i].put.local_offset, kMax - 1 - i);
    EXPECT_EQ(port.notes[i].signal, i % 3 == 0);
  }
  EXPECT_FALSE(port.notes.back().has_put);
  EXPECT_EQ(proxy.taken(), kRequests + 2);
  proxy.stop();
  EXPECT_EQ(proxy.failure().outcome, WaitOutcome::kNone);
}

TEST(Fifo, many_posters_lose_nothing_and_keep_their_own_order) {
  constexpr std::uint32_t kPosters = 4;
  constexpr std::uint64_t kEach = 2000;
  Ring ring(8);
  NotingPort ports[kPosters];
  Proxy proxy(ring.memory(), &ring.waits_.abort_word);
  for (NotingPort& port : ports) proxy.add(port, kAnywhere, kMax, 1);
  proxy.start();
  std::vector<std::thread> posters;
  for (std::uint32_t p = 0; p < kPosters; ++p)
    posters.emplace_back([&ring, p] {
      const FifoPort fifo = ring.port(p);
      for (std::uint64_t i = 0; i < kEach; ++i) {
        EXPECT_TRUE(fifo.post({{PutRequest{i, p, 1}}}, false));
        if (i % 500 == 0) {
          EXPECT_TRUE(fifo.flush());
        }
      }
    });
  for (std::thread& poster : posters) poster.join();
  proxy.stop();
  for (std::uint32_t p = 0; p < kPosters; ++p) {
    ASSERT_EQ(ports[p].notes.size(), kEach);
    for (std::uint64_t i = 0; i < kEach; ++i) {
      ASSERT_EQ(ports[p].notes[i].put.remote_offset, i);
      ASSERT_EQ(ports[p].notes[i].put.local_offset, p);
    }
  }
}

TEST(Fifo, the_proxy_checks_what_the_poster_did_not) {
  struct Bad {
    std::uint32_t channel;
    PutRequest put;
    std::uint64_t expected;
  };
  std::byte memory[64] = {};
  for (const Bad& bad : {Bad{0, {57, 0, 8}, 64}, Bad{0, {0, 57, 8}, 64}, Bad{0, {kMax, 0, 8}, 64},
                         Bad{0, {0, 8, kMax}, 64}, Bad{1, {0, 0, 8}, 1}}) {
    Ring ring(4);
    NotingPort port;
    Proxy proxy(ring.memory(), &ring.waits_.abort_word);
    proxy.add(port, {memory, 64}, 64, 7);
    proxy.start();
    const FifoPort fifo = ring.port(bad.channel);
    ASSERT_TRUE(fifo.post({{bad.put}}, true));
    EXPECT_FALSE(fifo.flush());  // ended by the abort word
    EXPECT_EQ(ring.waits_.failure.outcome, WaitOutcome::kAborted);
    EXPECT_EQ(proxy.failure().outcome, WaitOutcome::kOutOfRange);
    EXPECT_EQ(proxy.failure().expected, bad.expected);
    EXPECT_TRUE(port.notes.empty());
  }
}

TEST(Fifo, what_the_port_refuses_ends_all_waits) {
  Ring ring(4);
  NotingPort port;
  port.broken = true;
  Proxy proxy(ring.memory(), &ring.waits_.abort_word);
  const FifoPort fifo = ring.port(proxy.add(port, kAnywhere, kMax, 3));
  proxy.start();
  ASSERT_TRUE(fifo.post({}, true));
  EXPECT_FALSE(fifo.flush());
  EXPECT_FALSE(fifo.post({}, true));
  EXPECT_EQ(proxy.failure().outcome, WaitOutcome::kUnreachable);
  EXPECT_EQ(proxy.failure().peer, 3);
  EXPECT_EQ(port.flushes, 0);
}

TEST(Fifo, a_full_ring_without_a_proxy_times_out_and_says_so) {
  Ring ring(2);
  ring.waits_.timeout_ns = 10'000'000;
  const FifoPort fifo = ring.port(0);
  EXPECT_TRUE(fifo.post({}, true));
  EXPECT_TRUE(fifo.post({}, true));
  EXPECT_FALSE(fifo.post({}, true));
  EXPECT_EQ(ring.waits_.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(ring.waits_.failure.peer, 1);
  EXPECT_EQ(ring.waits_.failure.expected, 1u);
}

/// Two ranks' transports, `peer` with memory that is published.
template <class T>
struct Pair {
  T own, peer;
  Window window;
  typename T::Remote remote;
};

template <class T>
Result<T> make_transport();
template <>
Result<Loopback> make_transport() {
  return Loopback();
}
template <>
Result<Tcp> make_transport() {
  bootstrap::Secret key{};
  key.fill(0x5a);
  return Tcp::start(key, {.addresses = {bootstrap::Address{}.loopback()}});
}

template <class T>
Result<Pair<T>> make_pair(std::uint64_t bytes) {
  SLUICE_TRY_ASSIGN(T own, make_transport<T>());
  SLUICE_TRY_ASSIGN(T peer, make_transport<T>());
  SLUICE_TRY_ASSIGN(const Window window, peer.allocate(bytes));
  SLUICE_TRY_ASSIGN(const auto blob, peer.publish(window));
  SLUICE_TRY_ASSIGN(auto remote, own.open(blob, Deadline::after(std::chrono::seconds(20))));
  return Pair<T>{std::move(own), std::move(peer), window, std::move(remote)};
}

template <class T>
class FifoOverTransport : public testing::Test {};
using Transports = testing::Types<Loopback, Tcp>;
TYPED_TEST_SUITE(FifoOverTransport, Transports);

TYPED_TEST(FifoOverTransport, a_group_puts_and_signals_and_the_peer_finds_all_of_it) {
  constexpr unsigned kThreads = 3;
  constexpr std::uint64_t kBytes = 6000, kRounds = 40, kCounterAt = kBytes;
  auto made = make_pair<TypeParam>(kBytes + 64);
  ASSERT_TRUE(made.ok()) << last_error();
  auto& pair = made.value();
  std::vector<std::byte> local(kBytes);
  Ring ring(4);
  TransportPort<TypeParam> port(pair.own, pair.remote, {local.data(), kBytes}, kCounterAt);
  Proxy proxy(ring.memory(), &ring.waits_.abort_word);
  const FifoPort fifo = ring.port(proxy.add(port, {local.data(), kBytes}, kBytes, 1));
  proxy.start();
  auto* const counter = reinterpret_cast<std::uint64_t*>(pair.window.base + kCounterAt);
  std::uint64_t read = 0;  // the peer's signal back, in memory of this process
  std::uint64_t unused = 0, expected = 0;
  const PortChannel<const FifoPort> channel{.local = {local.data(), kBytes},
                                            .remote = {nullptr, kBytes},
                                            .semaphore = {&read, &unused, &expected, 1},
                                            .waits = &ring.waits_,
                                            .port = &fifo};
  TeamBarrier barrier(kThreads);
  std::vector<std::thread> team;
  for (unsigned t = 0; t < kThreads; ++t)
    team.emplace_back([&, t] {
      const HostTeam group(barrier, t, kThreads);
      for (std::uint64_t round = 1; round <= kRounds; ++round) {
        for (std::uint64_t i = group.rank(); i < kBytes; i += group.size())
          local[i] = static_cast<std::byte>(i + round);
        if (!channel.put(group, 0, 0, kBytes / 2)) return;
        if (!channel.put_signal(group, kBytes / 2, kBytes / 2, kBytes / 2)) return;
        if (!channel.flush(group) || !channel.wait(group)) return;
      }
    });
  WaitState peer_waits{.timeout_ns = 20'000'000'000};
  std::uint64_t wrong = 0;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    ASSERT_GE(wait_at_least(peer_waits, counter, round, 0), round);
    for (std::uint64_t i = 0; i < kBytes; ++i)
      wrong += pair.window.base[i] != static_cast<std::byte>(i + round);
    port::add_release(&read, 1);
  }
  for (std::thread& thread : team) thread.join();
  proxy.stop();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(ring.waits_.failed, 0u);
  EXPECT_TRUE(port.status().ok());
}

TYPED_TEST(FifoOverTransport, what_leaves_the_peers_memory_is_the_transports_error) {
  auto made = make_pair<TypeParam>(64);
  ASSERT_TRUE(made.ok()) << last_error();
  auto& pair = made.value();
  std::byte local[256] = {};
  Ring ring(4);
  TransportPort<TypeParam> port(pair.own, pair.remote, {local, 256}, 0);
  Proxy proxy(ring.memory(), &ring.waits_.abort_word);
  const FifoPort fifo = ring.port(proxy.add(port, {local, 256}, kMax, 1));  // knows no better
  proxy.start();
  ASSERT_TRUE(fifo.post({{PutRequest{1 << 20, 0, 128}}}, false));
  EXPECT_FALSE(fifo.flush());
  proxy.stop();
  EXPECT_EQ(port.status().code(), Errc::kInvalidArgument);
  EXPECT_EQ(proxy.failure().outcome, WaitOutcome::kUnreachable);
}

}  // namespace
}  // namespace sluice
