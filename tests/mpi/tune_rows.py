"""From measurements to the rows of a table: perf/mpi/tuning.py. Usage: tune_rows.py FOLDER OF IT"""

import sys
import types
import unittest

sys.path.insert(0, sys.argv.pop(1))
import programs  # noqa: E402
import rounds  # noqa: E402
import tuned  # noqa: E402
import tuning  # noqa: E402

rounds.cores.flag_us = list  # not measured
LIBRARY = types.SimpleNamespace(name="openmpi", version="4.1.4")


def device_rows(measured):
    """[(call, block, bytes, way)] for one kernel."""
    rows = tuning.rows_of(LIBRARY, measured, tuning.goes)
    assert all(row["memory"] == "device" and row["mover"] == "gather8" and row["version"] == "4.1.4" for row in rows)
    return [(row["call"], row["smallest_block"], row["packed_bytes"], row["way"]) for row in rows]


def at(block, size, call="send", **us):
    return call, "gather8", block, size, {way.replace("_", "-"): each for way, each in us.items()}


class WhichRoundsCount(unittest.TestCase):
    def rounds_of(self, wanted, *flags):
        """Rounds in which the flags take so long, before and behind; the numbers of those that were gone."""
        pending, gone = list(flags), []
        taken = rounds.Rounds(wanted)
        self.addCleanup(setattr, rounds.cores, "flag_us", rounds.cores.flag_us)
        rounds.cores.flag_us = lambda: [pending[0].pop(0)] if pending[0] else []
        for number in taken.numbers():
            if taken.is_needed("part", number):
                taken.take("part", "messages", lambda number=number: [{"case": "one", "round": number}])
                gone.append(number)
                pending = pending[1:] or [[]]
        return gone, [row["round"] for row in taken.rows("part")["one"]]

    def test_far_ones_are_made_up_for(self):
        near, far = (0.03, 0.03), (0.16, 0.16)
        self.assertEqual(self.rounds_of(3, *map(list, [near, near, near])), ([1, 2, 3], [1, 2, 3]))
        self.assertEqual(self.rounds_of(3, *map(list, [far, near, near, (0.03, 0.16), near])), ([1, 2, 3, 4, 5], [2, 3, 5]))

    def test_half_of_them_are_enough_and_fewer_are_not(self):
        near, far = (0.03, 0.03), (0.16, 0.16)
        self.assertEqual(self.rounds_of(3, *map(list, [near, far, near, far, far, far])), ([1, 2, 3, 4, 5, 6], [1, 3]))
        self.assertEqual(self.rounds_of(3, *map(list, [near, far, far, far, far, far])),
                         ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]))

    def test_a_single_short_flag_says_nothing(self):
        near = (0.03, 0.03)
        flags = [near, (0.01, 0.03), near, near, near]
        self.assertEqual(self.rounds_of(4, *map(list, flags)), ([1, 2, 3, 4, 5], [1, 3, 4, 5]))

    def test_all_count_where_it_is_always_the_same_or_not_known(self):
        self.assertEqual(self.rounds_of(2, *map(list, [(0.16, 0.16), (0.17, 0.16)])), ([1, 2], [1, 2]))
        self.assertEqual(self.rounds_of(2, [], []), ([1, 2], [1, 2]))


class Sides(unittest.TestCase):
    def test_both_unless_one_alone_is_worth_it(self):
        def sides(**us):
            return tuning.best_sides([{"us": {side.replace("_", " "): time for side, time in us.items()}}])
        self.assertEqual(sides(library=100, sluice=50, sluice_sends=49, sluice_receives=90), ("send", "receive"))
        self.assertEqual(sides(library=100, sluice=50, sluice_sends=40, sluice_receives=90), ("send",))
        self.assertEqual(sides(library=100, sluice=90, sluice_sends=120, sluice_receives=50), ("receive",))
        self.assertEqual(sides(library=100, sluice=97, sluice_sends=98, sluice_receives=99), ())

    def test_one_by_one_and_several_at_a_time(self):
        def sides(*times):
            return tuning.best_sides([{"us": dict(zip(("library", "sluice", "sluice sends", "sluice receives"), each))}
                                      for each in times])
        # What is best alone loses with several, or is not as good there as both.
        self.assertEqual(sides((10, 5, 20, 12), (10, 9, 20, 8)), ("send", "receive"))
        self.assertEqual(sides((10, 5, 4, 20), (10, 5, 20, 4)), ("send", "receive"))
        self.assertEqual(sides((10, 11, 4, 20), (10, 11, 20, 4)), ())
        self.assertEqual(sides((10, 9, 4, 20), (10, 9, 5, 20)), ("send",))


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
        cases = [{"one-shot": 10, "staged": 20}, {"one-shot": 1000, "staged": 900}]
        self.assertEqual(tuning.goes(cases)["way"], "one-shot")
        # What was not measured of all is none.
        self.assertEqual(tuning.goes([{"one-shot": 10, "staged": 1}, {"one-shot": 10}])["way"], "one-shot")

    def test_the_librarys_own_is_a_way(self):
        times = {"one-shot": {"sluice": 7, "library": 4}, "device": {"sluice": 6, "library": 5}}
        self.assertEqual(tuned.us_of_ways(times), {"one-shot": 7, "device": 6, "off": 4.5})
        self.assertEqual(tuned.us_of_ways({"staged": {"sluice": 2}}), {"staged": 2})


class FakeLibrary:
    """One that takes a GPU's pointers, whose runs take what is told for each way and round."""

    name, version, takes_gpus = "openmpi", "4.1.4", True

    def __init__(self, us):
        self.us, self.runs = us, []

    def kernel_of(self, _):
        return "gather8"

    def run(self, part, options, mode, gpu):
        self.runs.append((part, gpu))
        sluice, own = self.us[gpu][self.runs.count((part, gpu)) - 1]
        assert "--gpu" in options and mode == "always"
        return [{"what": part, "case": case, "bytes": size, "us": {"sluice": sluice, "library": own}}
                for case, size in (("vec.b8B.s16B.4K", 4096), ("face.x.h1", 524288))], ""


class Rounds(unittest.TestCase):
    ARGUMENTS = types.SimpleNamespace(samples=1, cases="", rounds=3)

    def measured(self, us):
        library = FakeLibrary(us)
        rows, measured = tuned.on_device(self.ARGUMENTS, library, tuned.Places(library))
        return library, rows, measured

    def test_ways_take_turns_and_medians_count(self):
        us = {"one-shot": [(9, 20), (1, 20), (10, 20)], "staged": [(8, 20)] * 3, "device": [(7, 20), (70, 20), (7, 20)]}
        library, rows, measured = self.measured(us)
        turn = [(part, way) for way in us for part in ("messages", "broadcasts")]
        self.assertEqual(library.runs, turn * 3)
        self.assertEqual({(row["call"], row["way"]) for row in rows},
                         {(call, "device") for call in ("send", "receive", "collective")})
        self.assertEqual({(row["what"], row["us"]["sluice"]) for row in measured if row["case"] == "vec.b8B.s16B.4K"},
                         {(f"tune {part} device {way}", middle) for part in ("messages", "broadcasts")
                          for way, middle in (("one-shot", 9), ("staged", 8), ("device", 7))})

    def test_the_library_may_be_fastest(self):
        _, rows, _ = self.measured({way: [(10, 5)] * 3 for way in ("one-shot", "staged", "device")})
        self.assertEqual({row["way"] for row in rows}, {"off"})
        self.assertEqual({row["call"] for row in rows}, {"send", "receive", "collective"})
        self.assertEqual(len(rows), 3)


class Packing(unittest.TestCase):
    def wins(self, library, ours):
        return tuning.packing_wins({"what": "pack", "us": {"library": library, "sluice": ours}})

    def test_short_calls_are_compared_with_passing_them_on(self):
        self.assertTrue(self.wins(0.062, 0.063))
        self.assertIs(self.wins(0.062, 0.066), False)
        self.assertIsNone(self.wins(0.2, 0.201))

    def test_a_tie_takes_nothing_from_another_case(self):
        self.assertTrue(self.wins(106, 100))
        self.assertIsNone(self.wins(104, 100))
        self.assertIsNone(self.wins(98, 100))
        self.assertIs(self.wins(96, 100), False)
        self.assertIsNotNone(tuning.packs([True, None]))
        for wins in ([None], [True, False], [True, None, False]):
            self.assertIn(tuning.packs(wins), (None, tuning.TIED), wins)


class Medians(unittest.TestCase):
    def test_are_of_ratios(self):
        rows = [{"what": "pack", "us": {"library": own, "sluice": ours}} for own, ours in ((10, 5), (30, 15), (10, 20))]
        self.assertEqual(programs.medians(rows), {"what": "pack", "us": {"library": 10, "sluice": 5}, "rounds": 3,
                                                  "slowest": {"sluice": 2}})
        self.assertFalse(tuning.is_worth(programs.medians(rows)), "one round lost")
        self.assertTrue(tuning.is_worth(programs.medians(rows[:2])))

    def test_without_the_librarys_own(self):
        rows = [{"us": {"sluice": us}} for us in (3, 1, 2)]
        self.assertEqual(programs.medians(rows)["us"], {"sluice": 2})


class HostLibrary:
    """One in whose messages packing wins between two ranks and not from a rank to itself, or the other way round."""

    name, version = "mpich", "4.0.2"

    def __init__(self, wins, face_us=12):
        self.wins, self.face_us, self.parts = wins, face_us, []

    def kernel_of(self, _):
        return "gather8"

    def run(self, part, options, mode):
        self.parts.append(part)
        assert mode == "always" and "--mixed" not in options
        fast, slow = {"library": 10, "sluice": 5}, {"library": 10, "sluice": 9.9}
        return [{"what": part, "case": "vec.b8B.s16B.4K", "bytes": 4096, "us": fast if part in self.wins else slow},
                {"what": part, "case": "face.x.h1.N64", "bytes": 16384, "us": {"library": 10, "sluice": self.face_us}}], ""


class OnHost(unittest.TestCase):
    ARGUMENTS = types.SimpleNamespace(samples=1, cases="", rounds=2)

    def test_messages_win_one_by_one_and_several_at_a_time(self):
        for wins in (["messages"], ["exchanges"]):
            library = HostLibrary(wins)
            rows, _ = tuned.on_host(self.ARGUMENTS, library, tuned.Places(library))
            self.assertEqual(rows, [])

    def test_messages_to_oneself_have_rows_of_their_own(self):
        for wins, calls in ((["self"], ["self"]), (["messages", "exchanges"], ["receive", "send"]), (["pack"], ["pack"])):
            library = HostLibrary(wins)
            rows, measured = tuned.on_host(self.ARGUMENTS, library, tuned.Places(library))
            self.assertEqual([row["call"] for row in rows], calls)
            # Faces do not count where nothing goes to anybody.
            self.assertEqual(rows[0]["packed_bytes"], [1, None if wins == ["pack"] else 8192])
            self.assertEqual(library.parts,
                             ["pack", "unpack", "messages", "exchanges", "self", "broadcasts"] * 2)
            self.assertIn("tune self", {row["what"] for row in measured})

    def test_a_face_that_does_not_matter_says_nothing(self):
        for face_us in (9.2, 10.2):
            library = HostLibrary(["self", "messages", "exchanges"], face_us)
            rows, _ = tuned.on_host(self.ARGUMENTS, library, tuned.Places(library))
            self.assertEqual({tuple(row["packed_bytes"]) for row in rows}, {(1, None)})


class Reach(unittest.TestCase):
    def test_sizes_reach_half_way_on_a_logarithmic_scale(self):
        measured = [at(8, 4096, one_shot=1, staged=2), at(8, 65536, one_shot=1, staged=2),
                    at(8, 1048576, one_shot=2, staged=1)]
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
        self.assertEqual([(row[0], row[3]) for row in device_rows(measured)],
                         [("collective", "staged"), ("send", "one-shot")])

    def test_rows_for_the_host_leave_out_what_loses(self):
        measured = [("send", "rows", 8, size, wins)
                    for size, wins in ((100, True), (400, False), (1600, True), (1600, True))]
        measured += [("send", "rows", 800, 100, True), ("send", "rows", 800, 100, False)]
        rows = tuning.rows_of(LIBRARY, measured, tuning.packs)
        self.assertEqual([(row["memory"], row["smallest_block"], row["packed_bytes"]) for row in rows],
                         [("host", [0, 80], [1, 200]), ("host", [0, 80], [801, None])])
        self.assertNotIn("way", rows[0])


class Ties(unittest.TestCase):
    def sizes(self, *wins):
        measured = [("pack", "rows", 8, 4 ** k, each) for k, each in enumerate(wins, 1)]
        return [tuple(row["packed_bytes"]) for row in tuning.rows_of(LIBRARY, measured, tuning.packs)]

    def test_between_two_that_win_they_win(self):
        self.assertEqual(self.sizes(True, None, True), [(1, None)])
        self.assertEqual(self.sizes(True, None, None, True, False), [(1, 512)])

    def test_elsewhere_nothing_is_packed(self):
        self.assertEqual(self.sizes(None, True, None), [(9, 32)])
        self.assertEqual(self.sizes(True, None, False), [(1, 8)])
        self.assertEqual(self.sizes(None, None), [])


class Source(unittest.TestCase):
    def test_a_row_for_a_gpu_has_its_way(self):
        rows = tuning.rows_of(LIBRARY, [at(8, 4096, one_shot=2, off=1)], tuning.goes)
        rows += tuning.rows_of(LIBRARY, [("pack", "rows", 8, 100, True)], tuning.packs)
        rows += tuning.rows_of(LIBRARY, [("self", "rows", 8, 100, True)], tuning.packs)
        lines = tuning.as_source(rows, "somewhere").splitlines()
        self.assertEqual(lines[-3:], ['{"openmpi", "4.1.4", Call::kSend, "gather8", {0, kAny}, {1, kAny}, Way::kOff},',
                                      '{"openmpi", "4.1.4", Call::kPack, "rows", {0, kAny}, {1, kAny}},',
                                      '{"openmpi", "4.1.4", Call::kSelf, "rows", {0, kAny}, {1, kAny}},'])

    def test_blocks_by_the_names_of_cases(self):
        blocks = {"vec.b4B.s8B.4K": 4, "vec.b1K.s2K.1M": 1024, "idx.b8.4K": 8, "struct.idc3.count.4K": 4, "struct.di.count.64K": 12,
                  "contig.64K": 0, "face.x.h3": 24, "box.512Brows": 512, "face.y.h3": 6144, "face.y.h1.N32": 256, "facef.x.h1.N64": 4}
        self.assertEqual({case: tuned.block_of(case) for case in blocks}, blocks)


if __name__ == "__main__":
    unittest.main()
