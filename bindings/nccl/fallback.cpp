#include "bindings/nccl/fallback.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bindings/nccl/errors.hpp"

namespace sluice::nccl {
namespace {

constexpr const char* kNames[] = {
#define NCCL_FUNCTION(result, name, parameters, arguments) "nccl" #name,
#include "bindings/nccl/functions.inc"
#undef NCCL_FUNCTION
};

}  // namespace

Fallback::Fallback(std::string path) : path_(std::move(path)) {
  // Never closed: its threads and handles live as long as the process.
  void* const library = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const error = ::dlerror();
    why_missing_ = error == nullptr ? "it cannot be loaded" : error;
    return;
  }
  for (unsigned slot = 0; slot < functions_.size(); ++slot)
    functions_[slot] = ::dlsym(library, kNames[slot]);
  why_missing_ = "it does not have this function";
  log::info(log::Topic::kInit, "SLUICE_NCCL_FALLBACK: all communicators are those of {}", path_);
}

const Fallback* Fallback::instance() {
  static const Fallback* const fallback = [] {
    const auto path = environment::text("SLUICE_NCCL_FALLBACK");
    return path ? new Fallback(*path) : nullptr;
  }();
  return fallback;
}

Status Fallback::missing(const char* name) const {
  return fail(Errc::kInvalidUsage, "not in the fallback",
              fmt::format("{}: SLUICE_NCCL_FALLBACK={}: {}", name, path_, why_missing_));
}

}  // namespace sluice::nccl
