// The communicator: a fixed group of ranks and the collectives among them.
//
// Buffers. Pointers are host memory of any alignment. `count` is in elements. Input and output
// either are the same place (in place, where a call says how) or do not overlap. On an error the
// output is undefined and the input, unless in place, untouched. A call with zero elements succeeds
// and still takes part in the order.
//
// Order. Every rank of a communicator makes the same calls in the same order with the same count,
// type, operator and root; send() and receive() pair up per peer in order. A call that does not fit
// is reported on every rank as kInvalidUsage, naming both calls. A call returns when the rank's
// output is complete and its buffers are its own again; other ranks may still be working.
//
// Threads. One call at a time per communicator (a second one fails with kInvalidUsage); different
// communicators are independent. abort(), error(), rank() and size() may be called from any thread
// at any time.
//
// Errors. After the first error a communicator only returns that error; make a new one. A dead rank
// is reported within two seconds, everything else within Options::timeout. The sentence is in
// last_error().
//
// Results. The same inputs give the same bits on every rank and in every run, whatever the timing;
// float16, bfloat16 and the 8-bit floats are added in float32.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sluice/device.hpp"
#include "sluice/status.hpp"
#include "sluice/types.hpp"
#include "sluice/unique_id.hpp"

namespace sluice {

/// The operator of a reduction, with the scale that ReduceOp::kPreMulSum multiplies this rank's
/// input by.
struct Reduction {
  ReduceOp op = ReduceOp::kSum;
  double scale = 1.0;               // used for floating-point types
  std::uint64_t integer_scale = 1;  // used for integer types, modulo 2^bits
  /// The scale is here instead: one element of the call's type, in memory that the rank's device
  /// reaches, read when the call runs. Of calls on streams only.
  const void* scale_at = nullptr;

  Reduction(ReduceOp reduce_op) : op(reduce_op) {}

  template <class T>
  static Reduction pre_multiplied_sum(T scale) {
    Reduction reduction(ReduceOp::kPreMulSum);
    reduction.scale = static_cast<double>(scale);
    reduction.integer_scale = static_cast<std::uint64_t>(static_cast<std::int64_t>(scale));
    if constexpr (std::is_same_v<T, std::uint64_t>) reduction.integer_scale = scale;
    return reduction;
  }

  static Reduction pre_multiplied_sum_at(const void* scale) {
    Reduction reduction(ReduceOp::kPreMulSum);
    reduction.scale_at = scale;
    return reduction;
  }
};

struct Options {
  /// How long a call waits for its peers before it fails with kTimeout. SLUICE_TIMEOUT_MS
  /// overrides.
  std::chrono::milliseconds timeout{30'000};
  /// "auto", "shm" (staging and mapped buffers between processes), "loopback" (all ranks in one
  /// process) or "tcp" (every rank as if on a host of its own). SLUICE_TRANSPORT overrides.
  std::string transport = "auto";
  /// Ranks that say the same share memory, others meet over the network. Empty: as the operating
  /// system says (host name, boot, network and process name space). SLUICE_HOST overrides.
  std::string host;
  /// "all_reduce:ring,broadcast:tree", or one name for every collective that has it; empty: by
  /// cost. Must be the same on every rank. SLUICE_ALGORITHM overrides.
  std::string algorithm;
  /// Everything that ranks send over the network is encrypted: the rendezvous, and data between
  /// hosts. Must be the same on every rank. SLUICE_ENCRYPT overrides.
  bool encrypt = false;
  /// The GPU of this rank, by the number that it has in this process: then there are collectives on
  /// its memory, too, on(). Several ranks may share one. Either all ranks have one or none. Over
  /// several hosts they go through the hosts. -1: none.
  int device = -1;
  /// false: where the ranks cannot work on their devices together (some have none, a device has no
  /// room), the communicator is made without, and on() says why. Must be the same on every rank.
  bool device_required = true;
  /// Blocks that a collective on the device runs with, at most, all ranks the least that one asks
  /// for. 0: half of what its share of the device holds, and no more than 64.
  int strands = 0;
  /// Bounds of that number, 0: none. A collective takes at least so many blocks, however small it
  /// is, as far as they fit; the greatest that a rank asks for counts.
  int least_strands = 0;
  /// A collective takes no more; the least that a rank asks for counts, and wins over the others.
  int most_strands = 0;
};

class OnStream;

class Communicator {
 public:
  /// Joins the job of `id` as `rank` of `size`. Every rank calls it; it returns when all have
  /// joined. Errors: kInvalidArgument (rank or size), kTimeout (naming who is missing),
  /// kInvalidUsage (a rank taken twice; sizes, versions or encryption
  /// differ), kRemoteError, kSystemError (a device was asked for and there is no driver),
  /// kGpuError.
  static Result<Communicator> create(const UniqueId& id, int rank, int size,
                                     const Options& options = {});

  /// Joins as the launcher's environment says: torchrun, Slurm, Open MPI, MPICH/PMI, or
  /// SLUICE_RANK, SLUICE_SIZE and SLUICE_ROOT by hand. Without any of them: a communicator of one
  /// rank.
  static Result<Communicator> from_environment(const Options& options = {});

  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;
  /// Leaves the job. Not collective; never waits for others.
  ~Communicator();

  int rank() const;
  int size() const;

  /// The collectives on device memory, enqueued on `stream`: sluice/on_stream.hpp. Needs
  /// Options::device; without it each of them fails with kInvalidUsage.
  OnStream on(Stream stream);

  /// One new communicator for each `color`, its ranks ordered by `key`, then by rank here.
  /// Collective. A negative color takes part and gets a communicator without value: test it with
  /// valid().
  Result<Communicator> split(int color, int key);
  /// Likewise; the new ones are made with `options` instead of this one's.
  Result<Communicator> split(int color, int key, const Options& options);
  bool valid() const { return impl_ != nullptr; }

  // ---- collectives; p is size() ----

  /// output[i] = op over ranks of input[i]; both `count` elements. In place: input == output.
  Status all_reduce(const void* input, void* output, std::size_t count, DataType type,
                    const Reduction& reduction);

  /// input: p blocks of `count`; output: `count` elements, the reduction of block rank().
  /// In place: output == input + rank() * count.
  Status reduce_scatter(const void* input, void* output, std::size_t count, DataType type,
                        const Reduction& reduction);

  /// input: `count` elements; output: p blocks of `count` in rank order. In place: input == output
  /// + rank() * count.
  Status all_gather(const void* input, void* output, std::size_t count, DataType type);

  /// root's `count` elements to everybody's output. `input` is read on root only. In place: input
  /// == output.
  Status broadcast(const void* input, void* output, std::size_t count, DataType type, int root);

  /// Like all_reduce, but only root's output is written (elsewhere it may be nullptr).
  Status reduce(const void* input, void* output, std::size_t count, DataType type,
                const Reduction& reduction, int root);

  /// Everybody's `count` elements to root's p blocks. In place on root: input == output + root *
  /// count.
  Status gather(const void* input, void* output, std::size_t count, DataType type, int root);

  /// Block r of root's p blocks of `count` to rank r. In place on root: output == input + root *
  /// count.
  Status scatter(const void* input, void* output, std::size_t count, DataType type, int root);

  /// Block r of the input (p blocks of `count`) to block rank() of rank r's output. Not in place.
  Status all_to_all(const void* input, void* output, std::size_t count, DataType type);

  /// all_gather with counts[r] elements from rank r at output + displacements[r] (elements).
  /// `counts` and `displacements` have p entries and are the same on every rank. `input` has
  /// counts[rank()].
  Status all_gather_v(const void* input, void* output, std::span<const std::size_t> counts,
                      std::span<const std::size_t> displacements, DataType type);

  /// reduce_scatter with counts[r] elements for rank r: input holds the blocks one behind the
  /// other.
  Status reduce_scatter_v(const void* input, void* output, std::span<const std::size_t> counts,
                          DataType type, const Reduction& reduction);

  /// send_counts[r] elements at input + send_displacements[r] go to rank r; receive_counts[r]
  /// elements from rank r land at output + receive_displacements[r]. What r sends here must equal
  /// what is received from r.
  Status all_to_all_v(const void* input, std::span<const std::size_t> send_counts,
                      std::span<const std::size_t> send_displacements, void* output,
                      std::span<const std::size_t> receive_counts,
                      std::span<const std::size_t> receive_displacements, DataType type);

  /// Returns when every rank has called it.
  Status barrier();

  // ---- point to point ----

  /// One half of a message. peer == rank() is allowed: a send to oneself pairs with a receive from
  /// oneself in the same exchange().
  struct Transfer {
    enum class Direction : std::uint8_t { kSend, kReceive } direction;
    int peer;
    const void* source = nullptr;  // kSend
    void* destination = nullptr;   // kReceive
    std::size_t count = 0;
    DataType type = DataType::kUint8;
  };

  /// All transfers at once, progressing together, so no order of calls on the ranks can dead-lock.
  /// Several transfers of one direction with one peer pair in their order. Not a collective: only
  /// the ranks named take part.
  Status exchange(std::span<const Transfer> transfers);

  Status send(const void* source, std::size_t count, DataType type, int peer);
  Status receive(void* destination, std::size_t count, DataType type, int peer);

  // ---- failure ----

  /// Ends every call in flight, here and on the other ranks, with kAborted. Any thread.
  Status abort();
  /// The error that ended this communicator, or ok. Any thread.
  Status error() const;

  /// The algorithm of the catalogue that ran the last call here; for logs and benchmarks.
  std::string_view last_algorithm() const;

  class Impl;  // src/communicator; public in name only, so that the layers above can reach it
  explicit Communicator(std::unique_ptr<Impl> impl);
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// The DataType of a C++ arithmetic type.
template <class T>
constexpr DataType data_type_of() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return DataType::kFloat32;
  else if constexpr (std::is_same_v<U, double>)
    return DataType::kFloat64;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 1)
    return std::is_signed_v<U> ? DataType::kInt8 : DataType::kUint8;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 4)
    return std::is_signed_v<U> ? DataType::kInt32 : DataType::kUint32;
  else {
    static_assert(std::is_integral_v<U> && sizeof(U) == 8, "no Sluice data type for this C++ type");
    return std::is_signed_v<U> ? DataType::kInt64 : DataType::kUint64;
  }
}

}  // namespace sluice
