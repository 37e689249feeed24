// How fast datatypes in a GPU's memory are packed by MPI_Pack with the interposer in front: beside
// a copy for each block, which is what MPI libraries do, cuMemcpy2D, and a plain copy. Prints a
// line of JSON for each case. One process, no launcher: LD_PRELOAD=libsluice-mpi.so
// sluice-mpi-gpu-perf
// [--json FILE] [PACKED_KIB [CELLS]]; the lines also go to the end of FILE. Exit status 77 without
// a GPU.
#include <dlfcn.h>
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/median.hpp"
#include "clock.hpp"

namespace {

using mpi_perf::now_us;

constexpr int kSkipped = 77;
std::int64_t packed_bytes = 4 << 20;
std::FILE* results = nullptr;
/// Of a GPU's memory: what is read or written at the least.
constexpr std::int64_t kSectorBytes = 32;
/// Copies block by block are measured over so many, and stand for all.
constexpr std::int64_t kMostCopies = 4096;

using Pointer = std::uint64_t;

/// What cuMemcpy2DAsync takes; the driver's CUDA_MEMCPY2D_v2.
struct Copy2D {
  std::size_t from_x = 0, from_y = 0;
  int from_kind = 2;  // device memory
  const void* from_host = nullptr;
  Pointer from = 0;
  void* from_array = nullptr;
  std::size_t from_pitch = 0;
  std::size_t to_x = 0, to_y = 0;
  int to_kind = 2;
  void* to_host = nullptr;
  Pointer to = 0;
  void* to_array = nullptr;
  std::size_t to_pitch = 0;
  std::size_t width = 0, height = 0;
};

class Driver {
 public:
  Driver() : library_(::dlopen("libcuda.so.1", RTLD_NOW)) {
    if (library_ == nullptr || !find(init_, "cuInit") || init_(0) != 0) skip();
    void* context = nullptr;
    int (*retain)(void**, int) = nullptr;
    int (*set)(void*) = nullptr;
    if (!find(retain, "cuDevicePrimaryCtxRetain") || !find(set, "cuCtxSetCurrent") ||
        retain(&context, 0) != 0)
      skip();
    must(set(context), "cuCtxSetCurrent");
    const bool all = find(allocate_, "cuMemAlloc_v2") && find(clear_, "cuMemsetD8_v2") &&
                     find(free_, "cuMemFree_v2") && find(copy_, "cuMemcpyAsync") &&
                     find(copy_2d_, "cuMemcpy2DAsync_v2") && find(wait_, "cuStreamSynchronize");
    must(all ? 0 : -1, "the driver's functions");
  }

  Pointer allocate(std::int64_t bytes) const {
    Pointer memory = 0;
    must(allocate_(&memory, static_cast<std::size_t>(bytes)), "cuMemAlloc");
    must(clear_(memory, 7, static_cast<std::size_t>(bytes)), "cuMemsetD8");
    return memory;
  }
  void free(Pointer memory) const { must(free_(memory), "cuMemFree"); }
  void copy(Pointer to, Pointer from, std::int64_t bytes) const {
    must(copy_(to, from, static_cast<std::size_t>(bytes), nullptr), "cuMemcpyAsync");
  }
  void copy(const Copy2D& call) const { must(copy_2d_(&call, nullptr), "cuMemcpy2DAsync"); }
  void wait() const { must(wait_(nullptr), "cuStreamSynchronize"); }

 private:
  template <class Function>
  bool find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
    return function != nullptr;
  }
  [[noreturn]] static void skip() {
    std::printf("no GPU here\n");
    std::exit(kSkipped);
  }
  static void must(int error, const char* what) {
    if (error == 0) return;
    std::fprintf(stderr, "sluice-mpi-gpu-perf: %s: error %d\n", what, error);
    std::exit(1);
  }

  void* library_;
  int (*init_)(unsigned) = nullptr;
  int (*allocate_)(Pointer*, std::size_t) = nullptr;
  int (*free_)(Pointer) = nullptr;
  int (*clear_)(Pointer, unsigned char, std::size_t) = nullptr;
  int (*copy_)(Pointer, Pointer, std::size_t, void*) = nullptr;
  int (*copy_2d_)(const Copy2D*, void*) = nullptr;
  int (*wait_)(void*) = nullptr;
};

class Memory {
 public:
  Memory(const Driver& driver, std::int64_t bytes) : driver_(driver), at_(driver.allocate(bytes)) {}
  ~Memory() { driver_.free(at_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  operator Pointer() const { return at_; }

 private:
  const Driver& driver_;
  Pointer at_;
};

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
  char text[160];
  std::snprintf(
      text, sizeof text,
      "{\"what\": \"gpu pack\", \"case\": \"%s\", \"bytes\": %lld, \"touched\": %.0f, \"us\": {",
      name.c_str(), static_cast<long long>(bytes), touched_bytes);
  std::string line = text;
  for (std::size_t m = 0; m < methods.size(); ++m) {
    std::snprintf(text, sizeof text, "%s\"%s\": %.3f", m == 0 ? "" : ", ", methods[m].name,
                  sluice::median_of(times[m]));
    line += text;
  }
  line += "}}\n";
  for (std::FILE* const to : {stdout, results})
    if (to != nullptr) {
      std::fputs(line.c_str(), to);
      std::fflush(to);
    }
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

void blocks(const Driver& driver, std::int64_t block, std::int64_t stride) {
  const std::int64_t count = packed_bytes / block;
  const Memory user(driver, count * stride), packed(driver, packed_bytes);
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_vector(static_cast<int>(count), static_cast<int>(block), static_cast<int>(stride),
                  MPI_BYTE, &type);
  MPI_Type_commit(&type);
  const std::int64_t copies = std::min(count, kMostCopies);
  Copy2D plane;
  plane.from = user;
  plane.from_pitch = static_cast<std::size_t>(stride);
  plane.to = packed;
  plane.to_pitch = plane.width = static_cast<std::size_t>(block);
  plane.height = static_cast<std::size_t>(count);
  // A copy of n bytes touches 2 n.
  const auto half = static_cast<std::int64_t>(touched(count, block) / 2);
  const Memory one(driver, half), other(driver, half);
  measure(std::to_string(block) + " B at stride " + std::to_string(stride) + " B", packed_bytes,
          touched(count, block),
          {{"sluice", pack(type, 1, user, packed, packed_bytes)},
           {"copy of as many sectors", [&] { driver.copy(other, one, half), driver.wait(); }},
           {"cuMemcpy2D", [&] { driver.copy(plane), driver.wait(); }},
           {"a copy for each block",
            [&] {
              for (std::int64_t k = 0; k < copies; ++k)
                driver.copy(packed + static_cast<Pointer>(k * block),
                            user + static_cast<Pointer>(k * stride), block);
              driver.wait();
            },
            static_cast<double>(count) / static_cast<double>(copies)}});
  MPI_Type_free(&type);
}

/// What one of 26 neighbours gets of a box of n^3 cells with a halo of `radius`: `quantities` of 8
/// bytes in each, in the direction (x, y, z).
void halo(const Driver& driver, int n, int radius, int quantities, int x, int y, int z) {
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
  const Memory user(driver, std::int64_t{side} * side * side * cell), packed(driver, bytes);
  const auto half = static_cast<std::int64_t>(touched(rows, parts[2]) / 2);
  const Memory one(driver, half), other(driver, half);
  measure("halo of " + std::to_string(n) + "^3, " + std::to_string(x) + " " + std::to_string(y) +
              " " + std::to_string(z),
          bytes, touched(rows, parts[2]),
          {{"sluice", pack(type, 1, user, packed, bytes)},
           {"copy of as many sectors", [&] { driver.copy(other, one, half), driver.wait(); }}});
  MPI_Type_free(&type);
}

}  // namespace

int main(int argc, char** argv) {
  const Driver driver;
  MPI_Init(&argc, &argv);
  std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() >= 2 && words[0] == "--json") {
    results = std::fopen(words[1].data(), "ae");
    words.erase(words.begin(), words.begin() + 2);
  }
  if (!words.empty()) packed_bytes = std::int64_t{std::atoi(words[0].data())} << 10;
  const int cells = words.size() > 1 ? std::atoi(words[1].data()) : 256;
  for (std::int64_t block = 1; block <= 512; block *= 2) blocks(driver, block, 512);
  for (std::int64_t block = 1024; block <= 4096; block *= 2) blocks(driver, block, 2 * block);
  // One of each kind of neighbour; the others are their mirror images.
  for (const int x : {0, 1})
    for (const int y : {0, 1})
      for (const int z : {0, 1})
        if (x + y + z > 0) halo(driver, cells, 3, 8, x, y, z);
  MPI_Finalize();
  return 0;
}
