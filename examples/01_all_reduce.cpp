// The first program: every rank of a job adds its number, all get the sum. A job is the same
// program started several times: `examples/run_ranks 2 PROGRAM`, torchrun, mpirun or srun; alone it
// is one rank.
#include <sluice/sluice.hpp>

#include <cstdio>

int main() {
  auto joined = sluice::Communicator::from_environment();
  if (!joined.ok()) return 1;  // the reason has been logged
  sluice::Communicator& world = joined.value();

  float mine = static_cast<float>(world.rank() + 1), sum = 0;
  if (!world.all_reduce(&mine, &sum, 1, sluice::DataType::kFloat32, sluice::ReduceOp::kSum).ok())
    return 1;

  std::printf("rank %d of %d: the sum is %g\n", world.rank(), world.size(), sum);
  return sum == static_cast<float>(world.size() * (world.size() + 1) / 2) ? 0 : 1;
}
