"""From measurements to the rows of a table: perf/mpi/tuning.py. Usage: tune_rows.py FOLDER OF IT"""

import sys
import types
import unittest

sys.path.insert(0, sys.argv.pop(1))
import tuned  # noqa: E402
import tuning  # noqa: E402

LIBRARY = types.SimpleNamespace(name="openmpi", version="4.1.4")


def device_rows(measured):
    """[(call, block, bytes, way)] for one kernel."""
    rows = tuning.rows_of(LIBRARY, measured, tuning.goes)
    assert all(row["memory"] == "device" and row["mover"] == "gather8" and row["version"] == "4.1.4" for row in rows)
    return [(row["call"], row["smallest_block"], row["packed_bytes"], row["way"]) for row in rows]


def at(block, size, call="send", **us):
    return call, "gather8", block, size, {way.replace("_", "-"): each for way, each in us.items()}


class Ways(unittest.TestCase):
    def test_the_fastest(self):
        self.assertEqual(tuning.goes([{"one-shot": 20, "staged": 10}])["way"], "staged")
        self.assertEqual(tuning.goes([{"one-shot": 20, "staged": 30, "device": 10, "off": 15}])["way"], "device")
        self.assertEqual(tuning.goes([{"one-shot": 20, "staged": 30, "device": 10, "off": 9}])["way"], "off")

    def test_a_tie_is_the_earlier_ones(self):
        self.assertEqual(tuning.goes([{"staged": 10, "one-shot": 10}])["way"], "one-shot")
        self.assertEqual(tuning.goes([{"device": 10, "one-shot": 10, "staged": 10, "off": 10}])["way"], "off")

    def test_what_is_not_worth_it_does_not_count(self):
        self.assertEqual(tuning.goes([{"staged": 10, "one-shot": 10.4}])["way"], "one-shot")
        self.assertEqual(tuning.goes([{"staged": 10, "one-shot": 10.6}])["way"], "staged")

    def test_cases_count_alike(self):
        # By the sum staged were faster.
        self.assertEqual(tuning.goes([{"one-shot": 10, "staged": 20}, {"one-shot": 1000, "staged": 900}])["way"], "one-shot")
        # What was not measured of all is none.
        self.assertEqual(tuning.goes([{"one-shot": 10, "staged": 1}, {"one-shot": 10}])["way"], "one-shot")

    def test_the_librarys_own_is_a_way(self):
        times = {"one-shot": {"sluice": [5, 9, 7], "library": [4, 4, 3]}, "device": {"sluice": [6, 6, 6], "library": [9, 9, 9]}}
        self.assertEqual(tuned.us_of_ways(times), {"one-shot": 7, "device": 6, "off": 6.5})
        self.assertEqual(tuned.us_of_ways({"staged": {"sluice": [2, 1, 3]}}), {"staged": 2})


class Reach(unittest.TestCase):
    def test_sizes_reach_half_way_on_a_logarithmic_scale(self):
        measured = [at(8, 4096, one_shot=1, staged=2), at(8, 65536, one_shot=1, staged=2), at(8, 1048576, one_shot=2, staged=1)]
        self.assertEqual(device_rows(measured), [("send", [0, None], [1, 262144], "one-shot"),
                                                 ("send", [0, None], [262145, None], "staged")])

    def test_there_and_back(self):
        measured = [at(8, 100, one_shot=1, staged=2), at(8, 400, one_shot=2, staged=1), at(8, 1600, one_shot=1, staged=2)]
        self.assertEqual([row[2:] for row in device_rows(measured)],
                         [([1, 200], "one-shot"), ([201, 800], "staged"), ([801, None], "one-shot")])

    def test_blocks_reach_half_way_and_are_one_where_they_say_the_same(self):
        measured = [at(block, 4096, one_shot=1, staged=us) for block, us in ((4, 2), (8, 2), (32, 0.5))]
        self.assertEqual(device_rows(measured), [("send", [0, 16], [1, None], "one-shot"),
                                                 ("send", [17, None], [1, None], "staged")])

    def test_calls_do_not_mix(self):
        measured = [at(8, 4096, one_shot=1, staged=2), at(8, 4096, "collective", one_shot=2, staged=1)]
        self.assertEqual([(row[0], row[3]) for row in device_rows(measured)], [("collective", "staged"), ("send", "one-shot")])

    def test_rows_for_the_host_leave_out_what_loses(self):
        measured = [("send", "rows", 8, size, wins) for size, wins in ((100, True), (400, False), (1600, True), (1600, True))]
        measured += [("send", "rows", 800, 100, True), ("send", "rows", 800, 100, False)]
        rows = tuning.rows_of(LIBRARY, measured, tuning.packs)
        self.assertEqual([(row["memory"], row["smallest_block"], row["packed_bytes"]) for row in rows],
                         [("host", [0, 80], [1, 200]), ("host", [0, 80], [801, None])])
        self.assertNotIn("way", rows[0])


class Source(unittest.TestCase):
    def test_a_row_for_a_gpu_has_its_way(self):
        rows = tuning.rows_of(LIBRARY, [at(8, 4096, one_shot=2, off=1)], tuning.goes)
        rows += tuning.rows_of(LIBRARY, [("pack", "rows", 8, 100, True)], tuning.packs)
        lines = tuning.as_source(rows, "somewhere").splitlines()
        self.assertEqual(lines[-2:], ['{"openmpi", "4.1.4", Call::kSend, "gather8", {0, kAny}, {1, kAny}, Way::kOff},',
                                      '{"openmpi", "4.1.4", Call::kPack, "rows", {0, kAny}, {1, kAny}},'])

    def test_blocks_by_the_names_of_cases(self):
        blocks = {"vec.b4B.s8B.4K": 4, "vec.b1K.s2K.1M": 1024, "idx.b8.4K": 8, "struct.idc3.count.4K": 3, "contig.64K": 0}
        self.assertEqual({case: tuned.block_of(case) for case in blocks}, blocks)


if __name__ == "__main__":
    unittest.main()
