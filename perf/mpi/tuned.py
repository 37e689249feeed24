"""What sluice-mpi tune measures with one library, in memory of the host and of a GPU."""

import re
import statistics

import programs
import rounds
import tuning

# Cases that stand for what a table distinguishes: kernel, smallest block, size.
TUNED = re.compile(r"^(vec\.b(4|8|16|24|64|256|1K|4K)B?\.s\d+K?B?\.(4K|64K|1M|16M)"
                   r"|contig\.|cnt\.|idx\.|hidx\.|struct\.|transp\.)")
# Between ranks: a library may be fast up to some size between those, and not with all shapes of a kernel alike: blocks may
# be far apart. Where it does not matter, these say nothing: nothing else is measured at their sizes.
TUNED_BETWEEN = re.compile(TUNED.pattern + r"|^facef?\.[xy]\.|^box\.")
HOST_PARTS = ("pack", "unpack", "messages", "exchanges", "self", "broadcasts")
DEVICE_PARTS = {"messages": ("send", "receive"), "broadcasts": ("collective",)}


def block_of(case):
    """The bytes of the smallest block of a tuned case. What has no gaps moves alike whatever its elements: 0."""
    found = re.match(r"^(vec\.b|idx\.b|box\.)(\d+)(K?)", case)
    if found:
        return int(found.group(2)) * (1024 if found.group(3) else 1)
    found = re.match(r"^face(f?)\.([xy])\.h(\d+)(?:\.N(\d+))?", case)
    if found:
        line = int(found.group(4) or 256) if found.group(2) == "y" else 1
        return int(found.group(3)) * line * (4 if found.group(1) else 8)
    return 0 if case.startswith("contig.") else tuning.smallest_block(case)


def options_of(arguments):
    return ["--samples", str(arguments.samples), *(["--cases", arguments.cases] if arguments.cases else [])]


class Places:
    """Where a table has the cases of a library."""

    def __init__(self, library):
        self.library, self.kernels = library, {}

    def of(self, row):
        """(kernel, smallest block, packed bytes); None for a case that no table is made of."""
        case = row["case"]
        if not (TUNED_BETWEEN if row["what"] not in ("pack", "unpack") else TUNED).match(case):
            return None
        if case not in self.kernels:
            self.kernels[case] = self.library.kernel_of(case)
        kernel = self.kernels[case]
        return kernel and (kernel.split()[0], block_of(case), row["bytes"])


def measured_on_host(arguments, library):
    """{part: {case: row}}"""
    taken = rounds.Rounds(arguments.rounds)
    for number in taken.numbers():
        for part in filter(lambda part: taken.is_needed(part, number), HOST_PARTS):
            # Only one side at a time as well, but for MPICH, whose own receive loses elements of packed structs: docs/mpi.md.
            mixed = ["--mixed"] if part in ("messages", "exchanges") and library.name != "mpich" else []
            taken.take(part, part, lambda: library.run(part, [*options_of(arguments), *mixed], "always")[0])
        print(f"round {number}: {library.name} {library.version}; {taken.counting() or 'not known where the cores were'}",
              flush=True)
    return {part: {case: programs.medians(rows) for case, rows in taken.rows(part).items()} for part in HOST_PARTS}


def on_host(arguments, library, places):
    """The rows of a table; and the measurements that they are from."""
    parts = measured_on_host(arguments, library)
    measured = []
    for part, rows in parts.items():
        if part == "exchanges":  # counts with the messages
            continue
        for case, row in rows.items():
            both = [row, parts["exchanges"][case]] if part == "messages" else [row]
            place = places.of(row)
            if place is None or (not TUNED.match(case) and all(tuning.is_tie(each) for each in both)):
                continue
            if part == "messages":
                calls = tuning.best_sides(both)
                measured += [(call, *place, call in calls) for call in ("send", "receive")]
            else:
                call = "collective" if part == "broadcasts" else part
                wins = tuning.packing_wins(row) if part in tuning.PACKING else tuning.is_worth(row)
                measured.append((call, *place, wins))
    all_rows = [{**row, "what": f"tune {part}"} for part, rows in parts.items() for row in rows.values()]
    return tuning.rows_of(library, measured, tuning.packs), all_rows


def on_device(arguments, library, places):
    """The same for memory of a GPU. The ways take turns, each with processes of its own. NoGpu without one."""
    options = [*options_of(arguments), "--gpu"]
    rows_of_rounds = {}  # by (part, case), then by way
    for _ in range(arguments.rounds):
        for way in ("one-shot", "staged", "device"):
            if way == "device" and not library.takes_gpus:  # known from the first run on
                continue
            for part in DEVICE_PARTS:
                for row in library.run(part, options, "always", gpu=way)[0]:
                    rows_of_rounds.setdefault((part, row["case"]), {}).setdefault(way, []).append(row)
    measured, all_rows = [], []
    for (part, _), rows_of_ways in rows_of_rounds.items():
        rows = {way: programs.medians(rows) for way, rows in rows_of_ways.items()}
        all_rows += [{**row, "what": f"tune {part} device {way}"} for way, row in rows.items()]
        place = places.of(rows["one-shot"])
        if place is not None:
            us = us_of_ways({way: row["us"] for way, row in rows.items()})
            measured += [(call, *place, us) for call in DEVICE_PARTS[part]]
    return tuning.rows_of(library, measured, tuning.goes), all_rows


def us_of_ways(times):
    """{way: us} of {way: {method: us}}: the library's own calls are the way "off", beside whichever they ran."""
    us = {way: methods["sluice"] for way, methods in times.items()}
    own = [methods["library"] for methods in times.values() if "library" in methods]
    return {**us, "off": statistics.median(own)} if own else us


MEMORIES = {"host": on_host, "device": on_device}
