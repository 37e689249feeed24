// Messages of a rank to itself, in every order and kind, on communicators where it has different
// numbers; and between two groups, where the other's rank of the same number is somebody else.
// MPI_Recv and MPI_Mrecv do not know that they receive from oneself, and MPI_Ssend goes to another:
// so the interposer's report tells one from the other. Usage: oneself [LARGEST COUNT]
#include <mpi.h>

#include <algorithm>
#include <array>
#include <vector>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

constexpr int kTag = 7;
constexpr int kSeedTo = 77;

struct Self {
  MPI_Comm comm;
  int rank;
};

/// That all of `from` is in `to`, and what the status says of it.
void arrived(const Self& self, const Model& model, int count, const Elements& from, Elements& to,
             MPI_Status& status, const char* how, int sent_count = -1) {
  const int came = sent_count < 0 ? count : sent_count;
  check(status.MPI_SOURCE == self.rank && status.MPI_TAG == kTag, "%s: source or tag", how);
  check_count(status, model.handle, came, how);
  check(to.back() == image(model, count, from, came, kSeedTo), "%s: %s arrived wrong", how,
        model.text.c_str());
}

using Start = int (*)(const void*, int, MPI_Datatype, int, int, MPI_Comm, MPI_Request*);

/// Both with requests; the receive first, or the send, whatever its mode.
void both_started(const Self& self, const Model& model) {
  constexpr std::array<Start, 3> kStarts = {MPI_Isend, MPI_Issend, MPI_Ibsend};
  for (std::size_t kind = 0; kind < 2 * kStarts.size(); ++kind) {
    const Elements from(model, 2, kind);
    Elements to(model, 2, kSeedTo);
    std::array<MPI_Request, 2> requests{};
    const bool receive_first = kind % 2 == 0;
    for (const bool receives : {receive_first, !receive_first}) {
      must(receives
               ? MPI_Irecv(to.there(), 2, model.handle, self.rank, kTag, self.comm, &requests[0])
               : kStarts[kind / 2](from.there(), 2, model.handle, self.rank, kTag, self.comm,
                                   &requests[1]),
           receives ? "MPI_Irecv" : "a send");
    }
    std::array<MPI_Status, 2> statuses{};
    must(MPI_Waitall(2, requests.data(), statuses.data()), "MPI_Waitall");
    arrived(self, model, 2, from, to, statuses[0],
            receive_first ? "receive, send" : "send, receive");
  }
}

void receive_then_send(const Self& self, const Model& model) {
  const Elements from(model, 2, 10);
  Elements to(model, 2, kSeedTo);
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Status status;
  must(MPI_Irecv(to.there(), 2, model.handle, self.rank, kTag, self.comm, &request), "MPI_Irecv");
  must(MPI_Send(from.there(), 2, model.handle, self.rank, kTag, self.comm), "MPI_Send");
  must(MPI_Wait(&request, &status), "MPI_Wait");
  arrived(self, model, 2, from, to, status, "MPI_Send");
}

void from_any_source(const Self& self, const Model& model) {
  const Elements from(model, 2, 11);
  Elements to(model, 2, kSeedTo);
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Status status;
  must(MPI_Isend(from.there(), 2, model.handle, self.rank, kTag, self.comm, &request), "MPI_Isend");
  must(MPI_Recv(to.there(), 2, model.handle, MPI_ANY_SOURCE, MPI_ANY_TAG, self.comm, &status),
       "MPI_Recv");
  must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
  arrived(self, model, 2, from, to, status, "from any source");
}

void probed(const Self& self, const Model& model) {
  for (const bool matched : {false, true}) {
    const Elements from(model, 2, 12);
    Elements to(model, 2, kSeedTo);
    MPI_Request request = MPI_REQUEST_NULL, receive = MPI_REQUEST_NULL;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    must(MPI_Isend(from.there(), 2, model.handle, self.rank, kTag, self.comm, &request),
         "MPI_Isend");
    if (matched) {
      must(MPI_Mprobe(self.rank, kTag, self.comm, &message, &status), "MPI_Mprobe");
      check_count(status, model.handle, 2, "MPI_Mprobe");
      must(MPI_Mrecv(to.there(), 2, model.handle, &message, &status), "MPI_Mrecv");
    } else {
      must(MPI_Probe(self.rank, kTag, self.comm, &status), "MPI_Probe");
      check_count(status, model.handle, 2, "MPI_Probe");
      must(MPI_Irecv(to.there(), 2, model.handle, self.rank, kTag, self.comm, &receive),
           "MPI_Irecv");
      must(MPI_Wait(&receive, &status), "MPI_Wait");
    }
    must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
    arrived(self, model, 2, from, to, status, matched ? "matched" : "probed");
  }
}

void exchanged(const Self& self, const Model& model) {
  const Elements from(model, 2, 13);
  Elements to(model, 2, kSeedTo);
  MPI_Status status;
  must(MPI_Sendrecv(from.there(), 2, model.handle, self.rank, kTag, to.there(), 2, model.handle,
                    self.rank, kTag, self.comm, &status),
       "MPI_Sendrecv");
  arrived(self, model, 2, from, to, status, "MPI_Sendrecv");
  Elements both(model, 2, kSeedTo);
  const Elements same(model, 2, kSeedTo);
  must(MPI_Sendrecv_replace(both.there(), 2, model.handle, self.rank, kTag, self.rank, kTag,
                            self.comm, &status),
       "MPI_Sendrecv_replace");
  arrived(self, model, 2, same, both, status, "MPI_Sendrecv_replace");
}

/// What comes is from another send, and what is sent goes to another receive.
void replaced_by_another(const Self& self, const Model& model) {
  const Elements first(model, 2, 14);
  Elements both(model, 2, kSeedTo), last(model, 2, kSeedTo);
  const Elements sent(model, 2, kSeedTo);
  std::array<MPI_Request, 2> requests{};
  MPI_Status status;
  must(MPI_Isend(first.there(), 2, model.handle, self.rank, kTag, self.comm, &requests[0]),
       "MPI_Isend");
  must(MPI_Irecv(last.there(), 2, model.handle, self.rank, kTag + 1, self.comm, &requests[1]),
       "MPI_Irecv");
  must(MPI_Sendrecv_replace(both.there(), 2, model.handle, self.rank, kTag + 1, self.rank, kTag,
                            self.comm, &status),
       "MPI_Sendrecv_replace");
  arrived(self, model, 2, first, both, status, "MPI_Sendrecv_replace of another");
  must(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  check(last.back() == image(model, 2, sent, 2, kSeedTo), "%s: what MPI_Sendrecv_replace sent",
        model.text.c_str());
}

void persistent(const Self& self, const Model& model) {
  Elements from(model, 2, 15);
  Elements to(model, 2, kSeedTo);
  std::array<MPI_Request, 2> requests{};
  must(MPI_Recv_init(to.there(), 2, model.handle, self.rank, kTag, self.comm, &requests[0]),
       "MPI_Recv_init");
  must(MPI_Send_init(from.there(), 2, model.handle, self.rank, kTag, self.comm, &requests[1]),
       "MPI_Send_init");
  for (const std::uint64_t seed : {16, 17}) {
    std::ranges::copy(Elements(model, 2, seed).bytes, from.bytes.begin());
    from.renew();
    std::array<MPI_Status, 2> statuses{};
    must(MPI_Startall(2, requests.data()), "MPI_Startall");
    must(MPI_Waitall(2, requests.data(), statuses.data()), "MPI_Waitall");
    arrived(self, model, 2, from, to, statuses[0], "persistent");
  }
  for (MPI_Request& request : requests) {
    must(MPI_Request_free(&request), "MPI_Request_free");
  }
}

void short_and_long(const Self& self, const Model& model) {
  const Elements from(model, 5, 18);
  for (const int sent : {2, 0, 5}) {
    const bool fits = sent < 5;
#ifdef OPEN_MPI
    if (!fits) continue;  // 4.1.4 writes all of it behind the receive's buffer if there are no gaps
#endif
    const int room = fits ? 3 : 2;
    Elements to(model, 5, kSeedTo);
    const std::vector<std::byte> before = to.bytes;
    std::array<MPI_Request, 2> requests{};
    MPI_Status status;
    must(MPI_Irecv(to.there(), room, model.handle, self.rank, kTag, self.comm, &requests[0]),
         "MPI_Irecv");
    must(MPI_Isend(from.there(), sent, model.handle, self.rank, kTag, self.comm, &requests[1]),
         "MPI_Isend");
    const int code = MPI_Wait(&requests[0], &status);
    MPI_Wait(&requests[1], MPI_STATUS_IGNORE);
    if (fits) {
      must(code, "MPI_Wait");
      arrived(self, model, 5, from, to, status, "a short message", sent);
      continue;
    }
    check(error_class(code) == MPI_ERR_TRUNCATE, "%s: too long a message: class %d",
          model.text.c_str(), error_class(code));
    const auto kept = static_cast<std::ptrdiff_t>(Elements(model, 2, 0).bytes.size()) - 64;
    check(std::equal(to.back().begin() + kept, to.back().end(), before.begin() + kept),
          "%s: too long a message wrote behind the receive", model.text.c_str());
  }
}

/// Doubles with gaps and without, of the same signature.
void other_type(const Self& self, const Model& model) {
  const std::vector<std::byte> plain = Elements(model, 2, 19).packed(model, 2);
  const int doubles = static_cast<int>(plain.size() / sizeof(double));
  const Elements from(model, 2, 19);
  Elements to(model, 2, kSeedTo);
  std::vector<std::byte> received(plain.size());
  std::array<MPI_Request, 2> requests{};
  std::array<MPI_Status, 2> statuses{};
  must(MPI_Irecv(to.there(), 2, model.handle, self.rank, kTag, self.comm, &requests[0]),
       "MPI_Irecv");
  must(MPI_Isend(plain.data(), doubles, MPI_DOUBLE, self.rank, kTag, self.comm, &requests[1]),
       "MPI_Isend");
  must(MPI_Waitall(2, requests.data(), statuses.data()), "MPI_Waitall");
  arrived(self, model, 2, from, to, statuses[0], "from doubles without gaps");
  must(MPI_Irecv(received.data(), doubles, MPI_DOUBLE, self.rank, kTag, self.comm, &requests[0]),
       "MPI_Irecv");
  must(MPI_Isend(from.there(), 2, model.handle, self.rank, kTag, self.comm, &requests[1]),
       "MPI_Isend");
  must(MPI_Waitall(2, requests.data(), statuses.data()), "MPI_Waitall");
  check(received == plain, "to doubles without gaps");
}

void all_on(MPI_Comm comm, int largest_count) {
  const Self self{comm, rank_in(comm)};
  must(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  for (const int count : {3, 50, 700, 9000}) {
    if (count > largest_count) {
      break;
    }
    std::vector<Model> models;
    models.push_back(strided(count));
    models.push_back(records(count));
    models.push_back(scattered(count));
    other_type(self, models[0]);
    for (const Model& model : models) {
      both_started(self, model);
      receive_then_send(self, model);
      from_any_source(self, model);
      probed(self, model);
      exchanged(self, model);
      replaced_by_another(self, model);
      persistent(self, model);
      short_and_long(self, model);
    }
  }
}

/// Each rank is 0 in its own group, and so is the other one in the other.
void between_groups() {
  const int rank = rank_in(MPI_COMM_WORLD);
  MPI_Comm between = MPI_COMM_NULL;
  must(MPI_Intercomm_create(MPI_COMM_SELF, 0, MPI_COMM_WORLD, 1 - rank, 5, &between),
       "MPI_Intercomm_create");
  const Model model = strided(50);
  const Elements mine(model, 2, 20);
  Elements to(model, 2, kSeedTo);
  if (rank == 0) {
    must(MPI_Ssend(mine.there(), 2, model.handle, 0, kTag, between), "MPI_Ssend");
  } else {
    MPI_Status status;
    must(MPI_Recv(to.there(), 2, model.handle, 0, kTag, between, &status), "MPI_Recv");
    arrived({between, 0}, model, 2, mine, to, status, "between groups");
  }
  MPI_Comm_free(&between);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int largest_count = argument(argc, argv, 1, 9000);
  attach_buffer();
  MPI_Comm copied = MPI_COMM_NULL, reversed = MPI_COMM_NULL;
  must(MPI_Comm_dup(MPI_COMM_WORLD, &copied), "MPI_Comm_dup");
  must(MPI_Comm_split(MPI_COMM_WORLD, 0, -rank_in(MPI_COMM_WORLD), &reversed), "MPI_Comm_split");
  must(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  for (MPI_Comm comm : {copied, reversed, MPI_COMM_SELF}) {
    all_on(comm, largest_count);
  }
  between_groups();
  MPI_Comm_free(&copied);
  MPI_Comm_free(&reversed);
  detach_buffer();
  const int status = worst();
  MPI_Finalize();
  return status;
}
