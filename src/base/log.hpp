// Logging to stderr, or to a file. SLUICE_LOG = error | warn (default) | info | debug | trace |
// off.
//
// The logger itself, spdlog, is behind write(): its templates take a compiler twenty times as long
// as making the text does.
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

/// What a line of kInfo or below is about; warnings and errors are of all.
enum class Topic : unsigned {
  kInit,       // communicators: made on what, by whom
  kBootstrap,  // the rendezvous, and who has left it
  kNetwork,    // interfaces, rails
  kMemory,     // memory that processes share
  kTuning,     // figures, and what is chosen by them
  kSettings,   // what of the environment and of configurations counts
};
constexpr unsigned bit(Topic topic) { return 1u << static_cast<unsigned>(topic); }
constexpr unsigned kAllTopics = ~0u;

/// Only lines about these are written: bits of Topic.
void set_topics(unsigned topics);
bool enabled(Level level, Topic topic);

/// One line, with time, process and level before it. Thread-safe.
void write(Level level, std::string_view text);

/// From now on lines go to this file, each at once. Nothing if so; else why not, and nothing has
/// changed. While no other thread logs.
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
void line(Level level, Topic topic, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level, topic)) write(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(Topic topic, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::kInfo, topic, format, std::forward<Args>(args)...);
}
template <class... Args>
void debug(Topic topic, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::kDebug, topic, format, std::forward<Args>(args)...);
}

}  // namespace sluice::log
