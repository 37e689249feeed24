// The MPI library's own functions, whoever stands before them.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace mpi_test {

/// The handle of the library that this program was linked with.
inline void* library() {
  static void* const handle = [] {
    for (const char* name : {"libmpi.so.40", "libmpich.so.12", "libmpi.so.12"}) {
      if (void* found = ::dlopen(name, RTLD_NOLOAD | RTLD_LAZY)) {
        return found;
      }
    }
    std::fprintf(stderr, "neither libmpi.so.40 nor libmpich.so.12 is loaded\n");
    std::abort();
  }();
  return handle;
}

/// The library's own `name`, of the type of `like`: own("MPI_Pack", MPI_Pack)(...).
template <typename Function>
Function* own(const char* name, Function* /*like*/) {
  void* const symbol = ::dlsym(library(), name);
  if (symbol == nullptr) {
    std::fprintf(stderr, "the library has no %s\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(symbol);
}

/// Whether somebody stands between this program and the library's MPI_Pack.
inline bool interposed() {
  return ::dlsym(RTLD_DEFAULT, "MPI_Pack") != ::dlsym(library(), "MPI_Pack");
}

}  // namespace mpi_test
