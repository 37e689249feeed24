// Files that bear a segment's name and are none, and processes that may not be looked at.
#include "communicator/flight_scan.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>
#include <vector>

#include "base/fd.hpp"
#include "memory/region.hpp"
#include "memory_child.hpp"

namespace sluice {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kBytes = 64 * 1024;

Fd memfd(const char* name, std::uint64_t bytes, const std::string& contents, unsigned seals) {
  Fd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(fd);
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  EXPECT_EQ(::pwrite(fd.get(), contents.data(), contents.size(), 0),
            static_cast<ssize_t>(contents.size()));
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

std::string here(const Fd& fd) {
  return fmt::format("pid {}, descriptor {}: ", getpid(), fd.get());
}

TEST(FlightScan, skips_garbage_with_our_name_with_a_word_each) {
  const std::string garbage(kBytes, 'g');
  const Fd nonsense = memfd("sluice-segment", kBytes, garbage, F_SEAL_SHRINK);
  const Fd unsealed = memfd("sluice-segment", kBytes, garbage, 0);
  const Fd truncated = memfd("sluice-segment", 100, "", F_SEAL_SHRINK);
  const Fd empty = memfd("sluice-segment", kBytes, "", F_SEAL_SHRINK);
  const auto scan = scan_flights(getpid());
  EXPECT_TRUE(scan.communicators.empty());
  EXPECT_THAT(scan.skipped, Contains(here(nonsense) + "begins with 0x6767676767676767, expected " +
                                     fmt::format("{:#x}: another version?", kSegmentMagic)));
  EXPECT_THAT(scan.skipped, Contains(here(unsealed) + "is not sealed against shrinking"));
  EXPECT_THAT(scan.skipped, Contains(HasSubstr(here(truncated) + "has 100 bytes")));
  EXPECT_THAT(scan.skipped, Contains(here(empty) + "is not set up yet"));
}

TEST(FlightScan, skips_a_segment_that_ends_too_early) {
  SegmentHeader header{};
  header.ranks = 1000;
  header.magic = kSegmentMagic;
  const Fd short_one =
      memfd("sluice-segment", kBytes, {reinterpret_cast<const char*>(&header), sizeof header},
            F_SEAL_SHRINK);
  const auto scan = scan_flights(getpid());
  EXPECT_TRUE(scan.communicators.empty());
  EXPECT_THAT(scan.skipped,
              Contains(HasSubstr(here(short_one) + "has 65536 bytes, a segment of 1000 "
                                                   "ranks")));
}

TEST(FlightScan, leaves_memory_of_other_names_alone) {
  const auto memory = SharedMemory::create(kBytes, "memory");
  ASSERT_TRUE(memory.ok());
  const Fd longer_name = memfd("sluice-segments", kBytes, "", 0);
  for (const std::string& sentence : scan_flights(getpid()).skipped)
    EXPECT_THAT(sentence, Not(HasSubstr(fmt::format("pid {}", getpid()))));
}

TEST(FlightScan, mentions_a_process_of_the_same_user_that_may_not_be_looked_at) {
  constexpr uid_t kNobody = 65534;
  // Root may look at every process, so both become somebody else; a process is closed to others of
  // its user once it is not "dumpable".
  const auto become_nobody = [] { return ::geteuid() != 0 || ::setuid(kNobody) == 0; };
  test::Child hidden([&](test::Line& parent) {
    const bool ready = become_nobody() && ::prctl(PR_SET_DUMPABLE, 0) == 0;
    parent.send(ready ? "ready" : "failed");
    return parent.receive() == "end";
  });
  ASSERT_EQ(hidden.line().receive(), "ready");
  test::Child looking([&](test::Line& parent) {
    if (!become_nobody()) return false;
    const auto skipped = scan_flights(hidden.pid()).skipped;
    parent.send(fmt::format("{}", fmt::join(skipped, "\n")));
    return true;
  });
  EXPECT_THAT(looking.line().receive(),
              HasSubstr(fmt::format("pid {}: its descriptors: Permission denied", hidden.pid())));
  EXPECT_TRUE(looking.wait());
  hidden.line().send("end");
  EXPECT_TRUE(hidden.wait());
}

TEST(FlightScan, finds_nothing_in_a_process_that_has_ended) {
  test::Child child([](test::Line&) { return true; });
  const pid_t pid = child.pid();
  EXPECT_TRUE(child.wait());
  EXPECT_TRUE(scan_flights(pid).communicators.empty());
}

}  // namespace
}  // namespace sluice
