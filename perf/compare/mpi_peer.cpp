// Times one collective of an MPI library. Compiled once for each library; its launcher starts the
// ranks.
#include <mpi.h>

#include <cstring>

#include "peer.hpp"

namespace {

using compare::Shape;

class MpiControl : public compare::Control {
 public:
  void barrier() override { MPI_Barrier(MPI_COMM_WORLD); }
  double max(double value) override { return combine(value, MPI_MAX); }
  double sum(double value) override { return combine(value, MPI_SUM); }

 private:
  static double combine(double value, MPI_Op op) {
    double result = 0;
    MPI_Allreduce(&value, &result, 1, MPI_DOUBLE, op, MPI_COMM_WORLD);
    return result;
  }
};

/// Hands the call for `shape` to `body`, its kind decided once and not inside the timed loop.
template <class Body>
void with_call(const Shape& shape, float* in, float* out, Body&& body) {
  const int all = static_cast<int>(shape.in_elems), block = static_cast<int>(shape.block_elems);
  const int next = (shape.rank + 1) % shape.ranks,
            previous = (shape.rank + shape.ranks - 1) % shape.ranks;
  const MPI_Comm world = MPI_COMM_WORLD;
  if (shape.collective == "all_reduce")
    body([=] { MPI_Allreduce(in, out, all, MPI_FLOAT, MPI_SUM, world); });
  else if (shape.collective == "reduce_scatter")
    body([=] { MPI_Reduce_scatter_block(in, out, block, MPI_FLOAT, MPI_SUM, world); });
  else if (shape.collective == "all_gather")
    body([=] { MPI_Allgather(in, block, MPI_FLOAT, out, block, MPI_FLOAT, world); });
  else if (shape.collective == "all_to_all")
    body([=] { MPI_Alltoall(in, block, MPI_FLOAT, out, block, MPI_FLOAT, world); });
  else if (shape.collective == "broadcast")
    body([=] { MPI_Bcast(out, all, MPI_FLOAT, 0, world); });
  else
    body([=] {
      MPI_Sendrecv(in, all, MPI_FLOAT, next, 0, out, all, MPI_FLOAT, previous, 0, world,
                   MPI_STATUS_IGNORE);
    });
}

void prepare_output(const Shape& shape, float* in, compare::Buffer& out) {
  out.clear(shape.out_elems);
  if (shape.collective == "broadcast" && shape.rank == 0)  // MPI broadcasts in place
    std::memcpy(out.data(), in, shape.out_elems * sizeof(float));
}

void measure_size(const compare::Options& options, const Shape& shape, std::size_t bytes,
                  compare::Buffer& in, compare::Buffer& out) {
  MpiControl control;
  shape.fill(in.data());
  prepare_output(shape, in.data(), out);
  with_call(shape, in.data(), out.data(), [&](auto call) {
    compare::Row row;
    row.times_us = compare::measure(control, options, call);
    prepare_output(shape, in.data(), out);
    control.barrier();
    call();
    row.wrong =
        static_cast<std::uint64_t>(control.sum(static_cast<double>(shape.wrong(out.data()))));
    if (shape.rank == 0) compare::print_row(options, shape, bytes, row);
  });
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  try {
    const compare::Options options = compare::parse_options(argc, argv);
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const std::size_t largest = *std::max_element(options.sizes.begin(), options.sizes.end());
    compare::Buffer in(largest), out(largest);
    for (const std::size_t bytes : options.sizes)
      measure_size(options, Shape(options.collective, bytes, ranks, rank), bytes, in, out);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mpi_peer: %s\n", error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return 0;
}
