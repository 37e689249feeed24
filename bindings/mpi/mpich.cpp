// The handlers for MPICH and its family.
#include "bindings/mpi/handlers.hpp"

namespace sluice::mpi {

void install_mpich(Handlers& handlers) { install<Mpich>(handlers); }

}  // namespace sluice::mpi
