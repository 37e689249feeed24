#include "communicator/device_kernels.hpp"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {

Status load_kernels(int device) {
  static std::mutex mutex;
  static std::set<int> loaded;
  const std::lock_guard lock(mutex);
  if (loaded.contains(device)) return {};
  SLUICE_TRY_ASSIGN(const device::OwnStream stream, device::OwnStream::create());
  Strand* strands = nullptr;
  GroupArithmetic math;
  StrandCall nothing{.strands = 0};
  kernels::BlockLists lists{};
  void* arguments[] = {&strands, &math, &nothing, &lists};
  for (std::size_t line = 0; line < host_catalogue().size(); ++line)
    if (const void* kernel = kernels::schedule(line); kernel != nullptr)
      SLUICE_TRY(device::launch(kernel, 1, kernels::kThreads, arguments, stream.stream()));
  ProxyPlaces places;
  ProxiedCall no_call;
  void* asked[] = {&strands, &places, &no_call, &lists};
  SLUICE_TRY(device::launch(kernels::proxied(), 1, kernels::kThreads, asked, stream.stream()));
  ProxiedExchange no_pieces;
  void* pieces[] = {&strands, &places, &no_pieces};
  SLUICE_TRY(
      device::launch(kernels::proxied_exchange(), 1, kernels::kThreads, pieces, stream.stream()));
  ExchangeLaunch no_messages;
  void* messages[] = {&strands, &no_messages};
  SLUICE_TRY(device::launch(kernels::exchange(), 1, kernels::kThreads, messages, stream.stream()));
  OneSidedLaunch no_puts;
  void* one_sided[] = {&strands, &no_puts};
  SLUICE_TRY(
      device::launch(kernels::one_sided(), 1, kernels::kThreads, one_sided, stream.stream()));
  std::byte* bytes = nullptr;
  std::uint64_t count = 0;
  kernels::ScaleBy by{DataType::kFloat32, 1, 1, nullptr};
  void* scaling[] = {&bytes, &bytes, &count, &by};
  SLUICE_TRY(device::launch(kernels::scale(), 1, kernels::kThreads, scaling, stream.stream()));
  SLUICE_TRY(stream.wait());
  loaded.insert(device);
  return {};
}

Result<int> blocks_of_any() {
  SLUICE_TRY_ASSIGN(int least, device::blocks_at_once(kernels::exchange(), kernels::kThreads));
  for (std::size_t line = 0; line < host_catalogue().size(); ++line) {
    const void* kernel = kernels::schedule(line);
    if (kernel == nullptr) continue;
    SLUICE_TRY_ASSIGN(const int blocks, device::blocks_at_once(kernel, kernels::kThreads));
    least = std::min(least, blocks);
  }
  return least;
}

}  // namespace sluice
