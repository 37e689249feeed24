#include "measuring.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/median.hpp"
#include "clock.hpp"

namespace mpi_perf {

const Calls kSeen = {MPI_Pack,  MPI_Unpack,  MPI_Send, MPI_Recv, MPI_Isend,
                     MPI_Irecv, MPI_Waitall, MPI_Test, MPI_Bcast};

namespace {

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

}  // namespace

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

bool Options::chooses(std::string_view name) const {
  return parts.empty() || std::ranges::any_of(parts, [name](const std::string& part) {
           return name.find(part) != std::string_view::npos;
         });
}

UserMemory::UserMemory(const Setting& setting, std::int64_t bytes) {
  if (setting.gpu != nullptr)
    gpu_ = std::make_unique<GpuMemory>(*setting.gpu, bytes);
  else
    host_ = filled(bytes);
}

void* UserMemory::data() const {
  return gpu_ != nullptr ? reinterpret_cast<void*>(static_cast<Gpu::Pointer>(*gpu_))
                         : const_cast<std::byte*>(host_.data());
}

std::vector<std::byte> filled(std::int64_t bytes) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(bytes) + 64);
  for (std::size_t k = 0; k < buffer.size(); ++k) {
    buffer[k] = static_cast<std::byte>(k * 31 + k / 251);
  }
  return buffer;
}

namespace {

/// How often one sample runs what takes `once_us`.
int repeats_for(double once_us, double sample_us, int most) {
  return std::clamp(static_cast<int>(sample_us / once_us), 1, most);
}

double timed_once(const Method& method) {
  method.run();
  const double start = now_us();
  method.run();
  return now_us() - start;
}

template <class Meet>
std::vector<double> medians_in_turn(const std::vector<Method>& methods,
                                    const std::vector<int>& repeats, int samples,
                                    const Meet& meet) {
  std::vector<std::vector<double>> times(methods.size());
  for (int sample = 0; sample < samples; ++sample) {
    for (std::size_t m = 0; m < methods.size(); ++m) {
      meet();
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

}  // namespace

std::vector<double> interleaved(const std::vector<Method>& methods, int samples) {
  std::vector<int> repeats;
  for (const Method& method : methods) {
    repeats.push_back(repeats_for(std::max(timed_once(method), 0.005), 60, 5000));
  }
  return medians_in_turn(methods, repeats, samples, [] {});
}

std::vector<double> interleaved_ranks(const std::vector<Method>& methods, int samples) {
  std::vector<int> repeats;
  for (const Method& method : methods) {
    double once_us = std::max(timed_once(method), 0.1);
    MPI_Bcast(&once_us, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    repeats.push_back(repeats_for(once_us, 400, 400));
  }
  return medians_in_turn(methods, repeats, samples, [] { MPI_Barrier(MPI_COMM_WORLD); });
}

void print_row(const Options& options, const std::string& name, std::int64_t bytes,
               const std::vector<Method>& methods, const std::vector<double>& times_us,
               double share) {
  constexpr double kPerUs = 1e5;  // what is beyond is the clock's noise
  nlohmann::ordered_json us;
  for (std::size_t m = 0; m < methods.size(); ++m)
    us[methods[m].name] = std::round(times_us[m] * share * kPerUs) / kPerUs;
  const nlohmann::ordered_json row = {
      {"what", options.what}, {"case", name}, {"bytes", bytes}, {"us", us}};
  std::cout << row.dump() << std::endl;
}

}  // namespace mpi_perf
