// MPI 4's `_c` calls: types made with 64-bit counts and strides beyond 4 GiB, packed and exchanged.
// Memory between the blocks is reserved, never touched. For two ranks.
#include <mpi.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <vector>

#include "check.hpp"

namespace {

using namespace mpi_test;

constexpr MPI_Count kStrideBytes = (MPI_Count{5} << 30) + 24;
constexpr MPI_Count kBlocks = 3;
constexpr MPI_Count kBlockDoubles = 1000;
constexpr std::size_t kReservedBytes = static_cast<std::size_t>(kStrideBytes) * kBlocks;

std::byte* reserve() {
  void* const memory = ::mmap(nullptr, kReservedBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  return static_cast<std::byte*>(memory);
}

MPI_Datatype far_apart() {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  must(MPI_Type_create_hvector_c(kBlocks, kBlockDoubles, kStrideBytes, MPI_DOUBLE, &type),
       "hvector_c");
  must(MPI_Type_commit(&type), "MPI_Type_commit");
  return type;
}

std::vector<double> numbers(int seed) {
  std::vector<double> values(kBlocks * kBlockDoubles);
  for (std::size_t k = 0; k < values.size(); ++k) {
    values[k] = static_cast<double>(k) * 3 + seed;
  }
  return values;
}

double* block(std::byte* memory, MPI_Count k) {
  return reinterpret_cast<double*>(memory + k * kStrideBytes);
}

void fill(std::byte* memory, const std::vector<double>& values) {
  for (MPI_Count k = 0; k < kBlocks; ++k) {
    std::memcpy(block(memory, k), values.data() + k * kBlockDoubles,
                kBlockDoubles * sizeof(double));
  }
}

bool holds(std::byte* memory, const std::vector<double>& values) {
  for (MPI_Count k = 0; k < kBlocks; ++k) {
    if (std::memcmp(block(memory, k), values.data() + k * kBlockDoubles,
                    kBlockDoubles * sizeof(double)) != 0) {
      return false;
    }
  }
  return true;
}

void pack_far_apart(std::byte* memory, MPI_Datatype type) {
  const std::vector<double> values = numbers(1);
  fill(memory, values);
  std::vector<double> packed(values.size() + 1, -1);
  MPI_Count position = 0, bytes = 0;
  must(MPI_Pack_size_c(1, type, MPI_COMM_SELF, &bytes), "MPI_Pack_size_c");
  must(MPI_Pack_c(memory, 1, type, packed.data(), bytes, &position, MPI_COMM_SELF), "MPI_Pack_c");
  check(position == bytes && packed.back() == -1, "MPI_Pack_c: position %lld of %lld",
        static_cast<long long>(position), static_cast<long long>(bytes));
  packed.pop_back();
  check(packed == values, "MPI_Pack_c: other bytes");
  fill(memory, numbers(2));
  position = 0;
  must(MPI_Unpack_c(packed.data(), bytes, &position, memory, 1, type, MPI_COMM_SELF),
       "MPI_Unpack_c");
  check(position == bytes && holds(memory, values), "MPI_Unpack_c: other bytes");
}

void exchange_far_apart(std::byte* memory, MPI_Datatype type) {
  const int rank = rank_in(MPI_COMM_WORLD);
  if (rank == 0) {
    fill(memory, numbers(3));
    must(MPI_Send_c(memory, 1, type, 1, 1, MPI_COMM_WORLD), "MPI_Send_c");
  } else if (rank == 1) {
    MPI_Status status;
    must(MPI_Recv_c(memory, 1, type, 0, 1, MPI_COMM_WORLD, &status), "MPI_Recv_c");
    MPI_Count count = -1;
    MPI_Get_count_c(&status, type, &count);
    check(count == 1 && holds(memory, numbers(3)), "MPI_Recv_c: count %lld",
          static_cast<long long>(count));
  }
}

/// Every `_c` constructor, of small numbers: what it packs is what its twin of int packs.
void constructors() {
  const std::array<MPI_Count, 3> lengths = {2, 1, 3}, places = {0, 4, 9}, bytes = {0, 40, 96};
  const std::array<int, 3> int_lengths = {2, 1, 3}, int_places = {0, 4, 9};
  const std::array<MPI_Aint, 3> aint_bytes = {0, 40, 96};
  const std::array<MPI_Datatype, 3> types = {MPI_DOUBLE, MPI_INT, MPI_SHORT};
  const std::array<MPI_Count, 2> sizes = {7, 5}, subsizes = {3, 2}, starts = {2, 1};
  const std::array<int, 2> int_sizes = {7, 5}, int_subsizes = {3, 2}, int_starts = {2, 1};
  std::array<std::array<MPI_Datatype, 2>, 7> pairs{};
  MPI_Type_vector_c(5, 2, 3, MPI_INT, &pairs[0][0]);
  MPI_Type_vector(5, 2, 3, MPI_INT, &pairs[0][1]);
  MPI_Type_indexed_c(3, lengths.data(), places.data(), MPI_FLOAT, &pairs[1][0]);
  MPI_Type_indexed(3, int_lengths.data(), int_places.data(), MPI_FLOAT, &pairs[1][1]);
  MPI_Type_create_hindexed_c(3, lengths.data(), bytes.data(), MPI_FLOAT, &pairs[2][0]);
  MPI_Type_create_hindexed(3, int_lengths.data(), aint_bytes.data(), MPI_FLOAT, &pairs[2][1]);
  MPI_Type_create_struct_c(3, lengths.data(), bytes.data(), types.data(), &pairs[3][0]);
  MPI_Type_create_struct(3, int_lengths.data(), aint_bytes.data(), types.data(), &pairs[3][1]);
  MPI_Type_create_subarray_c(2, sizes.data(), subsizes.data(), starts.data(), MPI_ORDER_C,
                             MPI_DOUBLE, &pairs[4][0]);
  MPI_Type_create_subarray(2, int_sizes.data(), int_subsizes.data(), int_starts.data(), MPI_ORDER_C,
                           MPI_DOUBLE, &pairs[4][1]);
  MPI_Type_create_indexed_block_c(3, 2, places.data(), MPI_SHORT, &pairs[5][0]);
  MPI_Type_create_indexed_block(3, 2, int_places.data(), MPI_SHORT, &pairs[5][1]);
  MPI_Type_create_resized_c(pairs[0][0], 0, 100, &pairs[6][0]);
  MPI_Type_create_resized(pairs[0][1], 0, 100, &pairs[6][1]);
  std::array<unsigned char, 512> user{};
  for (std::size_t k = 0; k < user.size(); ++k) {
    user[k] = static_cast<unsigned char>(k * 7 + k / 256);
  }
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    std::array<std::array<unsigned char, 512>, 2> packed{};
    std::array<int, 2> position{};
    for (std::size_t twin = 0; twin < 2; ++twin) {
      must(MPI_Type_commit(&pairs[k][twin]), "MPI_Type_commit");
      must(MPI_Pack(user.data(), 1, pairs[k][twin], packed[twin].data(), 512, &position[twin],
                    MPI_COMM_SELF),
           "pack");
    }
    check(position[0] == position[1] && packed[0] == packed[1],
          "constructor %zu differs from its twin", k);
  }
  for (auto& twins : pairs) {
    MPI_Type_free(&twins[0]);
    MPI_Type_free(&twins[1]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  std::byte* const memory = reserve();
  MPI_Datatype type = far_apart();
  pack_far_apart(memory, type);
  exchange_far_apart(memory, type);
  MPI_Type_free(&type);
  constructors();
  ::munmap(memory, kReservedBytes);
  const int status = worst();
  MPI_Finalize();
  return status;
}
