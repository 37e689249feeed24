// Measures what the interposer does to one MPI library, from inside one process: its functions,
// found through the library's handle, and the ones in front of them, in turn. Prints a line of JSON
// for each case.
#include <dlfcn.h>
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "measures.hpp"

namespace {

using namespace mpi_perf;

bool is_for_two(const std::string& what) {
  return what == "messages" || what == "exchanges" || what == "self" || what == "broadcasts" ||
         what == "halo";
}

/// What it says itself; one that cannot say does not.
bool library_takes(const Gpu& gpu) {
  for (const char* const query : gpu.queries())
    if (void* const function = ::dlsym(RTLD_DEFAULT, query);
        function != nullptr && reinterpret_cast<int (*)()>(function)() == 1)
      return true;
  return false;
}

void print_header(const Setting& setting) {
  std::vector<char> version(MPI_MAX_LIBRARY_VERSION_STRING + 1);
  int length = 0;
  MPI_Get_library_version(version.data(), &length);
  std::string first(version.data());
  first = first.substr(0, first.find_first_of(",\n"));
  std::ranges::replace(first, '\t', ' ');
  nlohmann::ordered_json header = {{"what", setting.options.what},
                                   {"library", first},
                                   {"interposed", setting.own.pack != kSeen.pack}};
  if (setting.gpu != nullptr) header["takes_gpus"] = setting.own_can;
  std::cout << header.dump() << std::endl;
}

void measure_case(const Setting& setting, const Case& each) {
  const std::string& what = setting.options.what;
  if (what == "once")
    pack_once(each);
  else if (what == "broadcasts")
    measure_broadcasts(setting, each);
  else if (what == "self")
    measure_self(setting, each);
  else if (what == "messages")
    measure_messages(setting, each);
  else if (what == "exchanges")
    measure_exchanges(setting, each);
  else
    measure_packing(setting, each);
}

void measure(const Setting& setting) {
  const Options& options = setting.options;
  if (setting.rank == 0) print_header(setting);
  if (options.what == "calls") return measure_calls(setting);
  if (options.what == "halo") return measure_halos(setting);
  for (Case& each : all_cases()) {
    // What has no gaps is packed for a GPU's memory only.
    const bool packs_only = !is_for_two(options.what);
    const bool is_meant =
        packs_only || each.in_messages || (options.gpu && each.name.starts_with("contig."));
    if (is_meant && options.chooses(each.name)) measure_case(setting, each);
    MPI_Type_free(&each.type);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the MPI door does to one MPI library");
  Options options;
  app.add_option("what", options.what,
                 "messages, exchanges, self, broadcasts and halo are for two ranks; once packs "
                 "each case once, so that the interposer's report names its "
                 "kernel")
      ->required()
      ->check(CLI::IsMember({"pack", "unpack", "calls", "messages", "exchanges", "self",
                             "broadcasts", "halo", "once"}));
  app.add_option("--cases", options.parts, "only those whose name contains one of these")
      ->delimiter(',');
  app.add_option("--samples", options.samples)->check(CLI::Range(1, 100000));
  app.add_flag("--mixed", options.mixed,
               "messages and exchanges with the interposer on one side only, too");
  app.add_flag("--gpu", options.gpu,
               "messages and broadcasts: of memory of a GPU; the library's own only where it says "
               "that it takes that")
      ->excludes("--mixed");
  CLI11_PARSE(app, argc, argv);
  MPI_Init(&argc, &argv);
  int size = 1;
  Setting setting{options, own_calls()};
  MPI_Comm_rank(MPI_COMM_WORLD, &setting.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int ranks = is_for_two(options.what) ? 2 : 1;
  const bool mixes = options.what == "messages" || options.what == "exchanges";
  if (size != ranks || (options.mixed && !mixes) ||
      (options.gpu && options.what != "messages" && options.what != "broadcasts")) {
    std::cerr << "sluice-mpi-perf: " << options.what << " is for " << ranks << " ranks"
              << (options.gpu ? ", and --gpu for messages and broadcasts" : "")
              << (options.mixed ? ", and --mixed for messages and exchanges" : "") << std::endl;
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  int can = 1;
  if (options.gpu) {
    setting.gpu = Gpu::find();
    setting.own_can = setting.gpu != nullptr && library_takes(*setting.gpu);
    can = setting.gpu != nullptr;
    MPI_Allreduce(MPI_IN_PLACE, &can, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  }
  if (can != 0)
    measure(setting);
  else if (setting.rank == 0)
    std::cout << "no GPU here" << std::endl;
  MPI_Finalize();
  return can != 0 ? 0 : kNoGpu;
}
