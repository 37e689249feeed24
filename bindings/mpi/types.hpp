// The datatypes of one kind of library: analysed at first use, found again without a lock.
// docs/mpi.md, "How it works".
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "bindings/mpi/abi.hpp"
#include "bindings/mpi/contents.hpp"
#include "bindings/mpi/library.hpp"
#include "bindings/mpi/type_info.hpp"

namespace sluice::mpi {

/// Goes up when any type that was looked at ends: handles remembered before that may mean something
/// else now.
extern std::atomic<std::uint64_t> type_epoch;

/// Of a type that never ends.
inline constexpr std::uint64_t kForever = ~std::uint64_t{0};

struct CachedType {
  std::uintptr_t key;
  std::uint64_t epoch;
  const TypeInfo* type;
};
inline constexpr std::size_t kCachedTypes = 32;
extern constinit thread_local CachedType cached_types[kCachedTypes];

inline std::size_t cache_place(std::uintptr_t key) {
  // MPICH's handles differ in their low bits, pointers above their alignment.
  return (key ^ (key >> 5) ^ (key >> 12)) % kCachedTypes;
}

/// A call of a function by its address. The arguments must have the function's own types.
template <class... Arguments>
int invoke(void* function, Arguments... arguments) {
  return reinterpret_cast<int (*)(Arguments...)>(function)(arguments...);
}

template <class A>
class Types {
 public:
  using Handle = typename A::Handle;

  /// Never null; what is no type that we understand has no layout and no windows. Valid until the
  /// type ends.
  static const TypeInfo& find(Handle handle) {
    const TypeInfo* const cached = find_cached(handle);
    if (cached != nullptr) [[likely]]
      return *cached;
    return find_slowly(handle, type_epoch.load(std::memory_order_relaxed));
  }
  /// The same, or null where more than a look at the thread's cache is needed.
  static const TypeInfo* find_cached(Handle handle) {
    const CachedType* const entry = find_entry(handle);
    return entry != nullptr ? entry->type : nullptr;
  }
  /// The entry of the thread's cache, right until the thread looks for another type; or null.
  static const CachedType* find_entry(Handle handle) {
    const std::uintptr_t key = key_of(handle);
    const CachedType& cached = cached_types[cache_place(key)];
    if (cached.key == key && (cached.epoch == type_epoch.load(std::memory_order_relaxed) ||
                              cached.epoch == kForever)) [[likely]]
      return &cached;
    return nullptr;
  }

  /// What is known of a handle, without asking the library of it: arguments that do not count at
  /// this rank may be anything.
  static bool known_to_pass(Handle handle, policy::Call call) {
    const TypeInfo* const cached = find_cached(handle);
    return cached != nullptr && cached->window(call).empty();
  }

  /// A contiguous datatype of this many bytes, made once and kept; datatype_null() where that
  /// fails.
  static Handle twin(std::int64_t size);

  /// The types are about to end all together.
  static void free_twins();
  /// The keyval may have ended with the last session.
  static void forget_keyval();

 private:
  /// The library's own functions.
  struct Own {
    void* get_envelope = own_function("PMPI_Type_get_envelope");
    void* get_contents = own_function("PMPI_Type_get_contents");
    void* get_envelope_c = own_function("PMPI_Type_get_envelope_c");
    void* get_contents_c = own_function("PMPI_Type_get_contents_c");
    void* size_x = own_function("PMPI_Type_size_x");
    void* get_extent_x = own_function("PMPI_Type_get_extent_x");
    void* create_keyval = own_function("PMPI_Type_create_keyval");
    void* get_attr = own_function("PMPI_Type_get_attr");
    void* set_attr = own_function("PMPI_Type_set_attr");
    void* free = own_function("PMPI_Type_free");
    void* contiguous = own_function("PMPI_Type_contiguous");
    void* commit = own_function("PMPI_Type_commit");
  };
  struct Envelope {
    Aint integers = 0, addresses = 0, large_counts = 0, types = 0;
    Combiner combiner = Combiner::kUnknown;
  };
  static constexpr int kMostNested = 64;

  static const Own& own() {
    static const Own functions;
    return functions;
  }
  static const TypeInfo& none() {
    static const TypeInfo* const instance = make_type_info({}, false);
    return *instance;
  }
  static const TypeInfo& remember(Handle handle, std::uint64_t epoch, const TypeInfo& type) {
    const std::uintptr_t key = key_of(handle);
    cached_types[cache_place(key)] = {key, epoch, &type};
    return type;
  }

  static const TypeInfo& find_slowly(Handle handle, std::uint64_t epoch) noexcept;
  static const TypeInfo& named(Handle handle);
  static TypeInfo* attribute(Handle handle);
  static bool make_keyval();
  static bool get_envelope(Handle handle, Envelope& envelope);
  static Analysed inner(Handle handle, int depth);
  static Analysed derived(Handle handle, const Envelope& envelope, int depth);
  static void place_numbers(const std::vector<int>& integers, std::vector<Aint> addresses,
                            std::vector<Aint> large, Contents& contents);
  static void place_darray(const std::vector<int>& integers, const std::vector<Aint>& large,
                           Contents& contents);

  static int copy_attribute(Handle, int, void*, void*, void*, int* flag) {
    *flag = 0;
    return 0;
  }
  static int delete_attribute(Handle, int, void* value, void*) {
    type_epoch.fetch_add(1, std::memory_order_relaxed);
    drop(static_cast<TypeInfo*>(value));
    return 0;
  }

  struct Tables {
    std::mutex mutex;
    int keyval = 0;
    bool has_keyval = false;
    std::unordered_map<std::uintptr_t, const TypeInfo*> named;
    std::unordered_map<std::int64_t, Handle> twins;
  };
  /// Never destroyed: programs end MPI in destructors of their own.
  static Tables& tables() {
    static Tables* const instance = new Tables;
    return *instance;
  }
};

}  // namespace sluice::mpi

#include "bindings/mpi/types.inl"
