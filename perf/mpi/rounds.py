"""Rounds of measurements, each with processes of its own, and which of them count.

A virtual machine may move its cores (perf/compare/cores.py): MPICH's messages of some KiB take up to six times as long
between far ones, where packing wins what it loses between near ones. So where two ranks are measured, what counts are
rounds with near cores; others are made up for, by at most as many rounds again as were asked for.
"""

import programs
import cores  # of perf/compare, where programs.py has it found


class Rounds:
    """Of several parts with several libraries: the keys."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.taken = {}  # by key, [(a flag's microseconds before and behind, rows)]

    def numbers(self):
        """Of the rounds to go; ask is_needed() in each."""
        return range(1, 2 * self.wanted + 1)

    def is_needed(self, key, number):
        return number <= self.wanted or len(self._near(key)) < self.wanted

    def take(self, key, what, run):
        """Adds the rows that `run` returns of this part; returns them."""
        flags = cores.flag_us if what in programs.TWO_RANKS else list
        before = flags()
        rows = run()
        self.taken.setdefault(key, []).append((before + flags(), rows))
        return rows

    def rows(self, key):
        """{case: its rows}: of the rounds that count."""
        rows_of_case = {}
        for _, rows in self._near(key) if self._near_count(key) else self.taken[key]:
            for row in rows:
                rows_of_case.setdefault(row["case"], []).append(row)
        return rows_of_case

    def counting(self):
        """For people, as a clause; "" where it is not known where the cores were."""
        flagged = [key for key, taken in self.taken.items() if any(flags for flags, _ in taken)]
        if not flagged:
            return ""
        near, all_of_them = (sum(len(of(key)) for key in flagged) for of in (self._near, self.taken.get))
        text = f"the cores were near each other in {near} of {all_of_them} runs of two ranks, which count"
        too_few = sum(not self._near_count(key) for key in flagged)
        return text + (f" (too few of {too_few} of the parts: there all count)" if too_few else "")

    def _near_count(self, key):
        """Whether half as many rounds as were asked for had near cores: else all rounds count."""
        return 2 * len(self._near(key)) >= self.wanted

    def _near(self, key):
        """The runs whose flags are alike to the shortest of some: a single one says nothing."""
        flags_us = sorted(flag for taken in self.taken.values() for flags, _ in taken for flag in flags)
        alike = {first: [flag for flag in flags_us if first <= flag < cores.ALIKE * first] for first in flags_us}
        near = next((group for group in alike.values() if len(group) >= max(2, len(flags_us) / 8)), [])
        return [(flags, rows) for flags, rows in self.taken.get(key, []) if all(flag in near for flag in flags)]
