// sluice-perf: times and checks the collectives of Sluice. docs/sluice-perf.md describes it.
#include <string_view>
#include <variant>

#include "sluice_perf/options.hpp"
#include "sluice_perf/report.hpp"
#include "sluice_perf/run_ranks.hpp"
#include "sluice_perf/tune.hpp"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "tune") return sluice::perf::tune(argc, argv);
  const auto parsed = sluice::perf::parse(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& line = std::get<sluice::perf::CommandLine>(parsed);
  if (line.list) {
    line.markdown ? sluice::perf::print_catalogue_markdown() : sluice::perf::print_catalogue();
    return 0;
  }
  return sluice::perf::run_ranks(line);
}
