// A program that has loaded the runtime of a GPU, whose file is the argument, and not used it yet:
// its messages are accelerated, and the runtime is not started, because the program may still mean
// to choose its devices. One rank. Skipped where the file is not to be found.
#include <dlfcn.h>
#include <mpi.h>

#include <cstdio>
#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

void send_and_pack(const Model& model) {
  const Elements from(model, 1, 1);
  Elements to(model, 1, 2);
  std::vector<std::byte> packed(static_cast<std::size_t>(model.size()));
  int position = 0;
  must(MPI_Pack(from.user(), 1, model.handle, packed.data(), static_cast<int>(packed.size()),
                &position, MPI_COMM_SELF),
       "MPI_Pack");
  MPI_Request request = MPI_REQUEST_NULL;
  must(MPI_Isend(packed.data(), position, MPI_PACKED, 0, 1, MPI_COMM_SELF, &request), "MPI_Isend");
  must(MPI_Recv(to.user(), 1, model.handle, 0, 1, MPI_COMM_SELF, MPI_STATUS_IGNORE), "MPI_Recv");
  must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
  check(to.bytes == image(model, 1, from, 1, 2), "a message of %s is wrong", model.text.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  void* const runtime = ::dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
  if (runtime == nullptr) {
    std::printf("%s\n", ::dlerror());
    MPI_Finalize();
    return 77;  // skipped: run.py
  }
  send_and_pack(strided(100));
  send_and_pack(records(100));
  // The vendor's own says nothing of it.
  auto* const calls = reinterpret_cast<int (*)()>(::dlsym(runtime, "driver_double_calls"));
  check(calls == nullptr || calls() == 0, "%d calls of a runtime that the program has not started",
        calls == nullptr ? 0 : calls());
  const int status = worst();
  MPI_Finalize();
  return status;
}
