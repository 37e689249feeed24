"""Where packing wins, and which way is fastest: from measurements to the rows of a table."""

import json
import math

# A call is accelerated where it is at least this much faster, so that noise does not decide.
WORTH = 1.05
# And where no round lost by more than this: rounds differ by where the machine has the two ranks.
LOST = 1.03
# What a packing call costs that is passed on, in us. It is no cheaper to pass on what packing takes as long for, and of
# calls under SHORT_US it is as much as the noise that the factors above are for.
PASSED_US, SHORT_US = 0.003, 0.1
PACKING = ("pack", "unpack")
CALLS = {"sluice": ("send", "receive"), "sluice sends": ("send",), "sluice receives": ("receive",)}
# Of messages in a GPU's memory, as `way` in a table: an earlier one counts unless a later one is worth it.
WAYS = {"off": "Way::kOff", "one-shot": "Way::kOneShot", "staged": "Way::kStaged", "device": "Way::kDevice"}
TIE = 1.1
UNBOUNDED = None
TIED = "tied"  # in place of a row's fields: it does not matter


def is_worth(row, sides="sluice"):
    """Whether it is worth it that these pack, by one case."""
    us = row["us"]
    if sides not in us:
        return False
    slowest = row.get("slowest", {}).get(sides, us[sides] / us["library"])
    return us["library"] >= WORTH * us[sides] and slowest <= LOST


def packing_wins(row):
    """Of MPI_Pack and MPI_Unpack, where no second rank may be far: by the median of the rounds. None: it does not matter,
    so that neither a tie takes from another case at its place what that wins, nor is packed for nothing."""
    us = row["us"]
    if us["library"] < SHORT_US:
        return us["sluice"] <= us["library"] + PASSED_US
    if us["sluice"] > LOST * us["library"]:
        return False
    return us["library"] >= WORTH * us["sluice"] or None


def best_sides(rows):
    """Which sides should pack, by these measurements of one case, one by one and several at a time: of what is worth
    it in all of them the fastest, or none. Both sides, unless one alone is worth it beside them."""
    faster = {}
    for sides in CALLS:
        ratios = [row["us"]["library"] / row["us"][sides] for row in rows if is_worth(row, sides)]
        if len(ratios) == len(rows):
            faster[sides] = math.prod(ratios) ** (1 / len(ratios))
    return next((CALLS[sides] for sides in faster if faster[sides] * WORTH > max(faster.values())), ())


def is_tie(row):
    """Whether it does not matter, by this case, who packs: nothing is lost, and little won."""
    us = row["us"]
    fastest = min(us[sides] for sides in CALLS if sides in us)
    return 1 / LOST < us["library"] / fastest < TIE


def smallest_block(case):
    """The bytes of the smallest block, from the case's name."""
    known = {"struct": 4, "struct.di": 12, "transp": 8, "hidx.8-64B": 8, "hidx.1-40B": 1, "hidx.64-1024B": 64,
             "cnt": 8}
    for start in sorted(known, key=len, reverse=True):
        if case.startswith(start):
            return known[start]
    return None


def packs(wins):
    """What a row says of cases in the host's memory that are at one place of the table: one wins, and none loses."""
    if False in wins:
        return None
    return {"memory": "host"} if any(wins) else TIED


def goes(cases):
    """The same in a GPU's memory, for {way: us} of each: what takes least, all cases counting alike."""
    ways = [way for way in WAYS if all(way in us for us in cases)]
    mean = {way: math.prod(us[way] for us in cases) ** (1 / len(cases)) for way in ways}
    return {"memory": "device", "way": next(way for way in ways if mean[way] < WORTH * min(mean.values()))}


def ranges(points):
    """[(first, last, said)] of sizes of which the same is said: `points` are (bytes, said), ascending, and nothing is
    said where packing loses. Each reaches half way, on a logarithmic scale, to the next size of which something else
    is said, and to the end where there is none."""
    found = []
    for k, (size, said) in enumerate(without_ties(points)):
        first = 1 if k == 0 else half_way(points[k - 1][0], size) + 1
        if found and found[-1][2] == said:
            continue
        if found:
            found[-1][1] = first - 1
        found.append([first, UNBOUNDED, said])
    return [each for each in found if each[2] is not None]


def without_ties(points):
    """A tie goes along with its neighbours if they say the same; else nothing is said."""
    said = [each for _, each in points]
    for k, each in enumerate(said):
        if each == TIED:
            before = said[k - 1] if k > 0 else None
            behind = next((other for other in said[k + 1:] if other != TIED), None)
            said[k] = before if before == behind else None
    return [(size, each) for (size, _), each in zip(points, said)]


def half_way(one, other):
    return round((one * other) ** 0.5)


def rows_of(library, measured, say):
    """`measured`: (call, kernel, smallest block, packed bytes, result); `say` makes of all results of one place the
    fields of a row, or None. One kernel may be measured with several blocks: each block's rows reach half way to the
    next one's; neighbours that say the same are one."""
    groups = {}
    for call, kernel, block, size, result in measured:
        groups.setdefault((call, kernel), {}).setdefault(block, {}).setdefault(size, []).append(result)
    rows = []
    for (call, kernel), blocks in sorted(groups.items()):
        known = sorted(blocks)
        merged = []  # ((first, last) block, ranges)
        for k, block in enumerate(known):
            first = 0 if k == 0 else half_way(known[k - 1], block) + 1
            last = UNBOUNDED if k + 1 == len(known) else half_way(block, known[k + 1])
            found = ranges(sorted((size, say(results)) for size, results in blocks[block].items()))
            if merged and merged[-1][1] == found:
                merged[-1][0][1] = last
            else:
                merged.append(([first, last], found))
        rows += [{"library": library.name, "version": library.version, "call": call, "mover": kernel, **said,
                  "smallest_block": reach, "packed_bytes": size} for reach, found in merged for *size, said in found]
    return rows


def as_table(rows, measured):
    """The table as a file has it. `measured`: where and when."""
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    return f'{{"format": "sluice-mpi table 1", "measured": {json.dumps(measured)},\n "rows": [\n{lines}\n]}}\n'


def as_source(rows, measured):
    """The table as bindings/mpi/policy_table.inc has it."""
    names = {"pack": "Call::kPack", "unpack": "Call::kUnpack", "send": "Call::kSend", "receive": "Call::kReceive",
             "collective": "Call::kCollective", "self": "Call::kSelf"}

    def bounds(pair):
        return f"{{{pair[0]}, {'kAny' if pair[1] is None else pair[1]}}}"

    def way(row):
        return f", {WAYS[row['way']]}" if row["memory"] == "device" else ""

    head = ("// Where packing wins, and the way in a GPU's memory: library, version, call, mover, smallest block,\n"
            "// packed bytes, way. Written by `perf/mpi/sluice-mpi tune --source`:\n"
            f"// {measured}.\n")
    return head + "".join(
        f'{{"{row["library"]}", "{row["version"]}", {names[row["call"]]}, "{row["mover"]}", '
        f'{bounds(row["smallest_block"])}, {bounds(row["packed_bytes"])}{way(row)}}},\n' for row in rows)
