// device.hpp in a build without a GPU toolkit: there are no devices.
#include "base/error.hpp"
#include "device/device.hpp"
#include "device/shareable.hpp"

namespace sluice::device {
namespace {

Status none() {
  return fail(Errc::kSystemError, "no GPU code",
              "this build of Sluice has no GPU code (SLUICE_CUDA and SLUICE_HIP were off)");
}

}  // namespace

Result<int> count() { return Status(Errc::kSystemError, "no GPU code"); }
std::string why_none() {
  return "this build of Sluice has no GPU code (SLUICE_CUDA and SLUICE_HIP were off)";
}
Result<Facts> facts(int) { return none(); }
Result<int> current() { return none(); }
Status use(int) { return none(); }
Using::Using(int) : status_(none()) {}
Using::~Using() = default;

Result<void*> allocate(std::uint64_t) { return none(); }
Status release(void*) { return none(); }
Status clear(void*, std::uint64_t) { return none(); }
Result<void*> allocate_pinned(std::uint64_t) { return none(); }
Status release_pinned(void*) { return none(); }
Result<void*> allocate_on(Stream, std::uint64_t) { return none(); }
Status release_on(Stream, void*) { return none(); }
Status copy(void*, const void*, std::uint64_t) { return none(); }
Status copy_on(Stream, void*, const void*, std::uint64_t) { return none(); }
Result<Place> place_of(const void*) { return none(); }
Result<Handle> share(void*) { return none(); }
Result<void*> open(const Handle&) { return none(); }
Status close(void*) { return none(); }
Result<bool> reach(int) { return none(); }
Result<int> blocks_at_once(const void*, unsigned) { return none(); }
Status launch(const void*, unsigned, unsigned, void**, Stream) { return none(); }

void CloseStream::operator()(void*) const {}
void CloseEvent::operator()(void*) const {}
void CloseGraph::operator()(void*) const {}
Result<OwnStream> OwnStream::create() { return none(); }
Status OwnStream::wait() const { return none(); }
Result<std::uint64_t> capture_of(Stream) { return none(); }
Result<Event> Event::create(Time) { return none(); }
Status Event::record(Stream) const { return none(); }
Status Event::wait() const { return none(); }
Status Event::holds_up(Stream) const { return none(); }
Result<bool> Event::done() const { return none(); }
Result<double> Event::between_us(const Event&, const Event&) { return none(); }
Status Graph::begin(Stream) { return none(); }
Result<Graph> Graph::end(Stream) { return none(); }
Status Graph::launch(Stream) const { return none(); }

Result<void*> allocate_shareable(std::uint64_t) { return none(); }
Status release_shareable(void*) { return none(); }
Result<Allocation> allocation_of(const void*) { return none(); }
Result<Fd> descriptor_of(void*) { return none(); }
Result<void*> open_shareable(const Fd&, std::uint64_t) { return none(); }
Status close_shareable(void*, std::uint64_t) { return none(); }
Status pin(void*, std::uint64_t) { return none(); }
Status unpin(void*) { return none(); }

}  // namespace sluice::device
