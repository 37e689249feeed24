#include "cases.hpp"

#include <algorithm>
#include <random>

namespace sluice::datatype::perf {
namespace {

constexpr std::int64_t kKi = 1024;
constexpr std::int64_t kMi = 1024 * kKi;

Case strided(std::string name, std::int64_t element, std::int64_t block,
             std::vector<Dimension> dimensions, bool by_count = false) {
  return {std::move(name), Leaf::kBlock, block, element, by_count, std::move(dimensions), {}, {}};
}

std::string size_name(std::int64_t bytes) {
  if (bytes >= kMi) return std::to_string(bytes / kMi) + "M";
  if (bytes >= kKi) return std::to_string(bytes / kKi) + "K";
  return std::to_string(bytes) + "B";
}

/// vec.b<block>.s<stride>.<packed bytes>
Case vector_case(std::int64_t block, std::int64_t stride, std::int64_t packed) {
  const std::string block_name =
      block >= kKi ? std::to_string(block / kKi) + "K" : std::to_string(block) + "B";
  return strided("vec.b" + block_name + ".s" + std::to_string(stride) + "." + size_name(packed),
                 std::min<std::int64_t>(block, 8), block, {{packed / block, stride}});
}

void add_vectors(std::vector<Case>& cases) {
  cases.push_back(strided("contig.64B", 8, 8, {{8, 8}}));
  cases.push_back(strided("contig.4K", 8, 8, {{512, 8}}));
  cases.push_back(strided("contig.64K", 8, 8, {{8192, 8}}));
  cases.push_back(strided("contig.1M", 8, 8, {{131072, 8}}));
  for (const std::int64_t packed : {std::int64_t{64}, std::int64_t{512}, 4 * kKi})
    cases.push_back(vector_case(8, 16, packed));
  cases.push_back(vector_case(64, 128, 4 * kKi));
  for (const std::int64_t packed : {64 * kKi, kMi, 16 * kMi}) {
    for (const std::int64_t block : {4, 8, 16, 64, 256, 1024, 4096})
      cases.push_back(vector_case(block, 2 * block, packed));
  }
  for (const std::int64_t block : {1, 2}) cases.push_back(vector_case(block, 2 * block, 64 * kKi));
  for (const std::int64_t block : {4, 8}) cases.push_back(vector_case(block, 32, 64 * kKi));
  for (const std::int64_t block : {4, 8}) cases.push_back(vector_case(block, 512, kMi));
  cases.push_back(strided("sub2.1024x1024", 8, 8192, {{1024, 16384}}));
  cases.push_back(strided("sub2.col1", 8, 8, {{2048, 16384}}));
  cases.push_back(strided("sub2.512Brows", 8, 512, {{1024, 16384}}));
}

/// Faces of a cube of n elements a side with a halo of `halo` elements.
void add_faces(std::vector<Case>& cases, std::string name, std::int64_t element, std::int64_t n,
               std::int64_t halo, bool all) {
  const std::int64_t line = n * element;
  const std::int64_t plane = n * line;
  const std::string end = ".h" + std::to_string(halo) + (n == 256 ? "" : ".N" + std::to_string(n));
  cases.push_back(strided(name + ".x" + end, element, halo * element, {{n * n, line}}));
  if (!all) return;
  cases.push_back(strided(name + ".y" + end, element, halo * line, {{n, plane}}));
  cases.push_back(strided(name + ".z" + end, element, halo * plane, {{1, halo * plane}}));
}

void add_boxes(std::vector<Case>& cases) {
  add_faces(cases, "face", 8, 32, 1, true);
  add_faces(cases, "face", 8, 64, 1, true);
  add_faces(cases, "facef", 4, 64, 1, false);
  add_faces(cases, "face", 8, 256, 1, true);
  add_faces(cases, "face", 8, 256, 3, true);
  cases.push_back(strided("edge.xy.h3", 8, 24, {{256, 256 * 2048}, {3, 2048}}));
  cases.push_back(strided("box.512Brows", 8, 512, {{64, 256 * 2048}, {64, 2048}}));
  cases.push_back(strided("cnt.rszint8.1M", 4, 4, {{262144, 8}}, true));
  cases.push_back(strided("cnt.vec4x8rsz.1M", 8, 8, {{131072, 16}}, true));
  cases.push_back(strided("darray.cyc16.1024", 8, 128, {{1024, 8192}, {16, 512}}));
}

Case indexed(std::string name, std::int64_t block, std::int64_t count, bool sorted) {
  std::mt19937_64 random(7);
  Case made{std::move(name), Leaf::kIndexed,           block, std::min<std::int64_t>(block, 8),
            false,           {{1, 2 * count * block}}, {},    {}};
  for (std::int64_t i = 0; i < 2 * count; ++i) made.offsets.push_back(i * block);
  std::shuffle(made.offsets.begin(), made.offsets.end(), random);
  made.offsets.resize(static_cast<std::size_t>(count));
  if (sorted) std::sort(made.offsets.begin(), made.offsets.end());
  return made;
}

/// Blocks of `low` to `high` bytes in steps of `element`, as much apart, until they are `packed`
/// bytes.
Case irregular(std::string name, std::int64_t element, std::int64_t low, std::int64_t high,
               std::int64_t packed) {
  std::mt19937_64 random(8);
  std::uniform_int_distribution<std::int64_t> length(low / element, high / element);
  Case made{std::move(name), Leaf::kRagged, 0, element, false, {}, {}, {}};
  std::int64_t at = 0;
  for (std::int64_t sum = 0; sum < packed; sum += made.fields.back().bytes) {
    made.fields.push_back({at, length(random) * element});
    at += made.fields.back().bytes + length(random) * element;
  }
  made.dimensions = {{1, at}};
  return made;
}

void add_lists(std::vector<Case>& cases) {
  cases.push_back(indexed("idx.b4.64K", 4, 16384, false));
  cases.push_back(indexed("idx.b8.4K", 8, 512, false));
  cases.push_back(indexed("idx.b8.64K", 8, 8192, false));
  cases.push_back(indexed("idx.b8.1M", 8, 131072, false));
  cases.push_back(indexed("idx.b8.16M", 8, 2097152, false));
  cases.push_back(indexed("idx.b24.1M", 24, 43690, false));
  cases.push_back(indexed("idx.b512.1M", 512, 2048, false));
  cases.push_back(indexed("idxsort.b8.1M", 8, 131072, true));
  cases.push_back(irregular("hidx.8-64B.64K", 8, 8, 64, 64 * kKi));
  cases.push_back(irregular("hidx.8-64B.1M", 8, 8, 64, kMi));
  cases.push_back(irregular("hidx.1-40Bbytes.1M", 1, 1, 40, kMi));
  cases.push_back(irregular("hidx.64-1024B.1M", 8, 64, 1024, kMi));
}

void add_records(std::vector<Case>& cases) {
  const auto record = [&](std::string name, std::vector<Block> fields, std::int64_t extent,
                          std::int64_t count) {
    cases.push_back(
        {std::move(name), Leaf::kRecord, 0, 1, true, {{count, extent}}, std::move(fields), {}});
  };
  const std::vector<Block> int_double_chars = {{0, 4}, {8, 8}, {16, 3}};
  record("struct.idc3.count.1", int_double_chars, 24, 1);
  record("struct.idc3.count.64K", int_double_chars, 24, 4096);
  record("struct.idc3.count", int_double_chars, 24, 65536);
  // {double; int}: its fields touch, so it is a block of 12 bytes.
  cases.push_back(strided("struct.di.count.64K", 4, 12, {{5461, 16}}, true));
  cases.push_back(strided("struct.di.count", 4, 12, {{65536, 16}}, true));
  record("struct.id.count.64K", {{0, 4}, {8, 8}}, 16, 5461);
}

void add_transposes(std::vector<Case>& cases) {
  for (const std::int64_t n : {256, 1024}) {
    const std::string end = std::to_string(n);
    cases.push_back(strided("transp.hv_v." + end, 8, 8, {{n, 8}, {n, n * 8}}));
    cases.push_back(strided("transp.rszcol.count." + end, 8, 8, {{n, 8}, {n, n * 8}}, true));
  }
  cases.push_back(strided("transp.float.1024", 4, 4, {{1024, 4}, {1024, 4096}}));
  cases.push_back(strided("transp.complex.512", 8, 16, {{512, 16}, {512, 8192}}));
}

}  // namespace

Shape Case::shape() const {
  std::int64_t leaf_bytes = block_bytes;
  if (leaf == Leaf::kIndexed) leaf_bytes *= static_cast<std::int64_t>(offsets.size());
  for (const Block& field : fields) leaf_bytes += field.bytes;
  return {leaf, 0, block_bytes, leaf_bytes, dimensions, fields, offsets};
}

std::int64_t Case::packed_bytes() const {
  std::int64_t bytes = shape().leaf_bytes;
  for (const Dimension& d : dimensions) bytes *= d.count;
  return bytes;
}

std::int64_t Case::user_bytes() const {
  std::int64_t last = 0;
  for (const Dimension& d : dimensions) last += (d.count - 1) * d.stride;
  std::int64_t end = block_bytes;
  for (const Block& field : fields) end = std::max(end, field.offset + field.bytes);
  for (const std::int64_t offset : offsets) end = std::max(end, offset + block_bytes);
  return last + end;
}

std::vector<Case> make_cases(const std::string& filter) {
  std::vector<Case> cases;
  add_vectors(cases);
  add_boxes(cases);
  add_lists(cases);
  add_records(cases);
  add_transposes(cases);
  std::erase_if(cases, [&](const Case& c) { return c.name.find(filter) == std::string::npos; });
  return cases;
}

}  // namespace sluice::datatype::perf
