#include "cases.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <random>

namespace mpi_perf {
namespace {

constexpr std::int64_t kKi = 1024, kMi = 1024 * kKi;
constexpr int kSeed = 5;

std::int64_t packed_bytes(MPI_Datatype type) {
  int bytes = 0;
  MPI_Type_size(type, &bytes);
  return bytes;
}

Case finish(std::string name, MPI_Datatype type, int count, Loop pack, Loop unpack) {
  MPI_Type_commit(&type);
  Case result{std::move(name),  type, count, packed_bytes(type) * count, 0, std::move(pack),
              std::move(unpack)};
  MPI_Aint lower = 0, extent = 0, true_lower = 0, true_extent = 0;
  MPI_Type_get_extent(type, &lower, &extent);
  MPI_Type_get_true_extent(type, &true_lower, &true_extent);
  result.span_bytes = std::max<std::int64_t>(0, count - 1) * extent + true_lower + true_extent;
  return result;
}

/// The named type of which blocks of `bytes` are made.
MPI_Datatype element_for(std::int64_t bytes) {
  return bytes % 8 == 0 ? MPI_DOUBLE : bytes % 4 == 0 ? MPI_FLOAT : MPI_BYTE;
}

/// Calls `with` with a constant of the block's size if it is a usual one, so that the loop's copies
/// are single moves.
template <typename With>
void by_size(std::size_t bytes, const With& with) {
  switch (bytes) {
    case 4: return with(std::integral_constant<std::size_t, 4>{});
    case 8: return with(std::integral_constant<std::size_t, 8>{});
    case 16: return with(std::integral_constant<std::size_t, 16>{});
    case 24: return with(std::integral_constant<std::size_t, 24>{});
    case 64: return with(std::integral_constant<std::size_t, 64>{});
    default: return with(bytes);
  }
}

template <bool kPack, typename Size>
void move_block(std::byte* user, std::byte* packed, Size bytes) {
  if constexpr (kPack) {
    std::memcpy(packed, user, bytes);
  } else {
    std::memcpy(user, packed, bytes);
  }
}

template <bool kPack>
Loop strided_loop(std::int64_t n, std::size_t block, std::int64_t stride) {
  return [=](std::byte* user, std::byte* packed) {
    by_size(block, [&](auto bytes) {
      for (std::int64_t k = 0; k < n; ++k) {
        move_block<kPack>(user + k * stride, packed + k * static_cast<std::int64_t>(block), bytes);
      }
    });
  };
}

/// `bytes` in blocks of `block` at a stride of `stride`, all bytes.
Case strided(const std::string& name, std::int64_t block, std::int64_t stride, std::int64_t bytes) {
  const std::int64_t n = bytes / block;
  MPI_Datatype element = element_for(block), type = MPI_DATATYPE_NULL;
  const auto unit = packed_bytes(element);
  MPI_Type_create_hvector(static_cast<int>(n), static_cast<int>(block / unit), stride, element,
                          &type);
  const auto size = static_cast<std::size_t>(block);
  return finish(name, type, 1, strided_loop<true>(n, size, stride),
                strided_loop<false>(n, size, stride));
}

Case contiguous(const std::string& name, std::int64_t bytes) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_contiguous(static_cast<int>(bytes / 8), MPI_DOUBLE, &type);
  const auto size = static_cast<std::size_t>(bytes);
  return finish(name, type, 1, strided_loop<true>(1, size, 0), strided_loop<false>(1, size, 0));
}

/// Elements of 8 bytes that a type resized to 16 holds, `n` of them by the count of the call.
Case counted(const std::string& name, std::int64_t bytes) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_resized(MPI_DOUBLE, 0, 16, &type);
  const std::int64_t n = bytes / 8;
  return finish(name, type, static_cast<int>(n), strided_loop<true>(n, 8, 16),
                strided_loop<false>(n, 8, 16));
}

/// Part of a C array of three dimensions.
struct Box {
  std::array<int, 3> sizes, part, starts;

  template <bool kPack>
  Loop loop(std::size_t element) const {
    return [box = *this, element](std::byte* user, std::byte* packed) {
      const std::size_t row = static_cast<std::size_t>(box.part[2]) * element;
      by_size(row, [&](auto bytes) {
        for (int z = box.starts[0]; z < box.starts[0] + box.part[0]; ++z) {
          for (int y = box.starts[1]; y < box.starts[1] + box.part[1]; ++y, packed += row) {
            const auto at = (static_cast<std::size_t>(z) * static_cast<std::size_t>(box.sizes[1]) +
                             static_cast<std::size_t>(y)) *
                                static_cast<std::size_t>(box.sizes[2]) +
                            static_cast<std::size_t>(box.starts[2]);
            move_block<kPack>(user + at * element, packed, bytes);
          }
        }
      });
    };
  }
};

Case part_of_box(const std::string& name, const Box& box, MPI_Datatype element) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_subarray(3, box.sizes.data(), box.part.data(), box.starts.data(), MPI_ORDER_C,
                           element, &type);
  const auto bytes = static_cast<std::size_t>(packed_bytes(element));
  return finish(name, type, 1, box.loop<true>(bytes), box.loop<false>(bytes));
}

/// A face of a cube: `axis` 0 is z, the slowest.
Case face(const std::string& name, int n, int halo, int axis, MPI_Datatype element = MPI_DOUBLE) {
  Box box{{n, n, n}, {n, n, n}, {0, 0, 0}};
  box.part[static_cast<std::size_t>(axis)] = halo;
  box.starts[static_cast<std::size_t>(axis)] = halo;
  return part_of_box(name, box, element);
}

struct Blocks {
  std::vector<int> lengths;
  std::vector<MPI_Aint> places;

  template <bool kPack>
  Loop loop() const {
    return [blocks = *this](std::byte* user, std::byte* packed) {
      for (std::size_t k = 0; k < blocks.places.size(); ++k) {
        const auto bytes = static_cast<std::size_t>(blocks.lengths[k]);
        move_block<kPack>(user + blocks.places[k], packed, bytes);
        packed += bytes;
      }
    };
  }
};

template <bool kPack>
Loop list_loop(const std::vector<MPI_Aint>& places, std::size_t block) {
  return [places, block](std::byte* user, std::byte* packed) {
    by_size(block, [&](auto bytes) {
      for (std::size_t k = 0; k < places.size(); ++k) {
        move_block<kPack>(user + places[k], packed + k * block, bytes);
      }
    });
  };
}

/// Blocks of one size at distinct random slots, in random or in ascending order.
Case index_list(const std::string& name, std::int64_t block, std::int64_t bytes,
                bool sorted = false) {
  const auto n = static_cast<std::size_t>(bytes / block);
  std::vector<int> slots(2 * n);
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(slots.begin(), slots.end(), std::mt19937(kSeed));
  slots.resize(n);
  if (sorted) {
    std::ranges::sort(slots);
  }
  MPI_Datatype element = element_for(block), type = MPI_DATATYPE_NULL;
  const int length = static_cast<int>(block / packed_bytes(element));
  std::vector<int> displacements;
  std::vector<MPI_Aint> places;
  for (const int slot : slots) {
    displacements.push_back(slot * length);
    places.push_back(slot * block);
  }
  MPI_Type_create_indexed_block(static_cast<int>(n), length, displacements.data(), element, &type);
  const auto size = static_cast<std::size_t>(block);
  return finish(name, type, 1, list_loop<true>(places, size), list_loop<false>(places, size));
}

/// Blocks of random lengths from `low` to `high` units, with gaps as random.
Case ragged(const std::string& name, int low, int high, int unit, std::int64_t bytes) {
  std::mt19937 random(kSeed);
  Blocks blocks;
  std::vector<int> lengths;
  MPI_Aint at = 0;
  for (std::int64_t sum = 0; sum < bytes; sum += blocks.lengths.back()) {
    lengths.push_back(std::uniform_int_distribution<int>(low / unit, high / unit)(random));
    blocks.lengths.push_back(lengths.back() * unit);
    blocks.places.push_back(at);
    at += blocks.lengths.back() + std::uniform_int_distribution<int>(1, high / unit)(random) * unit;
  }
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_hindexed(static_cast<int>(lengths.size()), lengths.data(), blocks.places.data(),
                           element_for(unit), &type);
  return finish(name, type, 1, blocks.loop<true>(), blocks.loop<false>());
}

template <bool kPack>
Loop record_loop(int n, const Blocks& fields, std::size_t extent) {
  return [=](std::byte* user, std::byte* packed) {
    for (int k = 0; k < n; ++k, user += extent) {
      if (fields.lengths.size() == 3) {  // {int; double; char[3]}, as a compiler would see it
        move_block<kPack>(user, packed, std::integral_constant<std::size_t, 4>{});
        move_block<kPack>(user + 8, packed + 4, std::integral_constant<std::size_t, 8>{});
        move_block<kPack>(user + 16, packed + 12, std::integral_constant<std::size_t, 3>{});
        packed += 15;
      } else {  // {double; int}
        move_block<kPack>(user, packed, std::integral_constant<std::size_t, 8>{});
        move_block<kPack>(user + 8, packed + 8, std::integral_constant<std::size_t, 4>{});
        packed += 12;
      }
    }
  };
}

/// An array of C structs: with three fields {int; double; char[3]}, with two {double; int}.
Case records(const std::string& name, std::size_t fields, int n) {
  const bool three = fields == 3;
  const std::vector<int> lengths = three ? std::vector{1, 1, 3} : std::vector{1, 1};
  const std::vector<MPI_Aint> places =
      three ? std::vector<MPI_Aint>{0, 8, 16} : std::vector<MPI_Aint>{0, 8};
  const std::vector<MPI_Datatype> types =
      three ? std::vector<MPI_Datatype>{MPI_INT, MPI_DOUBLE, MPI_CHAR}
            : std::vector<MPI_Datatype>{MPI_DOUBLE, MPI_INT};
  MPI_Datatype one = MPI_DATATYPE_NULL, sized = MPI_DATATYPE_NULL;
  MPI_Type_create_struct(static_cast<int>(fields), lengths.data(), places.data(), types.data(),
                         &one);
  const std::size_t extent = three ? 24 : 16;
  MPI_Type_create_resized(one, 0, static_cast<MPI_Aint>(extent), &sized);
  MPI_Type_free(&one);
  const Blocks blocks{lengths, places};
  return finish(name, sized, n, record_loop<true>(n, blocks, extent),
                record_loop<false>(n, blocks, extent));
}

template <bool kPack>
Loop transpose_loop(std::int64_t n) {
  return [n](std::byte* user, std::byte* packed) {
    for (std::int64_t column = 0; column < n; ++column) {
      for (std::int64_t row = 0; row < n; ++row, packed += 8) {
        move_block<kPack>(user + (row * n + column) * 8, packed,
                          std::integral_constant<std::size_t, 8>{});
      }
    }
  };
}

/// The columns of a square matrix of doubles, one behind the other.
Case transposed(const std::string& name, int n) {
  MPI_Datatype column = MPI_DATATYPE_NULL, sized = MPI_DATATYPE_NULL;
  MPI_Type_vector(n, 1, n, MPI_DOUBLE, &column);
  MPI_Type_create_resized(column, 0, 8, &sized);
  MPI_Type_free(&column);
  return finish(name, sized, n, transpose_loop<true>(n), transpose_loop<false>(n));
}

std::string size_name(std::int64_t bytes) {
  return bytes >= kMi   ? std::to_string(bytes / kMi) + "M"
         : bytes >= kKi ? std::to_string(bytes / kKi) + "K"
                        : std::to_string(bytes) + "B";
}

void add_strided(std::vector<Case>& cases) {
  for (const std::int64_t bytes : {std::int64_t{64}, 4 * kKi, 64 * kKi, kMi}) {
    cases.push_back(contiguous("contig." + size_name(bytes), bytes));
  }
  for (const std::int64_t bytes :
       {std::int64_t{64}, std::int64_t{512}, 4 * kKi, 64 * kKi, kMi, 16 * kMi}) {
    for (const std::int64_t block : {4, 8, 16, 24, 64, 256, 1024, 4096}) {
      if (block * 8 <= bytes) {
        cases.push_back(strided(
            "vec.b" + size_name(block) + ".s" + size_name(2 * block) + "." + size_name(bytes),
            block, 2 * block, bytes));
        cases.back().in_messages = bytes >= 4 * kKi && bytes <= kMi;
      }
    }
  }
  cases.push_back(strided("vec.b4B.s512.1M", 4, 512, kMi));
  cases.push_back(strided("vec.b8B.s512.1M", 8, 512, kMi));
  cases.push_back(counted("cnt.rszint8.64K", 64 * kKi));
  cases.push_back(counted("cnt.rszint8.1M", kMi));
}

void add_boxes(std::vector<Case>& cases) {
  constexpr std::array<const char*, 3> kAxes = {"z", "y", "x"};
  for (const int n : {32, 64, 256}) {
    for (int axis = 0; axis < 3; ++axis) {
      const std::string name = std::string("face.") + kAxes[static_cast<std::size_t>(axis)];
      cases.push_back(face(name + ".h1" + (n == 256 ? "" : ".N" + std::to_string(n)), n, 1, axis));
      cases.back().in_messages = true;
      if (n == 256) {
        cases.push_back(face(name + ".h3", n, 3, axis));
        cases.back().in_messages = true;
      }
    }
  }
  cases.push_back(face("facef.x.h1.N64", 64, 1, 2, MPI_FLOAT));
  cases.back().in_messages = true;
  cases.push_back(part_of_box("edge.xy.h3", {{256, 256, 256}, {256, 3, 3}, {0, 3, 3}}, MPI_DOUBLE));
  cases.push_back(
      part_of_box("box.512Brows", {{64, 128, 128}, {64, 64, 64}, {0, 8, 8}}, MPI_DOUBLE));
  cases.back().in_messages = true;
  cases.push_back(
      part_of_box("sub2.1024x1024", {{1, 2048, 2048}, {1, 1024, 1024}, {0, 16, 16}}, MPI_DOUBLE));
  cases.push_back(
      part_of_box("sub2.col1", {{1, 2048, 2048}, {1, 2048, 1}, {0, 0, 16}}, MPI_DOUBLE));
}

void add_lists(std::vector<Case>& cases) {
  cases.push_back(index_list("idx.b4.64K", 4, 64 * kKi));
  cases.push_back(index_list("idx.b8.4K", 8, 4 * kKi));
  cases.push_back(index_list("idx.b8.64K", 8, 64 * kKi));
  cases.push_back(index_list("idx.b8.1M", 8, kMi));
  cases.push_back(index_list("idx.b24.1M", 24, kMi));
  cases.push_back(ragged("hidx.8-64B.64K", 8, 64, 8, 64 * kKi));
  cases.push_back(ragged("hidx.8-64B.1M", 8, 64, 8, kMi));
  cases.push_back(ragged("hidx.1-40Bbytes.1M", 1, 40, 1, kMi));
  cases.push_back(records("struct.idc3.count.4K", 3, 256));
  cases.push_back(records("struct.idc3.count.64K", 3, 4096));
  cases.push_back(records("struct.idc3.count", 3, 65536));
  cases.push_back(records("struct.di.count.64K", 2, 5461));
  cases.push_back(records("struct.di.count", 2, 65536));
  cases.push_back(transposed("transp.rszcol.count.256", 256));
  for (std::size_t k = cases.size() - 14; k < cases.size(); ++k) {
    cases[k].in_messages = true;
  }
  cases.push_back(records("struct.idc3.count.1", 3, 1));
  cases.push_back(index_list("idx.b512.1M", 512, kMi));
  cases.push_back(index_list("idxsort.b8.1M", 8, kMi, true));
  cases.push_back(index_list("idx.b8.16M", 8, 16 * kMi));
  cases.push_back(ragged("hidx.64-1024B.1M", 64, 1024, 8, kMi));
  cases.push_back(transposed("transp.rszcol.count.1024", 1024));
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  add_strided(cases);
  add_boxes(cases);
  add_lists(cases);
  return cases;
}

std::vector<HaloTypes> halo_types(int n, int halo, int neighbours) {
  const int whole = n + 2 * halo;
  const std::array<int, 3> sizes = {whole, whole, whole};
  std::vector<HaloTypes> all;
  for (int direction = 0; direction < 27; ++direction) {
    const std::array<int, 3> to = {direction / 9 - 1, direction / 3 % 3 - 1, direction % 3 - 1};
    const int distance = std::abs(to[0]) + std::abs(to[1]) + std::abs(to[2]);
    if (distance == 0 || (neighbours == 6 && distance > 1)) {
      continue;
    }
    std::array<int, 3> part{}, from{}, into{};
    for (std::size_t d = 0; d < 3; ++d) {
      part[d] = to[d] == 0 ? n : halo;
      from[d] = to[d] > 0 ? n : halo;  // the last or the first that are ours
      into[d] = to[d] == 0 ? halo : to[d] > 0 ? 0 : n + halo;  // comes from the other side
    }
    HaloTypes types{MPI_DATATYPE_NULL, MPI_DATATYPE_NULL, to[2], to[1], to[0]};
    MPI_Type_create_subarray(3, sizes.data(), part.data(), from.data(), MPI_ORDER_C, MPI_DOUBLE,
                             &types.send);
    MPI_Type_create_subarray(3, sizes.data(), part.data(), into.data(), MPI_ORDER_C, MPI_DOUBLE,
                             &types.receive);
    MPI_Type_commit(&types.send);
    MPI_Type_commit(&types.receive);
    all.push_back(types);
  }
  return all;
}

}  // namespace mpi_perf
