// The host functions of NCCL's device interface. What only counts ranks works; what hands something
// to a kernel is refused, because there is no device side.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"

namespace sluice::nccl {
namespace {

ncclResult_t no_device_side(const char* function) {
  return conclude(bad_usage(
      fmt::format("{}: the device interface is not implemented by this library", function)));
}

/// This rank among all; a team of nobody for what is no communicator.
ncclTeam_t everybody(const ncclComm* comm) {
  if (!check_handle(comm).ok() || !comm->ranks) return {0, 0, 0};
  return {comm->ranks->size(), comm->ranks->rank(), 1};
}

/// No rank reaches another one's memory from a kernel.
constexpr ncclTeam_t kAlone = {1, 0, 1};

}  // namespace

ncclResult_t CommQueryProperties(ncclComm_t comm, ncclCommProperties_t* props) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  constexpr std::size_t kLeast = offsetof(ncclCommProperties_t, nLsaTeams);
  if (props == nullptr || props->magic != NCCL_API_MAGIC || props->size < kLeast)
    return conclude(
        bad_argument("ncclCommQueryProperties: the ncclCommProperties_t was not made "
                     "with NCCL_COMM_PROPERTIES_INITIALIZER"));
  const ncclTeam_t world = everybody(comm);
  ncclCommProperties_t known{};
  known.size = props->size;
  known.magic = props->magic;
  known.version = props->version;
  known.rank = world.rank;
  known.nRanks = world.nRanks;
  known.cudaDev = comm->device;
  known.nvmlDev = -1;
  known.ginType = NCCL_GIN_TYPE_NONE;
  known.nLsaTeams = world.nRanks;
  known.hostRmaSupport = true;
  known.railedGinType = NCCL_GIN_TYPE_NONE;
  std::memcpy(props, &known, std::min(props->size, sizeof known));
  return ncclSuccess;
}

ncclTeam_t TeamWorld(ncclComm_t comm) { return everybody(comm); }
ncclTeam_t TeamLsa(ncclComm_t comm) { return check_handle(comm).ok() ? kAlone : ncclTeam_t{}; }
ncclTeam_t TeamRail(ncclComm_t comm) { return everybody(comm); }
ncclTeam_t TeamCft(ncclComm_t comm, ncclCftTeamMode_t) { return TeamLsa(comm); }
ncclTeam_t TeamCftMultimem(ncclComm_t comm) { return TeamLsa(comm); }

int TeamRankToWorld(ncclComm_t comm, ncclTeam_t team, int rank) {
  return everybody(comm).rank + (rank - team.rank) * team.stride;
}

int TeamRankToLsa(ncclComm_t comm, ncclTeam_t team, int rank) {
  return TeamRankToWorld(comm, team, rank) - everybody(comm).rank;
}

ncclResult_t DevCommCreate(ncclComm_t, const ncclDevCommRequirements_t*, ncclDevComm_t*) {
  return no_device_side("ncclDevCommCreate");
}
ncclResult_t DevCommDestroy(ncclComm_t, const ncclDevComm_t*) {
  return no_device_side("ncclDevCommDestroy");
}
ncclResult_t GetLsaMultimemDevicePointer(ncclWindow_t, size_t, void**) {
  return no_device_side("ncclGetLsaMultimemDevicePointer");
}
ncclResult_t GetMultimemDevicePointer(ncclWindow_t, size_t, ncclMultimemHandle_t, void**) {
  return no_device_side("ncclGetMultimemDevicePointer");
}
ncclResult_t GetLsaDevicePointer(ncclWindow_t, size_t, int, void**) {
  return no_device_side("ncclGetLsaDevicePointer");
}
ncclResult_t GetPeerDevicePointer(ncclWindow_t, size_t, int, void**) {
  return no_device_side("ncclGetPeerDevicePointer");
}
ncclResult_t GetMultimemDeviceLeInfo(ncclWindow_t, size_t, ncclCftLeId*, size_t*) {
  return no_device_side("ncclGetMultimemDeviceLeInfo");
}
ncclResult_t GetCftDeviceLeInfo(ncclWindow_t, size_t, int, ncclTeam_t, ncclCftLeId*, size_t*) {
  return no_device_side("ncclGetCftDeviceLeInfo");
}
ncclResult_t GetPeerDeviceLeInfo(ncclWindow_t, size_t, int, ncclCftLeId*, size_t*) {
  return no_device_side("ncclGetPeerDeviceLeInfo");
}
ncclResult_t LsaBarrierCreateRequirement(ncclTeam_t, int, ncclLsaBarrierHandle_t*,
                                         ncclDevResourceRequirements_t*) {
  return no_device_side("ncclLsaBarrierCreateRequirement");
}
ncclResult_t GinBarrierCreateRequirement(ncclComm_t, ncclTeam_t, int, ncclGinBarrierHandle_t*,
                                         ncclDevResourceRequirements_t*) {
  return no_device_side("ncclGinBarrierCreateRequirement");
}
ncclResult_t CftBarrierCreateRequirement(ncclTeam_t, int, ncclCftBarrierHandle_t*,
                                         ncclDevResourceRequirements_t*) {
  return no_device_side("ncclCftBarrierCreateRequirement");
}
ncclResult_t GinOutboxCreateRequirement(int, int, ncclGinOutboxHandle_t*,
                                        ncclDevResourceRequirements_t*) {
  return no_device_side("ncclGinOutboxCreateRequirement");
}
ncclResult_t GinInboxA2ACreateRequirement(ncclTeam_t, int, int, ncclGinInboxA2AHandle_t*,
                                          ncclDevResourceRequirements_t*) {
  return no_device_side("ncclGinInboxA2ACreateRequirement");
}
ncclResult_t LLA2ACreateRequirement(int, int, ncclLLA2AHandle_t*, ncclDevResourceRequirements_t*) {
  return no_device_side("ncclLLA2ACreateRequirement");
}
/// There are no slots; the call that would use them refuses.
int LLA2ACalcSlots(int, int) { return 0; }

}  // namespace sluice::nccl
