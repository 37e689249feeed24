"""What sluice-mpi tune measures with one library, in memory of the host and of a GPU."""

import re
import statistics

import programs
import tuning

# Cases that stand for what a table distinguishes: kernel, smallest block, size.
TUNED = re.compile(r"^(vec\.b(4|8|16|64|256|1K|4K)B?\.s\d+K?B?\.(4K|64K|1M)"
                   r"|contig\.|cnt\.|idx\.|hidx\.|struct\.|transp\.)")
# Messages: a library may be fast up to some size between those, and not with all shapes of a kernel alike. Where it does
# not matter, these say nothing: nothing else is measured at their sizes.
TUNED_MESSAGES = re.compile(TUNED.pattern + r"|^facef?\.x\.")
DEVICE_PARTS = {"messages": ("send", "receive"), "broadcasts": ("collective",)}


def block_of(case):
    """The bytes of the smallest block of a tuned case. What has no gaps moves alike whatever its elements: 0."""
    found = re.match(r"^(vec|idx)\.b(\d+)(K?)", case)
    if found:
        return int(found.group(2)) * (1024 if found.group(3) else 1)
    found = re.match(r"^face(f?)\.x\.h(\d+)", case)
    if found:
        return int(found.group(2)) * (4 if found.group(1) else 8)
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
        if not (TUNED_MESSAGES if row["what"] in ("self", "messages") else TUNED).match(case):
            return None
        if case not in self.kernels:
            self.kernels[case] = self.library.kernel_of(case)
        kernel = self.kernels[case]
        return kernel and (kernel.split()[0], block_of(case), row["bytes"])


def on_host(arguments, library, places):
    """The rows of a table; and the measurements that they are from."""
    options = options_of(arguments)
    measured, all_rows = [], []
    for part in ("pack", "unpack", "messages", "self", "broadcasts"):
        # Only one side at a time as well, but for MPICH, whose own receive loses elements of packed structs:
        # docs/mpi.md.
        mixed = ["--mixed"] if part == "messages" and library.name != "mpich" else []
        rows_of_rounds = {}  # by case
        for _ in range(arguments.rounds):
            for row in library.run(part, [*options, *mixed], "always")[0]:
                rows_of_rounds.setdefault(row["case"], []).append(row)
        rows = [programs.medians(each) for each in rows_of_rounds.values()]
        all_rows += [{**row, "what": f"tune {part}"} for row in rows]
        for row, place in ((row, places.of(row)) for row in rows):
            if place is None or (not TUNED.match(row["case"]) and tuning.is_tie(row)):
                continue
            if part == "messages":
                calls = tuning.best_sides(row)
                measured += [(call, *place, call in calls) for call in ("send", "receive")]
            else:
                call = "collective" if part == "broadcasts" else part
                measured.append((call, *place, row["us"]["sluice"] <= row["us"]["library"] / tuning.WORTH))
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
