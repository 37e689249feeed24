// Strangers and liars on the ports of the TCP transport: refused or cut off, while others go on.
#include <poll.h>

#include <random>

#include "tcp_test_support.hpp"
#include "transports/tcp/blob.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/reception.hpp"
#include "unit/memory_child.hpp"

namespace sluice::transport::tcp::test {
namespace {

using bootstrap::Fd;

/// An owner of 4096 bytes, and a peer that has them open.
class TcpAttack : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = 4096;

  explicit TcpAttack(Options options = local_options()) : owner_(start(std::move(options))) {}

  void expect_others_go_on() {
    const std::uint64_t before = counter_at(shown_.window.base);
    ASSERT_TRUE(peer_.signal(remote_, 0, 1).ok()) << last_error();
    auto another = start();
    ASSERT_TRUE(another.signal(open(another, shown_.blob), 0, 1).ok()) << last_error();
    EXPECT_TRUE(
        comes_true(seconds(5), [&] { return counter_at(shown_.window.base) == before + 2; }));
  }
  /// A connection that has proved the key and opened the region, and now may say anything.
  Fd proved() {
    Fd socket = connect_raw(owner_);
    EXPECT_EQ(prove_as_opener(socket, {wire_key()}, soon()).complaint, "");
    return socket;
  }
  Fd opened() {
    Fd socket = proved();
    say(socket, {FrameType::kOpen, 1, 1, decode(shown_.blob, job_key())->owner, kBytes});
    HeaderBytes answer;
    EXPECT_EQ(bootstrap::receive_exactly(socket, answer, soon()), 0);
    return socket;
  }
  static bootstrap::Address second_loopback() {
    bootstrap::Address address = bootstrap::Address{}.loopback();
    address.ip[3] = 2;
    return address;
  }

  const Quiet quiet_;
  Tcp owner_, peer_ = start();
  const Published shown_ = publish(owner_, kBytes);
  const Tcp::Remote remote_ = open(peer_, shown_.blob);
};

TEST_F(TcpAttack, a_wrong_key_is_refused) {
  const Fd socket = connect_raw(owner_);
  bootstrap::Secret wrong = wire_key();
  wrong[0] ^= 1;
  const Proof proof = prove_as_opener(socket, {wrong}, soon());
  EXPECT_EQ(proof.code, Errc::kRemoteError);
  EXPECT_TRUE(contains(proof.complaint, "another key")) << proof.complaint;
  EXPECT_TRUE(is_closed_within(socket, seconds(2)));
  expect_others_go_on();
}

TEST_F(TcpAttack, the_job_key_itself_proves_nothing) {
  EXPECT_NE(prove_as_opener(connect_raw(owner_), {job_key()}, soon()).complaint, "");
}

TEST_F(TcpAttack, a_transport_with_another_key_believes_no_blob) {
  auto other = Tcp::start(bootstrap::Secret{1}, local_options());
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other.value().open(shown_.blob, soon()).status().code(), Errc::kInvalidArgument);
}

TEST_F(TcpAttack, an_owner_that_cannot_prove_the_key_is_not_believed) {
  auto listener = bootstrap::listen_on(bootstrap::Address{}.loopback());
  ASSERT_TRUE(listener.fd.valid());
  const auto address = bootstrap::local_address(listener.fd).value();
  std::thread impostor([&] {
    bootstrap::Address peer;
    if (bootstrap::wait_until_ready(listener.fd, POLLIN, soon()) != 0) return;
    auto accepted = bootstrap::accept_from(listener.fd, peer);
    std::array<std::byte, bootstrap::kHelloBytes> hello;
    std::array<std::byte, bootstrap::kProofBytes> proof;
    EXPECT_EQ(bootstrap::receive_exactly(accepted.fd, hello, soon()), 0);
    EXPECT_EQ(bootstrap::send_all(accepted.fd, encode(bootstrap::Greeting{}), soon()), 0);
    EXPECT_EQ(bootstrap::receive_exactly(accepted.fd, proof, soon()), 0);
    const auto verdict = bootstrap::encode_verdict(true, bootstrap::Mac{});
    EXPECT_EQ(bootstrap::send_all(accepted.fd, verdict, soon()), 0);
    EXPECT_TRUE(is_closed_within(accepted.fd, seconds(10)));
  });
  const Blob blob = encode(Place{1, 1, kBytes, {address}}, job_key());
  EXPECT_EQ(peer_.open(blob, soon()).status().code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "cannot prove")) << last_error();
  impostor.join();
}

TEST_F(TcpAttack, an_owner_that_says_nothing_ends_the_open_in_time) {
  auto listener = bootstrap::listen_on(bootstrap::Address{}.loopback());
  ASSERT_TRUE(listener.fd.valid());
  const Place place{1, 1, kBytes, {bootstrap::local_address(listener.fd).value()}};
  const auto started = Clock::now();
  EXPECT_EQ(
      peer_.open(encode(place, job_key()), Deadline::after(milliseconds(300))).status().code(),
      Errc::kTimeout);
  EXPECT_LT(Clock::now() - started, seconds(3));
}

TEST_F(TcpAttack, the_port_of_an_ended_transport_taken_by_another_is_noticed) {
  auto place = decode(shown_.blob, job_key()).value();
  place.owner += 1;
  EXPECT_EQ(peer_.open(encode(place, job_key()), soon()).status().code(), Errc::kRemoteError);
  expect_others_go_on();
}

TEST_F(TcpAttack, noise_is_refused) {
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    const Fd socket = connect_raw(owner_);
    Bytes noise(bootstrap::kHelloBytes + random() % 200);
    for (auto& byte : noise) byte = static_cast<std::byte>(random());
    static_cast<void>(bootstrap::send_all(socket, noise, soon()));
    EXPECT_TRUE(is_closed_within(socket, seconds(2)));
  }
  expect_others_go_on();
}

TEST_F(TcpAttack, what_breaks_off_before_the_proof_is_forgotten) {
  const auto hello =
      encode(bootstrap::Greeting{bootstrap::kProtocolVersion, bootstrap::random_nonce()});
  const auto before = sluice::test::open_descriptors();
  for (std::size_t bytes = 0; bytes <= hello.size(); ++bytes) {
    const Fd socket = connect_raw(owner_);
    EXPECT_EQ(bootstrap::send_all(socket, std::span(hello).first(bytes), soon()), 0);
  }
  EXPECT_TRUE(sluice::test::open_descriptors_settle_at(before));
  EXPECT_TRUE(owner_.error().ok());
  expect_others_go_on();
}

TEST_F(TcpAttack, many_strangers_make_room_for_others) {
  std::vector<Fd> strangers;
  for (std::size_t i = 0; i < kMaxStrangers + 20; ++i) strangers.push_back(connect_raw(owner_));
  expect_others_go_on();
  EXPECT_TRUE(is_closed_within(strangers.front(), seconds(2))) << "the oldest goes";
}

TEST_F(TcpAttack, many_openers_at_once_are_all_let_in) {
  // More than may be strangers at a time: they queue.
  std::vector<std::thread> openers;
  for (std::size_t i = 0; i < 2 * kMaxStrangers; ++i)
    openers.emplace_back([&] {
      EXPECT_EQ(prove_as_opener(connect_raw(owner_), {wire_key()}, soon()).complaint, "");
    });
  for (auto& opener : openers) opener.join();
  expect_others_go_on();
}

class TcpSilence : public TcpAttack {
 protected:
  static Options impatient() {
    Options options = local_options();
    options.stranger_time = milliseconds(300);
    return options;
  }
  TcpSilence() : TcpAttack(impatient()) {}
};

TEST_F(TcpSilence, a_silent_stranger_is_dropped_in_time) {
  const Fd silent = connect_raw(owner_), half = connect_raw(owner_);
  const auto hello = encode(bootstrap::Greeting{});
  ASSERT_EQ(bootstrap::send_all(half, std::span(hello).first(20), soon()), 0);
  EXPECT_FALSE(is_closed_within(silent, milliseconds(100)));
  EXPECT_TRUE(is_closed_within(silent, seconds(2)));
  EXPECT_TRUE(is_closed_within(half, seconds(2)));
  expect_others_go_on();
}

TEST_F(TcpAttack, a_malformed_frame_cuts_off_its_sender_only) {
  const FrameHeader bad[] = {
      {FrameType::kPut, 2, 1, kBytes, 1},      {FrameType::kPut, 2, 1, ~0ull - 7, 16},
      {FrameType::kPut, 2, 2, 0, 1},           {FrameType::kPut, 2, 1, 0, ~0ull},
      {FrameType::kPut, 3, 1, 0, 1},           {FrameType::kGet, 2, 1, 1, kBytes},
      {FrameType::kSignal, 2, 1, 3, 1},        {FrameType::kGot, 2, 1, 0, 1},
      {static_cast<FrameType>(99), 2, 1, 0, 1}};
  const Bytes zeros(kBytes);
  for (const FrameHeader& header : bad) {
    const Fd socket = opened();
    say(socket, header);
    EXPECT_TRUE(is_closed_within(socket, seconds(2))) << name(header.type);
  }
  EXPECT_EQ(std::memcmp(shown_.window.base, zeros.data(), kBytes), 0);
  EXPECT_EQ(owner_.error().code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "1 bytes at offset 4096 of region 1, which has 4096"))
      << last_error();
  expect_others_go_on();
}

TEST_F(TcpAttack, frames_before_an_open_are_cut_off) {
  const Fd socket = proved();
  say(socket, {FrameType::kSignal, 1, 1, 0, 1});
  EXPECT_TRUE(is_closed_within(socket, seconds(2)));
  EXPECT_EQ(counter_at(shown_.window.base), 0u);
}

TEST_F(TcpAttack, a_rail_that_joins_a_foreign_opener_is_refused) {
  Options options = local_options();
  options.addresses.push_back(second_loopback());
  auto owner = start(options);
  const Published shown = publish(owner, kBytes);
  for (const auto& address : options.addresses)
    options.connect_from.push_back(loopback_interface(address));
  auto peer = start(options);
  const Tcp::Remote remote = open(peer, shown.blob);
  ASSERT_TRUE(comes_true(seconds(20), [&] { return Tcp::connections(remote) == 2; }));
  const std::uint64_t number = decode(shown.blob, job_key())->owner;
  for (const FrameHeader& join : {FrameHeader{FrameType::kJoin, 1, 99, number, 1},
                                  FrameHeader{FrameType::kJoin, 0, 99, number + 1, 0},
                                  FrameHeader{FrameType::kJoin, 0, 99, number, kMaxRails}}) {
    const Fd socket = connect_raw(owner);
    ASSERT_EQ(prove_as_opener(socket, {wire_key()}, soon()).complaint, "");
    say(socket, join);
    EXPECT_TRUE(is_closed_within(socket, seconds(2)));
  }
  EXPECT_TRUE(owner.error().ok()) << "nobody was lost: " << last_error();
  ASSERT_TRUE(peer.signal(remote, 0, 1).ok()) << last_error();
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(shown.window.base) == 1; }));
  EXPECT_EQ(Tcp::connections(remote), 2u);
}

TEST_F(TcpAttack, an_opener_that_breaks_the_rules_on_one_rail_is_cut_off_on_all) {
  Fd first = proved(), second = proved();
  const std::uint64_t number = decode(shown_.blob, job_key())->owner;
  HeaderBytes answer;
  FrameHeader joined;
  say(first, {FrameType::kJoin, 0, 99, number, 0});
  ASSERT_EQ(bootstrap::receive_exactly(first, answer, soon()), 0);
  ASSERT_EQ(decode(answer, joined), "");
  say(second, {FrameType::kJoin, joined.sequence, 99, number, 1});
  ASSERT_EQ(bootstrap::receive_exactly(second, answer, soon()), 0);
  say(second, {FrameType::kSignal, 2, 1, 0, 1});
  say(first, {FrameType::kPut, 3, 1, kBytes, 1});
  EXPECT_TRUE(is_closed_within(first, seconds(2)));
  EXPECT_TRUE(is_closed_within(second, seconds(2)));
  EXPECT_EQ(counter_at(shown_.window.base), 0u);
  EXPECT_EQ(owner_.error().code(), Errc::kRemoteError);
  expect_others_go_on();
}

TEST_F(TcpAttack, who_asks_much_and_reads_nothing_does_not_stop_the_others) {
  const Published large = publish(owner_, 64 << 20);
  const Fd socket = opened();
  say(socket, {FrameType::kGet, 2, 2, 0, 64 << 20});
  expect_others_go_on();
}

TEST_F(TcpAttack, a_peer_killed_in_the_middle_of_a_put_is_an_error_of_the_owner) {
  {
    const Fd socket = opened();
    say(socket, {FrameType::kPut, 2, 1, 8, 100});
    EXPECT_EQ(bootstrap::send_all(socket, Bytes(50, std::byte{1}), soon()), 0);
  }
  EXPECT_TRUE(comes_true(seconds(2), [&] { return !owner_.error().ok(); }));
  EXPECT_TRUE(contains(last_error(), "in the middle of a frame")) << last_error();
  EXPECT_EQ(shown_.window.base[57], std::byte{1});
  EXPECT_EQ(shown_.window.base[58], std::byte{0});
  expect_others_go_on();
}

}  // namespace
}  // namespace sluice::transport::tcp::test
