#include "bindings/mpi/types.hpp"

namespace sluice::mpi {

std::atomic<std::uint64_t> type_epoch{1};
constinit thread_local CachedType cached_types[kCachedTypes] = {};

TypeInfo* make_type_info(datatype::LayoutPtr layout) {
  auto* const made = new TypeInfo;
  made->layout = std::move(layout);
  if (made->layout != nullptr) {
    made->size = made->layout->size();
    made->extent = made->layout->extent();
  }
  policy::choose(made->layout.get(), made->windows);
  return made;
}

}  // namespace sluice::mpi
