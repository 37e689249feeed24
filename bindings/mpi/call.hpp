// What all handlers share: going on to the next definition, the library's own functions, deciding,
// counting.
#pragma once

#include <climits>

#include "bindings/mpi/abi.hpp"
#include "bindings/mpi/library.hpp"
#include "bindings/mpi/packed.hpp"
#include "bindings/mpi/pending.hpp"
#include "bindings/mpi/pool.hpp"
#include "bindings/mpi/report.hpp"
#include "bindings/mpi/types.hpp"

namespace sluice::mpi {

using policy::Call;
using report::Reason;

constexpr int kSuccess = 0;

/// Not zero while the thread is inside a call that we have changed: what comes back to us from a
/// tool behind us is passed on.
extern constinit thread_local int nested;

class Inside {
 public:
  Inside() { ++nested; }
  ~Inside() { --nested; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

/// The function's number: for counts of 64 bits the one that follows.
template <class N>
constexpr Function form(Function function) {
  return sizeof(N) > sizeof(int) ? counted(function) : function;
}

template <Name kName, class... Arguments>
int next(Function function, Arguments... arguments) {
  return invoke(library.next[kName][index_of(function)], arguments...);
}

/// The library's own functions that the calls need.
struct OwnCalls {
  void* get_elements_x = own_function("PMPI_Get_elements_x");
  void* test_cancelled = own_function("PMPI_Test_cancelled");
  void* request_free = own_function("PMPI_Request_free");
  void* request_get_status = own_function("PMPI_Request_get_status");
  void* test = own_function("PMPI_Test");
  void* initialized = own_function("PMPI_Initialized");
  void* comm_rank = own_function("PMPI_Comm_rank");
  void* comm_size = own_function("PMPI_Comm_size");
  void* comm_remote_size = own_function("PMPI_Comm_remote_size");
  void* comm_call_errhandler = own_function("PMPI_Comm_call_errhandler");
  void* comm_test_inter = own_function("PMPI_Comm_test_inter");
  void* topo_test = own_function("PMPI_Topo_test");
  void* cartdim_get = own_function("PMPI_Cartdim_get");
  void* cart_shift = own_function("PMPI_Cart_shift");
  void* graph_neighbors_count = own_function("PMPI_Graph_neighbors_count");
  void* dist_graph_neighbors_count = own_function("PMPI_Dist_graph_neighbors_count");
};
const OwnCalls& own_calls();

/// Why a call's bytes are not in the window of its type.
Reason why_not(const TypeInfo& type, std::uint64_t bytes);

inline void note_passed(Function function, const TypeInfo& type, std::uint64_t bytes) {
  if (report::on) [[unlikely]]
    report::passed(function, why_not(type, bytes));
}
inline void note_passed(Function function, Reason reason) {
  if (report::on) [[unlikely]]
    report::passed(function, reason);
}
/// What SLUICE_MPI_REPORT says of how bytes went.
const char* name_of(policy::Way way, const TypeInfo& type);
inline void note_accelerated(Function function, const TypeInfo& type, std::int64_t bytes,
                             policy::Way way = policy::Way::kHost) {
  if (report::on) [[unlikely]]
    report::accelerated(function, bytes, name_of(way, type));
}

/// Whether a call is worth a look at where its memory is.
inline bool may_pack(const TypeInfo& type, Call call, bool self, std::uint64_t bytes) {
  return type.packs(call, self, bytes) || device::possible();
}
/// What becomes of a call with `bytes` of packed elements at `user`. `self`: of a message from this
/// rank to itself, which makes no difference in a GPU's memory.
Route route_of(Call call, const TypeInfo& type, const void* user, std::uint64_t bytes,
               bool self = false);
/// Where elements lie.
inline device::Place place_of(const TypeInfo& type, const void* user) {
  if (!device::possible()) [[likely]]
    return {};
  return device::place_of(static_cast<const std::byte*>(user) + type.layout->true_lower_bound());
}

inline bool of_host(const TypeInfo& type, const void* user) {
  return place_of(type, user).where == device::Where::kHost;
}

/// After a failure of a GPU: as MPI raises an error that belongs to no communicator. Returns what
/// the call returns.
template <class A>
int device_failed() {
  invoke(own_calls().comm_call_errhandler, A::comm_world(), A::kErrOther);
  return A::kErrOther;
}

/// This process's, in the local group of two; -1 if the library says none.
template <class Handle>
int rank_in(Handle comm) {
  int rank = -1;
  invoke(own_calls().comm_rank, comm, &rank);
  return rank;
}
/// How many groups a communicator is of, one or two; 0 if the library does not say.
template <class Handle>
int groups_of(Handle comm) {
  int inter = 0;
  if (invoke(own_calls().comm_test_inter, comm, &inter) != kSuccess) return 0;
  return inter != 0 ? 2 : 1;
}

/// The bytes that a completed receive brought.
template <class A>
std::int64_t received_bytes(const void* status) {
  Aint bytes = 0;
  if (invoke(own_calls().get_elements_x, status, A::byte(), &bytes) != kSuccess ||
      bytes == A::kUndefined)
    return 0;
  return bytes;
}

/// Room for a status of any library.
struct alignas(16) StatusRoom {
  std::byte bytes[64] = {};
};

/// What the library says of a request, which stays the caller's.
template <class Handle>
bool has_completed(Handle request, StatusRoom& status) {
  int flag = 0;
  return invoke(own_calls().request_get_status, request, &flag, static_cast<void*>(&status)) ==
             kSuccess &&
         flag != 0;
}

}  // namespace sluice::mpi
