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

namespace sluice::mpi::device {
namespace {

using datatype::Layout;
using datatype::LayoutPtr;
using datatype::gpu::Part;
using datatype::gpu::Parts;
using datatype::gpu::Plan;

/// The tables of a shape in a device's memory.
struct TablesThere {
  std::byte* memory = nullptr;  ///< null: the shape needs none
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
  /// Null if the runtime does not let us; said on stderr.
  static Executor* of(const Place& place);

  bool move(const Current& current, bool packs, const LayoutPtr& layout, std::int64_t count,
            std::byte* user, std::byte* packed, std::int64_t bytes);
  bool has_kernels() const { return kernels_.unpack != nullptr; }
  bool copy(const Current& current, void* to, const void* from, std::int64_t bytes) const {
    if (bytes <= 0) return true;
    return current.succeeded(
               current.driver().copy(to, from, static_cast<std::size_t>(bytes), stream_),
               "copying a message") &&
           wait(current);
  }

 private:
  bool set_up(const Current& current);
  bool wait(const Current& current) const {
    return current.succeeded(current.driver().wait(stream_), "waiting for a GPU");
  }
  bool launch(const Current& current, bool packs, Plan& plan, std::byte* user,
              std::byte* packed) const;
  bool prepare(const Current& current, const LayoutPtr& layout, std::int64_t count,
               std::vector<Launch>& launches);
  bool put_tables(const Current& current, const datatype::Shape& shape, TablesThere& there) const;
  void forget_ended(const Current& current);

  gpu::Stream stream_ = nullptr;
  gpu::Kernels kernels_;
  unsigned most_blocks_ = 1;
  std::mutex mutex_;
  std::map<const Layout*, LayoutThere> layouts_;  // with the lock
};

Executor* Executor::of(const Place& place) {
  static std::mutex mutex;
  static auto* const all = new std::map<gpu::Context, std::unique_ptr<Executor>>;
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
  const gpu::Driver& driver = current.driver();
  int multiprocessors = 1;
  if (!current.succeeded(driver.multiprocessors(multiprocessors), "asking after a GPU") ||
      !current.succeeded(driver.make_stream(stream_), "making a stream"))
    return false;
  most_blocks_ = static_cast<unsigned>(multiprocessors) * kBlocksOfMultiprocessor;
  // Those of another processor's: what has no gaps needs none.
  if (driver.has_kernels() && !current.succeeded(driver.load(kernels_), "loading kernels"))
    kernels_ = {};
  return true;
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
  return current.succeeded(
      current.driver().launch(packs ? kernels_.pack : kernels_.unpack,
                              datatype::gpu::blocks_for(plan, most_blocks_),
                              datatype::gpu::kThreads, stream_, arguments.data()),
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
  void* memory = nullptr;
  if (!current.succeeded(current.driver().allocate(memory, there.offsets_bytes + before_bytes),
                         "allocating a datatype's tables"))
    return false;
  there.memory = static_cast<std::byte*>(memory);
  return copy(current, there.memory, tables.offsets.data(),
              static_cast<std::int64_t>(there.offsets_bytes)) &&
         (before_bytes == 0 ||
          copy(current, there.memory + there.offsets_bytes, tables.packed_before.data(),
               static_cast<std::int64_t>(before_bytes)));
}

/// Of datatypes that have ended. With the lock.
void Executor::forget_ended(const Current& current) {
  for (auto each = layouts_.begin(); each != layouts_.end();) {
    if (!each->second.layout.expired()) {
      ++each;
      continue;
    }
    for (const auto& [shape, tables] : each->second.tables)
      if (tables.memory != nullptr) current.driver().free(tables.memory);
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

bool has_kernels(const Place& place) {
  const Executor* const executor = Executor::of(place);
  return executor != nullptr && executor->has_kernels();
}

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
