#include "transports/tcp/outgoing.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "channel/memory_channel.hpp"

namespace sluice::transport::tcp {
namespace {

constexpr const char* kLeft = "this rank has closed the connection";

bool inside(const RemoteRegion& region, std::uint64_t offset, std::uint64_t bytes) {
  return Window{nullptr, region.bytes}.contains(offset, bytes);
}

}  // namespace

Outgoing::Outgoing(std::string peer, std::chrono::nanoseconds timeout)
    : peer_(std::move(peer)), timeout_(timeout) {}

std::string Outgoing::Operation::text() const {
  return fmt::format("{} of {} bytes at offset {} of region {}", verb, bytes, offset, region);
}

Status Outgoing::put(const RemoteRegion& region, std::span<const Put> puts,
                     std::span<const Signal> signals) noexcept {
  Operation operation{"batch of puts", 0, 0, region.number};
  for (const Put& put : puts) {
    const Operation one{"put", put.bytes.size(), put.offset, region.number};
    if (!inside(region, put.offset, put.bytes.size())) return out_of_range(one, region);
    operation.bytes += put.bytes.size();
    if (puts.size() == 1) operation = one;
  }
  for (const Signal& signal : signals) {
    const Operation one{"signal", sizeof(std::uint64_t), signal.offset, region.number};
    if (signal.offset % sizeof(std::uint64_t) != 0 || !inside(region, one.offset, one.bytes))
      return out_of_range(one, region);
    if (puts.empty()) operation = one;
  }
  SLUICE_TRY(usable(operation));
  return send(PutFrames(region, puts, signals), operation);
}

Status Outgoing::get(const RemoteRegion& region, std::uint64_t offset,
                     std::span<std::byte> bytes) noexcept {
  const Operation operation{"get", bytes.size(), offset, region.number};
  if (!inside(region, offset, bytes.size())) return out_of_range(operation, region);
  if (bytes.empty()) return usable(operation);
  return ask({FrameType::kGet, 0, region.number, offset, bytes.size()}, bytes, timeout_, operation);
}

Status Outgoing::open(std::uint64_t owner, const RemoteRegion& region, Deadline deadline) {
  return ask({FrameType::kOpen, 0, region.number, owner, region.bytes}, {},
             deadline.at() - Deadline::Clock::now(), {"open", region.bytes, 0, region.number});
}

Status Outgoing::flush(const RemoteRegion& region) noexcept {
  return usable({"flush", region.bytes, 0, region.number});
}

/// Sends a request and waits for its answer.
Status Outgoing::ask(FrameHeader header, std::span<std::byte> out,
                     std::chrono::nanoseconds patience, const Operation& operation) {
  const std::lock_guard one_at_a_time(ask_turn_);
  for (;;) {
    SLUICE_TRY(usable(operation));
    SLUICE_TRY(send_request(header, out, patience, operation));
    Lock lock(mutex_);
    const auto over = [this] { return request_.done() || request_lost_ || failed(); };
    for (std::uint64_t before = ~0ull; !over() && before != request_.received_bytes();) {
      before = request_.received_bytes();
      changed_.wait_until(lock, Deadline::after(patience).at(), over);
    }
    if (request_.done()) {
      request_.stop();
      return {};
    }
    if (failed() || !std::exchange(request_lost_, false))
      return nothing_moved(lock, patience, "an answer", operation);
    // What has not come is asked for again, over another connection.
    header.offset += request_.received_bytes();
    header.amount -= request_.received_bytes();
    out = out.subspan(request_.received_bytes());
  }
}

void Outgoing::give_up() noexcept {
  const Lock lock(mutex_);
  note_failure(lock, Errc::kAborted, "this rank has given the connection up");
}

void Outgoing::leave(Deadline deadline) noexcept {
  if (is_forked() || failed()) return;
  const bool said = say_bye(deadline);
  const Lock lock(mutex_);
  if (failed()) {
    // A peer that heard the goodbye may have closed already: to later calls that is no failure.
    if (said) set_failure(lock, Errc::kInvalidUsage, kLeft);
    return;
  }
  end_calls(lock, Errc::kInvalidUsage, kLeft);
  said ? left(lock) : hang_up(lock);
}

Status Outgoing::usable(const Operation& operation) {
  if (is_forked()) {
    set_last_error(fmt::format("tcp: {} at {}: the connection is the parent process's",
                               operation.text(), peer_));
    return {Errc::kInvalidUsage, "a connection of the parent process"};
  }
  return failed() ? report(operation) : Status();
}

Status Outgoing::out_of_range(const Operation& operation, const RemoteRegion& region) {
  // Not logged: nothing has happened, and the caller may have meant to ask.
  set_last_error(
      fmt::format("tcp: {} at {}: the region has {} bytes", operation.text(), peer_, region.bytes));
  return {Errc::kInvalidArgument, "offset or size outside the peer's region"};
}

void Outgoing::note_failure(const Lock& lock, Errc code, std::string text, int os_error) {
  if (failed()) return;
  end_calls(lock, code, std::move(text), os_error);
  hang_up(lock);
}

void Outgoing::set_failure(const Lock&, Errc code, std::string text, int os_error) {
  failure_ = Status(code, "a connection to a peer has failed", os_error);
  failure_text_ = std::move(text);
}

void Outgoing::end_calls(const Lock& lock, Errc code, std::string text, int os_error) {
  if (failed()) return;
  set_failure(lock, code, std::move(text), os_error);
  failed_.store(true, std::memory_order_release);
  changed_.notify_all();
}

/// The result of a wait that was in vain: the failure, which is a timeout unless there was another.
Status Outgoing::nothing_moved(Lock& lock, std::chrono::nanoseconds patience,
                               const char* waited_for, const Operation& operation) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
  note_failure(lock, Errc::kTimeout, fmt::format("waited {} ms for {}", ms.count(), waited_for));
  lock.unlock();
  return report(operation);
}

Status Outgoing::report(const Operation& operation) {
  const Lock lock(mutex_);
  std::string text = fmt::format("tcp: {} at {}: {}", operation.text(), peer_, failure_text_);
  // The caller knows whether it is an error: who asks after a peer may find that it has left.
  if (!std::exchange(reported_, true)) log::debug(log::Topic::kNetwork, "{}", text);
  set_last_error(std::move(text));
  return failure_;
}

}  // namespace sluice::transport::tcp
