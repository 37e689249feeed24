// What does the host's part of collectives on streams where ranks are on several hosts.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "device/store.hpp"
#include "plan/strand_proxied_exchange.hpp"
#include "sluice/communicator.hpp"

namespace sluice {

/// A thread that waits for a kernel's requests and answers each with a collective on host memory,
/// of a communicator that nobody else uses.
class DeviceProxy {
 public:
  /// Told of the collective that fails; there are no more afterwards. Runs on the proxy's thread.
  using OnFailure = std::function<void(const Status& status, const std::string& text)>;

  /// On the calling thread's device.
  static Result<std::unique_ptr<DeviceProxy>> start(Communicator communicator,
                                                    OnFailure on_failure);
  ~DeviceProxy();
  DeviceProxy(const DeviceProxy&) = delete;
  DeviceProxy& operator=(const DeviceProxy&) = delete;

  ProxyPlaces places() const;
  /// Ends the collective in flight. Any thread.
  void abort() { static_cast<void>(communicator_.abort()); }
  /// Afterwards nobody is told of a failure any more. No kernel may be asking.
  void stop();

 private:
  DeviceProxy(Communicator communicator, OnFailure on_failure)
      : communicator_(std::move(communicator)), on_failure_(std::move(on_failure)) {}
  void serve();
  Status answer(const ProxyRequest& request);
  Status answer_listed(const ProxyRequest& request);
  Status answer_messages(const ProxyRequest& request);

  Communicator communicator_;
  OnFailure on_failure_;
  device::Store::Memory desk_, pieces_, input_, output_;
  std::vector<std::size_t> displacements_;
  std::vector<LinkTransfer> transfers_;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace sluice
