#include "sluice_top/options.hpp"

#include <CLI/CLI.hpp>

#include "communicator/flight_reader.hpp"

namespace sluice::top {

std::variant<CommandLine, int> parse(int argc, char** argv) {
  CommandLine line;
  CLI::App app(
      "Shows what every rank of Sluice on this host is doing and whom it waits for, from outside: "
      "the ranks may hang or be stopped. Shows your own processes; all, as root.");
  app.set_version_flag("--version", SLUICE_VERSION);
  app.add_option("--pid", line.pid, "Only communicators that this process has a rank in")
      ->check(CLI::PositiveNumber);
  int once = 0;
  auto* once_flag = app.add_flag("--once", once, "Look once (the default)");
  app.add_option("--interval", line.every_s, "Look again every so many seconds, until interrupted")
      ->check(CLI::Range(0.01, 1e6))
      ->excludes(once_flag);
  app.add_option("--history", line.history, "Also the last operations of each rank, so many")
      ->check(CLI::Range(0, static_cast<int>(RankFlight::kHistory) - 1));
  app.add_flag("--json", line.json, "One JSON object on one line for each look");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return line;
}

}  // namespace sluice::top
