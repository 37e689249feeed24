// device/device.hpp with host threads in place of a GPU: streams are threads, a launch's blocks are
// groups of two, device memory is memory that only this file calls so. What is tested with it is
// everything above that header: how device parts are made, what is launched and when, errors, and
// the tests and tools that are to run on devices.
#include "device/device.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "device/shareable.hpp"
#include "device_double/kernel.hpp"
#include "device_double/queue.hpp"

namespace sluice::device {
namespace {

using test::DoubleKernel;
using test::HostTeam;
using test::Queue;
using test::TeamBarrier;
using Clock = std::chrono::steady_clock;

constexpr unsigned kThreadsOfBlock = 2;  // whatever a launch says: they are slow
constexpr int kBlocksAtOnce = 16;

struct Memories {
  struct Entry {
    std::uint64_t bytes;
    MemoryKind kind;
    Fd file;                 // other processes map it
    bool shareable = false;  // has a descriptor: as the driver's virtual memory
    bool handed_out = false;
  };
  std::mutex mutex;
  std::map<std::uintptr_t, Entry> all;

  static Memories& instance() {
    static auto* const memories = new Memories;
    return *memories;
  }
};

Result<void*> map_file(Fd file, std::uint64_t bytes, MemoryKind kind, bool shareable = false) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (memory == MAP_FAILED) return fail(Errc::kGpuError, "no memory", "the double has no memory");
  Memories& known = Memories::instance();
  const std::lock_guard lock(known.mutex);
  known.all[reinterpret_cast<std::uintptr_t>(memory)] = {bytes, kind, std::move(file), shareable,
                                                         false};
  return memory;
}

Result<void*> map_memory(std::uint64_t bytes, MemoryKind kind, bool shareable = false) {
  Fd file(::memfd_create("device-double", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0)
    return fail(Errc::kGpuError, "no memory", "the double has no memory");
  return map_file(std::move(file), bytes, kind, shareable);
}

Status unmap_memory(void* memory) {
  Memories& known = Memories::instance();
  const std::lock_guard lock(known.mutex);
  const auto found = known.all.find(reinterpret_cast<std::uintptr_t>(memory));
  if (found == known.all.end())
    return fail(Errc::kGpuError, "not allocated", "the double never allocated this");
  ::munmap(memory, found->second.bytes);
  // A driver's handle does not keep memory: who has opened it and uses it now dies of it.
  if (found->second.handed_out) static_cast<void>(::ftruncate(found->second.file.get(), 0));
  known.all.erase(found);
  return {};
}

Queue& queue_of(Stream stream) {
  static auto* const default_queue = new Queue;
  return stream.handle == nullptr ? *default_queue : *static_cast<Queue*>(stream.handle);
}

/// An event; shared with the streams that are still to come past it, because whoever made it may
/// be done with it before.
struct Mark {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t recorded = 0, reached = 0;
  Clock::time_point at;
};

std::shared_ptr<Mark> mark_of(void* event) { return *static_cast<std::shared_ptr<Mark>*>(event); }

using Works = std::vector<Queue::Work>;

std::atomic<unsigned> last_blocks = 0;

}  // namespace

Result<int> count() { return 1; }
std::string why_none() { return {}; }
Result<Facts> facts(int) {
  Facts found;
  found.multiprocessors = 4;
  found.cache_bytes = std::uint64_t{32} << 20;
  found.name = "host threads";
  return found;
}
Result<int> current() { return 0; }
Status use(int device) {
  return device == 0 ? Status() : fail(Errc::kGpuError, "no such device", "there is device 0 only");
}
Using::Using(int device) : status_(use(device)) {}
Using::~Using() = default;

Result<void*> allocate(std::uint64_t bytes) { return map_memory(bytes, MemoryKind::kDevice); }
Status release(void* memory) { return unmap_memory(memory); }
Status clear(void* memory, std::uint64_t bytes) {
  std::memset(memory, 0, bytes);
  return {};
}
Result<void*> allocate_pinned(std::uint64_t bytes) { return map_memory(bytes, MemoryKind::kHost); }
Status release_pinned(void* memory) { return unmap_memory(memory); }
Result<void*> allocate_on(Stream, std::uint64_t bytes) { return allocate(bytes); }
Status release_on(Stream stream, void* memory) {
  // In a graph the memory serves all launches, so nothing frees it: the double is short-lived.
  queue_of(stream).add([memory] { static_cast<void>(memory); });
  return {};
}
Status copy(void* to, const void* from, std::uint64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);  // of nothing, the addresses may be null
  return {};
}
Status copy_on(Stream stream, void* to, const void* from, std::uint64_t bytes) {
  if (bytes > 0) queue_of(stream).add([=] { std::memcpy(to, from, bytes); });
  return {};
}

Result<Place> place_of(const void* pointer) {
  Memories& known = Memories::instance();
  const std::lock_guard lock(known.mutex);
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto after = known.all.upper_bound(address);
  if (after == known.all.begin()) return Place{};
  const auto& [base, entry] = *--after;
  if (address - base >= entry.bytes) return Place{};
  return Place{entry.kind, true, entry.kind == MemoryKind::kDevice ? 0 : -1};
}

namespace {

/// The double's handle: whose file it is.
struct FileOf {
  pid_t process;
  int descriptor;
  std::uint64_t bytes;
};

Memories::Entry* entry_at(const void* base) {
  Memories& known = Memories::instance();
  const auto found = known.all.find(reinterpret_cast<std::uintptr_t>(base));
  return found == known.all.end() ? nullptr : &found->second;
}

}  // namespace

Result<Handle> share(void* allocation) {
  const std::lock_guard lock(Memories::instance().mutex);
  Memories::Entry* entry = entry_at(allocation);
  if (entry == nullptr || entry->shareable)
    return fail(Errc::kGpuError, "no handle", "the double has no handle for this");
  entry->handed_out = true;
  const FileOf file{::getpid(), entry->file.get(), entry->bytes};
  Handle handle;
  std::memcpy(handle.bytes.data(), &file, sizeof file);
  return handle;
}
Result<void*> open(const Handle& handle) {
  FileOf file;
  std::memcpy(&file, handle.bytes.data(), sizeof file);
  const std::string path = fmt::format("/proc/{}/fd/{}", file.process, file.descriptor);
  Fd own(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!own) return fail(Errc::kGpuError, "no such handle", path);
  return map_file(std::move(own), file.bytes, MemoryKind::kDevice);
}
Status close(void* opened) { return unmap_memory(opened); }

Result<void*> allocate_shareable(std::uint64_t bytes) {
  return map_memory(bytes, MemoryKind::kDevice, true);
}
Status release_shareable(void* memory) { return unmap_memory(memory); }
Result<Allocation> allocation_of(const void* pointer) {
  Memories& known = Memories::instance();
  const std::lock_guard lock(known.mutex);
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto after = known.all.upper_bound(address);
  if (after == known.all.begin() ||
      address - std::prev(after)->first >= std::prev(after)->second.bytes)
    return fail(Errc::kGpuError, "not allocated", "the double never allocated this");
  --after;
  return Allocation{reinterpret_cast<std::byte*>(after->first), after->second.bytes};
}
Result<Fd> descriptor_of(void* base) {
  const std::lock_guard lock(Memories::instance().mutex);
  const Memories::Entry* entry = entry_at(base);
  if (entry == nullptr || !entry->shareable) return Fd();
  return Fd(::fcntl(entry->file.get(), F_DUPFD_CLOEXEC, 0));
}
Result<void*> open_shareable(const Fd& descriptor, std::uint64_t bytes) {
  return map_file(Fd(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0)), bytes, MemoryKind::kDevice);
}
Status close_shareable(void* opened, std::uint64_t) { return unmap_memory(opened); }
Status pin(void*, std::uint64_t) { return {}; }
Status unpin(void*) { return {}; }

Result<bool> reach(int) { return true; }

Result<int> blocks_at_once(const void*, unsigned) { return kBlocksAtOnce; }

Status launch(const void* kernel, unsigned blocks, unsigned, void** arguments, Stream stream) {
  if (kernel == nullptr) return fail(Errc::kGpuError, "no kernel", "there is no such kernel");
  last_blocks = blocks;
  const auto body = static_cast<const DoubleKernel*>(kernel)->bind(arguments, blocks);
  queue_of(stream).add([body, blocks] {
    std::vector<std::unique_ptr<TeamBarrier>> barriers;
    std::vector<std::thread> threads;
    for (unsigned b = 0; b < blocks; ++b) {
      TeamBarrier& barrier = *barriers.emplace_back(std::make_unique<TeamBarrier>(kThreadsOfBlock));
      for (unsigned t = 0; t < kThreadsOfBlock; ++t)
        threads.emplace_back(
            [&body, &barrier, b, t] { body(HostTeam(barrier, t, kThreadsOfBlock), b); });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return {};
}

void CloseStream::operator()(void* stream) const { delete static_cast<Queue*>(stream); }
void CloseEvent::operator()(void* event) const {
  delete static_cast<std::shared_ptr<Mark>*>(event);
}
void CloseGraph::operator()(void* graph) const { delete static_cast<Works*>(graph); }

Result<OwnStream> OwnStream::create() { return OwnStream(new Queue); }
Status OwnStream::wait() const {
  queue_of(stream()).drain();
  return {};
}

Result<std::uint64_t> capture_of(Stream stream) { return queue_of(stream).capture(); }

Result<Event> Event::create(Time) { return Event(new std::shared_ptr<Mark>(new Mark)); }
Status Event::record(Stream stream) const {
  const auto mark = mark_of(handle_.get());
  std::uint64_t turn;
  {
    const std::lock_guard lock(mark->mutex);
    turn = ++mark->recorded;
  }
  queue_of(stream).add([mark, turn] {
    const std::lock_guard lock(mark->mutex);
    mark->at = Clock::now();
    mark->reached = std::max(mark->reached, turn);
    mark->changed.notify_all();
  });
  return {};
}
Status Event::wait() const {
  const auto mark = mark_of(handle_.get());
  std::unique_lock lock(mark->mutex);
  mark->changed.wait(lock, [&] { return mark->reached == mark->recorded; });
  return {};
}
Status Event::holds_up(Stream stream) const {
  const auto mark = mark_of(handle_.get());
  std::uint64_t turn;
  {
    const std::lock_guard lock(mark->mutex);
    turn = mark->recorded;
  }
  queue_of(stream).add([mark, turn] {
    std::unique_lock lock(mark->mutex);
    mark->changed.wait(lock, [&] { return mark->reached >= turn; });
  });
  return {};
}
Result<bool> Event::done() const {
  const auto mark = mark_of(handle_.get());
  const std::lock_guard lock(mark->mutex);
  return mark->reached == mark->recorded;
}
Result<double> Event::between_us(const Event& first, const Event& second) {
  const auto time = [](const Event& event) { return mark_of(event.handle_.get())->at; };
  return std::chrono::duration<double, std::micro>(time(second) - time(first)).count();
}

Status Graph::begin(Stream stream) {
  queue_of(stream).begin_capture();
  return {};
}
Result<Graph> Graph::end(Stream stream) { return Graph(new Works(queue_of(stream).end_capture())); }
Status Graph::launch(Stream stream) const {
  for (const Queue::Work& work : *static_cast<Works*>(handle_.get())) queue_of(stream).add(work);
  return {};
}

}  // namespace sluice::device

unsigned sluice::test::blocks_launched_last() { return sluice::device::last_blocks; }
