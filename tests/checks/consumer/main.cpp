#include <sluice/sluice.hpp>

int main() {
  auto communicator = sluice::Communicator::from_environment();
  if (!communicator.ok()) return 1;
  float value = 3;
  const sluice::Status status = communicator.value().all_reduce(
      &value, &value, 1, sluice::DataType::kFloat32, sluice::ReduceOp::kSum);
  return status.ok() && value == 3 ? 0 : 1;
}
