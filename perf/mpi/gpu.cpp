// How fast datatypes in a GPU's memory are packed by MPI_Pack with the interposer in front: beside
// a copy for each block, which is what MPI libraries do, a 2D copy, and a plain copy. Prints a
// line of JSON for each case. One process, no launcher: LD_PRELOAD=libsluice-mpi.so
// sluice-mpi-gpu-perf. Exit status 77 without a GPU.
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/median.hpp"
#include "clock.hpp"
#include "gpu_memory.hpp"

namespace {

using mpi_perf::Gpu;
using mpi_perf::GpuMemory;
using mpi_perf::now_us;
using Pointer = Gpu::Pointer;

std::int64_t packed_bytes = 4 << 20;
std::ofstream results;
/// Of a GPU's memory: what is read or written at the least.
constexpr std::int64_t kSectorBytes = 32;
/// Copies block by block are measured over so many, and stand for all.
constexpr std::int64_t kMostCopies = 4096;

struct Method {
  const char* name;
  std::function<void()> run;
  double stands_for = 1;  ///< how many times as much
};

/// Medians of samples that go round all methods.
void measure(const std::string& name, std::int64_t bytes, double touched_bytes,
             const std::vector<Method>& methods) {
  constexpr int kSamples = 21;
  std::vector<std::vector<double>> times(methods.size());
  for (int sample = 0; sample <= kSamples; ++sample)
    for (std::size_t m = 0; m < methods.size(); ++m) {
      const double start = now_us();
      methods[m].run();
      if (sample > 0) times[m].push_back((now_us() - start) * methods[m].stands_for);
    }
  nlohmann::ordered_json us;
  for (std::size_t m = 0; m < methods.size(); ++m)
    us[methods[m].name] = sluice::median_of(times[m]);
  const nlohmann::ordered_json row = {{"what", "gpu pack"},
                                      {"case", name},
                                      {"bytes", bytes},
                                      {"touched", static_cast<std::int64_t>(touched_bytes)},
                                      {"us", us}};
  std::cout << row.dump() << std::endl;
  if (results.is_open()) results << row.dump() << std::endl;
}

std::function<void()> pack(MPI_Datatype type, int count, Pointer from, Pointer to,
                           std::int64_t bytes) {
  return [=] {
    int position = 0;
    if (MPI_Pack(reinterpret_cast<const void*>(from), count, type, reinterpret_cast<void*>(to),
                 static_cast<int>(bytes), &position, MPI_COMM_SELF) != MPI_SUCCESS ||
        position != bytes)
      std::exit(1);
  };
}

/// Sectors of both sides, when each is touched once.
double touched(std::int64_t blocks, std::int64_t block_bytes) {
  const std::int64_t sectors = (block_bytes + kSectorBytes - 1) / kSectorBytes;
  return static_cast<double>(blocks * sectors * kSectorBytes + blocks * block_bytes);
}

void blocks(const Gpu& gpu, std::int64_t block, std::int64_t stride) {
  const std::int64_t count = packed_bytes / block;
  const GpuMemory user(gpu, count * stride), packed(gpu, packed_bytes);
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_vector(static_cast<int>(count), static_cast<int>(block), static_cast<int>(stride),
                  MPI_BYTE, &type);
  MPI_Type_commit(&type);
  const std::int64_t copies = std::min(count, kMostCopies);
  Gpu::Plane plane;
  plane.from = user;
  plane.from_pitch = static_cast<std::size_t>(stride);
  plane.to = packed;
  plane.to_pitch = plane.width = static_cast<std::size_t>(block);
  plane.height = static_cast<std::size_t>(count);
  // A copy of n bytes touches 2 n.
  const auto half = static_cast<std::int64_t>(touched(count, block) / 2);
  const GpuMemory one(gpu, half), other(gpu, half);
  measure(std::to_string(block) + " B at stride " + std::to_string(stride) + " B", packed_bytes,
          touched(count, block),
          {{"sluice", pack(type, 1, user, packed, packed_bytes)},
           {"copy of as many sectors", [&] { gpu.copy(other, one, half), gpu.wait(); }},
           {"2D copy", [&] { gpu.copy(plane), gpu.wait(); }},
           {"a copy for each block",
            [&] {
              for (std::int64_t k = 0; k < copies; ++k)
                gpu.copy(packed + static_cast<Pointer>(k * block),
                         user + static_cast<Pointer>(k * stride), block);
              gpu.wait();
            },
            static_cast<double>(count) / static_cast<double>(copies)}});
  MPI_Type_free(&type);
}

/// What one of 26 neighbours gets of a box of n^3 cells with a halo of `radius`: `quantities` of 8
/// bytes in each, in the direction (x, y, z).
void halo(const Gpu& gpu, int n, int radius, int quantities, int x, int y, int z) {
  const int side = n + 2 * radius, cell = 8 * quantities;
  const auto length = [&](int direction) { return direction == 0 ? n : radius; };
  const auto start = [&](int direction) { return direction > 0 ? n : radius; };
  const int sizes[] = {side, side, side * cell};
  const int parts[] = {length(z), length(y), length(x) * cell};
  const int starts[] = {start(z), start(y), start(x) * cell};
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_subarray(3, sizes, parts, starts, MPI_ORDER_C, MPI_BYTE, &type);
  MPI_Type_commit(&type);
  const std::int64_t rows = std::int64_t{parts[0]} * parts[1], bytes = rows * parts[2];
  const GpuMemory user(gpu, std::int64_t{side} * side * side * cell), packed(gpu, bytes);
  const auto half = static_cast<std::int64_t>(touched(rows, parts[2]) / 2);
  const GpuMemory one(gpu, half), other(gpu, half);
  measure("halo of " + std::to_string(n) + "^3, " + std::to_string(x) + " " + std::to_string(y) +
              " " + std::to_string(z),
          bytes, touched(rows, parts[2]),
          {{"sluice", pack(type, 1, user, packed, bytes)},
           {"copy of as many sectors", [&] { gpu.copy(other, one, half), gpu.wait(); }}});
  MPI_Type_free(&type);
}

void measure_all(const Gpu& gpu, int cells) {
  for (std::int64_t block = 1; block <= 512; block *= 2) blocks(gpu, block, 512);
  for (std::int64_t block = 1024; block <= 4096; block *= 2) blocks(gpu, block, 2 * block);
  // One of each kind of neighbour; the others are their mirror images.
  for (const int x : {0, 1})
    for (const int y : {0, 1})
      for (const int z : {0, 1})
        if (x + y + z > 0) halo(gpu, cells, 3, 8, x, y, z);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("How fast the MPI door packs datatypes in a GPU's memory");
  std::string json;
  std::int64_t packed_kib = packed_bytes >> 10;
  int cells = 256;
  app.add_option("--json", json, "append the lines to this file, too");
  app.add_option("packed_kib", packed_kib, "of the strided blocks")->check(CLI::Range(1, 1 << 20));
  app.add_option("cells", cells, "along each edge of the box of the halos")
      ->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  packed_bytes = packed_kib << 10;
  if (!json.empty()) results.open(json, std::ios::app);
  MPI_Init(&argc, &argv);
  const Gpu* const gpu = Gpu::find();
  if (gpu != nullptr) measure_all(*gpu, cells);
  MPI_Finalize();
  if (gpu == nullptr) std::cout << "no GPU here" << std::endl;
  return gpu != nullptr ? 0 : mpi_perf::kNoGpu;
}
