"""The results: one cell for each (collective, ranks, bytes, peer), its rounds, and questions asked of them."""

import json
import math
import statistics

from cores import Timing, alike

OURS = "sluice"
RANGES = [  # title, test
    ("<= 4 KiB", lambda size: size <= 4 << 10),
    ("16 KiB - 16 MiB", lambda size: 16 << 10 <= size <= 16 << 20),
    ("64 MiB", lambda size: size == 64 << 20),
    (">= 256 KiB", lambda size: size >= 256 << 10),
]
REGISTERED_FROM = 64 << 10


def in_range(title, size):
    return dict(RANGES)[title](size)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else None


def median_ratio(dividends, divisors):
    """Of two measurements, Timings by rounds, each divided within its round: a machine is the same for a few
    seconds, and another one minutes later. None without a round that has both, with the cores as far apart."""
    ratios = [dividends[number].us / divisor.us for number, divisor in divisors.items()
              if number in dividends and alike(dividends[number], divisor)]
    return statistics.median(ratios) if ratios else None


class Cell:
    """What one library took: `rounds`, Timings by the round's number."""

    def __init__(self):
        self.rounds, self.min_us, self.max_us = {}, math.inf, 0.0
        self.wrong, self.algorithm, self.transport = 0, "", ""

    def add(self, row, number, flags_us):
        time_us = row["time_us"]
        self.rounds[number] = Timing(time_us["median"], flags_us)
        self.min_us = min(self.min_us, time_us["min"])
        self.max_us = max(self.max_us, time_us["max"])
        self.wrong += int(row.get("wrong") or 0)
        self.algorithm = row.get("algorithm") or self.algorithm
        self.transport = row.get("transport") or self.transport

    @property
    def us(self):
        """The median of the rounds' medians."""
        return statistics.median(timing.us for timing in self.rounds.values())


class Table:
    """All cells of a run, with its header (machine, versions, command) and the machine's limits."""

    def __init__(self, header):
        self.header, self.cells, self.limit_rows, self.complaints = header, {}, [], []

    def add(self, peer, collective, ranks, row, number, flags_us):
        """`number`: of the round, from 0. `flags_us`: see Timing."""
        key = (collective, ranks, row["bytes"], peer)
        if row["time_us"]["median"] > 0:
            self.cells.setdefault(key, Cell()).add(row, number, flags_us)

    def cell(self, collective, ranks, size, peer):
        return self.cells.get((collective, ranks, size, peer))

    def right_rounds(self, collective, ranks, size, peer):
        """Timings by the round's number; none when not measured, or when its results were wrong."""
        cell = self.cell(collective, ranks, size, peer)
        return cell.rounds if cell and not cell.wrong else {}

    def time_us(self, collective, ranks, size, peer):
        """None when not measured, or when its results were wrong."""
        cell = self.cell(collective, ranks, size, peer)
        return cell.us if cell and not cell.wrong else None

    def combinations(self):
        seen = {(collective, ranks): None for collective, ranks, _, _ in self.cells}
        order = self.header["collectives"]
        return sorted(seen, key=lambda key: (order.index(key[0]), key[1]))

    def sizes(self, collective, ranks):
        return sorted({size for c, r, size, _ in self.cells if (c, r) == (collective, ranks)})

    def best_other(self, collective, ranks, size):
        """(name, time) of the fastest library that is not ours."""
        times = {peer: self.time_us(collective, ranks, size, peer) for peer in self.header["others"]}
        return min(((name, us) for name, us in times.items() if us), key=lambda item: item[1], default=None)

    def speedup(self, collective, ranks, size, ours=OURS):
        """How many times faster `ours` is than the best of the others, by the rounds that both have. None also where
        the fastest of them has none that can be compared: another one does not stand in for it."""
        mine = self.right_rounds(collective, ranks, size, ours)
        ratios = {peer: median_ratio(self.right_rounds(collective, ranks, size, peer), mine)
                  for peer in self.header["others"]}
        best = self.best_other(collective, ranks, size)
        if best is None or ratios[best[0]] is None:
            return None
        return min(ratio for ratio in ratios.values() if ratio)

    def mean_speedup(self, collective, ranks, test, ours=OURS):
        ratios = [self.speedup(collective, ranks, size, ours) for size in self.sizes(collective, ranks) if test(size)]
        return geometric_mean([ratio for ratio in ratios if ratio])

    def registered_gain(self, collective, ranks):
        """Ordinary buffers' time over registered buffers', from 64 KiB up, by the rounds that both have."""
        gains = []
        for size in self.sizes(collective, ranks):
            gain = median_ratio(self.right_rounds(collective, ranks, size, OURS),
                                self.right_rounds(collective, ranks, size, OURS + "-registered"))
            if size >= REGISTERED_FROM and gain:
                gains.append(gain)
        return geometric_mean(gains)

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps({"header": self.header, "complaints": self.complaints}) + "\n")
            for row in self.limit_rows:
                file.write(json.dumps(row) + "\n")
            for key in sorted(self.cells, key=lambda k: (self.header["collectives"].index(k[0]), *k[1:])):
                file.write(json.dumps(self.row(key)) + "\n")

    def row(self, key):
        collective, ranks, size, peer = key
        cell, threads = self.cells[key], peer.endswith("-threads")
        factor = {"all_reduce": 2 * (ranks - 1) / ranks, "broadcast": 1, "send_receive": 1}.get(
            collective, (ranks - 1) / ranks)
        algbw = size / cell.us / 1e3
        return {
            "peer": peer, "collective": collective, "type": "float", "op": "sum", "ranks": ranks,
            "threads": ranks if threads else 0, "bytes": size, "in_place": collective == "broadcast",
            "algorithm": cell.algorithm, "transport": cell.transport,
            "time_us": {"min": cell.min_us, "median": round(cell.us, 4), "max": cell.max_us},
            "algbw_gbs": round(algbw, 4), "busbw_gbs": round(algbw * factor, 4), "wrong": cell.wrong,
            "host": self.header["host"], "commit": self.header["commit"],
            "rounds": list(cell.rounds), "rounds_us": [timing.us for timing in cell.rounds.values()],
            "flags_us": [timing.flags_us for timing in cell.rounds.values()],
        }

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file if line.strip()]
        table = cls(rows[0]["header"])
        table.complaints = [tuple(item) for item in rows[0]["complaints"]]
        for row in rows[1:]:
            if "limit" in row:
                table.limit_rows.append(row)
                continue
            cell = table.cells.setdefault((row["collective"], row["ranks"], row["bytes"], row["peer"]), Cell())
            # Files of before 2026-11-30 say neither, some of that day no flags.
            numbers = row.get("rounds", range(len(row["rounds_us"])))
            timings = map(Timing, row["rounds_us"], row.get("flags_us", [[]] * len(numbers)))
            cell.rounds, cell.wrong = dict(zip(numbers, timings)), row["wrong"]
            cell.min_us, cell.max_us = row["time_us"]["min"], row["time_us"]["max"]
            cell.algorithm, cell.transport = row["algorithm"], row["transport"]
        return table
