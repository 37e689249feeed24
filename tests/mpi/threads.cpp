// Two threads of each of two ranks at MPI_THREAD_MULTIPLE: each makes, uses and frees types and
// requests of its own, on a communicator of its own and on one that both share.
#include <mpi.h>

#include <thread>
#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

constexpr int kThreads = 2;
constexpr int kRounds = 150;

void round_of(int thread, int round, int rank, MPI_Comm comm) {
  const int peer = 1 - rank, tag = thread * kRounds + round, count = 10 + round * 40;
  const Model model = round % 3 == 0   ? strided(count)
                      : round % 3 == 1 ? records(count)
                                       : scattered(count);
  const auto seed = static_cast<std::uint64_t>(tag * 2);
  const Elements from(model, 1, seed + static_cast<std::uint64_t>(rank));
  Elements to(model, 1, 9), expected(model, 1, 9);
  const std::vector<std::byte> packed =
      Elements(model, 1, seed + static_cast<std::uint64_t>(peer)).packed(model, 1);
  model.unpack(packed.data(), 1, expected.user(), std::ssize(packed));
  std::vector<MPI_Request> requests(2, MPI_REQUEST_NULL);
  must(MPI_Irecv(to.user(), 1, model.handle, peer, tag, comm, &requests[0]), "MPI_Irecv");
  must(MPI_Isend(from.user(), 1, model.handle, peer, tag, comm, &requests[1]), "MPI_Isend");
  if (round % 2 == 0) {
    must(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  } else {
    for (int done = 0; done < 2;) {
      int which = -1, flag = 0;
      must(MPI_Testany(2, requests.data(), &which, &flag, MPI_STATUS_IGNORE), "MPI_Testany");
      done += flag;
    }
  }
  check(to.bytes == expected.bytes, "thread %d, round %d: %s arrived wrong", thread, round,
        model.text.c_str());
}

void work(int thread, int rank, MPI_Comm own, MPI_Comm shared) {
  for (int round = 0; round < kRounds; ++round) {
    round_of(thread, round, rank, round % 4 < 2 ? own : shared);
  }
}

}  // namespace

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  if (provided != MPI_THREAD_MULTIPLE) {
    std::printf("skipped: the library has not MPI_THREAD_MULTIPLE\n");
    MPI_Finalize();
    return 77;
  }
  const int rank = rank_in(MPI_COMM_WORLD);
  std::vector<MPI_Comm> comms(kThreads, MPI_COMM_NULL);
  for (MPI_Comm& comm : comms) {
    must(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
  }
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back(work, thread, rank, comms[static_cast<std::size_t>(thread)],
                         MPI_COMM_WORLD);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (MPI_Comm& comm : comms) {
    MPI_Comm_free(&comm);
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
