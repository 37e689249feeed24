#include "bindings/nccl/enqueue.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "bindings/nccl/collective.hpp"
#include "bindings/nccl/one_sided.hpp"
#include "bindings/nccl/stream_order.hpp"
#include "sluice/on_stream.hpp"

namespace sluice::nccl {
namespace {

Stream stream_of(const Operation& operation) { return {operation.stream}; }

std::vector<Stream> streams_of(const std::vector<Operation>& operations) {
  std::vector<Stream> streams;
  for (const Operation& operation : operations)
    if (std::none_of(streams.begin(), streams.end(),
                     [&](Stream known) { return known.handle == operation.stream; }))
      streams.push_back(stream_of(operation));
  return streams;
}

Status messages(ncclComm& comm, const std::vector<Operation>& operations,
                const device::OwnStream* diversion) {
  std::vector<Operation> chosen;
  std::copy_if(operations.begin(), operations.end(), std::back_inserter(chosen),
               [](const Operation& operation) { return operation.is_message(); });
  if (chosen.empty()) return {};
  std::vector<Communicator::Transfer> transfers;
  for (const Operation& operation : chosen) transfers.push_back(operation.transfer());
  std::vector<Stream> streams = streams_of(chosen);
  if (diversion != nullptr) streams.assign(1, diversion->stream());
  // They progress together, so they run on one stream, and the others wait for it.
  const Stream carrier = streams.front();
  SLUICE_TRY(comm.order.before(carrier));
  for (std::size_t i = 1; i < streams.size(); ++i) SLUICE_TRY(follow(carrier, streams[i]));
  SLUICE_TRY(comm.ranks->on(carrier).exchange(transfers));
  SLUICE_TRY(comm.order.after(carrier));
  for (std::size_t i = 1; i < streams.size(); ++i) SLUICE_TRY(follow(streams[i], carrier));
  return {};
}

/// Those of `operations` that `chosen` takes, stream by stream, by `run`.
template <class Chosen, class Run>
Status by_stream(ncclComm& comm, const std::vector<Operation>& operations,
                 const device::OwnStream* diversion, Chosen chosen, Run run) {
  std::vector<Operation> all;
  std::copy_if(operations.begin(), operations.end(), std::back_inserter(all), chosen);
  for (const Stream stream : streams_of(all)) {
    std::vector<Operation> here;
    std::copy_if(all.begin(), all.end(), std::back_inserter(here),
                 [&](const Operation& operation) { return operation.stream == stream.handle; });
    const Stream carrier = diversion == nullptr ? stream : diversion->stream();
    SLUICE_TRY(comm.order.before(carrier));
    SLUICE_TRY(run(comm, here, carrier));
    SLUICE_TRY(comm.order.after(carrier));
  }
  return {};
}

Status collectives(ncclComm& comm, const std::vector<Operation>& operations,
                   const device::OwnStream* diversion) {
  for (const Operation& operation : operations) {
    if (operation.is_message() || operation.is_one_sided()) continue;
    const Stream stream = diversion == nullptr ? stream_of(operation) : diversion->stream();
    SLUICE_TRY(comm.order.before(stream));
    SLUICE_TRY(call_collective(comm.ranks->on(stream), operation));
    SLUICE_TRY(comm.order.after(stream));
  }
  return {};
}

}  // namespace

Status enqueue(ncclComm& comm, const std::vector<Operation>& operations,
               const device::OwnStream* diversion) {
  using Kind = Operation::Kind;
  const device::Using device(comm.device);
  SLUICE_TRY(device.status());
  SLUICE_TRY(by_stream(
      comm, operations, diversion,
      [](const Operation& each) { return each.is_one_sided() && each.kind != Kind::kWaitSignal; },
      enqueue_puts));
  SLUICE_TRY(collectives(comm, operations, diversion));
  SLUICE_TRY(messages(comm, operations, diversion));
  return by_stream(
      comm, operations, diversion,
      [](const Operation& each) { return each.kind == Kind::kWaitSignal; }, enqueue_waits);
}

Status Diversions::add(ncclComm& comm, const std::vector<Operation>& operations) {
  std::vector<Stream> streams = streams_of(operations);
  const bool shares = std::any_of(streams.begin(), streams.end(), [&](Stream stream) {
    return std::find(taken_.begin(), taken_.end(), std::pair(comm.device, stream.handle)) !=
           taken_.end();
  });
  for (const Stream stream : streams) taken_.emplace_back(comm.device, stream.handle);
  if (!shares) return {};
  const device::Using device(comm.device);
  SLUICE_TRY(device.status());
  if (!comm.own_stream) {
    SLUICE_TRY_ASSIGN(device::OwnStream made, device::OwnStream::create());
    comm.own_stream.emplace(std::move(made));
  }
  for (const Stream stream : streams) SLUICE_TRY(follow(comm.own_stream->stream(), stream));
  ways_.push_back({&comm, std::move(streams)});
  return {};
}

const device::OwnStream* Diversions::of(const ncclComm& comm) const {
  const auto found =
      std::find_if(ways_.begin(), ways_.end(), [&](const Way& way) { return way.comm == &comm; });
  return found == ways_.end() ? nullptr : &*comm.own_stream;
}

Status Diversions::close() {
  Status first;
  for (const Way& way : ways_) {
    const device::Using device(way.comm->device);
    for (const Stream stream : way.back)
      if (const Status status = follow(stream, way.comm->own_stream->stream());
          first.ok() && !status.ok())
        first = status;
  }
  return first;
}

}  // namespace sluice::nccl
