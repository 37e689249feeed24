// The environment variables that Sluice reads, through one door so that they can be listed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::environment {

/// The variable's text, or `otherwise` when it is unset or empty.
std::string text(const char* variable, const char* otherwise);

std::optional<std::string> text(const char* variable);

/// The variable as a whole number; nothing when it is unset, empty, or (with a warning) not a
/// number.
std::optional<std::int64_t> number(const char* variable);

/// From now on `value` is the variable's where the process's environment does not have it: what
/// another library's variable of the same meaning says. Thread-safe.
void provide(const char* variable, std::string value);

}  // namespace sluice::environment
