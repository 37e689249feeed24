// One element of a datatype that is one block with gaps around it, as a plane of a grid is: nothing
// needs to be packed, and the interposer lets the library have the block where it lies. So with
// large planes and little memory all is accelerated all the same, but for sides of collectives with
// several counts. For two ranks. Usage: one_block SIDE
#include <mpi.h>

#include <algorithm>
#include <array>
#include <vector>

#include "check.hpp"

namespace {

using namespace mpi_test;

struct Plane {
  const char* name;
  MPI_Datatype type;
  std::ptrdiff_t offset;  // of its block from the address that a call is given, in doubles
  std::ptrdiff_t doubles;
  std::ptrdiff_t extent;  // in doubles
};

Plane of_grid(int side) {
  const std::array<int, 3> whole = {4, side, side}, part = {1, side, side}, start = {2, 0, 0};
  Plane plane{"plane", MPI_DATATYPE_NULL, 2 * side * side, side * side, 4 * side * side};
  MPI_Type_create_subarray(3, whole.data(), part.data(), start.data(), MPI_ORDER_C, MPI_DOUBLE,
                           &plane.type);
  MPI_Type_commit(&plane.type);
  return plane;
}

/// In front of the address.
Plane before(int side) {
  const int doubles = side * side;
  const MPI_Aint at = -5 * 8;
  Plane plane{"block in front", MPI_DATATYPE_NULL, -5, doubles, 3 * doubles};
  MPI_Datatype block = MPI_DATATYPE_NULL;
  MPI_Type_create_hindexed(1, &doubles, &at, MPI_DOUBLE, &block);
  MPI_Type_create_resized(block, at, plane.extent * 8, &plane.type);
  MPI_Type_free(&block);
  MPI_Type_commit(&plane.type);
  return plane;
}

/// Room for two elements and something around them; every double has a value of its own.
class Buffer {
 public:
  Buffer(const Plane& plane, int seed)
      : plane_(plane), all_(static_cast<std::size_t>(2 * plane.extent + 2 * kAround)) {
    for (std::size_t k = 0; k < all_.size(); ++k) all_[k] = seed * 1e7 + static_cast<double>(k);
  }
  void* user() { return all_.data() + kAround; }
  double* block(std::ptrdiff_t element = 0) {
    return all_.data() + kAround + element * plane_.extent + plane_.offset;
  }
  /// That it is `before` but for the first `doubles` of element `at`, which are at `from`.
  void check_is(Buffer before, const double* from, std::ptrdiff_t doubles, const char* how,
                std::ptrdiff_t at = 0) {
    std::copy_n(from, doubles, before.block(at));
    check(all_ == before.all_, "%s: %s arrived wrong", how, plane_.name);
  }

 private:
  static constexpr std::ptrdiff_t kAround = 8;
  Plane plane_;
  std::vector<double> all_;
};

void blocking(const Plane& plane, int rank) {
  const std::ptrdiff_t few = plane.doubles / 3;
  Buffer from(plane, 1), to(plane, 2);
  if (rank == 0) {
    must(MPI_Send(from.user(), 1, plane.type, 1, 0, MPI_COMM_WORLD), "MPI_Send");
    must(MPI_Ssend(from.block(), static_cast<int>(few), MPI_DOUBLE, 1, 0, MPI_COMM_WORLD), "few");
    return;
  }
  MPI_Status status;
  must(MPI_Recv(to.user(), 1, plane.type, 0, 0, MPI_COMM_WORLD, &status), "MPI_Recv");
  check_count(status, plane.type, 1, "MPI_Recv");
  to.check_is(Buffer(plane, 2), from.block(), plane.doubles, "MPI_Recv");
  to = Buffer(plane, 3);
  must(MPI_Recv(to.user(), 1, plane.type, 0, 0, MPI_COMM_WORLD, &status), "MPI_Recv of few");
  check_count(status, MPI_DOUBLE, static_cast<int>(few), "MPI_Recv of few");
  to.check_is(Buffer(plane, 3), from.block(), few, "MPI_Recv of few");
}

void too_long(const Plane& plane, int rank) {
  Buffer from(plane, 5), to(plane, 6);
  if (rank == 0) {
    must(MPI_Ssend(from.block(), static_cast<int>(plane.doubles + 3), MPI_DOUBLE, 1, 0,
                   MPI_COMM_WORLD),
         "too many");
    return;
  }
  MPI_Status status;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  const int code = MPI_Recv(to.user(), 1, plane.type, 0, 0, MPI_COMM_WORLD, &status);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
  check(error_class(code) == MPI_ERR_TRUNCATE, "%s: too long a message: class %d", plane.name,
        error_class(code));
  // What is in the block may be anything.
  const Buffer block = to;
  to.check_is(Buffer(plane, 6), Buffer(block).block(), plane.doubles, "too long a message");
}

void started(const Plane& plane, int rank) {
  Buffer from(plane, 10 + rank), theirs(plane, 11 - rank), to(plane, 12);
  std::array<MPI_Request, 2> requests{};
  const int peer = 1 - rank;
  must(MPI_Irecv(to.user(), 1, plane.type, peer, 0, MPI_COMM_WORLD, &requests[0]), "MPI_Irecv");
  must(MPI_Isend(from.user(), 1, plane.type, peer, 0, MPI_COMM_WORLD, &requests[1]), "MPI_Isend");
  must(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  to.check_is(Buffer(plane, 12), theirs.block(), plane.doubles, "MPI_Irecv");
  if (rank == 0) {  // few, and to oneself
    must(MPI_Ssend(from.block(), 5, MPI_DOUBLE, peer, 1, MPI_COMM_WORLD), "few");
  } else {
    MPI_Status status;
    int flag = 0;
    to = Buffer(plane, 14);
    must(MPI_Irecv(to.user(), 1, plane.type, peer, 1, MPI_COMM_WORLD, &requests[0]), "MPI_Irecv");
    while (flag == 0)
      must(MPI_Request_get_status(requests[0], &flag, &status), "MPI_Request_get_status");
    check_count(status, MPI_DOUBLE, 5, "MPI_Request_get_status");
    must(MPI_Wait(&requests[0], &status), "MPI_Wait");
    check_count(status, MPI_DOUBLE, 5, "MPI_Wait");
    to.check_is(Buffer(plane, 14), theirs.block(), 5, "MPI_Irecv of few");
  }
  to = Buffer(plane, 15);
  must(MPI_Irecv(to.user(), 1, plane.type, rank, 0, MPI_COMM_WORLD, &requests[0]), "MPI_Irecv");
  must(MPI_Isend(from.user(), 1, plane.type, rank, 0, MPI_COMM_WORLD, &requests[1]), "MPI_Isend");
  must(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  to.check_is(Buffer(plane, 15), from.block(), plane.doubles, "a message to oneself");
  to = Buffer(plane, 13);
  must(MPI_Recv_init(to.user(), 1, plane.type, peer, 0, MPI_COMM_WORLD, &requests[0]), "init");
  must(MPI_Send_init(from.user(), 1, plane.type, peer, 0, MPI_COMM_WORLD, &requests[1]), "init");
  for (int round = 0; round < 2; ++round) {
    *from.block() = *theirs.block() = round;  // what a start sends is what lies there then
    must(MPI_Startall(2, requests.data()), "MPI_Startall");
    must(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    to.check_is(Buffer(plane, 13), theirs.block(), plane.doubles, "MPI_Startall");
  }
  for (MPI_Request& request : requests) must(MPI_Request_free(&request), "MPI_Request_free");
}

void both_at_once(const Plane& plane, int rank) {
  Buffer from(plane, 20 + rank), theirs(plane, 21 - rank), to(plane, 22);
  const int peer = 1 - rank;
  must(MPI_Sendrecv(from.user(), 1, plane.type, peer, 0, to.user(), 1, plane.type, peer, 0,
                    MPI_COMM_WORLD, MPI_STATUS_IGNORE),
       "MPI_Sendrecv");
  to.check_is(Buffer(plane, 22), theirs.block(), plane.doubles, "MPI_Sendrecv");
  const Buffer mine = from;
  must(MPI_Sendrecv_replace(from.user(), 1, plane.type, peer, 0, peer, 0, MPI_COMM_WORLD,
                            MPI_STATUS_IGNORE),
       "MPI_Sendrecv_replace");
  from.check_is(mine, theirs.block(), plane.doubles, "MPI_Sendrecv_replace");
}

void collectives(const Plane& plane, int rank) {
  for (const int root : {0, 1}) {
    Buffer sent(plane, 30 + root), buffer(plane, rank == root ? 30 + root : 32);
    const Buffer before = buffer;
    must(MPI_Bcast(buffer.user(), 1, plane.type, root, MPI_COMM_WORLD), "MPI_Bcast");
    buffer.check_is(before, sent.block(), plane.doubles, "MPI_Bcast");
  }
  // What goes to and from the root's blocks in a row.
  const auto doubles = static_cast<std::size_t>(plane.doubles);
  std::vector<double> all(2 * doubles);
  Buffer one(plane, 40 + rank), first(plane, 40), second(plane, 41), to(plane, 42);
  must(MPI_Gather(one.user(), 1, plane.type, all.data(), static_cast<int>(doubles), MPI_DOUBLE, 0,
                  MPI_COMM_WORLD),
       "MPI_Gather");
  if (rank == 0)
    check(std::equal(first.block(), first.block() + doubles, all.begin()) &&
              std::equal(second.block(), second.block() + doubles, all.data() + doubles),
          "MPI_Gather: %s arrived wrong", plane.name);
  must(MPI_Scatter(all.data(), static_cast<int>(doubles), MPI_DOUBLE, to.user(), 1, plane.type, 0,
                   MPI_COMM_WORLD),
       "MPI_Scatter");
  to.check_is(Buffer(plane, 42), (rank == 0 ? first : second).block(), plane.doubles,
              "MPI_Scatter");
}

/// One element altogether, which lies one further.
void displaced(const Plane& plane, int rank) {
  const std::array<int, 2> counts = {0, 1}, places = {0, 1};
  Buffer from(plane, 51), to(plane, 52);
  must(MPI_Gatherv(from.user(), rank, plane.type, to.user(), counts.data(), places.data(),
                   plane.type, 0, MPI_COMM_WORLD),
       "MPI_Gatherv");
  if (rank == 0) to.check_is(Buffer(plane, 52), from.block(), plane.doubles, "MPI_Gatherv", 1);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int side = argument(argc, argv, 1, 32), rank = rank_in(MPI_COMM_WORLD);
  for (Plane plane : {of_grid(side), before(side)}) {
    blocking(plane, rank);
    too_long(plane, rank);
    started(plane, rank);
    both_at_once(plane, rank);
    collectives(plane, rank);
    displaced(plane, rank);
    MPI_Type_free(&plane.type);
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
