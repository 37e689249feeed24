// MPI_Pack and MPI_Unpack of random types: what we get is what the type map says and what the
// library itself gives, byte for byte; nothing around it is touched. Usage: random_types [SEED
// [TREES]]
#include <mpi.h>

#include <algorithm>

#include "check.hpp"
#include "library.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

constexpr std::size_t kGuardBytes = 64;
constexpr std::byte kGuard{0xA5};

using Bytes = std::vector<std::byte>;

Bytes guarded(std::size_t bytes) { return Bytes(bytes + 2 * kGuardBytes, kGuard); }

/// What one library's MPI_Pack did: code, position, bytes with guards.
struct Packed {
  int code;
  int position;
  Bytes bytes;

  friend bool operator==(const Packed&, const Packed&) = default;
};

/// By `pack`. In a GPU's memory, where that is wanted, either side or both.
Packed pack_with(decltype(&MPI_Pack) pack, const Model& model, int count, const Elements& from,
                 int room, int way = 0) {
  Packed result{0, static_cast<int>(kGuardBytes),
                guarded(static_cast<std::size_t>(model.size() * count))};
  GpuCopy copy;
  const void* const in = (way & 1) != 0 ? from.there() : from.user();
  void* const out = (way & 2) != 0 ? copy.of(result.bytes) : result.bytes.data();
  result.code = error_class(pack(in, count, model.handle, out, static_cast<int>(kGuardBytes) + room,
                                 &result.position, MPI_COMM_SELF));
  copy.fetch(result.bytes);
  return result;
}

void check_pack(const Model& model, int count, const Elements& from) {
  const Bytes expected = from.packed(model, count);
  const int bytes = static_cast<int>(expected.size());
  const int way = GpuCopy::wanted() ? 1 + bytes % 3 : 0;
  const Packed ours = pack_with(MPI_Pack, model, count, from, bytes, way);
  Bytes all = guarded(expected.size());
  std::copy(expected.begin(), expected.end(), all.data() + kGuardBytes);
  check(ours.code == MPI_SUCCESS && ours.position == bytes + static_cast<int>(kGuardBytes),
        "packing %d of %s: class %d, position %d of %d", count, model.text.c_str(), ours.code,
        ours.position, bytes);
  check(ours.bytes == all, "packing %d of %s: other bytes than its type map", count,
        model.text.c_str());
  const Packed theirs = pack_with(own("MPI_Pack", MPI_Pack), model, count, from, bytes);
  check(ours == theirs, "packing %d of %s: not what the library does", count, model.text.c_str());
  int our_size = -1, their_size = -2;
  MPI_Pack_size(count, model.handle, MPI_COMM_SELF, &our_size);
  own("MPI_Pack_size", MPI_Pack_size)(count, model.handle, MPI_COMM_SELF, &their_size);
  check(our_size == their_size, "MPI_Pack_size of %s: %d, not %d", model.text.c_str(), our_size,
        their_size);
}

void check_unpack(const Model& model, int count, const Elements& from) {
  const int bytes = static_cast<int>(model.size() * count);
  Bytes packed = from.packed(model, count);
  packed.push_back(kGuard);  // the address of nothing is an error to Open MPI
  Elements expected(model, count, 99);
  model.unpack(packed.data(), count, expected.user(), bytes);
  for (const auto unpack : {MPI_Unpack, own("MPI_Unpack", MPI_Unpack)}) {
    Elements to(model, count, 99);
    const int way = unpack == &MPI_Unpack && GpuCopy::wanted() ? 1 + bytes % 3 : 0;
    GpuCopy copy;
    const void* const in = (way & 2) != 0 ? copy.of(packed) : packed.data();
    void* const out = (way & 1) != 0 ? to.there() : to.user();
    int position = 0;
    const int code = unpack(in, bytes, &position, out, count, model.handle, MPI_COMM_SELF);
    check(code == MPI_SUCCESS && position == bytes,
          "unpacking %d of %s: code %d, position %d of %d", count, model.text.c_str(), code,
          position, bytes);
    check(to.back() == expected.bytes, "unpacking %d of %s: other bytes than its type map", count,
          model.text.c_str());
  }
}

/// No room for the last byte: refused, as the library refuses it.
void check_no_room(const Model& model, int count, const Elements& from) {
  const int bytes = static_cast<int>(model.size() * count);
  if (bytes == 0) {
    return;
  }
  const int ours = pack_with(MPI_Pack, model, count, from, bytes - 1).code;
  const int theirs = pack_with(own("MPI_Pack", MPI_Pack), model, count, from, bytes - 1).code;
  check(ours == theirs, "packing %s without room: class %d, the library's %d", model.text.c_str(),
        ours, theirs);
}

void check_tree(std::uint64_t seed) {
  Random random(seed);
  const Model model = random_type(random, static_cast<int>(random.between(0, 4)));
  for (const int count : {1, static_cast<int>(random.between(0, 7))}) {
    const Elements from(model, count, seed);
    check_pack(model, count, from);
    if (!model.overlaps(count)) {
      check_unpack(model, count, from);
    }
  }
  if (random.one_in(8)) {
    check_no_room(model, 2, Elements(model, 2, seed));
  }
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t trees = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 4000;
  for (std::uint64_t k = 0; k < trees; ++k) {
    const int before = failures();
    check_tree(seed + k);
    if (failures() != before) {
      std::fprintf(stderr, "  with seed %llu\n", static_cast<unsigned long long>(seed + k));
    }
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
