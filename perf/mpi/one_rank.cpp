#include <array>
#include <cstring>

#include "measures.hpp"

namespace mpi_perf {

void measure_packing(const Setting& setting, const Case& each) {
  const bool pack = setting.options.what == "pack";
  std::vector<std::byte> user = filled(each.span_bytes), packed = filled(each.bytes),
                         other = packed;
  const auto call = [&](const Calls& calls) {
    return [&each, &user, &packed, calls, pack] {
      int position = 0;
      const int bytes = static_cast<int>(each.bytes);
      if (pack) {
        calls.pack(user.data(), each.count, each.type, packed.data(), bytes, &position,
                   MPI_COMM_WORLD);
      } else {
        calls.unpack(packed.data(), bytes, &position, user.data(), each.count, each.type,
                     MPI_COMM_WORLD);
      }
    };
  };
  const std::vector<Method> methods = {
      {"memcpy",
       [&] { std::memcpy(other.data(), packed.data(), static_cast<std::size_t>(each.bytes)); }},
      {"hand", [&] { (pack ? each.pack : each.unpack)(user.data(), packed.data()); }},
      {"library", call(setting.own)},
      {"sluice", call(kSeen)}};
  print_row(setting.options, each.name, each.bytes, methods,
            interleaved(methods, setting.options.samples));
}

void measure_calls(const Setting& setting) {
  MPI_Datatype strided = MPI_DATATYPE_NULL;
  MPI_Type_vector(4, 1, 2, MPI_DOUBLE, &strided);
  MPI_Type_commit(&strided);
  std::array<double, 16> buffer{};
  const auto row = [&](const char* name, const std::function<void(const Calls&)>& call) {
    const std::vector<Method> methods = {{"library", [&] { call(setting.own); }},
                                         {"sluice", [&] { call(kSeen); }}};
    print_row(setting.options, name, 0, methods, interleaved(methods, setting.options.samples * 4));
  };
  constexpr int kCalls = 100;  // in one, so that the clock and std::function do not count
  row("100 sends of contiguous doubles to nobody", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      calls.send(buffer.data(), 4, MPI_DOUBLE, MPI_PROC_NULL, 1, MPI_COMM_WORLD);
    }
  });
  row("100 sends of a derived type to nobody", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      calls.send(buffer.data(), 1, strided, MPI_PROC_NULL, 1, MPI_COMM_WORLD);
    }
  });
  row("100 receives of contiguous doubles from nobody", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      calls.receive(buffer.data(), 4, MPI_DOUBLE, MPI_PROC_NULL, 1, MPI_COMM_WORLD,
                    MPI_STATUS_IGNORE);
    }
  });
  row("100 tests of a null request", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      MPI_Request request = MPI_REQUEST_NULL;
      int flag = 0;
      calls.test(&request, &flag, MPI_STATUS_IGNORE);
    }
  });
  row("100 waits for four null requests", [&](const Calls& calls) {
    for (int k = 0; k < kCalls; ++k) {
      std::array<MPI_Request, 4> requests;
      requests.fill(MPI_REQUEST_NULL);
      calls.wait_all(4, requests.data(), MPI_STATUSES_IGNORE);
    }
  });
  MPI_Type_free(&strided);
}

void pack_once(const Case& each) {
  std::vector<std::byte> user = filled(each.span_bytes), packed = filled(each.bytes);
  int position = 0;
  MPI_Pack(user.data(), each.count, each.type, packed.data(), static_cast<int>(each.bytes),
           &position, MPI_COMM_WORLD);
}

}  // namespace mpi_perf
