// Many short messages of derived types, several under way at a time: what is kept for each is let
// go when it has been sent. For two ranks; run with little memory, the interposer's report tells.
#include <mpi.h>

#include <array>
#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

constexpr int kRounds = 1000, kAtOnce = 4;

void run(const Model& model, int rank) {
  std::vector<Elements> buffers;
  for (int k = 0; k < kAtOnce; ++k)
    buffers.emplace_back(model, 1, rank == 0 ? static_cast<std::uint64_t>(k) : 100);
  for (int round = 0; round < kRounds; ++round) {
    std::array<MPI_Request, kAtOnce> requests;
    for (int k = 0; k < kAtOnce; ++k) {
      const auto at = static_cast<std::size_t>(k);
      if (rank == 0)
        MPI_Isend(buffers[at].user(), 1, model.handle, 1, k, MPI_COMM_WORLD, &requests[at]);
      else
        MPI_Irecv(buffers[at].user(), 1, model.handle, 0, k, MPI_COMM_WORLD, &requests[at]);
    }
    MPI_Waitall(kAtOnce, requests.data(), MPI_STATUSES_IGNORE);
    if (round % 50 == 0) MPI_Barrier(MPI_COMM_WORLD);
  }
  for (int k = 0; rank == 1 && k < kAtOnce; ++k)
    check(buffers[static_cast<std::size_t>(k)].packed(model, 1) ==
              Elements(model, 1, static_cast<std::uint64_t>(k)).packed(model, 1),
          "message %d arrived wrong", k);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  for (const int count : {50, 200}) run(strided(count), rank_in(MPI_COMM_WORLD));
  const int status = worst();
  MPI_Finalize();
  return status;
}
