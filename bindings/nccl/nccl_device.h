/* The host side of NCCL's device interface, as far as a host function of libnccl.so.2 is called by it. There is no device
 * side yet: the functions refuse, except for those that only count ranks. Kernels that use NCCL's device functions need
 * NVIDIA's header and library. docs/nccl.md. */
#ifndef NCCL_DEVICE_H_
#define NCCL_DEVICE_H_

#include <stdbool.h>

#include "nccl.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every stride-th rank of the communicator, nRanks of them; `rank` is one's own place among them. */
typedef struct ncclTeam {
  int nRanks;
  int rank;
  int stride;
} ncclTeam_t;

typedef struct ncclMultimemHandle {
  void* mcBasePtr;
} ncclMultimemHandle_t;

typedef SLUICE_NCCL_ENUM {
  NCCL_GIN_TYPE_NONE = 0,
  NCCL_GIN_TYPE_PROXY = 2,
  NCCL_GIN_TYPE_GDAKI = 3,
  NCCL_GIN_TYPE_GPI = 4,
  NCCL_GIN_TYPE_EFA_GDA = 5
} ncclGinType_t;

typedef SLUICE_NCCL_ENUM {
  NCCL_GIN_CONNECTION_NONE = 0,
  NCCL_GIN_CONNECTION_FULL = 1,
  NCCL_GIN_CONNECTION_RAIL = 2
} ncclGinConnectionType_t;

typedef SLUICE_NCCL_ENUM {
  NCCL_CFT_TEAM_FLAT = 0,
  NCCL_CFT_TEAM_HIER_MULTIMEM = 1,
  NCCL_CFT_TEAM_HIER_LSA = 2
} ncclCftTeamMode_t;

/* Versioned by size like ncclConfig_t. */
typedef struct ncclCommProperties {
  size_t size;
  unsigned int magic;
  unsigned int version;
  int rank;
  int nRanks;
  int cudaDev; /* -1: none */
  int nvmlDev; /* -1: none */
  bool deviceApiSupport;
  bool multimemSupport;
  ncclGinType_t ginType;
  int nLsaTeams;
  bool hostRmaSupport;
  ncclGinType_t railedGinType;
  uint64_t commHash;
  int ginMinStride;
  ncclGinConnectionType_t ginConnectionType;
  bool ginSupport[64];
  size_t devCommRuntimeVersionSize;
} ncclCommProperties_t;

#define NCCL_COMM_PROPERTIES_INITIALIZER \
  { sizeof(ncclCommProperties_t), NCCL_API_MAGIC, NCCL_VERSION_CODE }

/* Nobody can make one of these without a device side. */
typedef struct ncclDevComm ncclDevComm_t;
typedef struct ncclDevCommRequirements ncclDevCommRequirements_t;
typedef struct ncclDevResourceRequirements ncclDevResourceRequirements_t;
typedef struct ncclLsaBarrierHandle ncclLsaBarrierHandle_t;
typedef struct ncclGinBarrierHandle ncclGinBarrierHandle_t;
typedef struct ncclCftBarrierHandle ncclCftBarrierHandle_t;
typedef struct ncclGinOutboxHandle ncclGinOutboxHandle_t;
typedef struct ncclGinInboxA2AHandle ncclGinInboxA2AHandle_t;
typedef struct ncclLLA2AHandle ncclLLA2AHandle_t;
typedef uint32_t ncclCftLeId;

/* What a communicator offers to kernels. */
ncclResult_t ncclCommQueryProperties(ncclComm_t comm, ncclCommProperties_t* props);
ncclResult_t ncclDevCommCreate(ncclComm_t comm, const ncclDevCommRequirements_t* reqs,
    ncclDevComm_t* outDevComm);
ncclResult_t ncclDevCommDestroy(ncclComm_t comm, const ncclDevComm_t* devComm);

/* Addresses of windows for kernels. */
ncclResult_t ncclGetLsaMultimemDevicePointer(ncclWindow_t window, size_t offset, void** outPtr);
ncclResult_t ncclGetMultimemDevicePointer(ncclWindow_t window, size_t offset, ncclMultimemHandle_t multimem,
    void** outPtr);
ncclResult_t ncclGetLsaDevicePointer(ncclWindow_t window, size_t offset, int lsaRank, void** outPtr);
ncclResult_t ncclGetPeerDevicePointer(ncclWindow_t window, size_t offset, int peer, void** outPtr);
ncclResult_t ncclGetMultimemDeviceLeInfo(ncclWindow_t window, size_t offset, ncclCftLeId* leId,
    size_t* leOffset);
ncclResult_t ncclGetCftDeviceLeInfo(ncclWindow_t window, size_t offset, int peerCft, ncclTeam_t cftTeam,
    ncclCftLeId* leId, size_t* leOffset);
ncclResult_t ncclGetPeerDeviceLeInfo(ncclWindow_t window, size_t offset, int peerWorld, ncclCftLeId* leId,
    size_t* leOffset);

/* Teams of ranks. */
ncclTeam_t ncclTeamWorld(ncclComm_t comm);
ncclTeam_t ncclTeamLsa(ncclComm_t comm);
ncclTeam_t ncclTeamRail(ncclComm_t comm);
ncclTeam_t ncclTeamCft(ncclComm_t comm, ncclCftTeamMode_t mode);
ncclTeam_t ncclTeamCftMultimem(ncclComm_t comm);
int ncclTeamRankToWorld(ncclComm_t comm, ncclTeam_t team, int rank);
int ncclTeamRankToLsa(ncclComm_t comm, ncclTeam_t team, int rank);

/* What a kernel's barriers and mailboxes need. */
ncclResult_t ncclLsaBarrierCreateRequirement(ncclTeam_t team, int nBarriers,
    ncclLsaBarrierHandle_t* outHandle, ncclDevResourceRequirements_t* outReq);
ncclResult_t ncclGinBarrierCreateRequirement(ncclComm_t comm, ncclTeam_t team, int nBarriers,
    ncclGinBarrierHandle_t* outHandle, ncclDevResourceRequirements_t* outReq);
ncclResult_t ncclCftBarrierCreateRequirement(ncclTeam_t team, int nBarriers,
    ncclCftBarrierHandle_t* outHandle, ncclDevResourceRequirements_t* outReq);
ncclResult_t ncclGinOutboxCreateRequirement(int nBlocks, int sizeLog2, ncclGinOutboxHandle_t* outHandle,
    ncclDevResourceRequirements_t* outReq);
ncclResult_t ncclGinInboxA2ACreateRequirement(ncclTeam_t peers, int nBlocks, int sizeLog2,
    ncclGinInboxA2AHandle_t* outHandle, ncclDevResourceRequirements_t* outReq);
int ncclLLA2ACalcSlots(int maxElts, int maxEltSize);
ncclResult_t ncclLLA2ACreateRequirement(int nBlocks, int nSlots, ncclLLA2AHandle_t* outHandle,
    ncclDevResourceRequirements_t* outReq);

/* The twins. */
extern __typeof__(ncclCommQueryProperties) pncclCommQueryProperties;
extern __typeof__(ncclDevCommCreate) pncclDevCommCreate;
extern __typeof__(ncclDevCommDestroy) pncclDevCommDestroy;
extern __typeof__(ncclGetLsaMultimemDevicePointer) pncclGetLsaMultimemDevicePointer;
extern __typeof__(ncclGetMultimemDevicePointer) pncclGetMultimemDevicePointer;
extern __typeof__(ncclGetLsaDevicePointer) pncclGetLsaDevicePointer;
extern __typeof__(ncclGetPeerDevicePointer) pncclGetPeerDevicePointer;
extern __typeof__(ncclGetMultimemDeviceLeInfo) pncclGetMultimemDeviceLeInfo;
extern __typeof__(ncclGetCftDeviceLeInfo) pncclGetCftDeviceLeInfo;
extern __typeof__(ncclGetPeerDeviceLeInfo) pncclGetPeerDeviceLeInfo;
extern __typeof__(ncclTeamWorld) pncclTeamWorld;
extern __typeof__(ncclTeamLsa) pncclTeamLsa;
extern __typeof__(ncclTeamRail) pncclTeamRail;
extern __typeof__(ncclTeamCft) pncclTeamCft;
extern __typeof__(ncclTeamCftMultimem) pncclTeamCftMultimem;
extern __typeof__(ncclTeamRankToWorld) pncclTeamRankToWorld;
extern __typeof__(ncclTeamRankToLsa) pncclTeamRankToLsa;
extern __typeof__(ncclLsaBarrierCreateRequirement) pncclLsaBarrierCreateRequirement;
extern __typeof__(ncclGinBarrierCreateRequirement) pncclGinBarrierCreateRequirement;
extern __typeof__(ncclCftBarrierCreateRequirement) pncclCftBarrierCreateRequirement;
extern __typeof__(ncclGinOutboxCreateRequirement) pncclGinOutboxCreateRequirement;
extern __typeof__(ncclGinInboxA2ACreateRequirement) pncclGinInboxA2ACreateRequirement;
extern __typeof__(ncclLLA2ACalcSlots) pncclLLA2ACalcSlots;
extern __typeof__(ncclLLA2ACreateRequirement) pncclLLA2ACreateRequirement;

#ifdef __cplusplus
}
#endif

#endif
