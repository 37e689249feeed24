#include "memory/registry.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "memory_child.hpp"
#include "sluice/memory.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};

std::byte* alloc_in(Registry& registry, std::uint64_t bytes) {
  auto memory = registry.alloc(bytes);
  EXPECT_TRUE(memory.ok());
  return static_cast<std::byte*>(memory.value());
}

TEST(Registry, EmptyFindsNothing) {
  Registry registry;
  int local = 0;
  EXPECT_FALSE(registry.find(&local, sizeof local));
  EXPECT_FALSE(registry.find(nullptr, 0));
  EXPECT_EQ(registry.descriptor(1), -1);
  EXPECT_FALSE(registry.duplicate(1));
}

TEST(Registry, FindsOnlyRangesInsideOneRegion) {
  Registry registry;
  std::byte* const base = alloc_in(registry, 5000);
  const auto whole = registry.find(base, 5000);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->base, base);
  EXPECT_EQ(whole->offset, 0u);
  EXPECT_EQ(whole->region_bytes, 5000u);
  const auto last = registry.find(base + 4999, 1);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->offset, 4999u);
  EXPECT_EQ(last->id, whole->id);

  EXPECT_FALSE(registry.find(base, 5001));
  EXPECT_FALSE(registry.find(base + 4999, 2));
  EXPECT_FALSE(registry.find(base + 5000, 1)) << "the rest of the page is not the caller's";
  EXPECT_FALSE(registry.find(base + 5000, 0));
  EXPECT_FALSE(registry.find(base - 1, 1));
  EXPECT_FALSE(registry.find(base - 1, 2));
  EXPECT_TRUE(registry.find(base + 1, 0));
  EXPECT_FALSE(registry.find(base, kMax));
  EXPECT_FALSE(registry.find(base + 1, kMax));
  EXPECT_FALSE(registry.find(base + 1, kMax - reinterpret_cast<std::uintptr_t>(base)));
  EXPECT_FALSE(registry.find(nullptr, kMax));
  EXPECT_FALSE(registry.find(reinterpret_cast<void*>(kMax), kMax));
  EXPECT_TRUE(registry.free(base).ok());
  EXPECT_FALSE(registry.find(base, 1));
}

TEST(Registry, NeverSpansTwoRegions) {
  Registry registry;
  std::vector<std::byte*> regions;
  for (int i = 0; i < 16; ++i) regions.push_back(alloc_in(registry, 4096));
  bool adjacent = false;
  for (std::byte* region : regions) {
    adjacent = adjacent || registry.find(region + 4096, 1);
    EXPECT_FALSE(registry.find(region, 4097));
    EXPECT_FALSE(registry.find(region + 4095, 2));
    EXPECT_EQ(registry.find(region, 4096)->base, region);
  }
  EXPECT_TRUE(adjacent)
      << "the kernel put no two mappings side by side, so this test shows nothing";
  for (std::byte* region : regions) EXPECT_TRUE(registry.free(region).ok());
}

TEST(Registry, NeverUsesAnIdTwice) {
  Registry registry;
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 50; ++i) {
    std::byte* const memory = alloc_in(registry, 4096);
    EXPECT_TRUE(ids.insert(registry.find(memory, 1)->id).second);
    EXPECT_TRUE(registry.free(memory).ok());
  }
}

TEST(Registry, FreesOnlyWhatItGave) {
  Registry registry;
  std::byte* const base = alloc_in(registry, 8192);
  int local = 0;
  EXPECT_TRUE(registry.free(nullptr).ok());
  EXPECT_EQ(registry.free(&local).code(), Errc::kInvalidArgument);
  EXPECT_EQ(registry.free(base + 1).code(), Errc::kInvalidArgument);
  EXPECT_EQ(registry.free(base + 4096).code(), Errc::kInvalidArgument);
  EXPECT_TRUE(registry.find(base, 8192));
  EXPECT_TRUE(registry.free(base).ok());
  EXPECT_EQ(registry.free(base).code(), Errc::kInvalidArgument);
}

TEST(Registry, GenerationChangesWithAllocAndFree) {
  Registry registry;
  const std::uint64_t empty = registry.generation();
  std::byte* const memory = alloc_in(registry, 1);
  const std::uint64_t one = registry.generation();
  EXPECT_NE(one, empty);
  EXPECT_EQ(registry.free(memory + 1).code(), Errc::kInvalidArgument);
  EXPECT_EQ(registry.generation(), one);
  EXPECT_TRUE(registry.free(memory).ok());
  EXPECT_NE(registry.generation(), one);
  EXPECT_NE(registry.generation(), empty);
}

TEST(Registry, TellsSubscribersBeforeTheMemoryGoes) {
  Registry registry;
  std::byte* const memory = alloc_in(registry, 4096);
  const std::uint64_t id = registry.find(memory, 1)->id;
  std::vector<std::uint64_t> freed;
  const std::uint64_t ticket = registry.subscribe([&](std::uint64_t gone) {
    freed.push_back(gone);
    memory[0] = std::byte{1};  // still mapped
    EXPECT_FALSE(registry.find(memory, 1));
  });
  const std::uint64_t other =
      registry.subscribe([&](std::uint64_t gone) { freed.push_back(gone); });
  EXPECT_TRUE(registry.free(memory).ok());
  EXPECT_EQ(freed, (std::vector{id, id}));
  registry.unsubscribe(ticket);
  registry.unsubscribe(other);
  EXPECT_TRUE(registry.free(alloc_in(registry, 1)).ok());
  EXPECT_EQ(freed.size(), 2u);
}

TEST(Registry, DescriptorMapsTheSameMemory) {
  Registry registry;
  std::byte* const memory = alloc_in(registry, 10'000);
  const std::uint64_t id = registry.find(memory, 1)->id;
  EXPECT_GE(registry.descriptor(id), 0);
  auto copy = registry.duplicate(id);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->bytes, 10'000u);
  auto peer = SharedMemory::map(std::move(copy->fd), copy->bytes);
  ASSERT_TRUE(peer.ok());
  std::memcpy(memory + 9'990, "same", 4);
  EXPECT_TRUE(registry.free(memory).ok());
  EXPECT_EQ(std::memcmp(peer->data() + 9'990, "same", 4), 0)
      << "a peer's mapping outlives the owner's free";
  EXPECT_EQ(registry.descriptor(id), -1);
}

TEST(Alloc, IsThePublicDoorToTheRegistry) {
  const std::ptrdiff_t before = test::open_descriptors();
  auto memory = alloc(100);
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.value()) % 4096, 0u);
  EXPECT_TRUE(Registry::instance().find(memory.value(), 100));
  EXPECT_TRUE(free(memory.value()).ok());
  EXPECT_FALSE(Registry::instance().find(memory.value(), 100));
  EXPECT_EQ(alloc(0).status().code(), Errc::kInvalidArgument);
  EXPECT_EQ(alloc(SIZE_MAX).status().code(), Errc::kSystemError);
  EXPECT_EQ(test::open_descriptors(), before);
  {
    auto buffer = Buffer<double>::create(1000);
    ASSERT_TRUE(buffer.ok());
    EXPECT_TRUE(Registry::instance().find(buffer->data(), 8000));
    buffer.value()[999] = 1.0;
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST(Registry, ServesFourThreadsAtOnce) {
  Registry registry;
  std::atomic<std::uint64_t> announced = 0;
  const std::uint64_t ticket = registry.subscribe([&](std::uint64_t) { ++announced; });
  std::atomic<std::byte*> shared = alloc_in(registry, 4096);
  std::atomic<int> wrong = 0;
  const auto work = [&](int thread) {
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t bytes = 4096 * static_cast<std::uint64_t>(1 + (i + thread) % 3);
      std::byte* const memory = alloc_in(registry, bytes);
      memory[bytes - 1] = std::byte(thread);
      const auto slice = registry.find(memory + 1, bytes - 1);
      if (!slice || slice->base != memory || slice->offset != 1 || slice->region_bytes != bytes)
        ++wrong;
      if (!registry.find(shared.load(), 4096)) ++wrong;
      if (slice && !registry.duplicate(slice->id)) ++wrong;
      if (memory[bytes - 1] != std::byte(thread)) ++wrong;
      if (!registry.free(memory).ok()) ++wrong;
      static_cast<void>(registry.generation());
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(announced, 800u);
  registry.unsubscribe(ticket);
  EXPECT_TRUE(registry.free(shared.load()).ok());
}

}  // namespace
}  // namespace sluice
