// Ranks on a GPU, for tests: what a test needs to run, and a case's buffers on the device.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "sluice/sluice.hpp"
#include "support/collective_case.hpp"
#include "support/ranks.hpp"

namespace sluice::test {

/// Why there is no GPU to test with; empty where there is one. Asked in a process of its own, so
/// that this one may still fork.
const std::string& why_no_gpu();

/// Whether this process has used the GPU: then its forks cannot.
bool& used_gpu_here();

#define SLUICE_NEEDS_GPU()                                                   \
  do {                                                                       \
    if (const std::string& why = ::sluice::test::why_no_gpu(); !why.empty()) \
      GTEST_SKIP() << "no GPU: " << why;                                     \
  } while (false)

/// For tests whose ranks are forks: what a process has of a GPU does not survive one.
#define SLUICE_NEEDS_FORKS()           \
  SLUICE_NEEDS_GPU();                  \
  if (::sluice::test::used_gpu_here()) \
  GTEST_SKIP() << "needs a process that has not used the GPU: run these by themselves"

/// Options of ranks that share the first device.
Options gpu_options(std::chrono::milliseconds timeout = std::chrono::seconds(20));

/// spawn_threads() on the device.
std::string spawn_gpu_threads(int ranks, const Body& body, const Options& options = gpu_options());
/// The same as if rank r were on host host_of[r].
std::string spawn_gpu_hosts(const std::vector<int>& host_of, const Body& body,
                            const Options& options = gpu_options());

/// `on_device`, or a fiftieth of it where host threads stand in for the device.
int repetitions(int on_device);

/// Memory on the device, allocated once: to free some could wait for kernels of other ranks.
class GpuMemory {
 public:
  explicit GpuMemory(std::uint64_t bytes);
  ~GpuMemory();
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  std::byte* data() const { return data_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::uint64_t bytes_;
};

/// One rank on the device: a stream of its own, and room for a case's buffers.
class GpuRank {
 public:
  static constexpr std::uint64_t kRoomBytes = std::uint64_t{48} << 20;

  explicit GpuRank(Communicator& communicator);

  /// A CaseRunner's call: the case with its buffers on the device, in the same places of a line,
  /// and what is around them copied forth and back, too.
  std::string operator()(const Case& c, const CaseLayout& layout, const std::byte* input,
                         std::byte* output);

  Communicator& communicator() const { return communicator_; }
  Stream stream() const { return stream_->stream(); }
  /// Waits for the stream, then asks for the communicator's error.
  std::string finish();
  std::string to_device(std::byte* device, const void* host, std::uint64_t bytes);
  std::string from_device(void* host, const std::byte* device, std::uint64_t bytes);

 private:
  Communicator& communicator_;
  Result<device::OwnStream> own_;
  device::OwnStream* stream_;
  GpuMemory input_, output_;
};

/// Two processes, of which rank 1 dies. `prepare` runs on both and returns what rank 0 then
/// enqueues, which needs rank 1. Returns what rank 0 heard, as "heard: ...".
using Prepare = std::function<std::function<Status()>(GpuRank&)>;
std::string spawn_gpu_with_a_death(const Prepare& prepare);

/// The case's collective on the rank's stream.
Status call_on(GpuRank& rank, const Case& c, const CaseLayout& layout, const void* input,
               void* output);

}  // namespace sluice::test
