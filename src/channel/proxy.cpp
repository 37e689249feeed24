#include "channel/proxy.hpp"

#include <sched.h>

namespace sluice {
namespace {

// As long as this requests are likely to follow one another, and a rest would delay the next.
constexpr auto kPollFor = std::chrono::milliseconds(1);
constexpr auto kYieldFor = std::chrono::milliseconds(10);
constexpr auto kSleep = std::chrono::microseconds(100);
constexpr std::uint32_t kRoundsPerClock = 64;

}  // namespace

void Proxy::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  thread_.join();
}

void Proxy::serve() noexcept {
  for (std::uint64_t number = 1;;) {
    // Read before the slot: what was posted before stop() is then seen.
    const bool stopping = stopping_.load(std::memory_order_acquire);
    const FifoSlot& slot = memory_.slots[(number - 1) % memory_.count];
    if (port::load_acquire(&slot.turn) != number) {  // pairs with FifoPort's release
      if (stopping) return;
      rest();
      continue;
    }
    idle_rounds_ = 0;
    const FifoSlot request = slot;
    port::store_release(memory_.taken, number);  // the slot may be written again
    if (!carry_out(request, number)) return;
    ++number;
  }
}

bool Proxy::carry_out(const FifoSlot& request, std::uint64_t number) noexcept {
  if (request.channel >= served_.size()) {
    fail({WaitOutcome::kOutOfRange, -1, served_.size(), request.channel});
    return false;
  }
  const Served& channel = served_[request.channel];
  bool done = false;
  switch (request.kind) {
    case RequestKind::kPut:
    case RequestKind::kPutSignal:
      if (!check(channel, request.put)) return false;
      done = channel.post(channel.port, &request.put, request.kind == RequestKind::kPutSignal);
      break;
    case RequestKind::kSignal: done = channel.post(channel.port, nullptr, true); break;
    case RequestKind::kFlush:
      done = channel.flush(channel.port);
      if (done) port::store_release(&memory_.flushed[request.channel], number);
      break;
  }
  if (!done) fail({WaitOutcome::kUnreachable, channel.peer, number, 0});
  return done;
}

bool Proxy::check(const Served& channel, const PutRequest& put) noexcept {
  const Window remote{nullptr, channel.remote_bytes};
  const bool leaves_remote = !remote.contains(put.remote_offset, put.bytes);
  if (!leaves_remote && channel.local.contains(put.local_offset, put.bytes)) return true;
  const std::uint64_t offset = leaves_remote ? put.remote_offset : put.local_offset;
  fail({WaitOutcome::kOutOfRange, channel.peer,
        leaves_remote ? channel.remote_bytes : channel.local.bytes, offset + put.bytes});
  return false;
}

void Proxy::fail(const WaitFailure& why) noexcept {
  failure_ = why;
  has_failed_.store(true, std::memory_order_release);
  port::store_release(abort_word_, 1);
}

void Proxy::rest() noexcept {
  if (idle_rounds_++ % kRoundsPerClock != 0) return port::pause();
  const auto now = std::chrono::steady_clock::now();
  if (idle_rounds_ == 1) idle_since_ = now;
  if (now - idle_since_ < kPollFor) return;
  if (now - idle_since_ < kYieldFor)
    sched_yield();
  else
    std::this_thread::sleep_for(kSleep);
}

}  // namespace sluice
