"""One host's limits: reading limits.cpp's lines, and the least time a collective can take with them."""

import math
import statistics

from cores import Timing

FLAG = "flag"


class Limits:
    """Built from rows {limit, cores, bytes, time_us, gbs} of one or more rounds: the best
    bandwidths, because they bound, and the median flag, because sums that it is part of are compared with medians."""

    title = "limit of the machine"

    def __init__(self, rows):
        self.values = {}
        for row in rows:
            if row["limit"] == FLAG:
                continue
            key = (row["limit"], row["cores"], row["bytes"])
            self.values[key] = max(row["gbs"], self.values.get(key, 0.0))
        self.flag_rounds = {}  # Timings by the round's number: one store seen by another core
        for row in rows:
            if row["limit"] == FLAG:
                number = row.get("round", len(self.flag_rounds))
                self.flag_rounds[number] = Timing(row["time_us"], row.get("flags_us", []))
        self.flag_us = statistics.median([timing.us for timing in self.flag_rounds.values()] or [0.0])
        self.core_counts = sorted({cores for _, cores, _ in self.values})

    def __bool__(self):
        return bool(self.values)

    def bandwidth(self, kinds, cores, size):
        """GB/s of all cores together, of the best of `kinds`, at the measured size nearest to `size`."""
        usable = [count for count in self.core_counts if count <= cores]
        if not usable:
            return None
        best = {}
        for (kind, count, at), value in self.values.items():
            if kind in kinds and count == usable[-1]:
                best[at] = max(best.get(at, 0.0), value)
        if not best:
            return None
        return best[min(best, key=lambda at: abs(math.log(at / size)))]

    def floor_us(self, collective, ranks, size, kinds=("copy", "stream", "attach")):
        """One flag and the copies at the best bandwidth measured; None without a measurement.

        Below 4 KiB a copy's own time is hidden in what a store takes to be seen: the flag alone.
        """
        copied, workers = copied_bytes(collective, ranks, size)
        bandwidth = self.bandwidth(kinds, workers, size)
        if not bandwidth:
            return None
        return self.flag_us + (copied / bandwidth / 1e3 if size >= 4096 else 0.0)


def copied_bytes(collective, ranks, size):
    """Bytes that all ranks together read once and write once, and how many ranks share the work.

    A reduction reads its whole input once and writes its result once, however it is staged, as long as the
    staging stays in the caches.
    """
    if collective == "reduce_scatter":
        return ranks * (size + size / ranks) / 2, ranks
    if collective == "broadcast":
        return (ranks - 1) * size, ranks - 1
    return ranks * size, ranks


def attach_us(limits, collective, ranks, size):
    """The same with every byte moved once by cross-memory attach: how ordinary buffers go between processes."""
    return limits.floor_us(collective, ranks, size, ("attach",))
