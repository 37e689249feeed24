// One rank's calls on a GPU: a stream, a graph where that was asked for, and events for the time.
#pragma once

#include <cstdint>
#include <memory>

#include "device/device.hpp"
#include "sluice/sluice.hpp"
#include "sluice_perf/verify.hpp"

namespace sluice::perf {

/// The device of a rank: all visible ones in turn. Errors: there is none.
Result<int> device_of(int rank);

class DeviceSide {
 public:
  /// `calls_in_graph`: 0: each call is launched by itself; else graphs of so many calls are.
  static Result<DeviceSide> create(int calls_in_graph);

  /// Begins the calls of `cell`, whose input is what the host's buffer holds.
  Status begin(Communicator& communicator, const Cell& cell);
  /// Enqueues `iterations` calls, in whole graphs, and waits for them. Their time.
  Result<double> run_us(std::uint64_t iterations);
  /// One call, by a graph where that holds one only, and waits for it.
  Status run_once();
  /// What the calls of one round are: iterations are rounded up to multiples of it.
  std::uint64_t calls_at_once() const { return calls_in_graph_ == 0 ? 1 : calls_in_graph_; }

  /// The cell's buffers from the host, and back.
  Status upload(const Cell& cell) const;
  Status download(const Cell& cell) const;

 private:
  struct Events {
    device::Event first, last, throttle[2];
  };
  DeviceSide(std::uint64_t calls_in_graph, device::OwnStream stream, Events events)
      : calls_in_graph_(calls_in_graph), stream_(std::move(stream)), events_(std::move(events)) {}
  Status call_once() const;
  Status enqueue(std::uint64_t rounds) const;
  Status capture();

  std::uint64_t calls_in_graph_;
  device::OwnStream stream_;
  Events events_;
  std::unique_ptr<device::Graph> graph_;
  Communicator* communicator_ = nullptr;
  const Cell* cell_ = nullptr;
};

}  // namespace sluice::perf
