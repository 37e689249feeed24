// Requests of derived types: every way to complete them, persistent ones, cancelled and freed ones.
// For two ranks.
#include <mpi.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

constexpr int kMessages = 12;
int rank = 0, peer = 1;
int largest_count = 40000;

/// Message `k` is of one of three types or of plain bytes, from 24 bytes to some hundred thousand.
Model model_of(int k) {
  const int count = k % 4 == 3 ? 1 : std::min(largest_count, 3 + k * k * 150);
  switch (k % 3) {
    case 0: return strided(count);
    case 1: return records(count);
    default: return scattered(count);
  }
}

std::vector<std::byte> arrived(const Model& model, std::uint64_t sent_seed, std::uint64_t seed) {
  Elements expected(model, 1, seed);
  const std::vector<std::byte> packed = Elements(model, 1, sent_seed).packed(model, 1);
  model.unpack(packed.data(), 1, expected.user(), std::ssize(packed));
  return expected.bytes;
}

/// kMessages receives in flight, with what is needed to check each.
struct Flight {
  explicit Flight(std::uint64_t seed_of_sent) : seed(seed_of_sent) {
    for (int k = 0; k < kMessages; ++k) {
      types.push_back(model_of(k));
      buffers.emplace_back(types.back(), 1, 500);
    }
    requests.resize(kMessages, MPI_REQUEST_NULL);
  }

  void check_message(int k, MPI_Status& status, const char* how) {
    const auto at = static_cast<std::size_t>(k);
    int count = -1;
    MPI_Get_count(&status, types[at].handle, &count);
    check(status.MPI_SOURCE == peer && status.MPI_TAG == k && count == 1,
          "%s: message %d: source %d, tag %d, count %d", how, k, status.MPI_SOURCE, status.MPI_TAG,
          count);
    check_data(k, how);
  }
  void check_data(int k, const char* how) {
    const auto at = static_cast<std::size_t>(k);
    check(buffers[at].back() == arrived(types[at], seed + at, 500), "%s: message %d arrived wrong",
          how, k);
  }

  std::uint64_t seed;
  std::vector<Model> types;
  std::vector<Elements> buffers;
  std::vector<MPI_Request> requests;
};

void send_all(std::uint64_t seed) {
  for (int k = kMessages - 1; k >= 0; --k) {
    const Model model = model_of(k);
    const Elements from(model, 1, seed + static_cast<std::uint64_t>(k));
    must(MPI_Send(from.there(), 1, model.handle, peer, k, MPI_COMM_WORLD), "MPI_Send");
  }
}

void wait_all(Flight& flight) {
  std::vector<MPI_Status> statuses(kMessages);
  must(MPI_Waitall(kMessages, flight.requests.data(), statuses.data()), "MPI_Waitall");
  for (int k = 0; k < kMessages; ++k) {
    flight.check_message(k, statuses[static_cast<std::size_t>(k)], "MPI_Waitall");
  }
}

void wait_all_without_statuses(Flight& flight) {
  must(MPI_Waitall(kMessages, flight.requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  for (int k = 0; k < kMessages; ++k) {
    flight.check_data(k, "MPI_Waitall");
  }
}

void wait_any(Flight& flight) {
  for (int done = 0; done < kMessages; ++done) {
    int k = -1;
    MPI_Status status;
    must(MPI_Waitany(kMessages, flight.requests.data(), &k, &status), "MPI_Waitany");
    flight.check_message(k, status, "MPI_Waitany");
  }
  int k = -1;
  must(MPI_Waitany(kMessages, flight.requests.data(), &k, MPI_STATUS_IGNORE), "MPI_Waitany");
  check(k == MPI_UNDEFINED, "MPI_Waitany of nothing: %d", k);
}

void wait_or_test_some(Flight& flight, bool waits) {
  for (int done = 0; done < kMessages;) {
    int count = 0;
    std::vector<int> which(kMessages);
    std::vector<MPI_Status> statuses(kMessages);
    const auto some = waits ? MPI_Waitsome : MPI_Testsome;
    must(some(kMessages, flight.requests.data(), &count, which.data(), statuses.data()), "some");
    for (int n = 0; n < count; ++n) {
      flight.check_message(which[static_cast<std::size_t>(n)],
                           statuses[static_cast<std::size_t>(n)], "some");
    }
    done += count;
  }
}

void test_all(Flight& flight) {
  std::vector<MPI_Status> statuses(kMessages);
  int flag = 0;
  while (flag == 0) {
    must(MPI_Testall(kMessages, flight.requests.data(), &flag, statuses.data()), "MPI_Testall");
  }
  for (int k = 0; k < kMessages; ++k) {
    flight.check_message(k, statuses[static_cast<std::size_t>(k)], "MPI_Testall");
  }
}

void test_any(Flight& flight) {
  for (int done = 0; done < kMessages;) {
    int k = -1, flag = 0;
    MPI_Status status;
    must(MPI_Testany(kMessages, flight.requests.data(), &k, &flag, &status), "MPI_Testany");
    if (flag != 0) {
      flight.check_message(k, status, "MPI_Testany");
      ++done;
    }
  }
}

/// Complete and still there: the data are, too; then a completion frees it.
void get_status(Flight& flight) {
  for (int k = 0; k < kMessages; ++k) {
    MPI_Request& request = flight.requests[static_cast<std::size_t>(k)];
    MPI_Status status;
    int flag = 0;
    while (flag == 0) {
      must(MPI_Request_get_status(request, &flag, &status), "MPI_Request_get_status");
    }
    flight.check_message(k, status, "MPI_Request_get_status");
    check(request != MPI_REQUEST_NULL, "MPI_Request_get_status frees");
    must(MPI_Wait(&request, &status), "MPI_Wait");
    flight.check_message(k, status, "MPI_Wait after MPI_Request_get_status");
  }
}

void every_completion() {
  const std::vector<std::function<void(Flight&)>> ways = {
      wait_all,   wait_all_without_statuses,
      wait_any,   [](Flight& f) { wait_or_test_some(f, true); },
      test_all,   test_any,
      get_status, [](Flight& f) { wait_or_test_some(f, false); }};
  for (std::size_t way = 0; way < ways.size(); ++way) {
    const std::uint64_t seed = 1000 * (way + 1);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
      send_all(seed);
      continue;
    }
    Flight flight(seed);
    for (int k = 0; k < kMessages; ++k) {
      const auto at = static_cast<std::size_t>(k);
      must(MPI_Irecv(flight.buffers[at].there(), 1, flight.types[at].handle, peer, k,
                     MPI_COMM_WORLD, &flight.requests[at]),
           "MPI_Irecv");
    }
    ways[way](flight);
    check(std::ranges::all_of(flight.requests, [](MPI_Request r) { return r == MPI_REQUEST_NULL; }),
          "a completed request is not null");
  }
}

/// A datatype may be freed as soon as the call that names it has returned.
void type_freed_in_flight() {
  const Model expected = records(std::min(largest_count, 5000));
  MPI_Request request = MPI_REQUEST_NULL;
  Elements buffer(expected, 1, rank == 0 ? 60 : 61);
  {
    Model model = records(std::min(largest_count, 5000));
    must(rank == 0 ? MPI_Isend(buffer.there(), 1, model.handle, peer, 1, MPI_COMM_WORLD, &request)
                   : MPI_Irecv(buffer.there(), 1, model.handle, peer, 1, MPI_COMM_WORLD, &request),
         "start");
  }
  for (int k = 0; k < 20; ++k) {
    const Model other = strided(k + 2);  // may get the handle of the freed one
    Elements elements(other, 1, 1);
    int position = 0;
    std::vector<std::byte> packed(static_cast<std::size_t>(other.size()));
    must(MPI_Pack(elements.there(), 1, other.handle, packed.data(), static_cast<int>(packed.size()),
                  &position, MPI_COMM_WORLD),
         "MPI_Pack");
    check(packed == elements.packed(other, 1), "a type with a used handle packs wrong");
  }
  must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
  if (rank == 1) {
    check(buffer.back() == arrived(expected, 60, 61), "its type was freed: arrived wrong");
  }
}

void persistent() {
  constexpr int kRounds = 5;
  std::vector<Model> types;
  std::vector<Elements> buffers;
  std::vector<MPI_Request> requests(kMessages, MPI_REQUEST_NULL);
  for (int k = 0; k < kMessages; ++k) {
    types.push_back(model_of(k));
    buffers.emplace_back(types.back(), 1, 0);
  }
  for (int k = 0; k < kMessages; ++k) {
    const auto at = static_cast<std::size_t>(k);
    must(rank == 0 ? MPI_Send_init(buffers[at].there(), 1, types[at].handle, peer, k,
                                   MPI_COMM_WORLD, &requests[at])
                   : MPI_Recv_init(buffers[at].there(), 1, types[at].handle, peer, k,
                                   MPI_COMM_WORLD, &requests[at]),
         "init");
  }
  // An inactive request is complete, and empty.
  must(MPI_Waitall(kMessages, requests.data(), MPI_STATUSES_IGNORE),
       "MPI_Waitall of inactive requests");
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t k = 0; k < kMessages; ++k) {
      const std::vector<std::byte> fresh =
          Elements(types[k], 1, rank == 0 ? 100 * static_cast<std::uint64_t>(round) + k : 7).bytes;
      std::ranges::copy(fresh, buffers[k].bytes.begin());
      buffers[k].renew();
    }
    must(MPI_Startall(kMessages, requests.data()), "MPI_Startall");
    must(MPI_Waitall(kMessages, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    for (std::size_t k = 0; rank == 1 && k < kMessages; ++k) {
      check(buffers[k].back() == arrived(types[k], 100 * static_cast<std::uint64_t>(round) + k, 7),
            "persistent message %zu of round %d", k, round);
    }
  }
  for (MPI_Request& request : requests) {
    check(request != MPI_REQUEST_NULL, "a persistent request is gone");
    must(MPI_Request_free(&request), "MPI_Request_free");
  }
}

/// A receive that nothing comes for: cancelled, its buffer as it was; then its buffer serves the
/// next one.
void cancelled() {
  const Model model = records(40);
  if (rank == 1) {
    Elements to(model, 1, 71);
    const std::vector<std::byte> before = to.bytes;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Status status;
    int flag = 0;
    must(MPI_Irecv(to.there(), 1, model.handle, peer, 900, MPI_COMM_WORLD, &request), "MPI_Irecv");
    must(MPI_Cancel(&request), "MPI_Cancel");
    must(MPI_Wait(&request, &status), "MPI_Wait");
    MPI_Test_cancelled(&status, &flag);
    check(flag != 0 && to.back() == before, "a cancelled receive: flag %d", flag);
    must(MPI_Recv(to.there(), 1, model.handle, peer, 901, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
         "MPI_Recv");
    check(to.back() == arrived(model, 70, 71), "after a cancelled receive");
  } else {
    const Elements from(model, 1, 70);
    must(MPI_Send(from.there(), 1, model.handle, peer, 901, MPI_COMM_WORLD), "MPI_Send");
  }
}

/// Sends that are forgotten still arrive, whatever happens to their buffers' contents afterwards is
/// MPI's business.
void freed_sends() {
  constexpr int kSends = 20;
  const Model model = scattered(9000);
  const Elements from(model, 1, 80);
  for (int k = 0; k < kSends; ++k) {
    if (rank == 0) {
      MPI_Request request = MPI_REQUEST_NULL;
      must(MPI_Isend(from.there(), 1, model.handle, peer, k, MPI_COMM_WORLD, &request),
           "MPI_Isend");
      must(MPI_Request_free(&request), "MPI_Request_free");
      check(request == MPI_REQUEST_NULL, "a freed request is not null");
    } else {
      Elements to(model, 1, 81);
      must(MPI_Recv(to.there(), 1, model.handle, peer, k, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
           "MPI_Recv");
      check(to.back() == arrived(model, 80, 81), "a freed send arrived wrong");
    }
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/// Both ends of a message are requests of one process, completed in one call.
void sends_and_receives_together() {
  const Model model = strided(3000);
  const Elements from(model, 1, 90 + static_cast<std::uint64_t>(rank));
  Elements to(model, 1, 95);
  std::vector<MPI_Request> requests(4, MPI_REQUEST_NULL);
  int number = rank, theirs = -1;
  must(MPI_Irecv(to.there(), 1, model.handle, peer, 1, MPI_COMM_WORLD, &requests[0]), "MPI_Irecv");
  must(MPI_Irecv(&theirs, 1, MPI_INT, peer, 2, MPI_COMM_WORLD, &requests[2]), "MPI_Irecv");
  must(MPI_Isend(from.there(), 1, model.handle, peer, 1, MPI_COMM_WORLD, &requests[1]),
       "MPI_Isend");
  must(MPI_Isend(&number, 1, MPI_INT, peer, 2, MPI_COMM_WORLD, &requests[3]), "MPI_Isend");
  must(MPI_Waitall(4, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  check(theirs == peer && to.back() == arrived(model, 90 + static_cast<std::uint64_t>(peer), 95),
        "together");
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  largest_count = argument(argc, argv, 1, largest_count);
  rank = rank_in(MPI_COMM_WORLD);
  peer = 1 - rank;
  every_completion();
  type_freed_in_flight();
  persistent();
  cancelled();
  freed_sends();
  for (int k = 0; k < 50; ++k) {
    sends_and_receives_together();
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
