// What the tests of the TCP transport share.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "support/observation.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/handshake.hpp"
#include "transports/tcp/tcp.hpp"

namespace sluice::transport::tcp::test {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = Deadline::Clock;
using Bytes = std::vector<std::byte>;

inline bootstrap::Secret job_key() {
  bootstrap::Secret key{};
  key.fill(0x5a);
  return key;
}
/// What connections prove.
inline bootstrap::Secret wire_key() { return bootstrap::derive_key(job_key(), "tcp 2"); }

inline Deadline soon() { return Deadline::after(seconds(20)); }

inline Options local_options() { return {.addresses = {bootstrap::Address{}.loopback()}}; }

/// 127.0.0.1, 127.0.0.2, ... stand for interfaces.
inline bootstrap::Interface loopback_interface(const bootstrap::Address& address) {
  bootstrap::Interface made;
  made.address = address;
  made.prefix_bits = 8;
  made.is_loopback = true;
  return made;
}

inline Tcp start(Options options = local_options()) {
  auto made = Tcp::start(job_key(), std::move(options));
  EXPECT_TRUE(made.ok()) << last_error();
  return std::move(made).value();
}

struct Published {
  Window window;
  Blob blob;
};
inline Published publish(Tcp& transport, std::uint64_t bytes) {
  auto window = transport.allocate(bytes);
  EXPECT_TRUE(window.ok()) << last_error();
  auto blob = transport.publish(window.value());
  EXPECT_TRUE(blob.ok()) << last_error();
  return {window.value(), blob.value()};
}
inline Tcp::Remote open(Tcp& transport, const Blob& blob) {
  auto remote = transport.open(blob, soon());
  EXPECT_TRUE(remote.ok()) << last_error();
  return remote.value();
}

using sluice::test::comes_true;
using sluice::test::counter_at;
using sluice::test::Quiet;

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A bare connection to a transport.
inline bootstrap::Fd connect_raw(const Tcp& transport) {
  auto opened = bootstrap::connect_to(transport.addresses().front(), soon());
  EXPECT_TRUE(opened.fd.valid()) << std::strerror(opened.error);
  return std::move(opened.fd);
}

/// A frame without payload, to a connection that has proved the key.
inline void say(const bootstrap::Fd& socket, const FrameHeader& header) {
  EXPECT_EQ(bootstrap::send_all(socket, encode(header), soon()), 0);
}
inline FrameHeader hear(const bootstrap::Fd& socket) {
  HeaderBytes bytes{};
  EXPECT_EQ(bootstrap::receive_exactly(socket, bytes, soon()), 0);
  FrameHeader header;
  EXPECT_EQ(decode(bytes, header), "");
  return header;
}

/// Whether the other side closes within this time, whatever it says before.
inline bool is_closed_within(const bootstrap::Fd& socket, milliseconds time) {
  std::array<std::byte, 1> byte;
  for (const Deadline deadline = Deadline::after(time);;)
    if (const int error = bootstrap::receive_exactly(socket, byte, deadline))
      return error != ETIMEDOUT;
}

}  // namespace sluice::transport::tcp::test
