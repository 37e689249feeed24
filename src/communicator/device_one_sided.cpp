// Puts, signals and waits for signals on streams; windows of device memory.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hpp"
#include "communicator/agreement.hpp"
#include "communicator/device_part.hpp"
#include "communicator/device_sharing.hpp"
#include "communicator/impl.hpp"
#include "device/store.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {
namespace {

/// run(part) for as much of the list at a time as a launch carries.
template <class Listed, class Run>
Status for_each_launch(std::span<const Listed> all, Run run) {
  for (; !all.empty(); all = all.subspan(std::min<std::size_t>(all.size(), OneSidedLaunch::kMost)))
    SLUICE_TRY(run(all.first(std::min<std::size_t>(all.size(), OneSidedLaunch::kMost))));
  return {};
}

}  // namespace

Status DevicePart::launch_one_sided(OneSidedLaunch& launch, unsigned threads, Stream stream) const {
  auto* strands = reinterpret_cast<Strand*>(memory_.get());
  void* arguments[] = {&strands, &launch};
  return device::launch(kernels::one_sided(), launch.blocks, threads, arguments, stream);
}

/// Where more than one block copies, the signals are a launch of their own: it begins when all
/// blocks have ended, and what they have written goes before it.
Status DevicePart::put(std::span<const ListedPut> puts, Stream stream) {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  return for_each_launch(puts, [&](std::span<const ListedPut> part) -> Status {
    std::uint64_t largest = 0, all = 0;
    OneSidedLaunch launch{.puts = static_cast<std::uint32_t>(part.size()), .signals = true};
    std::copy(part.begin(), part.end(), launch.put);
    for (const ListedPut& put : part) {
      largest = std::max(largest, put.bytes);
      all += put.bytes;
    }
    launch.blocks = static_cast<std::uint32_t>(parts_of_message(largest, shape_.strands));
    launch.copies = largest != 0;
    if (launch.blocks > 1) {
      launch.signals = false;
      SLUICE_TRY(launch_one_sided(launch, kernels::kThreads, stream));
      launch.blocks = 1;
      launch.copies = false;
      launch.signals = true;
    }
    const unsigned threads = launch.copies && all > kBytesOfFew ? kernels::kThreads : kFewThreads;
    return launch_one_sided(launch, threads, stream);
  });
}

Status DevicePart::wait_for(std::span<const ListedWait> waits, Stream stream) {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  return for_each_launch(waits, [&](std::span<const ListedWait> part) {
    OneSidedLaunch launch{.blocks = 1, .waits = static_cast<std::uint32_t>(part.size())};
    std::copy(part.begin(), part.end(), launch.wait);
    return launch_one_sided(launch, kFewThreads, stream);
  });
}

Result<device::Store::Memory> DevicePart::memory_to_show(std::uint64_t bytes) const {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  return device::Store::instance().device_memory(bytes, !direct_);
}

Result<device::Store::Memory> DevicePart::make_waits(std::chrono::nanoseconds timeout) const {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  SLUICE_TRY_ASSIGN(auto memory, device::Store::instance().device_memory(sizeof(WaitState), false));
  WaitState begin;
  begin.timeout_ns = static_cast<std::uint64_t>(timeout.count());
  begin.host_abort_word = &pinned().abort_word;
  SLUICE_TRY(device::copy(memory.get(), &begin, sizeof begin));
  return memory;
}

Status Communicator::Impl::put_on(Stream stream, std::span<const ListedPut> puts) {
  const Turn turn(*this);
  take_device_failure();
  SLUICE_TRY(turn.status());
  for (const ListedPut& put : puts)
    if (put.bytes != 0) SLUICE_TRY(device_->expect_reached(put.from, "what is put"));
  return device_->put(puts, stream);
}

Status Communicator::Impl::wait_on(Stream stream, std::span<const ListedWait> waits) {
  const Turn turn(*this);
  take_device_failure();
  SLUICE_TRY(turn.status());
  return device_->wait_for(waits, stream);
}

namespace {

/// A step of sharing: its result, or why it cannot be, which is no error.
template <class Fields>
struct Attempt {
  Fields fields{};
  std::array<char, 240> why_not{};  // a sentence; empty: it can

  /// An error of the caller's arguments stays one.
  static Result<Attempt> of(const Result<Fields>& result) {
    Attempt attempt;
    if (result.ok()) {
      attempt.fields = result.value();
      return attempt;
    }
    if (result.status().code() == Errc::kInvalidArgument) return result.status();
    const std::string text = last_error();
    std::memcpy(attempt.why_not.data(), text.data(),
                std::min(text.size(), attempt.why_not.size() - 1));
    return attempt;
  }
};

/// What other ranks may not open is no error of who registers it: managed memory, another device's.
Result<ShownMemory> show_window(DeviceSharing& sharing, const DevicePart& part, int rank,
                                void* buffer, std::uint64_t bytes) {
  SLUICE_TRY_ASSIGN(const device::Place place, device::place_of(buffer));
  if (place.device == part.device()) return sharing.show(buffer, bytes);
  set_last_error(
      fmt::format("rank {}'s window at {} is {}: expected memory of its device {}, which "
                  "peers can be shown",
                  rank, buffer,
                  place.device < 0 ? std::string("managed memory, or the host's")
                                   : fmt::format("memory of device {}", place.device),
                  part.device()));
  return Status(Errc::kInvalidUsage, "not memory of the device");
}

template <class Fields>
std::string first_obstacle(const std::vector<Attempt<Fields>>& attempts) {
  for (const auto& attempt : attempts)
    if (attempt.why_not[0] != 0)
      return std::string(attempt.why_not.data(), ::strnlen(attempt.why_not.data(), 240));
  return {};
}

}  // namespace

Result<Communicator::Impl::SharedOnDevice> Communicator::Impl::share_device_buffer(
    void* buffer, std::uint64_t bytes) {
  struct Opened {};
  if (!device_->reaches_peers())
    return SharedOnDevice{{},
                          "the ranks' devices do not reach each other's memory: expected access "
                          "to one another (SLUICE_DEVICE_SEGMENTS or the driver)"};
  DeviceSharing sharing(*device_, rank(), std::get_if<transport::Shm>(&transport_), processes_,
                        deadline());
  const auto mine = show_window(sharing, *device_, rank(), buffer, bytes);
  SLUICE_TRY_ASSIGN(const auto offers,
                    agree(*bootstrap_, deadline(), Attempt<ShownMemory>::of(mine), "no window"));
  if (std::string why = first_obstacle(offers); !why.empty())
    return SharedOnDevice{{}, std::move(why)};
  std::vector<ShownMemory> shown;
  for (const auto& offer : offers) shown.push_back(offer.fields);
  auto windows = sharing.open(shown);
  const Result<Opened> done = windows.ok() ? Result<Opened>(Opened{}) : windows.status();
  SLUICE_TRY_ASSIGN(const auto opened, agree(*bootstrap_, deadline(), Attempt<Opened>::of(done),
                                             "not found the windows of others"));
  if (std::string why = first_obstacle(opened); !why.empty())
    return SharedOnDevice{{}, std::move(why)};
  return SharedOnDevice{std::move(windows).value(), {}};
}

}  // namespace sluice
