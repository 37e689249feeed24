"""Libraries are compared round by round: perf/compare. Usage: check_comparison.py FOLDER OF IT"""

import json
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, sys.argv.pop(1))
import claims  # noqa: E402
import cores  # noqa: E402
import host_claims  # noqa: E402
import measuring  # noqa: E402
import wire  # noqa: E402
from cores import Timing  # noqa: E402
from table import Table, median_ratio  # noqa: E402

HEADER = {"others": ["one", "other"], "ours": ["sluice"], "collectives": ["all_reduce"], "host": "h", "commit": "c"}


def table_of(**rounds_us):
    """Of 8 bytes over two ranks; None: not measured in that round."""
    table = Table(dict(HEADER))
    for peer, times in rounds_us.items():
        for number, us in enumerate(times):
            if us is not None:
                row = {"bytes": 8, "time_us": {"min": us, "median": us, "max": us}}
                table.add(peer, "all_reduce", 2, row, number, [0.03])
    return table


class Rounds(unittest.TestCase):
    def test_a_ratio_is_of_one_round(self):
        # The machine is twice as slow in the later rounds: the medians, 20 and 7.5, say 2.7.
        def timings(rounds_us):
            return {number: Timing(us) for number, us in rounds_us.items()}

        self.assertEqual(median_ratio(timings({0: 10, 1: 20, 2: 20}), timings({0: 5, 1: 10})), 2)
        self.assertEqual(median_ratio(timings({0: 10, 2: 20}), timings({1: 5, 2: 10})), 2)
        self.assertIsNone(median_ratio(timings({0: 10}), timings({1: 5})))

    def test_a_ratio_is_of_cores_as_far_apart(self):
        near, far, moved = [0.026, 0.031], [0.16, 0.17], [0.026, 0.16]
        ours = {number: Timing(5, flags_us) for number, flags_us in enumerate([near, far, near, near])}
        theirs = {number: Timing(us, flags_us)
                  for number, (us, flags_us) in enumerate([(10, near), (20, far), (60, far), (60, moved)])}
        self.assertEqual(median_ratio(theirs, ours), 3)
        del theirs[0], theirs[1]
        self.assertIsNone(median_ratio(theirs, ours))

    def test_slow_rounds_are_nobodys_merit(self):
        table = table_of(one=[10, 10, 20], other=[30, 30, 60], sluice=[8, None, 16])
        self.assertEqual(table.speedup("all_reduce", 2, 8), 1.25)

    def test_the_best_other_may_miss_rounds(self):
        table = table_of(one=[6, None, None], other=[30, 30, 30], sluice=[8, 8, 8])
        self.assertEqual(table.speedup("all_reduce", 2, 8), 0.75)

    def test_another_does_not_stand_in_for_the_fastest(self):
        table = table_of(one=[6], other=[30], sluice=[8])
        self.assertEqual(table.speedup("all_reduce", 2, 8), 0.75)
        table.cell("all_reduce", 2, 8, "one").rounds[0].flags_us = [0.03, 0.16]
        self.assertIsNone(table.speedup("all_reduce", 2, 8))
        self.assertIsNone(claims.never_slower(table, "", "all_reduce", 2).held)

    def test_what_is_wrong_does_not_count(self):
        table = table_of(one=[1, 1], other=[16, 16], sluice=[8, 8])
        table.cell("all_reduce", 2, 8, "one").wrong = 1
        self.assertEqual(table.speedup("all_reduce", 2, 8), 2)

    def test_small_messages_against_the_exchange_of_their_round(self):
        limits = wire.WireLimits([{"limit": "exchange", "bytes": size, "time_us": us, "gbs": 1, "round": number}
                                  for size in (8, 64) for number, us in enumerate((5, 7, 7))], False)
        table = table_of(one=[9, 9, 9], sluice=[6, 6, 14])
        self.assertIn("1.20x", host_claims.near_exchange(table, limits).found)


class Turns(unittest.TestCase):
    def flags_seen(self, *flags_us):
        """In which rounds two libraries are measured while a flag takes so long, before and behind each."""
        rounds = []
        with unittest.mock.patch.object(measuring, "run_peer",
                                        lambda _, number, *__: rounds.append(number) or [next(flags)] * 2):
            flags = iter(flags_us)
            measuring.take_turns(None, 1, ["one", "sluice"], "all_reduce", 2, [8], {})
        return rounds

    def test_are_taken_again_when_the_cores_have_moved(self):
        self.assertEqual(self.flags_seen(0.03, 0.03), [3, 3])
        self.assertEqual(self.flags_seen(0.03, 0.16, 0.16, 0.15), [3, 3, 4, 4])
        self.assertEqual(self.flags_seen(*[0.03, 0.16] * measuring.TURNS), [3, 3, 4, 4, 5, 5])

    def test_need_no_second_core(self):
        self.assertTrue(cores.stayed([]))


class Files(unittest.TestCase):
    def saved(self, change):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "table.jsonl"
            table_of(one=[9, None, 9], sluice=[3, 4, 3]).save(path)
            lines = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
            path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
            return Table.load(path)

    def test_keep_the_rounds(self):
        table = self.saved(lambda line: line)
        self.assertEqual(table.cell("all_reduce", 2, 8, "one").rounds, {0: Timing(9, [0.03]), 2: Timing(9, [0.03])})

    def test_older_ones_have_no_numbers(self):
        table = self.saved(lambda line: {name: value for name, value in line.items()
                                         if name not in ("rounds", "flags_us")})
        self.assertEqual(table.cell("all_reduce", 2, 8, "one").rounds, {0: Timing(9), 1: Timing(9)})


class Sizes(unittest.TestCase):
    def test_every_rank_has_a_block(self):
        sizes = [4, 16, 64, 1 << 20]
        self.assertEqual(measuring.sizes_of("all_reduce", 3, sizes), sizes)
        self.assertEqual(measuring.sizes_of("all_to_all", 4, sizes), [16, 64, 1 << 20])
        self.assertEqual(measuring.sizes_of("all_to_all", 3, sizes), [12, 48, 3 << 18])
        self.assertEqual(measuring.sizes_of("all_gather", 2, sizes), [16, 64, 1 << 20])


if __name__ == "__main__":
    unittest.main()
