#include "base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <iterator>
#include <memory>

#include "base/environment.hpp"

namespace sluice::log {
namespace {

constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S.%e sluice[%P] %l %v";

// In the order of Level.
constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::trace, spdlog::level::debug,
                                                 spdlog::level::info,  spdlog::level::warn,
                                                 spdlog::level::err,   spdlog::level::off};

spdlog::level::level_enum theirs(Level level) { return kLevels[static_cast<std::size_t>(level)]; }

spdlog::logger& logger() {
  // Never destroyed: threads and other objects' destructors may log until the process ends.
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("sluice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(kPattern);
    made->set_level(spdlog::level::from_str(environment::text("SLUICE_LOG", "warn")));
    return made;
  }();
  return *instance;
}

std::atomic<unsigned> topics_written = kAllTopics;

}  // namespace

Level level() {
  for (std::size_t i = 0; i < std::size(kLevels); ++i)
    if (kLevels[i] >= logger().level()) return static_cast<Level>(i);
  return Level::kOff;
}

void set_level(Level level) { logger().set_level(theirs(level)); }

bool enabled(Level level) { return logger().should_log(theirs(level)); }

void set_topics(unsigned topics) { topics_written.store(topics, std::memory_order_relaxed); }

bool enabled(Level level, Topic topic) {
  if (level >= Level::kWarn) return enabled(level);
  return enabled(level) && (topics_written.load(std::memory_order_relaxed) & bit(topic)) != 0;
}

void write(Level level, std::string_view text) {
  logger().log(theirs(level), spdlog::string_view_t(text.data(), text.size()));
}

std::string write_to_file(const std::string& path) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    file->set_pattern(kPattern);
    logger().sinks().assign(1, std::move(file));
    logger().flush_on(spdlog::level::trace);
    return {};
  } catch (const spdlog::spdlog_ex& error) {
    return error.what();
  }
}

}  // namespace sluice::log
