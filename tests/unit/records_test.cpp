// Encrypted records over a pair of sockets: what goes in comes out, in any sizes.
#include "bootstrap/records.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>
#include <vector>

namespace sluice::bootstrap {
namespace {

using Bytes = std::vector<std::byte>;

class Records : public testing::Test {
 protected:
  Records() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    near_ = Fd(ends[0]);
    far_ = Fd(ends[1]);
  }
  std::unique_ptr<Encryption> end(Role mine) const {
    return make_encryption(secret_, mine, client_, server_);
  }
  static Bytes random_bytes(std::size_t count) {
    std::mt19937 random(static_cast<unsigned>(count));
    Bytes bytes(count);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  }
  /// Sends all of `parts`, reading at the other end meanwhile; returns what came.
  Bytes pass(RecordWriter& out, RecordReader& in, std::vector<iovec> parts) {
    Bytes came;
    std::size_t sealed = 0;
    while (!parts.empty() || out.pending()) {
      if (!out.pending()) {
        EXPECT_EQ(sealed, 0u) << "what was taken was never carried";
        sealed = out.seal(parts);
        for (std::size_t left = sealed; left > 0;) {
          const std::size_t taken = std::min(left, parts.front().iov_len);
          parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + taken;
          parts.front().iov_len -= taken;
          left -= taken;
          if (parts.front().iov_len == 0) parts.erase(parts.begin());
        }
      }
      std::size_t carried = 0;
      const int error = out.send(near_, carried);
      EXPECT_TRUE(error == 0 || error == EAGAIN) << error;
      sealed -= carried;
      if (error == EAGAIN || !out.pending()) receive(in, came);
    }
    while (receive(in, came)) {
    }
    EXPECT_EQ(sealed, 0u);
    EXPECT_TRUE(in.between_records());
    return came;
  }
  bool receive(RecordReader& in, Bytes& came) {
    if (in.receive(far_) <= 0) return false;
    for (auto bytes = in.next(); !bytes.empty(); bytes = in.next())
      came.insert(came.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(in.complaint(), "");
    return true;
  }

  const Secret secret_ = random_secret();
  const Greeting client_{kProtocolVersion, random_nonce(), true};
  const Greeting server_{kProtocolVersion, random_nonce(), true};
  Fd near_, far_;
};

TEST_F(Records, what_goes_in_comes_out) {
  const auto sender = end(Role::kClient), receiver = end(Role::kServer);
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{40}, kMaxRecordBytes - 1, kMaxRecordBytes, kMaxRecordBytes + 1,
        kRecordsPerTurn * kMaxRecordBytes, kRecordsPerTurn * kMaxRecordBytes + 1,
        std::size_t{3'000'001}}) {
    Bytes sent = random_bytes(bytes);
    EXPECT_EQ(pass(sender->out, receiver->in, {{sent.data(), sent.size()}}), sent) << bytes;
    const std::size_t third = bytes / 3;
    EXPECT_EQ(pass(sender->out, receiver->in,
                   {{sent.data(), third}, {sent.data() + third, bytes - third}}),
              sent)
        << bytes;
  }
}

TEST_F(Records, every_connection_and_direction_has_a_key_of_its_own) {
  Greeting other = server_;
  other.nonce[31] ^= 1;
  const auto key = session_key(secret_, Role::kClient, client_, server_);
  EXPECT_NE(key, session_key(secret_, Role::kServer, client_, server_));
  EXPECT_NE(key, session_key(secret_, Role::kClient, client_, other));
  EXPECT_NE(key, session_key(secret_, Role::kClient, other, server_));
  EXPECT_NE(key, prove(secret_, Role::kClient, client_, server_)) << "that travels in the clear";
}

TEST_F(Records, there_are_none_unless_both_want_them) {
  const Greeting plain{kProtocolVersion, random_nonce()};
  EXPECT_EQ(make_encryption(secret_, Role::kClient, plain, server_), nullptr);
  EXPECT_EQ(make_encryption(secret_, Role::kServer, client_, plain), nullptr);
}

TEST_F(Records, a_record_sent_back_to_its_sender_is_not_authentic) {
  const auto sender = end(Role::kClient);
  Bytes sent = random_bytes(100);
  const iovec part{sent.data(), sent.size()};
  sender->out.seal({&part, 1});
  std::size_t carried = 0;
  ASSERT_EQ(sender->out.send(near_, carried), 0);
  EXPECT_EQ(carried, 100u);
  ASSERT_GT(sender->in.receive(far_), 0);
  EXPECT_TRUE(sender->in.next().empty());
  EXPECT_NE(sender->in.complaint().find("not authentic"), std::string::npos);
  EXPECT_TRUE(sender->in.next().empty()) << "for ever";
}

TEST_F(Records, random_bytes_are_never_handed_out) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    const auto receiver = end(Role::kServer);
    Bytes noise = random_bytes(1 + seed % 600);
    if (seed % 2 == 0 && noise.size() > 4) noise[1] = noise[2] = noise[3] = std::byte{0};
    ASSERT_EQ(::send(near_.get(), noise.data(), noise.size(), 0),
              static_cast<ssize_t>(noise.size()));
    ASSERT_GT(receiver->in.receive(far_), 0);
    EXPECT_TRUE(receiver->in.next().empty());
  }
}

}  // namespace
}  // namespace sluice::bootstrap
