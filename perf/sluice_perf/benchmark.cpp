#include "sluice_perf/benchmark.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "base/error.hpp"
#include "sluice_perf/device_side.hpp"

namespace sluice::perf {
namespace {

/// Batches of a cell and iterations of a batch, the same on every rank. No batches yet: go on
/// estimating.
struct Schedule {
  std::uint64_t batches = 0;
  std::uint64_t iterations = 1;
};

class CellTimer {
 public:
  CellTimer(Communicator& communicator, const Cell& cell, DeviceSide* device)
      : communicator_(communicator), cell_(cell), device_(device), reduction_(cell.reduction()) {}

  /// What the cell's calls start from: its data, and a graph.
  Status begin() { return device_ == nullptr ? Status() : device_->begin(communicator_, cell_); }

  Status repeat(std::uint64_t iterations) {
    if (device_ != nullptr) return device_->run_us(iterations).status();
    const void* input = cell_.input();
    void* output = cell_.output();
    for (std::uint64_t i = 0; i < iterations; ++i)
      SLUICE_TRY(run(communicator_, cell_.work, input, output, cell_.type, reduction_));
    return {};
  }

  Result<double> time_batch_us(std::uint64_t iterations) {
    using Clock = std::chrono::steady_clock;
    SLUICE_TRY(communicator_.barrier());
    if (device_ != nullptr) return device_->run_us(iterations);
    const auto start = Clock::now();
    SLUICE_TRY(repeat(iterations));
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }

  Result<Schedule> schedule(std::uint64_t iterations);
  Result<Measurement> time(const Schedule& schedule);
  Result<std::uint64_t> check(int iterations);

 private:
  Status agree(Schedule& schedule);

  Communicator& communicator_;
  const Cell& cell_;
  DeviceSide* device_;
  Reduction reduction_;
};

/// What rank 0 says.
Status CellTimer::agree(Schedule& schedule) {
  std::array words{schedule.batches, schedule.iterations};
  SLUICE_TRY(
      communicator_.broadcast(words.data(), words.data(), words.size(), DataType::kUint64, 0));
  schedule = {words[0], words[1]};
  return {};
}

Schedule fixed_schedule(std::uint64_t iterations) {
  constexpr std::uint64_t kBatches = 7;
  const std::uint64_t batches = std::min(iterations, kBatches);
  return {batches, (iterations + batches - 1) / batches};
}

Schedule schedule_for(double iteration_us) {
  constexpr double kCellUs = 200'000;
  constexpr double kSlowUs = 20'000;
  constexpr double kVerySlowUs = 150'000;
  const std::uint64_t batches = iteration_us < kSlowUs ? 11 : iteration_us < kVerySlowUs ? 7 : 3;
  const double iterations = kCellUs / static_cast<double>(batches) / std::max(iteration_us, 0.001);
  return {batches, std::max<std::uint64_t>(1, static_cast<std::uint64_t>(iterations))};
}

/// Grows a trial batch until it is long enough to judge an iteration by; rank 0 decides.
Result<Schedule> CellTimer::schedule(std::uint64_t iterations) {
  if (iterations > 0) return fixed_schedule(iterations);
  constexpr double kEnoughUs = 3'000;
  Schedule schedule;
  while (schedule.batches == 0) {
    SLUICE_TRY_ASSIGN(const double trial_us, time_batch_us(schedule.iterations));
    if (trial_us >= kEnoughUs)
      schedule = schedule_for(trial_us / static_cast<double>(schedule.iterations));
    else
      schedule.iterations *= 8;
    SLUICE_TRY(agree(schedule));
  }
  return schedule;
}

Result<Measurement> CellTimer::time(const Schedule& schedule) {
  std::vector<double> mine;
  for (std::uint64_t batch = 0; batch < schedule.batches; ++batch) {
    SLUICE_TRY_ASSIGN(const double batch_us, time_batch_us(schedule.iterations));
    mine.push_back(batch_us / static_cast<double>(schedule.iterations));
  }
  Measurement result;
  result.algorithm = communicator_.last_algorithm();
  std::vector<double> all(mine.size() * static_cast<std::size_t>(communicator_.size()));
  SLUICE_TRY(communicator_.all_gather(mine.data(), all.data(), mine.size(), DataType::kFloat64));

  std::vector<double> slowest = mine;
  for (std::size_t i = 0; i < all.size(); ++i) {
    double& batch_us = slowest[i % slowest.size()];
    batch_us = std::max(batch_us, all[i]);
  }
  std::sort(slowest.begin(), slowest.end());
  result.min_us = slowest.front();
  result.median_us = (slowest[(slowest.size() - 1) / 2] + slowest[slowest.size() / 2]) / 2;
  result.max_us = slowest.back();
  return result;
}

Result<std::uint64_t> CellTimer::check(int iterations) {
  std::uint64_t wrong = 0;
  for (int i = 0; i < iterations; ++i) {
    fill(cell_);
    if (device_ != nullptr) SLUICE_TRY(device_->upload(cell_));
    SLUICE_TRY(device_ != nullptr ? device_->run_once() : repeat(1));
    if (device_ != nullptr) SLUICE_TRY(device_->download(cell_));
    wrong += count_wrong(cell_);
  }
  std::vector<std::uint64_t> all(static_cast<std::size_t>(communicator_.size()));
  SLUICE_TRY(communicator_.all_gather(&wrong, all.data(), 1, DataType::kUint64));
  std::uint64_t total = 0;
  for (const std::uint64_t of_rank : all) total += of_rank;
  return total;
}

}  // namespace

Result<Measurement> measure(Communicator& communicator, const Cell& cell,
                            const TimingOptions& options, DeviceSide* device) {
  CellTimer timer(communicator, cell, device);
  fill(cell);  // also maps the pages before the clock runs
  SLUICE_TRY(timer.begin());
  SLUICE_TRY(timer.repeat(static_cast<std::uint64_t>(options.warmup_iterations)));
  SLUICE_TRY_ASSIGN(const Schedule schedule, timer.schedule(options.iterations));
  SLUICE_TRY_ASSIGN(Measurement result, timer.time(schedule));
  if (options.check_iterations > 0 && moves_data(cell.work.shape.collective)) {
    SLUICE_TRY_ASSIGN(result.wrong, timer.check(options.check_iterations));
    result.checked = true;
  }
  return result;
}

}  // namespace sluice::perf
