// Messages of strided doubles in a GPU's memory, one of each kind, for gpu_tune.py to see which way
// they went. One rank broadcasts only, which no library looks at.
#include <mpi.h>

#include <cstring>
#include <vector>

#include "check.hpp"
#include "gpu.hpp"

namespace {

using namespace mpi_test;

constexpr int kBlocks = 512;

std::vector<std::byte> with_doubles(double first) {
  std::vector<double> values(2 * kBlocks, -1);
  for (int k = 0; k < kBlocks; ++k) values[static_cast<std::size_t>(2 * k)] = first + k;
  std::vector<std::byte> bytes(values.size() * sizeof(double));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Runs `exchange` on a buffer in the GPU's memory, which holds everywhere what `source` had, gaps
/// and all, when it is done.
template <class Exchange>
void check_exchange(int source, double first, const char* what, const Exchange& exchange) {
  const std::vector<std::byte> sent = with_doubles(first);
  const bool is_source = rank_in(MPI_COMM_WORLD) == source;
  std::vector<std::byte> bytes = is_source ? sent : with_doubles(0);
  GpuCopy copy;
  exchange(copy.of(bytes));
  copy.fetch(bytes);
  check(bytes == sent, "%s: not what rank %d has sent", what, source);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Datatype strided = MPI_DATATYPE_NULL;
  MPI_Type_vector(kBlocks, 1, 2, MPI_DOUBLE, &strided);
  MPI_Type_commit(&strided);
  const int rank = rank_in(MPI_COMM_WORLD);
  if (size_of(MPI_COMM_WORLD) == 2)
    check_exchange(0, 1000, "a message", [&](std::byte* buffer) {
      must(rank == 0 ? MPI_Send(buffer, 1, strided, 1, 5, MPI_COMM_WORLD)
                     : MPI_Recv(buffer, 1, strided, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
           "a message");
    });
  check_exchange(0, 2000, "a broadcast", [&](std::byte* buffer) {
    must(MPI_Bcast(buffer, 1, strided, 0, MPI_COMM_WORLD), "a broadcast");
  });
  MPI_Type_free(&strided);
  const int status = worst();
  MPI_Finalize();
  return status;
}
