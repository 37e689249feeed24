// Datatypes as applications build them: weather, lattice, multigrid, molecular dynamics, finite
// elements, transforms. Each is packed, unpacked and exchanged between two ranks, against the loops
// that the applications would otherwise have.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

using namespace mpi_test;

struct Piece {
  std::byte* at;
  std::size_t bytes;
};

/// What an application sends: a datatype on memory, and the same as its own loop visits it.
struct Shape {
  std::string name;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  void* buffer = nullptr;
  int count = 1;
  std::vector<Piece> pieces = {};
  std::vector<std::vector<std::byte>>* memory =
      nullptr;  ///< all that `pieces` and their gaps are in
};

using Memory = std::vector<std::vector<std::byte>>;

std::byte* array(Memory& memory, std::size_t bytes) {
  Random random(memory.size() + 1);
  std::vector<std::byte>& added = memory.emplace_back(bytes);
  for (std::byte& byte : added) {
    byte = static_cast<std::byte>(random.next() >> 56);
  }
  return added.data();
}

/// Row-major, of three dimensions.
struct Grid {
  int nz, ny, nx;
  std::size_t at(int z, int y, int x) const {
    return (static_cast<std::size_t>(z) * static_cast<std::size_t>(ny) +
            static_cast<std::size_t>(y)) *
               static_cast<std::size_t>(nx) +
           static_cast<std::size_t>(x);
  }
};

/// WRF: the eastern halos of several fields of floats, three-dimensional ones and a flat one, in
/// one struct by addresses.
Shape weather(Memory& memory) {
  Shape shape{.name = "weather", .buffer = MPI_BOTTOM};
  const Grid grid{20, 30, 40};
  constexpr int kHalo = 3;
  std::vector<int> ones;
  std::vector<MPI_Aint> places;
  std::vector<MPI_Datatype> types;
  for (int field = 0; field < 5; ++field) {
    const int levels = field == 4 ? 1 : grid.nz;
    std::byte* const data = array(memory, static_cast<std::size_t>(levels * grid.ny * grid.nx) * 4);
    const std::array<int, 3> sizes = {levels, grid.ny, grid.nx},
                             part = {levels, grid.ny - 4, kHalo},
                             start = {0, 2, grid.nx - 2 * kHalo};
    types.emplace_back();
    MPI_Type_create_subarray(3, sizes.data(), part.data(), start.data(), MPI_ORDER_C, MPI_FLOAT,
                             &types.back());
    places.emplace_back();
    MPI_Get_address(data, &places.back());
    ones.push_back(1);
    for (int z = 0; z < levels; ++z) {
      for (int y = 2; y < grid.ny - 2; ++y) {
        shape.pieces.push_back({data + grid.at(z, y, start[2]) * 4, kHalo * 4});
      }
    }
  }
  MPI_Type_create_struct(5, ones.data(), places.data(), types.data(), &shape.type);
  for (MPI_Datatype& type : types) {
    MPI_Type_free(&type);
  }
  return shape;
}

/// MILC: a boundary of a four-dimensional lattice of su3 vectors (three complex floats).
Shape lattice(Memory& memory) {
  Shape shape{.name = "lattice"};
  constexpr int kT = 8, kZ = 8, kY = 6, kX = 4, kSite = 24;
  std::byte* const data = array(memory, kT * kZ * kY * kX * kSite);
  shape.buffer = data;
  MPI_Datatype site = MPI_DATATYPE_NULL, plane = MPI_DATATYPE_NULL;
  MPI_Type_contiguous(6, MPI_FLOAT, &site);
  MPI_Type_vector(kZ, 2 * kX, kY * kX, site, &plane);  // two lines of y
  MPI_Type_create_hvector(kT, 1, kZ * kY * kX * kSite, plane, &shape.type);
  MPI_Type_free(&site);
  MPI_Type_free(&plane);
  for (int t = 0; t < kT; ++t) {
    for (int z = 0; z < kZ; ++z) {
      shape.pieces.push_back({data + (t * kZ + z) * kY * kX * kSite, 2 * kX * kSite});
    }
  }
  return shape;
}

/// NAS MG: every face of a cube, x being the worst.
Shape multigrid(Memory& memory, int axis) {
  Shape shape{.name = "multigrid, axis " + std::to_string(axis)};
  const Grid grid{34, 34, 34};
  std::byte* const data = array(memory, 34 * 34 * 34 * 8);
  shape.buffer = data;
  std::array<int, 3> sizes = {34, 34, 34}, part = {32, 32, 32}, start = {1, 1, 1};
  part[static_cast<std::size_t>(axis)] = 1;
  MPI_Type_create_subarray(3, sizes.data(), part.data(), start.data(), MPI_ORDER_C, MPI_DOUBLE,
                           &shape.type);
  for (int z = 0; z < part[0]; ++z) {
    for (int y = 0; y < part[1]; ++y) {
      shape.pieces.push_back(
          {data + grid.at(z + 1, y + 1, 1) * 8, static_cast<std::size_t>(part[2]) * 8});
    }
  }
  return shape;
}

/// NAS LU: five doubles for each point of an edge.
Shape lu_face(Memory& memory) {
  Shape shape{.name = "lu"};
  constexpr int kNy = 24, kNx = 30, kPoint = 40;
  std::byte* const data = array(memory, kNy * kNx * kPoint);
  shape.buffer = data + 3 * kPoint;
  MPI_Datatype point = MPI_DATATYPE_NULL;
  MPI_Type_contiguous(5, MPI_DOUBLE, &point);
  MPI_Type_vector(kNy, 1, kNx, point, &shape.type);
  MPI_Type_free(&point);
  for (int y = 0; y < kNy; ++y) {
    shape.pieces.push_back({data + (y * kNx + 3) * kPoint, kPoint});
  }
  return shape;
}

/// LAMMPS: chosen atoms, whose positions, tags and kinds are in arrays of their own.
Shape atoms(Memory& memory) {
  Shape shape{.name = "atoms", .buffer = MPI_BOTTOM};
  constexpr int kAtoms = 4000;
  std::vector<int> chosen, lengths;
  Random random(11);
  for (int atom = 0; atom < kAtoms; atom += static_cast<int>(random.between(1, 9))) {
    chosen.push_back(atom);
  }
  const auto n = static_cast<int>(chosen.size());
  struct Field {
    MPI_Datatype element;
    int per_atom, bytes;
  };
  const std::array<Field, 3> fields = {{{MPI_DOUBLE, 3, 8}, {MPI_INT, 1, 4}, {MPI_SHORT, 1, 2}}};
  std::array<MPI_Datatype, 3> types{};
  std::array<MPI_Aint, 3> places{};
  const std::array<int, 3> ones = {1, 1, 1};
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const int size = fields[f].per_atom * fields[f].bytes;
    std::byte* const data = array(memory, static_cast<std::size_t>(kAtoms * size));
    std::vector<int> where;
    for (const int atom : chosen) {
      where.push_back(atom * fields[f].per_atom);
      shape.pieces.push_back({data + atom * size, static_cast<std::size_t>(size)});
    }
    MPI_Type_create_indexed_block(n, fields[f].per_atom, where.data(), fields[f].element,
                                  &types[f]);
    MPI_Get_address(data, &places[f]);
  }
  MPI_Type_create_struct(3, ones.data(), places.data(), types.data(), &shape.type);
  for (MPI_Datatype& type : types) {
    MPI_Type_free(&type);
  }
  return shape;
}

/// SPECFEM3D: points of a mesh that both sides share, in the order of the other side's numbers.
Shape mesh(Memory& memory, int per_point) {
  Shape shape{.name = "mesh of " + std::to_string(per_point)};
  constexpr int kPoints = 9000, kShared = 2500;
  std::byte* const data = array(memory, static_cast<std::size_t>(kPoints * per_point * 4));
  shape.buffer = data;
  std::vector<int> order(kPoints);
  std::iota(order.begin(), order.end(), 0);
  Random random(12);
  for (int k = 0; k < kShared; ++k) {
    std::swap(order[static_cast<std::size_t>(k)],
              order[static_cast<std::size_t>(random.between(k, kPoints - 1))]);
  }
  order.resize(kShared);
  for (int& point : order) {
    point *= per_point;
    shape.pieces.push_back({data + point * 4, static_cast<std::size_t>(per_point) * 4});
  }
  MPI_Type_create_indexed_block(kShared, per_point, order.data(), MPI_FLOAT, &shape.type);
  return shape;
}

/// FFT: one rank's part of a matrix of complex numbers, column by column.
Shape transform(Memory& memory) {
  Shape shape{.name = "transform"};
  constexpr int kN = 96, kColumns = 40;
  std::byte* const data = array(memory, kN * kN * 16);
  shape.buffer = data;
  shape.count = kColumns;
  MPI_Datatype column = MPI_DATATYPE_NULL;
  MPI_Type_vector(kN, 1, kN, MPI_C_DOUBLE_COMPLEX, &column);
  MPI_Type_create_resized(column, 0, 16, &shape.type);
  MPI_Type_free(&column);
  for (int column_at = 0; column_at < kColumns; ++column_at) {
    for (int row = 0; row < kN; ++row) {
      shape.pieces.push_back({data + (row * kN + column_at) * 16, 16});
    }
  }
  return shape;
}

std::vector<std::byte> by_hand(const Shape& shape) {
  std::vector<std::byte> packed;
  for (const Piece& piece : shape.pieces) {
    packed.insert(packed.end(), piece.at, piece.at + piece.bytes);
  }
  return packed;
}

/// Writes `packed` by hand, notes all of the memory, and takes it back to what it was.
Memory image(const Shape& shape, const std::vector<std::byte>& packed) {
  const Memory before = *shape.memory;
  const std::byte* from = packed.data();
  for (const Piece& piece : shape.pieces) {
    std::memcpy(piece.at, from, piece.bytes);
    from += piece.bytes;
  }
  const Memory after = *shape.memory;
  for (std::size_t k = 0; k < before.size(); ++k) {
    std::ranges::copy(before[k], (*shape.memory)[k].begin());
  }
  return after;
}

/// Other bytes than before, so that what is written shows.
std::vector<std::byte> changed(std::vector<std::byte> bytes) {
  for (std::byte& byte : bytes) {
    byte ^= std::byte{0x5A};
  }
  return bytes;
}

void check_packing(const Shape& shape) {
  const std::vector<std::byte> mine = by_hand(shape);
  const int bytes = static_cast<int>(mine.size());
  std::vector<std::byte> packed(mine.size());
  int position = 0;
  must(MPI_Pack(shape.buffer, shape.count, shape.type, packed.data(), bytes, &position,
                MPI_COMM_WORLD),
       "MPI_Pack");
  check(position == bytes && packed == mine, "%s: packed wrong", shape.name.c_str());
  packed = changed(packed);
  const Memory expected = image(shape, packed);
  position = 0;
  must(MPI_Unpack(packed.data(), bytes, &position, shape.buffer, shape.count, shape.type,
                  MPI_COMM_WORLD),
       "MPI_Unpack");
  check(*shape.memory == expected, "%s: unpacked wrong", shape.name.c_str());
}

/// There and back: typed to packed, packed to typed, typed to typed. Both ranks have the same
/// bytes.
void check_messages(const Shape& shape) {
  const int rank = rank_in(MPI_COMM_WORLD), peer = 1 - rank;
  const std::vector<std::byte> mine = by_hand(shape);
  const int bytes = static_cast<int>(mine.size());
  std::vector<std::byte> theirs(mine.size());
  must(MPI_Sendrecv(shape.buffer, shape.count, shape.type, peer, 1, theirs.data(), bytes,
                    MPI_PACKED, peer, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
       "MPI_Sendrecv");
  check(theirs == mine, "%s: sent wrong", shape.name.c_str());
  theirs = changed(theirs);
  const Memory expected = image(shape, theirs);
  must(MPI_Sendrecv(theirs.data(), bytes, MPI_PACKED, peer, 2, shape.buffer, shape.count,
                    shape.type, peer, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
       "MPI_Sendrecv");
  check(*shape.memory == expected, "%s: received wrong", shape.name.c_str());
  if (rank == 0) {
    must(MPI_Send(shape.buffer, shape.count, shape.type, peer, 3, MPI_COMM_WORLD), "MPI_Send");
    return;
  }
  for (const Piece& piece : shape.pieces) {
    std::memset(piece.at, 0, piece.bytes);
  }
  must(MPI_Recv(shape.buffer, shape.count, shape.type, peer, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
       "MPI_Recv");
  check(*shape.memory == expected, "%s: exchanged wrong", shape.name.c_str());
}

void check_shape(const Shape& shape) {
  if (shape.buffer != MPI_BOTTOM) {  // which MPICH 4.0.2's MPI_Pack refuses
    check_packing(shape);
  }
  check_messages(shape);
}

void check_and_free(Shape shape, Memory& memory) {
  shape.memory = &memory;
  must(MPI_Type_commit(&shape.type), "MPI_Type_commit");
  check_shape(shape);
  MPI_Type_free(&shape.type);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const std::array<Shape (*)(Memory&), 9> makers = {weather,
                                                    lattice,
                                                    lu_face,
                                                    atoms,
                                                    transform,
                                                    [](Memory& m) { return multigrid(m, 0); },
                                                    [](Memory& m) { return multigrid(m, 1); },
                                                    [](Memory& m) { return multigrid(m, 2); },
                                                    [](Memory& m) { return mesh(m, 1); }};
  for (const auto make : makers) {
    Memory memory;
    memory.reserve(8);  // pieces point into it
    check_and_free(make(memory), memory);
  }
  Memory memory;
  memory.reserve(1);
  check_and_free(mesh(memory, 3), memory);
  const int status = worst();
  MPI_Finalize();
  return status;
}
