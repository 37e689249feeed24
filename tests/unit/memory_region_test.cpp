#include "memory/region.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "memory_child.hpp"

namespace sluice {
namespace {

using test::Child;
using test::Line;

constexpr std::uint64_t kMax = ~std::uint64_t{0};

Fd copy_of(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

Fd make_memfd(std::uint64_t bytes, int seals) {
  Fd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  if (seals != 0) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  }
  return fd;
}

bool mapped_somewhere(const std::string& label) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(label) != std::string::npos) return true;
  return false;
}

TEST(MemoryRegion, ContainsNeverOverflows) {
  const Region region{nullptr, 100, MemoryKind::kHost};
  EXPECT_TRUE(region.contains(0, 100));
  EXPECT_TRUE(region.contains(100, 0));
  EXPECT_TRUE(region.contains(99, 1));
  EXPECT_FALSE(region.contains(99, 2));
  EXPECT_FALSE(region.contains(101, 0));
  EXPECT_FALSE(region.contains(1, kMax));
  EXPECT_FALSE(region.contains(kMax, 1));
  EXPECT_FALSE(region.contains(kMax, kMax));
  EXPECT_FALSE(Region{}.contains(0, 1));
}

TEST(SharedMemory, IsZeroedSealedAndOfTheSizeAskedFor) {
  auto memory = SharedMemory::create(5000, "small");
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(memory->bytes(), 5000u);
  for (std::uint64_t i = 0; i < memory->bytes(); ++i) ASSERT_EQ(memory->data()[i], std::byte{0});
  EXPECT_EQ(::fcntl(memory->fd(), F_GET_SEALS) & 0xf, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_NE(::ftruncate(memory->fd(), 0), 0);
  EXPECT_TRUE(::fcntl(memory->fd(), F_GETFD) & FD_CLOEXEC);
}

TEST(SharedMemory, IsAlignedForHugePagesFromTwoMebibytes) {
  auto memory = SharedMemory::create((std::uint64_t{4} << 20) + 1, "large");
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % (2u << 20), 0u);
  memory->data()[memory->bytes() - 1] = std::byte{1};
  EXPECT_TRUE(memory->populate().ok());
  EXPECT_EQ(memory->data()[memory->bytes() - 1], std::byte{1});
}

TEST(SharedMemory, PopulateMakesEveryPageResidentAndKeepsTheContent) {
  for (const std::uint64_t bytes :
       {std::uint64_t{1}, (std::uint64_t{2} << 20), (std::uint64_t{5} << 20) + 1}) {
    auto memory = SharedMemory::create(bytes, "resident");
    ASSERT_TRUE(memory.ok());
    for (std::uint64_t i = 0; i < bytes; i += 100'000)
      memory->data()[i] = std::byte(i / 100'000 + 1);
    ASSERT_TRUE(memory->populate().ok());
    std::vector<unsigned char> resident((bytes + 4095) / 4096);
    ASSERT_EQ(::mincore(memory->data(), bytes, resident.data()), 0);
    for (const unsigned char page : resident) ASSERT_TRUE(page & 1);
    for (std::uint64_t i = 0; i < bytes; ++i)
      ASSERT_EQ(memory->data()[i], i % 100'000 == 0 ? std::byte(i / 100'000 + 1) : std::byte{0})
          << i;
  }
}

TEST(SharedMemory, RefusesNothingAndTooMuch) {
  EXPECT_EQ(SharedMemory::create(0, "none").status().code(), Errc::kInvalidArgument);
  for (const std::uint64_t bytes :
       {kMax, kMax - 4096, std::uint64_t{1} << 62, std::uint64_t{1} << 50}) {
    const auto memory = SharedMemory::create(bytes, "huge");
    EXPECT_EQ(memory.status().code(), Errc::kSystemError);
    EXPECT_EQ(memory.status().os_error(), ENOMEM);
    EXPECT_NE(last_error().find("RAM"), std::string::npos) << last_error();
  }
}

TEST(SharedMemory, IsSeenByBothProcesses) {
  auto memory = SharedMemory::create(std::uint64_t{3} << 20, "both");
  ASSERT_TRUE(memory.ok());
  Child child([&](Line& parent) {
    auto mine = SharedMemory::map(copy_of(memory->fd()), memory->bytes());
    if (!mine.ok() || parent.receive() != "written") return false;
    const bool seen = std::memcmp(mine->data() + 2'999'999, "ping", 4) == 0;
    std::memcpy(mine->data() + 17, "pong", 4);
    return parent.send("written") && seen;
  });
  std::memcpy(memory->data() + 2'999'999, "ping", 4);
  ASSERT_TRUE(child.line().send("written"));
  EXPECT_EQ(child.line().receive(), "written");
  EXPECT_EQ(std::memcmp(memory->data() + 17, "pong", 4), 0);
  EXPECT_TRUE(child.wait());
}

TEST(SharedMemory, SurvivesItsKilledCreator) {
  const std::ptrdiff_t before = test::open_descriptors();
  {
    auto memory = SharedMemory::create(4096, "killed");
    ASSERT_TRUE(memory.ok());
    Child child([&](Line& parent) {
      std::memcpy(memory->data(), "left", 4);
      static_cast<void>(parent.send("ready"));
      return parent.receive() == "never";
    });
    EXPECT_EQ(child.line().receive(), "ready");
    child.kill();
    EXPECT_FALSE(child.wait());
    EXPECT_EQ(std::memcmp(memory->data(), "left", 4), 0);
  }
  EXPECT_EQ(test::open_descriptors(), before);
  EXPECT_FALSE(mapped_somewhere("sluice-killed"));
}

TEST(SharedMemory, RefusesFilesThatCouldShrinkOrAreTooSmall) {
  EXPECT_EQ(SharedMemory::map(Fd(), 4096).status().code(), Errc::kInvalidArgument);
  EXPECT_EQ(SharedMemory::map(make_memfd(8192, F_SEAL_SHRINK), 0).status().code(),
            Errc::kInvalidArgument);
  EXPECT_EQ(SharedMemory::map(make_memfd(8192, 0), 8192).status().code(), Errc::kRemoteError);
  EXPECT_EQ(SharedMemory::map(make_memfd(8192, F_SEAL_GROW), 8192).status().code(),
            Errc::kRemoteError);
  EXPECT_EQ(SharedMemory::map(make_memfd(8192, F_SEAL_SHRINK), 8193).status().code(),
            Errc::kRemoteError);
  EXPECT_EQ(SharedMemory::map(make_memfd(8192, F_SEAL_SHRINK), kMax).status().code(),
            Errc::kRemoteError);
  Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(SharedMemory::map(std::move(null), 1).status().code(), Errc::kRemoteError);
  EXPECT_TRUE(SharedMemory::map(make_memfd(8192, F_SEAL_SHRINK), 8192).ok());
  EXPECT_TRUE(SharedMemory::map(make_memfd(8192, F_SEAL_SHRINK), 100).ok());
}

TEST(SharedMemory, MovesWithoutLeaking) {
  const std::ptrdiff_t before = test::open_descriptors();
  {
    auto first = SharedMemory::create(4096, "move-first");
    auto second = SharedMemory::create(8192, "move-second");
    ASSERT_TRUE(first.ok() && second.ok());
    std::byte* const data = second->data();
    first.value() = std::move(second).value();
    EXPECT_FALSE(mapped_somewhere("sluice-move-first"));
    EXPECT_EQ(first->data(), data);
    EXPECT_EQ(first->bytes(), 8192u);
    EXPECT_EQ(test::open_descriptors(), before + 1);
  }
  EXPECT_FALSE(mapped_somewhere("sluice-move"));
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace sluice
