#include "bootstrap/server_job.hpp"

#include <fmt/format.h>

#include "base/log.hpp"

namespace sluice::bootstrap {

std::string Connection::text() const {
  return fmt::format("rank {} (pid {} on {})", rank, process.pid, process.host_name);
}

void close_with(Connection& connection, SharedBytes last) {
  connection.stream.queue(std::move(last));
  connection.state = Connection::State::kClosing;
  connection.until = Deadline::after(std::chrono::seconds(1));
}

void ServerJob::handle(Connection& from, const Frame& frame) {
  if (from.state == Connection::State::kRegister) return add(from, frame);
  if (frame.type != FrameType::kWho && frame.rank != static_cast<std::uint32_t>(from.rank)) {
    return break_off(from, fmt::format("it sent a frame in the name of rank {}", frame.rank));
  }
  switch (frame.type) {
    case FrameType::kGather: return gather(from, frame);
    case FrameType::kAbort: return abort(from, frame);
    case FrameType::kLeave: return leave(from);
    case FrameType::kWho: return report_joined(from);
    default:
      return break_off(from, fmt::format("it sent a frame of type {}, which no rank sends",
                                         static_cast<std::uint32_t>(frame.type)));
  }
}

void ServerJob::add(Connection& connection, const Frame& frame) {
  const auto registration = decode_registration(frame.payload);
  if (!registration)
    return refuse(connection, Errc::kInvalidUsage, "its registration has the wrong length");
  const std::string who =
      fmt::format("rank {} (pid {} on {}, from {})", frame.rank, registration->process.pid,
                  registration->process.host_name, connection.peer);
  if (const std::string why = objection(connection, frame.rank, *registration, who); !why.empty()) {
    return refuse(connection, Errc::kInvalidUsage, why);
  }
  members_.resize(registration->size, nullptr);
  gave_up_.resize(registration->size, false);
  gave_up_[frame.rank] = false;
  members_[frame.rank] = &connection;
  ++member_count_;
  connection.rank = static_cast<int>(frame.rank);
  connection.process = registration->process;
  connection.state = Connection::State::kMember;
  connection.stream.reader().only_accept(std::nullopt);
  if (member_count_ == members_.size()) welcome_all();
}

std::string ServerJob::objection(const Connection& connection, std::uint32_t rank,
                                 const Registration& registration, const std::string& who) const {
  if (registration.size == 0 || registration.size > kMaxRanks) {
    return fmt::format("{} says the job has {} ranks; 1 to {} are possible", who, registration.size,
                       kMaxRanks);
  }
  if (rank >= registration.size) {
    return fmt::format("{} is not below the job's size {}", who, registration.size);
  }
  for (const Connection* member : members_) {
    if (member == nullptr) continue;
    if (members_.size() != registration.size)
      return fmt::format("{} says the job has {} ranks, {} said {}", who, registration.size,
                         member->text(), members_.size());
    if (const bool encrypts = connection.stream.is_encrypted();
        encrypts != member->stream.is_encrypted())
      return fmt::format("{} {}, {} {}: SLUICE_ENCRYPT must be the same on every rank", who,
                         encrypts ? "encrypts" : "does not encrypt", member->text(),
                         encrypts ? "does not" : "does");
  }
  if (complete_) {
    const Connection* holder = rank < members_.size() ? members_[rank] : nullptr;
    return fmt::format(
        "{} comes too late: the job of {} ranks is complete{}", who, members_.size(),
        holder == nullptr ? "" : fmt::format(", rank {} is taken by {}", rank, holder->text()));
  }
  if (rank < members_.size() && members_[rank] != nullptr) {
    return fmt::format("rank {} is taken twice: by {}, now asked for by {}", rank,
                       members_[rank]->text(), who);
  }
  return "";
}

void ServerJob::refuse(Connection& connection, Errc code, const std::string& why) {
  log::warn("rendezvous: refused {}: {}", connection.peer, why);
  remark_ = why;
  close_with(connection, encode_frame(FrameType::kRefused, 0, 0, encode(Notice{code, why})));
}

void ServerJob::welcome_all() {
  complete_ = true;
  Welcome welcome{this_process(), {}};
  for (const Connection* member : members_) welcome.ranks.push_back(member->process);
  relay(encode_frame(FrameType::kWelcome, 0, 0, encode(welcome)), nullptr);
}

void ServerJob::gather(Connection& from, const Frame& frame) {
  if (!complete_ || frame.sequence != from.next_sequence) {
    return break_off(from,
                     fmt::format("it sent all-gather {}, expected {}{}", frame.sequence,
                                 from.next_sequence, complete_ ? "" : " after all have joined"));
  }
  ++from.next_sequence;
  relay(encode_frame(FrameType::kGather, frame.rank, frame.sequence, frame.payload), &from);
}

void ServerJob::abort(Connection& from, const Frame& frame) {
  if (!decode_notice(frame.payload)) return break_off(from, "its abort is malformed");
  relay(encode_frame(FrameType::kAbort, frame.rank, 0, frame.payload), &from);
}

void ServerJob::leave(Connection& member) {
  const auto rank = static_cast<std::uint32_t>(member.rank);
  remove(member);
  if (complete_) relay(encode_frame(FrameType::kLeave, rank, 0, {}), &member);
  member.state = Connection::State::kClosing;
  member.until = Deadline::after(std::chrono::seconds(1));
}

void ServerJob::remove(Connection& member) {
  members_[static_cast<std::size_t>(member.rank)] = nullptr;
  --member_count_;
  if (complete_ || member_count_ > 0) return;
  members_.clear();  // nobody waits any more: the next to come may say another size
  gave_up_.clear();
}

void ServerJob::member_gone(Connection& member, const std::string& why) {
  const std::string who = member.text();
  const auto rank = static_cast<std::uint32_t>(member.rank);
  const bool gave_up = gave_up_[rank];
  remove(member);
  if (!complete_) {
    if (!gave_up) remark_ = fmt::format("{} had joined and went away: {}", who, why);
    return;
  }
  log::warn("rendezvous: {} is lost: {}", who, why);
  relay(encode_frame(FrameType::kLost, rank, 0, {}), nullptr);
}

void ServerJob::break_off(Connection& member, const std::string& why) {
  const std::string text = fmt::format("{} broke the protocol: {}", member.text(), why);
  member_gone(member, why);
  refuse(member, Errc::kInternalError, text);
}

void ServerJob::report_joined(Connection& to) {
  gave_up_[static_cast<std::size_t>(to.rank)] = true;
  JoinedReport report;
  report.joined.assign(members_.size(), true);
  for (const int rank : missing()) report.joined[static_cast<std::size_t>(rank)] = false;
  report.remark = remark_;
  to.stream.queue(encode_frame(FrameType::kJoined, 0, 0, encode(report)));
}

std::vector<int> ServerJob::missing() const {
  std::vector<int> ranks;
  for (std::size_t rank = 0; rank < members_.size(); ++rank) {
    if (members_[rank] == nullptr && !gave_up_[rank]) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

void ServerJob::end() {
  if (complete_) {
    lose_ranks_of_this_process();
    return relay(encode_frame(FrameType::kGoodbye, 0, 0, {}), nullptr);
  }
  const auto absent = missing();
  std::string text = "the rendezvous was given up before all ranks were there";
  if (!absent.empty())
    text += fmt::format("; {} of {} had not joined", name_ranks(absent), members_.size());
  if (!remark_.empty()) text += " (" + remark_ + ")";
  relay(encode_frame(FrameType::kRefused, 0, 0, encode(Notice{Errc::kTimeout, text})), nullptr);
}

void ServerJob::lose_ranks_of_this_process() {
  const Process here = this_process();
  for (Connection* member : members_) {
    if (member == nullptr || !member->process.same_process(here)) continue;
    relay(encode_frame(FrameType::kLost, static_cast<std::uint32_t>(member->rank), 0, {}), member);
  }
}

void ServerJob::relay(const SharedBytes& bytes, const Connection* except) {
  for (Connection* member : members_) {
    if (member != nullptr && member != except) member->stream.queue(bytes);
  }
}

}  // namespace sluice::bootstrap
