#include "communicator/impl.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "memory/registry.hpp"

namespace sluice {
namespace {

/// Whether `me` reads or writes the buffers of `peer` when the call runs in the users' own buffers.
/// Of the others it must not even open them: they may have returned from the call, freed their
/// buffers and left.
bool reaches(const Call& call, int me, int peer) {
  switch (call.collective) {
    case Collective::kGather:
    case Collective::kScatter: return peer == call.root;
    case Collective::kBroadcast: return peer == call.root || me == call.root;
    default: return true;
  }
}

}  // namespace

Communicator::Impl::Impl() = default;

Communicator::Impl::~Impl() {
  if (bootstrap_ != nullptr) bootstrap_->watch(nullptr);
  if (device_ != nullptr) device_->stop();  // its proxy may be telling this of an error
  device_.reset();
  if (registry_ticket_ != 0) Registry::instance().unsubscribe(registry_ticket_);
  // Who still waits for this rank learns that it will not come (contradicts()).
  if (fabric_.is_set_up()) leave(kLeft);
}

void Communicator::Impl::leave(std::uint64_t how) {
  fabric_.leave(how);
  if (within_.is_set_up()) within_.leave(how);
}

Status Communicator::Impl::run(const Call& call, const HostArithmetic& arithmetic) {
  note(call, epoch_, current_);
  fabric_.begin(current_);
  const std::uint64_t bytes = call.message_bytes();
  const HostEntry* entry;
  if (bytes < selection_.access_matters_from(call.collective)) {
    entry = &selection_.choose(call.collective, bytes, BufferAccess::kNone);
  } else {
    entry = &selection_.choose(call.collective, bytes, agree_on_access(call));
    buffers_shown_ = true;
    if (entry->needs >= Needs::kReach) locate_buffers(call);
  }
  last_algorithm_ = entry->name;
  if (!fabric_.failed()) entry->run(HostThread{}, fabric_, arithmetic, call);
  epoch_ += fabric_.end();
  if (fabric_.failed()) [[unlikely]]
    return failed(describe(current_));
  buffers_shown_ = false;
  return {};
}

void Communicator::Impl::drive(std::span<LinkTransfer> transfers) {
  std::atomic_ref<std::uint64_t> exchanging(header(rank()).lanes[kExchanging].value);
  // A full barrier between this and the look at is_out() before a fetch; pairs with
  // leave_operation().
  exchanging.fetch_add(1);
  LinkStep step;
  sluice::exchange(HostThread{}, fabric_, transfers.data(), transfers.size(), step);
  exchanging.fetch_add(1, std::memory_order_release);
}

Status Communicator::Impl::run_exchange(const Call& call, std::span<LinkTransfer> transfers) {
  note(call, epoch_, current_);
  fabric_.begin(current_);
  for (LinkTransfer& transfer : transfers) transfer.kind = current_.signature;
  last_algorithm_ = "exchange";
  drive(transfers);
  epoch_ += fabric_.end();
  if (fabric_.failed()) return failed(describe(current_), transfers);
  return {};
}

Status Communicator::Impl::exchange(std::span<LinkTransfer> transfers) {
  last_algorithm_ = "exchange";
  drive(transfers);
  if (fabric_.failed()) return failed("a message", transfers);
  return {};
}

ExposedBuffer Communicator::Impl::describe_buffer(const void* buffer, std::uint64_t bytes,
                                                  bool used) const {
  ExposedBuffer exposed{reinterpret_cast<std::uint64_t>(buffer), 0, 0};
  if (!used || bytes == 0) {
    exposed.region = ExposedBuffer::kUnused;
  } else if (!one_process_) {
    if (const auto slice = Registry::instance().find(buffer, bytes)) {
      exposed.region = slice->id;
      exposed.offset = slice->offset;
    }
  }
  return exposed;
}

BufferAccess Communicator::Impl::agree_on_access(const Call& call) {
  fabric_.expose(describe_buffer(call.input, call.input_bytes(rank()), call.has_input(rank())),
                 describe_buffer(call.output, call.output_bytes(rank()), call.has_output(rank())));
  bool inputs = true, outputs = true;
  for (int r = 0; r < size(); ++r) {
    const Exposure* exposure = fabric_.wait_exposed(r);
    if (exposure == nullptr) return BufferAccess::kNone;
    inputs &= exposure->input.region != 0;
    outputs &= exposure->output.region != 0;
    FabricPeer& peer = peers_[static_cast<std::size_t>(r)];
    peer.address[0] = exposure->input.address;
    peer.address[1] = exposure->output.address;
  }
  if (one_process_ || (inputs && outputs)) return BufferAccess::kBuffers;
  if (!attach_everywhere_) return BufferAccess::kNone;
  return inputs ? BufferAccess::kInputs : BufferAccess::kReach;
}

void Communicator::Impl::locate_buffers(const Call& call) {
  for (int r = 0; r < size(); ++r) {
    if (r == rank() || !reaches(call, rank(), r)) continue;
    const Exposure* exposure = fabric_.wait_exposed(r);  // has come already
    FabricPeer& peer = peers_[static_cast<std::size_t>(r)];
    if (exposure == nullptr) return;
    peer_memory_->forget_withdrawn(r, header(r).withdrawn);
    auto input = peer_memory_->locate(r, exposure->input, call.input_bytes(r), deadline());
    auto output = peer_memory_->locate(r, exposure->output, call.output_bytes(r), deadline());
    if (!input.ok() || !output.ok()) {
      const Status status = input.ok() ? output.status() : input.status();
      return record_failure(*waits_, WaitOutcome::kUnreachable, r, 0,
                            static_cast<std::uint64_t>(status.os_error()));
    }
    peer.exposed[0] = input.value();
    peer.exposed[1] = output.value();
  }
}

void Communicator::Impl::note_wait(void* self, const LongWait* wait) {
  const auto& impl = *static_cast<const Impl*>(self);
  if (!impl.fabric_.is_set_up()) return;  // the links are being measured
  WaitNote& note = impl.header(impl.rank()).wait;
  if (wait == nullptr) return clear_wait(note);
  write_wait(note, *wait, impl.place_of(*wait));
}

WordPlace Communicator::Impl::place_of(const LongWait& wait) const {
  WordPlace place;
  const auto look = [&](const FabricPeer& owner, std::uint64_t bytes, std::uint64_t ranks) {
    const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(wait.word) -
                                 reinterpret_cast<std::uintptr_t>(owner.segment);
    if (offset < bytes) place = {.segment_ranks = ranks, .offset = offset};
  };
  const SegmentLayout whole = fabric_.layout(), within{neighbours_.size()};
  for (const FabricPeer& peer : peers_)  // of one across a port only the header is here, as a copy
    look(peer, peer.across ? sizeof(SegmentHeader) : whole.bytes(), whole.ranks);
  for (const FabricPeer& neighbour : neighbours_) look(neighbour, within.bytes(), within.ranks);
  return place;
}

void Communicator::Impl::withdraw(std::uint64_t region_id) {
  const std::lock_guard lock(withdraw_mutex_);
  Withdrawn& withdrawn = header(rank()).withdrawn;
  const std::uint64_t count = port::load_relaxed(&withdrawn.count);
  port::store_relaxed(&withdrawn.ids[count % Withdrawn::kKept], region_id);
  port::store_release(&withdrawn.count, count + 1);  // pairs with forget_withdrawn()
}

Result<Window> Communicator::Impl::allocate(std::uint64_t bytes, const char* label) {
  if (auto* shm = std::get_if<transport::Shm>(&transport_)) return shm->allocate(bytes, label);
  return std::get<transport::Loopback>(transport_).allocate(bytes, label);
}

}  // namespace sluice
