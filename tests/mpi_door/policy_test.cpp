// The table of docs/mpi.md: which calls it accelerates.
#include "bindings/mpi/policy.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "bindings/mpi/library.hpp"
#include "datatype/layout.hpp"

namespace sluice::mpi {
namespace {

/// A table in a file, in place of the one built in.
class Table : public testing::Test {
 protected:
  void load(const std::string& text) {
    file_ = testing::TempDir() + "sluice_mpi_table_" +
            std::to_string(reinterpret_cast<std::uintptr_t>(this));
    std::ofstream(file_) << text;
    setenv("SLUICE_MPI_TABLE", file_.c_str(), 1);
    library.family = Family::kOpenMpi;
    library.version = "4.1.4";
    policy::load();
  }
  void TearDown() override {
    unsetenv("SLUICE_MPI_TABLE");
    std::remove(file_.c_str());
  }
  static bool accelerates(const datatype::LayoutPtr& layout, policy::Call call,
                          std::uint64_t bytes) {
    policy::Window windows[policy::kCalls];
    policy::choose(layout.get(), windows);
    return windows[static_cast<int>(call)].contains(bytes);
  }
  static std::string rows(const std::string& text) {
    return R"({"format": "sluice-mpi table 1", "rows": [)" + text + "]}";
  }

  std::string file_;
};

const datatype::LayoutPtr kStrided = datatype::vector(16, 1, 2, datatype::named(8));

TEST_F(Table, ARowDecidesByCallBlockAndBytes) {
  load(rows(
      R"({"library": "openmpi", "version": "4.1", "call": "send", "mover": "*", "memory": "host",
                "smallest_block": [8, 64], "packed_bytes": [128, 4096]})"));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kSend, 128));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kSend, 4096));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kSend, 127));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kSend, 4097));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kReceive, 128));
  EXPECT_FALSE(
      accelerates(datatype::vector(16, 1, 2, datatype::named(4)), policy::Call::kSend, 128));
}

TEST_F(Table, RowsAreAnyOfThem) {
  load(rows(R"({"library": "openmpi", "call": "pack", "mover": "*", "packed_bytes": [1, 100]},
               {"library": "openmpi", "call": "pack", "mover": "*", "packed_bytes": [1000, null]})"));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kPack, 100));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kPack, 500));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kPack, 1 << 30));
}

TEST_F(Table, MessagesToOneselfHaveRowsOfTheirOwn) {
  load(rows(R"({"library": "openmpi", "call": "self", "mover": "*", "packed_bytes": [1, 100]},
               {"library": "openmpi", "call": "self", "mover": "*", "memory": "device", "way": "staged"},
               {"library": "openmpi", "call": "send", "mover": "*", "packed_bytes": [200, null]})"));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kSelf, 100));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kSelf, 200));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kSend, 100));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kSend, 200));
  EXPECT_FALSE(accelerates(datatype::contiguous(4, datatype::named(8)), policy::Call::kSelf, 32));
}

TEST_F(Table, OtherLibrariesVersionsMoversAndMemoriesDoNotCount) {
  load(rows(R"({"library": "mpich", "call": "send", "mover": "*"},
               {"library": "openmpi", "version": "4.10", "call": "send", "mover": "*"},
               {"library": "openmpi", "version": "4", "call": "send", "mover": "no such mover"},
               {"library": "openmpi", "call": "send", "mover": "*", "memory": "cuda"},
               {"library": "openmpi", "version": "4.1.4", "call": "receive", "mover": "*"})"));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kSend, 128));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kReceive, 128));
}

TEST_F(Table, RowsForMemoryOfGpusSayTheWay) {
  load(rows(R"({"library": "openmpi", "call": "send", "mover": "*", "memory": "device",
                "way": "one-shot", "packed_bytes": [1, 65536]},
               {"library": "openmpi", "call": "send", "mover": "*", "memory": "device", "way": "staged"},
               {"library": "openmpi", "call": "send", "mover": "no such mover", "memory": "device",
                "way": "device"},
               {"library": "openmpi", "call": "receive", "mover": "*", "memory": "device", "way": "off"})"));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kSend, 128));
  const auto ranges = policy::device_ranges(kStrided.get());
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[0].way, policy::Way::kOneShot);
  EXPECT_EQ(ranges[0].packed_bytes.last, 65536u);
  EXPECT_EQ(ranges[1].way, policy::Way::kStaged);
  EXPECT_EQ(ranges[2].call, policy::Call::kReceive);
  EXPECT_EQ(ranges[2].way, policy::Way::kOff);
}

TEST_F(Table, ContiguousMessagesAreNeverPacked) {
  load(rows(
      R"({"library": "openmpi", "call": "send", "mover": "*"}, {"library": "openmpi", "call": "pack", "mover": "*"})"));
  const datatype::LayoutPtr plain = datatype::contiguous(4, datatype::named(8));
  EXPECT_FALSE(accelerates(plain, policy::Call::kSend, 32));
  EXPECT_TRUE(accelerates(plain, policy::Call::kPack, 32));
  EXPECT_FALSE(accelerates(nullptr, policy::Call::kPack, 32));
}

TEST_F(Table, ADamagedOnePassesEverything) {
  for (const char* text : {"", "{", "[]", R"({"format": "sluice-mpi table 2", "rows": []})"}) {
    load(text);
    EXPECT_FALSE(accelerates(kStrided, policy::Call::kPack, 128)) << text;
  }
  for (
      const char* row :
      {R"({"library": "openmpi", "call": "fly", "mover": "*"})", "3",
       R"({"library": "openmpi", "call": "send", "mover": "*", "memory": "device", "way": "none"})",
       R"({"library": "openmpi", "call": "pack", "mover": "*", "packed_bytes": [1]})",
       R"({"library": "openmpi", "call": "pack", "mover": "*", "packed_bytes": [-1, 5]})"}) {
    load(rows(std::string(R"({"library": "openmpi", "call": "pack", "mover": "*"},)") + row));
    EXPECT_FALSE(accelerates(kStrided, policy::Call::kPack, 128)) << row;
  }
}

TEST_F(Table, NothingBeyondWhatAnIntSays) {
  load(rows(R"({"library": "openmpi", "call": "pack", "mover": "*"})"));
  EXPECT_TRUE(accelerates(kStrided, policy::Call::kPack, 0x7fffffff));
  EXPECT_FALSE(accelerates(kStrided, policy::Call::kPack, 0x80000000));
  EXPECT_FALSE(accelerates(datatype::vector(3, 1 << 30, 1 << 30, datatype::named(8)),
                           policy::Call::kPack, 100));
}

}  // namespace
}  // namespace sluice::mpi
