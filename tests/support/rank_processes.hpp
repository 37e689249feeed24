// Ranks as forked processes that run a stream of operations until something ends it, and report to
// a shared page.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "support/observation.hpp"
#include "support/ranks.hpp"
#include "support/streams.hpp"

namespace sluice::test {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;  // one for all processes of a host

/// What a rank says about itself.
struct Report {
  std::atomic<std::uint64_t> rounds;
  std::atomic<bool> wrong;                 // a result was
  std::atomic<std::int64_t> failed_at_ns;  // of Clock; 0: not yet
  std::atomic<bool> left;                  // the communicator is gone
  Errc code;
  Errc code_again;  // of the call after
  char text[1024];
  char text_again[1024];

  Clock::time_point failed_at() const {
    return Clock::time_point(std::chrono::nanoseconds(failed_at_ns.load()));
  }
};

class RankProcesses {
 public:
  static constexpr int kMost = 8;

  /// Starts `size` ranks of `stream`. The process of rank 0 hosts the rendezvous. Call it while
  /// this process has no threads. The ranks stop by themselves after `rounds` rounds. `place` is
  /// called first in each rank's process.
  RankProcesses(int size, const Stream& stream, milliseconds timeout, std::uint64_t rounds = ~0ull,
                const Place& place = {})
      : size_(size) {
    void* page =
        mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(page, MAP_FAILED);
    page_ = new (page) Page{};
    for (int rank = 0; rank < size; ++rank) {
      pids_[rank] = fork();
      if (pids_[rank] != 0) continue;
      alarm(60);
      if (place) place(rank);
      run(rank, stream, timeout, rounds);
      _exit(0);
    }
  }
  ~RankProcesses() {
    for (int rank = 0; rank < size_; ++rank) kill_now(rank);
    munmap(page_, sizeof(Page));
  }
  RankProcesses(const RankProcesses&) = delete;
  RankProcesses& operator=(const RankProcesses&) = delete;

  int size() const { return size_; }
  pid_t pid(int rank) const { return pids_[rank]; }
  const Report& operator[](int rank) const { return page_->reports[rank]; }
  const UniqueId& id() const { return page_->id; }

  /// Waits until all are in the middle of their stream; false as soon as one has failed.
  bool under_way(std::uint64_t rounds = 20) const {
    const Report *const first = page_->reports, *const end = first + size_;
    const auto failed = [](const Report& report) { return report.failed_at_ns != 0; };
    comes_true(milliseconds(30'000), [&] {
      return std::any_of(first, end, failed) ||
             std::all_of(first, end, [&](const Report& report) { return report.rounds >= rounds; });
    });
    return std::none_of(first, end, failed) &&
           std::all_of(first, end, [&](const Report& report) { return report.rounds >= rounds; });
  }
  /// What the ranks have said, for messages.
  std::string texts() const {
    std::string all;
    for (int rank = 0; rank < size_; ++rank)
      all += "rank " + std::to_string(rank) + ", round " +
             std::to_string(page_->reports[rank].rounds) + ": " + page_->reports[rank].text + "\n";
    return all;
  }
  /// SIGKILL, and waits for the end.
  void kill_now(int rank) {
    if (pids_[rank] <= 0) return;
    ::kill(pids_[rank], SIGKILL);
    waitpid(pids_[rank], nullptr, 0);
    pids_[rank] = -1;
  }
  /// Whether the rank's process ends by itself, and well.
  bool ends(int rank, milliseconds limit) {
    int status = -1;
    const bool ended =
        comes_true(limit, [&] { return waitpid(pids_[rank], &status, WNOHANG) == pids_[rank]; });
    if (ended) pids_[rank] = -1;
    return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  bool fails(int rank, milliseconds limit) const {
    return comes_true(limit, [&] { return page_->reports[rank].failed_at_ns.load() != 0; });
  }

 private:
  struct Page {
    UniqueId id;
    std::atomic<bool> id_made;
    Report reports[kMost];
  };

  void run(int rank, const Stream& stream, milliseconds timeout, std::uint64_t rounds) {
    if (rank == 0) {
      auto made = UniqueId::create();
      if (!made.ok()) _exit(2);
      page_->id = made.value();
      page_->id_made = true;
    }
    if (!comes_true(milliseconds(20'000), [&] { return page_->id_made.load(); })) _exit(3);
    Report& report = page_->reports[rank];
    Options options;
    options.timeout = timeout;
    options.algorithm = stream.algorithm;
    {
      auto ranks = Communicator::create(page_->id, rank, size_, options);
      if (!ranks.ok()) {
        say(report.text, last_error());
        report.failed_at_ns = Clock::now().time_since_epoch().count();
        _exit(4);
      }
      Traffic traffic(stream, size_);
      Status status;
      for (std::uint64_t round = 0; round < rounds && status.ok(); ++round) {
        status = traffic.operate(ranks.value());
        if (!status.ok()) break;
        if (!traffic.right(size_)) report.wrong = true;
        ++report.rounds;
      }
      if (!status.ok()) {
        report.code = status.code();
        say(report.text, last_error());
        report.failed_at_ns = Clock::now().time_since_epoch().count();
        report.code_again = ranks.value().barrier().code();
        say(report.text_again, last_error());
      }
    }
    report.left = true;
  }
  static void say(char (&to)[1024], const std::string& text) {
    std::strncpy(to, text.c_str(), sizeof to - 1);
  }

  int size_;
  pid_t pids_[kMost] = {};
  Page* page_;
};

inline bool says(const Report& report, const std::string& part) {
  return std::string(report.text).find(part) != std::string::npos;
}

/// The rank fails within two seconds from `killed_at` with an error that names `victim`, says it
/// again when asked again, and ends.
inline void expect_hears_of(RankProcesses& ranks, int rank, int victim,
                            Clock::time_point killed_at) {
  ASSERT_TRUE(ranks.fails(rank, milliseconds(10'000))) << "rank " << rank << " goes on waiting";
  const Report& report = ranks[rank];
  EXPECT_LT(report.failed_at() - killed_at, milliseconds(2000)) << report.text;
  EXPECT_EQ(report.code, Errc::kRemoteError) << report.text;
  EXPECT_TRUE(says(report, "rank " + std::to_string(victim))) << report.text;
  EXPECT_FALSE(report.wrong);
  EXPECT_TRUE(ranks.ends(rank, milliseconds(10'000))) << "its destructor hangs";
  EXPECT_EQ(report.code_again, report.code);
  EXPECT_STREQ(report.text_again, report.text);
}

/// All but `victim`.
inline void expect_all_hear_of(RankProcesses& ranks, int victim, Clock::time_point killed_at) {
  for (int rank = 0; rank < ranks.size(); ++rank)
    if (rank != victim) expect_hears_of(ranks, rank, victim, killed_at);
}

}  // namespace sluice::test
