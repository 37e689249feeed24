#include "bindings/nccl/stream_order.hpp"

#include "base/error.hpp"

namespace sluice::nccl {
namespace {

/// cudaStreamPerThread: the same value is another stream in every thread.
constexpr std::uintptr_t kPerThread = 2;

bool same(void* one, void* other) {
  return one == other && reinterpret_cast<std::uintptr_t>(one) != kPerThread;
}

}  // namespace

Status follow(Stream later, Stream earlier) {
  SLUICE_TRY_ASSIGN(const device::Event event,
                    device::Event::create(device::Event::Time::kNotTaken));
  SLUICE_TRY(event.record(earlier));
  return event.holds_up(later);
}

Status StreamOrder::wait_for(const Last& last, Stream stream) {
  if (!last.recorded || same(last.stream, stream.handle)) return {};
  return last.event->holds_up(stream);
}

Status StreamOrder::record(Last& last, Stream stream) {
  if (!last.event) {
    SLUICE_TRY_ASSIGN(device::Event made, device::Event::create(device::Event::Time::kNotTaken));
    last.event.emplace(std::move(made));
  }
  SLUICE_TRY(last.event->record(stream));
  last.stream = stream.handle;
  last.recorded = true;
  return {};
}

Status StreamOrder::before(Stream stream) {
  SLUICE_TRY_ASSIGN(const std::uint64_t capture, device::capture_of(stream));
  if (capture == 0) return wait_for(live_, stream);
  if (capture != capture_) captured_.recorded = false;
  capture_ = capture;
  return wait_for(captured_, stream);
}

Status StreamOrder::after(Stream stream) {
  SLUICE_TRY_ASSIGN(const std::uint64_t capture, device::capture_of(stream));
  return record(capture == 0 ? live_ : captured_, stream);
}

bool StreamOrder::done() const {
  if (!live_.recorded) return true;
  const auto done = live_.event->done();
  return !done.ok() || done.value();  // on a device that fails nothing runs any more
}

}  // namespace sluice::nccl
