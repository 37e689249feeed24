#include "base/error.hpp"

#include <cstring>

#include "base/log.hpp"

namespace sluice {
namespace {
thread_local std::string last_error_text;
}  // namespace

const char* name(Errc code) {
  switch (code) {
    case Errc::kOk: return "ok";
    case Errc::kGpuError: return "GPU error";
    case Errc::kSystemError: return "system error";
    case Errc::kInternalError: return "internal error";
    case Errc::kInvalidArgument: return "invalid argument";
    case Errc::kInvalidUsage: return "invalid usage";
    case Errc::kRemoteError: return "remote error";
    case Errc::kInProgress: return "in progress";
    case Errc::kTimeout: return "timeout";
    case Errc::kAborted: return "aborted";
  }
  return "unknown";
}

const std::string& last_error() { return last_error_text; }

void set_last_error(std::string text) { last_error_text = std::move(text); }

Status fail(Errc code, const char* what, std::string text, int os_error) {
  log::error("{}: {}", name(code), text);
  set_last_error(std::move(text));
  return Status(code, what, os_error);
}

Status fail_os(const char* what, std::string text, int os_error) {
  return fail(Errc::kSystemError, what, fmt::format("{}: {}", text, std::strerror(os_error)),
              os_error);
}

}  // namespace sluice
