// The transports that the suite runs over. To add one: its header, its factory, its name in
// AllTransports.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "transports/loopback/loopback.hpp"
#include "transports/shm/shm.hpp"
#include "transports/tcp/tcp.hpp"
#include "transports/transport.hpp"

namespace sluice::conformance {

using transport::Loopback;
using transport::Shm;
using transport::Tcp;

/// Makes one rank's transport; kProcesses: ranks may be processes.
template <class T>
struct Factory;

template <>
struct Factory<Loopback> {
  static constexpr bool kProcesses = false;
  static Result<Loopback> make() { return Loopback(); }
};

template <>
struct Factory<Shm> {
  static constexpr bool kProcesses = true;
  static Result<Shm> make() {
    DescriptorKey key{};
    key.fill(0x5a);
    return Shm::start(key);
  }
};

template <>
struct Factory<Tcp> {
  static constexpr bool kProcesses = true;
  static Result<Tcp> make() {
    bootstrap::Secret key{};
    key.fill(0x5a);
    return Tcp::start(key, {.addresses = {bootstrap::Address{}.loopback()}});
  }
};

using AllTransports = testing::Types<Loopback, Shm, Tcp>;

struct TransportName {
  template <class T>
  static std::string GetName(int) {
    return T::kName;
  }
};

}  // namespace sluice::conformance
