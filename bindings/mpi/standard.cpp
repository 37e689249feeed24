// The handlers for the binary interface of MPI 5.
#include "bindings/mpi/handlers.hpp"

namespace sluice::mpi {

void install_standard(Handlers& handlers) { install<Standard>(handlers); }

}  // namespace sluice::mpi
