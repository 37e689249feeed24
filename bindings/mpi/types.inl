// Part of types.hpp: what is done once for each datatype.
#pragma once

#include <algorithm>
#include <exception>

namespace sluice::mpi {

template <class A>
const TypeInfo& Types<A>::find_slowly(Handle handle, std::uint64_t epoch) noexcept {
  if (!A::may_be_type(handle)) return none();
  try {
    const std::lock_guard lock(tables().mutex);
    if (const auto found = tables().named.find(key_of(handle)); found != tables().named.end())
      return remember(handle, kForever, *found->second);
    Envelope envelope;
    if (!get_envelope(handle, envelope)) return none();
    if (envelope.combiner == Combiner::kNamed) return remember(handle, kForever, named(handle));
    if (!make_keyval()) return none();
    if (const TypeInfo* const known = attribute(handle); known != nullptr)
      return remember(handle, epoch, *known);
    TypeInfo* const made = make_type_info(derived(handle, envelope, 0), A::kLosesCutElements);
    if (invoke(own().set_attr, handle, tables().keyval, static_cast<void*>(made)) != 0) {
      drop(made);
      return none();
    }
    return remember(handle, epoch, *made);
  } catch (const std::exception&) {
    return none();  // no memory for it
  }
}

/// With the lock.
template <class A>
const TypeInfo& Types<A>::named(Handle handle) {
  const TypeInfo*& known = tables().named[key_of(handle)];
  if (known != nullptr) return *known;
  Aint size = 0, lower_bound = 0, extent = 0;
  const bool asked = invoke(own().size_x, handle, &size) == 0 &&
                     invoke(own().get_extent_x, handle, &lower_bound, &extent) == 0;
  Analysed analysed;
  if (asked && lower_bound == 0)
    analysed = {layout_of_named(size, extent), size == extent ? size : kMixedElements};
  known = make_type_info(std::move(analysed), A::kLosesCutElements);
  return *known;
}

template <class A>
TypeInfo* Types<A>::attribute(Handle handle) {
  void* value = nullptr;
  int has = 0;
  if (invoke(own().get_attr, handle, tables().keyval, static_cast<void*>(&value), &has) != 0 ||
      has == 0)
    return nullptr;
  return static_cast<TypeInfo*>(value);
}

template <class A>
bool Types<A>::make_keyval() {
  if (!tables().has_keyval)
    tables().has_keyval = invoke(own().create_keyval, &copy_attribute, &delete_attribute,
                                 &tables().keyval, static_cast<void*>(nullptr)) == 0;
  return tables().has_keyval;
}

template <class A>
void Types<A>::forget_keyval() {
  const std::lock_guard lock(tables().mutex);
  tables().has_keyval = false;
  tables().twins.clear();
  type_epoch.fetch_add(1, std::memory_order_relaxed);
}

template <class A>
bool Types<A>::get_envelope(Handle handle, Envelope& envelope) {
  int combiner = -1;
  if (own().get_envelope_c != nullptr) {
    if (invoke(own().get_envelope_c, handle, &envelope.integers, &envelope.addresses,
               &envelope.large_counts, &envelope.types, &combiner) != 0)
      return false;
  } else {
    int integers = 0, addresses = 0, types = 0;
    if (invoke(own().get_envelope, handle, &integers, &addresses, &types, &combiner) != 0)
      return false;
    envelope = {integers, addresses, 0, types, Combiner::kUnknown};
  }
  envelope.combiner = A::combiner(combiner);
  return true;
}

/// Of a type inside another. With the lock.
template <class A>
Analysed Types<A>::inner(Handle handle, int depth) {
  if (!A::may_be_type(handle)) return {};
  if (const auto found = tables().named.find(key_of(handle)); found != tables().named.end())
    return found->second->analysed();
  Envelope envelope;
  if (!get_envelope(handle, envelope)) return {};
  if (envelope.combiner == Combiner::kNamed) return named(handle).analysed();
  const TypeInfo* const known = attribute(handle);
  Analysed result = known != nullptr ? known->analysed() : derived(handle, envelope, depth);
  invoke(own().free, &handle);  // get_contents gave a reference of its own
  return result;
}

template <class A>
Analysed Types<A>::derived(Handle handle, const Envelope& envelope, int depth) {
  if (envelope.combiner == Combiner::kUnknown || depth > kMostNested) return {};
  std::vector<int> integers(static_cast<std::size_t>(envelope.integers));
  std::vector<Aint> addresses(static_cast<std::size_t>(envelope.addresses));
  std::vector<Aint> large(static_cast<std::size_t>(envelope.large_counts));
  std::vector<Handle> olds(static_cast<std::size_t>(envelope.types));
  const int failed =
      own().get_contents_c != nullptr
          ? invoke(own().get_contents_c, handle, envelope.integers, envelope.addresses,
                   envelope.large_counts, envelope.types, integers.data(), addresses.data(),
                   large.data(), olds.data())
          : invoke(own().get_contents, handle, static_cast<int>(envelope.integers),
                   static_cast<int>(envelope.addresses), static_cast<int>(envelope.types),
                   integers.data(), addresses.data(), olds.data());
  if (failed != 0) return {};
  Contents contents;
  contents.combiner = envelope.combiner;
  if (invoke(own().get_extent_x, handle, &contents.lower_bound, &contents.extent) != 0) return {};
  contents.olds.reserve(olds.size());
  std::int64_t element_bytes = 0;
  for (std::size_t each = 0; each < olds.size(); ++each) {
    if (each > 0 && A::shows_named(olds[each]) && olds[each] == olds[each - 1]) {
      contents.olds.push_back(contents.olds.back());
      continue;
    }
    Analysed old = inner(olds[each], depth + 1);
    contents.olds.push_back(std::move(old.layout));
    element_bytes = common_element(element_bytes, old.element_bytes);
  }
  place_numbers(integers, std::move(addresses), std::move(large), contents);
  return {with_bounds(layout_of(contents), contents), element_bytes};
}

template <class A>
void Types<A>::place_numbers(const std::vector<int>& integers, std::vector<Aint> addresses,
                             std::vector<Aint> large, Contents& contents) {
  const bool is_subarray = contents.combiner == Combiner::kSubarray;
  if (is_subarray || contents.combiner == Combiner::kDarray) {
    if (integers.empty()) return;
    contents.order =
        integers.back() == A::kOrderC ? datatype::ArrayOrder::kC : datatype::ArrayOrder::kFortran;
    if (!is_subarray) return place_darray(integers, large, contents);
    if (large.empty()) large.assign(integers.begin() + 1, integers.end() - 1);
    contents.numbers = std::move(large);
    return;
  }
  if (!large.empty()) {
    contents.numbers = std::move(large);
    return;
  }
  if (integers.empty()) {
    contents.numbers = std::move(addresses);
    return;
  }
  contents.numbers.reserve(integers.size() + addresses.size());
  contents.numbers.assign(integers.begin(), integers.end());
  contents.numbers.insert(contents.numbers.end(), addresses.begin(), addresses.end());
}

/// Integers: processes, rank, dimensions, (global sizes,) distributions, arguments, processes per
/// dimension, order.
template <class A>
void Types<A>::place_darray(const std::vector<int>& integers, const std::vector<Aint>& large,
                            Contents& contents) {
  if (integers.size() < 4 || integers[2] < 0) return;
  const auto dimensions = static_cast<std::size_t>(integers[2]);
  const std::size_t before = large.empty() ? 3 + dimensions : 3;
  if (integers.size() != before + 3 * dimensions + 1 ||
      (!large.empty() && large.size() != dimensions))
    return;
  contents.processes = integers[0];
  contents.rank = integers[1];
  for (std::size_t each = 0; each < dimensions; ++each) {
    const int distribution = integers[before + each];
    const int argument = integers[before + dimensions + each];
    contents.dimensions.push_back(
        {large.empty() ? integers[3 + each] : large[each],
         distribution == A::kDistributeBlock    ? datatype::Distribution::kBlock
         : distribution == A::kDistributeCyclic ? datatype::Distribution::kCyclic
                                                : datatype::Distribution::kNone,
         argument == A::kDefaultArgument ? datatype::kDefaultArgument : argument,
         integers[before + 2 * dimensions + each]});
  }
}

template <class A>
typename A::Handle Types<A>::twin(std::int64_t size) {
  constexpr std::size_t kMostTwins = 4096;
  const std::lock_guard lock(tables().mutex);
  if (const auto found = tables().twins.find(size); found != tables().twins.end())
    return found->second;
  Handle type = A::datatype_null();
  if (tables().twins.size() >= kMostTwins ||
      invoke(own().contiguous, static_cast<int>(size), A::byte(), &type) != 0 ||
      invoke(own().commit, &type) != 0)
    return A::datatype_null();
  tables().twins.emplace(size, type);
  return type;
}

template <class A>
void Types<A>::free_twins() {
  const std::lock_guard lock(tables().mutex);
  for (auto& [size, type] : tables().twins) invoke(own().free, &type);
  tables().twins.clear();
}

}  // namespace sluice::mpi
