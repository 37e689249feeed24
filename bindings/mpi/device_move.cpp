// Moving elements in device memory: by the kernels of src/datatype/gpu.
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "bindings/mpi/device.hpp"
#include "bindings/mpi/device_context.hpp"
#include "datatype/gpu/kernels.hpp"
#include "datatype/gpu/parts.hpp"

/// kernel_image.S
extern "C" const unsigned char sluice_mpi_kernels[];
extern "C" const unsigned char sluice_mpi_kernels_end[];

namespace sluice::mpi::device {
namespace {

using datatype::Layout;
using datatype::LayoutPtr;
using datatype::gpu::Part;
using datatype::gpu::Parts;
using datatype::gpu::Plan;

cuda::Pointer pointer(const void* memory) { return reinterpret_cast<cuda::Pointer>(memory); }

/// The tables of a shape in a device's memory.
struct TablesThere {
  cuda::Pointer memory = 0;  ///< 0: the shape needs none
  std::uint64_t offsets_bytes = 0;

  const std::int64_t* offsets() const { return reinterpret_cast<const std::int64_t*>(memory); }
  const std::uint64_t* packed_before() const {
    return reinterpret_cast<const std::uint64_t*>(memory + offsets_bytes);
  }
};

/// What is kept of a layout for one context.
struct LayoutThere {
  std::weak_ptr<const Layout> layout;
  Parts parts;
  std::map<const datatype::Shape*, TablesThere> tables;
};

/// A launch with all it needs.
struct Launch {
  Part part;
  TablesThere tables;
};

/// What is kept for a context. Thread-safe; what several threads move at a time shares a stream.
class Executor {
 public:
  /// Null if the driver does not let us; said on stderr.
  static Executor* of(const Place& place);

  bool move(const Current& current, bool packs, const LayoutPtr& layout, std::int64_t count,
            std::byte* user, std::byte* packed, std::int64_t bytes);
  bool copy(const Current& current, void* to, const void* from, std::int64_t bytes) const {
    if (bytes <= 0) return true;
    return succeeded(current.driver().MemcpyAsync(pointer(to), pointer(from),
                                                  static_cast<std::size_t>(bytes), stream_),
                     "copying a message") &&
           wait(current);
  }

 private:
  bool set_up(const Current& current);
  bool wait(const Current& current) const {
    return succeeded(current.driver().StreamSynchronize(stream_), "waiting for a GPU");
  }
  bool launch(const Current& current, bool packs, Plan& plan, std::byte* user,
              std::byte* packed) const;
  bool prepare(const Current& current, const LayoutPtr& layout, std::int64_t count,
               std::vector<Launch>& launches);
  bool put_tables(const Current& current, const datatype::Shape& shape, TablesThere& there) const;
  void forget_ended(const Current& current);

  cuda::Stream stream_ = nullptr;
  cuda::Function pack_ = nullptr, unpack_ = nullptr;
  unsigned most_blocks_ = 1;
  std::mutex mutex_;
  std::map<const Layout*, LayoutThere> layouts_;  // with the lock
};

Executor* Executor::of(const Place& place) {
  static std::mutex mutex;
  static auto* const all = new std::map<cuda::Context, std::unique_ptr<Executor>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Executor>& executor = (*all)[place.context];
  if (executor != nullptr) return executor.get();
  auto made = std::make_unique<Executor>();
  const Current current(place);
  if (!current.ok() || !made->set_up(current)) return nullptr;
  executor = std::move(made);
  return executor.get();
}

bool Executor::set_up(const Current& current) {
  constexpr unsigned kBlocksOfMultiprocessor = 8;  // of 256 threads: all that it holds
  const cuda::Driver& driver = current.driver();
  cuda::Module module = nullptr;
  int device = 0, multiprocessors = 1;
  if (!succeeded(driver.CtxGetDevice(&device), "asking for a context's GPU") ||
      !succeeded(driver.DeviceGetAttribute(&multiprocessors, cuda::kMultiprocessors, device),
                 "asking after a GPU") ||
      !succeeded(driver.StreamCreate(&stream_, cuda::kNotWithDefaultStream), "making a stream"))
    return false;
  most_blocks_ = static_cast<unsigned>(multiprocessors) * kBlocksOfMultiprocessor;
  return !has_kernels() ||
         (succeeded(driver.ModuleLoadData(&module, sluice_mpi_kernels), "loading kernels") &&
          succeeded(driver.ModuleGetFunction(&pack_, module, datatype::gpu::kPackName),
                    "looking for a kernel") &&
          succeeded(driver.ModuleGetFunction(&unpack_, module, datatype::gpu::kUnpackName),
                    "looking for a kernel"));
}

bool Executor::move(const Current& current, bool packs, const LayoutPtr& layout, std::int64_t count,
                    std::byte* user, std::byte* packed, std::int64_t bytes) {
  if (bytes <= 0) return true;
  if (layout->contiguous()) {
    std::byte* const block = user + layout->true_lower_bound();
    return packs ? copy(current, packed, block, bytes) : copy(current, block, packed, bytes);
  }
  std::vector<Launch> launches;
  if (!prepare(current, layout, count, launches)) return false;
  for (const Launch& each : launches) {
    if (bytes <= each.part.packed_offset) break;
    std::byte* const to = user + each.part.user_offset;
    std::byte* const from = packed + each.part.packed_offset;
    Plan plan = datatype::gpu::make_plan(
        *each.part.shape, each.part.outer_count, to, from, each.tables.offsets(),
        each.tables.packed_before(), static_cast<std::uint64_t>(bytes - each.part.packed_offset));
    if (plan.words > 0 && !launch(current, packs, plan, to, from)) return false;
  }
  return wait(current);
}

bool Executor::launch(const Current& current, bool packs, Plan& plan, std::byte* user,
                      std::byte* packed) const {
  std::byte* from = packs ? user : packed;
  std::byte* to = packs ? packed : user;
  std::array<void*, 3> arguments{&plan, static_cast<void*>(&from), static_cast<void*>(&to)};
  return succeeded(current.driver().LaunchKernel(
                       packs ? pack_ : unpack_, datatype::gpu::blocks_for(plan, most_blocks_), 1, 1,
                       datatype::gpu::kThreads, 1, 1, 0, stream_, arguments.data(), nullptr),
                   packs ? "packing a message" : "unpacking a message");
}

bool Executor::prepare(const Current& current, const LayoutPtr& layout, std::int64_t count,
                       std::vector<Launch>& launches) {
  const std::lock_guard lock(mutex_);
  auto found = layouts_.find(layout.get());
  if (found == layouts_.end() || found->second.layout.expired()) {
    forget_ended(current);
    found = layouts_.emplace(layout.get(), LayoutThere{layout, Parts(*layout), {}}).first;
  }
  for (const Part& part : found->second.parts.of(count)) {
    const auto [tables, is_new] = found->second.tables.try_emplace(part.shape);
    if (is_new && !put_tables(current, *part.shape, tables->second)) {
      found->second.tables.erase(tables);
      return false;
    }
    launches.push_back({part, tables->second});
  }
  return !launches.empty();
}

bool Executor::put_tables(const Current& current, const datatype::Shape& shape,
                          TablesThere& there) const {
  const datatype::gpu::Tables tables = datatype::gpu::make_tables(shape);
  there.offsets_bytes = tables.offsets.size() * sizeof(std::int64_t);
  const std::size_t before_bytes = tables.packed_before.size() * sizeof(std::uint64_t);
  if (there.offsets_bytes == 0) return true;
  if (!succeeded(current.driver().MemAlloc(&there.memory, there.offsets_bytes + before_bytes),
                 "allocating a datatype's tables"))
    return false;
  return copy(current, reinterpret_cast<void*>(there.memory), tables.offsets.data(),
              static_cast<std::int64_t>(there.offsets_bytes)) &&
         (before_bytes == 0 ||
          copy(current, reinterpret_cast<void*>(there.memory + there.offsets_bytes),
               tables.packed_before.data(), static_cast<std::int64_t>(before_bytes)));
}

/// Of datatypes that have ended. With the lock.
void Executor::forget_ended(const Current& current) {
  for (auto each = layouts_.begin(); each != layouts_.end();) {
    if (!each->second.layout.expired()) {
      ++each;
      continue;
    }
    for (const auto& [shape, tables] : each->second.tables)
      if (tables.memory != 0) current.driver().MemFree(tables.memory);
    each = layouts_.erase(each);
  }
}

bool move(bool packs, const Place& place, const LayoutPtr& layout, std::int64_t count,
          std::byte* user, std::byte* packed, std::int64_t bytes) {
  Executor* const executor = Executor::of(place);
  const Current current(place);
  return executor != nullptr && current.ok() &&
         executor->move(current, packs, layout, count, user, packed, bytes);
}

}  // namespace

bool has_kernels() { return &sluice_mpi_kernels[0] != &sluice_mpi_kernels_end[0]; }

bool pack(const Place& place, const LayoutPtr& layout, const void* user, std::int64_t count,
          std::byte* packed) {
  return move(true, place, layout, count, static_cast<std::byte*>(const_cast<void*>(user)), packed,
              count * layout->size());
}

bool unpack(const Place& place, const LayoutPtr& layout, const std::byte* packed,
            std::int64_t bytes, std::int64_t count, void* user) {
  return move(false, place, layout, count, static_cast<std::byte*>(user),
              const_cast<std::byte*>(packed), bytes);
}

bool copy(const Place& place, void* to, const void* from, std::int64_t bytes) {
  Executor* const executor = Executor::of(place);
  const Current current(place);
  return executor != nullptr && current.ok() && executor->copy(current, to, from, bytes);
}

}  // namespace sluice::mpi::device
