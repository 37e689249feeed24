// The end of MPI.
#pragma once

#include "bindings/mpi/call.hpp"
#include "bindings/mpi/completion.hpp"

namespace sluice::mpi {

template <class A, Name kName>
struct Lifetime {
  static int finalize() {
    // A tool behind us calls MPI_Finalize's other name: that comes here a second time.
    static bool begun = false;
    if (!begun) {
      begun = true;
      if (pending::any()) Completion<A, kName>::visit_orphans();
      if (report::on) report::print(rank());
      Types<A>::free_twins();
    }
    const int result = next<kName>(Function::kFinalize);
    // What is still in the table belongs to a session.
    if (!pending::any()) step_aside();
    return result;
  }

  /// With the last session, and without the world, all types and keyvals end.
  static int session_finalize(typename A::Handle* session) {
    int world = 0;
    if (invoke(own_calls().initialized, &world) == kSuccess && world == 0) {
      if (pending::any()) Completion<A, kName>::visit_orphans();
      Types<A>::forget_keyval();
      if (report::on) report::print(-1);
    }
    return next<kName>(Function::kSession_finalize, session);
  }

 private:
  static int rank() {
    int number = -1;
    return invoke(own_calls().comm_rank, A::comm_world(), &number) == kSuccess ? number : -1;
  }
};

}  // namespace sluice::mpi
