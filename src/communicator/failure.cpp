// From a failed wait to an error that says what happened, here and on the other ranks.
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "channel/doorbell.hpp"
#include "communicator/device_part.hpp"
#include "communicator/flight_notes.hpp"
#include "communicator/impl.hpp"

namespace sluice {

void Communicator::Impl::await_abort() const {
  for (const Deadline deadline = Deadline::after(std::chrono::milliseconds(500));
       !deadline.passed();) {
    if (port::load_acquire(&waits_->abort_word) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Status Communicator::Impl::Turn::refusal() const {
  if (!taken_)
    return fail(Errc::kInvalidUsage, "communicator in use",
                fmt::format("rank {}: a second call on a communicator while the first is in flight",
                            impl_.rank()));
  return impl_.error();
}

bool Communicator::Impl::contradicts(void* self, std::int32_t peer) {
  const auto& impl = *static_cast<const Impl*>(self);
  if (peer < 0 || peer >= impl.size()) return false;
  if (impl.is_across(peer)) impl.remote_peers_->fetch_sometimes(peer);
  const std::uint64_t started = port::load_acquire(&impl.header(peer).lanes[kStarted].value);
  if (started >= kOut) return !impl.is_across(peer) || impl.remote_peers_->has_said_all(peer);
  if (started < impl.current_.epoch) return false;
  const OperationRecord& theirs = impl.header(peer).records[impl.current_.epoch % kRecords];
  return port::load_relaxed(&theirs.epoch) == impl.current_.epoch &&
         port::load_relaxed(&theirs.signature) != impl.current_.signature;
}

bool Communicator::Impl::take_in(void* self, std::int32_t peer, TakeIn how) {
  const auto& impl = *static_cast<const Impl*>(self);
  if (peer < 0 || peer >= impl.size() || !impl.is_across(peer)) return false;
  impl.remote_peers_->take_in(peer, how);
  return true;
}

std::string Communicator::Impl::whereabouts(int peer) const {
  if (is_across(peer) && remote_peers_->silent(peer)) return "does not answer";
  const std::uint64_t started = port::load_acquire(&header(peer).lanes[kStarted].value);
  if (started == kLeft) return "has left the communicator";
  if (started == kOut) return "has met an error";
  if (started == 0) return "has not called a collective yet";
  return fmt::format("last began {}",
                     describe(read_record(header(peer).records[started % kRecords])));
}

std::uint64_t Communicator::Impl::first_difference(int peer) const {
  const std::uint64_t oldest = current_.epoch < kRecords ? 1 : current_.epoch - kRecords + 1;
  for (std::uint64_t epoch = oldest; epoch <= current_.epoch; ++epoch) {
    const OperationRecord mine = read_record(header(rank()).records[epoch % kRecords]);
    const OperationRecord theirs = read_record(header(peer).records[epoch % kRecords]);
    if (mine.epoch == epoch && theirs.epoch == epoch && mine.signature != theirs.signature)
      return epoch;
  }
  return 0;
}

std::string Communicator::Impl::mismatch_text(const std::string& me) const {
  const int peer = waits_->failure.peer;
  const std::uint64_t wanted = waits_->failure.expected, found = waits_->failure.seen;
  if (is_message(wanted) || is_message(found))
    return fmt::format("{}: expected {} from rank {}, found {}", me, kind_text(wanted), peer,
                       kind_text(found));
  const std::uint64_t epoch = first_difference(peer);
  if (epoch == 0)
    return fmt::format("{}: rank {} will not take part: it {}", me, peer, whereabouts(peer));
  return fmt::format("calls do not match: rank {} called {}, rank {} called {}", rank(),
                     describe(read_record(header(rank()).records[epoch % kRecords])), peer,
                     describe(read_record(header(peer).records[epoch % kRecords])));
}

/// When a peer has left that called what this rank called, it left because of an error: the news is
/// under way.
void Communicator::Impl::await_reason() const {
  const int peer = waits_->failure.peer;
  if (port::load_acquire(&header(peer).lanes[kStarted].value) < kOut || first_difference(peer) != 0)
    return;
  await_abort();
}

std::string Communicator::Impl::failure_text(const std::string& doing) const {
  const WaitFailure& failure = waits_->failure;
  const std::string me = fmt::format("rank {} of {}, {}", rank(), size(), doing);
  switch (failure.outcome) {
    case WaitOutcome::kTimeout:
      return fmt::format("{}: waited {} ms for rank {}, which {}", me,
                         waits_->timeout_ns / 1'000'000, failure.peer, whereabouts(failure.peer));
    case WaitOutcome::kMismatch: return mismatch_text(me);
    case WaitOutcome::kWrongSize:
      return fmt::format("{}: expected {} bytes from rank {}, found {}", me, failure.expected,
                         failure.peer, failure.seen);
    case WaitOutcome::kOutOfRange:
      return fmt::format("{}: a channel to rank {} was asked to reach byte {} of a window of {}",
                         me, failure.peer, failure.seen, failure.expected);
    case WaitOutcome::kUnreachable:
      return fmt::format("{}: the memory of rank {} cannot be reached (os error {})", me,
                         failure.peer, failure.seen);
    case WaitOutcome::kNone:
    case WaitOutcome::kAborted: break;
  }
  return fmt::format("{}: aborted", me);
}

Status Communicator::Impl::failed(const std::string& doing,
                                  std::span<const LinkTransfer> transfers) {
  const Status status = reason(doing);
  leave_operation(transfers);
  return status;
}

bool Communicator::Impl::may_touch(int peer) const {
  const std::uint64_t started = port::load_acquire(&header(peer).lanes[kStarted].value);
  if (!buffers_shown_ || started != current_.epoch) return false;
  return port::load_acquire(&header(peer).lanes[kConsumed].value) <= current_.epoch << kStepBits;
}

void Communicator::Impl::leave_operation(std::span<const LinkTransfer> transfers) {
  leave(kOut);
  if (remote_peers_ != nullptr) remote_peers_->expect_nothing();
  std::atomic_ref<std::uint64_t>(header(rank()).lanes[kExchanging].value)
      .fetch_add(0);  // a full barrier
  const auto waiting_for = [&](int peer) {
    // Nobody reaches buffers on another host.
    if (peer == rank() || is_across(peer) || is_lost(peer)) return false;
    if (port::load_acquire(&header(peer).lanes[kStarted].value) >= kOut) return false;
    std::atomic_ref<std::uint64_t> exchanging(header(peer).lanes[kExchanging].value);
    if (exchanging.load() % 2 == 0) return may_touch(peer);
    bool posted = false;
    for (const LinkTransfer& transfer : transfers)
      posted |= transfer.peer == peer && transfer.wait_number != 0 &&
                !fabric_.taken(peer, transfer.wait_number);
    return posted || may_touch(peer);
  };
  const Deadline deadline = Deadline::after(std::chrono::seconds(1));
  for (int r = 0; r < size(); ++r)
    while (waiting_for(r) && !deadline.passed())
      std::this_thread::sleep_for(std::chrono::microseconds(200));
}

bool Communicator::Impl::is_lost(int peer) const {
  const std::lock_guard lock(error_mutex_);
  return lost_.contains(peer);
}

Status Communicator::Impl::reason(const std::string& doing) {
  ask_after(waits_->failure.peer);
  switch (waits_->failure.outcome) {
    case WaitOutcome::kTimeout:
      // One that answers may itself have waited for the one that does not, whom it names.
      if (const int peer = waits_->failure.peer; is_across(peer) && !remote_peers_->silent(peer))
        await_abort();
      return end(Errc::kTimeout, "a peer did not come in time", failure_text(doing));
    case WaitOutcome::kMismatch:
      await_reason();
      return end(Errc::kInvalidUsage, "calls do not match", failure_text(doing));
    case WaitOutcome::kWrongSize:
      return end(Errc::kInvalidUsage, "message of another size", failure_text(doing));
    case WaitOutcome::kOutOfRange:
      return end(Errc::kInvalidArgument, "outside the window", failure_text(doing));
    case WaitOutcome::kUnreachable:
      await_reason();
      return end(Errc::kRemoteError, "peer's memory unreachable", failure_text(doing));
    case WaitOutcome::kNone:
    case WaitOutcome::kAborted: break;
  }
  return error();  // whoever set the abort word has left the reason
}

void Communicator::Impl::keep_error(Status status, const std::string& text) {
  error_ = status;
  error_text_ = text;
  write_error(header(rank()).error, status.code(), text);
  log::error("{}: {}", name(status.code()), text);
}

Status Communicator::Impl::end(Errc code, const char* what, std::string text) {
  {
    const std::lock_guard lock(error_mutex_);
    if (error_.ok()) {
      keep_error(Status(code, what), text);
      bootstrap_->send_abort(code, text);
    }
  }
  end_waits();
  return error();
}

void Communicator::Impl::end_waits() {
  port::store_release(&waits_->abort_word, 1);
  if (device_ != nullptr) device_->abort();
  ring(*waits_->doorbell);
  if (remote_peers_ != nullptr) remote_peers_->interrupt();
}

Status Communicator::Impl::abort() {
  return end(Errc::kAborted, "aborted", fmt::format("rank {} called abort()", rank())).code() ==
                 Errc::kAborted
             ? Status()
             : error();
}

Status Communicator::Impl::error() const {
  const std::lock_guard lock(error_mutex_);
  if (!error_.ok()) set_last_error(error_text_);
  return error_;
}

void Communicator::Impl::on_event(const Bootstrap::Event& event) {
  {
    const std::lock_guard lock(error_mutex_);
    if (event.kind == Bootstrap::Event::Kind::kLost) lost_.insert(event.rank);
    if (error_.ok())
      keep_error(
          Status(event.code, event.kind == Bootstrap::Event::Kind::kLost ? "a rank was lost"
                                                                         : "reported by a peer"),
          event.text);
  }
  end_waits();
}

}  // namespace sluice
