"""The command line of sluice-mpi."""

import argparse
import datetime
import json
import pathlib
import socket
import sys

import programs
import rounds
import tuned
import tuning

PARTS = ["pack", "unpack", "calls", "messages", "exchanges", "self", "broadcasts", "halo"]


def parse_arguments(description):
    parser = argparse.ArgumentParser(prog="sluice-mpi", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    tune = commands.add_parser("tune", help="measure where packing wins, and how a GPU's memory goes; write a table")
    tune.add_argument("--output", type=pathlib.Path, default=pathlib.Path("sluice-mpi-table.json"))
    tune.add_argument("--memory", nargs="+", default=list(tuned.MEMORIES), choices=list(tuned.MEMORIES),
                      help="where messages are; device: of a GPU, if there is one")
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
        each.add_argument("--rounds", type=int, default=3, help="each with processes of its own")
        each.add_argument("--cases", default="", help="only those whose name contains one of these, between commas")
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


def new_header(arguments, header, where_cores_were=""):
    import measuring
    import peers
    now = datetime.datetime.now()
    return {**header, "host": socket.gethostname(), "date": now.strftime("%Y-%m-%d"), "time": now.strftime("%H:%M"),
            "machine": measuring.machine(), "commit": peers.commit(), "samples": arguments.samples,
            "note": getattr(arguments, "note", "") or header.get("note", ""),
            "cores": where_cores_were or header.get("cores", "")}


def measure(arguments):
    """Adds to the results what it measures, in place of earlier rows of the same."""
    header, rows = load(arguments.results)
    libraries, taken = programs.usable_libraries(arguments.libraries), rounds.Rounds(arguments.rounds)
    for number in taken.numbers():
        for part in arguments.parts:
            for library in libraries:
                key = (part, library.name)
                if not taken.is_needed(key, number):
                    continue
                new = taken.take(key, part, lambda: library.run(
                    part, tuned.options_of(arguments), "all", arguments.table)[0])
                print(f"round {number}: {part}, {library.name} {library.version}, {len(new)} cases",
                      flush=True)
                rows.update({(*key, case): programs.medians(each)
                             for key in taken.taken for case, each in taken.rows(key).items()})
                save(arguments.results, new_header(arguments, header, taken.counting()), rows)
    print(f"wrote {arguments.results}")


def tune(arguments):
    header, saved = load(arguments.results)
    rows, failed, memories = [], [], list(arguments.memory)
    for library in programs.usable_libraries(arguments.libraries):
        places = tuned.Places(library)
        for memory in list(memories):
            try:
                new, measured = tuned.MEMORIES[memory](arguments, library, places)
            except programs.NoGpu:
                memories.remove(memory)
                print("sluice-mpi: no GPU here: without rows for memory of one")
                continue
            except programs.Failed as failure:  # what else was measured is not lost by it
                failed.append(f"without {library.name} in memory {memory}: {failure}")
                continue
            rows += new
            saved.update({(row["what"], library.name, row["case"]): row for row in measured})
    if not memories:
        sys.exit(programs.NO_GPU)
    header = new_header(arguments, header)
    save(arguments.results, header, saved)
    if rows:
        write_table(arguments, rows, header, whole=not failed)
    else:
        failed.append("nothing was measured, or packing wins nowhere; no table written")
    if failed:
        sys.exit("\n".join(f"sluice-mpi: {each}" for each in failed))


def write_table(arguments, rows, header, whole):
    """`whole`: nothing failed. What is built in has rows for all libraries or stays as it is."""
    parts = [header["machine"]["cpu"], header["machine"]["system"], header["date"]]
    if any(row["memory"] == "device" for row in rows):
        parts.insert(1, programs.gpu_name())
    measured_on = ", ".join(parts)
    arguments.output.write_text(tuning.as_table(rows, measured_on), encoding="utf-8")
    if arguments.source and whole:
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
    try:
        {"tune": tune, "measure": measure, "report": report}[arguments.command](arguments)
    except programs.Failed as failure:
        sys.exit(f"sluice-mpi: {failure}")
