// The TCP transport encrypted, with somebody on the way who reads and changes what is sent.
#include <algorithm>
#include <memory>
#include <optional>

#include "tcp_test_support.hpp"
#include "transports/tcp/blob.hpp"
#include "unit/middleman.hpp"

namespace sluice::transport::tcp::test {
namespace {

using bootstrap::test::greetings_say;
using bootstrap::test::Middleman;

constexpr std::uint64_t kBytes = 1 << 20;
constexpr std::uint64_t kPutAt = 64;
constexpr std::string_view kSecretText = "words that nobody else may read ";

Bytes known_text(std::uint64_t bytes) {
  Bytes made(bytes);
  for (std::uint64_t i = 0; i < bytes; ++i)
    made[i] = static_cast<std::byte>(kSecretText[i % kSecretText.size()]);
  return made;
}

Options options_with(bool encrypt, std::uint8_t interfaces = 0) {
  Options options = local_options();
  options.encrypt = encrypt;
  for (std::uint8_t i = 1; i <= interfaces; ++i) {
    bootstrap::Address address = bootstrap::Address{}.loopback();
    address.ip[3] = i;
    options.connect_from.push_back(loopback_interface(address));
  }
  return options;
}

/// An owner, and the way to it over a man in the middle.
class TcpEncryption : public testing::Test {
 protected:
  explicit TcpEncryption(bool encrypt = true)
      : owner_(start(options_with(encrypt))),
        me_(start(options_with(encrypt))),
        middleman_(owner_.addresses().front(), encrypt) {}

  Blob blob_over(const std::vector<bootstrap::Address>& addresses) {
    auto place = decode(shown_.blob, job_key());
    place->addresses = addresses;
    return encode(*place, job_key());
  }
  Blob blob() { return blob_over({middleman_.address()}); }
  std::byte* memory() const { return shown_.window.base; }
  bool is_untouched() const {
    return std::all_of(memory(), memory() + kBytes, [](std::byte b) { return b == std::byte{0}; });
  }
  /// Opens, lets `edit` change the first record of a put, and puts, then signals.
  void put_through(Middleman::Edit edit) {
    const Tcp::Remote remote = open(me_, blob());
    middleman_.edit(std::move(edit));
    EXPECT_TRUE(me_.put(remote, kPutAt, known_text(1000)).ok()) << last_error();
    // More than enough to fill a record that claims to be longer. Later ones may already find that
    // the owner has hung up.
    for (int i = 0; i < 16; ++i) static_cast<void>(me_.signal(remote, 0, 1));
    EXPECT_TRUE(comes_true(seconds(10), [&] { return !owner_.error().ok(); }));
    static_cast<void>(owner_.error());
    owner_said_ = last_error();
    EXPECT_TRUE(comes_true(seconds(10), [&] { return !me_.flush(remote).ok(); }));
    EXPECT_EQ(me_.flush(remote).code(), Errc::kRemoteError);
  }
  /// An Edit that does this to the first piece towards the owner that it sees.
  static Middleman::Edit first(std::function<std::vector<Bytes>(const Bytes&)> change) {
    return [change = std::move(change),
            done = false](const Middleman::Piece& piece) mutable -> std::vector<Bytes> {
      if (!piece.to_server || std::exchange(done, true)) return {piece.bytes};
      return change(piece.bytes);
    };
  }

  const Quiet quiet_;
  Tcp owner_, me_;
  const Published shown_ = publish(owner_, kBytes);
  Middleman middleman_;
  std::string owner_said_;
};

class TcpPlain : public TcpEncryption {
 protected:
  TcpPlain() : TcpEncryption(false) {}
};

void put_and_get(Tcp& me, const Tcp::Remote& remote) {
  Bytes read(kBytes - kPutAt);
  ASSERT_TRUE(me.put(remote, kPutAt, known_text(read.size())).ok()) << last_error();
  ASSERT_TRUE(me.get(remote, kPutAt, read).ok()) << last_error();
  EXPECT_EQ(read, known_text(read.size()));
}

TEST_F(TcpEncryption, what_is_put_and_got_cannot_be_read_on_the_way) {
  put_and_get(me_, open(me_, blob()));
  EXPECT_GT(middleman_.bytes_seen(), 2 * (kBytes - kPutAt));
  EXPECT_FALSE(middleman_.saw(kSecretText));
  EXPECT_TRUE(owner_.error().ok());
}

TEST_F(TcpPlain, what_is_put_and_got_can_be_read_on_the_way) {
  put_and_get(me_, open(me_, blob()));
  EXPECT_TRUE(middleman_.saw(kSecretText));
}

class TcpEncryptionPart : public TcpEncryption, public testing::WithParamInterface<int> {};

TEST_P(TcpEncryptionPart, a_bit_that_flips_ends_the_connection_and_nothing_is_written) {
  put_through(first([](const Bytes& record) -> std::vector<Bytes> {
    Bytes changed = record;
    const auto at = GetParam() < 0 ? changed.size() - static_cast<std::size_t>(-GetParam())
                                   : static_cast<std::size_t>(GetParam());
    changed.at(at) ^= std::byte{1};
    return {changed};
  }));
  EXPECT_TRUE(contains(owner_said_, "an encrypted record")) << owner_said_;
  EXPECT_TRUE(is_untouched());
}

// The length: longer or shorter by one, by 256, too long. The frame's header, its payload, the tag.
INSTANTIATE_TEST_SUITE_P(Every, TcpEncryptionPart,
                         testing::Values(0, 1, 3, 4, 12, 43, 44, 500, -17, -16, -1));

TEST_F(TcpEncryption, a_record_that_is_repeated_counts_once_and_ends_the_connection) {
  put_through(first([](const Bytes& record) { return std::vector<Bytes>{record, record}; }));
  EXPECT_TRUE(contains(owner_said_, "not authentic")) << owner_said_;
  EXPECT_EQ(counter_at(memory()), 0u);
  const Bytes put = known_text(1000);
  EXPECT_TRUE(std::equal(put.begin(), put.end(), memory() + kPutAt)) << "the first was in order";
}

TEST_F(TcpEncryption, a_record_that_is_left_out_ends_the_connection) {
  put_through(first([](const Bytes&) { return std::vector<Bytes>{}; }));
  EXPECT_TRUE(contains(owner_said_, "not authentic")) << owner_said_;
  EXPECT_TRUE(is_untouched());
}

TEST_F(TcpEncryption, records_in_another_order_end_the_connection) {
  const auto held = std::make_shared<std::optional<Bytes>>();  // the middleman outlives the test
  put_through([held](const Middleman::Piece& piece) -> std::vector<Bytes> {
    if (!piece.to_server) return {piece.bytes};
    if (!*held) {
      *held = piece.bytes;
      return {};
    }
    return {piece.bytes, **held};
  });
  EXPECT_TRUE(contains(owner_said_, "not authentic")) << owner_said_;
  EXPECT_TRUE(is_untouched());
}

TEST_F(TcpEncryption, a_record_that_is_cut_off_is_not_written) {
  put_through(first([this](const Bytes& record) -> std::vector<Bytes> {
    middleman_.cut();
    return {{record.begin(), record.end() - 1}};
  }));
  EXPECT_TRUE(contains(owner_said_, "in the middle of an encrypted record")) << owner_said_;
  EXPECT_TRUE(is_untouched());
}

TEST_F(TcpEncryption, records_of_another_connection_are_worth_nothing) {
  // Both say the same at the same place: only the keys differ.
  const auto earlier = std::make_shared<std::vector<Bytes>>();  // the middleman outlives the test
  middleman_.edit([earlier](const Middleman::Piece& piece) -> std::vector<Bytes> {
    if (piece.to_server && piece.number >= 2) earlier->push_back(piece.bytes);
    return {piece.bytes};
  });
  const Tcp::Remote remote = open(me_, blob());
  middleman_.edit([earlier](const Middleman::Piece& piece) -> std::vector<Bytes> {
    if (piece.to_server && piece.number == 2) return {earlier->at(0)};
    return {piece.bytes};
  });
  auto another = start(options_with(true));
  EXPECT_EQ(another.open(blob(), soon()).status().code(), Errc::kRemoteError);
  EXPECT_TRUE(me_.signal(remote, 0, 3).ok());
  EXPECT_TRUE(comes_true(seconds(5), [&] { return counter_at(memory()) == 3; }));
}

TEST_F(TcpEncryption, an_answer_that_was_altered_is_not_believed) {
  const Tcp::Remote remote = open(me_, blob());
  middleman_.edit([](const Middleman::Piece& piece) -> std::vector<Bytes> {
    Bytes bytes = piece.bytes;
    if (!piece.to_server) bytes.at(100) ^= std::byte{0x10};
    return {bytes};
  });
  Bytes read(1000, std::byte{0x77});
  EXPECT_EQ(me_.get(remote, kPutAt, read).code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "not authentic")) << last_error();
  EXPECT_EQ(read, Bytes(1000, std::byte{0x77}));
}

/// Both sides of one handshake; their complaints.
std::pair<std::string, std::string> shake_hands(bool opener_encrypts, bool owner_encrypts) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const bootstrap::Fd opener(ends[0]), owner(ends[1]);
  OpenerHandshake asks;
  OwnerHandshake answers;
  for (int turn = 0; turn < 3; ++turn) {
    asks.advance(opener, {wire_key(), opener_encrypts});
    answers.advance(owner, {wire_key(), owner_encrypts});
  }
  return {asks.complaint(), answers.complaint()};
}

TEST(TcpEncryptionTerms, both_sides_say_which_one_encrypts) {
  const auto [opener, owner] = shake_hands(true, false);
  EXPECT_TRUE(contains(opener, "it does not encrypt, this rank does: SLUICE_ENCRYPT")) << opener;
  EXPECT_TRUE(contains(owner, "it encrypts, this rank does not: SLUICE_ENCRYPT")) << owner;
  const auto [plain, encrypted] = shake_hands(false, true);
  EXPECT_TRUE(contains(plain, "it encrypts, this rank does not")) << plain;
  EXPECT_TRUE(contains(encrypted, "it does not encrypt, this rank does")) << encrypted;
  for (const bool same : {true, false})
    EXPECT_EQ(shake_hands(same, same), std::make_pair(std::string(), std::string()));
}

TEST_F(TcpEncryption, an_opener_that_does_not_encrypt_gets_nowhere) {
  auto plain = start(options_with(false));
  EXPECT_EQ(plain.open(shown_.blob, soon()).status().code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "it encrypts, this rank does not")) << last_error();
}

TEST_F(TcpEncryption, nobody_on_the_way_turns_it_off) {
  middleman_.edit(greetings_say(false, false));
  EXPECT_EQ(me_.open(blob(), soon()).status().code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "another key")) << last_error();
}

TEST_F(TcpEncryption, nobody_on_the_way_hides_that_one_end_does_not) {
  auto plain = start(options_with(false));
  middleman_.edit(greetings_say(true, false));  // each hears what it wants
  EXPECT_EQ(plain.open(blob(), soon()).status().code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "another key")) << last_error();
}

/// Two connections, each over a man in the middle of its own.
class TcpEncryptionRails : public TcpEncryption {
 protected:
  static bootstrap::Address second() {
    bootstrap::Address address = bootstrap::Address{}.loopback();
    address.ip[3] = 2;
    return address;
  }
  TcpEncryptionRails() {
    EXPECT_TRUE(comes_true(seconds(20), [&] { return Tcp::connections(remote_) == 2; }));
  }

  Tcp sender_ = start(options_with(true, 2));
  Middleman other_{owner_.addresses().front(), true, second()};
  const Tcp::Remote remote_ = open(sender_, blob_over({middleman_.address(), other_.address()}));
};

TEST_F(TcpEncryptionRails, what_is_spread_cannot_be_read_on_either_way) {
  for (int round = 0; round < 8; ++round) put_and_get(sender_, remote_);
  for (const Middleman* each : {&middleman_, &other_}) {
    EXPECT_GT(each->bytes_seen(), kBytes / 8);
    EXPECT_FALSE(each->saw(kSecretText));
  }
}

TEST_F(TcpEncryptionRails, what_a_lost_connection_carried_is_sent_again_under_the_other_key) {
  ASSERT_TRUE(sender_.put(remote_, kPutAt, known_text(kBytes / 2)).ok()) << last_error();
  other_.cut();
  put_and_get(sender_, remote_);
  put_and_get(sender_, remote_);
  EXPECT_TRUE(owner_.error().ok());
}

TEST_F(TcpEncryptionRails, who_alters_a_record_on_one_way_ends_them_all) {
  other_.edit(first([](const Bytes& record) -> std::vector<Bytes> {
    Bytes changed = record;
    changed.back() ^= std::byte{0x80};
    return {changed};
  }));
  for (int round = 0; round < 50 && owner_.error().ok(); ++round)
    static_cast<void>(sender_.put(remote_, kPutAt, known_text(kBytes - kPutAt)));
  EXPECT_TRUE(comes_true(seconds(10), [&] { return !owner_.error().ok(); }));
  static_cast<void>(owner_.error());
  EXPECT_TRUE(contains(last_error(), "not authentic")) << last_error();
}

}  // namespace
}  // namespace sluice::transport::tcp::test
