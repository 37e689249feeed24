#include "library_double.hpp"

namespace sluice::mpi {

LibraryDouble library_double;

extern "C" {

[[gnu::visibility("default")]] int PMPI_Comm_rank(void*, int* rank) {
  ++library_double.rank_questions;
  *rank = library_double.rank;
  return 0;
}
[[gnu::visibility("default")]] int PMPI_Comm_size(void*, int* size) {
  ++library_double.size_questions;
  *size = library_double.size;
  return 0;
}
[[gnu::visibility("default")]] int PMPI_Comm_remote_size(void*, int* size) {
  ++library_double.size_questions;
  *size = library_double.remote_size;
  return 0;
}
[[gnu::visibility("default")]] int PMPI_Comm_test_inter(void*, int* inter) {
  ++library_double.inter_questions;
  *inter = library_double.is_inter ? 1 : 0;
  return library_double.knows ? 0 : 5;
}

}  // extern "C"

}  // namespace sluice::mpi
