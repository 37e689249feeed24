"""Where packing wins: from measurements between two ranks to the rows of a table."""

import json

# A call is accelerated where it is at least this much faster, so that noise does not decide.
WORTH = 1.05
CALLS = {"sluice": ("send", "receive"), "sluice sends": ("send",), "sluice receives": ("receive",)}
UNBOUNDED = None


def best_way(row):
    """Which sides should pack, by this case: the fastest way that is worth it, or none."""
    us = row["us"]
    ways = [(us[way], calls) for way, calls in CALLS.items() if way in us]
    fastest, calls = min(ways)
    return calls if us["library"] >= WORTH * fastest else ()


def smallest_block(case):
    """The bytes of the smallest block, from the case's name."""
    known = {"struct": 3, "struct.di": 4, "transp": 8, "hidx.8-64B": 8, "hidx.1-40B": 1, "hidx.64-1024B": 64,
             "cnt": 8}
    for start in sorted(known, key=len, reverse=True):
        if case.startswith(start):
            return known[start]
    return None


def ranges(points):
    """[(first, last)] of sizes where packing wins: `points` are (bytes, wins), ascending; a win reaches half way, on a
    logarithmic scale, to the next size that loses, and to the end where none does."""
    found, start = [], None
    for k, (size, wins) in enumerate(points):
        if wins and start is None:
            start = 1 if k == 0 else round((points[k - 1][0] * size) ** 0.5) + 1
        if not wins and start is not None:
            found.append([start, round((points[k - 1][0] * size) ** 0.5)])
            start = None
    if start is not None:
        found.append([start, UNBOUNDED])
    return found


def rows_of(library, measured):
    """`measured`: (call, kernel, smallest block, packed bytes, wins). One kernel may be measured with several blocks:
    each block's rows reach half way to the next one's; neighbours that say the same are one."""
    groups = {}
    for call, kernel, block, size, wins in measured:
        groups.setdefault((call, kernel), {}).setdefault(block, {}).setdefault(size, []).append(wins)
    rows = []
    for (call, kernel), blocks in sorted(groups.items()):
        known = sorted(blocks)
        merged = []  # ((first, last) block, ranges)
        for k, block in enumerate(known):
            first = 0 if k == 0 else round((known[k - 1] * block) ** 0.5) + 1
            last = UNBOUNDED if k + 1 == len(known) else round((block * known[k + 1]) ** 0.5)
            found = ranges(sorted((size, all(wins)) for size, wins in blocks[block].items()))
            if merged and merged[-1][1] == found:
                merged[-1][0][1] = last
            else:
                merged.append(([first, last], found))
        rows += [{"library": library.name, "version": library.version, "call": call, "mover": kernel, "memory": "host",
                  "smallest_block": reach, "packed_bytes": size} for reach, found in merged for size in found]
    return rows


def as_table(rows, measured):
    """The table as a file has it. `measured`: where and when."""
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    return f'{{"format": "sluice-mpi table 1", "measured": {json.dumps(measured)},\n "rows": [\n{lines}\n]}}\n'


def as_source(rows, measured):
    """The table as bindings/mpi/policy_table.inc has it."""
    names = {"pack": "Call::kPack", "unpack": "Call::kUnpack", "send": "Call::kSend", "receive": "Call::kReceive",
             "collective": "Call::kCollective"}

    def bounds(pair):
        return f"{{{pair[0]}, {'kAny' if pair[1] is None else pair[1]}}}"

    head = ("// Where packing wins: library, version, call, mover, smallest block, packed bytes. Written by\n"
            f"// `perf/mpi/sluice-mpi tune --source`: {measured}.\n")
    return head + "".join(f'{{"{row["library"]}", "{row["version"]}", {names[row["call"]]}, "{row["mover"]}", '
                          f'{bounds(row["smallest_block"])}, {bounds(row["packed_bytes"])}}},\n' for row in rows)
