// An all-reduce of one's own, written with channels: put my input into every rank's buffer, signal,
// wait for everybody's signal, add. A template over the thread group: HostThread here, the threads
// of a block in a kernel.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

namespace {

/// One rank's buffer is two halves of `size` slots of `count` floats; slot r is for rank r's input.
/// Operations take the halves in turn: a peer that has signalled in operation k is done with what
/// it read in k - 1, so in k + 1 its other half may be written without asking. All offsets are
/// bytes; the channel to oneself works like the others.
struct OwnAllReduce {
  const sluice::MemoryChannel* channels;  // by peer
  int rank, size;
  std::uint64_t count;

  template <sluice::ThreadGroup Group>
  SLUICE_FN bool operator()(const Group& group, std::uint64_t operation, const float* input,
                            float* output) const {
    const std::uint64_t half = operation % 2 * size * count;
    float* slots = reinterpret_cast<float*>(channels[rank].local.base) + half;
    float* own = slots + rank * count;
    for (std::uint64_t i = group.rank(); i < count; i += group.size()) own[i] = input[i];
    group.sync();
    const std::uint64_t offset = (half + rank * count) * sizeof(float);
    for (int peer = 0; peer < size; ++peer) {
      if (!channels[peer].put(group, offset, offset, count * sizeof(float))) return false;
      channels[peer].signal(group);  // after the put: who takes the signal finds the data
    }
    for (int peer = 0; peer < size; ++peer)
      if (!channels[peer].wait(group)) return false;
    for (std::uint64_t i = group.rank(); i < count; i += group.size()) {
      float sum = slots[i];
      for (int r = 1; r < size; ++r)
        sum += slots[r * count + i];  // by rank: the same bits everywhere
      output[i] = sum;
    }
    group.sync();
    return true;
  }
};

}  // namespace

int main() {
  constexpr std::uint64_t kCount = 1000, kOperations = 100;
  auto joined = sluice::Communicator::from_environment();
  if (!joined.ok()) return 1;
  const int rank = joined->rank(), size = joined->size();

  auto buffer = sluice::Buffer<float>::create(2 * static_cast<std::size_t>(size) * kCount);
  if (!buffer.ok()) return 1;
  sluice::Communicator world =
      std::move(joined).value();  // behind its buffer here, so gone before it
  const auto channels =
      sluice::make_channels(world, buffer->data(), buffer->size() * sizeof(float));
  if (!channels.ok()) return 1;
  const OwnAllReduce all_reduce{&channels.value()[0], rank, size, kCount};

  std::vector<float> input(kCount), output(kCount), expected(kCount);
  for (std::uint64_t operation = 0; operation < kOperations; ++operation) {
    for (std::uint64_t i = 0; i < kCount; ++i)  // whole numbers: exact in any order of additions
      input[i] = static_cast<float>((operation + i) % 97 * static_cast<std::uint64_t>(rank + 1));
    const bool done = all_reduce(sluice::HostThread{}, operation, input.data(), output.data());
    const auto status = world.all_reduce(input.data(), expected.data(), kCount,
                                         sluice::DataType::kFloat32, sluice::ReduceOp::kSum);
    if (!done || !status.ok())
      return 1;  // a wait that failed has ended the communicator, so both say so
    if (std::memcmp(output.data(), expected.data(), kCount * sizeof(float)) != 0) return 1;
  }
  std::printf("rank %d of %d: %d sums of one's own agree with the library's\n", rank, size,
              int{kOperations});
  return 0;
}
