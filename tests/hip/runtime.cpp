// What the kernels for AMD's GPUs and the runtime behind them do where there is no such GPU, with
// libamdhip64 and without it.
#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <hip/hip_version.h>

#include <cstdlib>

#include "cuda/gpu.hpp"
#include "datatype/gpu/kernels.hpp"
#include "device/shareable.hpp"
#include "plan/host_context.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice::test {
namespace {

bool without_runtime() { return std::getenv("HIP_TESTS_WITHOUT_RUNTIME") != nullptr; }

std::string runtime_file() { return fmt::format("libamdhip64.so.{}", HIP_VERSION_MAJOR); }

TEST(HipRuntime, every_schedule_that_needs_no_other_host_has_a_kernel) {
  EXPECT_TRUE(kernels::built());
  EXPECT_NE(kernels::scale(), nullptr);
  EXPECT_NE(kernels::exchange(), nullptr);
  EXPECT_NE(kernels::one_sided(), nullptr);
  EXPECT_NE(kernels::proxied(), nullptr);
  EXPECT_NE(kernels::proxied_exchange(), nullptr);
  EXPECT_NE(datatype::gpu::pack_kernel(), nullptr);
  EXPECT_NE(datatype::gpu::unpack_kernel(), nullptr);
  int found = 0;
  for (std::size_t line = 0; line < host_catalogue().size(); ++line) {
    const HostEntry& entry = host_catalogue()[line];
    const bool expected =
        entry.run != nullptr && entry.needs != Needs::kHosts && entry.needs != Needs::kEvenHosts;
    EXPECT_EQ(kernels::schedule(line) != nullptr, expected)
        << name(entry.collective) << ':' << entry.name;
    found += kernels::schedule(line) != nullptr;
  }
  EXPECT_GE(found, 40);
}

TEST(HipRuntime, it_is_loaded_when_a_device_is_asked_for_and_not_before) {
  const std::string error = spawn_threads(2, [](Communicator& c) { return text_of(c.barrier()); });
  EXPECT_EQ(error, "");
  EXPECT_EQ(::dlopen(runtime_file().c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr);
  static_cast<void>(device::count());
  void* const loaded = ::dlopen(runtime_file().c_str(), RTLD_NOW | RTLD_NOLOAD);
  EXPECT_EQ(loaded == nullptr, without_runtime());
}

TEST(HipRuntime, who_asks_for_a_device_hears_what_is_missing) {
  if (why_no_gpu().empty()) GTEST_SKIP() << "needs a machine without a GPU";
  const std::string expected =
      without_runtime() ? runtime_file() + " cannot be loaded: " : "(hipErrorNoDevice, 100)";
  EXPECT_NE(why_no_gpu().find(expected), std::string::npos) << why_no_gpu();
  EXPECT_EQ(device::count().status().code(), Errc::kSystemError);
}

TEST(HipRuntime, every_call_without_a_device_is_an_error) {
  if (why_no_gpu().empty()) GTEST_SKIP() << "needs a machine without a GPU";
  EXPECT_FALSE(device::use(0).ok());
  EXPECT_FALSE(device::OwnStream::create().ok());
  EXPECT_FALSE(device::facts(0).ok());
  EXPECT_FALSE(device::blocks_at_once(kernels::scale(), kernels::kThreads).ok());
  EXPECT_FALSE(device::launch(kernels::scale(), 1, kernels::kThreads, nullptr, {}).ok());
  EXPECT_EQ(device::allocate_pinned(64).status().code(), Errc::kSystemError);
  EXPECT_EQ(device::allocate_shareable(64).status().code(), Errc::kSystemError);
  int host_memory = 0;
  EXPECT_EQ(device::allocation_of(&host_memory).status().code(), Errc::kSystemError);
  EXPECT_EQ(device::pin(&host_memory, sizeof host_memory).code(), Errc::kSystemError);
  EXPECT_FALSE(device::capture_of({}).ok());
  EXPECT_FALSE(device::Event::create().ok());
}

TEST(HipRuntime, what_hip_does_not_have_is_named) {
  const auto descriptor = device::descriptor_of(nullptr);
  ASSERT_TRUE(descriptor.ok());
  EXPECT_LT(descriptor.value().get(), 0);  // none: the other process opens a handle
  EXPECT_FALSE(device::open_shareable(descriptor.value(), 64).ok());
  EXPECT_NE(last_error().find("with HIP no device memory has a descriptor"), std::string::npos)
      << last_error();
}

}  // namespace
}  // namespace sluice::test
