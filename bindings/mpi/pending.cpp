#include "bindings/mpi/pending.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

#include "base/port.hpp"
#include "bindings/mpi/pool.hpp"

namespace sluice::mpi {

Pending* make_pending(Function function, const Route& route, const TypeInfo& type, const void* user,
                      std::int64_t count, bool receives) {
  const bool must = receives && type.always_received;
  std::byte* const memory = pool::acquire(sizeof(Pending), true);
  if (memory == nullptr) return nullptr;
  auto* const pending = new (memory) Pending;
  if (!pending->packed.acquire(route, count * type.size, must)) {
    pending->~Pending();
    pool::release(memory);
    return nullptr;
  }
  retain(&type);
  pending->type = &type;
  pending->user = static_cast<std::byte*>(const_cast<void*>(user));
  pending->count = count;
  pending->place = route.place;
  pending->function = function;
  pending->receives = receives;
  return pending;
}

void dispose(Pending* pending) {
  drop(pending->type);
  pending->~Pending();
  pool::release(reinterpret_cast<std::byte*>(pending));
}

namespace pending {
namespace {

constexpr std::size_t kPlaces = 4096;

struct Place {
  std::atomic<bool> locked{false};
  Pending* first = nullptr;
};
Place places[kPlaces];

Place& place_of(std::uintptr_t key) {
  return places[(key * std::uintptr_t{0x9e3779b97f4a7c15}) >> (64 - 12)];
}

/// Of one place. Always, also where MPI was initialised for fewer threads: it is a few nanoseconds,
/// and sessions have levels of their own.
class Lock {
 public:
  explicit Lock(Place& place) : place_(place) {
    while (place_.locked.exchange(true, std::memory_order_acquire))
      while (place_.locked.load(std::memory_order_relaxed)) port::pause();
  }
  ~Lock() { place_.locked.store(false, std::memory_order_release); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Place& place_;
};

}  // namespace

std::atomic<std::int64_t> number{0};

void insert(Pending* pending, std::uintptr_t key) {
  pending->key = key;
  number.fetch_add(1, std::memory_order_relaxed);
  Place& place = place_of(key);
  const Lock lock(place);
  pending->next = place.first;
  place.first = pending;
}

Pending* find(std::uintptr_t key) {
  Place& place = place_of(key);
  const Lock lock(place);
  Pending* each = place.first;
  while (each != nullptr && each->key != key) each = each->next;
  return each;
}

bool take(Pending* pending) {
  Place& place = place_of(pending->key);
  const Lock lock(place);
  for (Pending** each = &place.first; *each != nullptr; each = &(*each)->next) {
    if (*each != pending) continue;
    *each = pending->next;
    number.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

}  // namespace pending

namespace orphans {
namespace {

struct List {
  std::mutex mutex;
  std::vector<Pending*> all;
};

List& list() {
  static List* const instance = new List;  // never destroyed: calls may come until the process ends
  return *instance;
}

}  // namespace

std::atomic<int> number{0};

void add(Pending* pending) {
  List& here = list();
  const std::lock_guard lock(here.mutex);
  here.all.push_back(pending);
  number.fetch_add(1, std::memory_order_relaxed);
  pending::number.fetch_add(1, std::memory_order_relaxed);
}

Pending* take_if(bool (*done)(Pending*)) {
  List& here = list();
  const std::lock_guard lock(here.mutex);
  const auto found = std::find_if(here.all.begin(), here.all.end(), done);
  if (found == here.all.end()) return nullptr;
  Pending* const taken = *found;
  here.all.erase(found);
  number.fetch_sub(1, std::memory_order_relaxed);
  pending::number.fetch_sub(1, std::memory_order_relaxed);
  return taken;
}

}  // namespace orphans
}  // namespace sluice::mpi
