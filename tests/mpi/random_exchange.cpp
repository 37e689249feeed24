// Two ranks exchange elements of random types, sent and received as the type, as bytes or packed:
// what arrives is what the type map says, gaps untouched, status and counts right. Either rank may
// have the interposer, or none, or both. Usage: random_exchange [SEED [TREES [LARGEST MESSAGE]]]
#include <mpi.h>

#include <algorithm>
#include <cstring>

#include "check.hpp"
#include "model.hpp"

namespace {

using namespace mpi_test;

constexpr int kTag = 17;
std::int64_t largest_bytes = 10 << 20;
constexpr std::int64_t kLargeBytes = 200000;
/// MPICH 4.0.2 says "truncated" when a fragment of a message ends inside an element of a pair type.
constexpr std::int64_t kMaxBytesOfPairs = 2048;

/// Who describes the message by the type; the other side by its bytes.
enum class Typed { kBoth, kSender, kReceiver };

struct Message {
  const Model& model;
  int count;
  std::uint64_t seed;
  Typed typed;
  std::int64_t way;  ///< which call

  std::int64_t bytes() const { return model.size() * count; }
};

void send(const Message& message, Elements& from) {
  std::vector<std::byte> packed = from.packed(message.model, message.count);
  packed.push_back({});
  const bool typed = message.typed != Typed::kReceiver;
  void* const buffer = typed ? from.there() : packed.data();
  const int count = typed ? message.count : static_cast<int>(message.bytes());
  MPI_Datatype const type = typed ? message.model.handle : MPI_PACKED;
  MPI_Request request = MPI_REQUEST_NULL;
  switch (message.way % 4) {
    case 0: must(MPI_Send(buffer, count, type, 1, kTag, MPI_COMM_WORLD), "MPI_Send"); break;
    case 1: must(MPI_Ssend(buffer, count, type, 1, kTag, MPI_COMM_WORLD), "MPI_Ssend"); break;
    case 2:
      must(MPI_Isend(buffer, count, type, 1, kTag, MPI_COMM_WORLD, &request), "MPI_Isend");
      must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
      break;
    default:
      must(MPI_Send_init(buffer, count, type, 1, kTag, MPI_COMM_WORLD, &request), "MPI_Send_init");
      must(MPI_Start(&request), "MPI_Start");
      must(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
      must(MPI_Request_free(&request), "MPI_Request_free");
  }
}

void receive_into(void* buffer, int count, MPI_Datatype type, std::int64_t way,
                  MPI_Status& status) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Message matched = MPI_MESSAGE_NULL;
  int flag = 0;
  switch (way % 5) {
    case 0:
      must(MPI_Recv(buffer, count, type, 0, kTag, MPI_COMM_WORLD, &status), "MPI_Recv");
      break;
    case 1:
      must(MPI_Recv(buffer, count, type, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &status),
           "any");
      break;
    case 2:
      must(MPI_Irecv(buffer, count, type, 0, kTag, MPI_COMM_WORLD, &request), "MPI_Irecv");
      must(MPI_Wait(&request, &status), "MPI_Wait");
      break;
    case 3:
      must(MPI_Irecv(buffer, count, type, MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &request),
           "MPI_Irecv");
      while (flag == 0) {
        must(MPI_Test(&request, &flag, &status), "MPI_Test");
      }
      break;
    default:
      must(MPI_Mprobe(0, kTag, MPI_COMM_WORLD, &matched, MPI_STATUS_IGNORE), "MPI_Mprobe");
      must(MPI_Mrecv(buffer, count, type, &matched, &status), "MPI_Mrecv");
  }
  check(request == MPI_REQUEST_NULL, "a request that is done is not null");
}

void check_status(const Message& message, MPI_Datatype type, MPI_Status& status) {
  int bytes = -1, elements = -1;
  MPI_Get_count(&status, MPI_BYTE, &bytes);
  check(bytes == message.bytes(), "%s: %d bytes by the status, not %lld",
        message.model.text.c_str(), bytes, static_cast<long long>(message.bytes()));
  check(status.MPI_SOURCE == 0 && status.MPI_TAG == kTag, "status of %d, tag %d", status.MPI_SOURCE,
        status.MPI_TAG);
  MPI_Get_count(&status, type, &elements);
  check(message.bytes() == 0 || type == MPI_PACKED || elements == message.count,
        "%s: %d elements, not %d", message.model.text.c_str(), elements, message.count);
}

void receive(const Message& message, const Elements& sent) {
  const std::vector<std::byte> packed = sent.packed(message.model, message.count);
  const bool typed = message.typed != Typed::kSender && !message.model.overlaps(message.count);
  MPI_Status status;
  if (typed) {
    Elements expected(message.model, message.count, ~message.seed),
        to(message.model, message.count, ~message.seed);
    message.model.unpack(packed.data(), message.count, expected.user(), std::ssize(packed));
    receive_into(to.there(), message.count, message.model.handle, message.way, status);
    check_status(message, message.model.handle, status);
    check(to.back() == expected.bytes, "%d of %s arrived wrong", message.count,
          message.model.text.c_str());
  } else {
    std::vector<std::byte> to(packed.size() + 1);
    receive_into(to.data(), static_cast<int>(packed.size()), MPI_PACKED, message.way, status);
    check_status(message, MPI_PACKED, status);
    check(std::equal(packed.begin(), packed.end(), to.begin()), "%d of %s were sent wrong",
          message.count, message.model.text.c_str());
  }
}

void exchange(std::uint64_t seed) {
  Random random(seed);
  const Model model = random_type(random, static_cast<int>(random.between(0, 4)));
  auto count = static_cast<int>(random.between(0, 7));
  const std::int64_t room =
      kLargeBytes / std::max<std::int64_t>({1, model.size(), std::abs(model.extent)});
  if (random.one_in(5) && room > 7) {
    count = static_cast<int>(random.between(7, room));
  }
  if (model.size() * count > largest_bytes ||
      (model.text.find("_int") != std::string::npos && model.size() * count > kMaxBytesOfPairs)) {
    return;
  }
  const auto typed = static_cast<Typed>(random.between(0, 2));
  const Message message{model, count, seed, typed, random.between(0, 19)};
  Elements from(model, count, seed);
  if (rank_in(MPI_COMM_WORLD) == 0) {
    const std::vector<std::byte> before = from.bytes;
    send(message, from);
    check(from.back() == before, "sending changed the buffer");
  } else {
    receive(message, from);
  }
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t trees = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1500;
  largest_bytes = argument(argc, argv, 3, 10 << 20);
  if (size_of(MPI_COMM_WORLD) != 2) {
    std::fprintf(stderr, "random_exchange is for two ranks\n");
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  for (std::uint64_t k = 0; k < trees; ++k) {
    const int before = failures();
    exchange(seed + k);
    if (failures() != before) {
      std::fprintf(stderr, "  with seed %llu\n", static_cast<unsigned long long>(seed + k));
    }
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
