// One connection for both directions: who shares it, how each direction ends, and what the other
// one is told.
#include <algorithm>
#include <atomic>
#include <optional>

#include "tcp_test_support.hpp"
#include "unit/memory_child.hpp"

namespace sluice::transport::tcp::test {
namespace {

using sluice::test::Child;
using sluice::test::Line;
using sluice::test::open_descriptors;

constexpr std::uint64_t kBytes = 1 << 20;

Options encrypted(bool encrypt) {
  Options options = local_options();
  options.encrypt = encrypt;
  return options;
}

Bytes pattern(std::uint64_t bytes, unsigned seed) {
  Bytes made(bytes);
  for (std::uint64_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>(i * 7 + seed);
  return made;
}

/// Two transports that have opened each other, the first one first.
class TcpTwoWay : public testing::TestWithParam<bool> {
 protected:
  struct Rank {
    explicit Rank(bool encrypt) : tcp(start(encrypted(encrypt))) {}
    Tcp tcp;
    Published shown = publish(tcp, kBytes);
    std::optional<Tcp::Remote> peer;
    std::byte* memory() const { return shown.window.base; }
  };

  TcpTwoWay() {
    first_.peer = open(first_.tcp, second_.shown.blob);
    with_first_ = open_descriptors();
    second_.peer = open(second_.tcp, first_.shown.blob);
    with_both_ = open_descriptors();
  }
  static void expect_goes_through(Rank& from, Rank& to) {
    const Bytes sent = pattern(kBytes - 64, 3);
    Bytes read(sent.size());
    const std::uint64_t before = counter_at(to.memory());
    const Put put{64, sent};
    const Signal signal{0, 1};
    ASSERT_TRUE(from.tcp.put_batch(*from.peer, {&put, 1}, {&signal, 1}).ok()) << last_error();
    ASSERT_TRUE(from.tcp.get(*from.peer, 64, read).ok()) << last_error();
    EXPECT_EQ(read, sent);
    EXPECT_EQ(counter_at(to.memory()), before + 1);
  }
  void expect_no_error() {
    EXPECT_TRUE(first_.tcp.error().ok()) << last_error();
    EXPECT_TRUE(second_.tcp.error().ok()) << last_error();
  }

  const Quiet quiet_;
  Rank first_{GetParam()}, second_{GetParam()};
  std::ptrdiff_t with_first_ = 0, with_both_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Each, TcpTwoWay, testing::Bool(),
                         [](const auto& each) { return each.param ? "encrypted" : "plain"; });

TEST_P(TcpTwoWay, who_is_opened_opens_over_the_same_connection) {
  EXPECT_EQ(with_both_, with_first_);
  expect_goes_through(first_, second_);
  expect_goes_through(second_, first_);
  EXPECT_EQ(Tcp::connections(*second_.peer), 1u);
  expect_no_error();
}

TEST_P(TcpTwoWay, the_goodbye_of_one_leaves_the_other_at_work) {
  for (const bool maker : {true, false}) {
    SCOPED_TRACE(maker);
    Rank a(GetParam()), b(GetParam());
    const std::ptrdiff_t without = open_descriptors();
    a.peer = open(a.tcp, b.shown.blob);
    b.peer = open(b.tcp, a.shown.blob);
    Rank& leaves = maker ? a : b;
    Rank& stays = maker ? b : a;
    ASSERT_TRUE(leaves.tcp.put(*leaves.peer, 64, pattern(kBytes - 64, 1)).ok()) << last_error();
    leaves.peer.reset();
    for (int round = 0; round < 5; ++round) expect_goes_through(stays, leaves);
    stays.peer.reset();
    EXPECT_TRUE(sluice::test::open_descriptors_settle_at(without)) << "closed once both have left";
    EXPECT_TRUE(a.tcp.error().ok() && b.tcp.error().ok()) << last_error();
    // There is a way back: another connection.
    leaves.peer = open(leaves.tcp, stays.shown.blob);
    expect_goes_through(leaves, stays);
  }
}

TEST_P(TcpTwoWay, who_comes_back_while_the_other_is_still_there_gets_another_connection) {
  second_.peer.reset();
  expect_goes_through(first_, second_);
  second_.peer = open(second_.tcp, first_.shown.blob);
  EXPECT_GT(open_descriptors(), with_both_);
  expect_goes_through(first_, second_);
  expect_goes_through(second_, first_);
  expect_no_error();
}

TEST_P(TcpTwoWay, both_put_gigabytes_while_both_get) {
  constexpr std::uint64_t kEach = 16 << 20;
  const std::uint64_t rounds = GetParam() ? 4 : 16;
  const Published large[] = {publish(first_.tcp, 2 * kEach), publish(second_.tcp, 2 * kEach)};
  Tcp* const transports[] = {&first_.tcp, &second_.tcp};
  const Tcp::Remote remotes[] = {open(first_.tcp, large[1].blob), open(second_.tcp, large[0].blob)};
  const Bytes still = pattern(kEach, 9);
  for (const Published& each : large)  // the second half is fetched
    std::copy(still.begin(), still.end(), each.window.base + kEach);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 6; ++thread) {
    threads.emplace_back([&, rank = thread / 3, gets = thread % 3 == 0] {
      Bytes bytes(kEach / 2, std::byte{7});
      for (std::uint64_t round = 0; round < rounds; ++round) {
        const Status status = gets ? transports[rank]->get(remotes[rank], kEach, bytes)
                                   : transports[rank]->put(remotes[rank], 0, bytes);
        ASSERT_TRUE(status.ok()) << last_error();
        ASSERT_TRUE(!gets || std::equal(bytes.begin(), bytes.end(), still.begin()));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  expect_no_error();
}

TEST_P(TcpTwoWay, a_get_is_answered_although_the_owner_never_stops_sending) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> senders;
  for (int i = 0; i < 2; ++i)
    senders.emplace_back([&] {
      while (!stop)
        if (!first_.tcp.signal(*first_.peer, 0, 1).ok()) return;
    });
  Bytes read(kBytes);
  for (int round = 0; round < 200; ++round)
    EXPECT_TRUE(second_.tcp.get(*second_.peer, 0, read).ok()) << last_error();
  stop = true;
  for (auto& sender : senders) sender.join();
  expect_no_error();
}

TEST_P(TcpTwoWay, what_was_put_before_closing_arrives_although_the_peer_goes_on_sending) {
  const Published large = publish(second_.tcp, (16 << 20) + 8);
  std::atomic<bool> sending = true;
  std::thread sender([&] {
    const Bytes some(5000, std::byte{1});
    while (second_.tcp.put(*second_.peer, 64, some).ok()) {
    }
    sending = false;
  });
  {
    const Tcp::Remote remote = open(first_.tcp, large.blob);
    ASSERT_TRUE(first_.tcp.put(remote, 8, Bytes(16 << 20, std::byte{5})).ok()) << last_error();
    ASSERT_TRUE(first_.tcp.signal(remote, 0, 1).ok());
    first_.tcp.close();
  }
  EXPECT_TRUE(comes_true(seconds(20), [&] { return counter_at(large.window.base) == 1; }));
  EXPECT_EQ(large.window.base[(16 << 20) + 7], std::byte{5});
  EXPECT_TRUE(comes_true(seconds(5), [&] { return !sending; })) << "the memory is gone";
  sender.join();
  EXPECT_EQ(second_.tcp.flush(*second_.peer).code(), Errc::kRemoteError);
  expect_no_error();
}

TEST_P(TcpTwoWay, giving_up_ends_both_directions_and_both_ends_are_told) {
  Tcp::give_up(*second_.peer);
  EXPECT_EQ(second_.tcp.signal(*second_.peer, 0, 1).code(), Errc::kAborted);
  EXPECT_TRUE(comes_true(seconds(5), [&] { return !second_.tcp.error().ok(); }));
  EXPECT_TRUE(contains(last_error(), "this rank has given the connection up")) << last_error();
  EXPECT_TRUE(comes_true(seconds(5), [&] { return !first_.tcp.flush(*first_.peer).ok(); }));
  EXPECT_EQ(first_.tcp.signal(*first_.peer, 0, 1).code(), Errc::kRemoteError);
  EXPECT_EQ(first_.tcp.error().code(), Errc::kRemoteError);
  first_.peer = open(first_.tcp, second_.shown.blob);
  second_.peer = open(second_.tcp, first_.shown.blob);
  expect_goes_through(first_, second_);
  expect_goes_through(second_, first_);
}

// While somebody polls, the transport's own thread keeps away: what comes is seen by the polls.
TEST_P(TcpTwoWay, who_waits_for_one_peer_takes_in_what_others_send) {
  auto third = start(encrypted(GetParam()));
  const Tcp::Remote from_third = open(third, first_.shown.blob);
  for (std::uint64_t round = 1; round <= 100; ++round) {
    ASSERT_TRUE(third.signal(from_third, 0, 1).ok()) << last_error();
    ASSERT_TRUE(second_.tcp.signal(*second_.peer, 8, 1).ok()) << last_error();
    for (const std::uint64_t offset : {0, 8})
      for (const Deadline by = soon(); counter_at(first_.memory() + offset) < round;) {
        ASSERT_FALSE(by.passed());
        first_.tcp.poll(milliseconds(0), &*first_.peer);
      }
  }
  second_.tcp.close();
  for (const Deadline by = soon(); first_.tcp.flush(*first_.peer).ok() && !by.passed();)
    first_.tcp.poll(milliseconds(0), &*first_.peer);
  first_.tcp.poll(milliseconds(0), &*first_.peer);  // nobody looks after it any more
  EXPECT_EQ(first_.tcp.flush(*first_.peer).code(), Errc::kRemoteError);
  EXPECT_TRUE(first_.tcp.error().ok()) << last_error();
}

TEST(TcpBothOpen, at_the_same_time) {
  for (int round = 0; round < 50; ++round) {
    Tcp transports[] = {start(), start()};
    const Published shown[] = {publish(transports[0], 64), publish(transports[1], 64)};
    std::atomic<int> ready = 0;
    std::vector<std::thread> ranks;
    for (int rank = 0; rank < 2; ++rank)
      ranks.emplace_back([&, rank] {
        for (++ready; ready < 2;) std::this_thread::yield();
        const Tcp::Remote peer = open(transports[rank], shown[1 - rank].blob);
        EXPECT_TRUE(transports[rank].signal(peer, 0, 1).ok()) << last_error();
        EXPECT_TRUE(comes_true(seconds(10), [&] {
          return counter_at(shown[rank].window.base) == 1;
        })) << rank;
      });  // each leaves when it has seen the other, which may not have seen it
    for (auto& rank : ranks) rank.join();
    for (const Tcp& one : transports) EXPECT_TRUE(one.error().ok()) << last_error();
  }
}

TEST(TcpBothOpen, a_rank_that_opens_while_its_peer_leaves) {
  for (int round = 0; round < 50; ++round) {
    auto a = start(), b = start();
    const Published shown_a = publish(a, 64), shown_b = publish(b, kBytes);
    std::optional<Tcp::Remote> to_b = open(a, shown_b.blob);
    std::thread leaves([&] {
      const Bytes sent = pattern(kBytes - 8, 1);
      const Put put{8, sent};
      const Signal signal{0, 1};
      EXPECT_TRUE(a.put_batch(*to_b, {&put, 1}, {&signal, 1}).ok()) << last_error();
      to_b.reset();
    });
    const Tcp::Remote to_a = open(b, shown_a.blob);
    EXPECT_TRUE(b.signal(to_a, 0, 1).ok()) << last_error();
    EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown_a.window.base) == 1; }));
    leaves.join();
    EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown_b.window.base) == 1; }));
    EXPECT_EQ(shown_b.window.base[kBytes - 1], pattern(kBytes - 8, 1).back());
    EXPECT_TRUE(a.error().ok() && b.error().ok()) << last_error();
  }
}

TEST(TcpBothOpen, a_peers_death_is_told_to_who_puts_and_to_who_waits_for_puts) {
  const Quiet quiet;
  const auto as_text = [](const Blob& blob) {
    return std::string(reinterpret_cast<const char*>(blob.data()), blob.size());
  };
  const auto as_blob = [](const std::string& text) {
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    return Blob(bytes, bytes + text.size());
  };
  for (const bool child_connects : {true, false}) {
    Child child([&](Line& parent) {
      auto me = start();
      parent.send(as_text(publish(me, kBytes).blob));
      const Blob peers = as_blob(parent.receive());
      const Tcp::Remote remote = open(me, peers);
      parent.send("open");
      return parent.receive() == "never";
    });
    auto me = start();
    const Published shown = publish(me, kBytes);
    const Blob childs = as_blob(child.line().receive());
    std::optional<Tcp::Remote> remote;
    if (!child_connects) remote = open(me, childs);
    child.line().send(as_text(shown.blob));
    ASSERT_EQ(child.line().receive(), "open");
    if (child_connects) remote = open(me, childs);
    ASSERT_TRUE(me.signal(*remote, 0, 1).ok()) << last_error();
    child.kill();
    EXPECT_TRUE(comes_true(seconds(2), [&] { return !me.error().ok(); }));
    EXPECT_TRUE(contains(last_error(), "tcp: the peer at 127.0.0.1:")) << last_error();
    EXPECT_TRUE(comes_true(seconds(2), [&] { return !me.signal(*remote, 0, 1).ok(); }));
    EXPECT_EQ(me.signal(*remote, 0, 1).code(), Errc::kRemoteError);
  }
}

}  // namespace
}  // namespace sluice::transport::tcp::test
