// allocate, publish, open, close: what every transport does alike.
#include "conformance.hpp"

namespace sluice::conformance {
namespace {

template <class T>
class SetUp : public Transports<T> {};
TYPED_TEST_SUITE(SetUp, AllTransports, TransportName);

TYPED_TEST(SetUp, nothing_and_too_much_cannot_be_allocated) {
  const Quiet quiet;
  EXPECT_FALSE(this->owner_->allocate(0).ok());
  EXPECT_FALSE(this->owner_->allocate(this->kMax).ok());
  EXPECT_FALSE(this->owner_->allocate(this->kMax / 2 + 1).ok());
  EXPECT_TRUE(this->owner_->allocate(1).ok());
}

TYPED_TEST(SetUp, memory_of_others_cannot_be_published) {
  const Quiet quiet;
  std::vector<std::byte> foreign(this->kBytes);
  const Window bad[] = {{foreign.data(), foreign.size()},
                        {nullptr, 0},
                        {this->window_.base, this->kBytes + 1},
                        {this->window_.base + 8, this->kBytes},
                        {this->window_.base, this->kMax}};
  for (const Window& window : bad) {
    const auto published = this->owner_->publish(window);
    EXPECT_EQ(published.status().code(), Errc::kInvalidArgument) << window.bytes;
  }
  EXPECT_FALSE(this->peer_->publish(this->window_).ok())
      << "memory that another transport allocated";
}

TYPED_TEST(SetUp, a_truncated_or_lengthened_blob_is_refused) {
  const Quiet quiet;
  Blob longer = this->blob_;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(this->peer_->open(longer, soon()).ok());
  for (std::size_t bytes = 0; bytes < this->blob_.size(); ++bytes) {
    const auto opened = this->peer_->open(std::span(this->blob_).first(bytes), soon());
    EXPECT_EQ(opened.status().code(), Errc::kInvalidArgument)
        << bytes << " of " << this->blob_.size();
  }
}

TYPED_TEST(SetUp, a_blob_with_any_bit_flipped_is_refused) {
  const Quiet quiet;
  for (std::size_t bit = 0; bit < this->blob_.size() * 8; ++bit) {
    Blob flipped = this->blob_;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const auto opened = this->peer_->open(flipped, soon());
    const Errc code = opened.status().code();
    EXPECT_TRUE(code == Errc::kInvalidArgument || code == Errc::kRemoteError)
        << "bit " << bit << ": " << name(code);
  }
  EXPECT_TRUE(this->peer_->open(this->blob_, soon()).ok()) << "the right blob still opens";
}

TYPED_TEST(SetUp, blobs_of_noise_are_refused) {
  const Quiet quiet;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    EXPECT_FALSE(this->peer_->open(pattern(seed, seed), soon()).ok()) << seed;
    Blob noise = this->blob_;
    for (std::size_t i = seed % 8; i < noise.size(); i += 3)
      noise[i] = static_cast<std::byte>(seed * 7 + i);
    EXPECT_FALSE(this->peer_->open(noise, soon()).ok()) << seed;
  }
}

TYPED_TEST(SetUp, two_regions_do_not_mix) {
  Window second;
  Blob blob;
  std::optional<typename TypeParam::Remote> remote;
  ASSERT_NO_FATAL_FAILURE(this->show(100, second, blob, remote));
  const std::vector<std::byte> ones(100, std::byte{1}), twos(100, std::byte{2});
  ASSERT_TRUE(this->peer_->put(*this->remote_, 0, ones).ok());
  ASSERT_TRUE(this->peer_->put(*remote, 0, twos).ok());
  ASSERT_TRUE(this->peer_->flush(*this->remote_).ok() && this->peer_->flush(*remote).ok());
  EXPECT_EQ(this->peer_->put(*remote, 1, twos).code(), Errc::kInvalidArgument)
      << "each has its own size";
  std::vector<std::byte> read(100);
  ASSERT_TRUE(this->peer_->get(*this->remote_, 0, read).ok());
  EXPECT_EQ(read, ones);
  ASSERT_TRUE(this->peer_->get(*remote, 0, read).ok());
  EXPECT_EQ(read, twos);
  EXPECT_EQ(this->window_.base[0], std::byte{1});
  EXPECT_EQ(second.base[0], std::byte{2});
}

TYPED_TEST(SetUp, memory_can_be_published_and_opened_more_than_once) {
  const auto again = this->owner_->publish(this->window_);
  ASSERT_TRUE(again.ok()) << last_error();
  for (const Blob& blob : {this->blob_, again.value()}) {
    auto opened = this->peer_->open(blob, soon());
    ASSERT_TRUE(opened.ok()) << last_error();
    EXPECT_TRUE(this->peer_->put(opened.value(), 0, pattern(8, 1)).ok());
  }
}

TYPED_TEST(SetUp, close_is_idempotent_and_takes_everything_back) {
  const Quiet quiet;
  this->owner_->close();
  this->owner_->close();
  EXPECT_FALSE(this->peer_->open(this->blob_, soon()).ok());
}

TYPED_TEST(SetUp, mapped_memory_stays_readable_for_who_has_it_open) {
  if constexpr ((TypeParam::kCapabilities & kMapped) == 0)
    GTEST_SKIP() << TypeParam::kName << " does not map";
  const auto written = pattern(this->kBytes, 2);
  std::copy(written.begin(), written.end(), this->window_.base);
  this->owner_->close();
  this->owner_.reset();
  std::vector<std::byte> read(this->kBytes);
  ASSERT_TRUE(this->peer_->get(*this->remote_, 0, read).ok());
  EXPECT_EQ(read, written);
  EXPECT_TRUE(this->peer_->put(*this->remote_, 0, read).ok());
  EXPECT_TRUE(this->peer_->signal(*this->remote_, 0, 1).ok());
}

TYPED_TEST(SetUp, what_is_not_mapped_ends_with_its_owner_and_says_so) {
  if constexpr ((TypeParam::kCapabilities & kMapped) != 0)
    GTEST_SKIP() << TypeParam::kName << " maps";
  const Quiet quiet;
  this->owner_->close();
  this->owner_.reset();
  std::vector<std::byte> read(this->kBytes, std::byte{0x77});
  EXPECT_EQ(this->peer_->get(*this->remote_, 0, read).code(), Errc::kRemoteError);
  EXPECT_TRUE(holds(read.data(), read.size(), std::byte{0x77}));
  EXPECT_EQ(this->peer_->put(*this->remote_, 0, read).code(), Errc::kRemoteError);
  EXPECT_EQ(this->peer_->signal(*this->remote_, 0, 1).code(), Errc::kRemoteError);
  EXPECT_EQ(this->peer_->flush(*this->remote_).code(), Errc::kRemoteError);
  EXPECT_FALSE(last_error().empty());
}

TYPED_TEST(SetUp, a_transport_may_open_its_own_memory) {
  auto own = this->owner_->open(this->blob_, soon());
  ASSERT_TRUE(own.ok()) << last_error();
  ASSERT_TRUE(this->owner_->put(own.value(), 3, pattern(5, 5)).ok());
  ASSERT_TRUE(this->owner_->flush(own.value()).ok());
  // Flushed is not yet arrived; what was put before a get is.
  std::vector<std::byte> read(5);
  ASSERT_TRUE(this->owner_->get(own.value(), 3, read).ok());
  EXPECT_EQ(read, pattern(5, 5));
  EXPECT_EQ(this->window_.base[3], pattern(5, 5)[0]);
}

}  // namespace
}  // namespace sluice::conformance
