// Configurations by size, magic and version; parameters; the device interface's refusals.
#include <cstring>
#include <string>

#include "nccl/door.hpp"
#include "nccl_device.h"

namespace sluice::test {
namespace {

ncclResult_t make_alone(ncclConfig_t& config) {
  ncclComm_t comm = nullptr;
  const ncclResult_t result = ncclCommInitRankConfig(&comm, 1, new_id(), 0, &config);
  if (result == ncclSuccess) {
    EXPECT_NCCL(ncclCommDestroy(comm));
  }
  return result;
}

TEST(NcclConfig, NeedsItsInitialiser) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  EXPECT_EQ(make_alone(config), ncclSuccess);
  config.magic = 0;
  EXPECT_EQ(make_alone(config), ncclInvalidArgument);
  EXPECT_TRUE(says("NCCL_CONFIG_INITIALIZER"));
  config = NCCL_CONFIG_INITIALIZER;
  config.size = 8;
  EXPECT_EQ(make_alone(config), ncclInvalidArgument);
}

TEST(NcclConfig, PaddingOfOldVersionsIsNotRead) {
  // 2.18's struct is as large as 2.26's, whose trafficClass is 2.18's padding; 2.30.3's
  // as 2.30.7's.
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.size = 48;
  config.version = 21805;
  config.trafficClass = 12345;  // any value is one; maxP2pPeers below has a range
  std::memset(&config.commName, 0xff, sizeof config.commName);  // behind the struct
  EXPECT_EQ(make_alone(config), ncclSuccess);
  config = NCCL_CONFIG_INITIALIZER;
  config.size = 96;
  config.version = 23003;
  config.graphStreamOrdering = -1;  // padding then
  EXPECT_EQ(make_alone(config), ncclSuccess);
  config.version = 23007;
  EXPECT_EQ(make_alone(config), ncclInvalidArgument);
  EXPECT_TRUE(says("graphStreamOrdering"));
}

TEST(NcclConfig, LargerStructsOfLaterVersionsAreRead) {
  struct Later {
    ncclConfig_t config;
    int fields_to_come[4];
  } later{NCCL_CONFIG_INITIALIZER, {}};
  later.config.size = sizeof later;
  later.config.version = 23500;
  EXPECT_EQ(make_alone(later.config), ncclSuccess);
}

TEST(NcclConfig, ValuesOutOfRangeAreNamed) {
  const auto refused = [](auto set, const char* name) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    set(config);
    EXPECT_EQ(make_alone(config), ncclInvalidArgument) << name;
    EXPECT_TRUE(says(name)) << ncclGetLastError(nullptr);
  };
  refused([](ncclConfig_t& config) { config.blocking = 2; }, "blocking");
  refused([](ncclConfig_t& config) { config.cgaClusterSize = 9; }, "cgaClusterSize");
  refused([](ncclConfig_t& config) { config.minCTAs = 0; }, "minCTAs");
  refused([](ncclConfig_t& config) { config.minCTAs = 4, config.maxCTAs = 2; }, "maxCTAs");
  refused([](ncclConfig_t& config) { config.numRmaSig = 0; }, "numRmaSig");
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.netName = "IB";
  EXPECT_EQ(make_alone(config), ncclInvalidUsage);
  config.netName = "socket";
  EXPECT_EQ(make_alone(config), ncclSuccess);
}

TEST(NcclParameters, ByHandleAndByKey) {
  ncclParamHandle_t timeout = nullptr, level = nullptr;
  ASSERT_NCCL(ncclParamBind(&timeout, "SLUICE_TIMEOUT_MS"));
  std::int64_t ms = 0;
  ASSERT_NCCL(ncclParamGetI64(timeout, &ms));
  EXPECT_EQ(ms, 600'000);
  std::uint32_t unsigned_ms = 0;
  EXPECT_NCCL(ncclParamGetU32(timeout, &unsigned_ms));
  std::int8_t small = 0;
  EXPECT_EQ(ncclParamGetI8(timeout, &small), ncclInvalidArgument);
  EXPECT_TRUE(says("whole number from -128 to 127"));

  setenv("NCCL_DEBUG", "WARN", 1);
  ASSERT_NCCL(ncclParamBind(&level, "NCCL_DEBUG"));
  const char* text = nullptr;
  ASSERT_NCCL(ncclParamGetStr(level, &text));
  EXPECT_STREQ(text, "WARN");
  EXPECT_EQ(ncclParamGetI64(level, &ms), ncclInvalidArgument);
  char room[8];
  int length = 0;
  EXPECT_EQ(ncclParamGet(level, room, 3, &length), ncclInvalidArgument);
  ASSERT_NCCL(ncclParamGet(level, room, sizeof room, &length));
  EXPECT_STREQ(room, "WARN");
  EXPECT_EQ(length, 5);
  ASSERT_NCCL(ncclParamGetParameter("NCCL_DEBUG", &text, &length));
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(length)), "WARN");
  unsetenv("NCCL_DEBUG");

  EXPECT_EQ(ncclParamBind(&level, "NCCL_NO_SUCH_THING"), ncclInvalidArgument);
  const char** keys = nullptr;
  int count = 0;
  ASSERT_NCCL(ncclParamGetAllParameterKeys(&keys, &count));
  bool found = false;
  for (int i = 0; i < count; ++i) found |= std::string(keys[i]) == "NCCL_COMM_ID";
  EXPECT_TRUE(found);
  ncclParamDumpAll();
  ncclResetDebugInit();
}

TEST(NcclParameters, EveryWidth) {
  setenv("SLUICE_TIMEOUT_MS", "100", 1);
  ncclParamHandle_t handle = nullptr;
  ASSERT_NCCL(ncclParamBind(&handle, "SLUICE_TIMEOUT_MS"));
  std::int8_t i8 = 0;
  std::int16_t i16 = 0;
  std::int32_t i32 = 0;
  std::uint8_t u8 = 0;
  std::uint16_t u16 = 0;
  std::uint64_t u64 = 0;
  EXPECT_NCCL(ncclParamGetI8(handle, &i8));
  EXPECT_NCCL(ncclParamGetI16(handle, &i16));
  EXPECT_NCCL(ncclParamGetI32(handle, &i32));
  EXPECT_NCCL(ncclParamGetU8(handle, &u8));
  EXPECT_NCCL(ncclParamGetU16(handle, &u16));
  EXPECT_NCCL(ncclParamGetU64(handle, &u64));
  unsetenv("SLUICE_TIMEOUT_MS");
  EXPECT_EQ(i8 + i16 + i32 + u8 + u16 + static_cast<int>(u64), 600);
  EXPECT_EQ(ncclParamGetU64(nullptr, &u64), ncclInvalidArgument);
}

TEST(NcclDevice, TeamsAreCountedAndTheRestIsRefused) {
  on_ranks(3, [](int rank, ncclComm_t comm) {
    const ncclTeam_t world = ncclTeamWorld(comm), lsa = ncclTeamLsa(comm);
    EXPECT_EQ(world.nRanks * 100 + world.rank * 10 + world.stride, 300 + rank * 10 + 1);
    EXPECT_EQ(lsa.nRanks, 1);
    EXPECT_EQ(ncclTeamRail(comm).nRanks, 3);
    EXPECT_EQ(ncclTeamCft(comm, NCCL_CFT_TEAM_FLAT).nRanks, 1);
    EXPECT_EQ(ncclTeamCftMultimem(comm).nRanks, 1);
    EXPECT_EQ(ncclTeamRankToWorld(comm, lsa, 0), rank);
    EXPECT_EQ(ncclTeamRankToWorld(comm, world, 2), 2);
    EXPECT_EQ(ncclTeamRankToLsa(comm, world, rank), 0);
    ncclCommProperties_t properties{};
    properties.size = sizeof properties;
    properties.magic = NCCL_API_MAGIC;
    properties.version = NCCL_VERSION_CODE;
    ASSERT_NCCL(ncclCommQueryProperties(comm, &properties));
    EXPECT_EQ(properties.nRanks, 3);
    EXPECT_FALSE(properties.deviceApiSupport);
  });
  on_ranks(1, [](int, ncclComm_t comm) {
    EXPECT_EQ(ncclDevCommCreate(comm, nullptr, nullptr), ncclInvalidUsage);
    EXPECT_TRUE(says("ncclDevCommCreate: the device interface"));
    void* pointer = nullptr;
    EXPECT_EQ(ncclGetPeerDevicePointer(nullptr, 0, 0, &pointer), ncclInvalidUsage);
    EXPECT_EQ(ncclGetLsaDevicePointer(nullptr, 0, 0, &pointer), ncclInvalidUsage);
    EXPECT_EQ(ncclLLA2ACreateRequirement(1, 1, nullptr, nullptr), ncclInvalidUsage);
  });
}

}  // namespace
}  // namespace sluice::test
