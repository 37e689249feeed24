// What takes the place of the library's functions, for one binary interface.
#pragma once

#include "bindings/mpi/collective.hpp"
#include "bindings/mpi/completion.hpp"
#include "bindings/mpi/lifetime.hpp"
#include "bindings/mpi/pack.hpp"
#include "bindings/mpi/point.hpp"

namespace sluice::mpi {

template <class A, Name kName>
class Installer {
 public:
  explicit Installer(Handlers& handlers) : handlers_(handlers) {}

  void install() {
    counted_ones<int>();
    counted_ones<Aint>();
    completions();
    put(Function::kFinalize, &Lifetime<A, kName>::finalize);
    put(Function::kSession_finalize, &Lifetime<A, kName>::session_finalize);
  }

 private:
  template <class Handler>
  void put(Function function, Handler* handler) {
    handlers_[kName][index_of(function)] = reinterpret_cast<void*>(handler);
  }

  template <class N>
  void counted_ones() {
    using P = Point<A, kName, N>;
    put(form<N>(Function::kPack), &Packing<A, kName, N>::pack);
    put(form<N>(Function::kUnpack), &Packing<A, kName, N>::unpack);
    put(form<N>(Function::kSend), &P::template send<Function::kSend>);
    put(form<N>(Function::kBsend), &P::template send<Function::kBsend>);
    put(form<N>(Function::kSsend), &P::template send<Function::kSsend>);
    put(form<N>(Function::kRsend), &P::template send<Function::kRsend>);
    put(form<N>(Function::kRecv), &P::receive);
    put(form<N>(Function::kMrecv), &P::receive_matched);
    put(form<N>(Function::kSendrecv), &P::send_receive);
    put(form<N>(Function::kSendrecv_replace), &P::send_receive_replace);
    put(form<N>(Function::kIsend), &P::template start_send<Function::kIsend>);
    put(form<N>(Function::kIbsend), &P::template start_send<Function::kIbsend>);
    put(form<N>(Function::kIssend), &P::template start_send<Function::kIssend>);
    put(form<N>(Function::kIrsend), &P::template start_send<Function::kIrsend>);
    put(form<N>(Function::kIrecv), &P::template start_receive<Function::kIrecv>);
    put(form<N>(Function::kImrecv), &P::start_receive_matched);
    put(form<N>(Function::kSend_init), &P::template start_send<Function::kSend_init>);
    put(form<N>(Function::kBsend_init), &P::template start_send<Function::kBsend_init>);
    put(form<N>(Function::kSsend_init), &P::template start_send<Function::kSsend_init>);
    put(form<N>(Function::kRsend_init), &P::template start_send<Function::kRsend_init>);
    put(form<N>(Function::kRecv_init), &P::template start_receive<Function::kRecv_init>);
    collectives<N>();
  }

  template <class N>
  void collectives() {
    using C = Collective<A, kName, N>;
    put(form<N>(Function::kBcast), &C::broadcast);
    put(form<N>(Function::kGather), &C::gather);
    put(form<N>(Function::kGatherv), &C::gather_v);
    put(form<N>(Function::kScatter), &C::scatter);
    put(form<N>(Function::kScatterv), &C::scatter_v);
    put(form<N>(Function::kAllgather), &C::all_gather);
    put(form<N>(Function::kAllgatherv), &C::all_gather_v);
    put(form<N>(Function::kAlltoall), &C::all_to_all);
    put(form<N>(Function::kAlltoallv), &C::all_to_all_v);
    put(form<N>(Function::kAlltoallw), &C::all_to_all_w);
    put(form<N>(Function::kNeighbor_alltoall), &C::neighbor_all_to_all);
    put(form<N>(Function::kNeighbor_alltoallv), &C::neighbor_all_to_all_v);
    put(form<N>(Function::kNeighbor_alltoallw), &C::neighbor_all_to_all_w);
  }

  void completions() {
    using C = Completion<A, kName>;
    put(Function::kStart, &C::start);
    put(Function::kStartall, &C::start_all);
    put(Function::kWait, &C::wait);
    put(Function::kWaitall, &C::wait_all);
    put(Function::kWaitany, &C::wait_any);
    put(Function::kWaitsome, &C::template some<Function::kWaitsome>);
    put(Function::kTest, &C::test);
    put(Function::kTestall, &C::test_all);
    put(Function::kTestany, &C::test_any);
    put(Function::kTestsome, &C::template some<Function::kTestsome>);
    put(Function::kRequest_get_status, &C::get_status);
    put(Function::kRequest_get_status_all, &C::get_status_all);
    put(Function::kRequest_get_status_any, &C::get_status_any);
    put(Function::kRequest_get_status_some, &C::get_status_some);
    put(Function::kRequest_free, &C::request_free);
    put(Function::kCancel, &C::cancel);
  }

  Handlers& handlers_;
};

template <class A>
void install(Handlers& handlers) {
  Installer<A, kMpi>(handlers).install();
  Installer<A, kPmpi>(handlers).install();
}

}  // namespace sluice::mpi
