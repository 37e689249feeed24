// Passes descriptors to the other processes of the job on this host. docs/memory.md has the
// protocol.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/deadline.hpp"
#include "base/fd.hpp"
#include "memory/descriptor.hpp"
#include "memory/descriptor_protocol.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// One thread that hands out descriptors to whoever is our user (or root) and has the key.
/// Thread-safe.
class DescriptorServer {
 public:
  /// Finds what offer() was not told of. Runs on the server's thread. Must not call the server.
  using Resolver = std::function<std::optional<ReceivedDescriptor>(std::uint64_t id)>;

  struct Limits {
    int max_clients = 64;  // connections at a time; more of them queue
    std::chrono::milliseconds client_time{
        5000};  // from accept to request; then the client is dropped
  };

  static Result<std::unique_ptr<DescriptorServer>> start(const DescriptorKey& key,
                                                         Resolver resolver, Limits limits);
  static Result<std::unique_ptr<DescriptorServer>> start(const DescriptorKey& key,
                                                         Resolver resolver = {}) {
    return start(key, std::move(resolver), Limits{});
  }

  /// Stops the thread; clients in the middle of a request see a closed connection.
  ~DescriptorServer();
  DescriptorServer(const DescriptorServer&) = delete;
  DescriptorServer& operator=(const DescriptorServer&) = delete;

  /// What fetch_descriptor() takes. Random: knowing it means having been told.
  const std::string& address() const { return address_; }

  /// Hands out copies of `fd` for `id` from now on; keeps a copy, so `fd` may be closed. Ids
  /// offered here take the top bit (kOfferedIds) where the resolver serves those of a Registry.
  /// kInvalidArgument for an id in use.
  Status offer(std::uint64_t id, int fd, std::uint64_t bytes);
  static constexpr std::uint64_t kOfferedIds = std::uint64_t{1} << 63;

  /// When it returns, nobody gets `id` any more. An unknown id is fine.
  void withdraw(std::uint64_t id);

  std::uint64_t served() const { return served_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  struct Client {
    Fd socket;
    pid_t pid;
    Deadline deadline;
    descriptor_protocol::Nonce nonce;
  };

  DescriptorServer(const DescriptorKey& key, Resolver resolver, Limits limits);
  Status open_listener();
  Status start_thread();
  void serve();
  int wait_ms(bool accepting) const;
  void accept_clients();
  void admit(Fd socket);
  void handle(Client& client);
  void answer(const Client& client, const descriptor_protocol::Request& request);
  bool send_reply(const Client& client, const descriptor_protocol::Request& request, int fd,
                  std::uint64_t bytes);
  void drop_late_clients();
  void refuse(pid_t pid, const std::string& reason);

  DescriptorKey key_;
  const Resolver resolver_;
  const Limits limits_;
  std::string address_;
  Fd listener_;
  Fd stop_;  // eventfd
  std::thread thread_;

  std::vector<Client> clients_;  // the thread's own
  Deadline accept_pause_;  // the thread's own: no accepts before, after running out of descriptors

  std::mutex mutex_;
  std::map<std::uint64_t, ReceivedDescriptor> offers_;
  std::atomic<std::uint64_t> served_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
};

/// Asks the server at `address` for `id`. `expected_pid`: the process that must be listening there;
/// 0 or less if not known or in another PID namespace. Returns exactly one descriptor or an error;
/// none is ever left open besides. Errors: kRemoteError (no server, wrong process, wrong key,
/// unknown id), kTimeout, kSystemError.
Result<ReceivedDescriptor> fetch_descriptor(const std::string& address, const DescriptorKey& key,
                                            std::uint64_t id, pid_t expected_pid,
                                            Deadline deadline);

}  // namespace sluice
