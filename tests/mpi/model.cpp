// long: a maker for each of MPI's constructors, and little else.
#include "model.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace mpi_test {
namespace {

constexpr std::size_t kMaxBlocks = 4000;
constexpr std::int64_t kMaxSpanBytes = 1 << 20;
constexpr std::int64_t kRoomBytes = 64;
/// Open MPI 4.1.4 packs other bytes than the type map's where blocks are this many bytes apart.
constexpr std::int64_t kBadStride = -1;

struct Named {
  MPI_Datatype handle;
  const char* text;
  std::vector<MapBlock> blocks;
};

template <typename First, typename Second>
std::vector<MapBlock> pair_of() {
  struct Pair {
    First first;
    Second second;
  };
  return {{0, sizeof(First)}, {static_cast<std::int64_t>(offsetof(Pair, second)), sizeof(Second)}};
}

const std::vector<Named>& named_types() {
  static const std::vector<Named> types = {
      {MPI_CHAR, "char", {{0, 1}}},
      {MPI_BYTE, "byte", {{0, 1}}},
      {MPI_SHORT, "short", {{0, 2}}},
      {MPI_INT, "int", {{0, 4}}},
      {MPI_FLOAT, "float", {{0, 4}}},
      {MPI_DOUBLE, "double", {{0, 8}}},
      {MPI_LONG_LONG, "long long", {{0, 8}}},
      {MPI_C_DOUBLE_COMPLEX, "complex", {{0, 16}}},
      {MPI_2INT, "2int", {{0, 8}}},
      {MPI_FLOAT_INT, "float_int", {{0, 8}}},
      {MPI_DOUBLE_INT, "double_int", pair_of<double, int>()},
      {MPI_LONG_INT, "long_int", pair_of<long, int>()},
      {MPI_SHORT_INT, "short_int", pair_of<short, int>()},
  };
  return types;
}

void ask_bounds(Model& model) {
  MPI_Aint lower_bound = 0, extent = 0;
  must(MPI_Type_get_extent(model.handle, &lower_bound, &extent), "MPI_Type_get_extent");
  model.lower_bound = lower_bound;
  model.extent = extent;
}

void add_block(std::vector<MapBlock>& blocks, MapBlock block) {
  if (block.bytes == 0) {
    return;
  }
  if (!blocks.empty() && blocks.back().offset + blocks.back().bytes == block.offset) {
    blocks.back().bytes += block.bytes;
  } else {
    blocks.push_back(block);
  }
}

/// `count` elements of `old`, one behind the other, from `offset` on.
void repeat(std::vector<MapBlock>& blocks, const Model& old, std::int64_t count,
            std::int64_t offset) {
  for (std::int64_t k = 0; k < count && blocks.size() <= kMaxBlocks; ++k) {
    for (const MapBlock& block : old.blocks) {
      add_block(blocks, {offset + k * old.extent + block.offset, block.bytes});
    }
  }
}

std::string joined(const std::vector<int>& values) {
  std::string text = "[";
  for (std::size_t k = 0; k < std::min<std::size_t>(values.size(), 8); ++k) {
    text += (k == 0 ? "" : " ") + std::to_string(values[k]);
  }
  return text + (values.size() > 8 ? " ...]" : "]");
}

/// What every constructor starts from and ends with.
struct Build {
  explicit Build(const Model& from) : old(from) {}

  Model done(const std::string& name) {
    result.text = name + "(" + old.text + ")";
    ask_bounds(result);
    return std::move(result);
  }

  const Model& old;
  Model result;
};

/// Mostly few; sometimes as many as the budget of blocks allows.
int random_count(Random& random, const Model& old) {
  const auto room = static_cast<std::int64_t>(kMaxBlocks / (old.blocks.size() + 1) / 4);
  if (random.one_in(6) && room > 8) {
    return static_cast<int>(random.between(8, std::min<std::int64_t>(room, 300)));
  }
  return static_cast<int>(random.between(random.one_in(8) ? 0 : 1, 5));
}

Model make_dup(Random& /*random*/, const Model& old) {
  Build build(old);
  must(MPI_Type_dup(old.handle, &build.result.handle), "MPI_Type_dup");
  build.result.blocks = old.blocks;
  return build.done("dup");
}

Model make_contiguous(Random& random, const Model& old) {
  Build build(old);
  const int count = random_count(random, old);
  must(MPI_Type_contiguous(count, old.handle, &build.result.handle), "MPI_Type_contiguous");
  repeat(build.result.blocks, old, count, 0);
  return build.done("contiguous " + std::to_string(count));
}

Model make_vector(Random& random, const Model& old) {
  Build build(old);
  const int count = random_count(random, old), length = static_cast<int>(random.between(0, 4));
  int stride = static_cast<int>(random.one_in(4) ? random.between(-9, 0)
                                                 : random.between(length, length + 6));
  stride = stride * old.extent == kBadStride ? stride - 1 : stride;
  must(MPI_Type_vector(count, length, stride, old.handle, &build.result.handle), "MPI_Type_vector");
  for (int k = 0; k < count; ++k) {
    repeat(build.result.blocks, old, length, std::int64_t{k} * stride * old.extent);
  }
  return build.done("vector " + joined({count, length, stride}));
}

Model make_hvector(Random& random, const Model& old) {
  Build build(old);
  const int count = random_count(random, old), length = static_cast<int>(random.between(1, 4));
  const std::int64_t natural = length * old.extent;
  std::int64_t stride =
      random.one_in(3) ? random.between(-300, 300) : natural + random.between(0, 40);
  stride = stride == kBadStride ? stride - 1 : stride;
  must(MPI_Type_create_hvector(count, length, stride, old.handle, &build.result.handle), "hvector");
  for (int k = 0; k < count; ++k) {
    repeat(build.result.blocks, old, length, k * stride);
  }
  return build.done("hvector " + joined({count, length, static_cast<int>(stride)}));
}

/// Lengths, and displacements in steps of 1: usually ascending without overlap, at times anything.
struct Lists {
  std::vector<int> lengths, places;
  std::vector<MPI_Aint> bytes;
};

Lists random_lists(Random& random, int count, bool same_length, std::int64_t unit) {
  Lists lists;
  const bool wild = random.one_in(3);
  std::int64_t at = random.between(-4, 4);
  const int length = static_cast<int>(random.between(0, 3));
  for (int k = 0; k < count; ++k) {
    const int mine = same_length ? length : static_cast<int>(random.between(0, 4));
    const std::int64_t place = wild ? random.between(-20, 40) : at;
    lists.lengths.push_back(mine);
    lists.places.push_back(static_cast<int>(place));
    lists.bytes.push_back(place * unit + (wild ? random.between(-3, 3) : 0));
    at += mine + random.between(0, 5);
  }
  if (random.one_in(4)) {  // descending
    std::reverse(lists.places.begin(), lists.places.end());
    std::reverse(lists.bytes.begin(), lists.bytes.end());
    std::reverse(lists.lengths.begin(), lists.lengths.end());
  }
  return lists;
}

Model make_indexed(Random& random, const Model& old) {
  Build build(old);
  const int count = random_count(random, old);
  const bool same = random.one_in(2), in_bytes = random.one_in(2);
  const Lists lists = random_lists(random, count, same, std::max<std::int64_t>(old.extent, 1));
  const int length = count == 0 ? 1 : lists.lengths[0];
  MPI_Datatype* const handle = &build.result.handle;
  if (same) {
    must(
        in_bytes
            ? MPI_Type_create_hindexed_block(count, length, lists.bytes.data(), old.handle, handle)
            : MPI_Type_create_indexed_block(count, length, lists.places.data(), old.handle, handle),
        "indexed_block");
  } else {
    must(in_bytes ? MPI_Type_create_hindexed(count, lists.lengths.data(), lists.bytes.data(),
                                             old.handle, handle)
                  : MPI_Type_indexed(count, lists.lengths.data(), lists.places.data(), old.handle,
                                     handle),
         "indexed");
  }
  for (std::size_t k = 0; k < lists.lengths.size(); ++k) {
    repeat(build.result.blocks, old, lists.lengths[k],
           in_bytes ? lists.bytes[k] : lists.places[k] * old.extent);
  }
  return build.done(std::string(in_bytes ? "h" : "") + (same ? "indexed_block " : "indexed ") +
                    joined(lists.lengths) + joined(lists.places));
}

Model make_resized(Random& random, const Model& old) {
  Build build(old);
  const std::int64_t lower = random.one_in(2) ? 0 : random.between(-20, 20);
  const std::int64_t extent = random.one_in(3)
                                  ? random.between(0, 64)
                                  : std::max<std::int64_t>(old.extent, 0) + random.between(0, 33);
  must(MPI_Type_create_resized(old.handle, lower, extent, &build.result.handle),
       "MPI_Type_create_resized");
  build.result.blocks = old.blocks;
  return build.done("resized " + joined({static_cast<int>(lower), static_cast<int>(extent)}));
}

/// Calls `visit(offset in elements)` for every element that the lists of indices per dimension
/// choose, in storage order.
template <typename Visit>
void for_each_chosen(const std::vector<std::vector<int>>& chosen, const std::vector<int>& sizes,
                     int order, const Visit& visit) {
  const std::size_t dimensions = sizes.size();
  std::vector<std::size_t> by_speed(dimensions);  // slowest first
  for (std::size_t d = 0; d < dimensions; ++d) {
    by_speed[d] = order == MPI_ORDER_C ? d : dimensions - 1 - d;
  }
  std::vector<std::size_t> at(dimensions, 0);
  for (const auto& indices : chosen) {
    if (indices.empty()) {
      return;
    }
  }
  for (;;) {
    std::int64_t offset = 0;
    for (const std::size_t d : by_speed) {
      offset = offset * sizes[d] + chosen[d][at[d]];
    }
    visit(offset);
    std::size_t k = dimensions;
    while (k > 0 && ++at[by_speed[k - 1]] == chosen[by_speed[k - 1]].size()) {
      at[by_speed[--k]] = 0;
    }
    if (k == 0) {
      return;
    }
  }
}

Model make_subarray(Random& random, const Model& old) {
  Build build(old);
  const auto dimensions = static_cast<std::size_t>(random.between(1, 4));
  const int order = random.one_in(2) ? MPI_ORDER_C : MPI_ORDER_FORTRAN;
  std::vector<int> sizes, subsizes, starts;
  std::vector<std::vector<int>> chosen(dimensions);
  for (std::size_t d = 0; d < dimensions; ++d) {
    sizes.push_back(static_cast<int>(random.between(1, 7)));
    subsizes.push_back(static_cast<int>(random.between(1, sizes.back())));
    starts.push_back(static_cast<int>(random.between(0, sizes.back() - subsizes.back())));
    for (int k = 0; k < subsizes.back(); ++k) {
      chosen[d].push_back(starts.back() + k);
    }
  }
  must(MPI_Type_create_subarray(static_cast<int>(dimensions), sizes.data(), subsizes.data(),
                                starts.data(), order, old.handle, &build.result.handle),
       "subarray");
  for_each_chosen(chosen, sizes, order,
                  [&](std::int64_t at) { repeat(build.result.blocks, old, 1, at * old.extent); });
  return build.done((order == MPI_ORDER_C ? "subarray C " : "subarray F ") + joined(sizes) +
                    joined(subsizes) + joined(starts));
}

/// The indices of a dimension that process `coordinate` of `processes` has.
std::vector<int> distributed(int size, int distribution, int argument, int processes,
                             int coordinate) {
  std::vector<int> mine;
  int length = argument;
  if (distribution == MPI_DISTRIBUTE_BLOCK && argument == MPI_DISTRIBUTE_DFLT_DARG) {
    length = (size + processes - 1) / processes;
  } else if (distribution == MPI_DISTRIBUTE_CYCLIC && argument == MPI_DISTRIBUTE_DFLT_DARG) {
    length = 1;
  }
  for (int k = 0; k < size; ++k) {
    if (distribution == MPI_DISTRIBUTE_NONE || (k / length) % processes == coordinate) {
      mine.push_back(k);
    }
  }
  return mine;
}

Model make_darray(Random& random, const Model& old) {
  if (old.size() == 0) {  // Open MPI 4.1.4 refuses it
    return make_contiguous(random, old);
  }
  Build build(old);
  const auto dimensions = static_cast<std::size_t>(random.between(1, 3));
  const int order = random.one_in(2) ? MPI_ORDER_C : MPI_ORDER_FORTRAN;
  constexpr std::array kDistributions = {MPI_DISTRIBUTE_BLOCK, MPI_DISTRIBUTE_CYCLIC,
                                         MPI_DISTRIBUTE_NONE};
  std::vector<int> sizes, distributions, arguments, processes;
  int all = 1;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const int distribution = kDistributions[static_cast<std::size_t>(random.between(0, 2))];
    const int count =
        distribution == MPI_DISTRIBUTE_NONE ? 1 : static_cast<int>(random.between(1, 3));
    sizes.push_back(static_cast<int>(random.between(count, 11)));
    int argument = MPI_DISTRIBUTE_DFLT_DARG;
    if (distribution == MPI_DISTRIBUTE_CYCLIC && random.one_in(2)) {
      argument = static_cast<int>(random.between(1, 4));
    } else if (distribution == MPI_DISTRIBUTE_BLOCK && random.one_in(3)) {
      argument = (sizes.back() + count - 1) / count + static_cast<int>(random.between(0, 2));
    }
    distributions.push_back(distribution);
    arguments.push_back(argument);
    processes.push_back(count);
    all *= count;
  }
  const int rank = static_cast<int>(random.between(0, all - 1));
  std::vector<std::vector<int>> chosen(dimensions);
  int rest = rank;
  for (std::size_t d = dimensions; d-- > 0; rest /= processes[d]) {
    chosen[d] =
        distributed(sizes[d], distributions[d], arguments[d], processes[d], rest % processes[d]);
  }
  must(MPI_Type_create_darray(all, rank, static_cast<int>(dimensions), sizes.data(),
                              distributions.data(), arguments.data(), processes.data(), order,
                              old.handle, &build.result.handle),
       "darray");
  for_each_chosen(chosen, sizes, order,
                  [&](std::int64_t at) { repeat(build.result.blocks, old, 1, at * old.extent); });
  return build.done((order == MPI_ORDER_C ? "darray C " : "darray F ") + std::to_string(rank) +
                    joined(sizes) + joined(distributions) + joined(arguments) + joined(processes));
}

Model make_struct(Random& random, std::vector<Model> olds) {
  Model result;
  std::vector<int> lengths;
  std::vector<MPI_Aint> places;
  std::vector<MPI_Datatype> handles;
  const bool wild = random.one_in(4);
  std::int64_t at = random.between(-8, 8);
  result.text = "struct(";
  for (const Model& old : olds) {
    // MPICH 4.0.2 divides by zero when it packs a struct with members of no bytes.
    lengths.push_back(
        old.size() == 0 ? 0 : static_cast<int>(random.between(random.one_in(5) ? 0 : 1, 4)));
    const MapBlock span = old.span(lengths.back());
    const std::int64_t place = wild ? random.between(-100, 200) : at - span.offset;
    places.push_back(place);
    handles.push_back(old.handle);
    repeat(result.blocks, old, lengths.back(), place);
    at += span.bytes + random.between(0, 16);
    result.text +=
        std::to_string(lengths.back()) + "@" + std::to_string(place) + " " + old.text + ", ";
  }
  result.text += ")";
  must(MPI_Type_create_struct(static_cast<int>(olds.size()), lengths.data(), places.data(),
                              handles.data(), &result.handle),
       "struct");
  ask_bounds(result);
  return result;
}

Model make_named(Random& random) {
  const auto& types = named_types();
  const Named& chosen = types[static_cast<std::size_t>(random.between(0, std::ssize(types) - 1))];
  Model model;
  model.handle = chosen.handle;
  model.named = true;
  model.blocks = chosen.blocks;
  model.text = chosen.text;
  ask_bounds(model);
  return model;
}

using Maker = Model (*)(Random&, const Model&);
constexpr std::array<Maker, 8> kMakers = {make_dup,      make_contiguous, make_vector,
                                          make_hvector,  make_indexed,    make_resized,
                                          make_subarray, make_darray};

/// A tree that may have become too large.
Model random_tree(Random& random, int depth) {
  if (depth == 0 || random.one_in(12)) {
    return make_named(random);
  }
  if (random.one_in(5)) {
    std::vector<Model> olds;
    for (std::int64_t k = random.between(1, 4); k > 0; --k) {
      olds.push_back(random_tree(random, depth - 1));
    }
    return make_struct(random, std::move(olds));
  }
  const Model old = random_tree(random, depth - 1);
  return kMakers[static_cast<std::size_t>(random.between(0, std::ssize(kMakers) - 1))](random, old);
}

}  // namespace

Model::Model(Model&& other) noexcept { *this = std::move(other); }

Model& Model::operator=(Model&& other) noexcept {
  std::swap(handle, other.handle);
  std::swap(named, other.named);
  std::swap(lower_bound, other.lower_bound);
  std::swap(extent, other.extent);
  std::swap(blocks, other.blocks);
  std::swap(text, other.text);
  return *this;
}

Model::~Model() {
  if (handle != MPI_DATATYPE_NULL && !named) {
    MPI_Type_free(&handle);
  }
}

std::int64_t Model::size() const {
  std::int64_t bytes = 0;
  for (const MapBlock& block : blocks) {
    bytes += block.bytes;
  }
  return bytes;
}

MapBlock Model::span(std::int64_t count) const {
  if (blocks.empty() || count == 0) {
    return {0, 0};
  }
  std::int64_t first = INT64_MAX, last = INT64_MIN;
  for (const MapBlock& block : blocks) {
    first = std::min(first, block.offset);
    last = std::max(last, block.offset + block.bytes);
  }
  const std::int64_t shift = (count - 1) * extent;
  first += std::min<std::int64_t>(shift, 0);
  last += std::max<std::int64_t>(shift, 0);
  return {first, last - first};
}

bool Model::overlaps(std::int64_t count) const {
  const MapBlock whole = span(count);
  std::vector<bool> taken(static_cast<std::size_t>(whole.bytes), false);
  for (std::int64_t k = 0; k < count; ++k) {
    for (const MapBlock& block : blocks) {
      for (std::int64_t b = 0; b < block.bytes; ++b) {
        const auto at = static_cast<std::size_t>(k * extent + block.offset + b - whole.offset);
        if (taken[at]) {
          return true;
        }
        taken[at] = true;
      }
    }
  }
  return false;
}

void Model::pack(const std::byte* user, std::int64_t count, std::byte* packed) const {
  for (std::int64_t k = 0; k < count; ++k) {
    for (const MapBlock& block : blocks) {
      std::copy_n(user + k * extent + block.offset, block.bytes, packed);
      packed += block.bytes;
    }
  }
}

void Model::unpack(const std::byte* packed, std::int64_t count, std::byte* user,
                   std::int64_t bytes) const {
  for (std::int64_t k = 0; k < count; ++k) {
    for (const MapBlock& block : blocks) {
      const std::int64_t here = std::min(block.bytes, bytes);
      std::copy_n(packed, here, user + k * extent + block.offset);
      packed += here;
      bytes -= here;
    }
  }
}

Model random_type(Random& random, int depth) {
  for (;;) {
    Model model = random_tree(random, depth);
    if (model.blocks.size() <= kMaxBlocks && model.span(3).bytes <= kMaxSpanBytes) {
      if (!model.named) {
        must(MPI_Type_commit(&model.handle), "MPI_Type_commit");
      }
      return model;
    }
  }
}

Model strided(int count) {
  Model model;
  must(MPI_Type_vector(count, 1, 2, MPI_DOUBLE, &model.handle), "MPI_Type_vector");
  must(MPI_Type_commit(&model.handle), "MPI_Type_commit");
  for (int k = 0; k < count; ++k) {
    model.blocks.push_back({16 * k, 8});
  }
  model.text = "strided";
  ask_bounds(model);
  return model;
}

Model records(int count) {
  struct Record {
    int first;
    double second;
    char third[3];
  };
  Model model;
  const std::array<int, 3> lengths = {1, 1, 3};
  const std::array<MPI_Aint, 3> places = {0, offsetof(Record, second), offsetof(Record, third)};
  const std::array<MPI_Datatype, 3> types = {MPI_INT, MPI_DOUBLE, MPI_CHAR};
  MPI_Datatype one = MPI_DATATYPE_NULL, sized = MPI_DATATYPE_NULL;
  must(MPI_Type_create_struct(3, lengths.data(), places.data(), types.data(), &one), "struct");
  must(MPI_Type_create_resized(one, 0, sizeof(Record), &sized), "resized");
  must(MPI_Type_contiguous(count, sized, &model.handle), "contiguous");
  must(MPI_Type_commit(&model.handle), "MPI_Type_commit");
  MPI_Type_free(&one);
  MPI_Type_free(&sized);
  for (int k = 0; k < count; ++k) {
    const std::int64_t at = k * static_cast<std::int64_t>(sizeof(Record));
    model.blocks.insert(model.blocks.end(), {{at, 4}, {at + places[1], 8}, {at + places[2], 3}});
  }
  model.text = "records";
  ask_bounds(model);
  return model;
}

Model scattered(int count) {
  Model model;
  Random random(static_cast<std::uint64_t>(count));
  std::vector<int> places;
  int at = 0;
  for (int k = 0; k < count; ++k) {
    places.push_back(at);
    model.blocks.push_back({4 * at, 4});
    at += static_cast<int>(random.between(2, 9));
  }
  must(MPI_Type_create_indexed_block(count, 1, places.data(), MPI_FLOAT, &model.handle),
       "indexed_block");
  must(MPI_Type_commit(&model.handle), "MPI_Type_commit");
  model.text = "scattered";
  ask_bounds(model);
  return model;
}

Elements::Elements(const Model& model, std::int64_t count, std::uint64_t seed) {
  const MapBlock span = model.span(count);
  origin_ = kRoomBytes - span.offset;
  bytes.resize(static_cast<std::size_t>(span.bytes + 2 * kRoomBytes));
  Random random(seed);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random.next() >> 56);
  }
}

std::byte* Elements::there() const {
  if (!GpuCopy::wanted()) {
    return const_cast<std::byte*>(user());
  }
  return copy_.of(bytes) + origin_;
}

const std::vector<std::byte>& Elements::back() {
  copy_.fetch(bytes);
  return bytes;
}

std::vector<std::byte> Elements::packed(const Model& model, std::int64_t count) const {
  std::vector<std::byte> result(static_cast<std::size_t>(model.size() * count));
  model.pack(user(), count, result.data());
  return result;
}

std::vector<std::byte> image(const Model& model, std::int64_t count, const Elements& sent,
                             std::int64_t sent_count, std::uint64_t seed) {
  Elements expected(model, count, seed);
  const std::vector<std::byte> packed = sent.packed(model, sent_count);
  model.unpack(packed.data(), count, expected.user(), std::ssize(packed));
  return expected.bytes;
}

}  // namespace mpi_test
