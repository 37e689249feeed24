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

}  // namespace sluice::environment
