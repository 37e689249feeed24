// Before MPI_Init, across it, and after MPI_Finalize: what may be called there works, and a type
// that is still there when MPI ends, used or not, harms nobody. For two ranks.
#include <mpi.h>

#include <array>
#include <cstring>
#include <string>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

std::string library_version() {
  std::string text(MPI_MAX_LIBRARY_VERSION_STRING, '\0');
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

bool asked(int (*question)(int*)) {
  int answer = -1;
  question(&answer);
  return answer == 1;
}

int deleted = 0;
int on_delete(MPI_Comm /*comm*/, int /*key*/, void* /*value*/, void* /*state*/) {
  ++deleted;
  return MPI_SUCCESS;
}

/// The program's own attributes, and its types' names, are as without us.
void attributes() {
  Model model = records(10);
  int key = MPI_KEYVAL_INVALID;
  must(MPI_Type_create_keyval(MPI_TYPE_DUP_FN, MPI_TYPE_NULL_DELETE_FN, &key, nullptr),
       "MPI_Type_create_keyval");
  int value = 5;
  must(MPI_Type_set_attr(model.handle, key, &value), "MPI_Type_set_attr");
  Elements elements(model, 1, 1);
  std::array<std::byte, 150> packed{};
  int position = 0;
  must(MPI_Pack(elements.user(), 1, model.handle, packed.data(), 150, &position, MPI_COMM_WORLD),
       "MPI_Pack");
  MPI_Datatype copy = MPI_DATATYPE_NULL;
  must(MPI_Type_dup(model.handle, &copy), "MPI_Type_dup");
  for (MPI_Datatype type : {model.handle, copy}) {
    void* got = nullptr;
    int flag = 0;
    must(MPI_Type_get_attr(type, key, static_cast<void*>(&got), &flag), "MPI_Type_get_attr");
    check(flag != 0 && got == &value, "the program's attribute of a type");
    position = 0;
    must(MPI_Pack(elements.user(), 1, type, packed.data(), 150, &position, MPI_COMM_WORLD),
         "MPI_Pack");
    check(std::memcmp(packed.data(), elements.packed(model, 1).data(), 150) == 0,
          "packing a copied type");
  }
  MPI_Type_free(&copy);
  MPI_Type_free_keyval(&key);
  check(key == MPI_KEYVAL_INVALID, "a freed key");
}

}  // namespace

int main(int argc, char** argv) {
  check(!asked(MPI_Initialized) && !asked(MPI_Finalized), "before MPI_Init");
  const std::string version = library_version();
  MPI_Init(&argc, &argv);
  check(asked(MPI_Initialized) && !asked(MPI_Finalized), "after MPI_Init");
  attributes();
  // Freed by nobody; the second one is never used.
  static Model kept = strided(100);
  static Model unused = scattered(100);
  const int rank = rank_in(MPI_COMM_WORLD);
  Elements elements(kept, 1, static_cast<std::uint64_t>(rank));
  if (rank == 0) {
    must(MPI_Send(elements.user(), 1, kept.handle, 1, 1, MPI_COMM_WORLD), "MPI_Send");
  } else if (rank == 1) {
    must(MPI_Recv(elements.user(), 1, kept.handle, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
         "MPI_Recv");
    check(elements.packed(kept, 1) == Elements(kept, 1, 0).packed(kept, 1), "arrived wrong");
  }
  // The last moment at which a program may use MPI: callbacks of MPI_COMM_SELF's attributes, in
  // MPI_Finalize.
  int key = MPI_KEYVAL_INVALID;
  must(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &key, nullptr),
       "MPI_Comm_create_keyval");
  must(MPI_Comm_set_attr(MPI_COMM_SELF, key, nullptr), "MPI_Comm_set_attr");
  int status = worst();
  MPI_Finalize();
  kept.named = unused.named = true;  // their handles are gone
  const int before = failures();
  check(deleted == 1, "MPI_Finalize deleted MPI_COMM_SELF's attributes %d times", deleted);
  check(asked(MPI_Initialized) && asked(MPI_Finalized), "after MPI_Finalize");
  check(library_version() == version, "MPI_Get_library_version after MPI_Finalize");
  return failures() == before ? status : 1;
}
