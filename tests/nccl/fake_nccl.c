/* Another library with NCCL's functions, for the fallback's test: it has a few of them, and says by its answers that it
 * was asked. */
#include "nccl.h"

ncclResult_t ncclGetVersion(int* version) {
  *version = 12345;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  id->internal[0] = 'F';
  return ncclSuccess;
}

/* By value, as in NCCL: the id arrives whole. */
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int nranks, ncclUniqueId id, int rank) {
  *comm = (ncclComm_t)0xfa4e;
  return id.internal[0] == 'F' && nranks == 4 && rank == 2 ? ncclSuccess : ncclInvalidArgument;
}

ncclResult_t ncclAllReduce(const void* in, void* out, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  (void)op;
  if (comm != (ncclComm_t)0xfa4e || stream != (cudaStream_t)0x51 || type != ncclInt) return ncclInvalidArgument;
  *(int*)out = *(const int*)in * (int)count;
  return ncclSuccess;
}
