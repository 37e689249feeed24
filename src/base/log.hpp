// Logging: spdlog to stderr. SLUICE_LOG = error | warn (default) | info | debug | trace | off.
#pragma once

#include <spdlog/spdlog.h>

#include <utility>

namespace sluice::log {

/// The process's logger. Thread-safe; made at first use.
spdlog::logger& logger();

template <class... Args>
void error(spdlog::format_string_t<Args...> format, Args&&... args) {
  logger().error(format, std::forward<Args>(args)...);
}
template <class... Args>
void warn(spdlog::format_string_t<Args...> format, Args&&... args) {
  logger().warn(format, std::forward<Args>(args)...);
}
template <class... Args>
void info(spdlog::format_string_t<Args...> format, Args&&... args) {
  logger().info(format, std::forward<Args>(args)...);
}
template <class... Args>
void debug(spdlog::format_string_t<Args...> format, Args&&... args) {
  logger().debug(format, std::forward<Args>(args)...);
}

}  // namespace sluice::log
