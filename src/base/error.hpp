// Making errors: the detector of an error calls fail() once; everybody above returns the Status it
// got.
#pragma once

#include <fmt/format.h>

#include <string>

#include "sluice/status.hpp"

namespace sluice {

/// Logs `text` at error level, keeps it for last_error() and returns a Status whose what() is
/// `what`.
Status fail(Errc code, const char* what, std::string text, int os_error = 0);

/// fail() for a failed system call: the text gets ": <strerror(os_error)>".
Status fail_os(const char* what, std::string text, int os_error);

/// Keeps `text` for last_error() without logging (an error that another thread or rank has logged).
void set_last_error(std::string text);

}  // namespace sluice

#define SLUICE_TRY(expression)                                                           \
  do {                                                                                   \
    if (::sluice::Status sluice_try = (expression); !sluice_try.ok()) return sluice_try; \
  } while (false)

#define SLUICE_CONCAT_(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_(a, b)
/// SLUICE_TRY_ASSIGN(auto fd, open_it()): returns the error, or moves the value into the
/// declaration.
#define SLUICE_TRY_ASSIGN(declaration, expression) \
  SLUICE_TRY_ASSIGN_(SLUICE_CONCAT(sluice_result_, __LINE__), declaration, expression)
#define SLUICE_TRY_ASSIGN_(result, declaration, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return result.status();                 \
  declaration = std::move(result).value()
