// The timing loop.
//
// A batch is a number of iterations between two readings of the steady clock, started together by a
// barrier. A batch takes as long as on the slowest rank. A cell is several batches; its time is
// their median, per iteration. Tiny operations have thousands of iterations in a batch, so the
// clock itself does not show.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice_perf/verify.hpp"

namespace sluice::perf {

class DeviceSide;

struct Measurement {
  double min_us = 0;
  double median_us = 0;
  double max_us = 0;
  bool checked = false;
  std::uint64_t wrong = 0;     // over all ranks
  std::string_view algorithm;  // that ran; of the catalogue
};

struct TimingOptions {
  std::uint64_t iterations = 0;  // per cell; 0: as many as fill about 0.2 s
  int warmup_iterations = 2;
  int check_iterations = 1;
};

/// Collective: every rank calls it with its side of the same cell, and gets the same result.
/// `device`: the calls are on its stream, and events tell the time; null: they are on host memory.
Result<Measurement> measure(Communicator& communicator, const Cell& cell,
                            const TimingOptions& options, DeviceSide* device);

}  // namespace sluice::perf
