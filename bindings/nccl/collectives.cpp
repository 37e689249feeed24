// NCCL's collectives and messages: each says what it is and goes through issue().
#include "bindings/nccl/config.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/operation.hpp"

namespace sluice::nccl {
namespace {

using Kind = Operation::Kind;

/// A configuration that is not honoured spoils nothing but its call.
template <class Plain>
ncclResult_t configured(const ncclCollConfig_t* config, ncclComm* comm, Plain plain) {
  const Status status = check_config(config);
  return status.ok() ? plain() : conclude(is_handle(comm) ? comm : nullptr, status);
}

}  // namespace

ncclResult_t AllReduce(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                       ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kAllReduce,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .op = op,
                      .stream = stream});
}

ncclResult_t Broadcast(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                       int root, ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kBroadcast,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .peer = root,
                      .stream = stream});
}

ncclResult_t Bcast(void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
                   cudaStream_t stream) {
  return Broadcast(buff, buff, count, datatype, root, comm, stream);
}

ncclResult_t Reduce(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                    ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kReduce,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .op = op,
                      .peer = root,
                      .stream = stream});
}

ncclResult_t AllGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                       ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kAllGather,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = sendcount,
                      .type = datatype,
                      .stream = stream});
}

ncclResult_t ReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                           ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kReduceScatter,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = recvcount,
                      .type = datatype,
                      .op = op,
                      .stream = stream});
}

ncclResult_t AlltoAll(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                      ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kAllToAll,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .stream = stream});
}

ncclResult_t Gather(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                    int root, ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kGather,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .peer = root,
                      .stream = stream});
}

ncclResult_t Scatter(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                     int root, ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kScatter,
                      .input = sendbuff,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .peer = root,
                      .stream = stream});
}

ncclResult_t Send(const void* sendbuff, size_t count, ncclDataType_t datatype, int peer,
                  ncclComm_t comm, cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kSend,
                      .input = sendbuff,
                      .count = count,
                      .type = datatype,
                      .peer = peer,
                      .stream = stream});
}

ncclResult_t Recv(void* recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
                  cudaStream_t stream) {
  return issue(comm, {.kind = Kind::kReceive,
                      .output = recvbuff,
                      .count = count,
                      .type = datatype,
                      .peer = peer,
                      .stream = stream});
}

ncclResult_t AllReduceConfig(const void* sendbuff, void* recvbuff, size_t count,
                             ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                             cudaStream_t stream, const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return AllReduce(sendbuff, recvbuff, count, datatype, op, comm, stream);
  });
}

ncclResult_t BroadcastConfig(const void* sendbuff, void* recvbuff, size_t count,
                             ncclDataType_t datatype, int root, ncclComm_t comm,
                             cudaStream_t stream, const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return Broadcast(sendbuff, recvbuff, count, datatype, root, comm, stream);
  });
}

ncclResult_t ReduceConfig(const void* sendbuff, void* recvbuff, size_t count,
                          ncclDataType_t datatype, ncclRedOp_t op, int root, ncclComm_t comm,
                          cudaStream_t stream, const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return Reduce(sendbuff, recvbuff, count, datatype, op, root, comm, stream);
  });
}

ncclResult_t AllGatherConfig(const void* sendbuff, void* recvbuff, size_t sendcount,
                             ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream,
                             const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return AllGather(sendbuff, recvbuff, sendcount, datatype, comm, stream);
  });
}

ncclResult_t ReduceScatterConfig(const void* sendbuff, void* recvbuff, size_t recvcount,
                                 ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                                 cudaStream_t stream, const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return ReduceScatter(sendbuff, recvbuff, recvcount, datatype, op, comm, stream);
  });
}

ncclResult_t AlltoAllConfig(const void* sendbuff, void* recvbuff, size_t count,
                            ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream,
                            const ncclCollConfig_t* config) {
  return configured(config, comm,
                    [&] { return AlltoAll(sendbuff, recvbuff, count, datatype, comm, stream); });
}

ncclResult_t GatherConfig(const void* sendbuff, void* recvbuff, size_t count,
                          ncclDataType_t datatype, int root, ncclComm_t comm, cudaStream_t stream,
                          const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return Gather(sendbuff, recvbuff, count, datatype, root, comm, stream);
  });
}

ncclResult_t ScatterConfig(const void* sendbuff, void* recvbuff, size_t count,
                           ncclDataType_t datatype, int root, ncclComm_t comm, cudaStream_t stream,
                           const ncclCollConfig_t* config) {
  return configured(config, comm, [&] {
    return Scatter(sendbuff, recvbuff, count, datatype, root, comm, stream);
  });
}

}  // namespace sluice::nccl
