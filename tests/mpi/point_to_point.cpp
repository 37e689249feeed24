// What sends and receives of derived types promise: every mode, wildcards, short and too long
// messages, probes, on communicators of every kind. For two ranks or more; the first two work.
// Usage: point_to_point [LARGEST COUNT]
#include <mpi.h>

#include <algorithm>
#include <array>
#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

/// A pair of ranks, as each sees the other.
struct Pair {
  MPI_Comm comm;
  bool sends;
  int peer;
};

int largest_count = 40000;

std::vector<Model> models() {
  std::vector<Model> all;
  for (const int count : {3, 50, 700, 9000}) {
    if (count > largest_count) {
      break;
    }
    all.push_back(strided(count));
    all.push_back(records(count));
    all.push_back(scattered(count));
  }
  return all;
}

using Send = int (*)(const void*, int, MPI_Datatype, int, int, MPI_Comm);
using Isend = int (*)(const void*, int, MPI_Datatype, int, int, MPI_Comm, MPI_Request*);

template <Isend kStart>
int waited(const void* buffer, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  const int code = kStart(buffer, count, type, peer, tag, comm, &request);
  return code != MPI_SUCCESS ? code : MPI_Wait(&request, MPI_STATUS_IGNORE);
}

template <Isend kInit>
int started(const void* buffer, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  int code = kInit(buffer, count, type, peer, tag, comm, &request);
  code = std::max(code, MPI_Start(&request));
  code = std::max(code, MPI_Wait(&request, MPI_STATUS_IGNORE));
  return std::max(code, MPI_Request_free(&request));
}

/// The receive is posted before the send, as ready sends demand.
void in_every_mode(const Pair& pair, const Model& model) {
  constexpr std::array<Send, 12> kSends = {MPI_Send,
                                           MPI_Ssend,
                                           MPI_Bsend,
                                           MPI_Rsend,
                                           waited<MPI_Isend>,
                                           waited<MPI_Issend>,
                                           waited<MPI_Ibsend>,
                                           waited<MPI_Irsend>,
                                           started<MPI_Send_init>,
                                           started<MPI_Ssend_init>,
                                           started<MPI_Bsend_init>,
                                           started<MPI_Rsend_init>};
  for (std::size_t mode = 0; mode < kSends.size(); ++mode) {
    const Elements from(model, 2, mode);
    const int tag = static_cast<int>(mode);
    MPI_Request request = MPI_REQUEST_NULL;
    Elements to(model, 2, 77);
    if (!pair.sends) {
      must(MPI_Irecv(to.there(), 2, model.handle, pair.peer, tag, pair.comm, &request),
           "MPI_Irecv");
      must(MPI_Send(nullptr, 0, MPI_BYTE, pair.peer, 99, pair.comm), "ready");
      MPI_Status status;
      must(MPI_Wait(&request, &status), "MPI_Wait");
      check(status.MPI_SOURCE == pair.peer && status.MPI_TAG == tag, "mode %d: source or tag", tag);
      check_count(status, model.handle, 2, model.text.c_str());
      check(to.back() == image(model, 2, from, 2, 77), "mode %d of %s arrived wrong", tag,
            model.text.c_str());
    } else {
      must(MPI_Recv(nullptr, 0, MPI_BYTE, pair.peer, 99, pair.comm, MPI_STATUS_IGNORE), "ready");
      must(kSends[mode](from.there(), 2, model.handle, pair.peer, tag, pair.comm), "a send");
    }
  }
}

void short_messages(const Pair& pair, const Model& model) {
  const Elements from(model, 5, 3);
  if (pair.sends) {
    must(MPI_Send(from.there(), 2, model.handle, pair.peer, 1, pair.comm), "MPI_Send");
    must(MPI_Send(from.there(), 0, model.handle, pair.peer, 1, pair.comm), "MPI_Send");
    return;
  }
  for (const int came : {2, 0}) {
    Elements to(model, 5, 8);
    MPI_Status status;
    must(MPI_Recv(to.there(), 5, model.handle, pair.peer, 1, pair.comm, &status), "MPI_Recv");
    check_count(status, model.handle, came, "short message");
    check(to.back() == image(model, 5, from, came, 8), "%s: a short message wrote more than came",
          model.text.c_str());
  }
}

/// Seven doubles for a type of two: three and a half.
void half_an_element(const Pair& pair) {
  const Model two = strided(2);
  const Model one = strided(1);
  const std::vector<double> seven = {1, 2, 3, 4, 5, 6, 7};
  if (pair.sends) {
    must(MPI_Send(seven.data(), 7, MPI_DOUBLE, pair.peer, 2, pair.comm), "MPI_Send");
    return;
  }
  std::vector<double> to(40, -1), expected(40, -1);
  for (std::size_t k = 0; k < 7; ++k) {  // elements of extent 24: 0, 16, 24, 40, ...
    expected[k / 2 * 3 + k % 2 * 2] = seven[k];
  }
  MPI_Status status;
  must(MPI_Recv(to.data(), 10, two.handle, pair.peer, 2, pair.comm, &status), "MPI_Recv");
  int count = -1, elements = -1;
  MPI_Get_count(&status, two.handle, &count);
  MPI_Get_elements(&status, two.handle, &elements);
  check(count == MPI_UNDEFINED && elements == 7, "half an element: count %d, elements %d", count,
        elements);
  check(to == expected, "half an element arrived wrong");
}

/// Longer than the receive: the error is the library's, and nothing behind the receive's elements
/// is touched.
void truncated(const Pair& pair, const Model& model) {
  const Elements from(model, 6, 4);
  MPI_Comm_set_errhandler(pair.comm, MPI_ERRORS_RETURN);
  for (const bool waits : {false, true}) {
    if (pair.sends) {
      must(MPI_Send(from.there(), 6, model.handle, pair.peer, 3, pair.comm), "MPI_Send");
      continue;
    }
    Elements to(model, 6, 9);
    const std::vector<std::byte> before = to.bytes;
    MPI_Status status;
    int code = MPI_SUCCESS;
    if (waits) {
      MPI_Request request = MPI_REQUEST_NULL;
      must(MPI_Irecv(to.there(), 2, model.handle, pair.peer, 3, pair.comm, &request), "MPI_Irecv");
      code = MPI_Wait(&request, &status);
    } else {
      code = MPI_Recv(to.there(), 2, model.handle, pair.peer, 3, pair.comm, &status);
    }
    check(error_class(code) == MPI_ERR_TRUNCATE, "%s: too long a message: class %d",
          model.text.c_str(), error_class(code));
    const Elements two(model, 2, 9);
    const auto kept = static_cast<std::ptrdiff_t>(two.bytes.size()) - 64;
    check(std::equal(to.back().begin() + kept, to.back().end(), before.begin() + kept),
          "%s: too long a message wrote behind the receive", model.text.c_str());
  }
}

void out_of_order(const Pair& pair, const Model& model) {
  const Elements first(model, 1, 10), second(model, 1, 11);
  if (pair.sends) {
    std::array<MPI_Request, 2> requests{};
    must(MPI_Isend(first.there(), 1, model.handle, pair.peer, 4, pair.comm, &requests[0]),
         "MPI_Isend");
    must(MPI_Isend(second.there(), 1, model.handle, pair.peer, 5, pair.comm, &requests[1]),
         "MPI_Isend");
    must(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    return;
  }
  Elements to(model, 1, 12);
  MPI_Status status;
  must(MPI_Recv(to.there(), 1, model.handle, MPI_ANY_SOURCE, 5, pair.comm, &status), "MPI_Recv");
  check(status.MPI_SOURCE == pair.peer && to.back() == image(model, 1, second, 1, 12),
        "tag 5 before 4");
  Elements other(model, 1, 13);
  must(MPI_Recv(other.there(), 1, model.handle, MPI_ANY_SOURCE, MPI_ANY_TAG, pair.comm, &status),
       "MPI_Recv");
  check(status.MPI_TAG == 4 && other.back() == image(model, 1, first, 1, 13), "tag 4 after 5");
}

void probed(const Pair& pair, const Model& model) {
  const Elements from(model, 3, 20);
  if (pair.sends) {
    for (int k = 0; k < 3; ++k) {
      must(MPI_Send(from.there(), 3, model.handle, pair.peer, 6, pair.comm), "MPI_Send");
    }
    return;
  }
  for (int way = 0; way < 3; ++way) {
    Elements to(model, 3, 21);
    MPI_Status status;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Request request = MPI_REQUEST_NULL;
    if (way == 0) {
      must(MPI_Probe(MPI_ANY_SOURCE, 6, pair.comm, &status), "MPI_Probe");
      check_count(status, model.handle, 3, "MPI_Probe");
      must(MPI_Recv(to.there(), 3, model.handle, status.MPI_SOURCE, 6, pair.comm, &status),
           "MPI_Recv");
    } else {
      must(MPI_Mprobe(pair.peer, 6, pair.comm, &message, &status), "MPI_Mprobe");
      if (way == 1) {
        must(MPI_Mrecv(to.there(), 3, model.handle, &message, &status), "MPI_Mrecv");
      } else {
        must(MPI_Imrecv(to.there(), 3, model.handle, &message, &request), "MPI_Imrecv");
        must(MPI_Wait(&request, &status), "MPI_Wait");
      }
      check(message == MPI_MESSAGE_NULL, "a received message is not null");
    }
    check_count(status, model.handle, 3, "probed");
    check(to.back() == image(model, 3, from, 3, 21), "%s, probed in way %d, arrived wrong",
          model.text.c_str(), way);
  }
}

void exchanged(const Pair& pair, const Model& model) {
  const Elements mine(model, 2, pair.sends ? 30 : 31), theirs(model, 2, pair.sends ? 31 : 30);
  Elements to(model, 2, 32);
  MPI_Status status;
  must(MPI_Sendrecv(mine.there(), 2, model.handle, pair.peer, 7, to.there(), 2, model.handle,
                    pair.peer, 7, pair.comm, &status),
       "MPI_Sendrecv");
  check_count(status, model.handle, 2, "MPI_Sendrecv");
  check(to.back() == image(model, 2, theirs, 2, 32), "%s: MPI_Sendrecv", model.text.c_str());
  Elements both(model, 2, pair.sends ? 30 : 31);
  must(MPI_Sendrecv_replace(both.there(), 2, model.handle, pair.peer, 8, pair.peer, 8, pair.comm,
                            &status),
       "replace");
  check_count(status, model.handle, 2, "MPI_Sendrecv_replace");
  check(both.back() == image(model, 2, theirs, 2, pair.sends ? 30 : 31), "%s: MPI_Sendrecv_replace",
        model.text.c_str());
}

void to_nobody(const Model& model) {
  Elements elements(model, 2, 40);
  const std::vector<std::byte> before = elements.bytes;
  MPI_Status status;
  must(MPI_Send(elements.there(), 2, model.handle, MPI_PROC_NULL, 1, MPI_COMM_WORLD),
       "MPI_Send to nobody");
  must(MPI_Recv(elements.there(), 2, model.handle, MPI_PROC_NULL, 1, MPI_COMM_WORLD, &status),
       "MPI_Recv from nobody");
  check(status.MPI_SOURCE == MPI_PROC_NULL && elements.back() == before, "a receive from nobody");
  check_count(status, model.handle, 0, "from nobody");
}

void all_on(const Pair& pair) {
  for (const Model& model : models()) {
    in_every_mode(pair, model);
    short_messages(pair, model);
    out_of_order(pair, model);
    probed(pair, model);
    exchanged(pair, model);
    truncated(pair, model);
  }
  half_an_element(pair);
}

/// On a copy, on the two ranks in reverse order, and between two groups of one rank each.
void on_every_communicator() {
  const int rank = rank_in(MPI_COMM_WORLD);
  MPI_Comm copied = MPI_COMM_NULL, reversed = MPI_COMM_NULL, between = MPI_COMM_NULL;
  must(MPI_Comm_dup(MPI_COMM_WORLD, &copied), "MPI_Comm_dup");
  must(MPI_Comm_split(MPI_COMM_WORLD, rank < 2 ? 0 : MPI_UNDEFINED, -rank, &reversed),
       "MPI_Comm_split");
  if (rank < 2) {
    all_on({MPI_COMM_WORLD, rank == 0, 1 - rank});
    all_on({copied, rank == 1, 1 - rank});
    all_on({reversed, rank == 0, rank});
    must(MPI_Intercomm_create(MPI_COMM_SELF, 0, MPI_COMM_WORLD, 1 - rank, 5, &between),
         "MPI_Intercomm_create");
    all_on({between, rank == 0, 0});
    MPI_Comm_free(&between);
    MPI_Comm_free(&reversed);
  }
  MPI_Comm_free(&copied);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  largest_count = argument(argc, argv, 1, largest_count);
  attach_buffer();
  on_every_communicator();
  for (const Model& model : models()) {
    to_nobody(model);
  }
  detach_buffer();
  const int status = worst();
  MPI_Finalize();
  return status;
}
