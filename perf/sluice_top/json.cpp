#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "communicator/flight_text.hpp"
#include "communicator/operation.hpp"
#include "sluice_top/report.hpp"

namespace sluice::top {
namespace {

using Json = nlohmann::ordered_json;

const char* state_name(RankFlight::State state) {
  switch (state) {
    case RankFlight::State::kIdle: return "idle";
    case RankFlight::State::kInOperation: return "in_operation";
    case RankFlight::State::kMessages: return "messages";
    case RankFlight::State::kHasFailed: return "failed";
    case RankFlight::State::kHasLeft: return "left";
  }
  return "unknown";
}

Json operation_json(const OperationRecord& record) {
  const auto part = [&](unsigned shift) { return record.call >> shift & 0xff; };
  return {{"collective", name(static_cast<Collective>(part(0)))},
          {"number", record.epoch},
          {"count", record.count},
          {"type", name(static_cast<DataType>(part(8)))},
          {"op", name(static_cast<ReduceOp>(part(16)))},
          {"root", record.root},
          {"ended", record.ended == record.epoch}};
}

Json wait_json(const WaitNote& wait, std::int32_t ranks, std::uint64_t now_ns) {
  return {{"for_rank", wait.peer},
          {"seconds", seconds_of(wait, now_ns)},
          {"for", awaited(wait, ranks)},
          {"expected", wait.expected},
          {"seen", wait.seen}};
}

Json process_json(const ProcessSight& process) {
  return {{"pid", process.pid},
          {"command", process.command},
          {"state", std::string(1, process.state)},
          {"stopped", process.stopped()}};
}

Json rank_json(const SeenRank& rank, std::uint64_t now_ns, int history) {
  const RankFlight& flight = rank.flight;
  Json json = {{"rank", flight.rank}, {"pid", flight.pid}};
  json["process"] = rank.process ? process_json(*rank.process) : Json();
  json["state"] = state_name(flight.state);
  const std::size_t shown =
      std::min(flight.operations.size(), static_cast<std::size_t>(history) + 1);
  json["operations"] = Json::array();
  for (std::size_t i = 0; i < shown; ++i)
    json["operations"].push_back(operation_json(flight.operations[i]));
  json["step"] = flight.step;
  json["wait"] = flight.wait ? wait_json(*flight.wait, flight.ranks, now_ns) : Json();
  json["error"] = flight.error.code == Errc::kOk
                      ? Json()
                      : Json{{"code", name(flight.error.code)}, {"text", flight.error.text}};
  return json;
}

}  // namespace

std::string json_of(const FlightScan& scan, int history) {
  Json json = {{"at_ns", scan.at_ns}, {"communicators", Json::array()}};
  for (const SeenCommunicator& communicator : scan.communicators) {
    Json ranks = Json::array();
    for (const SeenRank& rank : communicator.seen)
      ranks.push_back(rank_json(rank, scan.at_ns, history));
    json["communicators"].push_back({{"id", fmt::format("{:016x}", communicator.id)},
                                     {"size", communicator.ranks},
                                     {"ranks", std::move(ranks)},
                                     {"verdict", verdict(communicator, scan.at_ns)}});
  }
  json["skipped"] = scan.skipped;
  // A sentence that was cut short may end in the middle of a character.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::top
