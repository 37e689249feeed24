// Memory that HSA knows and of which HIP cannot say anything: left to the library, because it may
// be a GPU's. Here it is pinned memory of the host, so the library can. One rank; the argument is
// the file of HIP's runtime, whose double SLUICE_TEST_GPU_FAILS=query makes fail.
#include <dlfcn.h>
#include <mpi.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "model.hpp"

int main(int argc, char** argv) {
  using namespace mpi_test;
  MPI_Init(&argc, &argv);
  void* const runtime = ::dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
  auto* const allocate = reinterpret_cast<int (*)(void**, std::size_t, unsigned)>(
      runtime == nullptr ? nullptr : ::dlsym(runtime, "hipHostMalloc"));
  {
    const Model model = strided(100);
    const Elements sent(model, 1, 1);
    Elements received(model, 1, 2);
    const std::ptrdiff_t origin = received.user() - received.bytes.data();
    void* memory = nullptr;
    check(allocate != nullptr && allocate(&memory, received.bytes.size(), 0) == 0, "no memory");
    std::memcpy(memory, received.bytes.data(), received.bytes.size());
    MPI_Request request = MPI_REQUEST_NULL;
    must(MPI_Isend(sent.user(), 1, model.handle, 0, 1, MPI_COMM_SELF, &request), "MPI_Isend");
    must(MPI_Recv(static_cast<std::byte*>(memory) + origin, 1, model.handle, 0, 1, MPI_COMM_SELF,
                  MPI_STATUS_IGNORE),
         "MPI_Recv");
    must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
    std::memcpy(received.bytes.data(), memory, received.bytes.size());
    check(received.bytes == image(model, 1, sent, 1, 2), "the message is wrong");
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
