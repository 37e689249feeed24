#include "support/case_layout.hpp"

#include <algorithm>
#include <numeric>

namespace sluice::test {
namespace {

/// The layouts of the collectives; each function fills in one.
class Maker {
 public:
  Maker(const Case& c, int rank, int ranks)
      : c_(c),
        n_(c.count),
        me_(static_cast<std::uint64_t>(rank)),
        p_(static_cast<std::uint64_t>(ranks)) {}

  CaseLayout make() {
    switch (c_.collective) {
      case Collective::kAllReduce: reduce(true); break;
      case Collective::kReduce: reduce(is_root()); break;
      case Collective::kReduceScatter: reduce_blocks(std::vector<std::size_t>(p_, n_)); break;
      case Collective::kReduceScatterV: reduce_blocks(l_.counts = listed()); break;
      case Collective::kAllGather: gather(std::vector<std::size_t>(p_, n_), 0, true); break;
      case Collective::kAllGatherV: gather(l_.counts = listed(), 3, true); break;
      case Collective::kGather: gather(std::vector<std::size_t>(p_, n_), 0, is_root()); break;
      case Collective::kBroadcast: broadcast(); break;
      case Collective::kScatter: scatter(); break;
      case Collective::kAllToAll: all_to_all(); break;
      case Collective::kAllToAllV: all_to_all_v(); break;
      case Collective::kSendReceive: neighbours(); break;
      case Collective::kBarrier: break;
    }
    return std::move(l_);
  }

 private:
  bool is_root() const { return me_ == static_cast<std::uint64_t>(c_.root); }
  TilePointer tile(std::uint64_t rank) const {
    return input_tile(c_.type, c_.op, c_.values, static_cast<int>(rank));
  }
  TilePointer reduced() const {
    return reduced_tile(c_.type, c_.op, c_.values, static_cast<int>(p_));
  }
  std::vector<std::size_t> listed() const {
    std::vector<std::size_t> counts(p_);
    for (std::uint64_t r = 0; r < p_; ++r)
      counts[r] = listed_count(n_, static_cast<int>(r), static_cast<int>(p_));
    return counts;
  }
  /// One block behind the other with `gap` elements between them; returns where the last one ends.
  static std::uint64_t displace(const std::vector<std::size_t>& counts, std::uint64_t gap,
                                std::vector<std::size_t>& displacements) {
    std::uint64_t at = 0, end = 0;
    for (const std::size_t count : counts) {
      displacements.push_back(at);
      end = at + count;
      at = end + gap;
    }
    return end;
  }

  void reduce(bool has_output) {
    l_.input_elems = n_;
    l_.input = {{0, tile(me_), 0, n_}};
    if (!has_output) return;
    l_.output_elems = n_;
    l_.output = {{0, reduced(), 0, n_}};
    l_.has_in_place = true;
  }

  void reduce_blocks(const std::vector<std::size_t>& counts) {
    std::vector<std::size_t> displacements;
    l_.input_elems = displace(counts, 0, displacements);
    l_.input = {{0, tile(me_), 0, l_.input_elems}};
    l_.output_elems = counts[me_];
    l_.output = {{0, reduced(), displacements[me_], counts[me_]}};
    l_.has_in_place = true;
    l_.output_in_input = displacements[me_];
  }

  void gather(const std::vector<std::size_t>& counts, std::uint64_t gap, bool has_output) {
    std::vector<std::size_t> displacements;
    const std::uint64_t end = displace(counts, gap, displacements);
    l_.input_elems = counts[me_];
    l_.input = {{0, tile(me_), 0, counts[me_]}};
    l_.displacements = displacements;
    if (!has_output) return;
    l_.output_elems = end;
    for (std::uint64_t r = 0; r < p_; ++r)
      l_.output.push_back({displacements[r], tile(r), 0, counts[r]});
    l_.has_in_place = true;
    l_.input_in_output = displacements[me_];
  }

  void broadcast() {
    const auto root = static_cast<std::uint64_t>(c_.root);
    if (is_root()) {
      l_.input_elems = n_;
      l_.input = {{0, tile(root), 0, n_}};
      l_.has_in_place = true;
    }
    l_.output_elems = n_;
    l_.output = {{0, tile(root), 0, n_}};
  }

  void scatter() {
    const auto root = static_cast<std::uint64_t>(c_.root);
    if (is_root()) {
      l_.input_elems = n_ * p_;
      l_.input = {{0, tile(root), 0, n_ * p_}};
      l_.has_in_place = true;
      l_.output_in_input = me_ * n_;
    }
    l_.output_elems = n_;
    l_.output = {{0, tile(root), me_ * n_, n_}};
  }

  void all_to_all() {
    l_.input_elems = l_.output_elems = n_ * p_;
    l_.input = {{0, tile(me_), 0, n_ * p_}};
    for (std::uint64_t r = 0; r < p_; ++r) l_.output.push_back({r * n_, tile(r), me_ * n_, n_});
  }

  void all_to_all_v() {
    const int me = static_cast<int>(me_);
    for (std::uint64_t r = 0; r < p_; ++r) {
      l_.counts.push_back(pair_count(n_, me, static_cast<int>(r)));
      l_.receive_counts.push_back(pair_count(n_, static_cast<int>(r), me));
    }
    l_.input_elems = displace(l_.counts, 1, l_.displacements);
    l_.output_elems = displace(l_.receive_counts, 5, l_.receive_displacements);
    for (std::uint64_t r = 0; r < p_; ++r) {
      l_.input.push_back({l_.displacements[r], tile(me_), r * 17, l_.counts[r]});
      l_.output.push_back({l_.receive_displacements[r], tile(r), me_ * 17, l_.receive_counts[r]});
    }
  }

  void neighbours() {
    l_.input_elems = l_.output_elems = n_;
    l_.input = {{0, tile(me_), 0, n_}};
    l_.output = {{0, tile((me_ + p_ - 1) % p_), 0, n_}};
  }

  const Case& c_;
  const std::uint64_t n_, me_, p_;
  CaseLayout l_;
};

}  // namespace

std::uint64_t listed_count(std::uint64_t count, int rank, int ranks) {
  const auto r = static_cast<std::uint64_t>(rank);
  if (r % 3 == 1) return 0;
  if (rank == ranks - 1) return count + count / 2;
  return count / (1 + r % 4) + r % 2;
}

std::uint64_t pair_count(std::uint64_t count, int from, int to) {
  const auto mixed = static_cast<unsigned>(from * 7 + to * 13);
  return mixed % 4 == 0 ? 0 : count / (mixed % 3 + 1) + mixed % 5;
}

CaseLayout layout_of(const Case& c, int rank, int ranks) { return Maker(c, rank, ranks).make(); }

}  // namespace sluice::test
