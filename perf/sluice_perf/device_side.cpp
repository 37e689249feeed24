#include "sluice_perf/device_side.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "sluice/on_stream.hpp"

namespace sluice::perf {
namespace {

/// So many launches may be under way, twice. A driver's queue holds some more; a thread that waits
/// for room in it might keep the other ranks of its process from launching what it waits for.
constexpr std::uint64_t kLaunchesAtOnce = 256;

}  // namespace

Result<int> device_of(int rank) {
  const auto devices = device::count();
  if (!devices.ok())
    return fail(devices.status().code(), "no device",
                fmt::format("--memory cuda: there is no device: {}", device::why_none()));
  return rank % devices.value();
}

Result<DeviceSide> DeviceSide::create(int calls_in_graph) {
  SLUICE_TRY_ASSIGN(auto stream, device::OwnStream::create());
  SLUICE_TRY_ASSIGN(auto first, device::Event::create());
  SLUICE_TRY_ASSIGN(auto last, device::Event::create());
  SLUICE_TRY_ASSIGN(auto one, device::Event::create());
  SLUICE_TRY_ASSIGN(auto other, device::Event::create());
  return DeviceSide(static_cast<std::uint64_t>(calls_in_graph), std::move(stream),
                    Events{std::move(first), std::move(last), {std::move(one), std::move(other)}});
}

Status DeviceSide::begin(Communicator& communicator, const Cell& cell) {
  communicator_ = &communicator;
  cell_ = &cell;
  graph_.reset();
  SLUICE_TRY(upload(cell));
  if (calls_in_graph_ == 0) return {};
  SLUICE_TRY(call_once());  // what a first call does is not of the graph
  SLUICE_TRY(stream_.wait());
  return capture();
}

Status DeviceSide::capture() {
  SLUICE_TRY(device::Graph::begin(stream_.stream()));
  Status called;
  for (std::uint64_t i = 0; i < calls_in_graph_ && called.ok(); ++i) called = call_once();
  auto graph = device::Graph::end(stream_.stream());
  SLUICE_TRY(called);
  if (!graph.ok()) return graph.status();
  graph_ = std::make_unique<device::Graph>(std::move(graph).value());
  return {};
}

Status DeviceSide::call_once() const {
  return run(communicator_->on(stream_.stream()), cell_->work, cell_->call_input(),
             cell_->call_output(), cell_->type, cell_->reduction());
}

Status DeviceSide::enqueue(std::uint64_t rounds) const {
  const Reduction reduction = cell_->reduction();
  const OnStream on = communicator_->on(stream_.stream());
  const void* input = cell_->call_input();
  void* output = cell_->call_output();
  for (std::uint64_t i = 0; i < rounds; ++i) {
    if (i % kLaunchesAtOnce == 0 && i != 0) {
      const std::uint64_t turn = i / kLaunchesAtOnce;
      SLUICE_TRY(events_.throttle[turn % 2].record(stream_.stream()));
      if (turn > 1) SLUICE_TRY(events_.throttle[(turn - 1) % 2].wait());
    }
    if (graph_)
      SLUICE_TRY(graph_->launch(stream_.stream()));
    else
      SLUICE_TRY(run(on, cell_->work, input, output, cell_->type, reduction));
  }
  return {};
}

Result<double> DeviceSide::run_us(std::uint64_t iterations) {
  const std::uint64_t rounds = (iterations + calls_at_once() - 1) / calls_at_once();
  SLUICE_TRY(events_.first.record(stream_.stream()));
  SLUICE_TRY(enqueue(rounds));
  SLUICE_TRY(events_.last.record(stream_.stream()));
  SLUICE_TRY(events_.last.wait());
  SLUICE_TRY(communicator_->error());
  SLUICE_TRY_ASSIGN(const double all_us, device::Event::between_us(events_.first, events_.last));
  return all_us * static_cast<double>(iterations) / static_cast<double>(rounds * calls_at_once());
}

Status DeviceSide::run_once() {
  if (calls_in_graph_ <= 1) return run_us(1).status();
  SLUICE_TRY(call_once());
  SLUICE_TRY(stream_.wait());
  return communicator_->error();
}

Status DeviceSide::upload(const Cell& cell) const {
  const Buffers& buffers = cell.buffers;
  SLUICE_TRY(device::copy_on(stream_.stream(), buffers.device_input(), buffers.input(),
                             cell.input_bytes() + Buffers::kGuardBytes));
  SLUICE_TRY(device::copy_on(stream_.stream(), buffers.device_output(), buffers.output(),
                             cell.output_bytes() + Buffers::kGuardBytes));
  return stream_.wait();
}

Status DeviceSide::download(const Cell& cell) const {
  const Buffers& buffers = cell.buffers;
  SLUICE_TRY(device::copy_on(stream_.stream(), buffers.input(), buffers.device_input(),
                             cell.input_bytes() + Buffers::kGuardBytes));
  SLUICE_TRY(device::copy_on(stream_.stream(), buffers.output(), buffers.device_output(),
                             cell.output_bytes() + Buffers::kGuardBytes));
  return stream_.wait();
}

}  // namespace sluice::perf
