// Cores of the host: binding a thread for a while.
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "topology/host.hpp"

namespace sluice::topology {
namespace {

TEST(CoreBinding, keeps_the_thread_on_one_core_and_lets_it_go_again) {
  const CoreSet before = allowed_cores();
  for (std::size_t index = 0; index < 2 * before.count(); ++index) {
    {
      const CoreBinding binding(index);
      const CoreSet now = allowed_cores();
      EXPECT_EQ(now.count(), 1U);
      EXPECT_TRUE((now & before) == now);
      EXPECT_TRUE(now[static_cast<std::size_t>(sched_getcpu())]);
    }
    EXPECT_EQ(allowed_cores(), before) << index;
  }
}

TEST(CoreBinding, neighbours_are_on_different_cores_where_there_are_two) {
  if (allowed_cores().count() < 2) GTEST_SKIP() << "needs two cores";
  CoreSet first, second;
  std::thread([&] {
    const CoreBinding binding(0);
    first = allowed_cores();
  }).join();
  std::thread([&] {
    const CoreBinding binding(1);
    second = allowed_cores();
  }).join();
  EXPECT_TRUE((first & second).none());
}

TEST(CoreBinding, a_thread_with_one_core_keeps_it) {
  std::thread([] {
    const CoreBinding outer(0);
    const CoreSet before = allowed_cores();
    {
      const CoreBinding inner(1);
      EXPECT_EQ(allowed_cores(), before);
    }
    EXPECT_EQ(allowed_cores(), before);
  }).join();
}

}  // namespace
}  // namespace sluice::topology
