// Ranks as a grid: split() makes a communicator of each row and one of each column. Rank r stands
// in row r / 2, column r % 2; a rank's number in its row is its column, because that is the key it
// gives.
#include <sluice/sluice.hpp>

#include <cstdio>

namespace {

constexpr int kColumns = 2;

/// The sum of `value` over a communicator; -1 after an error.
int sum_over(sluice::Communicator& ranks, int value) {
  int sum = 0;
  const auto status =
      ranks.all_reduce(&value, &sum, 1, sluice::DataType::kInt32, sluice::ReduceOp::kSum);
  return status.ok() ? sum : -1;
}

}  // namespace

int main() {
  auto world = sluice::Communicator::from_environment();
  if (!world.ok()) return 1;
  if (world->size() % kColumns != 0) {
    std::fprintf(stderr, "start an even number of ranks: examples/run_ranks 4 PROGRAM\n");
    return 1;
  }
  const int rank = world->rank(), rows = world->size() / kColumns;
  const int row = rank / kColumns, column = rank % kColumns;

  auto along_row =
      world->split(row, column);  // collective: everybody calls both, in the same order
  if (!along_row.ok()) return 1;
  auto along_column = world->split(column, row);
  if (!along_column.ok()) return 1;
  if (along_row->rank() != column || along_row->size() != kColumns) return 1;
  if (along_column->rank() != row || along_column->size() != rows) return 1;

  const int row_sum = sum_over(along_row.value(), rank);
  const int column_sum = sum_over(along_column.value(), rank);
  const int expected_row = kColumns * row * kColumns + kColumns * (kColumns - 1) / 2;
  const int expected_column = rows * column + kColumns * rows * (rows - 1) / 2;
  std::printf("rank %d: row %d sums to %d, column %d to %d\n", rank, row, row_sum, column,
              column_sum);
  return row_sum == expected_row && column_sum == expected_column ? 0 : 1;
}
