// Strangers on the rendezvous port: refused, while the job joins unharmed.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <random>

#include "bootstrap/frame.hpp"
#include "bootstrap/little_endian.hpp"
#include "bootstrap/messages.hpp"
#include "bootstrap/server.hpp"
#include "bootstrap_test_support.hpp"

namespace sluice::bootstrap::test {
namespace {

using std::chrono::milliseconds;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

IdFields fields_of(const UniqueId& id) { return decode_unique_id(id).value(); }

Fd connect_raw(const UniqueId& id) {
  OpenResult connected = connect_to(fields_of(id).server, soon());
  EXPECT_TRUE(connected.fd.valid());
  return std::move(connected.fd);
}

/// True when the server closes the connection within this time, whatever it says before.
bool is_closed_within(const Fd& socket, milliseconds time) {
  std::array<std::byte, 1> byte;
  for (const Deadline deadline = soon(time);;) {
    const int error = receive_exactly(socket, byte, deadline);
    if (error != 0) return error != ETIMEDOUT;
  }
}

/// Proves the secret as a client does and returns the connection, ready to register.
Fd authenticate(const UniqueId& id) {
  Fd socket = connect_raw(id);
  const Greeting hello{kProtocolVersion, random_nonce()};
  EXPECT_EQ(send_all(socket, encode(hello), soon()), 0);
  HelloBytes challenge;
  EXPECT_EQ(receive_exactly(socket, challenge, soon()), 0);
  Greeting greeting;
  EXPECT_TRUE(decode(challenge, greeting));
  const Mac mac = prove(fields_of(id).secret, Role::kClient, hello, greeting);
  EXPECT_EQ(send_all(socket, std::as_bytes(std::span(mac)), soon()), 0);
  VerdictBytes verdict;
  EXPECT_EQ(receive_exactly(socket, verdict, soon()), 0);
  EXPECT_EQ(verdict[0], std::byte{1});
  return socket;
}

void expect_job_joins(const UniqueId& id) {
  const auto all = join_all(id, 3);
  run_ranks(3, [&](int rank) {
    const auto& bootstrap = all[static_cast<std::size_t>(rank)].bootstrap;
    ASSERT_TRUE(bootstrap);
    EXPECT_TRUE(bootstrap->all_gather(Bootstrap::Blob(5), soon()).ok());
  });
}

TEST(BootstrapAttack, a_wrong_secret_is_refused_and_the_job_joins) {
  const UniqueId id = local_id();
  IdFields guessed = fields_of(id);
  guessed.secret[0] ^= 1;
  const auto stranger = join(encode_unique_id(guessed), 0, 3);
  EXPECT_EQ(stranger.code, Errc::kInvalidUsage);
  EXPECT_TRUE(contains(stranger.text, "another secret")) << stranger.text;
  expect_job_joins(id);
}

TEST(BootstrapAttack, random_bytes_are_refused_and_the_job_joins) {
  const UniqueId id = local_id();
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    const Fd socket = connect_raw(id);
    Bytes noise(kHelloBytes + random() % 200);
    for (auto& byte : noise) byte = static_cast<std::byte>(random());
    (void)send_all(socket, noise, soon());
    EXPECT_TRUE(is_closed_within(socket, milliseconds(2000)));
  }
  expect_job_joins(id);
}

TEST(BootstrapAttack, a_random_proof_is_refused) {
  const UniqueId id = local_id();
  const Fd socket = connect_raw(id);
  ASSERT_EQ(send_all(socket, encode(Greeting{kProtocolVersion, random_nonce()}), soon()), 0);
  HelloBytes challenge;
  ASSERT_EQ(receive_exactly(socket, challenge, soon()), 0);
  const Nonce wrong = random_nonce();
  ASSERT_EQ(send_all(socket, std::as_bytes(std::span(wrong)), soon()), 0);
  VerdictBytes verdict;
  ASSERT_EQ(receive_exactly(socket, verdict, soon()), 0);
  EXPECT_EQ(verdict, VerdictBytes{});  // "no", and nothing that helps to guess
  EXPECT_TRUE(is_closed_within(socket, milliseconds(2000)));
  expect_job_joins(id);
}

TEST(BootstrapAttack, truncated_hellos_are_survived) {
  const UniqueId id = local_id();
  const HelloBytes hello = encode(Greeting{kProtocolVersion, random_nonce()});
  for (std::size_t bytes = 0; bytes < kHelloBytes; ++bytes) {
    const Fd socket = connect_raw(id);
    EXPECT_EQ(send_all(socket, std::span(hello).first(bytes), soon()), 0);
  }
  expect_job_joins(id);
}

TEST(BootstrapAttack, a_hundred_slow_strangers_do_not_keep_the_job_out) {
  const UniqueId id = local_id();
  std::vector<Fd> strangers;
  for (int i = 0; i < 100; ++i) {
    strangers.push_back(connect_raw(id));
    (void)send_all(strangers.back(), std::as_bytes(std::span("S", 1)), soon());
  }
  const auto started = Deadline::Clock::now();
  expect_job_joins(id);
  EXPECT_LT(Deadline::Clock::now() - started, kStrangerPatience);
  EXPECT_TRUE(is_closed_within(strangers.front(), milliseconds(1000)));  // the oldest made room
}

TEST(BootstrapAttack, a_silent_stranger_is_dropped_in_time) {
  const UniqueId id = local_id();
  const Fd before_proof = connect_raw(id);
  const Fd before_registration = authenticate(id);
  EXPECT_TRUE(is_closed_within(before_proof, kStrangerPatience + milliseconds(2000)));
  EXPECT_TRUE(is_closed_within(before_registration, milliseconds(2000)));
  expect_job_joins(id);
}

TEST(BootstrapAttack, another_version_is_told_ours) {
  const UniqueId id = local_id();
  const Fd socket = connect_raw(id);
  ASSERT_EQ(send_all(socket, encode(Greeting{kProtocolVersion + 1, random_nonce()}), soon()), 0);
  HelloBytes challenge;
  ASSERT_EQ(receive_exactly(socket, challenge, soon()), 0);
  Greeting greeting;
  ASSERT_TRUE(decode(challenge, greeting));
  EXPECT_EQ(greeting.version, kProtocolVersion);
  EXPECT_TRUE(is_closed_within(socket, milliseconds(2000)));
}

/// Listens, takes one client through the handshake with these answers.
Joined join_impostor(std::uint32_t version, bool accept) {
  OpenResult listener = listen_on(Address{}.loopback());
  IdFields fields;
  fields.server = local_address(listener.fd).value();
  fields.secret = random_secret();
  std::thread impostor([&] {
    EXPECT_EQ(wait_until_ready(listener.fd, POLLIN, soon()), 0);
    Address peer;
    const OpenResult client = accept_from(listener.fd, peer);
    HelloBytes hello;
    EXPECT_EQ(receive_exactly(client.fd, hello, soon()), 0);
    EXPECT_EQ(send_all(client.fd, encode(Greeting{version, random_nonce()}), soon()), 0);
    ProofBytes proof;
    if (receive_exactly(client.fd, proof, soon()) != 0) return;
    (void)send_all(client.fd, encode_verdict(accept, random_nonce()), soon());
  });
  Joined joined = join(encode_unique_id(fields), 0, 1);
  impostor.join();
  return joined;
}

TEST(BootstrapAttack, a_server_without_the_secret_is_not_believed) {
  const auto joined = join_impostor(kProtocolVersion, true);
  EXPECT_EQ(joined.code, Errc::kInvalidUsage);
  EXPECT_TRUE(contains(joined.text, "cannot prove")) << joined.text;
}

TEST(BootstrapAttack, a_server_of_another_version_is_named) {
  const auto joined = join_impostor(kProtocolVersion + 6, true);
  EXPECT_EQ(joined.code, Errc::kInvalidUsage);
  EXPECT_TRUE(contains(joined.text, "version 1 of the rendezvous here, version 7 there"))
      << joined.text;
}

TEST(BootstrapAttack, frames_before_registration_and_bad_registrations_are_refused) {
  const UniqueId id = local_id();
  const Bytes registration = encode(Registration{0, this_process()});
  for (const auto& frame :
       {encode_frame(FrameType::kGather, 0, 0, Bytes(10)),
        encode_frame(FrameType::kRegister, 0, 0, Bytes(10)),
        encode_frame(FrameType::kRegister, 0, 0, registration),
        encode_frame(FrameType::kRegister, 5, 0, encode(Registration{3, this_process()})),
        encode_frame(FrameType::kRegister, 0, 0,
                     encode(Registration{0xffffffff, this_process()}))}) {
    const Fd socket = authenticate(id);
    EXPECT_EQ(send_all(socket, *frame, soon()), 0);
    EXPECT_TRUE(is_closed_within(socket, milliseconds(2000)));
  }
  expect_job_joins(id);
}

TEST(BootstrapAttack, a_rank_that_breaks_the_protocol_is_lost_and_the_others_are_told) {
  Bytes too_long(kFrameHeaderBytes);
  store_u32(too_long.data(), static_cast<std::uint32_t>(FrameType::kGather));
  store_u32(too_long.data() + 4, 1);
  store_u32(too_long.data() + 12, kMaxBlobBytes + 1);
  const std::vector<Bytes> offences = {
      too_long,
      *encode_frame(FrameType::kLost, 1, 0, {}),         // no rank says this
      *encode_frame(FrameType::kLeave, 0, 0, {}),        // in another rank's name
      *encode_frame(FrameType::kGather, 1, 5, {}),       // all-gather 5 before 0
      *encode_frame(FrameType::kAbort, 1, 0, Bytes(4)),  // code "ok"
  };
  for (const Bytes& offence : offences) {
    const UniqueId id = local_id();
    const Fd offender = authenticate(id);
    ASSERT_EQ(
        send_all(offender,
                 *encode_frame(FrameType::kRegister, 1, 0, encode(Registration{2, this_process()})),
                 soon()),
        0);
    const auto honest = join(id, 0, 2);
    ASSERT_TRUE(honest.bootstrap) << honest.text;
    EventLog log;
    honest.bootstrap->watch(log.listener());
    ASSERT_EQ(send_all(offender, offence, soon()), 0);
    EXPECT_TRUE(log.saw(Bootstrap::Event::Kind::kLost, 1));
    EXPECT_TRUE(is_closed_within(offender, milliseconds(2000)));
  }
}

}  // namespace
}  // namespace sluice::bootstrap::test
