#include "gpu.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "support/case_layout.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t kAroundBytes = 64;  // of guards, copied with a buffer

/// A stretch of the runner's memory and where it is on the device.
struct Mirrored {
  std::byte* host = nullptr;
  std::byte* device = nullptr;
  std::uint64_t bytes = 0;

  std::byte* at(const std::byte* place) const { return device + (place - host); }
};

Mirrored mirror(const std::byte* begin, const std::byte* end, const GpuMemory& room) {
  auto* const host = const_cast<std::byte*>(begin) - kAroundBytes;
  const std::uint64_t in_line = reinterpret_cast<std::uintptr_t>(host) % 64;
  return {host, room.data() + in_line, static_cast<std::uint64_t>(end - begin) + 2 * kAroundBytes};
}

}  // namespace

bool& used_gpu_here() {
  static bool used = false;
  return used;
}

const std::string& why_no_gpu() {
  static const std::string why = [] {
    int pipes[2];
    if (::pipe(pipes) != 0) return std::string("no pipe");
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string text = device::why_none();
      static_cast<void>(!::write(pipes[1], text.data(), text.size()));
      ::_exit(0);
    }
    ::close(pipes[1]);
    std::string text(512, '\0');
    const ssize_t length = ::read(pipes[0], text.data(), text.size());
    ::close(pipes[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status)) return std::string("asking for it ended the process");
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    return text;
  }();
  return why;
}

int repetitions(int on_device) {
  const auto facts = device::facts(0);
  const bool host = facts.ok() && facts.value().name == "host threads";
  return host ? on_device / 50 : on_device;
}

Options gpu_options(std::chrono::milliseconds timeout) {
  Options options;
  options.device = 0;
  options.timeout = timeout;
  return options;
}

std::string spawn_gpu_threads(int ranks, const Body& body, const Options& options) {
  used_gpu_here() = true;
  return spawn_threads(ranks, body, options);
}

std::string spawn_gpu_hosts(const std::vector<int>& host_of, const Body& body,
                            const Options& options) {
  used_gpu_here() = true;
  return spawn_threads(static_cast<int>(host_of.size()), body, options, host_of);
}

GpuMemory::GpuMemory(std::uint64_t bytes) : bytes_(bytes) {
  const auto memory = alloc(bytes, MemoryKind::kDevice);
  EXPECT_TRUE(memory.ok()) << last_error();
  if (memory.ok()) data_ = static_cast<std::byte*>(memory.value());
}

GpuMemory::~GpuMemory() { EXPECT_TRUE(sluice::free(data_).ok()) << last_error(); }

GpuRank::GpuRank(Communicator& communicator)
    : communicator_(communicator),
      own_(device::OwnStream::create()),
      stream_(own_.ok() ? &own_.value() : nullptr),
      input_(kRoomBytes),
      output_(kRoomBytes) {
  EXPECT_NE(stream_, nullptr) << last_error();
  // Nobody shall launch while another still allocates.
  EXPECT_TRUE(communicator.barrier().ok());
}

std::string GpuRank::finish() {
  if (const Status waited = stream_->wait(); !waited.ok()) return text_of(waited);
  return text_of(communicator_.error());
}

std::string GpuRank::to_device(std::byte* device, const void* host, std::uint64_t bytes) {
  if (const Status copied = device::copy_on(stream(), device, host, bytes); !copied.ok())
    return text_of(copied);
  return text_of(stream_->wait());
}

std::string GpuRank::from_device(void* host, const std::byte* device, std::uint64_t bytes) {
  if (const Status copied = device::copy_on(stream(), host, device, bytes); !copied.ok())
    return text_of(copied);
  return text_of(stream_->wait());
}

std::string GpuRank::operator()(const Case& c, const CaseLayout& layout, const std::byte* input,
                                std::byte* output) {
  const std::uint64_t elem = size_in_bytes(c.type);
  const std::byte* const input_end = input + layout.input_elems * elem;
  const std::byte* const output_end = output + layout.output_elems * elem;
  std::vector<Mirrored> parts;
  std::byte *on_device_in = nullptr, *on_device_out = nullptr;
  if (c.in_place && layout.has_in_place && input != nullptr && output != nullptr) {
    parts.push_back(
        mirror(std::min<const std::byte*>(input, output), std::max(input_end, output_end), input_));
    on_device_in = parts[0].at(input);
    on_device_out = parts[0].at(output);
  } else {
    if (input != nullptr) {
      parts.push_back(mirror(input, input_end, input_));
      on_device_in = parts.back().at(input);
    }
    if (output != nullptr) {
      parts.push_back(mirror(output, output_end, output_));
      on_device_out = parts.back().at(output);
    }
  }
  for (const Mirrored& part : parts) {
    if (part.bytes + 64 > kRoomBytes) return "the test's memory on the device is too small";
    if (auto error = to_device(part.device, part.host, part.bytes); !error.empty()) return error;
  }
  if (const Status called = call_on(*this, c, layout, on_device_in, on_device_out); !called.ok())
    return text_of(called);
  if (auto error = finish(); !error.empty()) return error;
  for (const Mirrored& part : parts)
    if (auto error = from_device(part.host, part.device, part.bytes); !error.empty()) return error;
  return {};
}

namespace {

Status exchange_with_neighbours(const GpuRank& rank, const Case& t, const void* in, void* out) {
  using Transfer = Communicator::Transfer;
  const int size = rank.communicator().size(), me = rank.communicator().rank();
  const Transfer transfers[] = {{.direction = Transfer::Direction::kSend,
                                 .peer = (me + 1) % size,
                                 .source = in,
                                 .count = t.count,
                                 .type = t.type},
                                {.direction = Transfer::Direction::kReceive,
                                 .peer = (me + size - 1) % size,
                                 .destination = out,
                                 .count = t.count,
                                 .type = t.type}};
  return rank.communicator().on(rank.stream()).exchange(transfers);
}

}  // namespace

Status call_on(GpuRank& rank, const Case& t, const CaseLayout& layout, const void* in, void* out) {
  const OnStream c = rank.communicator().on(rank.stream());
  const Reduction reduction = reduction_of(t.type, t.op, t.values, rank.communicator().rank());
  switch (t.collective) {
    case Collective::kAllReduce: return c.all_reduce(in, out, t.count, t.type, reduction);
    case Collective::kReduce: return c.reduce(in, out, t.count, t.type, reduction, t.root);
    case Collective::kReduceScatter: return c.reduce_scatter(in, out, t.count, t.type, reduction);
    case Collective::kReduceScatterV:
      return c.reduce_scatter_v(in, out, layout.counts, t.type, reduction);
    case Collective::kAllGather: return c.all_gather(in, out, t.count, t.type);
    case Collective::kAllGatherV:
      return c.all_gather_v(in, out, layout.counts, layout.displacements, t.type);
    case Collective::kBroadcast: return c.broadcast(in, out, t.count, t.type, t.root);
    case Collective::kGather: return c.gather(in, out, t.count, t.type, t.root);
    case Collective::kScatter: return c.scatter(in, out, t.count, t.type, t.root);
    case Collective::kAllToAll: return c.all_to_all(in, out, t.count, t.type);
    case Collective::kBarrier: return c.barrier();
    case Collective::kAllToAllV:
      return c.all_to_all_v(in, layout.counts, layout.displacements, out, layout.receive_counts,
                            layout.receive_displacements, t.type);
    case Collective::kSendReceive: return exchange_with_neighbours(rank, t, in, out);
  }
  return {};
}

std::string spawn_gpu_with_a_death(const Prepare& prepare) {
  Launch launch;
  launch.options = gpu_options(std::chrono::seconds(50));
  return spawn_processes(
      2,
      [&](Communicator& c) -> std::string {
        GpuRank rank(c);
        const auto enqueue = prepare(rank);
        static_cast<void>(c.barrier());
        if (c.rank() == 1) ::_exit(3);
        const auto begin = std::chrono::steady_clock::now();
        static_cast<void>(enqueue());
        const std::string error = rank.finish();
        if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(20)) return "late";
        return "heard: " + error;
      },
      launch);
}

}  // namespace sluice::test
