// The thread that carries out what kernels ask for through a FIFO. Host only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "channel/fifo.hpp"
#include "channel/port_channel.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// Serves one ring. Channels are added first; start() is last. A request that fails ends the
/// proxy: it says why in failure() and sets the abort word of those who post.
class Proxy {
 public:
  /// `memory` outlives the proxy; nothing has been posted to it. `abort_word`: what the waits of
  /// the posting threads watch.
  Proxy(const FifoMemory& memory, std::uint64_t* abort_word)
      : memory_(memory), abort_word_(abort_word) {}
  ~Proxy() { stop(); }
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// A channel to `peer`: `local` and `remote_bytes` bound its requests, `port` carries them out
  /// and outlives the proxy. Returns the channel's number, for FifoPort.
  template <Port P>
  std::uint32_t add(P& port, Window local, std::uint64_t remote_bytes, std::int32_t peer) {
    served_.push_back({&port,
                       [](void* p, const PutRequest* put, bool signal) noexcept {
                         return static_cast<P*>(p)->post({put, put == nullptr ? 0u : 1u}, signal);
                       },
                       [](void* p) noexcept { return static_cast<P*>(p)->flush(); }, local,
                       remote_bytes, peer});
    return static_cast<std::uint32_t>(served_.size() - 1);
  }

  void start() {
    thread_ = std::thread([this] { serve(); });
  }
  /// What has been posted so far is carried out first. Idempotent; by the thread that made it.
  void stop();

  /// Requests taken so far.
  std::uint64_t taken() const { return port::load_acquire(memory_.taken); }
  /// Why it ended; outcome kNone: it has not. kUnreachable: the port refused, and has said why.
  WaitFailure failure() const {
    return has_failed_.load(std::memory_order_acquire) ? failure_ : WaitFailure{};
  }

 private:
  struct Served {
    void* port;
    bool (*post)(void* port, const PutRequest* put, bool signal) noexcept;
    bool (*flush)(void* port) noexcept;
    Window local;
    std::uint64_t remote_bytes;
    std::int32_t peer;
  };

  void serve() noexcept;
  bool carry_out(const FifoSlot& request, std::uint64_t number) noexcept;
  bool check(const Served& channel, const PutRequest& put) noexcept;
  void fail(const WaitFailure& why) noexcept;
  void rest() noexcept;

  FifoMemory memory_;
  std::uint64_t* abort_word_;
  std::vector<Served> served_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> has_failed_ = false;
  WaitFailure failure_{};  // written before has_failed_
  std::uint32_t idle_rounds_ = 0;
  std::chrono::steady_clock::time_point idle_since_{};
};

}  // namespace sluice
