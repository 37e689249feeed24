// Messages of different lengths. all_to_all_v when everybody talks to everybody and both sides know
// the lengths; exchange() for any set of sends and receives, which progress together, so that no
// order of calls can dead-lock.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <vector>

namespace {

/// Rank `from` sends `from + to` elements to rank `to`, each this number.
std::size_t length(int from, int to) { return static_cast<std::size_t>(from + to); }
double element(int from, int to) { return from + to / 1000.0; }

bool everybody_to_everybody(sluice::Communicator& world) {
  std::vector<std::size_t> send_counts, send_places, receive_counts, receive_places;
  std::vector<double> outgoing, expected;
  for (int peer = 0; peer < world.size(); ++peer) {
    send_counts.push_back(length(world.rank(), peer));
    send_places.push_back(outgoing.size());
    outgoing.insert(outgoing.end(), send_counts.back(), element(world.rank(), peer));
    receive_counts.push_back(length(peer, world.rank()));
    receive_places.push_back(expected.size());
    expected.insert(expected.end(), receive_counts.back(), element(peer, world.rank()));
  }
  std::vector<double> incoming(expected.size());
  return world
             .all_to_all_v(outgoing.data(), send_counts, send_places, incoming.data(),
                           receive_counts, receive_places, sluice::data_type_of<double>())
             .ok() &&
         incoming == expected;
}

/// A token to the next rank and one from the previous one; in one call, so all may do it at once.
bool pass_round(sluice::Communicator& world) {
  using Transfer = sluice::Communicator::Transfer;
  const int next = (world.rank() + 1) % world.size(),
            previous = (world.rank() + world.size() - 1) % world.size();
  const std::vector<int> token(length(world.rank(), next), world.rank());
  std::vector<int> received(length(previous, world.rank()), -1);
  const Transfer transfers[] = {{.direction = Transfer::Direction::kSend,
                                 .peer = next,
                                 .source = token.data(),
                                 .count = token.size(),
                                 .type = sluice::DataType::kInt32},
                                {.direction = Transfer::Direction::kReceive,
                                 .peer = previous,
                                 .destination = received.data(),
                                 .count = received.size(),
                                 .type = sluice::DataType::kInt32}};
  return world.exchange(transfers).ok() &&
         received == std::vector<int>(length(previous, world.rank()), previous);
}

}  // namespace

int main() {
  auto world = sluice::Communicator::from_environment();
  if (!world.ok()) return 1;
  const bool right = everybody_to_everybody(world.value()) && pass_round(world.value());
  std::printf("rank %d of %d: %s\n", world->rank(), world->size(),
              right ? "every message is right" : "WRONG");
  return right ? 0 : 1;
}
