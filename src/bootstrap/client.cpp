#include "bootstrap/client.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/thread.hpp"

namespace sluice::bootstrap {
namespace {

constexpr std::chrono::milliseconds kLeavePatience{2000};

}  // namespace

Client::Client(Setup setup, Fd wake)
    : rank_(setup.rank),
      secret_(setup.secret),
      server_address_(std::move(setup.server_address)),
      reachable_(setup.reachable),
      server_process_(setup.welcome.server),
      processes_(std::move(setup.welcome.ranks)),
      generation_(fork_generation()),
      wake_(std::move(wake)),
      stream_(std::move(setup.stream)),
      peer_watch_(processes_[static_cast<std::size_t>(rank_)], processes_),
      peers_(processes_.size(), PeerState::kPresent),
      losses_(processes_.size()) {}

Result<std::unique_ptr<Bootstrap>> Client::start(Setup setup) {
  OpenResult wake = make_wake_event();
  if (!wake.fd.valid()) {
    return fail_os("no event descriptor",
                   fmt::format("rank {} got no event descriptor", setup.rank), wake.error);
  }
  std::unique_ptr<Client> client(new Client(std::move(setup), std::move(wake.fd)));
  SLUICE_TRY_ASSIGN(client->thread_,
                    start_thread("sluice-boot", [self = client.get()] { self->run(); }));
  return std::unique_ptr<Bootstrap>(std::move(client));
}

Client::~Client() {
  if (!thread_.joinable()) return;
  if (generation_ != fork_generation()) {
    thread_.detach();  // a forked child: the thread was never here
    return;
  }
  watch(nullptr);
  {
    const Lock lock(mutex_);
    leaving_ = true;
    leave_by_ = Deadline::after(kLeavePatience);
    send(encode_frame(FrameType::kLeave, static_cast<std::uint32_t>(rank_), 0, {}));
    signal_wake_event(wake_);
  }
  thread_.join();
}

Result<std::vector<Bootstrap::Blob>> Client::all_gather(std::span<const std::byte> mine,
                                                        Deadline deadline) {
  if (mine.size() > kMaxBlobBytes) {
    return fail(Errc::kInvalidArgument, "a blob is too large",
                fmt::format("rank {}: an all-gather of {} bytes; {} are possible", rank_,
                            mine.size(), kMaxBlobBytes));
  }
  const auto me = static_cast<std::size_t>(rank_);
  Lock lock(mutex_);
  if (gathering_) {
    return fail(
        Errc::kInvalidUsage, "two all-gathers at once",
        fmt::format("rank {}: an all-gather of the bootstrap began while another was running",
                    rank_));
  }
  if (broken_.code != Errc::kOk)
    return fail(broken_.code, "an all-gather of the bootstrap failed", broken_.text);
  gathering_ = true;
  Round& current = round(sequence_);
  current.blobs[me].assign(mine.begin(), mine.end());
  current.arrived[me] = true;
  --current.missing;
  send(encode_frame(FrameType::kGather, static_cast<std::uint32_t>(rank_), sequence_, mine));
  Failure failure;
  const auto decided = [&] {
    if (current.missing > 0) failure = gather_failure(current);
    return current.missing == 0 || failure.code != Errc::kOk;
  };
  if (!changed_.wait_until(lock, deadline.at(), decided)) {
    failure = gather_timeout(current);
  }
  gathering_ = false;
  if (failure.code != Errc::kOk) {
    break_with(failure.code, failure.text);
    return fail(failure.code, "an all-gather of the bootstrap failed", failure.text);
  }
  std::vector<Blob> blobs = std::move(current.blobs);
  rounds_.erase(sequence_++);
  return blobs;
}

Client::Failure Client::gather_failure(const Round& current) const {
  for (std::size_t rank = 0; rank < peers_.size(); ++rank) {
    if (current.arrived[rank] || peers_[rank] == PeerState::kPresent) continue;
    return {Errc::kRemoteError,
            fmt::format("rank {}: all-gather {} of the bootstrap waits for {}, who {}", rank_,
                        sequence_, name_of(static_cast<int>(rank)),
                        peers_[rank] == PeerState::kLeft ? "has left the job"
                                                         : "was lost: " + losses_[rank])};
  }
  return broken_;
}

Client::Failure Client::gather_timeout(const Round& current) const {
  std::vector<int> missing;
  for (std::size_t rank = 0; rank < peers_.size(); ++rank) {
    if (!current.arrived[rank]) missing.push_back(static_cast<int>(rank));
  }
  return {Errc::kTimeout,
          fmt::format("rank {}: all-gather {} of the bootstrap timed out waiting for {} of {}",
                      rank_, sequence_, name_ranks(missing), peers_.size())};
}

void Client::send_abort(Errc code, std::string_view text) noexcept {
  try {
    if (code == Errc::kOk) code = Errc::kAborted;
    const Notice notice{code, std::string(text.substr(0, kMaxTextBytes))};
    const Lock lock(mutex_);
    send(encode_frame(FrameType::kAbort, static_cast<std::uint32_t>(rank_), 0, encode(notice)));
    break_with(Errc::kAborted, fmt::format("rank {} aborted: {}", rank_, notice.text));
  } catch (const std::exception& error) {
    log::error("rank {} could not tell the others that it aborts: {}", rank_, error.what());
  }
}

void Client::watch(std::function<void(const Event&)> on_event) {
  Lock lock(mutex_);
  on_event_ = on_event
                  ? std::make_shared<const std::function<void(const Event&)>>(std::move(on_event))
                  : nullptr;
  next_event_ = 0;
  signal_wake_event(wake_);
  if (std::this_thread::get_id() == thread_.get_id())
    return;  // called by the callback: it cannot wait for itself
  changed_.wait(lock, [this] { return !delivering_; });
}

Bootstrap::Key Client::derive_key(std::string_view purpose) const {
  return bootstrap::derive_key(secret_, purpose);
}

void Client::send(SharedBytes bytes) {
  if (!online_) return;
  outbox_.push_back(std::move(bytes));
  signal_wake_event(wake_);
}

void Client::add_event(Event event) {
  if (leaving_) return;
  log::info(log::Topic::kBootstrap, "rank {}: {}", rank_, event.text);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

void Client::break_with(Errc code, std::string text) {
  if (broken_.code == Errc::kOk) broken_ = {code, std::move(text)};
  changed_.notify_all();
}

Client::Round& Client::round(std::uint32_t sequence) {
  const auto [at, is_new] = rounds_.try_emplace(sequence);
  if (is_new) {
    at->second.blobs.resize(peers_.size());
    at->second.arrived.resize(peers_.size(), false);
    at->second.missing = peers_.size();
  }
  return at->second;
}

std::string Client::name_of(int rank) const {
  const Process& process = processes_[static_cast<std::size_t>(rank)];
  return fmt::format("rank {} (pid {} on {})", rank, process.pid, process.host_name);
}

}  // namespace sluice::bootstrap
