// A GPU whose kernels or copies fail: each call with its memory returns an error of MPI, and what
// the user has is as it was. One that the build's kernels do not run on: what has no gaps goes
// without. For one rank and the driver's double, which SLUICE_TEST_GPU_FAILS makes fail.
#include <mpi.h>

#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

void fails(int code, const char* what) {
  check(error_class(code) == MPI_ERR_OTHER, "%s: error class %d, not MPI_ERR_OTHER", what,
        error_class(code));
}

void all_calls(const Model& model) {
  const Elements from(model, 1, 1);
  Elements to(model, 1, 2);
  const std::vector<std::byte> before = to.bytes;
  std::vector<std::byte> packed(static_cast<std::size_t>(model.size()));
  const int bytes = static_cast<int>(packed.size());
  int position = 0;
  fails(MPI_Pack(from.there(), 1, model.handle, packed.data(), bytes, &position, MPI_COMM_SELF),
        "MPI_Pack");
  fails(MPI_Unpack(packed.data(), bytes, &position, to.there(), 1, model.handle, MPI_COMM_SELF),
        "MPI_Unpack");
  check(position == 0, "a failed call moved the position to %d", position);
  fails(MPI_Send(from.there(), 1, model.handle, 0, 1, MPI_COMM_SELF), "MPI_Send");
  MPI_Request request = MPI_REQUEST_NULL;
  fails(MPI_Isend(from.there(), 1, model.handle, 0, 1, MPI_COMM_SELF, &request), "MPI_Isend");
  check(request == MPI_REQUEST_NULL, "a failed MPI_Isend left a request");
  must(MPI_Isend(packed.data(), bytes, MPI_PACKED, 0, 2, MPI_COMM_SELF, &request), "MPI_Isend");
  fails(MPI_Recv(to.there(), 1, model.handle, 0, 2, MPI_COMM_SELF, MPI_STATUS_IGNORE), "MPI_Recv");
  must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
  must(MPI_Send_init(from.there(), 1, model.handle, 0, 3, MPI_COMM_SELF, &request),
       "MPI_Send_init");
  fails(MPI_Start(&request), "MPI_Start");
  must(MPI_Request_free(&request), "MPI_Request_free");
  fails(MPI_Alltoall(from.there(), 1, model.handle, to.there(), 1, model.handle, MPI_COMM_SELF),
        "MPI_Alltoall");
  check(to.back() == before, "a failed call wrote into what was to be received");
}

void without_kernels(const Model& model) {
  const Elements from(model, 1, 1);
  Elements to(model, 1, 2);
  MPI_Request request = MPI_REQUEST_NULL;
  must(MPI_Isend(from.there(), 1, model.handle, 0, 1, MPI_COMM_SELF, &request), "MPI_Isend");
  must(MPI_Recv(to.there(), 1, model.handle, 0, 1, MPI_COMM_SELF, MPI_STATUS_IGNORE), "MPI_Recv");
  must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
  check(to.back() == image(model, 1, from, 1, 2), "a message without gaps is wrong");
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  const std::string_view failing = std::getenv("SLUICE_TEST_GPU_FAILS");
  if (failing == "copy") {
    all_calls(strided(1));  // without gaps: copied, not packed
  } else if (failing == "load") {
    without_kernels(strided(1));
  } else {
    all_calls(strided(100));
    all_calls(records(100));
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
