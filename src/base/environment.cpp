#include "base/environment.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>

#include "base/log.hpp"

namespace sluice::environment {
namespace {

struct Provided {
  std::mutex mutex;
  std::map<std::string, std::string, std::less<>> values;
};

/// Never destroyed: other threads may read until the process ends.
Provided& provided() {
  static Provided* const instance = new Provided;
  return *instance;
}

}  // namespace

std::optional<std::string> text(const char* variable) {
  if (const char* value = std::getenv(variable); value != nullptr && *value != '\0') return value;
  const std::lock_guard lock(provided().mutex);
  const auto found = provided().values.find(std::string_view(variable));
  if (found == provided().values.end()) return std::nullopt;
  return found->second;
}

void provide(const char* variable, std::string value) {
  const std::lock_guard lock(provided().mutex);
  provided().values.insert_or_assign(variable, std::move(value));
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
