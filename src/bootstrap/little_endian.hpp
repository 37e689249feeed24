// Numbers on the wire: little-endian, whatever the machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::bootstrap {

inline void store_u32(std::byte* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}

inline std::uint32_t load_u32(const std::byte* at) {
  const auto byte = [at](int i) { return std::to_integer<std::uint32_t>(at[i]) << (8 * i); };
  return byte(0) | byte(1) | byte(2) | byte(3);  // one load, as compilers see in this form only
}

inline void store_u64(std::byte* at, std::uint64_t value) {
  store_u32(at, static_cast<std::uint32_t>(value));
  store_u32(at + 4, static_cast<std::uint32_t>(value >> 32));
}

inline std::uint64_t load_u64(const std::byte* at) {
  return load_u32(at) | std::uint64_t{load_u32(at + 4)} << 32;
}

inline void store_u16(std::byte* at, std::uint16_t value) {
  at[0] = static_cast<std::byte>(value);
  at[1] = static_cast<std::byte>(value >> 8);
}

inline std::uint16_t load_u16(const std::byte* at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) |
                                    std::to_integer<unsigned>(at[1]) << 8);
}

}  // namespace sluice::bootstrap
