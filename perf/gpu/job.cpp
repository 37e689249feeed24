#include "gpu/job.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace sluice::gpu {

Result<Job> Job::create(unsigned ranks, unsigned strands, std::uint64_t bytes) {
  Job job;
  job.shape_ = {ranks, strands};
  job.bytes_ = bytes / sizeof(float) * sizeof(float);
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(job.failures_, store.pinned_memory(ranks * sizeof(StrandFailure)));
  std::vector<std::byte*> segments;
  for (unsigned r = 0; r < ranks; ++r) {
    SLUICE_TRY_ASSIGN(auto segment, store.device_memory(job.shape_.segments_bytes(), false));
    segments.push_back(job.segments_.emplace_back(std::move(segment)).get());
  }
  for (unsigned r = 0; r < ranks; ++r) SLUICE_TRY(job.make_rank(r, segments));
  return job;
}

Status Job::make_rank(unsigned rank, const std::vector<std::byte*>& segments) {
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(auto memory, store.device_memory(shape_.bytes(), false));
  SLUICE_TRY_ASSIGN(auto input, store.device_memory(bytes_, false));
  SLUICE_TRY_ASSIGN(auto output, store.device_memory(bytes_, false));
  const auto image =
      strand_image(shape_, static_cast<std::int32_t>(rank),
                   {.memory = memory.get(),
                    .segments = segments,
                    .failure = reinterpret_cast<StrandFailure*>(failures_.get()) + rank},
                   20'000'000'000);
  SLUICE_TRY(device::copy(memory.get(), image.data(), image.size()));
  const std::vector<float> values(bytes_ / sizeof(float), static_cast<float>(rank + 1));
  SLUICE_TRY(device::copy(input.get(), values.data(), bytes_));
  call_.strands[rank] = reinterpret_cast<Strand*>(memory.get());
  StrandCall& call = call_.calls[rank];
  call.shape = shape_of(Collective::kAllReduce);
  call.strands = static_cast<std::int32_t>(shape_.strands);
  call.arguments.input = input.get();
  call.arguments.output = output.get();
  call.arguments.count = values.size();
  call.arguments.elem_bytes = sizeof(float);
  memory_.push_back(std::move(memory));
  inputs_.push_back(std::move(input));
  outputs_.push_back(std::move(output));
  return {};
}

Status Job::launch(Schedule schedule, Stream stream) {
  for (StrandCall& call : call_.calls) call.shows_buffers = schedule == Schedule::kDirect;
  void* arguments[] = {&call_};
  return device::launch(all_ranks(schedule), static_cast<unsigned>(shape_.ranks * shape_.strands),
                        kThreads, arguments, stream);
}

Result<std::string> Job::check() const {
  const auto ranks = static_cast<unsigned>(shape_.ranks);
  for (unsigned r = 0; r < ranks; ++r) {
    const auto& failure = reinterpret_cast<const StrandFailure*>(failures_.get())[r];
    if (failure.written != 0)
      return fmt::format("rank {} strand {}: outcome {} of a wait for rank {}", r, failure.strand,
                         static_cast<int>(failure.why.outcome), failure.why.peer);
  }
  const auto expected = static_cast<float>(ranks * (ranks + 1) / 2);
  std::vector<float> values(bytes_ / sizeof(float));
  for (unsigned r = 0; r < ranks; ++r) {
    SLUICE_TRY(device::copy(values.data(), outputs_[r].get(), bytes_));
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i] != expected)
        return fmt::format("rank {} element {}: {}, expected {}", r, i, values[i], expected);
  }
  return std::string();
}

}  // namespace sluice::gpu
