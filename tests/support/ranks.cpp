#include "support/ranks.hpp"

#include <fmt/format.h>

#include <mutex>
#include <thread>

namespace sluice::test {

std::string text_of(const Status& status) {
  return status.ok() ? std::string() : fmt::format("{}: {}", name(status.code()), last_error());
}

std::vector<std::string> thread_transports() {
#if defined(__SANITIZE_THREAD__)
  return {"loopback", "tcp"};
#else
  return {"loopback", "shm", "tcp"};
#endif
}

std::string spawn_threads(int ranks, const Body& body, const Options& options,
                          const std::vector<int>& hosts) {
  const auto id = UniqueId::create();
  if (!id.ok()) return "no unique id: " + text_of(id.status());
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  const auto run = [&](int rank) {
    Options own = options;
    if (!hosts.empty()) own.host = fmt::format("host {}", hosts[static_cast<std::size_t>(rank)]);
    auto communicator = Communicator::create(id.value(), rank, ranks, own);
    if (!communicator.ok()) return "create: " + text_of(communicator.status());
    std::string error = body(communicator.value());
    if (!error.empty()) static_cast<void>(communicator->abort());
    return error;
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] { errors[static_cast<std::size_t>(rank)] = run(rank); });
  for (std::thread& thread : threads) thread.join();
  std::string all;
  for (int rank = 0; rank < ranks; ++rank)
    if (const auto& error = errors[static_cast<std::size_t>(rank)]; !error.empty())
      all += fmt::format("rank {}: {}\n", rank, error);
  return all;
}

}  // namespace sluice::test
