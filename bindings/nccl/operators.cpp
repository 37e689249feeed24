// Reductions with a factor of each rank's own.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/placement.hpp"
#include "communicator/impl.hpp"
#include "compute/small_float.hpp"

namespace sluice::nccl {
namespace {

template <class T>
T read(const void* scalar) {
  T value;
  std::memcpy(&value, scalar, sizeof value);
  return value;
}

template <class T>
Reduction times(const void* scalar) {
  return Reduction::pre_multiplied_sum(read<T>(scalar));
}

template <class Format, class Code>
Reduction times_small(const void* scalar) {
  return Reduction::pre_multiplied_sum(compute::small_to_float<Format>(read<Code>(scalar)));
}

Reduction factor_of(const void* scalar, DataType type) {
  switch (type) {
    case DataType::kInt8: return times<std::int8_t>(scalar);
    case DataType::kUint8: return times<std::uint8_t>(scalar);
    case DataType::kInt32: return times<std::int32_t>(scalar);
    case DataType::kUint32: return times<std::uint32_t>(scalar);
    case DataType::kInt64: return times<std::int64_t>(scalar);
    case DataType::kUint64: return times<std::uint64_t>(scalar);
    case DataType::kFloat16: return times_small<compute::Float16Format, std::uint16_t>(scalar);
    case DataType::kFloat32: return times<float>(scalar);
    case DataType::kFloat64: return times<double>(scalar);
    case DataType::kBfloat16:
      return Reduction::pre_multiplied_sum(
          std::bit_cast<float>(std::uint32_t{read<std::uint16_t>(scalar)} << 16));
    case DataType::kFloat8E4M3: return times_small<compute::Float8E4M3Format, std::uint8_t>(scalar);
    case DataType::kFloat8E5M2: return times_small<compute::Float8E5M2Format, std::uint8_t>(scalar);
  }
  return ReduceOp::kSum;
}

Status create(ncclRedOp_t* op, const void* scalar, ncclDataType_t type,
              ncclScalarResidence_t residence, ncclComm* comm) {
  SLUICE_TRY(check_handle(comm));
  SLUICE_TRY(comm->admit());
  if (op == nullptr || scalar == nullptr)
    return bad_argument("ncclRedOpCreatePreMulSum: op or scalar is null");
  if (static_cast<unsigned>(type) >= ncclNumTypes)
    return bad_argument(fmt::format("ncclRedOpCreatePreMulSum: data type {} is none of NCCL's",
                                    static_cast<int>(type)));
  if (residence == ncclScalarDevice) {
    if (!comm->on_device)
      return bad_usage(
          fmt::format("ncclRedOpCreatePreMulSum: ncclScalarDevice needs a device, and there is "
                      "none: {}; pass ncclScalarHostImmediate",
                      comm->ranks->impl().why_no_device()));
    SLUICE_TRY(expect_device_reaches(scalar, "ncclRedOpCreatePreMulSum: the scalar"));
  } else if (residence != ncclScalarHostImmediate)
    return bad_argument(fmt::format("ncclRedOpCreatePreMulSum: residence {} is none of NCCL's",
                                    static_cast<int>(residence)));
  auto free_place = std::find_if(comm->factors.begin(), comm->factors.end(),
                                 [](const auto& factor) { return !factor.alive; });
  if (free_place == comm->factors.end())
    free_place = comm->factors.insert(free_place, {ReduceOp::kSum, type, false});
  *free_place = {residence == ncclScalarDevice ? Reduction::pre_multiplied_sum_at(scalar)
                                               : factor_of(scalar, static_cast<DataType>(type)),
                 type, true};
  *op = static_cast<ncclRedOp_t>(ncclNumOps + (free_place - comm->factors.begin()));
  return {};
}

Status destroy(ncclRedOp_t op, ncclComm* comm) {
  SLUICE_TRY(check_handle(comm));
  const int value = static_cast<int>(op);
  const auto index = static_cast<std::size_t>(value) - ncclNumOps;
  if (value < static_cast<int>(ncclNumOps) || index >= comm->factors.size() ||
      !comm->factors[index].alive)
    return bad_argument(fmt::format(
        "ncclRedOpDestroy: {} is not an operator that was made on this communicator", value));
  comm->factors[index].alive = false;
  return {};
}

}  // namespace

ncclResult_t RedOpCreatePreMulSum(ncclRedOp_t* op, void* scalar, ncclDataType_t datatype,
                                  ncclScalarResidence_t residence, ncclComm_t comm) {
  return conclude(create(op, scalar, datatype, residence, comm));
}

ncclResult_t RedOpDestroy(ncclRedOp_t op, ncclComm_t comm) { return conclude(destroy(op, comm)); }

}  // namespace sluice::nccl
