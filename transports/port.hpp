// A transport's connection to one peer as the Port of a PortChannel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "channel/port_channel.hpp"
#include "sluice/status.hpp"
#include "transports/transport.hpp"

namespace sluice::transport {

/// Requests between `local`, this rank's memory, and the peer's published `remote`; a signal adds 1
/// to the peer's counter at `counter_offset` of it. All outlive the port. One thread at a time.
/// status() is the transport's first error, after which nothing is carried out.
template <TransportCore T>
class TransportPort {
 public:
  TransportPort(const T& transport, const typename T::Remote& remote, Window local,
                std::uint64_t counter_offset)
      : transport_(transport), remote_(remote), local_(local), counter_offset_(counter_offset) {}

  bool post(std::span<const PutRequest> requests, bool signal) noexcept {
    for (const PutRequest& put : requests) {
      if (!status_.ok() || !local_.contains(put.local_offset, put.bytes)) return false;
      status_ =
          transport_.put(remote_, put.remote_offset, {local_.base + put.local_offset, put.bytes});
    }
    if (signal && status_.ok()) status_ = transport_.signal(remote_, counter_offset_, 1);
    return status_.ok();
  }
  bool flush() noexcept {
    if (status_.ok()) status_ = transport_.flush(remote_);
    return status_.ok();
  }
  const Status& status() const { return status_; }

 private:
  const T& transport_;
  const typename T::Remote& remote_;
  Window local_;
  std::uint64_t counter_offset_;
  Status status_;
};

}  // namespace sluice::transport
