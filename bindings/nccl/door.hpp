// The functions behind the exports, in C++: nccl.h's, without the prefix. exports.cpp calls them.
#pragma once

#include "bindings/nccl/nccl.h"
#include "bindings/nccl/nccl_device.h"

namespace sluice::nccl {

#define NCCL_FUNCTION(result, name, parameters, arguments) result name parameters;
#include "bindings/nccl/functions.inc"
#undef NCCL_FUNCTION

/// Their number and order in functions.inc.
enum class Slot : unsigned {
#define NCCL_FUNCTION(result, name, parameters, arguments) k##name,
#include "bindings/nccl/functions.inc"
#undef NCCL_FUNCTION
  kCount
};

}  // namespace sluice::nccl
