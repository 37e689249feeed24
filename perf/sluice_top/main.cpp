// sluice-top: what every rank on this host is doing. docs/flight-recorder.md describes it.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <variant>

#include "sluice_top/options.hpp"
#include "sluice_top/report.hpp"

namespace {

using namespace sluice;

/// Prints one look. False when the output is closed.
bool show(const top::CommandLine& line, const FlightScan& scan) {
  if (line.every_s && !line.json && ::isatty(STDOUT_FILENO) == 1)
    std::fputs("\033[H\033[2J", stdout);  // the terminal is cleared
  const std::string text =
      line.json ? top::json_of(scan, line.history) : top::text_of(scan, line.history);
  std::fputs(text.c_str(), stdout);
  if (line.every_s && !line.json) std::fputs("\n", stdout);
  return std::fflush(stdout) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = top::parse(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& line = std::get<top::CommandLine>(parsed);
  for (;;) {
    const FlightScan scan = scan_flights(line.pid);
    if (!show(line, scan)) return 1;
    if (!line.every_s) return line.pid && scan.communicators.empty() ? 1 : 0;
    std::this_thread::sleep_for(std::chrono::duration<double>(*line.every_s));
  }
}
