// Ranks as threads, and a list of the events that one of them met.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/frame.hpp"
#include "bootstrap/socket.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice::bootstrap::test {

inline Deadline soon(std::chrono::milliseconds time = std::chrono::seconds(20)) {
  return Deadline::after(time);
}

inline UniqueId local_id() {
  auto id = create_unique_id_at(Address{}.loopback());
  EXPECT_TRUE(id.ok()) << last_error();
  return id.ok() ? id.value() : UniqueId{};
}

/// A port that was free a moment ago. Below the kernel's range of ports for connections (from
/// 32768), or a connection of another test might have it before we do.
inline std::uint16_t free_port() {
  std::random_device random;
  std::uniform_int_distribution<int> ports(20000, 32000);
  for (int attempt = 0; attempt < 100; ++attempt) {
    Address address = Address{}.loopback();
    address.port = static_cast<std::uint16_t>(ports(random));
    if (listen_on(address).fd.valid()) return address.port;
  }
  ADD_FAILURE() << "no free port";
  return 0;
}

/// An id that every rank could have made on its own.
inline UniqueId well_known_id(std::uint16_t port) {
  IdFields fields;
  fields.server = Address{}.loopback();
  fields.server.port = port;
  fields.secret = hash_to_secret("test", "well known");
  fields.rank_zero_serves = true;
  return encode_unique_id(fields);
}

inline void run_ranks(int size, const std::function<void(int rank)>& body) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back(body, rank);
  for (auto& thread : threads) thread.join();
}

/// One of join()'s outcomes: the object, or code and sentence.
struct Joined {
  std::unique_ptr<Bootstrap> bootstrap;
  Errc code = Errc::kOk;
  std::string text;
};

inline Joined join(const UniqueId& id, int rank, int size, Deadline deadline = soon()) {
  auto result = Bootstrap::join(id, rank, size, deadline);
  if (result.ok()) return {std::move(result).value(), Errc::kOk, ""};
  return {nullptr, result.status().code(), last_error()};
}

inline std::vector<Joined> join_all(const UniqueId& id, int size) {
  std::vector<Joined> all(static_cast<std::size_t>(size));
  run_ranks(size, [&](int rank) { all[static_cast<std::size_t>(rank)] = join(id, rank, size); });
  for (const auto& each : all) EXPECT_TRUE(each.bootstrap) << each.text;
  return all;
}

inline Bootstrap::Blob blob_of(int rank, int round, std::size_t bytes) {
  Bootstrap::Blob blob(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    blob[i] = static_cast<std::byte>(rank * 31 + round * 7 + static_cast<int>(i));
  return blob;
}

class EventLog {
 public:
  std::function<void(const Bootstrap::Event&)> listener() {
    return [this](const Bootstrap::Event& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
      changed_.notify_all();
    };
  }
  /// Waits for an event of this kind about this rank.
  bool saw(Bootstrap::Event::Kind kind, int rank,
           std::chrono::milliseconds time = std::chrono::seconds(2)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, Deadline::after(time).at(), [&] {
      return std::any_of(events_.begin(), events_.end(), [&](const auto& event) {
        return event.kind == kind && event.rank == rank;
      });
    });
  }
  std::vector<Bootstrap::Event> all() {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Bootstrap::Event> events_;
};

}  // namespace sluice::bootstrap::test
