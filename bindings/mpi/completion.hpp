// Completing requests: what has come is unpacked, what was sent is let go.
//
// An entry is looked up before the library is called and taken out after: from the moment when the
// library completes a request, it may give its handle to another thread's. The newest entry of a
// handle is found first, and entries are taken out as such, not by handle, so both may be in the
// table for a moment.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

/// What is pending of an array of requests. On the stack for the usual lengths.
class PendingList {
 public:
  PendingList(int count)
      : several_(count > kHere ? new (std::nothrow) Pending*[static_cast<std::size_t>(count)]
                               : here_) {}
  ~PendingList() {
    if (several_ != here_) delete[] several_;
  }
  PendingList(const PendingList&) = delete;
  PendingList& operator=(const PendingList&) = delete;

  explicit operator bool() const { return several_ != nullptr; }
  Pending*& operator[](int each) { return several_[each]; }

 private:
  static constexpr int kHere = 64;
  Pending* here_[kHere];
  Pending** several_;
};

template <class A, Name kName>
struct Completion {
  using Handle = typename A::Handle;

  static int wait(Handle* request, void* status) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kWait, request, status);
    Pending* const pending = find(*request);
    if (pending == nullptr) return visited(next<kName>(Function::kWait, request, status));
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    const int result = next<kName>(Function::kWait, request, seen);
    finish(pending, *request, seen, result);
    return visited(result);
  }

  static int test(Handle* request, int* flag, void* status) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kTest, request, flag, status);
    Pending* const pending = find(*request);
    if (pending == nullptr) return visited(next<kName>(Function::kTest, request, flag, status));
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    const int result = next<kName>(Function::kTest, request, flag, seen);
    if (result != kSuccess || *flag != 0) finish(pending, *request, seen, result);
    return visited(result);
  }

  static int wait_all(int count, Handle* requests, void* statuses) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kWaitall, count, requests, statuses);
    return all(count, requests, statuses, [&](void* seen, bool& complete) {
      complete = true;
      return next<kName>(Function::kWaitall, count, requests, seen);
    });
  }

  static int test_all(int count, Handle* requests, int* flag, void* statuses) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kTestall, count, requests, flag, statuses);
    return all(count, requests, statuses, [&](void* seen, bool& complete) {
      const int result = next<kName>(Function::kTestall, count, requests, flag, seen);
      complete = result != kSuccess || *flag != 0;
      return result;
    });
  }

  static int wait_any(int count, Handle* requests, int* index, void* status) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kWaitany, count, requests, index, status);
    return any(count, requests, index, status, [&](void* seen, bool& complete) {
      complete = true;
      return next<kName>(Function::kWaitany, count, requests, index, seen);
    });
  }

  static int test_any(int count, Handle* requests, int* index, int* flag, void* status) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kTestany, count, requests, index, flag, status);
    return any(count, requests, index, status, [&](void* seen, bool& complete) {
      const int result = next<kName>(Function::kTestany, count, requests, index, flag, seen);
      complete = result != kSuccess || *flag != 0;
      return result;
    });
  }

  template <Function kFunction>
  static int some(int count, Handle* requests, int* number, int* indices, void* statuses) {
    if (!pending::any()) [[likely]]
      return next<kName>(kFunction, count, requests, number, indices, statuses);
    PendingList list(count);
    if (!list || !look_up(count, requests, list))
      return visited(next<kName>(kFunction, count, requests, number, indices, statuses));
    const std::unique_ptr<std::byte[]> room = room_for(count, statuses);
    void* const seen = room != nullptr ? room.get() : statuses;
    const int result = next<kName>(kFunction, count, requests, number, indices, seen);
    if (result == kSuccess || in_status(result))
      for (int each = 0; *number != A::kUndefined && each < *number; ++each)
        if (Pending* const pending = list[indices[each]]; pending != nullptr)
          finish(pending, requests[indices[each]], at(seen, each),
                 error_of(result, at(seen, each)));
    return visited(result);
  }

  // ---- looking without completing ----

  static int get_status(Handle request, int* flag, void* status) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kRequest_get_status, request, flag, status);
    Pending* const pending = find(request);
    StatusRoom room;
    void* const seen = pending != nullptr && ignored<A>(status) ? &room : status;
    const int result = next<kName>(Function::kRequest_get_status, request, flag, seen);
    if (pending != nullptr && result == kSuccess && *flag != 0) unpack_early(pending, seen);
    return visited(result);
  }

  static int get_status_all(int count, const Handle* requests, int* flag, void* statuses) {
    const int result =
        next<kName>(Function::kRequest_get_status_all, count, requests, flag, statuses);
    if (result == kSuccess && *flag != 0) look_at_each(count, requests);
    return result;
  }

  static int get_status_any(int count, const Handle* requests, int* index, int* flag,
                            void* status) {
    const int result =
        next<kName>(Function::kRequest_get_status_any, count, requests, index, flag, status);
    if (result == kSuccess && *flag != 0 && *index != A::kUndefined)
      look_at_each(1, requests + *index);
    return result;
  }

  static int get_status_some(int count, const Handle* requests, int* number, int* indices,
                             void* statuses) {
    const int result =
        next<kName>(Function::kRequest_get_status_some, count, requests, number, indices, statuses);
    for (int each = 0; result == kSuccess && *number != A::kUndefined && each < *number; ++each)
      look_at_each(1, requests + indices[each]);
    return result;
  }

  // ---- the end of requests, and their starts ----

  static int request_free(Handle* request) {
    Pending* const pending = pending::any() ? find(*request) : nullptr;
    if (pending == nullptr) [[likely]]
      return next<kName>(Function::kRequest_free, request);
    if (pending->active) {
      // Its memory is in use until it is complete, and what comes is to be unpacked.
      if (!pending::take(pending)) return kSuccess;
      *request = A::request_null();
      orphans::add(pending);
      return kSuccess;
    }
    const int result = next<kName>(Function::kRequest_free, request);
    if (result == kSuccess && pending::take(pending)) dispose(pending);
    return result;
  }

  static int cancel(Handle* request) {
    Pending* const pending = pending::any() ? find(*request) : nullptr;
    if (pending != nullptr) pending->cancelled.store(true, std::memory_order_relaxed);
    return next<kName>(Function::kCancel, request);
  }

  static int start(Handle* request) {
    Pending* const pending = pending::any() ? find(*request) : nullptr;
    if (pending == nullptr) [[likely]]
      return next<kName>(Function::kStart, request);
    if (!begin(pending)) return device_failed<A>();
    const int result = next<kName>(Function::kStart, request);
    if (result != kSuccess) pending->active = false;
    return result;
  }

  static int start_all(int count, Handle* requests) {
    if (!pending::any()) [[likely]]
      return next<kName>(Function::kStartall, count, requests);
    for (int each = 0; each < count; ++each)
      if (Pending* const pending = find(requests[each]); pending != nullptr && !begin(pending))
        return device_failed<A>();
    return next<kName>(Function::kStartall, count, requests);
  }

  /// Behind any call that may have made progress.
  static int visited(int result) {
    if (orphans::number.load(std::memory_order_relaxed) != 0) [[unlikely]]
      visit_orphans();
    return result;
  }

  /// Sees to requests that were freed before they were complete.
  static void visit_orphans() {
    const Inside inside;
    while (Pending* const pending = orphans::take_if(&is_complete)) dispose(pending);
  }

 private:
  static Pending* find(Handle request) { return pending::find(key_of(request)); }

  static void* at(void* statuses, int each) {
    return static_cast<std::byte*>(statuses) + static_cast<std::size_t>(each) * A::kStatusBytes;
  }
  static bool in_status(int result) {
    return result != kSuccess && A::error_class(result) == A::kErrInStatus;
  }
  /// Of one request: the status has it only where the call says so.
  static int error_of(int result, void* status) {
    if (!in_status(result)) return result;
    int error;
    std::memcpy(&error, static_cast<std::byte*>(status) + A::kStatusError, sizeof error);
    return error;
  }

  /// Room for statuses that the caller does not want, or nothing.
  static std::unique_ptr<std::byte[]> room_for(int count, void* statuses) {
    if (!ignored<A>(statuses)) return nullptr;
    return std::make_unique<std::byte[]>(static_cast<std::size_t>(count) * A::kStatusBytes + 1);
  }

  static bool look_up(int count, const Handle* requests, PendingList& list) {
    bool found = false;
    for (int each = 0; each < count; ++each) {
      list[each] = requests[each] == A::request_null() ? nullptr : find(requests[each]);
      found = found || list[each] != nullptr;
    }
    return found;
  }

  template <class Ask>
  static int all(int count, Handle* requests, void* statuses, const Ask& ask) {
    bool complete = false;
    PendingList list(count);
    if (!list || !look_up(count, requests, list)) return visited(ask(statuses, complete));
    const std::unique_ptr<std::byte[]> room = room_for(count, statuses);
    void* const seen = room != nullptr ? room.get() : statuses;
    const int result = ask(seen, complete);
    for (int each = 0; complete && each < count; ++each)
      if (list[each] != nullptr)
        finish(list[each], requests[each], at(seen, each), error_of(result, at(seen, each)));
    return visited(result);
  }

  template <class Ask>
  static int any(int count, Handle* requests, int* index, void* status, const Ask& ask) {
    bool complete = false;
    PendingList list(count);
    if (!list || !look_up(count, requests, list)) return visited(ask(status, complete));
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    *index = A::kUndefined;
    const int result = ask(seen, complete);
    if (complete && *index >= 0 && *index < count && list[*index] != nullptr)
      finish(list[*index], requests[*index], seen, result);
    return visited(result);
  }

  /// The library has said that the request is complete, or that it has failed. `request` is the
  /// handle as it is now.
  static void finish(Pending* pending, Handle request, void* status, int error) {
    const bool gone = request == A::request_null();
    if (error != kSuccess && A::error_class(error) == A::kErrPending) return;
    if (error != kSuccess && !gone && !pending->persistent) {  // failed, and the caller's to free
      pending->active = false;
      return;
    }
    if (pending->persistent && !gone) {
      if (error == kSuccess && pending->active) unpack_early(pending, status);
      pending->active = false;
      return;
    }
    if (!pending::take(pending)) return;  // a tool behind us has completed it through us
    if (error == kSuccess) unpack_early(pending, status);
    dispose(pending);
  }

  static void unpack_early(Pending* pending, void* status) {
    if (!pending->receives || !pending->active || std::exchange(pending->unpacked, true)) return;
    if (pending->cancelled.load(std::memory_order_relaxed)) {
      int cancelled = 0;
      invoke(own_calls().test_cancelled, static_cast<const void*>(status), &cancelled);
      if (cancelled != 0) return;
    }
    if (!pending->unpack(received_bytes<A>(status))) device_failed<A>();
  }

  static void look_at_each(int count, const Handle* requests) {
    for (int each = 0; pending::any() && each < count; ++each) {
      Pending* const pending = requests[each] == A::request_null() ? nullptr : find(requests[each]);
      if (pending == nullptr) continue;
      StatusRoom room;
      if (has_completed(requests[each], room)) unpack_early(pending, &room);
    }
  }

  /// Whether what is to be sent has been packed.
  static bool begin(Pending* pending) {
    if (!pending->receives && !pending->pack()) return false;
    pending->active = true;
    pending->unpacked = false;
    pending->cancelled.store(false, std::memory_order_relaxed);
    return true;
  }

  static bool is_complete(Pending* pending) {
    Handle request = handle_of<Handle>(pending->key);
    StatusRoom room;
    int flag = 0;
    const int result = invoke(own_calls().test, &request, &flag, static_cast<void*>(&room));
    if (result == kSuccess && flag == 0) return false;
    if (result == kSuccess) unpack_early(pending, &room);
    if (pending->persistent && request != A::request_null())
      invoke(own_calls().request_free, &request);
    return true;
  }
};

}  // namespace sluice::mpi
