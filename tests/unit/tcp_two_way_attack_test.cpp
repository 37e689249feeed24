// Peers that offer to be opened over their connection, and then lie or say what is not theirs to
// say.
#include <poll.h>

#include <atomic>

#include "tcp_test_support.hpp"
#include "transports/tcp/blob.hpp"

namespace sluice::transport::tcp::test {
namespace {

using bootstrap::Fd;

constexpr std::uint64_t kBytes = 4096;

/// A transport, and peers that say what they like.
class TcpTwoWayAttack : public testing::Test {
 protected:
  static constexpr std::uint64_t kHostile = 4711;

  /// A connection of a peer that has offered to be opened as this transport, and has opened.
  Fd offering(std::uint64_t number, Fd socket) {
    EXPECT_EQ(prove_as_opener(socket, {wire_key()}, soon()).complaint, "");
    say(socket, {FrameType::kOffer, 1, 0, number, 0});
    say(socket, {FrameType::kOpen, 2, 1, decode(shown_.blob, job_key())->owner, kBytes});
    EXPECT_EQ(hear(socket).type, FrameType::kOpened);
    return socket;
  }
  Fd offering(std::uint64_t number) { return offering(number, connect_raw(me_)); }
  Blob hostile_blob() const {
    return encode(Place{kHostile, 1, kBytes, {bootstrap::Address{}.loopback()}}, job_key());
  }
  /// Opens the hostile peer, which has offered, and answers as it should.
  Tcp::Remote open_over(const Fd& socket) {
    std::thread answers([&] {
      FrameHeader asked = hear(socket);
      EXPECT_EQ(asked.type, FrameType::kOpen);
      EXPECT_EQ(asked.sequence, 1u);
      asked.type = FrameType::kOpened;
      say(socket, asked);
    });
    const Tcp::Remote remote = open(me_, hostile_blob());
    answers.join();
    return remote;
  }

  const Quiet quiet_;
  Tcp me_ = start(), other_ = start();
  const Published shown_ = publish(me_, kBytes), others_ = publish(other_, kBytes);
};

TEST_F(TcpTwoWayAttack, answers_that_nobody_asked_for_cut_the_peer_off) {
  for (const FrameType type : {FrameType::kGot, FrameType::kOpened, FrameType::kAck,
                               FrameType::kJoined, FrameType::kOffer, FrameType::kJoin}) {
    const Fd unused = offering(kHostile);
    say(unused, {type, 3, 1, 0, 8});
    EXPECT_TRUE(is_closed_within(unused, seconds(2))) << name(type);
    const Fd used = offering(kHostile);
    const Tcp::Remote remote = open_over(used);
    say(used, {type, 3, 1, 0, 8});
    EXPECT_TRUE(is_closed_within(used, seconds(2))) << name(type);
    EXPECT_TRUE(comes_true(seconds(2), [&] { return !me_.flush(remote).ok(); }));
    EXPECT_EQ(me_.flush(remote).code(), Errc::kRemoteError);
    EXPECT_TRUE(contains(last_error(), "it sent a")) << last_error();
    EXPECT_EQ(me_.error().code(), Errc::kRemoteError);
  }
  EXPECT_TRUE(other_.signal(open(other_, shown_.blob), 0, 1).ok()) << last_error();
}

TEST_F(TcpTwoWayAttack, an_owner_may_put_only_once_it_has_opened) {
  for (const FrameType type : {FrameType::kPut, FrameType::kOffer, FrameType::kJoin}) {
    auto listener = bootstrap::listen_on(bootstrap::Address{}.loopback());
    std::thread owner([&] {
      bootstrap::Address peer;
      ASSERT_EQ(bootstrap::wait_until_ready(listener.fd, POLLIN, soon()), 0);
      const auto accepted = bootstrap::accept_from(listener.fd, peer);
      OwnerHandshake handshake;
      while (handshake.advance(accepted.fd, {wire_key()}) != OwnerHandshake::State::kProved)
        ASSERT_EQ(bootstrap::wait_until_ready(accepted.fd, POLLIN, soon()), 0);
      EXPECT_EQ(hear(accepted.fd).type, FrameType::kOffer);
      FrameHeader asked = hear(accepted.fd);
      asked.type = FrameType::kOpened;
      say(accepted.fd, asked);
      say(accepted.fd, {type, 1, 1, 0, 1});
      EXPECT_TRUE(is_closed_within(accepted.fd, seconds(2))) << name(type);
    });
    const Place here{kHostile, 1, kBytes, {bootstrap::local_address(listener.fd).value()}};
    const Tcp::Remote remote = open(me_, encode(here, job_key()));
    owner.join();
    EXPECT_TRUE(comes_true(seconds(2), [&] { return !me_.flush(remote).ok(); }));
    EXPECT_TRUE(contains(last_error(), "it sent a")) << last_error();
  }
  EXPECT_TRUE(me_.error().ok()) << "it had nothing open: " << last_error();
}

TEST_F(TcpTwoWayAttack, who_says_anothers_number_gets_nothing_but_the_question) {
  const std::uint64_t number = decode(others_.blob, job_key())->owner;
  const Fd liar = offering(number);
  std::thread refuses([&] {
    const FrameHeader asked = hear(liar);
    EXPECT_EQ(asked.type, FrameType::kOpen);
    EXPECT_EQ(asked.offset, number);
    ::shutdown(liar.get(), SHUT_RDWR);  // as any transport does with another's number
  });
  const Tcp::Remote remote = open(me_, others_.blob);
  refuses.join();
  ASSERT_TRUE(me_.signal(remote, 0, 1).ok()) << last_error();
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(others_.window.base) == 1; }));
  EXPECT_EQ(me_.error().code(), Errc::kRemoteError) << "the liar had opened, and is lost";
  EXPECT_TRUE(other_.error().ok());
}

TEST_F(TcpTwoWayAttack, who_says_a_number_of_another_host_is_not_even_asked) {
  bootstrap::Address elsewhere = bootstrap::Address{}.loopback();
  elsewhere.ip[3] = 2;
  auto connected = bootstrap::connect_to(me_.addresses().front(), soon(), &elsewhere);
  ASSERT_TRUE(connected.fd.valid());
  const Fd liar = offering(decode(others_.blob, job_key())->owner, std::move(connected.fd));
  const Tcp::Remote remote = open(me_, others_.blob);
  ASSERT_TRUE(me_.signal(remote, 0, 1).ok()) << last_error();
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(others_.window.base) == 1; }));
  EXPECT_EQ(bootstrap::wait_until_ready(liar, POLLIN, Deadline::after(milliseconds(50))),
            ETIMEDOUT);
  EXPECT_TRUE(me_.error().ok()) << last_error();
}

TEST_F(TcpTwoWayAttack, a_peer_that_offers_and_says_goodbye_is_let_go) {
  const Fd socket = offering(kHostile);
  say(socket, {FrameType::kBye, 3, 0, 0, 0});
  EXPECT_TRUE(is_closed_within(socket, seconds(2)));
  EXPECT_TRUE(me_.error().ok()) << last_error();
}

TEST_F(TcpTwoWayAttack, a_peer_that_leaves_can_still_be_put_to) {
  const Fd socket = offering(kHostile);
  const Tcp::Remote remote = open_over(socket);
  say(socket, {FrameType::kBye, 3, 0, 0, 0});
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(me_.signal(remote, 8, i).ok()) << last_error();
    const FrameHeader signal = hear(socket);
    EXPECT_EQ(signal.sequence, 2 + i);
    EXPECT_EQ(signal.amount, i);
  }
  EXPECT_FALSE(is_closed_within(socket, milliseconds(20)));
  say(socket, {FrameType::kSignal, 4, 1, 0, 1});
  EXPECT_TRUE(is_closed_within(socket, seconds(2))) << "nothing comes after a goodbye";
}

/// Where the owner of some memory has puts go instead.
struct Elsewhere {
  Bytes memory = Bytes(kBytes, std::byte{0});
  std::atomic<int> asked = 0, come = 0;
  std::byte* all(std::byte*, std::uint64_t) {
    ++asked;
    return memory.data();
  }
  Placement placement() {
    return {[](void* self, std::byte* place, std::uint64_t bytes) {
              return static_cast<Elsewhere*>(self)->all(place, bytes);
            },
            [](void* self) { ++static_cast<Elsewhere*>(self)->come; }, this};
  }
};

TEST_F(TcpTwoWayAttack, what_is_put_goes_where_its_owner_says) {
  const Fd socket = offering(kHostile);
  const Tcp::Remote remote = open_over(socket);
  Elsewhere elsewhere;
  Tcp::place_by(remote, elsewhere.placement());
  const Bytes sent(kBytes, std::byte{7});
  say(socket, {FrameType::kPut, 3, 1, 0, kBytes});
  ASSERT_EQ(bootstrap::send_all(socket, sent, soon()), 0);
  say(socket, {FrameType::kSignal, 4, 1, 8, 1});  // of no payload nobody is asked
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown_.window.base + 8) == 1; }));
  EXPECT_EQ(elsewhere.asked, 1);
  EXPECT_EQ(elsewhere.come, 1);
  EXPECT_EQ(elsewhere.memory, sent);
  EXPECT_EQ(counter_at(shown_.window.base), 0u);
  // A put that breaks the rules is none to ask about.
  say(socket, {FrameType::kPut, 5, 1, kBytes - 8, 9});
  EXPECT_TRUE(is_closed_within(socket, seconds(2)));
  EXPECT_EQ(elsewhere.asked, 1);
}

TEST_F(TcpTwoWayAttack, nothing_is_written_elsewhere_once_its_owner_has_taken_that_back) {
  constexpr std::uint64_t kHalf = kBytes / 2;
  const Fd socket = offering(kHostile);
  const Tcp::Remote remote = open_over(socket);
  const Bytes half(kHalf, std::byte{7});
  {
    Elsewhere elsewhere;
    Tcp::place_by(remote, elsewhere.placement());
    say(socket, {FrameType::kPut, 3, 1, 0, kBytes});
    ASSERT_EQ(bootstrap::send_all(socket, half, soon()), 0);
    EXPECT_TRUE(comes_true(seconds(5), [&] { return elsewhere.asked == 1; }));
    Tcp::place_by(remote, {});
    const Bytes left = elsewhere.memory;
    ASSERT_EQ(bootstrap::send_all(socket, half, soon()), 0);  // the rest, which goes nowhere
    say(socket, {FrameType::kSignal, 4, 1, 8, 1});
    EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown_.window.base + 8) == 1; }));
    EXPECT_EQ(elsewhere.memory, left);
    EXPECT_EQ(elsewhere.come, 0);
  }
  say(socket, {FrameType::kPut, 5, 1, 16, kHalf});
  ASSERT_EQ(bootstrap::send_all(socket, half, soon()), 0);
  say(socket, {FrameType::kSignal, 6, 1, 8, 1});
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown_.window.base + 8) == 2; }));
  EXPECT_EQ(std::memcmp(shown_.window.base + 16, half.data(), kHalf), 0) << "the next one's place";
  EXPECT_TRUE(me_.error().ok()) << last_error();
}

}  // namespace
}  // namespace sluice::transport::tcp::test
