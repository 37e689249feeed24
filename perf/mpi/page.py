"""docs/performance/mpi.md: claims, tables and plots from measurements."""

import statistics

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "sluice", "svg.fonttype": "none", "font.size": 9,
                            "axes.spines.top": False, "axes.spines.right": False})
from claims import Result, as_markdown  # noqa: E402
from matplotlib import pyplot  # noqa: E402

TITLES = {"openmpi": "Open MPI", "mpich": "MPICH"}
SLOWER = 1.03  # by more than this, it is slower
STRUCT3 = ("struct.idc3",)
STRUCT2 = ("struct.di",)
INDEX = ("idx.", "idxsort.")
TRANSPOSE = ("transp.",)
SMALL_BLOCKS = ("vec.b4B", "vec.b8B", "cnt.")
CALLS_IN_ROW = 100
WHAT = {"pack": "MPI_Pack", "unpack": "MPI_Unpack", "messages": "Half a round trip", "exchanges": "Of two messages each way",
        "self": "Message to itself", "broadcasts": "Broadcast", "halo": "Halo exchange"}


class Measured:
    def __init__(self, header, rows):
        self.header, self.rows = header, rows

    def of(self, what, library):
        return [row for key, row in self.rows.items() if key[:2] == (what, library)]

    def libraries(self):
        return [name for name in TITLES if any(key[1] == name for key in self.rows)]

    def title(self, library):
        version = next((row["version"] for key, row in self.rows.items() if key[1] == library), "")
        return f"{TITLES[library]} {version}"


def speedup(row):
    return row["us"]["library"] / row["us"]["sluice"]


def never_slower(measured, library):
    for what in WHAT:
        rows = measured.of(what, library)
        claim = f"{WHAT[what]}, {measured.title(library)}: no case slower than the library by more than 3 %"
        slower = [f"{row['case']} {speedup(row):.2f}x" for row in rows if speedup(row) < 1 / SLOWER]
        yield Result(claim, not slower if rows else None,
                     f"{len(slower)} of {len(rows)} slower: " + ", ".join(slower) if slower else f"{len(rows)} cases")


def at_least(measured, what, library, starts, wanted, name):
    rows = [row for row in measured.of(what, library) if row["case"].startswith(starts)]
    claim = f"{WHAT[what]}, {measured.title(library)}, {name}: at least {wanted:g}x"
    found = ", ".join(f"{row['case']} {speedup(row):.1f}x" for row in rows)
    return Result(claim, all(speedup(row) >= wanted for row in rows) if rows else None, found or "not measured")


def cost_of_calls(measured, library):
    bounds = {"100 sends of contiguous doubles to nobody": ("a contiguous send", 10),
              "100 sends of a derived type to nobody": ("a send of a derived type that is passed on", 5),
              "100 receives of contiguous doubles from nobody": ("a contiguous receive", 10),
              "100 tests of a null request": ("a test", 5), "100 waits for four null requests": ("a wait for four", 5)}
    for row in measured.of("calls", library):
        name, bound = bounds[row["case"]]
        nanoseconds = (row["us"]["sluice"] - row["us"]["library"]) * 1e3 / CALLS_IN_ROW
        own = row["us"]["library"] * 1e3 / CALLS_IN_ROW
        yield Result(f"{measured.title(library)}: {name} costs at most {bound} ns more", nanoseconds <= bound,
                     f"{nanoseconds:.1f} ns on top of {own:.1f} ns")


def check(measured):
    results = []
    for library in measured.libraries():
        ompi = library == "openmpi"
        results += never_slower(measured, library)
        results.append(at_least(measured, "pack", library, STRUCT3, 8 if ompi else 20, "structs of three fields"))
        results.append(at_least(measured, "pack", library, STRUCT2, 2 if ompi else 20, "structs of two fields"))
        if ompi:
            results.append(at_least(measured, "pack", library, INDEX, 3, "index lists"))
            results.append(at_least(measured, "messages", library, STRUCT3, 3, "structs of three fields"))
        else:
            results.append(at_least(measured, "messages", library, STRUCT3 + STRUCT2, 3.5, "structs"))
            results.append(at_least(measured, "messages", library, SMALL_BLOCKS, 3.5, "blocks of 4 and 8 bytes"))
        results.append(at_least(measured, "pack", library, TRANSPOSE, 3, "transposes"))
        results += cost_of_calls(measured, library)
    return results


def time_text(us):
    return f"{us:.3f}" if us < 1 else f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:.0f}"


def packing_table(measured, what, library):
    lines = ["| case | bytes | memcpy GB/s | by hand GB/s | library GB/s | Sluice GB/s | against the library | by hand |",
             "|---|" + "---:|" * 7]
    for row in measured.of(what, library):
        us = row["us"]
        rates = [f"{row['bytes'] / us[name] / 1e3:.1f}" for name in ("memcpy", "hand", "library", "sluice")]
        lines.append(f"| {row['case']} | {row['bytes']} | {' | '.join(rates)} | {speedup(row):.2f}x "
                     f"| {us['hand'] / us['sluice']:.2f}x |")
    return lines


def times_table(measured, what, library):
    lines = ["| case | bytes | library us | Sluice us | against the library |", "|---|" + "---:|" * 4]
    return lines + [f"| {row['case']} | {row['bytes']} | {time_text(row['us']['library'])} | "
                    f"{time_text(row['us']['sluice'])} | {speedup(row):.2f}x |" for row in measured.of(what, library)]


def draw(measured, what, path):
    """How many times faster each case is, one bar for each library."""
    libraries = measured.libraries()
    cases = list(dict.fromkeys(row["case"] for library in libraries for row in measured.of(what, library)))
    if not cases:
        return False
    figure, axes = pyplot.subplots(figsize=(11, 0.17 * len(cases) + 1.2), layout="constrained")
    height = 0.8 / len(libraries)
    for k, library in enumerate(libraries):
        ratios = {row["case"]: speedup(row) for row in measured.of(what, library)}
        axes.barh([n + k * height for n in range(len(cases))], [ratios.get(case, 0) for case in cases], height,
                  label=measured.title(library), color=("#d9730d", "#0b57d0")[k % 2])
    axes.set_yticks([n + height / 2 for n in range(len(cases))], cases, fontsize=6)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="times as fast as the library")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.legend(frameon=False)
    axes.set_title(f"{WHAT[what]} — {measured.header['machine']['cpu']}, {measured.header['date']}", fontsize=10)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return True


def rounds_text(measured):
    rounds = sorted({row.get("rounds", 1) for row in measured.rows.values() if row["what"] in (*WHAT, "calls")})
    return f"rounds of processes: {' to '.join(str(number) for number in dict.fromkeys((rounds[0], rounds[-1])))}"


def head(measured):
    header = measured.header
    machine = header["machine"]
    return ["# The MPI door beside Open MPI and MPICH", "",
            "Written by `./dev mpi`; change nothing here by hand. What is measured: [mpi.md](../mpi.md).", "",
            f"* Machine: {header['host']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, "
            f"{machine['system']}.",
            f"* Date: {header['date']} {header['time']}, commit {header['commit']}, {rounds_text(measured)}, medians of "
            f"{header['samples']} samples in each"
            f"{'; ' + header['cores'] if header.get('cores') else ''}.",
            *([f"* Note: {header['note']}"] if header["note"] else []), "",
            "The library's times are the medians of the rounds; the others are by the medians of the rounds' ratios to the "
            "library. Every sample goes round all columns within one process, or pair of processes: the library's own "
            "functions, found through its handle, and those that the program sees, which are Sluice's, with the table built "
            "in. `by hand` is the loop that a C programmer writes, `memcpy` a copy of the packed bytes. Messages, broadcasts "
            "and halos are between two ranks in shared memory; of two messages each way, and of four to itself that each of "
            "two ranks sends, all are started before any is waited for. Buffers are in cache where they fit.", "",
            "`vec.bX.sY.Z`: blocks of X bytes at stride Y, Z packed. `face.{x,y,z}.hH.N`: a face of an N^3 grid of doubles (256 "
            "without), H deep; `facef`: floats. `idx.bB`: indexed_block of B bytes at random places; `hidx.a-b`: blocks of a "
            "to b bytes. `idc3`: {int; double; char[3]}; `di`: {double; int}. `cnt`: a count of a resized double. `transp`: the "
            "columns of a matrix. `contig`: no gaps.", ""]


def write(header, rows, folder):
    measured = Measured(header, rows)
    results = check(measured)
    lines = [*head(measured), "## Claims", "", *as_markdown(results), ""]
    for what in WHAT:
        name = f"mpi-{what}.svg"
        if draw(measured, what, folder / name):
            lines += [f"## {WHAT[what]}", "", f"![{WHAT[what]}: times as fast as the library]({name})", ""]
        for library in measured.libraries():
            if not measured.of(what, library):
                continue
            ratios = [speedup(row) for row in measured.of(what, library)]
            table = packing_table if what in ("pack", "unpack") else times_table
            lines += [f"### {WHAT[what]}, {measured.title(library)}", "",
                      f"Geometric mean {statistics.geometric_mean(ratios):.2f}x, slowest {min(ratios):.2f}x.", "",
                      *table(measured, what, library), ""]
    (folder / "mpi.md").write_text("\n".join(lines), encoding="utf-8")
    return results
