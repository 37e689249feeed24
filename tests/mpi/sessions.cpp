// A program of MPI 4 that never calls MPI_Init: two sessions one after the other, types used in
// both. For two ranks.
#include <mpi.h>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

void exchange(MPI_Comm comm) {
  const int rank = rank_in(comm), peer = 1 - rank;
  for (const int count : {5, 30000}) {
    for (Model model = strided(count); model.text != "done";) {
      const Elements from(model, 1, static_cast<std::uint64_t>(rank));
      Elements to(model, 1, 9), expected(model, 1, 9);
      const std::vector<std::byte> packed =
          Elements(model, 1, static_cast<std::uint64_t>(peer)).packed(model, 1);
      model.unpack(packed.data(), 1, expected.user(), std::ssize(packed));
      must(MPI_Sendrecv(from.user(), 1, model.handle, peer, 1, to.user(), 1, model.handle, peer, 1,
                        comm, MPI_STATUS_IGNORE),
           "MPI_Sendrecv");
      check(to.bytes == expected.bytes, "%s in a session arrived wrong", model.text.c_str());
      if (model.text == "strided") {
        model = records(count);
      } else {
        model.text = "done";
      }
    }
  }
}

void one_session() {
  MPI_Session session = MPI_SESSION_NULL;
  MPI_Group group = MPI_GROUP_NULL;
  MPI_Comm comm = MPI_COMM_NULL;
  must(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &session), "MPI_Session_init");
  must(MPI_Group_from_session_pset(session, "mpi://WORLD", &group), "MPI_Group_from_session_pset");
  must(MPI_Comm_create_from_group(group, "sluice-test", MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &comm),
       "from group");
  MPI_Group_free(&group);
  exchange(comm);
  int mine = failures(), all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, comm);
  check(all == mine || mine > 0, "another rank has failed");
  MPI_Comm_free(&comm);
  must(MPI_Session_finalize(&session), "MPI_Session_finalize");
}

}  // namespace

int main() {
  one_session();
  one_session();
  std::printf("%d wrong\n", failures());
  return failures() == 0 ? 0 : 1;
}
