// Element types and reduction operators. The numbers are those of ncclDataType_t and ncclRedOp_t,
// so that the NCCL door casts instead of translating.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

enum class DataType : std::uint8_t {
  kInt8 = 0,
  kUint8 = 1,
  kInt32 = 2,
  kUint32 = 3,
  kInt64 = 4,
  kUint64 = 5,
  kFloat16 = 6,
  kFloat32 = 7,
  kFloat64 = 8,
  kBfloat16 = 9,
  kFloat8E4M3 = 10,  // OCP FP8: 1 sign, 4 exponent, 3 mantissa bits, no infinity, NaN = 0x7f
  kFloat8E5M2 = 11,  // OCP FP8: 1 sign, 5 exponent, 2 mantissa bits, infinity and NaN as in IEEE
};
inline constexpr int kDataTypeCount = 12;

enum class ReduceOp : std::uint8_t {
  kSum = 0,
  kProduct = 1,
  kMax = 2,
  kMin = 3,
  kAverage = 4,
  kPreMulSum = 5,  // sum of each rank's input times that rank's own scale
};
inline constexpr int kReduceOpCount = 6;

/// Size of one element; 0 for a value outside the enumeration.
constexpr std::size_t size_in_bytes(DataType type) {
  switch (type) {
    case DataType::kInt8:
    case DataType::kUint8:
    case DataType::kFloat8E4M3:
    case DataType::kFloat8E5M2: return 1;
    case DataType::kFloat16:
    case DataType::kBfloat16: return 2;
    case DataType::kInt32:
    case DataType::kUint32:
    case DataType::kFloat32: return 4;
    case DataType::kInt64:
    case DataType::kUint64:
    case DataType::kFloat64: return 8;
  }
  return 0;
}

/// The name used in logs, JSON, on sluice-perf's command line (nccl-tests' names): "float", "sum";
/// "unknown" outside the enumeration.
constexpr std::string_view name(DataType type) {
  switch (type) {
    case DataType::kInt8: return "int8";
    case DataType::kUint8: return "uint8";
    case DataType::kInt32: return "int32";
    case DataType::kUint32: return "uint32";
    case DataType::kInt64: return "int64";
    case DataType::kUint64: return "uint64";
    case DataType::kFloat16: return "half";
    case DataType::kFloat32: return "float";
    case DataType::kFloat64: return "double";
    case DataType::kBfloat16: return "bfloat16";
    case DataType::kFloat8E4M3: return "fp8_e4m3";
    case DataType::kFloat8E5M2: return "fp8_e5m2";
  }
  return "unknown";
}

constexpr std::string_view name(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum: return "sum";
    case ReduceOp::kProduct: return "prod";
    case ReduceOp::kMax: return "max";
    case ReduceOp::kMin: return "min";
    case ReduceOp::kAverage: return "avg";
    case ReduceOp::kPreMulSum: return "mulsum";
  }
  return "unknown";
}

}  // namespace sluice
