/* A program in plain C that calls every function of the nccl.h it is compiled with, on host memory.
 *
 *   client RANK SIZE FILE    one of SIZE processes; rank 0 writes the unique id to FILE
 *
 * It is built against our nccl.h and, where it is installed, against NVIDIA's. */
#include <nccl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int line_of_failure = 0;

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      line_of_failure = __LINE__;                                                       \
      fprintf(stderr, "client.c:%d: %s: %s\n", __LINE__, #condition, ncclGetLastError(NULL)); \
      return 1;                                                                         \
    }                                                                                   \
  } while (0)
#define OK(call) CHECK((call) == ncclSuccess)

enum { kCount = 1000 };

static void wait_ms(long ms) {
  struct timespec pause = {0, ms * 1000000};
  nanosleep(&pause, NULL);
}

/* Rank 0 makes the id; the file is complete when it has its name. */
static int meet(int rank, const char* path, ncclUniqueId* id) {
  char unfinished[4096];
  if (rank == 0) {
    FILE* file;
    OK(ncclGetUniqueId(id));
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    file = fopen(unfinished, "wb");
    CHECK(file != NULL && fwrite(id, sizeof *id, 1, file) == 1 && fclose(file) == 0);
    CHECK(rename(unfinished, path) == 0);
    return 0;
  }
  for (int tries = 0; tries < 2000; ++tries) {
    FILE* file = fopen(path, "rb");
    if (file != NULL) {
      const size_t got = fread(id, sizeof *id, 1, file);
      fclose(file);
      CHECK(got == 1);
      return 0;
    }
    wait_ms(10);
  }
  CHECK(!"the id came");
  return 1;
}

static int collectives(ncclComm_t comm, int rank, int size) {
  static float in[kCount], out[kCount];
  int* blocks = malloc(2 * (size_t)size * sizeof(int));
  int sum = 0;
  CHECK(blocks != NULL);
  for (int i = 0; i < kCount; ++i) in[i] = (float)(rank + i);
  OK(ncclAllReduce(in, out, kCount, ncclFloat, ncclSum, comm, NULL));
  for (int i = 0; i < kCount; ++i) CHECK(out[i] == (float)(size * (size - 1) / 2 + size * i));
  OK(ncclReduce(in, out, kCount, ncclFloat, ncclMax, 0, comm, NULL));
  if (rank == 0) CHECK(out[1] == (float)size);
  OK(ncclBroadcast(in, out, kCount, ncclFloat, size - 1, comm, NULL));
  CHECK(out[2] == (float)(size + 1));
  OK(ncclBcast(in, kCount, ncclFloat, 0, comm, NULL));
  CHECK(in[3] == 3);
  OK(ncclAllGather(&rank, blocks, 1, ncclInt, comm, NULL));
  for (int peer = 0; peer < size; ++peer) CHECK(blocks[peer] == peer);
  OK(ncclReduceScatter(blocks, &sum, 1, ncclInt, ncclSum, comm, NULL));
  CHECK(sum == rank * size);
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 28, 3)
  OK(ncclAlltoAll(blocks, blocks + size, 1, ncclInt, comm, NULL));
  for (int peer = 0; peer < size; ++peer) CHECK(blocks[size + peer] == rank);
  OK(ncclGather(&rank, blocks, 1, ncclInt, 0, comm, NULL));
  OK(ncclScatter(blocks, &sum, 1, ncclInt, 0, comm, NULL));
  CHECK(sum == rank);
#endif
  free(blocks);
  return 0;
}

static int messages(ncclComm_t comm, int rank, int size) {
  const int next = (rank + 1) % size, previous = (rank + size - 1) % size;
  int got = -1, own = -1;
  ncclSimInfo_t info = NCCL_SIM_INFO_INITIALIZER;
  OK(ncclGroupStart());
  OK(ncclSend(&rank, 1, ncclInt, next, comm, NULL));
  OK(ncclSend(&rank, 1, ncclInt, rank, comm, NULL));
  OK(ncclRecv(&own, 1, ncclInt, rank, comm, NULL));
  OK(ncclRecv(&got, 1, ncclInt, previous, comm, NULL));
  OK(ncclGroupEnd());
  CHECK(got == previous && own == rank);
  OK(ncclGroupStart());
  OK(ncclAllReduce(&got, &own, 1, ncclInt, ncclSum, comm, NULL));
  OK(ncclGroupSimulateEnd(&info));
  CHECK(info.estimatedTime > 0 && own == rank);
  return 0;
}

static int operators(ncclComm_t comm, int rank, int size) {
  ncclRedOp_t op;
  double factor = rank + 1, value = 2;
  OK(ncclRedOpCreatePreMulSum(&op, &factor, ncclDouble, ncclScalarHostImmediate, comm));
  OK(ncclAllReduce(&value, &value, 1, ncclDouble, op, comm, NULL));
  CHECK(value == size * (size + 1));
  OK(ncclRedOpDestroy(op, comm));
  return 0;
}

static int memory(ncclComm_t comm, int rank, int size) {
  const int next = (rank + 1) % size, previous = (rank + size - 1) % size;
  void* buffer = NULL;
  void* handle = NULL;
  ncclWindow_t window = NULL;
  OK(ncclMemAlloc(&buffer, 1 << 20));
  OK(ncclCommRegister(comm, buffer, 1 << 20, &handle));
  OK(ncclCommDeregister(comm, handle));
  OK(ncclCommWindowRegister(comm, buffer, 1 << 20, &window, NCCL_WIN_COLL_SYMMETRIC));
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 29, 0)
  ncclWaitSignalDesc_t waits = {2, previous, 0, 0};
  void* user = NULL;
  OK(ncclWinGetUserPtr(comm, window, &user));
  CHECK(user == buffer);
  OK(ncclPutSignal(&rank, 1, ncclInt, next, window, 4096, 0, 0, 0, comm, NULL));
  OK(ncclSignal(next, 0, 0, 0, comm, NULL));
  OK(ncclWaitSignal(1, &waits, comm, NULL));
  CHECK(((int*)buffer)[1024] == previous);
  OK(ncclCommSuspend(comm, NCCL_SUSPEND_MEM));
  OK(ncclCommResume(comm));
  uint64_t total = 1;
  OK(ncclCommMemStats(comm, ncclStatGpuMemTotal, &total));
  CHECK(total == 0);
#endif
  OK(ncclAllReduce(buffer, buffer, 1000, ncclInt, ncclSum, comm, NULL));
  OK(ncclCommWindowDeregister(comm, window));
  OK(ncclMemFree(buffer));
  (void)next, (void)previous;
  return 0;
}

static int families(ncclComm_t comm, int rank, int size) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  ncclComm_t child = NULL;
  int count = 0, own = -1, device = 0;
  OK(ncclCommSplit(comm, rank % 2, rank, &child, &config));
  OK(ncclCommCount(child, &count));
  OK(ncclCommUserRank(child, &own));
  OK(ncclCommCuDevice(child, &device));
  CHECK(own == rank / 2 && count == (size + 1 - rank % 2) / 2);
  OK(ncclCommFinalize(child));
  OK(ncclCommDestroy(child));
  if (rank != size - 1) {
    int leaves = size - 1;
    OK(ncclCommShrink(comm, &leaves, 1, &child, NULL, NCCL_SHRINK_DEFAULT));
    OK(ncclCommCount(child, &count));
    CHECK(count == size - 1);
    OK(ncclCommAbort(child));
  }
  return 0;
}

#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 30, 4)
static int parameters(void) {
  ncclParamHandle_t handle = NULL;
  int64_t ms = 0;
  const char* text = NULL;
  OK(ncclParamBind(&handle, "SLUICE_TIMEOUT_MS"));
  OK(ncclParamGetI64(handle, &ms));
  OK(ncclParamGetStr(handle, &text));
  CHECK(ms > 0 && atol(text) == ms);
  return 0;
}
#endif

/* One process, one thread, several ranks. */
static int alone(void) {
  ncclComm_t comms[2];
  int values[2] = {1, 2};
  OK(ncclCommInitAll(comms, 2, NULL));
  OK(ncclGroupStart());
  for (int i = 0; i < 2; ++i)
    OK(ncclAllReduce(&values[i], &values[i], 1, ncclInt, ncclSum, comms[i], NULL));
  OK(ncclGroupEnd());
  CHECK(values[0] == 3 && values[1] == 3);
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 28, 7)
  for (int i = 0; i < 2; ++i) OK(ncclCommRevoke(comms[i], NCCL_REVOKE_DEFAULT));
#endif
  for (int i = 0; i < 2; ++i) OK(ncclCommDestroy(comms[i]));
  return 0;
}

static int run(int rank, int size, const char* path) {
  ncclUniqueId id;
  ncclComm_t comm = NULL;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  ncclResult_t error = ncclInternalError;
  int version = 0;
  OK(ncclGetVersion(&version));
  CHECK(version >= NCCL_VERSION_CODE);
  CHECK(strcmp(ncclGetErrorString(ncclSuccess), "no error") == 0);
  if (meet(rank, path, &id) != 0) return 1;
  OK(ncclCommInitRankConfig(&comm, size, id, rank, &config));
  if (collectives(comm, rank, size) || messages(comm, rank, size) || operators(comm, rank, size) ||
      memory(comm, rank, size) || families(comm, rank, size))
    return 1;
  OK(ncclCommGetAsyncError(comm, &error));
  CHECK(error == ncclSuccess);
  OK(ncclCommDestroy(comm));
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 30, 4)
  if (parameters()) return 1;
#endif
  return alone();
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: client RANK SIZE FILE\n");
    return 2;
  }
  return run(atoi(argv[1]), atoi(argv[2]), argv[3]);
}
