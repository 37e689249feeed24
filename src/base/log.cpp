#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

#include "base/environment.hpp"

namespace sluice::log {

spdlog::logger& logger() {
  // Never destroyed: threads and other objects' destructors may log until the process ends.
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("sluice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e sluice[%P] %l %v");
    made->set_level(spdlog::level::from_str(environment::text("SLUICE_LOG", "warn")));
    return made;
  }();
  return *instance;
}

}  // namespace sluice::log
