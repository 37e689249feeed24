#include "base/environment.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/log.hpp"

namespace sluice::environment {

std::optional<std::string> text(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

std::string text(const char* variable, const char* otherwise) {
  return text(variable).value_or(otherwise);
}

std::optional<std::int64_t> number(const char* variable) {
  const auto value = text(variable);
  if (!value) return std::nullopt;
  std::int64_t parsed = 0;
  const char* end = value->data() + value->size();
  const auto [stopped_at, error] = std::from_chars(value->data(), end, parsed);
  if (error == std::errc() && stopped_at == end) return parsed;
  log::warn("{}={} is not a whole number; ignored", variable, *value);
  return std::nullopt;
}

}  // namespace sluice::environment
