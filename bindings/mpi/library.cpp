#include "bindings/mpi/library.hpp"

#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/mpi/abi.hpp"
#include "bindings/mpi/policy.hpp"
#include "bindings/mpi/report.hpp"

/// In trampolines.S: MPI_X and PMPI_X of each function in turn.
extern "C" __attribute__((visibility("hidden"))) void* sluice_mpi_slots[];

namespace sluice::mpi {

constinit Library library;

namespace {

constexpr const char* kFunctionNames[] = {
#define SLUICE_MPI_FUNCTION(name) #name,
#define SLUICE_MPI_COUNTED(name) #name, #name "_c",
#include "bindings/mpi/functions.inc"
};
constexpr const char* kPrefixes[kNames] = {"MPI_", "PMPI_"};
constexpr const char* kEveryLibraryHas = "PMPI_Get_library_version";

void*& slot(std::size_t function, std::size_t name) {
  return sluice_mpi_slots[function * kNames + name];
}

void store_slot(std::size_t function, std::size_t name, void* target) {
  __atomic_store_n(&slot(function, name), target, __ATOMIC_RELEASE);
}

const void* base_of(const void* address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

/// The object that the address is in, opened again.
void* object_of(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0) return nullptr;
  return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
}

int add_name(dl_phdr_info* info, std::size_t, void* names) {
  if (info->dlpi_name != nullptr && *info->dlpi_name != '\0')
    static_cast<std::vector<std::string>*>(names)->emplace_back(info->dlpi_name);
  return 0;
}

/// The loaded object of this name if it defines what every MPI has, else null.
void* library_named(const std::string& name) {
  void* const object = dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (object == nullptr) return nullptr;
  // An object's search goes on in those that it needs, so where it was found matters.
  void* const address = dlsym(object, kEveryLibraryHas);
  link_map* map = nullptr;
  const bool defines = address != nullptr && dlinfo(object, RTLD_DI_LINKMAP, &map) == 0 &&
                       base_of(address) == reinterpret_cast<void*>(map->l_addr) &&
                       base_of(address) != base_of(reinterpret_cast<void*>(&library_named));
  if (defines) return object;
  dlclose(object);
  return nullptr;
}

void* find_library() {
  if (void* const address = dlsym(RTLD_NEXT, kEveryLibraryHas); address != nullptr)
    if (void* const object = object_of(address); object != nullptr) return object;
  std::vector<std::string> names;
  dl_iterate_phdr(&add_name, &names);
  for (const std::string& name : names)
    if (void* const object = library_named(name); object != nullptr) return object;
  return nullptr;
}

void* next_definition(const std::string& name) {
  if (void* const address = dlsym(RTLD_NEXT, name.c_str()); address != nullptr) return address;
  return dlsym(library.handle, name.c_str());
}

/// The first number with dots behind `word`. Never freed.
const char* version_behind(std::string_view text, std::string_view word) {
  auto from = text.find(word);
  if (from == text.npos) return "";
  from = text.find_first_of("0123456789", from + word.size());
  if (from == text.npos) return "";
  const auto end = text.find_first_not_of("0123456789.", from);
  auto version = std::string(text.substr(from, end == text.npos ? end : end - from));
  while (!version.empty() && version.back() == '.') version.pop_back();
  return strdup(version.c_str());
}

/// A global object, as the program sees it: an executable may have a copy of its own.
void* object_named(const char* name) {
  void* const seen = dlsym(RTLD_DEFAULT, name);
  return seen != nullptr ? seen : dlsym(library.handle, name);
}

bool through_standard_abi() {
  Dl_info info;
  const void* const next = library.next[kPmpi][index_of(Function::kSend)];
  return next != nullptr && dladdr(next, &info) != 0 &&
         std::strstr(info.dli_fname, "libmpi_abi") != nullptr;
}

void recognise() {
  using GetLibraryVersion = int (*)(char*, int*);
  static char text[8193];
  int length = 0;
  const auto get = reinterpret_cast<GetLibraryVersion>(own_function(kEveryLibraryHas));
  if (get != nullptr) get(text, &length);
  const std::string_view all(text);
  struct Known {
    const char* says;
    Family family;
    const char* name;
  };
  constexpr Known kKnown[] = {{"Open MPI", Family::kOpenMpi, "Open MPI"},
                              {"Intel(R) MPI Library", Family::kMpich, "Intel MPI"},
                              {"MVAPICH", Family::kMpich, "MVAPICH"},
                              {"CRAY MPICH", Family::kMpich, "Cray MPICH"},
                              {"MPICH", Family::kMpich, "MPICH"}};
  for (const Known& known : kKnown) {
    if (all.find(known.says) == all.npos) continue;
    library.family = known.family;
    library.name = known.name;
    library.version = version_behind(all, known.says);
    break;
  }
  // Others that are built from Open MPI's sources.
  if (library.family == Family::kUnknown && dlsym(library.handle, "ompi_mpi_byte") != nullptr) {
    library.family = Family::kOpenMpi;
    library.name = "an Open MPI";
  }
  if (through_standard_abi()) library.family = Family::kStandard;
  if (library.family == Family::kOpenMpi) {
    OpenMpi::handles = {object_named("ompi_mpi_byte"), object_named("ompi_mpi_datatype_null"),
                        object_named("ompi_request_null"), object_named("ompi_mpi_comm_world")};
    const RuntimeHandles& handles = OpenMpi::handles;
    if (!handles.byte || !handles.datatype_null || !handles.request_null || !handles.comm_world)
      library.family = Family::kUnknown;
  }
}

[[noreturn]] void end(const char* what, const char* function) {
  std::fprintf(stderr, "sluice-mpi: %s: %s\n", function, what);
  std::abort();
}

bool handles(std::size_t function) {
  if (library.next[kMpi][function] == nullptr || library.next[kPmpi][function] == nullptr)
    return false;
  switch (policy::mode()) {
    case policy::Mode::kOff: return false;
    case policy::Mode::kPack:
      return function <= index_of(Function::kUnpack_c) || function >= index_of(Function::kFinalize);
    case policy::Mode::kAll:
    case policy::Mode::kAlways: return true;
  }
  return false;
}

void bind(const char* function) {
  library.handle = find_library();
  if (library.handle == nullptr) end("no MPI library is loaded", function);
  for (std::size_t each = 0; each < kFunctions; ++each)
    for (std::size_t name = 0; name < kNames; ++name)
      library.next[name][each] =
          next_definition(std::string(kPrefixes[name]) + kFunctionNames[each]);
  recognise();
  policy::load();
  Handlers ours{};
  switch (library.family) {
    case Family::kOpenMpi: install_open_mpi(ours); break;
    case Family::kMpich: install_mpich(ours); break;
    case Family::kStandard: install_standard(ours); break;
    case Family::kUnknown: break;
  }
  for (std::size_t each = 0; each < kFunctions; ++each)
    for (std::size_t name = 0; name < kNames; ++name) {
      void* const next = library.next[name][each];
      void* const target = handles(each) && ours[name][each] != nullptr ? ours[name][each] : next;
      if (target != nullptr) store_slot(each, name, target);
    }
}

}  // namespace

const char* name_of(Function function) { return kFunctionNames[index_of(function)]; }

void* own_function(const char* name) { return dlsym(library.handle, name); }

void step_aside() {
  for (std::size_t each = 0; each < kFunctions; ++each)
    for (std::size_t name = 0; name < kNames; ++name)
      if (library.next[name][each] != nullptr) store_slot(each, name, library.next[name][each]);
}

namespace {

void resolve(void** asked) noexcept {
  static std::once_flag once;
  const auto number = static_cast<std::size_t>(asked - sluice_mpi_slots);
  const char* const function = kFunctionNames[number / kNames];
  std::call_once(once, bind, function);
  if (library.next[number % kNames][number / kNames] == nullptr)
    end("the MPI library has no such function",
        (std::string(kPrefixes[number % kNames]) + function).c_str());
}

}  // namespace
}  // namespace sluice::mpi

/// From the stub of an empty slot, which jumps through the slot afterwards.
extern "C" __attribute__((visibility("hidden"))) void sluice_mpi_resolve(void** slot) noexcept {
  sluice::mpi::resolve(slot);
}
