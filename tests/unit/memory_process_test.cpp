#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "memory/process_memory.hpp"
#include "memory_child.hpp"

namespace sluice {
namespace {

using test::Child;
using test::Line;

constexpr std::uint64_t kToken = 0x5165'1ce5'1165'1ce5;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

std::byte pattern(std::size_t i) { return std::byte((i * 131 + (i >> 8)) & 0xff); }

/// A peer that waits until told to go; what it holds is what this process held when it forked.
class MemoryProcess : public testing::Test {
 protected:
  MemoryProcess() {
    for (std::size_t i = 0; i < data_.size(); ++i) data_[i] = pattern(i);
  }
  void start_peer() {
    peer_.emplace([](Line& parent) { return parent.send("up") && parent.receive() == "go"; });
    ASSERT_EQ(peer_->line().receive(), "up");
    std::fill(data_.begin(), data_.end(), std::byte{0});
    if (!probe(peer_->pid(), &token_, kToken))
      GTEST_SKIP() << "this system does not permit cross-memory attach";
  }

  std::vector<std::byte> data_ = std::vector<std::byte>(200'000);
  std::uint64_t token_ = kToken;
  std::optional<Child> peer_;
};

TEST_F(MemoryProcess, ReadsAtOddOffsetsAndSizes) {
  start_peer();
  auto reader = ProcessReader::open(peer_->pid());
  ASSERT_TRUE(reader.ok());
  for (const std::size_t offset : {0, 1, 3, 4095, 4097, 65'537}) {
    for (const std::size_t bytes : {0, 1, 7, 4096, 4099, 100'001}) {
      std::vector<std::byte> local(bytes + 2, std::byte{0xee});
      ASSERT_TRUE(reader->read(local.data() + 1, address_of(data_.data()) + offset, bytes).ok());
      for (std::size_t i = 0; i < bytes; ++i)
        ASSERT_EQ(local[i + 1], pattern(offset + i)) << offset << " " << i;
      EXPECT_EQ(local.front(), std::byte{0xee});
      EXPECT_EQ(local.back(), std::byte{0xee});
    }
  }
}

TEST_F(MemoryProcess, LoopsOverSmallCalls) {
  start_peer();
  for (const std::uint64_t limit : {1, 7, 4096, 99'999}) {
    auto reader = ProcessReader::open(peer_->pid(), limit);
    ASSERT_TRUE(reader.ok());
    std::vector<std::byte> local(10'001);
    ASSERT_TRUE(reader->read(local.data(), address_of(data_.data()) + 5, local.size()).ok());
    for (std::size_t i = 0; i < local.size(); ++i) ASSERT_EQ(local[i], pattern(i + 5));
  }
}

TEST_F(MemoryProcess, NamesPidAndAddressOfWhatIsNotMapped) {
  start_peer();
  auto reader = ProcessReader::open(peer_->pid());
  ASSERT_TRUE(reader.ok());
  std::uint64_t local = 0;
  const Status status = reader->read(&local, 0x10, sizeof local);
  EXPECT_EQ(status.code(), Errc::kSystemError);
  EXPECT_EQ(status.os_error(), EFAULT);
  EXPECT_NE(last_error().find(std::to_string(peer_->pid())), std::string::npos) << last_error();
  EXPECT_NE(last_error().find("0x10"), std::string::npos) << last_error();
  EXPECT_EQ(reader->read(&local, ~std::uint64_t{0} - 3, sizeof local).code(),
            Errc::kInvalidArgument);
}

TEST_F(MemoryProcess, NoticesADeadPeer) {
  start_peer();
  const pid_t pid = peer_->pid();
  auto reader = ProcessReader::open(pid);
  ASSERT_TRUE(reader.ok());
  std::uint64_t local = 0;
  ASSERT_TRUE(reader->read(&local, address_of(&token_), sizeof local).ok());
  EXPECT_EQ(local, kToken);
  peer_->kill();
  EXPECT_FALSE(peer_->wait());
  EXPECT_EQ(reader->read(&local, address_of(&token_), sizeof local).code(), Errc::kRemoteError);
  EXPECT_EQ(ProcessReader::open(pid).status().code(), Errc::kRemoteError);
  EXPECT_FALSE(probe(pid, &token_, kToken));
}

TEST_F(MemoryProcess, ProbeWantsTheRightWord) {
  start_peer();
  EXPECT_TRUE(probe(peer_->pid(), &token_, kToken));
  EXPECT_FALSE(probe(peer_->pid(), &token_, kToken + 1));
  EXPECT_FALSE(probe(peer_->pid(), nullptr, kToken));
  EXPECT_FALSE(probe(0, &token_, kToken));
  EXPECT_FALSE(probe(-1, &token_, kToken));
  EXPECT_EQ(ProcessReader::open(0).status().code(), Errc::kInvalidArgument);
  EXPECT_EQ(ProcessReader::open(peer_->pid(), 0).status().code(), Errc::kInvalidArgument);
  ASSERT_TRUE(peer_->line().send("go"));
  EXPECT_TRUE(peer_->wait());
}

}  // namespace
}  // namespace sluice
