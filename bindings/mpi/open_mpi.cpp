// The handlers for Open MPI.
#include "bindings/mpi/handlers.hpp"

namespace sluice::mpi {

void install_open_mpi(Handlers& handlers) { install<OpenMpi>(handlers); }

}  // namespace sluice::mpi
