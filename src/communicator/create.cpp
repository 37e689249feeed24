// The beginning of a communicator: its options, its job, its set-up; memory of its transport shown
// to the peers.
#include <fmt/format.h>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/doorbell_preparation.hpp"
#include "communicator/impl.hpp"
#include "communicator/setup.hpp"

namespace sluice {
namespace {

/// Not a number that is ignored when it is none: who asks for encryption in the wrong words must
/// not go without.
Result<bool> encryption_wanted(bool otherwise) {
  const auto text = environment::text("SLUICE_ENCRYPT");
  if (!text) return otherwise;
  if (*text == "0" || *text == "1") return *text == "1";
  return fail(Errc::kInvalidArgument, "bad SLUICE_ENCRYPT",
              fmt::format("SLUICE_ENCRYPT={}: expected 0 or 1", *text));
}

}  // namespace

Result<std::vector<Window>> Communicator::Impl::share(Window window, const char* what) {
  const auto share_over = [&](auto& transport) -> Result<std::vector<Window>> {
    SLUICE_TRY_ASSIGN(const auto blob, transport.publish(window));
    SLUICE_TRY_ASSIGN(const auto blobs, bootstrap_->all_gather(blob, deadline()));
    std::vector<Window> windows(blobs.size());
    for (int r = 0; r < static_cast<int>(blobs.size()); ++r) {
      if (r == bootstrap_->rank()) {
        windows[static_cast<std::size_t>(r)] = window;
        continue;
      }
      if (is_across(r)) continue;
      SLUICE_TRY_ASSIGN(auto remote,
                        transport.open(blobs[static_cast<std::size_t>(r)], deadline()));
      windows[static_cast<std::size_t>(r)] = remote.window;
      keep_open_.push_back(std::make_shared<decltype(remote)>(std::move(remote)));
    }
    log::debug(log::Topic::kMemory, "rank {}: opened the {} of {} ranks", bootstrap_->rank(), what,
               windows.size());
    return windows;
  };
  if (auto* shm = std::get_if<transport::Shm>(&transport_)) return share_over(*shm);
  return share_over(std::get<transport::Loopback>(transport_));
}

Result<std::unique_ptr<Communicator::Impl>> Communicator::Impl::create(const UniqueId& id, int rank,
                                                                       int size,
                                                                       const Options& options) {
  std::unique_ptr<Impl> impl(new Impl);
  impl->options_ = options;
  if (const auto timeout = environment::number("SLUICE_TIMEOUT_MS"))
    impl->options_.timeout = std::chrono::milliseconds(*timeout);
  impl->options_.host = environment::text("SLUICE_HOST", options.host.c_str());
  impl->options_.transport = environment::text("SLUICE_TRANSPORT", options.transport.c_str());
  impl->options_.algorithm = environment::text("SLUICE_ALGORITHM", options.algorithm.c_str());
  SLUICE_TRY_ASSIGN(impl->options_.encrypt, encryption_wanted(options.encrypt));
  if (impl->options_.timeout <= std::chrono::milliseconds(0))
    return fail(
        Errc::kInvalidArgument, "bad timeout",
        fmt::format("the timeout must be positive, found {} ms", impl->options_.timeout.count()));
  const DoorbellPreparation doorbells;  // before the job's thread begins
  SLUICE_TRY_ASSIGN(impl->bootstrap_,
                    Bootstrap::join(id, rank, size, impl->deadline(), impl->options_.encrypt));
  SLUICE_TRY(Setup(*impl).run());
  return impl;
}

}  // namespace sluice
