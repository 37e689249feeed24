#include <array>

#include "measures.hpp"

namespace mpi_perf {
namespace {

/// Which functions each side of a message uses.
struct Sides {
  const char* name;
  const Calls* send;
  const Calls* receive;
};

std::vector<Sides> sides_of(const Setting& setting) {
  const Calls& own = setting.own;
  std::vector<Sides> all = {{"sluice", &kSeen, &kSeen}};
  if (setting.own_can) {
    all.insert(all.begin(), {"library", &own, &own});
  }
  if (setting.options.mixed) {
    all.push_back({"sluice sends", &kSeen, &own});
    all.push_back({"sluice receives", &own, &kSeen});
  }
  return all;
}

void print_half(const Setting& setting, const Case& each, const std::vector<Method>& methods) {
  const std::vector<double> times = interleaved_ranks(methods, setting.options.samples);
  if (setting.rank == 0) {
    print_row(setting.options, each.name, each.bytes, methods, times, 0.5);
  }
}

struct HaloCase {
  const char* name;
  int n, halo, neighbours;
  bool split_z;  ///< the ranks are neighbours in z, else in x; in the other directions each is its
                 ///< own neighbour
};

void measure_halo(const Setting& setting, const HaloCase& halo) {
  const std::vector<HaloTypes> types = halo_types(halo.n, halo.halo, halo.neighbours);
  const std::int64_t side = halo.n + 2 * halo.halo;
  std::vector<std::byte> box = filled(side * side * side * 8);
  std::vector<MPI_Request> requests(types.size() * 2);
  std::int64_t bytes = 0;
  for (const HaloTypes& type : types) {
    int size = 0;
    MPI_Type_size(type.send, &size);
    bytes += size;
  }
  std::vector<Method> methods;
  for (const Sides& sides : sides_of(setting)) {
    methods.push_back({sides.name, [&, sides, rank = setting.rank] {
                         for (std::size_t k = 0; k < types.size(); ++k) {
                           const bool other = (halo.split_z ? types[k].z : types[k].x) != 0;
                           const int peer = other ? 1 - rank : rank, tag = static_cast<int>(k);
                           sides.receive->start_receive(box.data(), 1, types[k].receive, peer, tag,
                                                        MPI_COMM_WORLD, &requests[2 * k]);
                           sides.send->start_send(box.data(), 1, types[k].send, peer, tag,
                                                  MPI_COMM_WORLD, &requests[2 * k + 1]);
                         }
                         sides.receive->wait_all(static_cast<int>(requests.size()), requests.data(),
                                                 MPI_STATUSES_IGNORE);
                       }});
  }
  const std::vector<double> times = interleaved_ranks(methods, setting.options.samples);
  if (setting.rank == 0) {
    print_row(setting.options, halo.name, bytes, methods, times);
  }
  for (HaloTypes type : types) {
    MPI_Type_free(&type.send);
    MPI_Type_free(&type.receive);
  }
}

constexpr std::array<HaloCase, 9> kHaloCases = {{{"32^3 h1 6 (z)", 32, 1, 6, true},
                                                 {"64^3 h1 6 (z)", 64, 1, 6, true},
                                                 {"64^3 h1 6 (x)", 64, 1, 6, false},
                                                 {"64^3 h3 26 (z)", 64, 3, 26, true},
                                                 {"128^3 h1 6 (z)", 128, 1, 6, true},
                                                 {"128^3 h3 26 (z)", 128, 3, 26, true},
                                                 {"256^3 h1 6 (x)", 256, 1, 6, false},
                                                 {"256^3 h3 26 (z)", 256, 3, 26, true},
                                                 {"256^3 h3 26 (x)", 256, 3, 26, false}}};

}  // namespace

void measure_messages(const Setting& setting, const Case& each) {
  const UserMemory user(setting, each.span_bytes);
  std::vector<Method> methods;
  for (const Sides& sides : sides_of(setting)) {
    methods.push_back({sides.name, [&each, at = user.data(), sides, rank = setting.rank] {
                         if (rank == 0) {
                           sides.send->send(at, each.count, each.type, 1, 1, MPI_COMM_WORLD);
                         }
                         sides.receive->receive(at, each.count, each.type, 1 - rank, 1,
                                                MPI_COMM_WORLD, MPI_STATUS_IGNORE);
                         if (rank == 1) {
                           sides.send->send(at, each.count, each.type, 0, 1, MPI_COMM_WORLD);
                         }
                       }});
  }
  print_half(setting, each, methods);
}

void measure_exchanges(const Setting& setting, const Case& each) {
  constexpr std::size_t kMessages = 2;
  const UserMemory out(setting, each.span_bytes);
  const std::array<UserMemory, kMessages> in = {UserMemory(setting, each.span_bytes),
                                                UserMemory(setting, each.span_bytes)};
  std::array<MPI_Request, 2 * kMessages> requests{};
  std::vector<Method> methods;
  for (const Sides& sides : sides_of(setting)) {
    // What either side has started is the interposer's to complete.
    const Calls* const waits = sides.send == &kSeen ? sides.send : sides.receive;
    methods.push_back(
        {sides.name, [&, sides, waits, peer = 1 - setting.rank] {
           for (std::size_t k = 0; k < kMessages; ++k) {
             sides.receive->start_receive(in[k].data(), each.count, each.type, peer,
                                          static_cast<int>(k), MPI_COMM_WORLD, &requests[k]);
           }
           for (std::size_t k = 0; k < kMessages; ++k) {
             sides.send->start_send(out.data(), each.count, each.type, peer, static_cast<int>(k),
                                    MPI_COMM_WORLD, &requests[kMessages + k]);
           }
           waits->wait_all(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
         }});
  }
  print_half(setting, each, methods);
}

void measure_self(const Setting& setting, const Case& each) {
  constexpr std::size_t kMessages = 4;
  const std::vector<std::byte> from = filled(each.span_bytes);
  std::array<std::vector<std::byte>, kMessages> to;
  to.fill(from);
  const auto messages = [&](const Calls& calls) {
    return [&each, &from, &to, calls, self = setting.rank] {
      std::array<MPI_Request, 2 * kMessages> requests;
      for (std::size_t k = 0; k < kMessages; ++k) {
        const int tag = static_cast<int>(k);
        calls.start_receive(to[k].data(), each.count, each.type, self, tag, MPI_COMM_WORLD,
                            &requests[2 * k]);
        calls.start_send(from.data(), each.count, each.type, self, tag, MPI_COMM_WORLD,
                         &requests[2 * k + 1]);
      }
      calls.wait_all(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
    };
  };
  const std::vector<Method> methods = {{"library", messages(setting.own)},
                                       {"sluice", messages(kSeen)}};
  const std::vector<double> times = interleaved_ranks(methods, setting.options.samples);
  if (setting.rank == 0) {
    print_row(setting.options, each.name, each.bytes, methods, times, 1.0 / kMessages);
  }
}

void measure_broadcasts(const Setting& setting, const Case& each) {
  const UserMemory user(setting, each.span_bytes);
  std::vector<Method> methods;
  for (const Sides& sides : sides_of(setting)) {
    methods.push_back({sides.name, [&each, at = user.data(), calls = sides.send] {
                         for (const int root : {0, 1}) {
                           calls->broadcast(at, each.count, each.type, root, MPI_COMM_WORLD);
                         }
                       }});
  }
  print_half(setting, each, methods);
}

void measure_halos(const Setting& setting) {
  for (const HaloCase& halo : kHaloCases) {
    if (setting.options.chooses(halo.name)) {
      measure_halo(setting, halo);
    }
  }
}

}  // namespace mpi_perf
