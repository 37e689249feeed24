// Several connections to one peer: 127.0.0.1, 127.0.0.2 and 127.0.0.3 stand for interfaces.
#include <dirent.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <random>
#include <thread>

#include "tcp_test_support.hpp"
#include "transports/tcp/blob.hpp"
#include "unit/memory_child.hpp"
#include "unit/tcp_relay.hpp"

namespace sluice::transport::tcp::test {
namespace {

using bootstrap::Address;

Address loopback(std::uint8_t last) {
  Address address = Address{}.loopback();
  address.ip[3] = last;
  return address;
}

/// A transport with so many interfaces.
Options with_interfaces(std::uint8_t count) {
  Options options;
  for (std::uint8_t i = 1; i <= count; ++i) {
    options.addresses.push_back(loopback(i));
    options.connect_from.push_back(loopback_interface(loopback(i)));
  }
  return options;
}

/// Shuts every connection of this process whose local end is this address, as a network that sends
/// resets would.
std::size_t shut_connections_of(const Address& local) {
  std::size_t count = 0;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) continue;
    length = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) continue;
    const auto found = Address::from_socket_address(storage);
    if (found && found->ip == local.ip) count += ::shutdown(fd, SHUT_RDWR) == 0;
  }
  ::closedir(folder);
  return count;
}

/// A byte that depends on its place and on the round.
std::byte expected_at(std::uint64_t i, std::uint64_t round) {
  return static_cast<std::byte>(i * 31 + (i >> 13) + round * 7 + 1);
}
Bytes pattern(std::uint64_t bytes, std::uint64_t round) {
  Bytes made(bytes);
  for (std::uint64_t i = 0; i < bytes; ++i) made[i] = expected_at(i, round);
  return made;
}
std::uint64_t first_difference(const std::byte* base, std::uint64_t bytes, std::uint64_t round) {
  for (std::uint64_t i = 0; i < bytes; ++i)
    if (base[i] != expected_at(i, round)) return i;
  return bytes;
}

class TcpRails : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = 24 << 20;

  explicit TcpRails(std::uint8_t interfaces = 3)
      : owner_(start(with_interfaces(interfaces))), me_(start(with_interfaces(interfaces))) {}

  bool come_up(std::size_t count, seconds time = seconds(20)) {
    return comes_true(time, [&] { return Tcp::connections(remote_) == count; });
  }
  const std::byte* data() const { return shown_.window.base + 64; }
  bool counts(std::uint64_t target, seconds time = seconds(60)) {
    return comes_true(time, [&] { return counter_at(shown_.window.base) == target; });
  }
  Status put_round(const Bytes& bytes) {
    const Put put{64, bytes};
    const Signal signal{0, 1};
    return Tcp::put_batch(remote_, {&put, 1}, {&signal, 1});
  }

  const Quiet quiet_;
  Tcp owner_, me_;
  const Published shown_ = publish(owner_, kBytes + 64);
  const Tcp::Remote remote_ = open(me_, shown_.blob);
};

TEST_F(TcpRails, every_pair_of_interfaces_gets_a_connection) {
  EXPECT_TRUE(come_up(3));
  EXPECT_TRUE(owner_.error().ok());
}

TEST_F(TcpRails, what_is_spread_arrives_whole_and_before_its_signal) {
  ASSERT_TRUE(come_up(3));
  for (std::uint64_t round = 1; round <= 6; ++round) {
    ASSERT_TRUE(put_round(pattern(kBytes, round)).ok()) << last_error();
    ASSERT_TRUE(counts(round));
    ASSERT_EQ(first_difference(data(), kBytes, round), kBytes) << "round " << round;
  }
}

TEST_F(TcpRails, small_puts_are_there_when_their_signals_are) {
  ASSERT_TRUE(come_up(3));
  constexpr std::uint64_t kRounds = 20'000;
  std::uint64_t late = 0;
  std::thread receiver([&] {
    const auto* slots = reinterpret_cast<const std::uint64_t*>(shown_.window.base + 64);
    for (std::uint64_t seen = 0; seen < kRounds;) {
      const std::uint64_t count = counter_at(shown_.window.base);
      for (; seen < count; ++seen) late += slots[seen] != seen + 1;
      std::this_thread::yield();
    }
  });
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    const std::uint64_t value = i + 1;
    ASSERT_TRUE(me_.put(remote_, 64 + 8 * i, std::as_bytes(std::span(&value, 1))).ok());
    ASSERT_TRUE(me_.signal(remote_, 0, 1).ok());
  }
  receiver.join();
  EXPECT_EQ(late, 0u);
}

TEST_F(TcpRails, a_get_reads_what_was_put_before_it) {
  ASSERT_TRUE(come_up(3));
  Bytes read(kBytes);
  for (std::uint64_t round = 1; round <= 4; ++round) {
    ASSERT_TRUE(me_.put(remote_, 64, pattern(kBytes, round)).ok()) << last_error();
    ASSERT_TRUE(me_.signal(remote_, 0, 5).ok());
    std::uint64_t counter = 0;
    ASSERT_TRUE(me_.get(remote_, 0, std::as_writable_bytes(std::span(&counter, 1))).ok());
    EXPECT_EQ(counter, 5 * round);
    ASSERT_TRUE(me_.get(remote_, 64, read).ok()) << last_error();
    EXPECT_EQ(first_difference(read.data(), kBytes, round), kBytes);
  }
}

TEST_F(TcpRails, what_was_put_before_leaving_arrives) {
  {
    const Published another = publish(owner_, 64);
    auto leaver = start(with_interfaces(3));
    const Tcp::Remote first = open(leaver, shown_.blob), second = open(leaver, another.blob);
    ASSERT_TRUE(leaver.put(first, 64, pattern(kBytes, 1)).ok());
    ASSERT_TRUE(leaver.signal(first, 0, 1).ok() && leaver.signal(second, 0, 1).ok());
    leaver.close();
    EXPECT_EQ(leaver.signal(first, 0, 1).code(), Errc::kInvalidUsage);
    EXPECT_EQ(counter_at(another.window.base), 1u) << "a goodbye waits for the acknowledgements";
  }
  EXPECT_EQ(counter_at(shown_.window.base), 1u);
  EXPECT_EQ(first_difference(data(), kBytes, 1), kBytes);
  EXPECT_TRUE(owner_.error().ok()) << last_error();
}

TEST_F(TcpRails, leaving_while_connections_are_made_is_no_error) {
  for (int i = 0; i < 100; ++i) {
    auto leaver = start(with_interfaces(3));
    const Tcp::Remote remote = open(leaver, shown_.blob);
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(20 * i));
  }
  EXPECT_TRUE(owner_.error().ok()) << last_error();
}

TEST_F(TcpRails, its_descriptors_are_gone_after_the_last_remote) {
  ASSERT_TRUE(come_up(3));
  const auto before = sluice::test::open_descriptors();
  auto leaver = start(with_interfaces(3));
  const auto started = sluice::test::open_descriptors();
  {
    const Tcp::Remote remote = open(leaver, shown_.blob);
    EXPECT_TRUE(comes_true(seconds(20), [&] { return Tcp::connections(remote) == 3; }));
    EXPECT_TRUE(leaver.signal(remote, 0, 1).ok());
  }
  EXPECT_TRUE(sluice::test::open_descriptors_settle_at(started));
  leaver.close();
  EXPECT_TRUE(sluice::test::open_descriptors_settle_at(before));
}

TEST_F(TcpRails, a_rail_that_dies_in_the_middle_loses_nothing_and_comes_back) {
  ASSERT_TRUE(come_up(3));
  for (std::uint64_t round = 1; round <= 6; ++round) {
    std::thread killer;
    if (round % 2 == 0)
      killer = std::thread([&] {
        std::this_thread::sleep_for(milliseconds(1 + round));
        EXPECT_GE(shut_connections_of(loopback(static_cast<std::uint8_t>(round / 2))), 1u);
      });
    ASSERT_TRUE(put_round(pattern(kBytes, round)).ok()) << last_error();
    if (killer.joinable()) killer.join();
    ASSERT_TRUE(counts(round)) << "round " << round;
    ASSERT_EQ(first_difference(data(), kBytes, round), kBytes) << "round " << round;
    EXPECT_TRUE(come_up(3)) << "it is tried again after a second";
  }
  EXPECT_TRUE(owner_.error().ok()) << last_error();
}

TEST_F(TcpRails, gets_go_on_over_another_rail) {
  ASSERT_TRUE(come_up(3));
  ASSERT_TRUE(put_round(pattern(kBytes, 1)).ok());
  std::atomic<bool> done = false;
  std::thread killer([&] {
    for (std::uint8_t i = 0; !done; ++i) {
      std::this_thread::sleep_for(milliseconds(20));
      if (Tcp::connections(remote_) == 3)
        shut_connections_of(loopback(static_cast<std::uint8_t>(1 + i % 3)));
    }
  });
  Bytes read(kBytes);
  const auto begun = Clock::now();
  for (int round = 0; round < 4 || Clock::now() - begun < seconds(3); ++round) {
    std::fill(read.begin(), read.end(), std::byte{0});
    ASSERT_TRUE(me_.get(remote_, 64, read).ok()) << last_error();
    ASSERT_EQ(first_difference(read.data(), kBytes, 1), kBytes);
  }
  done = true;
  killer.join();
}

TEST_F(TcpRails, when_all_die_the_peer_is_lost) {
  ASSERT_TRUE(come_up(3));
  std::atomic<int> puts = 0;
  Status status;
  std::thread putter([&] {
    const Bytes bytes(kBytes);
    for (; status.ok(); ++puts) status = me_.put(remote_, 64, bytes);
    EXPECT_TRUE(contains(last_error(),
                         "put of 25165824 bytes at offset 64 of region 1 at "
                         "127.0.0.1"))
        << last_error();
    EXPECT_TRUE(contains(last_error(), "the last connection, from 127.0.0.")) << last_error();
  });
  EXPECT_TRUE(comes_true(seconds(20), [&] { return puts > 1; }));
  for (std::uint8_t i = 1; i <= 3; ++i) shut_connections_of(loopback(i));
  putter.join();
  EXPECT_EQ(status.code(), Errc::kRemoteError);
  EXPECT_EQ(Tcp::connections(remote_), 0u);
  EXPECT_TRUE(comes_true(seconds(5), [&] { return owner_.error().code() == Errc::kRemoteError; }));
  EXPECT_TRUE(me_.signal(open(me_, shown_.blob), 0, 1).ok()) << "opened again: " << last_error();
}

TEST_F(TcpRails, an_owner_that_closes_ends_puts_and_gets) {
  for (const bool get : {false, true}) {
    auto owner = start(with_interfaces(3));
    const Published shown = publish(owner, 8 << 20);
    const Tcp::Remote remote = open(me_, shown.blob);
    std::atomic<int> calls = 0;
    std::thread caller([&] {
      Bytes bytes(8 << 20);
      Status status;
      for (; status.ok(); ++calls)
        status = get ? me_.get(remote, 0, bytes) : me_.put(remote, 0, bytes);
      EXPECT_EQ(status.code(), Errc::kRemoteError) << last_error();
    });
    EXPECT_TRUE(comes_true(seconds(20), [&] { return calls > 2; }));
    const auto closed = Clock::now();
    owner.close();
    caller.join();
    EXPECT_LT(Clock::now() - closed, seconds(5));
  }
}

TEST_F(TcpRails, both_put_and_get_at_once_while_rails_die) {
  ASSERT_TRUE(come_up(3));
  const Published mine = publish(me_, kBytes + 64);
  const Tcp::Remote back = open(owner_, mine.blob);
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (const bool forth : {true, false})
    threads.emplace_back([&, forth] {
      const Tcp::Remote& remote = forth ? remote_ : back;
      const std::byte* base = forth ? shown_.window.base : mine.window.base;
      for (std::uint64_t round = 1; round <= 8; ++round) {
        const Bytes bytes = pattern(kBytes, round);
        const Put put{64, bytes};
        const Signal signal{0, 1};
        ASSERT_TRUE(Tcp::put_batch(remote, {&put, 1}, {&signal, 1}).ok()) << last_error();
        ASSERT_TRUE(comes_true(seconds(60), [&] { return counter_at(base) == round; }));
        ASSERT_EQ(first_difference(base + 64, kBytes, round), kBytes);
      }
    });
  std::thread killer([&] {
    std::mt19937 random(11);
    while (!done) {
      std::this_thread::sleep_for(milliseconds(random() % 200));
      if (Tcp::connections(remote_) == 3 && Tcp::connections(back) == 3)
        shut_connections_of(loopback(static_cast<std::uint8_t>(1 + random() % 3)));
    }
  });
  for (auto& thread : threads) thread.join();
  done = true;
  killer.join();
}

/// Two interfaces; the way between the second ones leads through a relay.
class TcpRelayedRail : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = 24 << 20;

  Blob through_relay() {
    auto place = decode(shown_.blob, job_key()).value();
    relay_.emplace(loopback(2), place.addresses[1]);
    place.addresses[1] = relay_->address();
    return encode(place, job_key());
  }
  bool come_up(std::size_t count) {
    return comes_true(seconds(40), [&] { return Tcp::connections(remote_) == count; });
  }
  void put_round(std::uint64_t round) {
    const Bytes bytes = pattern(kBytes, round);
    const Put put{64, bytes};
    const Signal signal{0, 1};
    ASSERT_TRUE(Tcp::put_batch(remote_, {&put, 1}, {&signal, 1}).ok()) << last_error();
    const std::byte* base = shown_.window.base;
    ASSERT_TRUE(comes_true(seconds(60), [&] { return counter_at(base) == round; }));
    ASSERT_EQ(first_difference(base + 64, kBytes, round), kBytes) << "round " << round;
  }

  const Quiet quiet_;
  Tcp owner_ = start(with_interfaces(2)), me_ = start(with_interfaces(2));
  const Published shown_ = publish(owner_, kBytes + 64);
  std::optional<Relay> relay_;
  const Tcp::Remote remote_ = open(me_, through_relay());
};

TEST_F(TcpRelayedRail, a_silent_rail_is_given_up_and_what_it_brings_late_is_not_written) {
  ASSERT_TRUE(come_up(2));
  put_round(1);
  relay_->pause();  // in the middle of some frame
  put_round(2);
  EXPECT_EQ(Tcp::connections(remote_), 1u);
  put_round(3);
  const std::uint64_t before = relay_->bytes();
  relay_->resume();
  EXPECT_TRUE(come_up(2));
  EXPECT_GT(relay_->bytes(), before) << "what was held back has come";
  EXPECT_EQ(first_difference(shown_.window.base + 64, kBytes, 3), kBytes);
  put_round(4);
  EXPECT_TRUE(owner_.error().ok()) << last_error();
}

TEST_F(TcpRelayedRail, a_slow_rail_takes_little) {
  ASSERT_TRUE(come_up(2));
  relay_->limit(2 << 20);
  put_round(1);
  const std::uint64_t first = relay_->bytes();
  for (std::uint64_t round = 2; round <= 6; ++round) put_round(round);
  EXPECT_LT((relay_->bytes() - first) / 5, kBytes / 4);
}

TEST(TcpRailsSetUp, a_pair_that_does_not_work_is_passed_over_and_tried_again) {
  const Quiet quiet;
  auto owner = start(with_interfaces(3)), me = start(with_interfaces(3));
  const Published shown = publish(owner, 64);
  auto place = decode(shown.blob, job_key()).value();
  const Address real = place.addresses[0];
  auto dead = bootstrap::listen_on(loopback(1));
  place.addresses[0] = bootstrap::local_address(dead.fd).value();
  dead.fd.reset();
  const Tcp::Remote remote = open(me, encode(place, job_key()));
  ASSERT_TRUE(comes_true(seconds(20), [&] { return Tcp::connections(remote) == 2; }));
  ASSERT_TRUE(me.signal(remote, 0, 1).ok());
  const Relay relay(place.addresses[0], real);
  ASSERT_TRUE(comes_true(seconds(20), [&] { return Tcp::connections(remote) == 3; }));
}

TEST(TcpRailsSetUp, one_pair_is_one_connection_from_its_interface) {
  auto owner = start(with_interfaces(3));
  Options options = with_interfaces(2);
  options.connect_from.erase(options.connect_from.begin());
  auto me = start(options);
  const Tcp::Remote remote = open(me, publish(owner, 64).blob);
  EXPECT_EQ(Tcp::connections(remote), 1u);
  EXPECT_GE(shut_connections_of(loopback(2)), 1u);
}

TEST(TcpRailsSetUp, more_interfaces_than_rails_are_refused) {
  const Quiet quiet;
  EXPECT_EQ(Tcp::start(job_key(), with_interfaces(9)).status().code(), Errc::kInvalidArgument);
  Options options = local_options();
  options.connect_from = with_interfaces(9).connect_from;
  EXPECT_EQ(Tcp::start(job_key(), options).status().code(), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::transport::tcp::test
