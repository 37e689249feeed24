// Going on sending while what was sent before, and what comes meanwhile, is under way.
#pragma once

#include <cstdint>

#include "algorithms/partners.hpp"
#include "base/port.hpp"

namespace sluice {

/// How a schedule that sends ahead cuts its blocks: so many slices of so many bytes at a time.
struct AheadShape {
  std::uint64_t slice_bytes;
  std::uint64_t under_way;
};

/// Between ranks that share memory there is no latency to hide, and halves of a piece cost more
/// hand-overs than they save: whole pieces there, one at a time.
template <class Fabric>
SLUICE_FN AheadShape ahead_shape(const Fabric& fabric) {
  constexpr std::uint64_t kWorthwhile = 4;
  if (fabric.slices_under_way() < kWorthwhile) return {fabric.piece_bytes(), 1};
  return {fabric.slice_bytes(), fabric.slices_under_way()};
}

struct ExpectNothing {
  template <class... Item>
  SLUICE_FN void operator()(Item...) const {}
};

/// `items` steps, each send(i) and receive(i), with up to `ahead` sends before the first receive
/// and as many under way from then on. send(i) may need what receive(i - ahead) and those before it
/// brought. All ranks that take part have the same numbers, and item i is on both sides the same
/// message. Schedules that copy what they receive to where nothing else is meanwhile say so with
/// expect(i).
template <class Send, class Receive, class Expect = ExpectNothing>
SLUICE_FN void send_ahead(std::uint64_t items, std::uint64_t ahead, Send send, Receive receive,
                          Expect expect = {}) {
  // The sender of item i may be up to `ahead` receives further than this rank, and sends as far
  // ahead.
  std::uint64_t expected = 0;
  const auto expect_until = [&](std::uint64_t end) {
    for (; expected < end && expected < items; ++expected) expect(expected);
  };
  expect_until(2 * ahead);
  for (std::uint64_t i = 0; i + 1 < ahead && i < items; ++i) send(i);
  for (std::uint64_t i = 0; i < items; ++i) {
    if (i + ahead - 1 < items) send(i + ahead - 1);
    receive(i);
    expect_until(i + 1 + 2 * ahead);
  }
}

/// The same for `slices` slices to and from every other rank: send(to, slice), receive(from,
/// slice), expect(from, slice), with the partners at distance 1 first, then those 2 away, and so
/// on.
template <class Fabric, class Send, class Receive, class Expect>
SLUICE_FN void send_pairwise_ahead(const Fabric& fabric, std::uint64_t slices, std::uint64_t ahead,
                                   Send send, Receive receive, Expect expect) {
  const Partners partners = Partners::of(fabric);
  const auto distance = [=](std::uint64_t item) {
    return 1 + static_cast<std::int32_t>(item / slices);
  };
  send_ahead(
      slices * static_cast<std::uint64_t>(fabric.size() - 1), ahead,
      [&](std::uint64_t item) { send(partners.receiver(distance(item)), item % slices); },
      [&](std::uint64_t item) { receive(partners.sender(distance(item)), item % slices); },
      [&](std::uint64_t item) { expect(partners.sender(distance(item)), item % slices); });
}

/// The same for `slices` slices, each of which takes `steps` steps one after the other (around a
/// ring, say): send(slice, step) may need what receive(slice, step - 1) brought, and nothing else.
/// Slices come in groups of at most `under_way`; step after step, each slice of a group has its
/// turn. So a link always has something to carry, whatever the way there takes. Slices with
/// numbers from `slices` on are asked for, too: they must be empty.
template <class Send, class Receive, class Expect = ExpectNothing>
SLUICE_FN void send_slices_ahead(std::uint64_t slices, std::uint64_t steps, std::uint64_t under_way,
                                 Send send, Receive receive, Expect expect = {}) {
  const std::uint64_t groups = (slices + under_way - 1) / under_way;
  const std::uint64_t together = (slices + groups - 1) / groups;  // groups of about one length
  const auto slice = [=](std::uint64_t item) {
    return item / (together * steps) * together + item % together;
  };
  const auto step = [=](std::uint64_t item) {
    return static_cast<std::int32_t>(item / together % steps);
  };
  send_ahead(
      groups * together * steps, together,
      [&](std::uint64_t item) { send(slice(item), step(item)); },
      [&](std::uint64_t item) { receive(slice(item), step(item)); },
      [&](std::uint64_t item) { expect(slice(item), step(item)); });
}

}  // namespace sluice
