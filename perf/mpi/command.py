"""The command line of sluice-mpi."""

import argparse
import datetime
import json
import pathlib
import re
import socket
import sys

import programs
import tuning

sys.path.append(str(programs.ROOT / "perf/compare"))

PARTS = ["pack", "unpack", "calls", "messages", "broadcasts", "halo"]
# Cases that stand for what a table distinguishes: kernel, smallest block, size.
TUNED = re.compile(r"^(vec\.b(4|8|16|64|256|1K|4K)B?\.s\d+K?B?\.(4K|64K|1M)|contig\.|cnt\.|idx\.|hidx\.|struct\.|transp\.)")


def parse_arguments(description):
    parser = argparse.ArgumentParser(prog="sluice-mpi", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    tune = commands.add_parser("tune", help="measure where packing wins, and write a table")
    tune.add_argument("--output", type=pathlib.Path, default=pathlib.Path("sluice-mpi-table.json"))
    tune.add_argument("--source", type=pathlib.Path, metavar="FILE", help="also as bindings/mpi/policy_table.inc")
    measure = commands.add_parser("measure", help="measure beside the library's own")
    measure.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    measure.add_argument("--note", default="", help="a sentence for the report: what else ran on the machine, say")
    measure.add_argument("--table", type=pathlib.Path, help="instead of the table built in")
    report = commands.add_parser("report", help="write the page from measurements")
    report.add_argument("--check", action="store_true", help="exit status 1 when a claim misses")
    for each in (tune, measure):
        each.add_argument("--libraries", nargs="+", default=list(programs.LIBRARIES), choices=list(programs.LIBRARIES))
        each.add_argument("--samples", type=int, default=15)
        each.add_argument("--cases", default="", help="only those whose name contains this")
    for each in (measure, report, tune):
        each.add_argument("--results", type=pathlib.Path, help="the .jsonl file; default perf/results/mpi-HOST-DATE.jsonl")
    arguments = parser.parse_args()
    host, today = socket.gethostname(), datetime.date.today()
    arguments.results = arguments.results or programs.ROOT / f"perf/results/mpi-{host}-{today}.jsonl"
    return arguments


def load(path):
    """(header, {(what, library, case): row}) of a file that need not be there."""
    if not path.exists():
        return {}, {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return rows[0], {(row["what"], row["library"], row["case"]): row for row in rows[1:]}


def save(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(header), *(json.dumps(row) for row in rows.values())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def new_header(arguments, header):
    import measuring
    import peers
    now = datetime.datetime.now()
    return {**header, "host": socket.gethostname(), "date": now.strftime("%Y-%m-%d"), "time": now.strftime("%H:%M"),
            "machine": measuring.machine(), "commit": peers.commit(), "samples": arguments.samples,
            "note": getattr(arguments, "note", "") or header.get("note", "")}


def measure(arguments):
    """Adds to the results what it measures, in place of earlier rows of the same."""
    header, rows = load(arguments.results)
    for part in arguments.parts:
        for library in programs.usable_libraries(arguments.libraries):
            options = ["--samples", str(arguments.samples), "--cases", arguments.cases]
            new, _ = library.run(part, options, "all", arguments.table)
            rows.update({(part, library.name, row["case"]): row for row in new})
            print(f"{part}, {library.name} {library.version}: {len(new)} cases")
            save(arguments.results, new_header(arguments, header), rows)
    print(f"wrote {arguments.results}")


def block_of(case):
    """The bytes of the smallest block of a tuned case."""
    found = re.match(r"^(vec|idx)\.b(\d+)(K?)", case)
    if found:
        return int(found.group(2)) * (1024 if found.group(3) else 1)
    return tuning.smallest_block(case)


def tune_one(arguments, library):
    """(call, kernel, smallest block, packed bytes, wins) of one library; and the rows that it is from."""
    options = ["--samples", str(arguments.samples), "--cases", arguments.cases]
    measured, all_rows, kernels = [], [], {}
    for part in ("pack", "unpack", "messages", "broadcasts"):
        # Only one side at a time as well, but for MPICH, whose own receive loses elements of packed structs: docs/mpi.md.
        mixed = ["--mixed"] if part == "messages" and library.name != "mpich" else []
        rows, _ = library.run(part, [*options, *mixed], "always")
        all_rows += [{**row, "what": f"tune {part}"} for row in rows]
        for row in rows:
            if not TUNED.match(row["case"]):
                continue
            if row["case"] not in kernels:
                kernels[row["case"]] = library.kernel_of(row["case"])
            kernel = kernels[row["case"]]
            if kernel is None:
                continue
            found = (kernel.split()[0], block_of(row["case"]) or row["bytes"], row["bytes"])
            if part == "messages":
                calls = tuning.best_way(row)
                measured += [(call, *found, call in calls) for call in ("send", "receive")]
            else:
                call = "collective" if part == "broadcasts" else part
                measured.append((call, *found, row["us"]["sluice"] <= row["us"]["library"] / tuning.WORTH))
    return measured, all_rows


def tune(arguments):
    header, saved = load(arguments.results)
    rows = []
    for library in programs.usable_libraries(arguments.libraries):
        measured, measured_rows = tune_one(arguments, library)
        saved.update({(row["what"], library.name, row["case"]): row for row in measured_rows})
        rows += tuning.rows_of(library, measured)
    header = new_header(arguments, header)
    save(arguments.results, header, saved)
    if not rows:
        sys.exit("sluice-mpi: nothing was measured, or packing wins nowhere; no table written")
    measured_on = f"{header['machine']['cpu']}, {header['machine']['system']}, {header['date']}"
    arguments.output.write_text(tuning.as_table(rows, measured_on), encoding="utf-8")
    if arguments.source:
        arguments.source.write_text(tuning.as_source(rows, measured_on), encoding="utf-8")
    print(f"wrote {arguments.output}: SLUICE_MPI_TABLE={arguments.output}")


def report(arguments):
    import claims
    import page
    header, rows = load(arguments.results)
    if not rows:
        sys.exit(f"sluice-mpi: {arguments.results} has no measurements")
    results = page.write(header, rows, programs.ROOT / "docs/performance")
    print(claims.as_text(results))
    if arguments.check:
        sys.exit(0 if all(result.held for result in results) else 1)


def main(description):
    arguments = parse_arguments(description)
    {"tune": tune, "measure": measure, "report": report}[arguments.command](arguments)
