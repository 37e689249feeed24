"""Runs an MPI program of one library with and without the interposer. See run.py --help.

Exit status 77, which ctest calls skipped, when something that the test needs is not installed.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

SKIPPED = 77
# The interposer takes everything that it can, whatever the table says is worth it.
FORCED = {"SLUICE_MPI": "always", "SLUICE_MPI_REPORT": "1"}
ENVIRONMENTS = {
    "openmpi": {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
                "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl": "self,vader", "OMPI_MCA_pml": "ob1",
                "OMPI_MCA_btl_vader_single_copy_mechanism": "none"},
    "mpich": {},
}
LAUNCHERS = {"openmpi": ["mpirun.openmpi", "mpiexec.openmpi"], "mpich": ["mpirun.mpich", "mpiexec.hydra"]}
ACCELERATED = re.compile(r"^sluice-mpi: rank \d+: (MPI_\w+): .* accelerated", re.MULTILINE)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, choices=sorted(ENVIRONMENTS))
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--interposer", help="path of libsluice-mpi.so")
    parser.add_argument("--sanitizer", choices=["address", "thread"], help="what program and interposer were built with")
    parser.add_argument("--suppressions", help="the thread sanitizer's")
    parser.add_argument("--on", default="none,all",
                        help="which ranks get it, one run for each: none, all, quiet (all, without a report), or a rank's number")
    parser.add_argument("--expect", default="", help="functions that must have been accelerated where it is on all ranks")
    parser.add_argument("--policy", action="store_true", help="by its table, instead of all that can be")
    parser.add_argument("--rows", help="by a table that has rows for these calls only, of any type: names between commas")
    parser.add_argument("--passes", default="", help="functions that must not have been accelerated where it is on all ranks")
    parser.add_argument("--reports", default="", help="what the report must contain there: a regular expression")
    parser.add_argument("--driver", help="a libcuda.so.1 or libamdhip64.so: buffers are in its memory")
    parser.add_argument("--way", default="auto", help="with --driver: SLUICE_MPI_GPU")
    parser.add_argument("--fails", default="", help="with --driver: the call that fails there")
    parser.add_argument("--if-native", action="store_true", help="skip where the library itself cannot run the program")
    parser.add_argument("--same", action="store_true", help="what the runs print, but for times, is the same")
    parser.add_argument("--finds", default="", help="what each run's output must contain: a regular expression")
    parser.add_argument("--need", default="", help="a file or a module of Python (module:name) without which to skip")
    parser.add_argument("--input", action="append", default=[], help="a file that the program finds where it runs")
    parser.add_argument("--timeout", type=float, default=100, help="seconds for one run")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    arguments.command = [word for word in arguments.command if word != "--"]
    return arguments


def skip(text):
    print("skipped:", text)
    sys.exit(SKIPPED)


def launcher(library):
    for name in LAUNCHERS[library]:
        if shutil.which(name):
            return name
    return skip(f"{LAUNCHERS[library][0]} is not installed")


def check_needs(arguments):
    for need in filter(None, arguments.need.split(",")):
        if need.startswith("module:"):
            module = need.removeprefix("module:")
            if subprocess.run([arguments.command[0], "-c", f"import {module}"], capture_output=True).returncode:
                skip(f"Python has no {module}")
        elif not pathlib.Path(need).exists():
            skip(f"{need} is not installed")


def sanitizer_environment(arguments):
    """MPI libraries are not built with a sanitizer: what they keep to the end, and what they lock, is not seen."""
    if not arguments.sanitizer:
        return {}
    if arguments.sanitizer == "address":
        return {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return {"TSAN_OPTIONS": f"ignore_noninstrumented_modules=1:suppressions={arguments.suppressions}"}


def preload(arguments):
    if not arguments.sanitizer:
        return arguments.interposer
    name = {"address": "libasan.so", "thread": "libtsan.so"}[arguments.sanitizer]
    found = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return f"{found.stdout.strip()}:{arguments.interposer}"


def write_table(arguments, path):
    rows = [{"library": arguments.library, "call": call, "mover": "*"} for call in arguments.rows.split(",")]
    path.write_text(json.dumps({"format": "sluice-mpi table 1", "rows": rows}), encoding="utf-8")


def command_line(arguments, on, folder):
    """One application, or one for each rank, with the interposer where it is wanted."""
    settings = {} if arguments.policy or arguments.rows else {"SLUICE_MPI": FORCED["SLUICE_MPI"]}
    if arguments.rows:
        settings |= {"SLUICE_MPI_TABLE": str(pathlib.Path(folder) / "table.json")}
    settings |= {"SLUICE_MPI_REPORT": "0" if on == "quiet" else "1", "LD_PRELOAD": preload(arguments)}
    if arguments.driver:
        driver = pathlib.Path(arguments.driver)
        settings |= {"LD_LIBRARY_PATH": str(driver.parent), "SLUICE_TEST_GPU": driver.name,
                     "SLUICE_MPI_GPU": arguments.way, "SLUICE_TEST_GPU_FAILS": arguments.fails}
    variables = [f"{name}={value}" for name, value in settings.items()]
    start = [launcher(arguments.library)]
    # Through env, so that the launcher itself and its daemons are left alone.
    with_it, without = ["env", *variables, *arguments.command], arguments.command
    if on in ("none", "all", "quiet"):
        return [*start, "-np", str(arguments.ranks), *(without if on == "none" else with_it)]
    line = start
    for rank in range(arguments.ranks):
        line += [":"] * (rank > 0) + ["-np", "1", *(with_it if rank == int(on) else without)]
    return line


def run(arguments, on):
    """Output and errors of one run that ended well."""
    environment = {**os.environ, **ENVIRONMENTS[arguments.library], **sanitizer_environment(arguments)}
    with tempfile.TemporaryDirectory() as folder:
        line = command_line(arguments, on, folder)
        if arguments.rows:
            write_table(arguments, pathlib.Path(folder) / "table.json")
        for name in arguments.input:
            shutil.copy(name, folder)
        with subprocess.Popen(line, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
            try:
                output, errors = process.communicate(timeout=arguments.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, errors = process.communicate()
                print(output[-3000:], errors[-3000:])
                sys.exit(f"interposer on {on}: not done after {arguments.timeout} s: {' '.join(line)}")
        for path in sorted(pathlib.Path(folder).glob("*out*.txt")):  # hpcc writes there
            output += path.read_text(encoding="utf-8", errors="replace")
    if process.returncode == SKIPPED:
        skip(output.strip())
    if process.returncode and on == "none" and arguments.if_native:
        skip(f"without the interposer, too, exit status {process.returncode}: {errors[:300]}")
    if process.returncode:
        print(output[-3000:], errors[-6000:])
        sys.exit(f"interposer on {on}: exit status {process.returncode}: {' '.join(line)}")
    return output, errors


def without_times(text):
    """What must be the same in two runs: words, and numbers that are no times or rates."""
    kept = []
    for line in text.splitlines():
        if re.search(r"time|second|MFLOPS|GFLOP|rate|GB/s|GUP|Gflop|bandwidth|latency|date|\bran\b|perf", line, re.IGNORECASE):
            continue
        # Tables of ScaLAPACK's testers: their last columns are times, MFLOPS and a residual.
        words = [word for word in line.split() if not re.fullmatch(r"[-+]?\d*\.\d*(E[-+]\d+)?", word)]
        kept.append(" ".join(words))
    return sorted(kept)


def check_report(arguments, errors):
    """The interposer was there, and did what the test is about."""
    accelerated = set(ACCELERATED.findall(errors))
    missing = [name for name in filter(None, arguments.expect.split(",")) if name not in accelerated]
    if missing:
        print(errors[-6000:])
        sys.exit(f"not accelerated: {' '.join(missing)}")
    if not re.search(arguments.reports, errors):
        print(errors[-6000:])
        sys.exit(f"no '{arguments.reports}' in the report")
    unwanted = accelerated.intersection(arguments.passes.split(","))
    if unwanted:
        print(errors[-6000:])
        sys.exit(f"accelerated: {' '.join(sorted(unwanted))}")


def main():
    arguments = parse_arguments()
    check_needs(arguments)
    ways = arguments.on.split(",")
    if not arguments.interposer:
        ways = ["none"]
    outputs = []
    for on in ways:
        output, errors = run(arguments, on)
        outputs.append(without_times(output))
        if not re.search(arguments.finds, output):
            print(output[-3000:])
            sys.exit(f"interposer on {on}: no '{arguments.finds}' in the output")
        if on == "all":
            if "sluice-mpi: rank 0" not in errors:
                print(errors[-6000:])
                sys.exit("the interposer reports nothing: it was not there")
            check_report(arguments, errors)
    if arguments.same and any(output != outputs[0] for output in outputs):
        for ours, theirs in zip(outputs[-1], outputs[0]):
            if ours != theirs:
                print(f"without: {theirs}\nwith:    {ours}")
        sys.exit("the results are not the same with and without the interposer")
    print(f"{' '.join(arguments.command)}: right with the interposer on {', '.join(ways)}")


if __name__ == "__main__":
    main()
