#include "communicator/device_proxy.hpp"

#include <sched.h>

#include <chrono>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "bootstrap/thread.hpp"
#include "communicator/impl.hpp"

namespace sluice {
namespace {

/// Looks for the next request: often at first, then every 50 us.
class Watch {
 public:
  void rest() {
    ++looks_;
    if (looks_ < kSpins)
      port::pause();
    else if (looks_ < kSpins + kYields)
      sched_yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  void found() { looks_ = 0; }

 private:
  static constexpr unsigned kSpins = 200, kYields = 2000;
  unsigned looks_ = 0;
};

Reduction reduction_of(const ProxyOperation& what) {
  Reduction reduction(what.op);
  reduction.scale = what.scale;
  reduction.integer_scale = what.integer_scale;
  return reduction;
}

}  // namespace

Result<std::unique_ptr<DeviceProxy>> DeviceProxy::start(Communicator communicator,
                                                        OnFailure on_failure) {
  std::unique_ptr<DeviceProxy> proxy(
      new DeviceProxy(std::move(communicator), std::move(on_failure)));
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(proxy->desk_, store.pinned_memory(sizeof(ProxyDesk)));
  SLUICE_TRY_ASSIGN(proxy->pieces_, store.pinned_memory(kMostTransfers * sizeof(ProxyPiece)));
  SLUICE_TRY_ASSIGN(proxy->input_, store.pinned_memory(ProxyPlaces::kStageBytes));
  SLUICE_TRY_ASSIGN(proxy->output_, store.pinned_memory(ProxyPlaces::kStageBytes));
  SLUICE_TRY_ASSIGN(proxy->thread_, bootstrap::start_thread(
                                        "sluice-proxy", [self = proxy.get()] { self->serve(); }));
  return proxy;
}

DeviceProxy::~DeviceProxy() { stop(); }

void DeviceProxy::stop() {
  ending_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

ProxyPlaces DeviceProxy::places() const {
  return {reinterpret_cast<ProxyDesk*>(desk_.get()), reinterpret_cast<ProxyPiece*>(pieces_.get()),
          input_.get(), output_.get()};
}

void DeviceProxy::serve() {
  ProxyDesk& desk = *places().desk;
  std::uint64_t answered = 0;
  for (Watch watch; !ending_.load(std::memory_order_relaxed);) {
    if (port::load_acquire(&desk.asked) == answered) {  // pairs with ask()
      watch.rest();
      continue;
    }
    watch.found();
    const Status status = answer(desk.request);
    if (!status.ok()) {
      // Before the kernel ends: whoever then asks for the communicator's error finds it.
      on_failure_(status, last_error());
      port::store_relaxed(&desk.failed, 1);
    }
    port::store_release(&desk.answered, ++answered);  // pairs with ask()
    if (!status.ok()) return;
  }
}

Status DeviceProxy::answer(const ProxyRequest& request) {
  const ProxyOperation& what = request.what;
  const Reduction reduction = reduction_of(what);
  const std::byte* const in = input_.get();
  std::byte* const out = output_.get();
  const std::uint64_t count = request.count;
  const DataType type = what.type;
  const int root = what.root;
  switch (what.collective) {
    case Collective::kAllReduce: return communicator_.all_reduce(in, out, count, type, reduction);
    case Collective::kReduce: return communicator_.reduce(in, out, count, type, reduction, root);
    case Collective::kReduceScatter:
      return communicator_.reduce_scatter(in, out, count, type, reduction);
    case Collective::kAllGather: return communicator_.all_gather(in, out, count, type);
    case Collective::kBroadcast: return communicator_.broadcast(in, out, count, type, root);
    case Collective::kGather: return communicator_.gather(in, out, count, type, root);
    case Collective::kScatter: return communicator_.scatter(in, out, count, type, root);
    case Collective::kAllToAll: return communicator_.all_to_all(in, out, count, type);
    case Collective::kBarrier: return communicator_.barrier();
    case Collective::kAllGatherV:
    case Collective::kReduceScatterV: return answer_listed(request);
    case Collective::kAllToAllV:
    case Collective::kSendReceive: return answer_messages(request);
  }
  return fail(Errc::kInternalError, "unknown request", "a kernel asked for what there is not");
}

/// The blocks of a part lie one behind the other.
Status DeviceProxy::answer_listed(const ProxyRequest& request) {
  const std::span counts(request.counts, static_cast<std::size_t>(communicator_.size()));
  if (request.what.collective == Collective::kReduceScatterV)
    return communicator_.reduce_scatter_v(input_.get(), output_.get(), counts, request.what.type,
                                          reduction_of(request.what));
  displacements_.clear();
  std::size_t at = 0;
  for (const std::size_t each : counts) {
    displacements_.push_back(at);
    at += each;
  }
  return communicator_.all_gather_v(input_.get(), output_.get(), counts, displacements_,
                                    request.what.type);
}

/// Both ends say how long the whole message is: pieces of messages of different lengths do not
/// pair. The first ones of an all_to_all_v take their place in the order of collectives.
Status DeviceProxy::answer_messages(const ProxyRequest& request) {
  Communicator::Impl& impl = communicator_.impl();
  const Communicator::Impl::Turn turn(impl);
  SLUICE_TRY(turn.status());
  transfers_.clear();
  for (const ProxyPiece& piece : std::span(places().pieces, request.count))
    transfers_.push_back({.peer = piece.peer,
                          .sending = piece.sending,
                          .data = (piece.sending ? input_ : output_).get() + piece.staged,
                          .bytes = piece.bytes,
                          .message_bytes = piece.message_bytes,
                          .kind = message_kind(piece.type)});
  if (request.begins && request.what.collective == Collective::kAllToAllV)
    return impl.run_exchange(Call(Collective::kAllToAllV, request.what.type), transfers_);
  return impl.exchange(transfers_);
}

}  // namespace sluice
