#include "bindings/mpi/types.hpp"

namespace sluice::mpi {

using policy::Call;

std::atomic<std::uint64_t> type_epoch{1};
constinit thread_local CachedType cached_types[kCachedTypes] = {};

namespace {

/// Whether all that a message can be cut into are whole elements: fragments have lengths that 8
/// divides.
bool cut_between_elements(std::int64_t element_bytes) {
  return element_bytes == 1 || element_bytes == 2 || element_bytes == 4 || element_bytes == 8;
}

}  // namespace

TypeInfo* make_type_info(Analysed analysed, bool loses_cut_elements) {
  auto* const made = new TypeInfo;
  made->layout = std::move(analysed.layout);
  if (made->layout != nullptr) {
    made->size = made->layout->size();
    made->extent = made->layout->extent();
    made->is_block = made->layout->contiguous();
    made->block_at = made->layout->true_lower_bound();
  }
  made->element_bytes = analysed.element_bytes;
  policy::choose(made->layout.get(), made->windows);
  made->device_ranges = policy::device_ranges(made->layout.get());
  if (loses_cut_elements && made->layout != nullptr && !made->layout->contiguous() &&
      !cut_between_elements(analysed.element_bytes)) {
    made->always_received = true;
    for (const policy::Call call : {Call::kReceive, Call::kCollective}) {
      policy::Window& window = made->windows[static_cast<int>(call)];
      window = {};
      if (made->size > 0) window.add({1, ~std::uint64_t{0}});
    }
  }
  const policy::Range& self = made->window(Call::kSelf).hull();
  made->sends = made->window(Call::kSend).hull().with(self);
  made->receives = made->window(Call::kReceive).hull().with(self);
  return made;
}

}  // namespace sluice::mpi
