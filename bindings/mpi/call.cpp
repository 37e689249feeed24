#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

constinit thread_local int nested = 0;

const OwnCalls& own_calls() {
  static const OwnCalls functions;
  return functions;
}

Reason why_not(const TypeInfo& type, std::uint64_t bytes) {
  if (type.layout == nullptr) return Reason::kType;
  if (bytes == 0) return Reason::kEmpty;
  if (type.contiguous()) return Reason::kContiguous;
  return bytes > INT_MAX || type.size > INT_MAX ? Reason::kLarge : Reason::kTable;
}

}  // namespace sluice::mpi
