/* NCCL's C interface, as Sluice's libnccl.so.2 implements it: the names, values and layouts of NCCL 2.32.
 *
 * Plain C99 and C++. Where the CUDA toolkit is there its types are used; without it streams and events are
 * pointers that nobody looks behind. What each function does here, and which ones refuse: docs/nccl.md.
 *
 * All functions are thread-safe, but one communicator is used by one thread at a time; ncclCommAbort,
 * ncclCommGetAsyncError, ncclGetLastError, ncclCommCount, ncclCommUserRank and ncclCommCuDevice may be called by
 * any thread at any time. Every function has a twin named pnccl..., for tools that put themselves in front. */
// long: an interface in one file, as its clients expect it
#ifndef NCCL_H_
#define NCCL_H_

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_include) && !defined(SLUICE_NCCL_WITHOUT_CUDA)
#if __has_include(<cuda_runtime.h>)
#define SLUICE_NCCL_HAS_CUDA 1
#endif
#endif
#ifdef SLUICE_NCCL_HAS_CUDA
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#else
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
#endif

#define NCCL_MAJOR 2
#define NCCL_MINOR 32
#define NCCL_PATCH 3
#define NCCL_SUFFIX ""
#define NCCL_VERSION_CODE 23203
#define NCCL_VERSION(X, Y, Z) \
  (((X) <= 2 && (Y) <= 8) ? (X) * 1000 + (Y) * 100 + (Z) : (X) * 10000 + (Y) * 100 + (Z))

/* A client may pass any number where a value of these is wanted. In C++ an enumeration without a stated type may
 * only have the numbers that its values need; this one has the same size and is promoted alike. */
#ifdef __cplusplus
#define SLUICE_NCCL_ENUM enum : int
#else
#define SLUICE_NCCL_ENUM enum
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ncclComm* ncclComm_t;            /* one rank's membership in a communicator */
typedef struct ncclWindow_vidmem* ncclWindow_t; /* memory of all ranks, shown to all of them */
typedef struct ncclParamHandle* ncclParamHandle_t;
#define NCCL_COMM_NULL NULL

/* Passed by value. Treat it like a password: who has it can join. */
#define NCCL_UNIQUE_ID_BYTES 128
typedef struct {
  char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;

typedef SLUICE_NCCL_ENUM {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7,
  ncclTimeout = 8,
  ncclNumResults = 9
} ncclResult_t;

typedef SLUICE_NCCL_ENUM {
  ncclInt8 = 0,
  ncclChar = 0,
  ncclUint8 = 1,
  ncclInt32 = 2,
  ncclInt = 2,
  ncclUint32 = 3,
  ncclInt64 = 4,
  ncclUint64 = 5,
  ncclFloat16 = 6,
  ncclHalf = 6,
  ncclFloat32 = 7,
  ncclFloat = 7,
  ncclFloat64 = 8,
  ncclDouble = 8,
  ncclBfloat16 = 9,
  ncclFloat8e4m3 = 10,
  ncclFloat8e5m2 = 11,
  ncclNumTypes = 12
} ncclDataType_t;

/* Values from ncclNumOps on are made by ncclRedOpCreatePreMulSum. */
typedef SLUICE_NCCL_ENUM { ncclNumOps_dummy = 5 } ncclRedOp_dummy_t;
typedef SLUICE_NCCL_ENUM {
  ncclSum = 0,
  ncclProd = 1,
  ncclMax = 2,
  ncclMin = 3,
  ncclAvg = 4,
  ncclNumOps = 5,
  ncclMaxRedOp = 0x7fffffff
} ncclRedOp_t;

typedef SLUICE_NCCL_ENUM { ncclScalarDevice = 0, ncclScalarHostImmediate = 1 } ncclScalarResidence_t;

typedef SLUICE_NCCL_ENUM {
  ncclStatGpuMemSuspend = 0,
  ncclStatGpuMemSuspended = 1,
  ncclStatGpuMemPersist = 2,
  ncclStatGpuMemTotal = 3
} ncclCommMemStat_t;

#define NCCL_CONFIG_UNDEF_INT INT_MIN
#define NCCL_CONFIG_UNDEF_PTR NULL
#define NCCL_SPLIT_NOCOLOR -1
#define NCCL_UNDEF_FLOAT -1.0f
#define NCCL_API_MAGIC 0xcafebeef

#define NCCL_WIN_DEFAULT 0x00
#define NCCL_WIN_COLL_SYMMETRIC 0x01
#define NCCL_WIN_STRICT_ORDERING 0x02
#define NCCL_WIN_GIN_ONLY 0x04
#define NCCL_WIN_CFT_COUNTED 0x08
#define NCCL_WIN_REQUIRED_ALIGNMENT 4096

#define NCCL_CTA_POLICY_DEFAULT 0x00
#define NCCL_CTA_POLICY_EFFICIENCY 0x01
#define NCCL_CTA_POLICY_ZERO 0x02

#define NCCL_SHRINK_DEFAULT 0x00
#define NCCL_SHRINK_ABORT 0x01
#define NCCL_REVOKE_DEFAULT 0x00
#define NCCL_SUSPEND_MEM 0x01

#define NCCL_ENCRYPTION_MODE_NONE 0
#define NCCL_ENCRYPTION_MODE_PSK 1

typedef enum {
  ncclHostCftDefault = NCCL_CONFIG_UNDEF_INT,
  ncclHostCftEnable = 1,
  ncclHostCftDisable = 2,
  ncclHostCftFallback = 3
} ncclHostCftMode_t;

typedef enum {
  ncclNvlsHostModeDefault = NCCL_CONFIG_UNDEF_INT,
  ncclNvlsHostModeEnable = 0,
  ncclNvlsHostModeDisableTransport = 1,
  ncclNvlsHostModeDisableSymmetricMultimem = 2,
  ncclNvlsHostModeDisable = INT_MAX
} ncclNvlsHostMode_t;

/* Of a communicator. Fields are only ever added at the end; `size` and `version` say which the caller knows. */
typedef struct ncclConfig_v23100 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  int blocking;
  int cgaClusterSize;
  int minCTAs;
  int maxCTAs;
  const char* netName;
  int splitShare;
  int trafficClass;
  const char* commName;
  int collnetEnable;
  int CTAPolicy;
  int shrinkShare;
  int nvlsCTAs;
  int nChannelsPerNetPeer;
  int nvlinkCentricSched;
  int graphUsageMode;
  int numRmaCtx;
  int maxP2pPeers;
  int graphStreamOrdering;
  int launchOrderImplicit;
  int numRmaSig;
  int rmaEagerInit;
  int hostCftMode;
  int nvlsHostMode;
} ncclConfig_t;

#define NCCL_CONFIG_INITIALIZER                                                                     \
  {                                                                                                 \
    sizeof(ncclConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, NCCL_CONFIG_UNDEF_INT,                 \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_PTR, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_PTR, NCCL_CONFIG_UNDEF_INT, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT                                                \
  }

/* A vendor's own option; a list of them hangs on ncclCollConfig_t::ext. */
typedef struct ncclConfigExt {
  struct ncclConfigExt* next;
  struct {
    int vendorId;
    int optionId;
  } key;
  union {
    int i;
    const char* s;
    void* raw;
  } val;
} ncclConfigExt_t;

/* Of one call. */
typedef struct ncclCollConfig_v23200 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  ncclConfigExt_t* ext;
  int minCTAs;
  int maxCTAs;
  int nvlsCTAs;
  int cgaClusterSize;
  const char* algSelection;
  int forceAlgSelection;
  int CTAPolicy;
  uint64_t userProfilerTag;
  cudaEvent_t launchCompletionEvent;
} ncclCollConfig_t;

#define NCCL_COLLCONFIG_INITIALIZER                                                                    \
  {                                                                                                    \
    sizeof(ncclCollConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, NCCL_CONFIG_UNDEF_PTR,                \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,    \
        NCCL_CONFIG_UNDEF_PTR, 1, NCCL_CONFIG_UNDEF_INT, 0, NCCL_CONFIG_UNDEF_PTR                      \
  }

typedef struct ncclSimInfo_v22200 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  float estimatedTime; /* us */
} ncclSimInfo_t;

#define NCCL_SIM_INFO_INITIALIZER \
  { sizeof(ncclSimInfo_t), 0x74685283, NCCL_VERSION_CODE, NCCL_UNDEF_FLOAT }

typedef struct ncclEncryptionConfig_v23200 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  int mode;
  const char* psk;
} ncclEncryptionConfig_t;

#define NCCL_ENCRYPTION_CONFIG_INITIALIZER                                                      \
  {                                                                                             \
    sizeof(ncclEncryptionConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, NCCL_ENCRYPTION_MODE_NONE, \
        NCCL_CONFIG_UNDEF_PTR                                                                   \
  }

/* opCnt signals of `peer`, of index sigIdx in context ctx. */
typedef struct {
  int opCnt;
  int peer;
  int sigIdx;
  int ctx;
} ncclWaitSignalDesc_t;

/* Version and errors. The sentence of the last error is never null; a communicator's own, if one is given. */
ncclResult_t ncclGetVersion(int* version);
const char* ncclGetErrorString(ncclResult_t result);
const char* ncclGetLastError(ncclComm_t comm);
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* asyncError);
void ncclResetDebugInit(void);
ncclResult_t ncclSetEncryption(const ncclEncryptionConfig_t* config);

/* Making communicators. Every rank calls; several ranks of one thread within a group. */
ncclResult_t ncclGetUniqueId(ncclUniqueId* uniqueId);
ncclResult_t ncclCommInitRank(ncclComm_t* newcomm, int nranks, ncclUniqueId commId, int rank);
ncclResult_t ncclCommInitRankConfig(ncclComm_t* newcomm, int nranks, ncclUniqueId commId, int rank,
    ncclConfig_t* config);
ncclResult_t ncclCommInitRankScalable(ncclComm_t* newcomm, int nranks, int rank, int nId,
    ncclUniqueId* commIds, ncclConfig_t* config);
ncclResult_t ncclCommInitAll(ncclComm_t* comms, int ndev, const int* devlist);
ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t* newcomm, ncclConfig_t* config);
ncclResult_t ncclCommShrink(ncclComm_t comm, int* excludeRanksList, int excludeRanksCount,
    ncclComm_t* newcomm, ncclConfig_t* config, int shrinkFlags);
ncclResult_t ncclCommGetUniqueId(ncclComm_t comm, ncclUniqueId* uniqueId);
ncclResult_t ncclCommGrow(ncclComm_t comm, int nranks, const ncclUniqueId* uniqueId, int rank,
    ncclComm_t* newcomm, ncclConfig_t* config);

/* Ending them. */
ncclResult_t ncclCommFinalize(ncclComm_t comm);
ncclResult_t ncclCommDestroy(ncclComm_t comm);
ncclResult_t ncclCommAbort(ncclComm_t comm);
ncclResult_t ncclCommRevoke(ncclComm_t comm, int revokeFlags);

/* Asking them. */
ncclResult_t ncclCommCount(ncclComm_t comm, int* count);
ncclResult_t ncclCommCuDevice(ncclComm_t comm, int* device);
ncclResult_t ncclCommUserRank(ncclComm_t comm, int* rank);

/* Memory: shareable buffers, registration, windows. */
ncclResult_t ncclMemAlloc(void** ptr, size_t size);
ncclResult_t ncclMemFree(void* ptr);
ncclResult_t ncclCommRegister(ncclComm_t comm, void* buff, size_t size, void** handle);
ncclResult_t ncclCommDeregister(ncclComm_t comm, void* handle);
ncclResult_t ncclCommWindowRegister(ncclComm_t comm, void* buff, size_t size, ncclWindow_t* win,
    int winFlags);
ncclResult_t ncclCommWindowDeregister(ncclComm_t comm, ncclWindow_t win);
ncclResult_t ncclWinGetUserPtr(ncclComm_t comm, ncclWindow_t win, void** outUserPtr);
ncclResult_t ncclCommSuspend(ncclComm_t comm, int flags);
ncclResult_t ncclCommResume(ncclComm_t comm);
ncclResult_t ncclCommMemStats(ncclComm_t comm, ncclCommMemStat_t stat, uint64_t* value);

/* Reductions with a factor of each rank's own. */
ncclResult_t ncclRedOpCreatePreMulSum(ncclRedOp_t* op, void* scalar, ncclDataType_t datatype,
    ncclScalarResidence_t residence, ncclComm_t comm);
ncclResult_t ncclRedOpDestroy(ncclRedOp_t op, ncclComm_t comm);

/* Collectives. Counts are elements: of the whole for AllReduce, Broadcast, Reduce, of one rank's block for the rest. */
ncclResult_t ncclBcast(void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
    cudaStream_t stream);
ncclResult_t ncclAllReduce(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclBroadcast(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    int root, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclReduce(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclAllGather(const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
    ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
    ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclAlltoAll(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclGather(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    int root, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclScatter(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    int root, ncclComm_t comm, cudaStream_t stream);

/* The same, each with a configuration of the call; null is the plain one. */
ncclResult_t ncclAllReduceConfig(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);
ncclResult_t ncclBroadcastConfig(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);
ncclResult_t ncclReduceConfig(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);
ncclResult_t ncclAllGatherConfig(const void* sendbuff, void* recvbuff, size_t sendcount,
    ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);
ncclResult_t ncclReduceScatterConfig(const void* sendbuff, void* recvbuff, size_t recvcount,
    ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream,
    const ncclCollConfig_t* config);
ncclResult_t ncclAlltoAllConfig(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);
ncclResult_t ncclGatherConfig(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);
ncclResult_t ncclScatterConfig(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
    int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config);

/* Messages. */
ncclResult_t ncclSend(const void* sendbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
    cudaStream_t stream);
ncclResult_t ncclRecv(void* recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
    cudaStream_t stream);

/* One-sided: into a peer's window, and signals. */
ncclResult_t ncclPutSignal(const void* localbuff, size_t count, ncclDataType_t datatype, int peer,
    ncclWindow_t peerWin, size_t peerWinOffset, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm,
    cudaStream_t stream);
ncclResult_t ncclSignal(int peer, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm,
    cudaStream_t stream);
ncclResult_t ncclWaitSignal(int nDesc, ncclWaitSignalDesc_t* signalDescs, ncclComm_t comm,
    cudaStream_t stream);

/* Groups: what is called between start and end runs at the (outermost) end, together. */
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);
ncclResult_t ncclGroupSimulateEnd(ncclSimInfo_t* simInfo);

/* Parameters: the NCCL_ and SLUICE_ environment variables that mean something here. */
ncclResult_t ncclParamBind(ncclParamHandle_t* out, const char* key);
ncclResult_t ncclParamGetI8(ncclParamHandle_t handle, int8_t* out);
ncclResult_t ncclParamGetI16(ncclParamHandle_t handle, int16_t* out);
ncclResult_t ncclParamGetI32(ncclParamHandle_t handle, int32_t* out);
ncclResult_t ncclParamGetI64(ncclParamHandle_t handle, int64_t* out);
ncclResult_t ncclParamGetU8(ncclParamHandle_t handle, uint8_t* out);
ncclResult_t ncclParamGetU16(ncclParamHandle_t handle, uint16_t* out);
ncclResult_t ncclParamGetU32(ncclParamHandle_t handle, uint32_t* out);
ncclResult_t ncclParamGetU64(ncclParamHandle_t handle, uint64_t* out);
ncclResult_t ncclParamGetStr(ncclParamHandle_t handle, const char** out);
ncclResult_t ncclParamGet(ncclParamHandle_t handle, void* out, int maxLen, int* len);
ncclResult_t ncclParamGetParameter(const char* key, const char** value, int* valueLen);
ncclResult_t ncclParamGetAllParameterKeys(const char*** table, int* tableLen);
void ncclParamDumpAll(void);

/* The twins. */
extern __typeof__(ncclGetVersion) pncclGetVersion;
extern __typeof__(ncclGetErrorString) pncclGetErrorString;
extern __typeof__(ncclGetLastError) pncclGetLastError;
extern __typeof__(ncclCommGetAsyncError) pncclCommGetAsyncError;
extern __typeof__(ncclResetDebugInit) pncclResetDebugInit;
extern __typeof__(ncclSetEncryption) pncclSetEncryption;
extern __typeof__(ncclGetUniqueId) pncclGetUniqueId;
extern __typeof__(ncclCommInitRank) pncclCommInitRank;
extern __typeof__(ncclCommInitRankConfig) pncclCommInitRankConfig;
extern __typeof__(ncclCommInitRankScalable) pncclCommInitRankScalable;
extern __typeof__(ncclCommInitAll) pncclCommInitAll;
extern __typeof__(ncclCommSplit) pncclCommSplit;
extern __typeof__(ncclCommShrink) pncclCommShrink;
extern __typeof__(ncclCommGetUniqueId) pncclCommGetUniqueId;
extern __typeof__(ncclCommGrow) pncclCommGrow;
extern __typeof__(ncclCommFinalize) pncclCommFinalize;
extern __typeof__(ncclCommDestroy) pncclCommDestroy;
extern __typeof__(ncclCommAbort) pncclCommAbort;
extern __typeof__(ncclCommRevoke) pncclCommRevoke;
extern __typeof__(ncclCommCount) pncclCommCount;
extern __typeof__(ncclCommCuDevice) pncclCommCuDevice;
extern __typeof__(ncclCommUserRank) pncclCommUserRank;
extern __typeof__(ncclMemAlloc) pncclMemAlloc;
extern __typeof__(ncclMemFree) pncclMemFree;
extern __typeof__(ncclCommRegister) pncclCommRegister;
extern __typeof__(ncclCommDeregister) pncclCommDeregister;
extern __typeof__(ncclCommWindowRegister) pncclCommWindowRegister;
extern __typeof__(ncclCommWindowDeregister) pncclCommWindowDeregister;
extern __typeof__(ncclWinGetUserPtr) pncclWinGetUserPtr;
extern __typeof__(ncclCommSuspend) pncclCommSuspend;
extern __typeof__(ncclCommResume) pncclCommResume;
extern __typeof__(ncclCommMemStats) pncclCommMemStats;
extern __typeof__(ncclRedOpCreatePreMulSum) pncclRedOpCreatePreMulSum;
extern __typeof__(ncclRedOpDestroy) pncclRedOpDestroy;
extern __typeof__(ncclBcast) pncclBcast;
extern __typeof__(ncclAllReduce) pncclAllReduce;
extern __typeof__(ncclBroadcast) pncclBroadcast;
extern __typeof__(ncclReduce) pncclReduce;
extern __typeof__(ncclAllGather) pncclAllGather;
extern __typeof__(ncclReduceScatter) pncclReduceScatter;
extern __typeof__(ncclAlltoAll) pncclAlltoAll;
extern __typeof__(ncclGather) pncclGather;
extern __typeof__(ncclScatter) pncclScatter;
extern __typeof__(ncclAllReduceConfig) pncclAllReduceConfig;
extern __typeof__(ncclBroadcastConfig) pncclBroadcastConfig;
extern __typeof__(ncclReduceConfig) pncclReduceConfig;
extern __typeof__(ncclAllGatherConfig) pncclAllGatherConfig;
extern __typeof__(ncclReduceScatterConfig) pncclReduceScatterConfig;
extern __typeof__(ncclAlltoAllConfig) pncclAlltoAllConfig;
extern __typeof__(ncclGatherConfig) pncclGatherConfig;
extern __typeof__(ncclScatterConfig) pncclScatterConfig;
extern __typeof__(ncclSend) pncclSend;
extern __typeof__(ncclRecv) pncclRecv;
extern __typeof__(ncclPutSignal) pncclPutSignal;
extern __typeof__(ncclSignal) pncclSignal;
extern __typeof__(ncclWaitSignal) pncclWaitSignal;
extern __typeof__(ncclGroupStart) pncclGroupStart;
extern __typeof__(ncclGroupEnd) pncclGroupEnd;
extern __typeof__(ncclGroupSimulateEnd) pncclGroupSimulateEnd;
extern __typeof__(ncclParamBind) pncclParamBind;
extern __typeof__(ncclParamGetI8) pncclParamGetI8;
extern __typeof__(ncclParamGetI16) pncclParamGetI16;
extern __typeof__(ncclParamGetI32) pncclParamGetI32;
extern __typeof__(ncclParamGetI64) pncclParamGetI64;
extern __typeof__(ncclParamGetU8) pncclParamGetU8;
extern __typeof__(ncclParamGetU16) pncclParamGetU16;
extern __typeof__(ncclParamGetU32) pncclParamGetU32;
extern __typeof__(ncclParamGetU64) pncclParamGetU64;
extern __typeof__(ncclParamGetStr) pncclParamGetStr;
extern __typeof__(ncclParamGet) pncclParamGet;
extern __typeof__(ncclParamGetParameter) pncclParamGetParameter;
extern __typeof__(ncclParamGetAllParameterKeys) pncclParamGetAllParameterKeys;
extern __typeof__(ncclParamDumpAll) pncclParamDumpAll;

#ifdef __cplusplus
}
#endif

#endif
