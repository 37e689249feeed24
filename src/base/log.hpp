// Logging to stderr, or to a file. SLUICE_LOG = error | warn (default) | info | debug | trace | off.
//
// The logger itself, spdlog, is behind write(): its templates take a compiler twenty times as long as making the text does.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace sluice::log {

/// What is written is of the set level or above it.
enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kOff };

Level level();
void set_level(Level level);
bool enabled(Level level);

/// One line, with time, process and level before it. Thread-safe.
void write(Level level, std::string_view text);

/// From now on lines go to this file, each at once. Nothing if so; else why not, and nothing has changed.
/// While no other thread logs.
std::string write_to_file(const std::string& path);

template <class... Args>
void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::kError, format, std::forward<Args>(args)...);
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::kWarn, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::kInfo, format, std::forward<Args>(args)...);
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::kDebug, format, std::forward<Args>(args)...);
}

}  // namespace sluice::log
