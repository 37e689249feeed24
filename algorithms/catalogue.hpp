// The catalogue: every algorithm, one line each. Selection, tests, documentation, SLUICE_ALGORITHM
// and sluice-perf read this table. To add an algorithm: its file, its include, its line.
#pragma once

#include <cstdint>
#include <string_view>

#include "algorithms/all_gather/bruck.hpp"
#include "algorithms/all_gather/direct.hpp"
#include "algorithms/all_gather/hierarchical.hpp"
#include "algorithms/all_gather/packet.hpp"
#include "algorithms/all_gather/pairwise.hpp"
#include "algorithms/all_gather/ring.hpp"
#include "algorithms/all_gather/staged.hpp"
#include "algorithms/all_reduce/direct.hpp"
#include "algorithms/all_reduce/hierarchical.hpp"
#include "algorithms/all_reduce/linear.hpp"
#include "algorithms/all_reduce/one_shot.hpp"
#include "algorithms/all_reduce/packet.hpp"
#include "algorithms/all_reduce/recursive_doubling.hpp"
#include "algorithms/all_reduce/recursive_halving.hpp"
#include "algorithms/all_reduce/ring.hpp"
#include "algorithms/all_reduce/tree.hpp"
#include "algorithms/all_reduce/two_shot.hpp"
#include "algorithms/all_to_all/bruck.hpp"
#include "algorithms/all_to_all/direct.hpp"
#include "algorithms/all_to_all/hierarchical.hpp"
#include "algorithms/all_to_all/packet.hpp"
#include "algorithms/all_to_all/pairwise.hpp"
#include "algorithms/all_to_all/staged.hpp"
#include "algorithms/arguments.hpp"
#include "algorithms/barrier/dissemination.hpp"
#include "algorithms/barrier/packet.hpp"
#include "algorithms/broadcast/chain.hpp"
#include "algorithms/broadcast/direct.hpp"
#include "algorithms/broadcast/hierarchical.hpp"
#include "algorithms/broadcast/packet.hpp"
#include "algorithms/broadcast/staged.hpp"
#include "algorithms/broadcast/tree.hpp"
#include "algorithms/cost_model.hpp"
#include "algorithms/gather/direct.hpp"
#include "algorithms/gather/hierarchical.hpp"
#include "algorithms/gather/linear.hpp"
#include "algorithms/gather/packet.hpp"
#include "algorithms/reduce/chain.hpp"
#include "algorithms/reduce/direct.hpp"
#include "algorithms/reduce/hierarchical.hpp"
#include "algorithms/reduce/packet.hpp"
#include "algorithms/reduce/tree.hpp"
#include "algorithms/reduce/two_shot.hpp"
#include "algorithms/reduce_scatter/bruck.hpp"
#include "algorithms/reduce_scatter/direct.hpp"
#include "algorithms/reduce_scatter/hierarchical.hpp"
#include "algorithms/reduce_scatter/packet.hpp"
#include "algorithms/reduce_scatter/pairwise.hpp"
#include "algorithms/reduce_scatter/ring.hpp"
#include "algorithms/reduce_scatter/staged.hpp"
#include "algorithms/scatter/direct.hpp"
#include "algorithms/scatter/hierarchical.hpp"
#include "algorithms/scatter/linear.hpp"
#include "algorithms/scatter/packet.hpp"
#include "sluice/algorithms.hpp"

namespace sluice {

/// What an algorithm asks of the ranks' memory.
enum class Needs : std::uint8_t {
  kLinks,      // puts and signals between neighbours, nothing else
  kHosts,      // ranks on several hosts: links across, the segments of a host mapped within it
  kEvenHosts,  // and equally many on each
  kSegments,   // every peer's segment mapped
  kReach,      // copies to or from the users' buffers: mapped, one process, or cross-memory attach
  kInputs,     // every rank's input mapped
  kBuffers,    // every rank's input and output mapped
};

/// A line of the catalogue for one kind of machine: Context names its Group, Fabric and Math types.
template <class Context>
struct CatalogueEntry {
  using Run = void (*)(const typename Context::Group&, typename Context::Fabric&,
                       const typename Context::Math&, const Arguments&);
  /// Nanoseconds for p ranks and messages of n bytes: the whole buffer, or one block where a
  /// collective has blocks.
  using Cost = double (*)(const CostModel& m, double p, double n);

  Collective collective;
  std::string_view name;
  Needs needs;
  std::uint64_t max_bytes;  // largest message
  Run run;
  Cost cost;
  std::string_view cost_text;
  std::string_view summary;
};

inline constexpr std::uint64_t kAnySize = ~0ull;
// Of larger blocks, a ring's steps carry as much while they wait for each other.
inline constexpr std::uint64_t kPairwiseGatherBytes = 8 * 1024;

// clang-format off
// The cost functions, named as the lines that use them.
namespace cost {
using M = const CostModel&;
constexpr double larger(double a, double b) { return a > b ? a : b; }
constexpr double packet_all(M m, double p, double n) { return m.step() + m.work(10 * p + n * (m.packet_write + larger((p - 1) * m.packet_read, m.cached_byte))); }
constexpr double packet_down(M m, double p, double n) { return m.step() + m.work(10 * p + n * larger(m.packet_write, m.packet_read)) * (p > 2 ? 1 : 0.5); }
constexpr double packet_block(M m, double p, double n) { return m.step() + m.work(20 * p + (p - 1) * n * (m.packet_write + m.packet_read + m.cached_byte)); }
constexpr double packet_root(M m, double p, double n) { return m.step() + m.work(20 * p + (p - 1) * n * (m.packet_read + m.cached_byte)); }
constexpr double one_shot(M m, double p, double n) { return 1.5 * m.step() + m.work(30 * p) + m.to_stage(n) + larger(m.from_stage((p - 1) * n), m.pass(n, p * n)); }
constexpr double two_shot(M m, double p, double n) { return 2.5 * m.step() + m.work(60 * p) + m.to_stage(n) + m.from_stage(2 * n * (p - 1) / p) + m.pass(n / p, 2 * n) + m.beyond(2 * n, 2 * n); }
constexpr double reduce_direct(M m, double p, double n) { return 3 * m.step() + m.work(80 * p) + m.work((p - 1) / p * n * (m.packet_read + m.stage_write)) + m.pass(n / p, 2 * n) + m.beyond(2 * n, 2 * n); }
constexpr double near_step(M m, double n, double footprint) { return m.step() + m.work(40 + n * (m.packet_write + m.packet_read)) + m.pass(n, footprint); }
// Over links; where ranks are on several hosts a step costs what the network takes, and `at_once` ranks of a host use it together.
constexpr double link_step(M m, double n, double footprint, double at_once = 1) { return m.hosts > 1 ? m.across(at_once * n) + m.pass(n, footprint) : near_step(m, n, footprint); }
constexpr double ring_all_reduce(M m, double p, double n) { return 2 * (p - 1) * link_step(m, n / p, 2 * n); }
// Ranks beyond a power of two cost two steps more, before and behind the others'.
constexpr double doubling_steps(double p) { const double steps = CostModel::log2_ceil(p); return CostModel::log2_ceil(p + 1) > steps ? steps : steps + 1; }
constexpr double doubling(M m, double p, double n) { return doubling_steps(p) * link_step(m, n, 2 * n, p / m.hosts) + m.pass(n, 2 * n); }
// To rank 0 and back, where the later messages cost the kernel's work, half of their latency; but no sooner than the cores are through with everybody's.
constexpr double linear_all_reduce(M m, double p, double n) { const double r = p / m.hosts, far = p - r; return larger((1 + (far + 1) / 2) * m.network_alpha, m.work(2 * far / p * m.network_alpha)) + 2 * far * n * m.network_byte + 2 * (r - 1) * near_step(m, n, 2 * n) + far * m.pass(n, p * n); }
constexpr double halving(M m, double p, double n) { const double aside = doubling_steps(p) > m.log2_ceil(p) ? 2 * n : 0; return 2 * m.log2_ceil(p) * (m.hosts > 1 ? m.across(0) : m.step()) + link_step(m, 2 * n + aside, 2 * n, p / m.hosts) + m.pass(n, 2 * n); }
constexpr double tree_all_reduce(M m, double p, double n) { return 2 * m.log2_ceil(p) * link_step(m, n, 2 * n); }
// On any way from the root to a leaf, only so many steps go to another host as there are bits in the number of hosts.
constexpr double tree_rooted(M m, double p, double n) { return m.log2_ceil(m.hosts) * m.across(n) + (m.log2_ceil(p) - m.log2_ceil(m.hosts)) * near_step(m, n, 2 * n) + m.log2_ceil(m.hosts) * m.pass(n, 2 * n); }
// Its root sends several messages, which calls one behind the other wait for: of schedules that are as quick alone, the one with a single message is preferred.
constexpr double tree_down(M m, double p, double n) { return tree_rooted(m, p, n) + m.work(20) * larger(m.log2_ceil(p) - 1, 0); }
// The first piece all the way, the rest behind it. One rank after the other is at work with a piece, so ranks that share a core do not add up on the way, only in what each has to do.
constexpr double chain_piece(double p, double n) { const auto bytes = static_cast<std::uint64_t>(n); const std::uint64_t piece = tree_piece_bytes(kHostLinks.piece_bytes, links_across_hosts(static_cast<std::uint64_t>(p)).piece_bytes, bytes); return static_cast<double>(piece < bytes ? piece : bytes); }
constexpr double chain_across(M m, double p, double n, double at_once) { const double piece = chain_piece(p, n); return larger((m.hosts - 1) * m.network_alpha, m.work(m.network_alpha)) + at_once * (n + (m.hosts - 2) * piece) * m.network_byte; }
// Ranks of one host need not be neighbours in the chain, so all their bytes may cross. Of two ranks it is the tree, which is preferred.
constexpr double chain(M m, double p, double n) { if (p < 3) return tree_rooted(m, p, n) + m.work(40); const double piece = chain_piece(p, n), near = p > m.hosts ? near_step(m, n, 2 * n) + (p - m.hosts - 1) * near_step(m, piece, 2 * n) : 0; return chain_across(m, p, n, p / m.hosts) + near + m.log2_ceil(m.hosts) * m.pass(piece, 2 * n) + m.pass(n - piece, 2 * n); }
constexpr double links_all(M m, double p, double n) { return (p - 1) * link_step(m, n, 2 * p * n, p / m.hosts); }
constexpr double ring_all(M m, double p, double n) { return (p - 1) * link_step(m, n, 2 * p * n); }
// A message for every other rank; those to ranks of the own host cost the network nothing.
constexpr double rank_by_rank(M m, double p, double n, double at_once) { const double r = p / m.hosts; return (p - r) * link_step(m, n, 2 * p * n, at_once) + (r - 1) * m.step(); }
constexpr double pairwise(M m, double p, double n) { return m.hosts > 1 ? rank_by_rank(m, p, n, p / m.hosts) : links_all(m, p, n); }
// Of messages that go one behind the other, all but the first cost the kernel's work: about half of their latency, if the core is one's own.
constexpr double pairwise_ahead(M m, double p, double n) { return pairwise(m, p, n) - (m.hosts > 1 ? (p - p / m.hosts - 1) * 0.5 * m.across(0) / larger(1, m.ranks_per_core) : 0); }
// The steps' messages add up to those of a ring; the copies are of what lies in cache.
constexpr double bruck(M m, double p, double n) { return m.log2_ceil(p) * link_step(m, 0, 0) + link_step(m, (p - 1) * n, 2 * p * n, p / m.hosts) - link_step(m, 0, 0) + m.pass(2 * p * n, 2 * p * n); }
constexpr double bruck_reduce(M m, double p, double n) { return bruck(m, p, n) + m.pass((p - 1) * n, 2 * p * n); }
constexpr double bruck_all_to_all(M m, double p, double n) { return m.log2_ceil(p) * (link_step(m, p / 2 * n, 2 * p * n, p / m.hosts) + m.pass(p * n, 2 * p * n)) + 2 * m.pass(p * n, 2 * p * n); }
constexpr double linear(M m, double p, double n) { return m.hosts > 1 ? rank_by_rank(m, p, n, 1) : links_all(m, p, n); }
constexpr double staged_scatter(M m, double p, double n) { return 2 * m.step() + m.work(60 * p) + m.to_stage((p - 1) * n) + m.from_stage((p - 1) * n) + m.pass(n, 2 * p * n) + m.beyond(p * n, 2 * p * n); }
// Half a pass: the block is read once for both its places.
constexpr double staged_gather(M m, double p, double n) { return 2 * m.step() + m.work(60 * p) + m.to_stage(n) + m.from_stage((p - 1) * n) + 0.5 * m.pass(n, 2 * p * n) + m.beyond((p - 1) * n, 2 * p * n); }
constexpr double staged_pairs(M m, double p, double n) { return 2 * m.step() + m.work(60 * p) + m.to_stage((p - 1) * n) + m.from_stage((p - 1) * n) + m.pass(n, 2 * p * n) + m.beyond((p - 1) * n, 2 * p * n); }
// A fifth more: the ends of the pipeline, where only one side works.
constexpr double staged_root(M m, double, double n) { return 2 * m.step() + 1.2 * larger(m.to_stage(n), m.from_stage(n)) + m.beyond(n, 2 * n); }
constexpr double scatter_direct(M m, double p, double n) { return 3 * m.step() + m.work(80 * p) + m.work((p - 1) * n * m.packet_read) + m.pass(n, 2 * p * n) + m.beyond(p * n, 2 * p * n); }
constexpr double gather_all_direct(M m, double p, double n) { return 3 * m.step() + m.work(80 * p) + (p - 1) * m.reach(n, 2 * p * n) + m.pass(n, 2 * p * n); }
constexpr double broadcast_direct(M m, double p, double n) { return 3 * m.step() + m.work(80 * p) + m.reach(n * (p - 1) / p, 2 * n); }
constexpr double rooted_direct(M m, double p, double n) { return 3 * m.step() + m.work(80 * p) + m.reach(n, p * n); }
constexpr double barrier_packet(M m, double p, double) { return m.step() + m.work(20 * p); }
constexpr double barrier_dissemination(M m, double p, double) { return m.log2_ceil(p) * (m.step() + m.work(20)); }
// Within a host through its stage, as the schedules for one host; across, what a host's ranks send together.
constexpr double hierarchical_all_reduce(M m, double p, double n) { const double r = p / m.hosts; return staged_scatter(m, r, n / r) + staged_gather(m, r, n / r) + (n / r <= kDoublingBytes ? doubling_steps(m.hosts) * m.across(n) : 2 * (m.hosts - 1) * m.across(n / m.hosts)); }
constexpr double hierarchical_reduce_scatter(M m, double p, double n) { const double r = p / m.hosts; return (m.hosts - 1) * m.across(r * n) + m.hosts * staged_scatter(m, r, n); }
constexpr double hierarchical_all_gather(M m, double p, double n) { const double r = p / m.hosts; return (m.hosts - 1) * m.across(r * n) + m.hosts * staged_gather(m, r, n); }
constexpr double swap_within(M m, double r, double n) { return n <= kPacketBytes ? packet_block(m, r, n) : staged_pairs(m, r, n); }
constexpr double hierarchical_all_to_all(M m, double p, double n) { const double r = p / m.hosts; return (m.hosts - 1) * (m.across(r * r * n) + 2 * m.pass(r * n, 2 * p * n)) + m.hosts * swap_within(m, r, n); }
// Down a tree of hosts or along a chain of them.
constexpr bool goes_in_chain(M m, double n) { return chain_pays(static_cast<std::int32_t>(m.hosts), static_cast<std::uint64_t>(n)); }
constexpr double rooted_across(M m, double p, double n) { return goes_in_chain(m, n) ? chain_across(m, p, n, 1) : m.log2_ceil(m.hosts) * m.across(n); }
constexpr double hierarchical_broadcast(M m, double p, double n) { return rooted_across(m, p, n) + staged_root(m, 0, 128 * 1024 < n ? 128 * 1024 : n); }
constexpr double hierarchical_reduce(M m, double p, double n) { return rooted_across(m, p, n) + (goes_in_chain(m, n) ? 1 : m.log2_ceil(m.hosts)) * m.pass(n, 2 * n) + (n <= kPacketBytes ? packet_root(m, p / m.hosts, n) : two_shot(m, p / m.hosts, n)); }
constexpr double merged_root(M m, double p, double n) { const double r = p / m.hosts; return (m.hosts - 1) * link_step(m, r * n, 2 * p * n); }
constexpr double hierarchical_gather(M m, double p, double n) { return merged_root(m, p, n) + packet_root(m, p / m.hosts, n); }
constexpr double hierarchical_scatter(M m, double p, double n) { return merged_root(m, p, n) + packet_block(m, p / m.hosts, n); }
}  // namespace cost

template <class C, class G = typename C::Group, class F = typename C::Fabric, class A = typename C::Math>
inline constexpr CatalogueEntry<C> kCatalogue[] = {
  {Collective::kAllReduce, "packet", Needs::kSegments, kPacketBytes, all_reduce_packet<G, F, A>, cost::packet_all, "alpha + (p-1) n beta", "everybody shows everybody its input in packets"},
  {Collective::kAllReduce, "one_shot", Needs::kSegments, kStageBytes / 2, all_reduce_one_shot<G, F, A>, cost::one_shot, "alpha + p n beta", "everybody stages its input once, everybody adds all of them"},
  {Collective::kAllReduce, "two_shot", Needs::kSegments, kAnySize, all_reduce_two_shot<G, F, A>, cost::two_shot, "2 alpha + 2 (p-1)/p n beta", "reduce-scatter and all-gather through pipelined staging slots"},
  {Collective::kAllReduce, "direct", Needs::kBuffers, kAnySize, all_reduce_direct<G, F, A>, cost::reduce_direct, "2 alpha + 2 n beta", "each rank reduces its block from all inputs into all outputs, in place"},
  {Collective::kAllReduce, "ring", Needs::kLinks, kAnySize, all_reduce_ring<G, F, A>, cost::ring_all_reduce, "2 (p-1) (alpha + n/p beta)", "reduce-scatter and all-gather around a ring"},
  {Collective::kAllReduce, "recursive_doubling", Needs::kLinks, kAnySize, all_reduce_recursive_doubling<G, F, A>, cost::doubling, "log2 p (alpha + n beta)", "exchange everything with ranks 1, 2, 4, ... away"},
  {Collective::kAllReduce, "recursive_halving", Needs::kLinks, kAnySize, all_reduce_recursive_halving<G, F, A>, cost::halving, "2 log2 p alpha + 2 (p-1)/p n beta", "halve towards one block each, then double back (Rabenseifner)"},
  {Collective::kAllReduce, "tree", Needs::kLinks, kAnySize, all_reduce_tree<G, F, A>, cost::tree_all_reduce, "2 log2 p (alpha + n beta)", "reduce up a binomial tree, broadcast down it"},
  {Collective::kAllReduce, "linear", Needs::kLinks, kAnySize, all_reduce_linear<G, F, A>, cost::linear_all_reduce, "(p/2 + 1) alpha + 2 (p-1) n beta", "everybody sends rank 0 its input, which sends everybody the sum"},
  {Collective::kAllReduce, "hierarchical", Needs::kHosts, kAnySize, all_reduce_hierarchical<G, F, A>, cost::hierarchical_all_reduce, "log2 h alpha + 2 (h-1)/h n beta", "reduce-scatter within each host, all-reduce across, all-gather within"},

  {Collective::kReduceScatter, "packet", Needs::kSegments, kPacketBytes, reduce_scatter_packet<G, F, A>, cost::packet_block, "alpha + (p-1) n beta", "everybody sends each rank its block in packets"},
  {Collective::kReduceScatter, "staged", Needs::kSegments, kAnySize, reduce_scatter_staged<G, F, A>, cost::staged_scatter, "alpha + 2 (p-1) n beta", "blocks through pipelined staging slots"},
  {Collective::kReduceScatter, "direct", Needs::kInputs, kAnySize, reduce_scatter_direct<G, F, A>, cost::scatter_direct, "2 alpha + p n beta", "each rank reduces its block from all inputs, in place"},
  {Collective::kReduceScatter, "ring", Needs::kLinks, kAnySize, reduce_scatter_ring<G, F, A>, cost::ring_all, "(p-1) (alpha + n beta)", "each block goes once around a ring, collecting"},
  {Collective::kReduceScatter, "pairwise", Needs::kLinks, kAnySize, reduce_scatter_pairwise<G, F, A>, cost::pairwise_ahead, "alpha + (p-1) (alpha/2 + n beta)", "everybody sends each rank its block, which adds all of them"},
  {Collective::kReduceScatter, "bruck", Needs::kLinks, kAnySize, reduce_scatter_bruck<G, F, A>, cost::bruck_reduce, "log2 p alpha + (p-1) n beta", "give away half of the sums at a time, to ranks ..., 4, 2, 1 away"},
  {Collective::kReduceScatter, "hierarchical", Needs::kEvenHosts, kAnySize, reduce_scatter_hierarchical<G, F, A>, cost::hierarchical_reduce_scatter, "(h-1) (alpha + p/h n beta)", "each host sums for every other one, each rank for its like"},

  {Collective::kAllGather, "packet", Needs::kSegments, kPacketBytes, all_gather_packet<G, F, A>, cost::packet_block, "alpha + (p-1) n beta", "everybody shows everybody its block in packets"},
  {Collective::kAllGather, "staged", Needs::kSegments, kAnySize, all_gather_staged<G, F, A>, cost::staged_gather, "alpha + p n beta", "blocks through pipelined staging slots"},
  {Collective::kAllGather, "direct", Needs::kReach, kAnySize, all_gather_direct<G, F, A>, cost::gather_all_direct, "2 alpha + (p-1) n beta", "everybody fetches the others' inputs: one copy"},
  {Collective::kAllGather, "ring", Needs::kLinks, kAnySize, all_gather_ring<G, F, A>, cost::ring_all, "(p-1) (alpha + n beta)", "pass on what came last, around a ring"},
  {Collective::kAllGather, "pairwise", Needs::kLinks, kPairwiseGatherBytes, all_gather_pairwise<G, F, A>, cost::pairwise_ahead, "alpha + (p-1) (alpha/2 + n beta)", "everybody sends everybody its block"},
  {Collective::kAllGather, "bruck", Needs::kLinks, kAnySize, all_gather_bruck<G, F, A>, cost::bruck, "log2 p alpha + (p-1) n beta", "hand on all that is known, to ranks 1, 2, 4, ... away"},
  {Collective::kAllGather, "hierarchical", Needs::kEvenHosts, kAnySize, all_gather_hierarchical<G, F, A>, cost::hierarchical_all_gather, "(h-1) (alpha + p/h n beta)", "all-gather across the hosts, then within each"},

  {Collective::kBroadcast, "packet", Needs::kSegments, kPacketBytes, broadcast_packet<G, F, A>, cost::packet_down, "alpha + n beta", "the root shows everybody its data in packets"},
  {Collective::kBroadcast, "staged", Needs::kSegments, kAnySize, broadcast_staged<G, F, A>, cost::staged_root, "alpha + n beta", "through the root's staging slots, pipelined"},
  {Collective::kBroadcast, "direct", Needs::kReach, kAnySize, broadcast_direct<G, F, A>, cost::broadcast_direct, "2 alpha + (p-1)/p n beta", "the others fetch, the root puts its share: one copy"},
  {Collective::kBroadcast, "chain", Needs::kLinks, kAnySize, broadcast_chain<G, F, A>, cost::chain, "(p-1) alpha + n beta", "from each rank to the next, in pieces"},
  {Collective::kBroadcast, "tree", Needs::kLinks, kAnySize, broadcast_tree<G, F, A>, cost::tree_down, "log2 p (alpha + n beta)", "down a binomial tree"},
  {Collective::kBroadcast, "hierarchical", Needs::kHosts, kAnySize, broadcast_hierarchical<G, F, A>, cost::hierarchical_broadcast, "log2 h (alpha + n beta)", "down a tree or, large, a chain of one rank of each host, and from there to its neighbours"},

  {Collective::kReduce, "packet", Needs::kSegments, kPacketBytes, reduce_packet<G, F, A>, cost::packet_root, "alpha + (p-1) n beta", "everybody sends the root its input in packets"},
  {Collective::kReduce, "two_shot", Needs::kSegments, kAnySize, reduce_two_shot<G, F, A>, cost::two_shot, "2 alpha + 2 n beta", "all ranks reduce a block, the root collects them"},
  {Collective::kReduce, "direct", Needs::kBuffers, kAnySize, reduce_direct<G, F, A>, cost::reduce_direct, "2 alpha + n beta", "each rank reduces its block from all inputs into the root's output"},
  {Collective::kReduce, "tree", Needs::kLinks, kAnySize, reduce_tree<G, F, A>, cost::tree_rooted, "log2 p (alpha + n beta)", "up a binomial tree"},
  {Collective::kReduce, "chain", Needs::kLinks, kAnySize, reduce_chain<G, F, A>, cost::chain, "(p-1) alpha + n beta", "each rank adds to what the next one sends, in pieces"},
  {Collective::kReduce, "hierarchical", Needs::kHosts, kAnySize, reduce_hierarchical<G, F, A>, cost::hierarchical_reduce, "log2 h (alpha + n beta)", "each host sums for one of its ranks, these up a tree or, large, a chain"},

  {Collective::kGather, "packet", Needs::kSegments, kPacketBytes, gather_packet<G, F, A>, cost::packet_root, "alpha + (p-1) n beta", "everybody sends the root its block in packets"},
  {Collective::kGather, "direct", Needs::kReach, kAnySize, gather_direct<G, F, A>, cost::rooted_direct, "2 alpha + n beta", "everybody puts its block into the root's output: one copy"},
  {Collective::kGather, "linear", Needs::kLinks, kAnySize, gather_linear<G, F, A>, cost::linear, "alpha + (p-1) n beta", "everybody sends the root its block"},
  {Collective::kGather, "hierarchical", Needs::kHosts, kPacketBytes, gather_hierarchical<G, F, A>, cost::hierarchical_gather, "(h-1) (alpha + p/h n beta)", "within each host to one rank, which sends the root one message"},

  {Collective::kScatter, "packet", Needs::kSegments, kPacketBytes, scatter_packet<G, F, A>, cost::packet_block, "alpha + (p-1) n beta", "the root sends everybody its block in packets"},
  {Collective::kScatter, "direct", Needs::kReach, kAnySize, scatter_direct<G, F, A>, cost::rooted_direct, "2 alpha + n beta", "everybody fetches its block from the root's input: one copy"},
  {Collective::kScatter, "linear", Needs::kLinks, kAnySize, scatter_linear<G, F, A>, cost::linear, "alpha + (p-1) n beta", "the root sends everybody its block in turn"},
  {Collective::kScatter, "hierarchical", Needs::kHosts, kPacketBytes, scatter_hierarchical<G, F, A>, cost::hierarchical_scatter, "(h-1) (alpha + p/h n beta)", "the root sends one rank of each host one message, which scatters it within"},

  {Collective::kAllToAll, "packet", Needs::kSegments, kPacketBytes, all_to_all_packet<G, F, A>, cost::packet_block, "alpha + (p-1) n beta", "everybody sends everybody its block in packets"},
  {Collective::kAllToAll, "staged", Needs::kSegments, kAnySize, all_to_all_staged<G, F, A>, cost::staged_pairs, "alpha + 2 (p-1) n beta", "blocks through pipelined staging slots"},
  {Collective::kAllToAll, "direct", Needs::kReach, kAnySize, all_to_all_direct<G, F, A>, cost::gather_all_direct, "2 alpha + (p-1) n beta", "everybody fetches its blocks from the others' inputs: one copy"},
  {Collective::kAllToAll, "pairwise", Needs::kLinks, kAnySize, all_to_all_pairwise<G, F, A>, cost::pairwise_ahead, "alpha + (p-1) (alpha/2 + n beta)", "in step i exchange with the ranks i away"},
  {Collective::kAllToAll, "bruck", Needs::kLinks, kAnySize, all_to_all_bruck<G, F, A>, cost::bruck_all_to_all, "log2 p (alpha + p/2 n beta)", "blocks go on by steps of 1, 2, 4, ..., those of a step together"},
  {Collective::kAllToAll, "hierarchical", Needs::kEvenHosts, kAnySize, all_to_all_hierarchical<G, F, A>, cost::hierarchical_all_to_all, "(h-1) (alpha + p/h n beta)", "within each host for every other one, then each rank with its likes"},

  {Collective::kAllGatherV, "staged", Needs::kSegments, kAnySize, all_gather_staged<G, F, A>, cost::staged_gather, "alpha + p n beta", "as all_gather, blocks of any length"},
  {Collective::kAllGatherV, "direct", Needs::kReach, kAnySize, all_gather_direct<G, F, A>, cost::gather_all_direct, "2 alpha + (p-1) n beta", "as all_gather, blocks of any length"},
  {Collective::kAllGatherV, "packet", Needs::kSegments, kPacketBytes, all_gather_packet<G, F, A>, cost::packet_block, "alpha + (p-1) n beta", "as all_gather, blocks of any length"},
  {Collective::kAllGatherV, "ring", Needs::kLinks, kAnySize, all_gather_ring<G, F, A>, cost::ring_all, "(p-1) (alpha + n beta)", "as all_gather, blocks of any length"},
  {Collective::kAllGatherV, "pairwise", Needs::kLinks, kPairwiseGatherBytes, all_gather_pairwise<G, F, A>, cost::pairwise_ahead, "alpha + (p-1) (alpha/2 + n beta)", "as all_gather, blocks of any length"},
  {Collective::kAllGatherV, "hierarchical", Needs::kEvenHosts, kAnySize, all_gather_hierarchical<G, F, A>, cost::hierarchical_all_gather, "(h-1) (alpha + p/h n beta)", "as all_gather, blocks of any length"},

  {Collective::kReduceScatterV, "packet", Needs::kSegments, kPacketBytes, reduce_scatter_packet<G, F, A>, cost::packet_block, "alpha + (p-1) n beta", "as reduce_scatter, blocks of any length"},
  {Collective::kReduceScatterV, "staged", Needs::kSegments, kAnySize, reduce_scatter_staged<G, F, A>, cost::staged_scatter, "alpha + 2 (p-1) n beta", "as reduce_scatter, blocks of any length"},
  {Collective::kReduceScatterV, "direct", Needs::kInputs, kAnySize, reduce_scatter_direct<G, F, A>, cost::scatter_direct, "2 alpha + p n beta", "as reduce_scatter, blocks of any length"},
  {Collective::kReduceScatterV, "ring", Needs::kLinks, kAnySize, reduce_scatter_ring<G, F, A>, cost::ring_all, "(p-1) (alpha + n beta)", "as reduce_scatter, blocks of any length"},
  {Collective::kReduceScatterV, "pairwise", Needs::kLinks, kAnySize, reduce_scatter_pairwise<G, F, A>, cost::pairwise_ahead, "alpha + (p-1) (alpha/2 + n beta)", "as reduce_scatter, blocks of any length"},
  {Collective::kReduceScatterV, "hierarchical", Needs::kEvenHosts, kAnySize, reduce_scatter_hierarchical<G, F, A>, cost::hierarchical_reduce_scatter, "(h-1) (alpha + p/h n beta)", "as reduce_scatter, blocks of any length"},

  // Not schedules of one operation: algorithms/send_receive/exchange.hpp drives any number of messages.
  {Collective::kAllToAllV, "exchange", Needs::kLinks, kAnySize, nullptr, cost::links_all, "alpha + 2 n beta, or one copy", "all messages at once over links; large ones fetched"},
  {Collective::kSendReceive, "exchange", Needs::kLinks, kAnySize, nullptr, cost::links_all, "alpha + 2 n beta, or one copy", "over links; large messages fetched"},

  {Collective::kBarrier, "packet", Needs::kSegments, kAnySize, barrier_packet<G, F, A>, cost::barrier_packet, "alpha", "everybody shows everybody one empty line"},
  {Collective::kBarrier, "dissemination", Needs::kLinks, kAnySize, barrier_dissemination<G, F, A>, cost::barrier_dissemination, "log2 p alpha", "tell the ranks 1, 2, 4, ... behind"},
};
// clang-format on

}  // namespace sluice
