#include "support/collective_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "support/case_layout.hpp"
#include "support/ranks.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t kGuardBytes = 192;
constexpr std::byte kGuard{0xa5};

bool all_guard(const std::byte* from, const std::byte* to) {
  return std::all_of(from, to, [](std::byte b) { return b == kGuard; });
}

std::uint64_t hash_of(const std::byte* bytes, std::uint64_t count) {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(bytes), count});
}

void fill(std::byte* at, const std::vector<Piece>& pieces, std::size_t elem_bytes) {
  for (const Piece& piece : pieces)
    piece.tile->fill(at + piece.at * elem_bytes, piece.first, piece.count);
}

std::string check(const char* what, const std::byte* at, const std::vector<Piece>& pieces,
                  std::size_t elem_bytes) {
  for (const Piece& piece : pieces) {
    const std::byte* from = at + piece.at * elem_bytes;
    const std::uint64_t bad = piece.tile->mismatch(from, piece.first, piece.count);
    if (bad == piece.count) continue;
    std::string found = "0x";
    for (std::size_t b = elem_bytes; b-- > 0;)
      found += fmt::format("{:02x}", std::to_integer<unsigned>(from[bad * elem_bytes + b]));
    return fmt::format("{}: element {} (of the piece at {}, {} long) is {}, expected {}", what,
                       piece.at + bad, piece.at, piece.count, found,
                       piece.tile->element(piece.first + bad));
  }
  return {};
}

/// Whether everything of [0, elems) that no piece covers still has the guard's bytes.
bool gaps_untouched(const std::byte* at, std::vector<Piece> pieces, std::uint64_t elems,
                    std::size_t elem_bytes) {
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.at < b.at; });
  std::uint64_t covered = 0;
  for (const Piece& piece : pieces) {
    if (piece.count == 0) continue;
    if (piece.at > covered && !all_guard(at + covered * elem_bytes, at + piece.at * elem_bytes))
      return false;
    covered = std::max(covered, piece.at + piece.count);
  }
  return all_guard(at + covered * elem_bytes, at + elems * elem_bytes);
}

Status exchange_with_neighbours(Communicator& c, const std::byte* input, std::byte* output,
                                const Case& test) {
  const int right = (c.rank() + 1) % c.size(), left = (c.rank() + c.size() - 1) % c.size();
  using Transfer = Communicator::Transfer;
  const Transfer transfers[] = {{.direction = Transfer::Direction::kSend,
                                 .peer = right,
                                 .source = input,
                                 .count = test.count,
                                 .type = test.type},
                                {.direction = Transfer::Direction::kReceive,
                                 .peer = left,
                                 .destination = output,
                                 .count = test.count,
                                 .type = test.type}};
  return c.exchange(transfers);
}

Status call(Communicator& c, const Case& t, const CaseLayout& layout, const std::byte* in,
            std::byte* out) {
  const Reduction reduction = reduction_of(t.type, t.op, t.values, c.rank());
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
    case Collective::kAllToAllV:
      return c.all_to_all_v(in, layout.counts, layout.displacements, out, layout.receive_counts,
                            layout.receive_displacements, t.type);
    case Collective::kSendReceive: return exchange_with_neighbours(c, in, out, t);
    case Collective::kBarrier: return c.barrier();
  }
  return {};
}

}  // namespace

std::string describe(const Case& c) {
  return fmt::format("{} count {} {} {} root {}{} shifts {} {} {}{}", name(c.collective), c.count,
                     name(c.type), name(c.op), c.root, c.in_place ? " in place" : "", c.input_shift,
                     c.output_shift, c.values == Values::kReal ? "real" : "exact",
                     c.memory == Memory::kOrdinary     ? ""
                     : c.memory == Memory::kRegistered ? " registered"
                                                       : " mixed");
}

CaseRunner::CaseRunner(Communicator& communicator)
    : CaseRunner(communicator.rank(), communicator.size(),
                 [&](const Case& c, const CaseLayout& layout, const std::byte* in, std::byte* out) {
                   return text_of(call(communicator, c, layout, in, out));
                 }) {}

std::byte* CaseRunner::place(Area& area, std::uint64_t bytes, bool registered) {
  if (!registered) {
    if (area.ordinary.size() < bytes) area.ordinary.resize(bytes + bytes / 2);
    return area.ordinary.data();
  }
  if (!area.registered || area.registered->size() < bytes) {
    area.registered.reset();
    auto buffer = Buffer<std::byte>::create(bytes + bytes / 2);
    if (!buffer.ok()) return nullptr;
    area.registered.emplace(std::move(buffer).value());
  }
  return area.registered->data();
}

std::string CaseRunner::run(const Case& c) {
  const CaseLayout layout = layout_of(c, rank_, ranks_);
  const std::size_t elem = size_in_bytes(c.type);
  const std::uint64_t in_bytes = layout.input_elems * elem, out_bytes = layout.output_elems * elem;
  const bool in_place = c.in_place && layout.has_in_place;
  const std::uint64_t first_bytes = in_place ? std::max(in_bytes, out_bytes) : in_bytes;
  const auto needed = [](std::uint64_t bytes) { return bytes + 2 * kGuardBytes + 128; };
  const bool mixed = c.memory == Memory::kMixed;
  std::byte* input_area = place(input_, needed(first_bytes),
                                c.memory == Memory::kRegistered || (mixed && rank_ % 2 == 0));
  std::byte* output_area = place(output_, needed(out_bytes),
                                 c.memory == Memory::kRegistered || (mixed && rank_ % 4 == 0));
  if (input_area == nullptr || output_area == nullptr) return "no registered memory";
  const auto aligned = [](std::byte* at, std::size_t shift) {
    const auto address =
        (reinterpret_cast<std::uintptr_t>(at) + kGuardBytes / 2 + 63) / 64 * 64 + shift;
    return reinterpret_cast<std::byte*>(address);
  };
  std::byte* first =
      aligned(input_area, c.input_shift);  // the input, or in place the larger of the two
  std::byte* in = first + (in_place ? layout.input_in_output * elem : 0);
  std::byte* out =
      in_place ? first + layout.output_in_input * elem : aligned(output_area, c.output_shift);
  std::memset(input_area, static_cast<int>(kGuard), needed(first_bytes));
  std::memset(output_area, static_cast<int>(kGuard), needed(out_bytes));
  fill(in, layout.input, elem);

  const std::string where = describe(c) + ": ";
  if (std::string error =
          call_(c, layout, in_bytes == 0 ? nullptr : in, out_bytes == 0 ? nullptr : out);
      !error.empty())
    return where + error;
  if (std::string error = check("output", out, layout.output, elem); !error.empty())
    return where + error;
  if (!in_place) {
    if (std::string error = check("input", in, layout.input, elem); !error.empty())
      return where + error;
    if (!gaps_untouched(out, layout.output, layout.output_elems, elem))
      return where + "a gap of the output was written";
    if (!all_guard(output_area, out) ||
        !all_guard(out + out_bytes, output_area + needed(out_bytes)))
      return where + "written outside the output";
  }
  if (!all_guard(input_area, first) ||
      !all_guard(first + first_bytes, input_area + needed(first_bytes)))
    return where + "written outside the input";
  output_hash_ = hash_of(out, out_bytes);
  return {};
}

}  // namespace sluice::test
