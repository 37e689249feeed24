// What the tests of the suite share: an owner of memory, a peer that opens it, and an end to the
// log's noise.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/port.hpp"
#include "support/observation.hpp"
#include "transports_under_test.hpp"

namespace sluice::conformance {

using transport::Blob;
using transport::kMapped;
using transport::kOrdered;

inline Deadline soon() { return Deadline::after(std::chrono::seconds(20)); }

inline std::vector<std::byte> pattern(std::uint64_t bytes, std::uint64_t seed) {
  std::vector<std::byte> made(bytes);
  for (std::uint64_t i = 0; i < bytes; ++i)
    made[i] = static_cast<std::byte>((i + 1) * 7 + seed * 31);
  return made;
}

inline bool holds(const std::byte* memory, std::uint64_t bytes, std::byte value) {
  return std::all_of(memory, memory + bytes, [&](std::byte byte) { return byte == value; });
}

/// Waits, as a receiver does, until a counter in its own memory has come to `target`.
inline bool arrives(const std::byte* counter, std::uint64_t target) {
  const auto* word = reinterpret_cast<const std::uint64_t*>(counter);
  for (const Deadline by = soon(); port::load_acquire(word) < target;) {
    if (by.passed()) return false;
    std::this_thread::yield();
  }
  return true;
}

using test::counter_at;
using test::Quiet;

/// Two ranks in this process: `owner` shows kBytes, `peer` has them open as `remote`.
template <class T>
class Transports : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes =
      12288;  // two bits set, so that a flipped bit makes sizes on both sides of it
  static constexpr std::uint64_t kMax = ~0ull;
  using Remote = typename T::Remote;

  void SetUp() override {
    auto owner = Factory<T>::make();
    auto peer = Factory<T>::make();
    ASSERT_TRUE(owner.ok() && peer.ok()) << last_error();
    owner_.emplace(std::move(owner).value());
    peer_.emplace(std::move(peer).value());
    ASSERT_NO_FATAL_FAILURE(show(kBytes, window_, blob_, remote_));
  }
  void TearDown() override {
    if (owner_) owner_->close();
    if (peer_) peer_->close();
  }

  /// Memory of the owner that the peer has open.
  void show(std::uint64_t bytes, Window& window, Blob& blob, std::optional<Remote>& remote) {
    auto made = owner_->allocate(bytes);
    ASSERT_TRUE(made.ok()) << last_error();
    window = made.value();
    ASSERT_EQ(window.bytes, bytes);
    auto published = owner_->publish(window);
    ASSERT_TRUE(published.ok()) << last_error();
    blob = published.value();
    auto opened = peer_->open(blob, soon());
    ASSERT_TRUE(opened.ok()) << last_error();
    remote.emplace(std::move(opened).value());
  }
  void fill(std::byte value) { std::fill_n(window_.base, kBytes, value); }

  std::optional<T> owner_, peer_;
  Window window_;
  Blob blob_;
  std::optional<Remote> remote_;
};

}  // namespace sluice::conformance
