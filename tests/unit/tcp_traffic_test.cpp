// Traffic over the TCP transport: much, at once, in batches; peers that end, close, stop or leave.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "tcp_test_support.hpp"
#include "transports/tcp/blob.hpp"
#include "unit/memory_child.hpp"

namespace sluice::transport::tcp::test {
namespace {

using sluice::test::Child;
using sluice::test::Line;

std::string text_of(const Blob& blob) {
  return {reinterpret_cast<const char*>(blob.data()), blob.size()};
}
Blob blob_of(const std::string& text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

TEST(TcpTraffic, two_ranks_put_256_mib_at_each_other_at_once) {
  constexpr std::uint64_t kBytes = 16 << 20, kRounds = 16;
  Tcp transports[] = {start(), start()};
  const Published shown[] = {publish(transports[0], kBytes + 64),
                             publish(transports[1], kBytes + 64)};
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      Tcp& me = transports[rank];
      const Tcp::Remote peer = open(me, shown[1 - rank].blob);
      for (std::uint64_t round = 1; round <= kRounds; ++round) {
        const Bytes bytes(kBytes,
                          static_cast<std::byte>(round + 100 * static_cast<unsigned>(rank)));
        const Put put{64, bytes};
        const Signal signal{0, 1};
        ASSERT_TRUE(me.put_batch(peer, {&put, 1}, {&signal, 1}).ok()) << last_error();
      }
      const std::byte* base = shown[rank].window.base;
      EXPECT_TRUE(comes_true(seconds(100), [&] { return counter_at(base) == kRounds; }));
      const auto last = static_cast<std::byte>(kRounds + 100 * static_cast<unsigned>(1 - rank));
      EXPECT_TRUE(std::all_of(base + 64, base + 64 + kBytes, [&](auto b) { return b == last; }));
    });
  }
  for (auto& rank : ranks) rank.join();
}

TEST(TcpTraffic, gets_of_both_ranks_and_puts_go_on_together) {
  constexpr std::uint64_t kBytes = 8 << 20;
  Tcp transports[] = {start(), start()};
  const Published shown[] = {publish(transports[0], kBytes), publish(transports[1], kBytes)};
  // The first half is fetched, the second half is put to.
  for (const Published& each : shown)
    for (std::uint64_t i = 0; i < kBytes / 2; ++i)
      each.window.base[i] = static_cast<std::byte>(i * 7);
  const Tcp::Remote remotes[] = {open(transports[0], shown[1].blob),
                                 open(transports[1], shown[0].blob)};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, rank = thread / 2, puts = thread % 2] {
      Bytes bytes(kBytes / 2);
      for (int round = 0; round < 4; ++round) {
        if (puts == 1) {
          ASSERT_TRUE(transports[rank].put(remotes[rank], kBytes / 2, bytes).ok()) << last_error();
          continue;
        }
        std::fill(bytes.begin(), bytes.end(), std::byte{0});
        ASSERT_TRUE(transports[rank].get(remotes[rank], 0, bytes).ok()) << last_error();
        for (std::uint64_t i = 0; i < bytes.size(); ++i)
          ASSERT_EQ(bytes[i], static_cast<std::byte>(i * 7)) << i;
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(TcpTraffic, a_batch_arrives_whole_and_before_its_signal) {
  auto owner = start(), me = start();
  const Published shown = publish(owner, 1 << 20);
  const Tcp::Remote remote = open(me, shown.blob);
  std::vector<Bytes> pieces;
  std::vector<Put> puts;
  std::uint64_t offset = 64;
  for (std::uint64_t i = 0; i < 500; ++i) {  // more than one call takes; some are empty
    pieces.emplace_back(i % 50, static_cast<std::byte>(i));
    puts.push_back({offset, pieces.back()});
    offset += i % 50 + 1;
  }
  const Signal signal{8, 3};
  ASSERT_TRUE(me.put_batch(remote, puts, {&signal, 1}).ok()) << last_error();
  const std::byte* base = shown.window.base;
  ASSERT_TRUE(comes_true(seconds(10), [&] { return counter_at(base + 8) == 3; }));
  for (std::size_t i = 0; i < puts.size(); ++i) {
    EXPECT_TRUE(std::equal(pieces[i].begin(), pieces[i].end(), base + puts[i].offset)) << i;
    EXPECT_EQ(base[puts[i].offset + pieces[i].size()], std::byte{0});
  }
}

TEST(TcpTraffic, a_batch_with_one_stretch_out_of_range_sends_nothing) {
  auto owner = start(), me = start();
  const Published shown = publish(owner, 4096);
  const Tcp::Remote remote = open(me, shown.blob);
  const Bytes bytes(16, std::byte{1});
  const Put puts[] = {{0, bytes}, {4090, bytes}};
  const Signal good{0, 1}, bad{4, 1};
  EXPECT_EQ(me.put_batch(remote, puts, {&good, 1}).code(), Errc::kInvalidArgument);
  EXPECT_TRUE(contains(last_error(), "put of 16 bytes at offset 4090 of region 1 at 127.0.0.1"))
      << last_error();
  EXPECT_EQ(me.put_batch(remote, std::span(puts).first(1), {&bad, 1}).code(),
            Errc::kInvalidArgument);
  Bytes read(4096, std::byte{2});
  ASSERT_TRUE(me.get(remote, 0, read).ok());
  EXPECT_EQ(read, Bytes(4096));
}

TEST(TcpTraffic, a_signal_of_another_thread_does_not_wait_for_a_long_put) {
  auto owner = start(), me = start();
  const Published shown = publish(owner, 64 << 20);
  const Tcp::Remote remote = open(me, shown.blob);
  std::atomic<bool> putting = true;
  std::atomic<std::uint64_t> signals = 0;
  std::thread putter([&] {
    const Bytes bytes((64 << 20) - 8);
    EXPECT_TRUE(me.put(remote, 8, bytes).ok()) << last_error();
    putting = false;
  });
  std::uint64_t between = 0;
  while (putting) {
    ASSERT_TRUE(me.signal(remote, 0, 1).ok());
    signals += 1;
    between += putting;
  }
  putter.join();
  EXPECT_GE(between, 10u) << "turns of at most 1 MiB";
  EXPECT_TRUE(comes_true(seconds(10), [&] { return counter_at(shown.window.base) == signals; }));
}

TEST(TcpTraffic, regions_of_one_peer_share_a_connection_that_ends_with_the_last) {
  auto owner = start(), me = start();
  const auto before = sluice::test::open_descriptors();
  {
    const Tcp::Remote first = open(me, publish(owner, 64).blob);
    const auto with_one = sluice::test::open_descriptors();
    EXPECT_GT(with_one, before);
    const Tcp::Remote second = open(me, publish(owner, 64).blob);
    EXPECT_EQ(sluice::test::open_descriptors(), with_one);
    EXPECT_TRUE(me.signal(first, 0, 1).ok() && me.signal(second, 0, 1).ok());
  }
  EXPECT_TRUE(sluice::test::open_descriptors_settle_at(before));
  EXPECT_TRUE(owner.error().ok()) << "leaving is no error: " << last_error();
}

TEST(TcpTraffic, what_was_put_before_leaving_arrives) {
  auto owner = start();
  const Quiet quiet;
  const Published shown = publish(owner, (32 << 20) + 8);
  {
    auto me = start();
    const Tcp::Remote remote = open(me, shown.blob);
    ASSERT_TRUE(me.put(remote, 8, Bytes(32 << 20, std::byte{5})).ok());
    ASSERT_TRUE(me.signal(remote, 0, 1).ok());
    me.close();
    EXPECT_EQ(me.signal(remote, 0, 1).code(), Errc::kInvalidUsage);
    EXPECT_EQ(me.open(shown.blob, soon()).status().code(), Errc::kInvalidUsage);
  }
  EXPECT_TRUE(comes_true(seconds(20), [&] { return counter_at(shown.window.base) == 1; }));
  EXPECT_EQ(shown.window.base[(32 << 20) + 7], std::byte{5});
  EXPECT_TRUE(owner.error().ok());
}

TEST(TcpTraffic, an_owner_that_closes_while_a_peer_puts_ends_the_put) {
  const Quiet quiet;
  for (int round = 0; round < 10; ++round) {
    auto owner = start(), me = start();
    const Published shown = publish(owner, 8 << 20);
    const Tcp::Remote remote = open(me, shown.blob);
    std::atomic<int> puts = 0;
    std::thread putter([&] {
      const Bytes bytes(8 << 20);
      Status status;
      while (status.ok()) {
        status = me.put(remote, 0, bytes);
        ++puts;
      }
      EXPECT_EQ(status.code(), Errc::kRemoteError) << status.what();
      EXPECT_TRUE(
          contains(last_error(), "put of 8388608 bytes at offset 0 of region 1 at 127.0.0.1"))
          << last_error();
    });
    EXPECT_TRUE(comes_true(seconds(20), [&] { return puts > round % 3; }));
    const auto closed = Clock::now();
    owner.close();
    putter.join();
    EXPECT_LT(Clock::now() - closed, seconds(2));
  }
}

TEST(TcpTraffic, an_owner_killed_in_the_middle_ends_puts_and_gets_at_once) {
  const Quiet quiet;
  for (const bool get : {false, true}) {
    Child child([](Line& parent) {
      auto owner = start();
      parent.send(text_of(publish(owner, 32 << 20).blob));
      return parent.receive() == "bye";
    });
    auto me = start();
    const Tcp::Remote remote = open(me, blob_of(child.line().receive()));
    std::atomic<int> calls = 0;
    Clock::time_point ended;
    std::thread caller([&] {
      Bytes bytes(32 << 20);
      Status status;
      for (; status.ok(); ++calls)
        status = get ? me.get(remote, 0, bytes) : me.put(remote, 0, bytes);
      ended = Clock::now();
      EXPECT_EQ(status.code(), Errc::kRemoteError) << last_error();
    });
    EXPECT_TRUE(comes_true(seconds(20), [&] { return calls > 2; }));
    const auto killed = Clock::now();
    child.kill();
    caller.join();
    EXPECT_LT(ended - killed, seconds(1));
  }
}

TEST(TcpTraffic, an_opener_killed_in_the_middle_is_an_error_of_the_owner) {
  const Quiet quiet;
  Child child([](Line& parent) {
    auto me = start();
    const Tcp::Remote remote = open(me, blob_of(parent.receive()));
    const Bytes bytes(8 << 20, std::byte{1});
    while (me.put(remote, 64, bytes).ok() && me.signal(remote, 0, 1).ok()) {
    }
    return false;
  });
  auto owner = start();
  const Published shown = publish(owner, (8 << 20) + 128);
  child.line().send(text_of(shown.blob));
  ASSERT_TRUE(comes_true(seconds(20), [&] { return counter_at(shown.window.base) > 2; }));
  EXPECT_TRUE(owner.error().ok());
  const auto killed = Clock::now();
  child.kill();
  EXPECT_TRUE(comes_true(seconds(2), [&] { return !owner.error().ok(); }));
  EXPECT_LT(Clock::now() - killed, seconds(2));
  EXPECT_TRUE(contains(last_error(), "tcp: the peer at 127.0.0.1:")) << last_error();
  EXPECT_EQ(shown.window.base[(8 << 20) + 64], std::byte{0});
}

TEST(TcpTraffic, a_stopped_owner_ends_calls_within_the_timeout) {
  const Quiet quiet;
  Child child([](Line& parent) {
    auto owner = start();
    parent.send(text_of(publish(owner, 64 << 20).blob));
    return parent.receive() == "bye";
  });
  Options options = local_options();
  options.timeout = milliseconds(500);
  auto me = start(options);
  const Blob blob = blob_of(child.line().receive());
  for (const bool get : {false, true}) {
    const Tcp::Remote remote = open(me, blob);
    ::kill(child.pid(), SIGSTOP);
    Bytes bytes(64 << 20);
    const auto begun = Clock::now();
    const Status status = get ? me.get(remote, 0, bytes) : me.put(remote, 0, bytes);
    EXPECT_EQ(status.code(), Errc::kTimeout) << last_error();
    EXPECT_GE(Clock::now() - begun, milliseconds(500));
    EXPECT_LT(Clock::now() - begun, seconds(5));
    EXPECT_EQ(me.signal(remote, 0, 1).code(), Errc::kTimeout) << "the connection is given up";
    ::kill(child.pid(), SIGCONT);
  }
  EXPECT_TRUE(me.signal(open(me, blob), 0, 1).ok()) << "a new one works: " << last_error();
  child.line().send("bye");
  EXPECT_TRUE(child.wait());
}

TEST(TcpTraffic, ipv6_and_several_addresses) {
  bootstrap::Address v6;
  v6.family = AF_INET6;
  v6 = v6.loopback();
  if (!bootstrap::listen_on(v6).fd.valid()) GTEST_SKIP() << "no IPv6 on this host";
  Options options;
  options.addresses = {v6, bootstrap::Address{}.loopback()};
  auto owner = start(options), me = start();
  ASSERT_EQ(owner.addresses().size(), 2u);
  const Published shown = publish(owner, 64);
  const Tcp::Remote remote = open(me, shown.blob);
  EXPECT_EQ(me.put(remote, 60, Bytes(8)).code(), Errc::kInvalidArgument);
  EXPECT_TRUE(contains(last_error(), "[::1]:")) << last_error();
  ASSERT_TRUE(me.signal(remote, 8, 7).ok()) << last_error();
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown.window.base + 8) == 7; }));
}

TEST(TcpTraffic, an_address_that_does_not_answer_is_passed_over) {
  auto owner = start(), me = start();
  auto place = decode(publish(owner, 64).blob, job_key()).value();
  auto dead = bootstrap::listen_on(bootstrap::Address{}.loopback());
  place.addresses.insert(place.addresses.begin(), bootstrap::local_address(dead.fd).value());
  dead.fd.reset();
  EXPECT_TRUE(me.open(encode(place, job_key()), soon()).ok()) << last_error();
}

TEST(TcpTraffic, addresses_that_peers_cannot_use_are_refused) {
  const Quiet quiet;
  bootstrap::Address link_local{AF_INET6, {0xfe, 0x80}, 0, 1};
  link_local.ip[15] = 1;
  const bootstrap::Address any4, any6{AF_INET6, {}, 0, 0};
  for (const auto& address : {link_local, any4, any6}) {
    const auto refused = Tcp::start(job_key(), {.addresses = {address}});
    EXPECT_EQ(refused.status().code(), Errc::kInvalidArgument) << address.text();
  }
  Options no_time = local_options();
  no_time.timeout = milliseconds(0);
  EXPECT_EQ(Tcp::start(job_key(), no_time).status().code(), Errc::kInvalidArgument);
  const std::vector<bootstrap::Address> many(9, bootstrap::Address{}.loopback());
  EXPECT_EQ(Tcp::start(job_key(), {.addresses = many}).status().code(), Errc::kInvalidArgument);
}

TEST(TcpTraffic, a_forked_child_cannot_use_its_parents_connections) {
  const Quiet quiet;
  auto owner = start(), me = start();
  const Published shown = publish(owner, 64);
  const Tcp::Remote remote = open(me, shown.blob);
  Child child([&](Line&) {
    Bytes bytes(8);
    return me.put(remote, 0, bytes).code() == Errc::kInvalidUsage &&
           me.get(remote, 0, bytes).code() == Errc::kInvalidUsage;
  });
  EXPECT_TRUE(child.wait());
  ASSERT_TRUE(me.signal(remote, 0, 1).ok()) << last_error();
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown.window.base) == 1; }));
}

}  // namespace
}  // namespace sluice::transport::tcp::test
