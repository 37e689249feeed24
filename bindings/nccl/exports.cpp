// The symbols of libnccl.so.2: every function as pncclName, and as ncclName, which is weak so that
// a tool in front can take its place. The only place where an exception could meet C, and where
// calls go to another library instead.
#include <new>
#include <type_traits>

#include "base/error.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/fallback.hpp"

namespace sluice::nccl {
namespace {

/// What a function returns that has failed without a result of its own.
template <class Result>
Result failed(const Status& status) {
  const ncclResult_t result = conclude(status);
  if constexpr (std::is_same_v<Result, ncclResult_t>)
    return result;
  else if constexpr (std::is_same_v<Result, const char*>)
    return "";
  else
    return Result();
}

/// In a handler of an exception: what the caller gets instead.
template <class Result>
Result caught(const char* name) noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return failed<Result>(fail(Errc::kSystemError, "no memory", std::string(name) + ": no memory"));
  } catch (const std::exception& error) {
    return failed<Result>(
        fail(Errc::kInternalError, "exception", std::string(name) + ": " + error.what()));
  }
}

}  // namespace
}  // namespace sluice::nccl

#define NCCL_FUNCTION(result, name, parameters, arguments)                                        \
  extern "C" result pnccl##name parameters {                                                      \
    try {                                                                                         \
      const auto* const other = sluice::nccl::Fallback::instance();                               \
      if (other == nullptr) [[likely]]                                                            \
        return sluice::nccl::name arguments;                                                      \
      using Function = result(*) parameters;                                                      \
      const auto function =                                                                       \
          reinterpret_cast<Function>(other->function(sluice::nccl::Slot::k##name));               \
      if (function == nullptr) return sluice::nccl::failed<result>(other->missing("nccl" #name)); \
      return function arguments;                                                                  \
    } catch (...) {                                                                               \
      return sluice::nccl::caught<result>("nccl" #name);                                          \
    }                                                                                             \
  }                                                                                               \
  extern "C" __attribute__((weak, alias("pnccl" #name))) result nccl##name parameters;

#include "bindings/nccl/functions.inc"
