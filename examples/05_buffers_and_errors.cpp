// Buffers that peers can map, and what happens when something goes wrong. Run it as two ranks.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

using namespace std::chrono_literals;

namespace {

/// From about 64 KiB up, buffers from sluice::alloc are read and written in place by all ranks.
bool reduce_in_shared_buffers(sluice::Communicator& world) {
  constexpr std::size_t kCount = 1 << 20;
  auto input = sluice::Buffer<float>::create(kCount),
       output = sluice::Buffer<float>::create(kCount);
  if (!input.ok() || !output.ok()) return false;
  for (float& value : input->span()) value = 0.5f;
  if (!world
           .all_reduce(input->data(), output->data(), kCount, sluice::DataType::kFloat32,
                       sluice::ReduceOp::kAverage)
           .ok())
    return false;
  for (const float value : output->span())
    if (value != 0.5f) return false;
  return true;  // the buffers are given back here; peers unmap them when they next look
}

/// A wrong argument is an error of this call alone: nothing was done, the communicator works on.
bool survive_a_wrong_argument(sluice::Communicator& world) {
  float value = 1;
  const auto status = world.broadcast(&value, &value, 1, sluice::DataType::kFloat32, world.size());
  std::printf("rank %d: %s: %s\n", world.rank(), sluice::name(status.code()),
              sluice::last_error().c_str());
  return status.code() == sluice::Errc::kInvalidArgument && world.barrier().ok();
}

/// abort() from any thread of any rank ends the calls in flight on all of them; the communicator is
/// over.
bool abort_from_another_thread(sluice::Communicator& world) {
  std::jthread supervisor;
  if (world.rank() == 0)
    supervisor = std::jthread([&world] {
      std::this_thread::sleep_for(100ms);
      static_cast<void>(world.abort());
    });
  else
    std::this_thread::sleep_for(500ms);  // rank 0 waits for this rank in vain
  const auto status = world.barrier();
  std::printf("rank %d: %s: %s\n", world.rank(), sluice::name(status.code()),
              sluice::last_error().c_str());
  return status.code() == sluice::Errc::kAborted && world.error().code() == sluice::Errc::kAborted;
}

}  // namespace

int main() {
  auto world = sluice::Communicator::from_environment();
  if (!world.ok()) return 1;
  if (world->size() < 2) {
    std::fprintf(stderr, "start two ranks: examples/run_ranks 2 PROGRAM\n");
    return 1;
  }
  return reduce_in_shared_buffers(world.value()) && survive_a_wrong_argument(world.value()) &&
                 abort_from_another_thread(world.value())
             ? 0
             : 1;
}
