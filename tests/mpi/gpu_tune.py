"""sluice-mpi tune with one library on the double of a GPU's runtime, and what a program makes of the table. See --help.

Exit status 77, which ctest calls skipped, where the library is not installed.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import run

TUNE = pathlib.Path(__file__).resolve().parents[2] / "perf/mpi/sluice-mpi"
CASES = ["contig.4K", "vec.b8B.s16B.4K", "vec.b256B.s512B.4K"]
CALLS = {"send": "MPI_Send", "receive": "MPI_Recv", "collective": "MPI_Bcast"}
WAYS = ["one-shot", "staged"]
PASSED = "passed on"
REPORTED = re.compile(r"rank \d+: (MPI_\w+): (?:1 calls, .* accelerated \(gpu, ([\w-]+)\)|1 passed on: 1 (\w+))$",
                      re.MULTILINE)
# What makes the interposer believe that any library takes a GPU's pointers, by the double's name.
BELIEVED = {"libcuda.so.1": {"MV2_USE_CUDA": "1"}, "libamdhip64.so.5": {"MV2_USE_ROCM": "1"}}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, choices=sorted(run.ENVIRONMENTS))
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--driver", type=pathlib.Path, help="the double of a runtime; else there is to be no GPU")
    parser.add_argument("--program", help="mpi_gpu_ways")
    return parser.parse_args()


def must(right, text):
    if not right:
        sys.exit(f"wrong: {text}")


def tune(arguments, folder, driver, *options):
    """The exit status, what it printed, its table if there is one, and the rows of its results."""
    table, results = folder / "table.json", folder / "results.jsonl"
    line = [sys.executable, str(TUNE), "tune", "--libraries", arguments.library, "--samples", "1", "--rounds", "2",
            "--output", str(table), "--results", str(results), "--source", str(folder / "table.inc"), *options]
    environment = {**os.environ, **run.ENVIRONMENTS[arguments.library], "SLUICE_BUILD": str(arguments.build),
                   "LD_LIBRARY_PATH": str(driver)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=200)
    read = json.loads(table.read_text(encoding="utf-8")) if table.exists() else None
    lines = results.read_text(encoding="utf-8").splitlines()[1:] if results.exists() else []
    return done.returncode, done.stdout + done.stderr, read, [json.loads(line) for line in lines]


def check_rows(library, table):
    must(table["format"] == "sluice-mpi table 1", table)
    for call in CALLS:
        rows = [row for row in table["rows"] if row["call"] == call]
        must({row["mover"] for row in rows} == {"contiguous", "gather8", "rows"}, f"movers of {call}: {rows}")
    for row in table["rows"]:
        must(row["memory"] == "device" and row["way"] in WAYS and row["library"] == library and row["version"], row)
        # One size and one block of each kernel.
        must(row["smallest_block"] == [0, None] and row["packed_bytes"] == [1, None], row)


def check_measurements(measured):
    found = {row["what"]: set() for row in measured}
    for row in measured:
        found[row["what"]].add(row["case"])
        must(row["us"].keys() == {"sluice"} and row["us"]["sluice"] > 0 and row["rounds"] == 2, row)
    parts = [f"tune {part} device {way}" for part in ("messages", "broadcasts") for way in WAYS]
    must(found == dict.fromkeys(parts, set(CASES)), found)


def ways_seen(arguments, table, ranks, **variables):
    """{function: the way in its report, or PASSED and why} of a program under a table. Its data must be right."""
    settings = {"LD_PRELOAD": arguments.build / "lib/libsluice-mpi.so", "LD_LIBRARY_PATH": arguments.driver.parent,
                "SLUICE_MPI_TABLE": table, "SLUICE_MPI_REPORT": "1", "SLUICE_TEST_GPU": arguments.driver.name,
                **variables}
    variables = [f"{name}={value}" for name, value in settings.items()]
    line = [run.launcher(arguments.library), "-np", str(ranks), "env", *variables, arguments.program]
    environment = {**os.environ, **run.ENVIRONMENTS[arguments.library]}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=100)
    must(done.returncode == 0, f"{line}: exit status {done.returncode}\n{done.stderr}")
    must(f"table {table}" in done.stderr, done.stderr)
    return {function: way or f"{PASSED}: {why}" for function, way, why in REPORTED.findall(done.stderr)}


def check_reports(arguments, folder, table):
    """A program goes the way that the rows for its type say, whatever they say."""
    def seen(change, ranks=2, **variables):
        rows = [{**row, "way": change(row)} for row in table["rows"]]
        path = folder / "changed.json"
        path.write_text(json.dumps({**table, "rows": rows}), encoding="utf-8")
        return ways_seen(arguments, path, ranks, **variables)

    measured = {CALLS[row["call"]]: row["way"] for row in table["rows"] if row["mover"] == "gather8"}
    must(seen(lambda row: row["way"]) == measured, f"not the ways measured, {measured}")
    other = dict(zip(WAYS, reversed(WAYS)))
    changed = seen(lambda row: other[row["way"]])
    must(changed == {function: other[way] for function, way in measured.items()}, f"{changed}, and not the others")
    mixed = seen(lambda row: "staged" if row["call"] == "send" and row["mover"] == "gather8" else "one-shot")
    must(mixed == {"MPI_Send": "staged", "MPI_Recv": "one-shot", "MPI_Bcast": "one-shot"}, mixed)
    # Neither is for a library that does not take a GPU's pointers: as if there were no such row.
    for way in ("off", "device"):
        unfit = seen(lambda row: way)
        must(unfit == dict.fromkeys(CALLS.values(), "one-shot"), f"{unfit} where the table says {way}")
    for way, expected in (("off", f"{PASSED}: table"), ("device", "device"), ("staged", "staged")):
        believed = seen(lambda row: way, ranks=1, **BELIEVED[arguments.driver.name])
        must(believed == {"MPI_Bcast": expected}, f"{believed} of a library that takes GPUs where the table says {way}")


def check_with_driver(arguments, folder):
    status, text, table, measured = tune(arguments, folder, arguments.driver.parent, "--memory", "device", "--cases",
                                         ",".join(CASES))
    must(status == 0 and table, f"tune: exit status {status}: {text}")
    check_rows(arguments.library, table)
    check_measurements(measured)
    source = (folder / "table.inc").read_text(encoding="utf-8")
    must(len(re.findall(r"^{.*, Way::k(?:OneShot|Staged)},$", source, re.MULTILINE)) == len(table["rows"]), source)
    check_reports(arguments, folder, table)


def check_without(arguments, folder):
    """What is no library in a runtime's place: no GPU, also where a runtime is installed."""
    for name in ("libcuda.so.1", *(f"libamdhip64.so.{release}" for release in (5, 6, 7))):
        (folder / name).write_text("nothing", encoding="utf-8")
    status, text, table, measured = tune(arguments, folder, folder, "--memory", "device", "--cases", CASES[1])
    must(status == run.SKIPPED and "no GPU here" in text, f"exit status {status}: {text}")
    must(table is None and not measured, measured)
    status, text, table, measured = tune(arguments, folder, folder, "--cases", CASES[1], "--rounds", "1")
    must("no GPU here" in text, text)
    parts = ("pack", "unpack", "messages", "exchanges", "self", "broadcasts")
    must({row["what"] for row in measured} == {f"tune {part}" for part in parts}, measured)
    if table is None:  # where packing is never worth it on this machine
        must(status == 1 and "no table written" in text, f"exit status {status}: {text}")
    else:
        must(status == 0 and {row["memory"] for row in table["rows"]} == {"host"}, table)


def main():
    arguments = parse_arguments()
    run.launcher(arguments.library)
    with tempfile.TemporaryDirectory() as folder:
        check = check_with_driver if arguments.driver else check_without
        check(arguments, pathlib.Path(folder))
    print(f"{arguments.library}: all right")


if __name__ == "__main__":
    main()
