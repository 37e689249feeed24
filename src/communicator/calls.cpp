#include "communicator/calls.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"

namespace sluice {
namespace {

bool overlap(const void* a, std::uint64_t a_bytes, const void* b, std::uint64_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return a_bytes != 0 && b_bytes != 0 && x < y + b_bytes && y < x + a_bytes;
}

/// Whether input and output lie as the collective's "in place" says.
bool in_place(const Call& call, int rank) {
  const BufferShape shape = shape_of(call.collective);
  const auto* input = static_cast<const std::byte*>(call.input);
  const auto* output = static_cast<const std::byte*>(call.output);
  if (shape.input == shape.output) return shape.input == Extent::kWhole && input == output;
  const std::uint64_t offset = call.blocks[rank].offset;
  return shape.input == Extent::kAllBlocks ? output == input + offset : input == output + offset;
}

}  // namespace

Status bad_argument(const Communicator::Impl& impl, const Call& call, const std::string& text) {
  return fail(Errc::kInvalidArgument, "invalid argument",
              fmt::format("rank {}, {}: {}", impl.rank(), name(call.collective), text));
}

Status examine(const Communicator::Impl& impl, const Call& call) {
  if (call.elem_bytes == 0)
    return bad_argument(impl, call,
                        fmt::format("unknown data type {}", static_cast<int>(call.type)));
  if (static_cast<int>(call.op) >= kReduceOpCount)
    return bad_argument(impl, call, fmt::format("unknown operator {}", static_cast<int>(call.op)));
  if (call.root < 0 || call.root >= impl.size())
    return bad_argument(impl, call,
                        fmt::format("root {} is not a rank of {}", call.root, impl.size()));
  if (call.count >
      (std::uint64_t{1} << 62) / call.elem_bytes / static_cast<std::uint64_t>(impl.size()))
    return bad_argument(impl, call, fmt::format("count {} is too large", call.count));
  const std::uint64_t input_bytes = call.input_bytes(impl.rank()),
                      output_bytes = call.output_bytes(impl.rank());
  if (input_bytes != 0 && call.input == nullptr) return bad_argument(impl, call, "input is null");
  if (output_bytes != 0 && call.output == nullptr)
    return bad_argument(impl, call, "output is null");
  if (overlap(call.input, input_bytes, call.output, output_bytes) && !in_place(call, impl.rank()))
    return bad_argument(impl, call, "input and output overlap and are not in place");
  return {};
}

std::uint64_t hash_counts(std::span<const std::size_t> counts) {
  std::uint64_t hash = counts.size();
  for (const std::size_t count : counts)
    hash = (hash ^ count) * 0x9e3779b97f4a7c15, hash ^= hash >> 29;
  return hash;
}

Status check_list(const Communicator::Impl& impl, Collective collective, const char* what,
                  std::span<const std::size_t> list, DataType type) {
  const std::uint64_t limit = (std::uint64_t{1} << 60) /
                              std::max<std::uint64_t>(size_in_bytes(type), 1) /
                              static_cast<std::uint64_t>(impl.size());
  if (list.size() != static_cast<std::size_t>(impl.size()))
    return bad_argument(impl, Call(collective, type),
                        fmt::format("{} has {} entries, expected one for each of {} ranks", what,
                                    list.size(), impl.size()));
  for (const std::size_t entry : list)
    if (entry > limit)
      return bad_argument(impl, Call(collective, type),
                          fmt::format("{}: {} is too large", what, entry));
  return {};
}

}  // namespace sluice
