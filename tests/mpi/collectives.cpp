// Collectives with derived types: every root, in place, counts of zero, communicators that are
// copies and parts. For any number of ranks.
#include <mpi.h>

#include <numeric>
#include <vector>

#include "blocks.hpp"
#include "check.hpp"

namespace {

using namespace mpi_test;

using Bytes = std::vector<std::byte>;

int rank = 0, size = 1, largest_count = 12000;
MPI_Comm comm = MPI_COMM_NULL;

/// `expected` has, in block k, what rank k sent to `to`.
void expect(Blocks& expected, int to) {
  for (int k = 0; k < size; ++k) {
    expected.fill(k, seed_of(k, to));
  }
}

void compare(Blocks& got, Blocks& expected, const Model& model, const char* what) {
  check(got.bytes() == expected.bytes(), "%s of %s on %d ranks: wrong", what, model.text.c_str(),
        size);
}

void broadcast(const Model& model) {
  for (int root = 0; root < size; ++root) {
    Blocks got(model, 3), expected(model, 3);
    for (int k = 0; k < 2; ++k) {
      expected.fill(k, seed_of(root, k));
      if (rank == root) {
        got.fill(k, seed_of(root, k));
      }
    }
    must(MPI_Bcast(got.user(), 2, model.handle, root, comm), "MPI_Bcast");
    compare(got, expected, model, "MPI_Bcast");
    must(MPI_Bcast(got.user(), 0, model.handle, root, comm), "MPI_Bcast of nothing");
    compare(got, expected, model, "MPI_Bcast of nothing");
  }
}

std::vector<int> up_to_size() {
  std::vector<int> numbers(static_cast<std::size_t>(size));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

void gather(const Model& model) {
  const std::vector<int> ones(static_cast<std::size_t>(size), 1), places = up_to_size();
  for (int root = 0; root < size; ++root) {
    Blocks mine(model, 1), got(model, size), expected(model, size), in_place(model, size);
    mine.fill(0, seed_of(rank, root));
    in_place.fill(rank, seed_of(rank, root));
    expect(expected, root);
    must(MPI_Gather(mine.user(), 1, model.handle, got.user(), 1, model.handle, root, comm),
         "MPI_Gather");
    Blocks got_v(model, size);
    must(MPI_Gatherv(mine.user(), 1, model.handle, got_v.user(), ones.data(), places.data(),
                     model.handle, root, comm),
         "MPI_Gatherv");
    must(MPI_Gather(rank == root ? MPI_IN_PLACE : mine.user(), 1, model.handle, in_place.user(), 1,
                    model.handle, root, comm),
         "MPI_Gather");
    if (rank == root) {
      compare(got, expected, model, "MPI_Gather");
      compare(got_v, expected, model, "MPI_Gatherv");
      compare(in_place, expected, model, "MPI_Gather in place");
    }
  }
}

void scatter(const Model& model) {
  const std::vector<int> ones(static_cast<std::size_t>(size), 1), places = up_to_size();
  for (int root = 0; root < size; ++root) {
    Blocks all(model, size), expected(model, 1);
    for (int k = 0; k < size; ++k) {
      all.fill(k, seed_of(root, k));
    }
    const Bytes before = all.bytes();
    expected.fill(0, seed_of(root, rank));
    Blocks got(model, 1), got_v(model, 1), in_place(model, 1);
    must(MPI_Scatter(all.user(), 1, model.handle, got.user(), 1, model.handle, root, comm),
         "MPI_Scatter");
    must(MPI_Scatterv(all.user(), ones.data(), places.data(), model.handle, got_v.user(), 1,
                      model.handle, root, comm),
         "MPI_Scatterv");
    must(MPI_Scatter(all.user(), 1, model.handle, rank == root ? MPI_IN_PLACE : in_place.user(), 1,
                     model.handle, root, comm),
         "MPI_Scatter");
    compare(got, expected, model, "MPI_Scatter");
    compare(got_v, expected, model, "MPI_Scatterv");
    if (rank != root) {
      compare(in_place, expected, model, "MPI_Scatter in place");
    }
    check(all.bytes() == before, "MPI_Scatter changed what it sends");
  }
}

void all_gather(const Model& model) {
  const std::vector<int> ones(static_cast<std::size_t>(size), 1), places = up_to_size();
  Blocks mine(model, 1), got(model, size), got_v(model, size), in_place(model, size),
      expected(model, size);
  mine.fill(0, seed_of(rank, 0));
  in_place.fill(rank, seed_of(rank, 0));
  expect(expected, 0);
  must(MPI_Allgather(mine.user(), 1, model.handle, got.user(), 1, model.handle, comm),
       "MPI_Allgather");
  must(MPI_Allgatherv(mine.user(), 1, model.handle, got_v.user(), ones.data(), places.data(),
                      model.handle, comm),
       "MPI_Allgatherv");
  must(MPI_Allgather(MPI_IN_PLACE, 1, model.handle, in_place.user(), 1, model.handle, comm),
       "MPI_Allgather");
  compare(got, expected, model, "MPI_Allgather");
  compare(got_v, expected, model, "MPI_Allgatherv");
  compare(in_place, expected, model, "MPI_Allgather in place");
}

/// The arguments for an element to, or from, each rank.
struct OneForEach {
  std::vector<int> counts, places, bytes;
  std::vector<MPI_Datatype> types;
};
OneForEach one_for_each(const Model& model) {
  OneForEach each{std::vector<int>(static_cast<std::size_t>(size), 1), up_to_size(), up_to_size(),
                  std::vector<MPI_Datatype>(static_cast<std::size_t>(size), model.handle)};
  for (int& place : each.bytes) {
    place *= static_cast<int>(model.extent);
  }
  return each;
}

void all_to_all(const Model& model) {
  const auto [ones, places, bytes, types] = one_for_each(model);
  Blocks all(model, size), expected(model, size), got(model, size), got_v(model, size),
      got_w(model, size);
  for (int k = 0; k < size; ++k) {
    all.fill(k, seed_of(rank, k));
  }
  expect(expected, rank);
  must(MPI_Alltoall(all.user(), 1, model.handle, got.user(), 1, model.handle, comm),
       "MPI_Alltoall");
  must(MPI_Alltoallv(all.user(), ones.data(), places.data(), model.handle, got_v.user(),
                     ones.data(), places.data(), model.handle, comm),
       "MPI_Alltoallv");
  must(MPI_Alltoallw(all.user(), ones.data(), bytes.data(), types.data(), got_w.user(), ones.data(),
                     bytes.data(), types.data(), comm),
       "MPI_Alltoallw");
  compare(got, expected, model, "MPI_Alltoall");
  compare(got_v, expected, model, "MPI_Alltoallv");
  compare(got_w, expected, model, "MPI_Alltoallw");
}

/// What comes takes the place of what goes.
void all_to_all_in_place(const Model& model) {
  const auto [ones, places, bytes, types] = one_for_each(model);
  Blocks all(model, size), all_v(model, size), all_w(model, size), expected(model, size);
  for (Blocks* each : {&all, &all_v, &all_w}) {
    for (int k = 0; k < size; ++k) {
      each->fill(k, seed_of(rank, k));
    }
  }
  expect(expected, rank);
  must(MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all.user(), 1, model.handle, comm),
       "MPI_Alltoall in place");
  must(MPI_Alltoallv(MPI_IN_PLACE, nullptr, nullptr, MPI_DATATYPE_NULL, all_v.user(), ones.data(),
                     places.data(), model.handle, comm),
       "MPI_Alltoallv in place");
  must(MPI_Alltoallw(MPI_IN_PLACE, nullptr, nullptr, nullptr, all_w.user(), ones.data(),
                     bytes.data(), types.data(), comm),
       "MPI_Alltoallw in place");
  compare(all, expected, model, "MPI_Alltoall in place");
  compare(all_v, expected, model, "MPI_Alltoallv in place");
  compare(all_w, expected, model, "MPI_Alltoallw in place");
}

/// Rank k sends to rank j only if j is above k; other counts are zero.
void zero_counts(const Model& model) {
  std::vector<int> send(static_cast<std::size_t>(size)), receive(send);
  for (int k = 0; k < size; ++k) {
    send[static_cast<std::size_t>(k)] = k > rank ? 1 : 0;
    receive[static_cast<std::size_t>(k)] = k < rank ? 1 : 0;
  }
  const std::vector<int> places = up_to_size();
  Blocks all(model, size), expected(model, size), got(model, size);
  for (int k = 0; k < size; ++k) {
    all.fill(k, seed_of(rank, k));
    if (k < rank) {
      expected.fill(k, seed_of(k, rank));
    }
  }
  must(MPI_Alltoallv(all.user(), send.data(), places.data(), model.handle, got.user(),
                     receive.data(), places.data(), model.handle, comm),
       "MPI_Alltoallv");
  compare(got, expected, model, "MPI_Alltoallv with zeros");
  Blocks none(model, size), untouched(model, size);
  must(MPI_Allgather(all.user(), 0, model.handle, none.user(), 0, model.handle, comm),
       "MPI_Allgather of nothing");
  compare(none, untouched, model, "MPI_Allgather of nothing");
}

/// In a ring: from the left in block 0, from the right in block 1.
void neighbours(const Model& model) {
  MPI_Comm ring = MPI_COMM_NULL;
  const int periodic = 1;
  must(MPI_Cart_create(comm, 1, &size, &periodic, 0, &ring), "MPI_Cart_create");
  const std::vector<int> ones = {1, 1}, places = {0, 1};
  const std::vector<MPI_Aint> bytes = {0, static_cast<MPI_Aint>(model.extent)};
  const std::vector<MPI_Datatype> types = {model.handle, model.handle};
  const int left = (rank + size - 1) % size, right = (rank + 1) % size;
  Blocks mine(model, 2), expected(model, 2), got(model, 2), got_v(model, 2), got_w(model, 2);
  mine.fill(0, seed_of(rank, 0));
  mine.fill(1, seed_of(rank, 1));
  expected.fill(0, seed_of(left, 1));
  expected.fill(1, seed_of(right, 0));
  if (size > 2) {  // two neighbours that are one rank: libraries match them differently
    must(MPI_Neighbor_alltoall(mine.user(), 1, model.handle, got.user(), 1, model.handle, ring),
         "neighbours");
    must(MPI_Neighbor_alltoallv(mine.user(), ones.data(), places.data(), model.handle, got_v.user(),
                                ones.data(), places.data(), model.handle, ring),
         "neighbours v");
    must(MPI_Neighbor_alltoallw(mine.user(), ones.data(), bytes.data(), types.data(), got_w.user(),
                                ones.data(), bytes.data(), types.data(), ring),
         "neighbours w");
    compare(got, expected, model, "MPI_Neighbor_alltoall");
    compare(got_v, expected, model, "MPI_Neighbor_alltoallv");
    compare(got_w, expected, model, "MPI_Neighbor_alltoallw");
  }
  MPI_Comm_free(&ring);
}

void all_of(const Model& model) {
  broadcast(model);
  gather(model);
  scatter(model);
  all_gather(model);
  all_to_all(model);
  all_to_all_in_place(model);
  zero_counts(model);
  neighbours(model);
}

void on(MPI_Comm with) {
  comm = with;
  rank = rank_in(with);
  size = size_of(with);
  for (const int count : {3, 50, 900, 12000}) {
    if (count > largest_count) {
      break;
    }
    all_of(strided(count));
    all_of(records(count));
    all_of(scattered(count));
  }
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  largest_count = argument(argc, argv, 1, largest_count);
  on(MPI_COMM_WORLD);
  MPI_Comm copied = MPI_COMM_NULL, part = MPI_COMM_NULL;
  must(MPI_Comm_dup(MPI_COMM_WORLD, &copied), "MPI_Comm_dup");
  on(copied);
  must(MPI_Comm_split(copied, rank % 2, -rank, &part), "MPI_Comm_split");
  on(part);
  MPI_Comm_free(&part);
  MPI_Comm_free(&copied);
  const int status = worst();
  MPI_Finalize();
  return status;
}
