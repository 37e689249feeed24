// The same between processes, for transports whose ranks may be processes of one host.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "conformance.hpp"
#include "unit/memory_child.hpp"

namespace sluice::conformance {
namespace {

using test::Child;
using test::Line;

constexpr std::uint64_t kBytes = 64 * 1024;

std::string text_of(const Blob& blob) {
  return {reinterpret_cast<const char*>(blob.data()), blob.size()};
}
Blob blob_of(const std::string& text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

/// Files that somebody could find by name: of this library, in the places where such things are
/// left.
std::vector<std::string> named_files() {
  std::vector<std::string> found;
  for (const char* folder : {"/dev/shm", "/tmp"}) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (entry.path().filename().string().starts_with("sluice-segment"))
        found.push_back(entry.path());
  }
  return found;
}

/// Shared writable mappings of `pid` that are no anonymous files.
std::vector<std::string> mapped_by_name(pid_t pid) {
  std::vector<std::string> found;
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  for (std::string line; std::getline(maps, line);)
    if (line.find("rw-s") != std::string::npos && line.find("/memfd:") == std::string::npos &&
        line.find("/dev/zero") == std::string::npos)
      found.push_back(line);
  return found;
}

template <class T>
class Processes : public testing::Test {
 protected:
  void SetUp() override {
    if (!Factory<T>::kProcesses) GTEST_SKIP() << T::kName << " is for threads of one process";
  }
};
TYPED_TEST_SUITE(Processes, AllTransports, TransportName);

/// A child that owns memory: says its blob, then does what it is told.
template <class T>
bool own_memory(Line& parent) {
  auto transport = Factory<T>::make();
  if (!transport.ok()) return false;
  auto window = transport.value().allocate(kBytes);
  if (!window.ok()) return false;
  std::fill_n(window.value().base, kBytes, std::byte{0x42});
  auto blob = transport.value().publish(window.value());
  if (!blob.ok() || !parent.send(text_of(blob.value()))) return false;
  return parent.receive() == "bye";
}

/// A child that writes to the memory whose blob it is told: `rounds` of data and signal.
template <class T>
bool write_rounds(Line& parent, std::uint64_t rounds) {
  auto transport = Factory<T>::make();
  if (!transport.ok()) return false;
  auto remote = transport.value().open(blob_of(parent.receive()), soon());
  if (!remote.ok()) return false;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    const std::vector<std::byte> bytes(1000, static_cast<std::byte>(round));
    if (!transport.value().put(remote.value(), 64, bytes).ok()) return false;
    if (!transport.value().signal(remote.value(), 0, 1).ok()) return false;
    // The reader answers in its own memory.
    for (std::uint64_t answer = 0; answer < round;) {
      std::byte word[8];
      if (!transport.value().get(remote.value(), 8, word).ok()) return false;
      std::memcpy(&answer, word, sizeof answer);
      if (answer < round) std::this_thread::yield();
    }
  }
  return !transport.value().put(remote.value(), kBytes, std::vector<std::byte>(1)).ok();
}

TYPED_TEST(Processes, what_was_put_before_a_signal_is_there_when_the_signal_is) {
  constexpr std::uint64_t kRounds = 10'000;
  Child child([&](Line& parent) { return write_rounds<TypeParam>(parent, kRounds); });
  auto transport = Factory<TypeParam>::make();
  ASSERT_TRUE(transport.ok()) << last_error();
  auto window = transport.value().allocate(kBytes);
  ASSERT_TRUE(window.ok()) << last_error();
  auto blob = transport.value().publish(window.value());
  ASSERT_TRUE(blob.ok() && child.line().send(text_of(blob.value())));
  std::byte* base = window.value().base;
  std::uint64_t late = 0;
  for (std::uint64_t round = 1; round <= kRounds && late == 0; ++round) {
    late += !arrives(base, round) || !holds(base + 64, 1000, static_cast<std::byte>(round));
    port::store_release(reinterpret_cast<std::uint64_t*>(base + 8), round);
  }
  EXPECT_EQ(late, 0u);
  EXPECT_TRUE(child.wait());
  EXPECT_TRUE(holds(base + 1064, kBytes - 1064, std::byte{0}));
}

TYPED_TEST(Processes, memory_of_a_killed_owner_stays_readable_where_mapped_and_fails_elsewhere) {
  const Quiet quiet;
  Child child([](Line& parent) { return own_memory<TypeParam>(parent); });
  auto transport = Factory<TypeParam>::make();
  ASSERT_TRUE(transport.ok()) << last_error();
  const Blob blob = blob_of(child.line().receive());
  auto remote = transport.value().open(blob, soon());
  ASSERT_TRUE(remote.ok()) << last_error();
  EXPECT_EQ(mapped_by_name(child.pid()), std::vector<std::string>());
  std::vector<std::byte> read(kBytes);
  ASSERT_TRUE(transport.value().get(remote.value(), 0, read).ok());
  EXPECT_TRUE(holds(read.data(), kBytes, std::byte{0x42}));
  child.kill();
  child.wait();
  const auto killed = Deadline::Clock::now();
  constexpr bool kMaps = (TypeParam::kCapabilities & kMapped) != 0;
  const Errc after = kMaps ? Errc::kOk : Errc::kRemoteError;
  std::fill(read.begin(), read.end(), std::byte{0});
  EXPECT_EQ(transport.value().get(remote.value(), 0, read).code(), after);
  EXPECT_TRUE(holds(read.data(), kBytes, kMaps ? std::byte{0x42} : std::byte{0}));
  EXPECT_EQ(transport.value().put(remote.value(), 0, read).code(), after);
  EXPECT_FALSE(transport.value().open(blob, soon()).ok()) << "nobody serves it any more";
  EXPECT_LT(Deadline::Clock::now() - killed, std::chrono::seconds(2));
}

TYPED_TEST(Processes, a_killed_peer_leaves_the_owner_and_the_system_as_they_were) {
  const auto files_before = named_files();
  const auto descriptors_before = test::open_descriptors();
  {
    Child child([](Line& parent) {
      auto transport = Factory<TypeParam>::make();
      auto remote = transport.value().open(blob_of(parent.receive()), soon());
      parent.send(remote.ok() ? "open" : "refused");
      return parent.receive() == "bye";
    });
    auto transport = Factory<TypeParam>::make();
    ASSERT_TRUE(transport.ok()) << last_error();
    auto window = transport.value().allocate(kBytes);
    ASSERT_TRUE(window.ok());
    auto blob = transport.value().publish(window.value());
    ASSERT_TRUE(blob.ok() && child.line().send(text_of(blob.value())));
    ASSERT_EQ(child.line().receive(), "open");
    child.kill();
    child.wait();
    std::fill_n(window.value().base, kBytes, std::byte{1});
    transport.value().close();
  }
  EXPECT_EQ(named_files(), files_before);
  EXPECT_TRUE(test::open_descriptors_settle_at(descriptors_before));
}

TYPED_TEST(Processes, opening_and_closing_leaks_no_descriptor) {
  const auto before = test::open_descriptors();
  for (int round = 0; round < 50; ++round) {
    auto owner = Factory<TypeParam>::make();
    auto peer = Factory<TypeParam>::make();
    ASSERT_TRUE(owner.ok() && peer.ok());
    auto window = owner.value().allocate(4096);
    ASSERT_TRUE(window.ok());
    for (int time = 0; time < 3; ++time) {
      auto blob = owner.value().publish(window.value());
      ASSERT_TRUE(blob.ok());
      ASSERT_TRUE(peer.value().open(blob.value(), soon()).ok());
    }
    owner.value().close();
  }
  EXPECT_TRUE(test::open_descriptors_settle_at(before))
      << test::open_descriptors() << " against " << before;
}

}  // namespace
}  // namespace sluice::conformance
