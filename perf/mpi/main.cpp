// long: one program, each part of which is short.
// Measures what the interposer does to one MPI library, from inside one process: its functions,
// found through the library's handle, and the ones in front of them, in turn. Prints a line of JSON
// for each case. Usage:
//   mpi_perf pack|unpack|calls|messages|broadcasts|halo|once [--cases PART] [--samples N] [--mixed]
// messages, broadcasts and halo are for two ranks. `once` packs each case once, so that the
// interposer's report names its kernel.
#include <dlfcn.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/median.hpp"
#include "cases.hpp"
#include "clock.hpp"

namespace {

using namespace mpi_perf;

struct Options {
  std::string what = "pack";
  std::string part;  ///< cases whose name contains it
  int samples = 15;
  bool mixed = false;
};

/// The functions that are measured: the library's own, or whatever the program sees.
struct Calls {
  decltype(&MPI_Pack) pack;
  decltype(&MPI_Unpack) unpack;
  decltype(&MPI_Send) send;
  decltype(&MPI_Recv) receive;
  decltype(&MPI_Isend) start_send;
  decltype(&MPI_Irecv) start_receive;
  decltype(&MPI_Waitall) wait_all;
  decltype(&MPI_Test) test;
  decltype(&MPI_Bcast) broadcast;
};

const Calls kSeen = {MPI_Pack,  MPI_Unpack,  MPI_Send, MPI_Recv, MPI_Isend,
                     MPI_Irecv, MPI_Waitall, MPI_Test, MPI_Bcast};

void* library() {
  for (const char* name : {"libmpi.so.40", "libmpich.so.12", "libmpi.so.12", "libmpi.so"}) {
    if (void* handle = ::dlopen(name, RTLD_NOLOAD | RTLD_LAZY)) {
      return handle;
    }
  }
  std::fprintf(stderr, "mpi_perf: no MPI library under a name that it knows\n");
  std::exit(1);
}

template <typename Function>
void find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  if (function == nullptr) {
    std::fprintf(stderr, "mpi_perf: the library has no %s\n", name);
    std::exit(1);
  }
}

Calls own_calls() {
  void* const handle = library();
  Calls own{};
  find(handle, "MPI_Pack", own.pack);
  find(handle, "MPI_Unpack", own.unpack);
  find(handle, "MPI_Send", own.send);
  find(handle, "MPI_Recv", own.receive);
  find(handle, "MPI_Isend", own.start_send);
  find(handle, "MPI_Irecv", own.start_receive);
  find(handle, "MPI_Waitall", own.wait_all);
  find(handle, "MPI_Test", own.test);
  find(handle, "MPI_Bcast", own.broadcast);
  return own;
}

struct Method {
  const char* name;
  std::function<void()> run;
};

/// The medians of samples that go round all methods; a sample lasts some tens of microseconds at
/// least.
std::vector<double> interleaved(const std::vector<Method>& methods, int samples) {
  constexpr double kSampleUs = 60;
  std::vector<std::vector<double>> times(methods.size());
  std::vector<int> repeats;
  for (const Method& method : methods) {
    method.run();
    const double start = now_us();
    method.run();
    const double once = std::max(now_us() - start, 0.005);
    repeats.push_back(std::clamp(static_cast<int>(kSampleUs / once), 1, 5000));
  }
  for (int sample = 0; sample < samples; ++sample) {
    for (std::size_t m = 0; m < methods.size(); ++m) {
      methods[m].run();
      const double start = now_us();
      for (int k = 0; k < repeats[m]; ++k) {
        methods[m].run();
      }
      times[m].push_back((now_us() - start) / repeats[m]);
    }
  }
  std::vector<double> medians;
  for (const auto& of_one : times) {
    medians.push_back(sluice::median_of(of_one));
  }
  return medians;
}

void print_row(const Options& options, const std::string& name, std::int64_t bytes,
               const std::vector<std::pair<std::string, double>>& us) {
  std::printf("{\"what\": \"%s\", \"case\": \"%s\", \"bytes\": %lld, \"us\": {",
              options.what.c_str(), name.c_str(), static_cast<long long>(bytes));
  for (std::size_t k = 0; k < us.size(); ++k) {
    std::printf("%s\"%s\": %.5f", k == 0 ? "" : ", ", us[k].first.c_str(), us[k].second);
  }
  std::printf("}}\n");
  std::fflush(stdout);
}

std::vector<std::byte> filled(std::int64_t bytes) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(bytes) + 64);
  for (std::size_t k = 0; k < buffer.size(); ++k) {
    buffer[k] = static_cast<std::byte>(k * 31 + k / 251);
  }
  return buffer;
}

/// Pack and unpack: memcpy of the packed bytes, the loop by hand, the library, what the program
/// sees.
void measure_packing(const Options& options, const Case& each, const Calls& own) {
  const bool pack = options.what == "pack";
  std::vector<std::byte> user = filled(each.span_bytes), packed = filled(each.bytes),
                         other = packed;
  const auto call = [&](const Calls& calls) {
    return [&each, &user, &packed, calls, pack] {
      int position = 0;
      const int bytes = static_cast<int>(each.bytes);
      if (pack) {
        calls.pack(user.data(), each.count, each.type, packed.data(), bytes, &position,
                   MPI_COMM_WORLD);
      } else {
        calls.unpack(packed.data(), bytes, &position, user.data(), each.count, each.type,
                     MPI_COMM_WORLD);
      }
    };
  };
  const std::vector<Method> methods = {
      {"memcpy",
       [&] { std::memcpy(other.data(), packed.data(), static_cast<std::size_t>(each.bytes)); }},
      {"hand", [&] { (pack ? each.pack : each.unpack)(user.data(), packed.data()); }},
      {"library", call(own)},
      {"sluice", call(kSeen)}};
  const std::vector<double> times = interleaved(methods, options.samples);
  std::vector<std::pair<std::string, double>> us;
  for (std::size_t k = 0; k < methods.size(); ++k) {
    us.emplace_back(methods[k].name, times[k]);
  }
  print_row(options, each.name, each.bytes, us);
}

/// What a call costs that does nothing, through the interposer and without it.
void measure_calls(const Options& options, const Calls& own) {
  MPI_Datatype strided = MPI_DATATYPE_NULL;
  MPI_Type_vector(4, 1, 2, MPI_DOUBLE, &strided);
  MPI_Type_commit(&strided);
  std::array<double, 16> buffer{};
  const auto row = [&](const char* name, const std::function<void(const Calls&)>& call) {
    const std::vector<double> times = interleaved(
        {{"library", [&] { call(own); }}, {"sluice", [&] { call(kSeen); }}}, options.samples * 4);
    print_row(options, name, 0, {{"library", times[0]}, {"sluice", times[1]}});
  };
  constexpr int kCalls = 100;  // in one, so that the clock and std::function do not count
  row("100 sends of contiguous doubles to nobody", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      calls.send(buffer.data(), 4, MPI_DOUBLE, MPI_PROC_NULL, 1, MPI_COMM_WORLD);
    }
  });
  row("100 sends of a derived type to nobody", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      calls.send(buffer.data(), 1, strided, MPI_PROC_NULL, 1, MPI_COMM_WORLD);
    }
  });
  row("100 receives of contiguous doubles from nobody", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      calls.receive(buffer.data(), 4, MPI_DOUBLE, MPI_PROC_NULL, 1, MPI_COMM_WORLD,
                    MPI_STATUS_IGNORE);
    }
  });
  row("100 tests of a null request", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      MPI_Request request = MPI_REQUEST_NULL;
      int flag = 0;
      calls.test(&request, &flag, MPI_STATUS_IGNORE);
    }
  });
  row("100 waits for four null requests", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      std::array<MPI_Request, 4> requests;
      requests.fill(MPI_REQUEST_NULL);
      calls.wait_all(4, requests.data(), MPI_STATUSES_IGNORE);
    }
  });
  MPI_Type_free(&strided);
}

/// Which functions each side of a message uses.
struct Way {
  const char* name;
  const Calls* send;
  const Calls* receive;
};

/// A schedule of samples that both ranks follow; times are rank 0's.
std::vector<double> interleaved_ranks(const std::vector<std::function<void()>>& ways, int samples) {
  constexpr double kSampleUs = 400;
  std::vector<std::vector<double>> times(ways.size());
  std::vector<int> repeats;
  for (const auto& way : ways) {
    way();
    const double start = now_us();
    way();
    double once = std::max(now_us() - start, 0.1);
    MPI_Bcast(&once, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    repeats.push_back(std::clamp(static_cast<int>(kSampleUs / once), 1, 400));
  }
  for (int sample = 0; sample < samples; ++sample) {
    for (std::size_t w = 0; w < ways.size(); ++w) {
      ways[w]();
      const double start = now_us();
      for (int k = 0; k < repeats[w]; ++k) {
        ways[w]();
      }
      times[w].push_back((now_us() - start) / repeats[w]);
    }
  }
  std::vector<double> medians;
  for (const auto& of_one : times) {
    medians.push_back(sluice::median_of(of_one));
  }
  return medians;
}

std::vector<Way> ways_of(const Options& options, const Calls& own) {
  std::vector<Way> ways = {{"library", &own, &own}, {"sluice", &kSeen, &kSeen}};
  if (options.mixed) {
    ways.push_back({"sluice sends", &kSeen, &own});
    ways.push_back({"sluice receives", &own, &kSeen});
  }
  return ways;
}

/// Half a round trip.
void measure_messages(const Options& options, const Case& each, const Calls& own, int rank) {
  const std::vector<Way> ways = ways_of(options, own);
  std::vector<std::byte> user = filled(each.span_bytes);
  std::vector<std::function<void()>> runs;
  for (const Way& way : ways) {
    runs.emplace_back([&, way] {
      if (rank == 0) {
        way.send->send(user.data(), each.count, each.type, 1, 1, MPI_COMM_WORLD);
      }
      way.receive->receive(user.data(), each.count, each.type, 1 - rank, 1, MPI_COMM_WORLD,
                           MPI_STATUS_IGNORE);
      if (rank == 1) {
        way.send->send(user.data(), each.count, each.type, 0, 1, MPI_COMM_WORLD);
      }
    });
  }
  const std::vector<double> times = interleaved_ranks(runs, options.samples);
  std::vector<std::pair<std::string, double>> us;
  for (std::size_t k = 0; k < ways.size(); ++k) {
    us.emplace_back(ways[k].name, times[k] / 2);
  }
  if (rank == 0) {
    print_row(options, each.name, each.bytes, us);
  }
}

/// Half of a broadcast of each rank.
void measure_broadcasts(const Options& options, const Case& each, const Calls& own, int rank) {
  std::vector<std::byte> user = filled(each.span_bytes);
  std::vector<std::function<void()>> runs;
  for (const Calls* calls : {&own, &kSeen}) {
    runs.emplace_back([&user, &each, calls] {
      for (const int root : {0, 1}) {
        calls->broadcast(user.data(), each.count, each.type, root, MPI_COMM_WORLD);
      }
    });
  }
  const std::vector<double> times = interleaved_ranks(runs, options.samples);
  if (rank == 0) {
    print_row(options, each.name, each.bytes,
              {{"library", times[0] / 2}, {"sluice", times[1] / 2}});
  }
}

struct HaloCase {
  const char* name;
  int n, halo, neighbours;
  bool split_z;  ///< the ranks are neighbours in z, else in x; in the other directions each is its
                 ///< own neighbour
};

void measure_halo(const Options& options, const HaloCase& halo, const Calls& own, int rank) {
  const std::vector<HaloTypes> types = halo_types(halo.n, halo.halo, halo.neighbours);
  const std::int64_t side = halo.n + 2 * halo.halo;
  std::vector<std::byte> box = filled(side * side * side * 8);
  const std::vector<Way> ways = ways_of(options, own);
  std::vector<MPI_Request> requests(types.size() * 2);
  std::int64_t bytes = 0;
  for (const HaloTypes& type : types) {
    int size = 0;
    MPI_Type_size(type.send, &size);
    bytes += size;
  }
  std::vector<std::function<void()>> runs;
  for (const Way& way : ways) {
    runs.emplace_back([&, way] {
      for (std::size_t k = 0; k < types.size(); ++k) {
        const bool other = (halo.split_z ? types[k].z : types[k].x) != 0;
        const int peer = other ? 1 - rank : rank, tag = static_cast<int>(k);
        way.receive->start_receive(box.data(), 1, types[k].receive, peer, tag, MPI_COMM_WORLD,
                                   &requests[2 * k]);
        way.send->start_send(box.data(), 1, types[k].send, peer, tag, MPI_COMM_WORLD,
                             &requests[2 * k + 1]);
      }
      way.receive->wait_all(static_cast<int>(requests.size()), requests.data(),
                            MPI_STATUSES_IGNORE);
    });
  }
  const std::vector<double> times = interleaved_ranks(runs, options.samples);
  std::vector<std::pair<std::string, double>> us;
  for (std::size_t k = 0; k < ways.size(); ++k) {
    us.emplace_back(ways[k].name, times[k]);
  }
  if (rank == 0) {
    print_row(options, halo.name, bytes, us);
  }
  for (HaloTypes type : types) {
    MPI_Type_free(&type.send);
    MPI_Type_free(&type.receive);
  }
}

constexpr std::array<HaloCase, 9> kHaloCases = {{{"32^3 h1 6 (z)", 32, 1, 6, true},
                                                 {"64^3 h1 6 (z)", 64, 1, 6, true},
                                                 {"64^3 h1 6 (x)", 64, 1, 6, false},
                                                 {"64^3 h3 26 (z)", 64, 3, 26, true},
                                                 {"128^3 h1 6 (z)", 128, 1, 6, true},
                                                 {"128^3 h3 26 (z)", 128, 3, 26, true},
                                                 {"256^3 h1 6 (x)", 256, 1, 6, false},
                                                 {"256^3 h3 26 (z)", 256, 3, 26, true},
                                                 {"256^3 h3 26 (x)", 256, 3, 26, false}}};

void pack_once(const Case& each) {
  std::vector<std::byte> user = filled(each.span_bytes), packed = filled(each.bytes);
  int position = 0;
  MPI_Pack(user.data(), each.count, each.type, packed.data(), static_cast<int>(each.bytes),
           &position, MPI_COMM_WORLD);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int k = 1; k < argc; ++k) {
    const std::string_view word = argv[k];
    if (word == "--cases" && k + 1 < argc) {
      options.part = argv[++k];
    } else if (word == "--samples" && k + 1 < argc) {
      options.samples = std::max(1, std::atoi(argv[++k]));
    } else if (word == "--mixed") {
      options.mixed = true;
    } else if (!word.starts_with("-")) {
      options.what = word;
    } else {
      std::fprintf(stderr, "mpi_perf: no option %s\n", argv[k]);
      std::exit(2);
    }
  }
  return options;
}

void print_header(const Options& options, const Calls& own) {
  std::vector<char> version(MPI_MAX_LIBRARY_VERSION_STRING + 1);
  int length = 0;
  MPI_Get_library_version(version.data(), &length);
  std::string first(version.data());
  first = first.substr(0, first.find_first_of(",\n"));
  std::ranges::replace(first, '\t', ' ');
  std::printf("{\"what\": \"%s\", \"library\": \"%s\", \"interposed\": %s}\n", options.what.c_str(),
              first.c_str(), own.pack != kSeen.pack ? "true" : "false");
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const Options options = parse(argc, argv);
  const Calls own = own_calls();
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const bool two =
      options.what == "messages" || options.what == "broadcasts" || options.what == "halo";
  if (size != (two ? 2 : 1)) {
    std::fprintf(stderr, "mpi_perf: %s is for %d ranks\n", options.what.c_str(), two ? 2 : 1);
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  if (rank == 0) {
    print_header(options, own);
  }
  if (options.what == "calls") {
    measure_calls(options, own);
  } else if (options.what == "halo") {
    for (const HaloCase& halo : kHaloCases) {
      if (std::string_view(halo.name).find(options.part) != std::string_view::npos) {
        measure_halo(options, halo, own, rank);
      }
    }
  } else {
    for (Case& each : all_cases()) {
      if (each.name.find(options.part) != std::string::npos && (!two || each.in_messages)) {
        if (options.what == "once") {
          pack_once(each);
        } else if (options.what == "broadcasts") {
          measure_broadcasts(options, each, own, rank);
        } else if (two) {
          measure_messages(options, each, own, rank);
        } else {
          measure_packing(options, each, own);
        }
      }
      MPI_Type_free(&each.type);
    }
  }
  MPI_Finalize();
  return 0;
}
