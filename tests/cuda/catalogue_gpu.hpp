// The catalogue on GPUs.
#pragma once

#include <string>
#include <vector>

#include "sluice/sluice.hpp"
#include "support/sweep.hpp"

namespace sluice::test {

bool runs_on_gpus(const AlgorithmDescription& algorithm);

/// run_sweep() on the device.
std::string run_gpu_cases(Communicator& communicator, const Sweep& sweep,
                          const std::vector<Case>& cases);

void register_gpu_catalogue();

}  // namespace sluice::test
