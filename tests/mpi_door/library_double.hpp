// What the door asks of an MPI library about communicators, found in this program.
#pragma once

namespace sluice::mpi {

struct LibraryDouble {
  int rank = 3, size = 8, remote_size = 5;
  bool is_inter = false;
  bool knows = true;  ///< the communicator; else MPI_Comm_test_inter fails
  int rank_questions = 0, size_questions = 0, inter_questions = 0;
};
extern LibraryDouble library_double;

}  // namespace sluice::mpi
