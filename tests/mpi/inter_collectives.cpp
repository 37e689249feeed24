// Collectives between two groups: every call, each rank of either group as root, one type where
// blocks are sent and another where they are received. For two ranks or more.
#include <mpi.h>

#include <array>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "blocks.hpp"
#include "check.hpp"

namespace {

using namespace mpi_test;

#ifdef OPEN_MPI
constexpr bool kOpenMpi = true;
#else
constexpr bool kOpenMpi = false;
#endif

/// As a rank sees them: the lower group has the first ranks of MPI_COMM_WORLD.
struct Groups {
  MPI_Comm comm = MPI_COMM_NULL;
  bool is_lower = false;
  int lower_size = 0;
  int rank = 0, size = 0, others = 0;

  int number(bool lower, int k) const { return lower ? k : lower_size + k; }
  int mine() const { return number(is_lower, rank); }
  int other(int k) const { return number(!is_lower, k); }
};
Groups groups;

/// What a block is where it is sent, and where it is received.
struct Message {
  Model out, in;
  int out_count, in_count;

  Blocks sent(int blocks) const { return Blocks(out, blocks, out_count); }
  Blocks received(int blocks) const { return Blocks(in, blocks, in_count); }
};

template <class Handle>
Handle type_that_is_none() {
  if constexpr (std::is_pointer_v<Handle>) {
    return reinterpret_cast<Handle>(std::uintptr_t{16});
  } else {
    return static_cast<Handle>(0x8c7ffff0);  // by its form a number of a datatype
  }
}

/// One side's arguments: until they are set, what nobody may look at.
struct Side {
  void* user = reinterpret_cast<void*>(std::uintptr_t{24});
  int count = -5;
  MPI_Datatype type = type_that_is_none<MPI_Datatype>();
};
Side sending(const Blocks& blocks, const Message& message) {
  return {blocks.user(), message.out_count, message.out.handle};
}
Side receiving(const Blocks& blocks, const Message& message) {
  return {blocks.user(), message.in_count, message.in.handle};
}

/// This rank's part in a call with a root.
struct Part {
  int root;  ///< the argument
  bool is_root, is_other;
  int number;  ///< the root's

  /// Of a side that does not count. Where a rank takes no part MPICH 4.0.2 looks at types and
  /// counts all the same.
  Side unused(const Model& model) const {
    Side side;
    if (!kOpenMpi && !is_root && !is_other) {
      side.count = 1;
      side.type = model.handle;
    }
    return side;
  }
};

template <class Call>
void for_each_root(const Call& call) {
  for (const bool lower : {true, false}) {
    const bool own = lower == groups.is_lower;
    for (int root = 0; root < (own ? groups.size : groups.others); ++root) {
      const bool is_root = own && root == groups.rank;
      call(Part{is_root ? MPI_ROOT
                : own   ? MPI_PROC_NULL
                        : root,
                is_root, !own, groups.number(lower, root)});
    }
  }
}

void compare(Blocks& got, Blocks& expected, const Message& message, const char* what) {
  check(got.bytes() == expected.bytes(), "%s of %s as %s between %d and %d ranks: wrong", what,
        message.out.text.c_str(), message.in.text.c_str(), groups.size, groups.others);
}

void broadcast(const Message& message) {
  for_each_root([&](const Part& part) {
    Blocks out = message.sent(1), before = message.sent(1);
    Blocks got = message.received(1), expected = message.received(1);
    for (Blocks* each : {&out, &before, &expected}) {
      each->fill(0, seed_of(part.number, 0));
    }
    Side side = part.is_root ? sending(out, message) : receiving(got, message);
    if (!part.is_root && !part.is_other) {
      side.user = Side().user;  // count and type are looked at by Open MPI 4.1.4, too
    }
    must(MPI_Bcast(side.user, side.count, side.type, part.root, groups.comm), "MPI_Bcast");
    compare(out, before, message, "MPI_Bcast at its root");
    if (part.is_other) {
      compare(got, expected, message, "MPI_Bcast");
    }
  });
}

/// The arguments for a block of each rank of the other group, the last rank's first.
struct OneOfEach {
  explicit OneOfEach(const Model& model, int count)
      : counts(static_cast<std::size_t>(groups.others), count),
        places(counts.size()),
        bytes(counts.size()),
        types(counts.size(), model.handle) {
    for (std::size_t k = 0; k < places.size(); ++k) {
      places[k] = place(static_cast<int>(k)) * count;
      bytes[k] = places[k] * static_cast<int>(model.extent);
    }
  }
  static int place(int k) { return groups.others - 1 - k; }

  std::vector<int> counts, places, bytes;
  std::vector<MPI_Datatype> types;
};

/// Blocks with what goes to each of the other group, in order or as OneOfEach has them.
Blocks sent_to_each(const Message& message, bool in_order) {
  Blocks out = message.sent(groups.others);
  for (int k = 0; k < groups.others; ++k) {
    out.fill(in_order ? k : OneOfEach::place(k), seed_of(groups.mine(), groups.other(k)));
  }
  return out;
}
/// The same of what comes from them for `to`.
Blocks received_from_each(const Message& message, bool in_order, int to) {
  Blocks in = message.received(groups.others);
  for (int k = 0; k < groups.others; ++k) {
    in.fill(in_order ? k : OneOfEach::place(k), seed_of(groups.other(k), to));
  }
  return in;
}

void gather(const Message& message) {
  const OneOfEach each(message.in, message.in_count);
  for_each_root([&](const Part& part) {
    Blocks mine = message.sent(1);
    mine.fill(0, seed_of(groups.mine(), part.number));
    Blocks got = message.received(groups.others), got_v = message.received(groups.others);
    const Side out = part.is_other ? sending(mine, message) : part.unused(message.out);
    const Side in = part.is_root ? receiving(got, message) : part.unused(message.in);
    const Side in_v = part.is_root ? receiving(got_v, message) : part.unused(message.in);
    must(MPI_Gather(out.user, out.count, out.type, in.user, in.count, in.type, part.root,
                    groups.comm),
         "MPI_Gather");
    must(MPI_Gatherv(
             out.user, out.count, out.type, in_v.user, part.is_root ? each.counts.data() : nullptr,
             part.is_root ? each.places.data() : nullptr, in_v.type, part.root, groups.comm),
         "MPI_Gatherv");
    if (part.is_root) {
      Blocks expected = received_from_each(message, true, part.number);
      Blocks expected_v = received_from_each(message, false, part.number);
      compare(got, expected, message, "MPI_Gather");
      compare(got_v, expected_v, message, "MPI_Gatherv");
    }
  });
}

void scatter(const Message& message) {
  const OneOfEach each(message.out, message.out_count);
  // Open MPI 4.1.4 receives as many elements of the receiver's type as were sent of the root's.
  const bool has_v = !kOpenMpi || message.out_count == message.in_count;
  for_each_root([&](const Part& part) {
    const Blocks all = sent_to_each(message, true), all_v = sent_to_each(message, false);
    Blocks got = message.received(1), got_v = message.received(1), expected = message.received(1);
    expected.fill(0, seed_of(part.number, groups.mine()));
    const Side out = part.is_root ? sending(all, message) : part.unused(message.out);
    const Side out_v = part.is_root ? sending(all_v, message) : part.unused(message.out);
    const Side in = part.is_other ? receiving(got, message) : part.unused(message.in);
    const Side in_v = part.is_other ? receiving(got_v, message) : part.unused(message.in);
    must(MPI_Scatter(out.user, out.count, out.type, in.user, in.count, in.type, part.root,
                     groups.comm),
         "MPI_Scatter");
    if (has_v) {
      must(MPI_Scatterv(out_v.user, part.is_root ? each.counts.data() : nullptr,
                        part.is_root ? each.places.data() : nullptr, out_v.type, in_v.user,
                        in_v.count, in_v.type, part.root, groups.comm),
           "MPI_Scatterv");
    }
    if (part.is_other) {
      compare(got, expected, message, "MPI_Scatter");
    }
    if (part.is_other && has_v) {
      compare(got_v, expected, message, "MPI_Scatterv");
    }
  });
}

void all_gather(const Message& message) {
  const OneOfEach each(message.in, message.in_count);
  Blocks mine = message.sent(1);
  mine.fill(0, seed_of(groups.mine(), 0));
  Blocks got = message.received(groups.others), got_v = message.received(groups.others);
  Blocks expected = received_from_each(message, true, 0);
  Blocks expected_v = received_from_each(message, false, 0);
  const Side out = sending(mine, message), in = receiving(got, message);
  must(MPI_Allgather(out.user, out.count, out.type, in.user, in.count, in.type, groups.comm),
       "MPI_Allgather");
  must(MPI_Allgatherv(out.user, out.count, out.type, got_v.user(), each.counts.data(),
                      each.places.data(), in.type, groups.comm),
       "MPI_Allgatherv");
  compare(got, expected, message, "MPI_Allgather");
  compare(got_v, expected_v, message, "MPI_Allgatherv");
}

void all_to_all(const Message& message) {
  const Blocks all = sent_to_each(message, true);
  Blocks got = message.received(groups.others);
  Blocks expected = received_from_each(message, true, groups.mine());
  const Side out = sending(all, message), in = receiving(got, message);
  must(MPI_Alltoall(out.user, out.count, out.type, in.user, in.count, in.type, groups.comm),
       "MPI_Alltoall");
  compare(got, expected, message, "MPI_Alltoall");
}

/// To all, or only between ranks whose numbers have an odd sum: other counts are zero.
void all_to_all_v(const Message& message, bool to_all) {
  OneOfEach out(message.out, message.out_count), in(message.in, message.in_count);
  const Blocks all = sent_to_each(message, false);
  Blocks got = message.received(groups.others), got_w = message.received(groups.others);
  Blocks expected = message.received(groups.others);
  for (int k = 0; k < groups.others; ++k) {
    if (to_all || (groups.mine() + groups.other(k)) % 2 != 0) {
      expected.fill(OneOfEach::place(k), seed_of(groups.other(k), groups.mine()));
    } else {
      out.counts[static_cast<std::size_t>(k)] = in.counts[static_cast<std::size_t>(k)] = 0;
    }
  }
  must(
      MPI_Alltoallv(all.user(), out.counts.data(), out.places.data(), message.out.handle,
                    got.user(), in.counts.data(), in.places.data(), message.in.handle, groups.comm),
      "MPI_Alltoallv");
  must(MPI_Alltoallw(all.user(), out.counts.data(), out.bytes.data(), out.types.data(),
                     got_w.user(), in.counts.data(), in.bytes.data(), in.types.data(), groups.comm),
       "MPI_Alltoallw");
  compare(got, expected, message, "MPI_Alltoallv");
  compare(got_w, expected, message, "MPI_Alltoallw");
}

Model committed(Model model, MPI_Datatype element, std::int64_t extent) {
  must(MPI_Type_create_resized(element, 0, extent, &model.handle), "MPI_Type_create_resized");
  must(MPI_Type_commit(&model.handle), "MPI_Type_commit");
  MPI_Type_free(&element);
  model.extent = extent;
  return model;
}

/// `count` doubles, each `stride` of them behind the one before; no gaps if it is 1.
Model doubles(int count, int stride) {
  Model model;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  must(MPI_Type_vector(count, 1, stride, MPI_DOUBLE, &type), "MPI_Type_vector");
  for (int k = 0; k < count; ++k) {
    model.blocks.push_back({std::int64_t{8} * stride * k, 8});
  }
  model.text = "doubles at stride " + std::to_string(stride);
  return committed(std::move(model), type, std::int64_t{8} * stride * count);
}

/// What records() has, an int, a double and three characters, further apart.
Model wide_records(int count) {
  constexpr std::int64_t kBytes = 48;
  const std::array<int, 3> lengths = {1, 1, 3};
  const std::array<MPI_Aint, 3> places = {4, 16, 33};
  const std::array<MPI_Datatype, 3> types = {MPI_INT, MPI_DOUBLE, MPI_CHAR};
  Model model;
  MPI_Datatype one = MPI_DATATYPE_NULL, sized = MPI_DATATYPE_NULL, all = MPI_DATATYPE_NULL;
  must(MPI_Type_create_struct(3, lengths.data(), places.data(), types.data(), &one), "struct");
  must(MPI_Type_create_resized(one, 0, kBytes, &sized), "resized");
  must(MPI_Type_contiguous(count, sized, &all), "contiguous");
  MPI_Type_free(&one);
  MPI_Type_free(&sized);
  for (int k = 0; k < count; ++k) {
    const std::int64_t at = k * kBytes;
    model.blocks.insert(model.blocks.end(),
                        {{at + places[0], 4}, {at + places[1], 8}, {at + places[2], 3}});
  }
  model.text = "wide records";
  return committed(std::move(model), all, count * kBytes);
}

void all_of(const Message& message) {
  broadcast(message);
  gather(message);
  scatter(message);
  all_gather(message);
  all_to_all(message);
  all_to_all_v(message, true);
  all_to_all_v(message, false);
}

/// The lower group has the first `lower` ranks.
void between(int lower, int largest_count) {
  const int rank = rank_in(MPI_COMM_WORLD), size = size_of(MPI_COMM_WORLD);
  const bool is_lower = rank < lower;
  MPI_Comm own = MPI_COMM_NULL;
  must(MPI_Comm_split(MPI_COMM_WORLD, is_lower ? 0 : 1, rank, &own), "MPI_Comm_split");
  groups = {MPI_COMM_NULL,
            is_lower,
            lower,
            is_lower ? rank : rank - lower,
            is_lower ? lower : size - lower,
            is_lower ? size - lower : lower};
  must(MPI_Intercomm_create(own, 0, MPI_COMM_WORLD, is_lower ? lower : 0, 3, &groups.comm),
       "MPI_Intercomm_create");
  for (const int count : {3, 50, 900, 12000}) {
    if (count > largest_count) {
      break;
    }
    all_of({doubles(2 * count, 2), doubles(count, 3), 1, 2});
    all_of({doubles(count, 1), doubles(3 * count, 2), 3, 1});
    all_of({doubles(count, 5), doubles(count, 1), 2, 2});
    all_of({records(count), wide_records(count), 1, 1});
    all_of({wide_records(count), records(2 * count), 2, 1});
  }
  MPI_Comm_free(&groups.comm);
  MPI_Comm_free(&own);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int largest_count = argument(argc, argv, 1, 12000);
  const int size = size_of(MPI_COMM_WORLD);
  between(size / 2, largest_count);
  if (size > 3) {
    between(1, largest_count);
  }
  const int status = worst();
  MPI_Finalize();
  return status;
}
