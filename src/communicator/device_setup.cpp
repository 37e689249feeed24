// Making the device parts of a communicator's ranks: what fits on each GPU, memory, and where the
// peers' is. Each step is collective, and an error of one rank in it is one of all.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/device_part.hpp"
#include "communicator/setup_blobs.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {
namespace {

/// More strands cost memory, and no device is known that they would make faster.
constexpr int kMostStrands = 64;

/// What schedules cost on a device, in nanoseconds, as far as thought goes: none of it has been
/// measured. A flag's way is that through the second-level cache with a barrier on both sides;
/// bytes are moved by all strands of a call at once, packets by one.
CostModel device_costs(const device::Facts& facts, int ranks) {
  CostModel model;
  model.alpha = 1500;
  model.packet_write = 0.05;
  model.packet_read = 0.002;
  model.stage_write = 0.001;
  model.stage_read = 0.002;
  model.cached_byte = 0.001;
  model.memory_byte = 0.0008;
  model.cache_bytes = static_cast<double>(facts.cache_bytes) / ranks;
  return model;
}

/// Every kernel once, with nothing to do. A kernel is loaded when it is first launched, and may get
/// memory for its stack then; both could wait for kernels in flight, which may wait for this one.
Status load_kernels(int device) {
  static std::mutex mutex;
  static std::set<int> loaded;
  const std::lock_guard lock(mutex);
  if (loaded.contains(device)) return {};
  SLUICE_TRY_ASSIGN(const device::OwnStream stream, device::OwnStream::create());
  Strand* strands = nullptr;
  GroupArithmetic math;
  StrandCall nothing{.strands = 0};
  kernels::BlockLists lists{};
  void* arguments[] = {&strands, &math, &nothing, &lists};
  for (std::size_t line = 0; line < host_catalogue().size(); ++line)
    if (const void* kernel = kernels::schedule(line); kernel != nullptr)
      SLUICE_TRY(device::launch(kernel, 1, kernels::kThreads, arguments, stream.stream()));
  std::byte* bytes = nullptr;
  std::uint64_t count = 0;
  kernels::ScaleBy by{DataType::kFloat32, 1, 1, nullptr};
  void* scaling[] = {&bytes, &bytes, &count, &by};
  SLUICE_TRY(device::launch(kernels::scale(), 1, kernels::kThreads, scaling, stream.stream()));
  SLUICE_TRY(stream.wait());
  loaded.insert(device);
  return {};
}

/// Blocks of any of the kernels that the current device holds at once.
Result<int> blocks_of_any() {
  int least = std::numeric_limits<int>::max();
  for (std::size_t line = 0; line < host_catalogue().size(); ++line) {
    const void* kernel = kernels::schedule(line);
    if (kernel == nullptr) continue;
    SLUICE_TRY_ASSIGN(const int blocks, device::blocks_at_once(kernel, kernels::kThreads));
    least = std::min(least, blocks);
  }
  return least;
}

}  // namespace

class DeviceSetup {
 public:
  DeviceSetup(const DeviceJob& job, DevicePart& part) : job_(job), part_(part) {}

  Status run() {
    SLUICE_TRY_ASSIGN(const auto found, exchange(look()));
    SLUICE_TRY_ASSIGN(const int strands, strands_of(found));
    part_.shape_ = {static_cast<std::uint64_t>(size()), static_cast<std::uint64_t>(strands)};
    SLUICE_TRY_ASSIGN(const auto shown, exchange(make_memory()));
    SLUICE_TRY(exchange(wire(shown)).status());
    SLUICE_TRY_ASSIGN(part_.selection_, Selection::make(device_costs(part_.facts_, size()), size(),
                                                        Placement::kOneHost, job_.algorithm));
    log::info("rank {} of {}: device {} ({}), {} strands, {:.0f} MiB of segments, {}", rank(),
              size(), part_.device_, part_.facts_.name, strands,
              static_cast<double>(part_.shape_.segments_bytes()) / (1 << 20),
              part_.direct_ ? "all ranks in one process" : "ranks in several processes");
    return {};
  }

 private:
  /// What a rank finds on its machine.
  struct Found {
    std::array<std::uint8_t, 16> uuid;
    std::int32_t blocks;   // that the device holds at once
    std::int32_t strands;  // asked for
  };
  /// Where its segments are.
  struct Shown {
    std::uint64_t base;
    device::Handle handle;
    std::int32_t device;
  };
  struct Wired {};

  int rank() const { return job_.bootstrap.rank(); }
  int size() const { return job_.bootstrap.size(); }
  bool same_process(int r) const { return job_.same_process[static_cast<std::size_t>(r)]; }
  bool one_process() const {
    return std::find(job_.same_process.begin(), job_.same_process.end(), false) ==
           job_.same_process.end();
  }

  /// Everybody's result of a step.
  template <class Fields>
  Result<std::vector<Fields>> exchange(const Result<Fields>& mine);

  Result<Found> look();
  Result<int> strands_of(const std::vector<Found>& found) const;
  Result<Shown> make_memory();
  Result<Wired> wire(const std::vector<Shown>& shown);
  Result<std::shared_ptr<std::byte>> segments_of(int peer, const Shown& shown) const;

  const DeviceJob& job_;
  DevicePart& part_;
};

template <class Fields>
Result<std::vector<Fields>> DeviceSetup::exchange(const Result<Fields>& mine) {
  struct Said {
    std::uint64_t code;
    Fields fields;
  };
  const Said said{static_cast<std::uint64_t>(mine.status().code()),
                  mine.ok() ? mine.value() : Fields{}};
  SLUICE_TRY_ASSIGN(
      const auto blobs,
      job_.bootstrap.all_gather(blob_of(said, mine.ok() ? "" : last_error()), job_.deadline));
  if (!mine.ok()) return mine.status();
  std::vector<Fields> all;
  for (int r = 0; r < size(); ++r) {
    const auto& blob = blobs[static_cast<std::size_t>(r)];
    SLUICE_TRY_ASSIGN(const Said theirs, fields_of<Said>(blob, r));
    if (theirs.code != 0) {
      const std::string text(reinterpret_cast<const char*>(blob.data()) + sizeof(Said),
                             blob.size() - sizeof(Said));
      return fail(Errc::kRemoteError, "a peer has no device part",
                  fmt::format("rank {}: rank {} has no device to work with: {}", rank(), r, text));
    }
    all.push_back(theirs.fields);
  }
  return all;
}

Result<DeviceSetup::Found> DeviceSetup::look() {
  const auto devices = device::count();
  if (!devices.ok())
    return fail(devices.status().code(), "no device",
                fmt::format("rank {}: device {} was asked for, and there is none: {}", rank(),
                            job_.device, device::why_none()));
  if (job_.strands < 0)
    return fail(Errc::kInvalidArgument, "bad number of strands",
                fmt::format("rank {}: {} strands were asked for; expected at least 0", rank(),
                            job_.strands));
  if (job_.device >= devices.value())
    return fail(Errc::kInvalidArgument, "no such device",
                fmt::format("rank {}: device {} was asked for; expected 0 to {}", rank(),
                            job_.device, devices.value() - 1));
  part_.device_ = job_.device;
  part_.rank_ = rank();
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  SLUICE_TRY_ASSIGN(part_.facts_, device::facts(job_.device));
  SLUICE_TRY(load_kernels(job_.device));
  SLUICE_TRY_ASSIGN(const int blocks, blocks_of_any());
  return Found{part_.facts_.uuid, blocks, job_.strands};
}

/// How many strands each rank gets: the blocks of all ranks that share a device must be on it at
/// the same time. Half of them are left to others unless somebody asks for a number.
Result<int> DeviceSetup::strands_of(const std::vector<Found>& found) const {
  int fit = std::numeric_limits<int>::max(), wanted = 0;
  for (const Found& each : found) {
    const auto sharing = std::count_if(found.begin(), found.end(),
                                       [&](const Found& other) { return other.uuid == each.uuid; });
    fit = std::min(fit, each.blocks / static_cast<int>(sharing));
    if (each.strands > 0) wanted = wanted == 0 ? each.strands : std::min(wanted, each.strands);
  }
  if (fit < 1)
    return fail(Errc::kInvalidUsage, "too many ranks on a device",
                fmt::format("rank {}: more ranks share a device than it holds blocks of {} threads",
                            rank(), kernels::kThreads));
  return wanted > 0 ? std::min(wanted, fit) : std::clamp(fit / 2, 1, kMostStrands);
}

Result<DeviceSetup::Shown> DeviceSetup::make_memory() {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(part_.segments_,
                    store.device_memory(part_.shape_.segments_bytes(), !one_process()));
  SLUICE_TRY_ASSIGN(part_.memory_, store.device_memory(part_.shape_.bytes(), false));
  SLUICE_TRY_ASSIGN(part_.pinned_, store.pinned_memory(sizeof(DevicePart::Pinned)));
  Shown shown{reinterpret_cast<std::uint64_t>(part_.segments_.get()), {}, job_.device};
  if (!one_process()) {
    SLUICE_TRY_ASSIGN(shown.handle, device::share(part_.segments_.get()));
  }
  return shown;
}

Result<std::shared_ptr<std::byte>> DeviceSetup::segments_of(int peer, const Shown& shown) const {
  if (!same_process(peer)) {
    SLUICE_TRY_ASSIGN(void* const opened, device::open(shown.handle));
    return std::shared_ptr<std::byte>(static_cast<std::byte*>(opened),
                                      [own = job_.device](std::byte* mapping) {
                                        const device::Using device(own);
                                        static_cast<void>(device::close(mapping));
                                      });
  }
  SLUICE_TRY_ASSIGN(const bool reached, device::reach(shown.device));
  if (!reached)
    return fail(Errc::kInvalidUsage, "no peer access",
                fmt::format("rank {}: device {} cannot reach device {} of rank {}; expected GPUs "
                            "with peer access to one another",
                            rank(), job_.device, shown.device, peer));
  auto segments = device::Store::instance().find(reinterpret_cast<std::byte*>(shown.base));
  if (segments == nullptr)
    return fail(Errc::kRemoteError, "no segments",
                fmt::format("rank {}: the segments of rank {} are gone", rank(), peer));
  return segments;
}

Result<DeviceSetup::Wired> DeviceSetup::wire(const std::vector<Shown>& shown) {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  std::vector<std::byte*> segments;
  for (int r = 0; r < size(); ++r) {
    auto theirs = part_.segments_;
    if (r != rank()) {
      SLUICE_TRY_ASSIGN(theirs, segments_of(r, shown[static_cast<std::size_t>(r)]));
    }
    segments.push_back(theirs.get());
    part_.peers_segments_.push_back(std::move(theirs));
  }
  const auto image = strand_image(part_.shape_, rank(),
                                  {.memory = part_.memory_.get(),
                                   .segments = segments,
                                   .failure = &part_.pinned().failure,
                                   .host_abort_word = &part_.pinned().abort_word},
                                  static_cast<std::uint64_t>(job_.timeout.count()));
  SLUICE_TRY(device::copy(part_.memory_.get(), image.data(), image.size()));
  part_.direct_ = one_process();
  return Wired{};
}

Result<std::unique_ptr<DevicePart>> DevicePart::make(const DeviceJob& job) {
  std::unique_ptr<DevicePart> part(new DevicePart);
  SLUICE_TRY(DeviceSetup(job, *part).run());
  return part;
}

}  // namespace sluice
