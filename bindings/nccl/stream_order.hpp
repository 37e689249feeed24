// The operations of one communicator on streams: in the order of their calls, whatever streams they
// are on.
#pragma once

#include <cstdint>
#include <optional>

#include "device/device.hpp"
#include "sluice/device.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// What is enqueued on `later` from now on runs after all that is on `earlier`. The calling
/// thread's device is that of both.
Status follow(Stream later, Stream earlier);

/// Used by one thread at a time. Within a capture the order is that of the captured calls; between
/// a captured call and one that is not there is none.
class StreamOrder {
 public:
  /// Before an operation is enqueued on `stream`: it will wait for the one before it.
  Status before(Stream stream);
  /// After it has been. The calling thread's device is the stream's.
  Status after(Stream stream);
  /// Whether all that was enqueued, outside of captures, has ended.
  bool done() const;

 private:
  /// The last operation: where it is, and an event behind it.
  struct Last {
    std::optional<device::Event> event;
    void* stream = nullptr;
    bool recorded = false;
  };
  static Status wait_for(const Last& last, Stream stream);
  static Status record(Last& last, Stream stream);

  Last live_, captured_;
  std::uint64_t capture_ = 0;  // whose `captured_` is
};

}  // namespace sluice::nccl
