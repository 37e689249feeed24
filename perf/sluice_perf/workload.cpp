#include "sluice_perf/workload.hpp"

#include <algorithm>
#include <array>

namespace sluice::perf {
namespace {

/// `total` split over `ranks` in the proportion 1 : 2 : ... : ranks, so that every block has its
/// own length.
std::size_t ragged_border(std::size_t total, int ranks, int before) {
  const std::size_t weight =
      static_cast<std::size_t>(before) * static_cast<std::size_t>(before + 1);
  const std::size_t whole = static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks + 1);
  return total / whole * weight + total % whole * weight / whole;
}
std::size_t ragged_count(std::size_t total, int ranks, int index) {
  return ragged_border(total, ranks, index + 1) - ragged_border(total, ranks, index);
}

std::vector<std::size_t> packed_displacements(const std::vector<std::size_t>& counts) {
  std::vector<std::size_t> displacements;
  std::size_t at = 0;
  for (const std::size_t count : counts) {
    displacements.push_back(at);
    at += count;
  }
  return displacements;
}

/// Same count in, same count out, everywhere: all_reduce, broadcast, reduce.
void set_whole(Workload& work, std::size_t elems) {
  const Shape& shape = work.shape;
  const bool is_root = shape.rank == shape.root;
  const bool reads = shape.collective != Collective::kBroadcast || is_root;
  const bool writes = shape.collective != Collective::kReduce || is_root;
  const int result = shape.collective == Collective::kBroadcast ? shape.root : Segment::kReduced;
  work.count = work.size_elems = elems;
  work.input_elems = reads ? elems : 0;
  work.output_elems = writes ? elems : 0;
  if (reads) work.input = {{0, shape.rank, 0, elems}};
  if (writes) work.expected = {{0, result, 0, elems}};
}

/// One block in, p blocks out (or the reverse): all_gather, gather, scatter, reduce_scatter.
void set_blocks(Workload& work, std::size_t block) {
  const Shape& shape = work.shape;
  const bool is_root = shape.rank == shape.root;
  const auto rank = static_cast<std::size_t>(shape.rank);
  const std::size_t whole = block * static_cast<std::size_t>(shape.ranks);
  work.count = block;
  work.size_elems = whole;
  switch (shape.collective) {
    case Collective::kAllGather:
    case Collective::kGather:
      work.input_elems = block;
      work.input = {{0, shape.rank, 0, block}};
      if (shape.collective == Collective::kGather && !is_root) return;
      work.output_elems = whole;
      for (std::size_t r = 0; r < static_cast<std::size_t>(shape.ranks); ++r)
        work.expected.push_back({r * block, static_cast<int>(r), 0, block});
      work.in_place_input_at = rank * block;
      return;
    case Collective::kScatter:
      work.output_elems = block;
      work.expected = {{0, shape.root, rank * block, block}};
      if (!is_root) return;
      work.input_elems = whole;
      work.input = {{0, shape.rank, 0, whole}};
      work.in_place_output_at = rank * block;
      return;
    default:  // reduce_scatter
      work.input_elems = whole;
      work.output_elems = block;
      work.input = {{0, shape.rank, 0, whole}};
      work.expected = {{0, Segment::kReduced, rank * block, block}};
      work.in_place_output_at = rank * block;
      return;
  }
}

void set_all_to_all(Workload& work, std::size_t block) {
  const auto rank = static_cast<std::size_t>(work.shape.rank);
  work.count = block;
  work.size_elems = work.input_elems = work.output_elems =
      block * static_cast<std::size_t>(work.shape.ranks);
  work.has_in_place = false;
  work.input = {{0, work.shape.rank, 0, work.size_elems}};
  for (std::size_t r = 0; r < static_cast<std::size_t>(work.shape.ranks); ++r)
    work.expected.push_back({r * block, static_cast<int>(r), rank * block, block});
}

void set_ragged_blocks(Workload& work, std::size_t total) {
  const Shape& shape = work.shape;
  const auto rank = static_cast<std::size_t>(shape.rank);
  for (int r = 0; r < shape.ranks; ++r) work.counts.push_back(ragged_count(total, shape.ranks, r));
  work.displacements = packed_displacements(work.counts);
  work.count = work.size_elems = total;
  const std::size_t mine = work.counts[rank];
  const std::size_t my_place = work.displacements[rank];
  if (shape.collective == Collective::kReduceScatterV) {
    work.input_elems = total;
    work.output_elems = mine;
    work.input = {{0, shape.rank, 0, total}};
    work.expected = {{0, Segment::kReduced, my_place, mine}};
    work.in_place_output_at = my_place;
    return;
  }
  work.input_elems = mine;
  work.output_elems = total;
  work.input = {{0, shape.rank, 0, mine}};
  for (std::size_t r = 0; r < work.counts.size(); ++r)
    work.expected.push_back({work.displacements[r], static_cast<int>(r), 0, work.counts[r]});
  work.in_place_input_at = my_place;
}

/// A Latin square of lengths: rows and columns hold the same ones, so everybody sends and receives
/// `total`.
void set_ragged_all_to_all(Workload& work, std::size_t total) {
  const int p = work.shape.ranks;
  const int me = work.shape.rank;
  const auto block = [&](int from, int to) { return ragged_count(total, p, (from + to) % p); };
  for (int r = 0; r < p; ++r) {
    work.counts.push_back(block(me, r));
    work.receive_counts.push_back(block(r, me));
  }
  work.displacements = packed_displacements(work.counts);
  work.receive_displacements = packed_displacements(work.receive_counts);
  work.count = work.size_elems = work.input_elems = work.output_elems = total;
  work.has_in_place = false;
  work.input = {{0, me, 0, total}};
  for (int r = 0; r < p; ++r) {
    std::size_t first = 0;
    for (int to = 0; to < me; ++to) first += block(r, to);
    const auto at = static_cast<std::size_t>(r);
    work.expected.push_back({work.receive_displacements[at], r, first, work.receive_counts[at]});
  }
}

/// As in nccl-tests: everybody sends to the next rank and receives from the previous one.
void set_send_receive(Workload& work, std::size_t elems) {
  const int left = (work.shape.rank + work.shape.ranks - 1) % work.shape.ranks;
  work.count = work.size_elems = work.input_elems = work.output_elems = elems;
  work.has_in_place = false;
  work.input = {{0, work.shape.rank, 0, elems}};
  work.expected = {{0, left, 0, elems}};
}

template <class Caller>
Status exchange_with_neighbours(Caller& caller, const Workload& work, const void* input,
                                void* output, DataType type) {
  using Transfer = Communicator::Transfer;
  const int p = work.shape.ranks;
  Transfer send{Transfer::Direction::kSend, (work.shape.rank + 1) % p};
  send.source = input;
  Transfer receive{Transfer::Direction::kReceive, (work.shape.rank + p - 1) % p};
  receive.destination = output;
  send.count = receive.count = work.count;
  send.type = receive.type = type;
  const std::array transfers{send, receive};
  return caller.exchange(transfers);
}

}  // namespace

Workload make_workload(const Shape& shape, std::size_t elems) {
  Workload work;
  work.shape = shape;
  const auto p = static_cast<std::size_t>(shape.ranks);
  const std::size_t block = elems == 0 ? 0 : std::max<std::size_t>(1, elems / p);
  switch (shape.collective) {
    case Collective::kAllReduce:
    case Collective::kBroadcast:
    case Collective::kReduce: set_whole(work, elems); break;
    case Collective::kReduceScatter:
    case Collective::kAllGather:
    case Collective::kGather:
    case Collective::kScatter: set_blocks(work, block); break;
    case Collective::kAllToAll: set_all_to_all(work, block); break;
    case Collective::kAllGatherV:
    case Collective::kReduceScatterV: set_ragged_blocks(work, elems); break;
    case Collective::kAllToAllV: set_ragged_all_to_all(work, elems); break;
    case Collective::kSendReceive: set_send_receive(work, elems); break;
    case Collective::kBarrier: work.has_in_place = false; break;
  }
  return work;
}

namespace {

/// On host memory, or on a stream.
template <class Caller>
Status run_either(Caller& caller, const Workload& work, const void* input, void* output,
                  DataType type, const Reduction& reduction) {
  const int root = work.shape.root;
  switch (work.shape.collective) {
    case Collective::kAllReduce:
      return caller.all_reduce(input, output, work.count, type, reduction);
    case Collective::kReduceScatter:
      return caller.reduce_scatter(input, output, work.count, type, reduction);
    case Collective::kAllGather: return caller.all_gather(input, output, work.count, type);
    case Collective::kBroadcast: return caller.broadcast(input, output, work.count, type, root);
    case Collective::kReduce:
      return caller.reduce(input, output, work.count, type, reduction, root);
    case Collective::kGather: return caller.gather(input, output, work.count, type, root);
    case Collective::kScatter: return caller.scatter(input, output, work.count, type, root);
    case Collective::kAllToAll: return caller.all_to_all(input, output, work.count, type);
    case Collective::kAllGatherV:
      return caller.all_gather_v(input, output, work.counts, work.displacements, type);
    case Collective::kReduceScatterV:
      return caller.reduce_scatter_v(input, output, work.counts, type, reduction);
    case Collective::kBarrier: return caller.barrier();
    case Collective::kAllToAllV:
      return caller.all_to_all_v(input, work.counts, work.displacements, output,
                                 work.receive_counts, work.receive_displacements, type);
    case Collective::kSendReceive:
      return exchange_with_neighbours(caller, work, input, output, type);
  }
  return {};
}

}  // namespace

Status run(Communicator& communicator, const Workload& work, const void* input, void* output,
           DataType type, const Reduction& reduction) {
  return run_either(communicator, work, input, output, type, reduction);
}

Status run(const OnStream& on, const Workload& work, const void* input, void* output, DataType type,
           const Reduction& reduction) {
  return run_either(on, work, input, output, type, reduction);
}

bool reduces(Collective collective) {
  return collective == Collective::kAllReduce || collective == Collective::kReduceScatter ||
         collective == Collective::kReduce || collective == Collective::kReduceScatterV;
}

bool has_root(Collective collective) {
  return collective == Collective::kBroadcast || collective == Collective::kReduce ||
         collective == Collective::kGather || collective == Collective::kScatter;
}

bool moves_data(Collective collective) { return collective != Collective::kBarrier; }

double bus_factor(Collective collective, int ranks) {
  const double others = static_cast<double>(ranks - 1) / ranks;
  switch (collective) {
    case Collective::kAllReduce: return 2 * others;
    case Collective::kReduceScatter:
    case Collective::kAllGather:
    case Collective::kGather:
    case Collective::kScatter:
    case Collective::kAllToAll:
    case Collective::kAllGatherV:
    case Collective::kReduceScatterV:
    case Collective::kAllToAllV: return others;
    case Collective::kBroadcast:
    case Collective::kReduce:
    case Collective::kSendReceive:
    case Collective::kBarrier: return 1;
  }
  return 1;
}

}  // namespace sluice::perf
