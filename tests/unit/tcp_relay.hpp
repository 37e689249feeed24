// A way between two ends that a test can hold up or slow down: forwards TCP connections.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <list>
#include <thread>
#include <vector>

#include "bootstrap/socket.hpp"

namespace sluice::transport::tcp::test {

/// What is on its way is kept when it pauses, and comes when it goes on.
class Relay {
 public:
  /// Listens at `at` (port 0: a free one), and connects to `to` for each connection.
  Relay(const bootstrap::Address& at, const bootstrap::Address& to)
      : listener_(bootstrap::listen_on(at).fd), to_(to), thread_([this] { run(); }) {
    EXPECT_TRUE(listener_.valid());
  }
  ~Relay() {
    stopping_ = true;
    thread_.join();
  }

  bootstrap::Address address() const { return bootstrap::local_address(listener_).value(); }
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  /// So many bytes a second each way, from now.
  void limit(std::uint64_t bytes_per_s) {
    bytes_per_ms_ = std::max<std::uint64_t>(bytes_per_s / 1000, 1);
  }
  /// What it has forwarded towards `to`.
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Way {
    bootstrap::Fd from, to;
    bool closed = false;
  };

  void run() {
    while (!stopping_) {
      if (paused_ || !wait()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      accept();
      for (Way& way : ways_) forward(way);
      ways_.remove_if([](const Way& way) { return way.closed; });
      if (bytes_per_ms_ != ~0ull) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  bool wait() {
    std::vector<pollfd> entries{{listener_.get(), POLLIN, 0}};
    for (const Way& way : ways_) {
      entries.push_back({way.from.get(), POLLIN, 0});
      entries.push_back({way.to.get(), POLLIN, 0});
    }
    return ::poll(entries.data(), entries.size(), 5) > 0;
  }
  void accept() {
    bootstrap::Address peer;
    auto accepted = bootstrap::accept_from(listener_, peer);
    if (!accepted.fd.valid()) return;
    auto opened = bootstrap::connect_to(to_, Deadline::after(std::chrono::seconds(10)));
    if (opened.fd.valid()) ways_.push_back({std::move(accepted.fd), std::move(opened.fd)});
  }
  void forward(Way& way) {
    way.closed = !move(way.from, way.to, true) || !move(way.to, way.from, false);
  }
  bool move(const bootstrap::Fd& from, const bootstrap::Fd& to, bool counted) {
    std::vector<std::byte> bytes(std::min<std::uint64_t>(bytes_per_ms_, 64 << 10));
    const ssize_t received = ::recv(from.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (received < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (received == 0) return false;
    const auto part = std::span(bytes).first(static_cast<std::size_t>(received));
    if (counted) bytes_ += part.size();
    return bootstrap::send_all(to, part, Deadline::after(std::chrono::seconds(10))) == 0;
  }

  const bootstrap::Fd listener_;
  const bootstrap::Address to_;
  std::atomic<bool> stopping_ = false, paused_ = false;
  std::atomic<std::uint64_t> bytes_per_ms_ = ~0ull;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::list<Way> ways_;
  std::thread thread_;
};

}  // namespace sluice::transport::tcp::test
