// The transports that the suite runs over. To add one: its header, its factory, its name in
// AllTransports.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

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

/// Encrypted.
struct TcpEncrypted : Tcp {
  static constexpr const char* kName = "tcp_encrypted";
  explicit TcpEncrypted(Tcp&& transport) : Tcp(std::move(transport)) {}
};

template <>
struct Factory<TcpEncrypted> {
  static constexpr bool kProcesses = true;
  static Result<TcpEncrypted> make() {
    bootstrap::Secret key{};
    key.fill(0x5a);
    Tcp::Options options;
    options.addresses = {bootstrap::Address{}.loopback()};
    options.encrypt = true;
    auto made = Tcp::start(key, options);
    if (!made.ok()) return made.status();
    return TcpEncrypted(std::move(made).value());
  }
};

/// Three connections to each peer.
struct TcpRails : Tcp {
  static constexpr const char* kName = "tcp_rails";
  explicit TcpRails(Tcp&& transport) : Tcp(std::move(transport)) {}
};

/// The same, encrypted.
struct TcpRailsEncrypted : Tcp {
  static constexpr const char* kName = "tcp_rails_encrypted";
  explicit TcpRailsEncrypted(Tcp&& transport) : Tcp(std::move(transport)) {}
};

template <class T>
Result<T> start_with_rails(bool encrypt) {
  bootstrap::Secret key{};
  key.fill(0x5a);
  Tcp::Options options;
  options.encrypt = encrypt;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    options.addresses.push_back(bootstrap::Address{}.loopback());
    options.addresses.back().ip[3] = i;
    bootstrap::Interface& from = options.connect_from.emplace_back();
    from.address = options.addresses.back();
    from.prefix_bits = 8;
    from.is_loopback = true;
  }
  auto made = Tcp::start(key, options);
  if (!made.ok()) return made.status();
  return T(std::move(made).value());
}

template <>
struct Factory<TcpRails> {
  static constexpr bool kProcesses = true;
  static Result<TcpRails> make() { return start_with_rails<TcpRails>(false); }
};

template <>
struct Factory<TcpRailsEncrypted> {
  static constexpr bool kProcesses = true;
  static Result<TcpRailsEncrypted> make() { return start_with_rails<TcpRailsEncrypted>(true); }
};

using AllTransports = testing::Types<Loopback, Shm, Tcp, TcpEncrypted, TcpRails, TcpRailsEncrypted>;

struct TransportName {
  template <class T>
  static std::string GetName(int) {
    return T::kName;
  }
};

}  // namespace sluice::conformance
