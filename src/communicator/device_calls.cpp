// The communicator and its device part.
#include <fmt/format.h>

#include <utility>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"

namespace sluice {

Status Communicator::Impl::run_on(Stream stream, const Call& call, const Reduction& reduction,
                                  const BlockLengths& lengths) {
  SLUICE_TRY(device_->expect_reached(call.input, "input"));
  SLUICE_TRY(device_->expect_reached(call.output, "output"));
  SLUICE_TRY_ASSIGN(last_algorithm_, device_->run(call, reduction, lengths, stream));
  return {};
}

Status Communicator::Impl::exchange_on(Stream stream, std::span<const ListedTransfer> transfers,
                                       const ExchangeCall& call) {
  for (const ListedTransfer& transfer : transfers)
    if (transfer.bytes != 0)
      SLUICE_TRY(device_->expect_reached(transfer.data,
                                         transfer.sending ? "what is sent" : "where to receive"));
  last_algorithm_ = "exchange";
  return device_->exchange(transfers, call, stream);
}

Status Communicator::Impl::expect_host_memory(const Call& call) const {
  SLUICE_TRY(device_->expect_host(call.input, "input"));
  return device_->expect_host(call.output, "output");
}

Status Communicator::Impl::expect_host_memory(std::span<const LinkTransfer> transfers) const {
  if (device_ == nullptr) return {};
  for (const LinkTransfer& transfer : transfers)
    SLUICE_TRY(device_->expect_host(transfer.data,
                                    transfer.sending ? "what is sent" : "where to receive"));
  return {};
}

void Communicator::Impl::take_device_failure() {
  if (device_ == nullptr) return;
  const StrandFailure* failure = device_->failure();
  if (failure == nullptr) return;
  const std::lock_guard lock(device_failure_mutex_);
  if (std::exchange(device_failure_taken_, true)) return;
  // Of two kernels whose time is over at once, that which waited for the other may be seen first.
  if (failure->peer_started >= kOut) await_abort();
  const std::string text = device_->text_of(*failure);
  const WaitOutcome outcome = failure->why.outcome;
  Status ended;
  if (DevicePart::is_mismatch(*failure))
    ended = end(Errc::kInvalidUsage, "calls do not match", text);
  else if (outcome == WaitOutcome::kUnreachable)
    ended = end(Errc::kRemoteError, "a peer's memory is gone", text);
  else if (outcome == WaitOutcome::kWrongSize)
    ended = end(Errc::kInvalidUsage, "message of another size", text);
  else if (outcome == WaitOutcome::kTimeout)
    ended = end(Errc::kTimeout, "a peer did not come in time", text);
  else if (outcome == WaitOutcome::kMismatch)
    ended = end(Errc::kRemoteError, "a peer has met an error", text);
  else
    ended = end(Errc::kAborted, "aborted", text);
  // The communicator's first error stays: that of whoever aborted, say.
  static_cast<void>(ended);
}

}  // namespace sluice
