// What an ncclWindow_t points to: memory of every rank, and where this rank reaches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "communicator/peer_memory.hpp"

struct ncclComm;

struct ncclWindow_vidmem {
  static constexpr std::uint64_t kAlive = 0x57444e4957434c53;

  std::uint64_t magic = kAlive;
  ncclComm* owner = nullptr;
  void* buffer = nullptr;
  std::size_t bytes = 0;
  bool on_device = false;                    // memory of a GPU
  std::vector<sluice::HeldWindow> of_ranks;  // empty: see `why_local`
  std::string why_local;                     // why peers cannot reach each other's memory

  ~ncclWindow_vidmem() { magic = 0; }
};
