"""Running sluice-mpi-perf under one MPI library, and what it says."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "perf/compare"))  # for what both comparisons need: cores, measuring, peers
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))
INTERPOSER = BUILD / "lib/libsluice-mpi.so"
TIMEOUT_S = 900
# Beside the interposer, Open MPI as it is; as root it wants to be told so.
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
LIBRARIES = {"openmpi": "mpirun.openmpi", "mpich": "mpirun.mpich"}
NO_GPU = 77  # the program's exit status
TWO_RANKS = ("messages", "exchanges", "self", "broadcasts", "halo")
KERNEL = re.compile(r"rank 0: MPI_Pack: .*accelerated \(([^)]*)\)")


class Failed(Exception):
    """A run that did not end well; its text says how."""


class NoGpu(Failed):
    """The program found no GPU."""


class Library:
    """One MPI: its name in tables, its launcher, the measuring program that is linked with it."""

    def __init__(self, name, program=None, launcher=None):
        self.name = name
        self.program = pathlib.Path(program or BUILD / "bin" / f"sluice-mpi-perf-{name}")
        self.launcher = shlex.split(launcher or LIBRARIES[name])
        self.version = "?"
        self.takes_gpus = False  # known when a run with --gpu has ended

    def usable(self):
        return self.program.exists() and shutil.which(self.launcher[0]) is not None

    def run(self, what, options=(), mode=None, table=None, gpu=None):
        """The rows that the program prints, and its errors. `mode` is what SLUICE_MPI is, None leaves the interposer
        out; `gpu` is what SLUICE_MPI_GPU is."""
        ranks = 2 if what in TWO_RANKS else 1
        variables = []
        if mode:
            variables = [f"SLUICE_MPI={mode}", f"LD_PRELOAD={INTERPOSER}"]
            if what == "once":  # to count costs some nanoseconds a call
                variables.append("SLUICE_MPI_REPORT=1")
            if table:
                variables.append(f"SLUICE_MPI_TABLE={table}")
            if gpu:
                variables.append(f"SLUICE_MPI_GPU={gpu}")
        line = [*self.launcher, "-np", str(ranks), "env", *variables, str(self.program), what, *options]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              env={**os.environ, **ENVIRONMENT}, start_new_session=True) as process:
            try:
                output, errors = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode == NO_GPU:
            raise NoGpu("no GPU here")
        if process.returncode:
            raise Failed(f"{shlex.join(line)}: exit status {process.returncode}\n{errors[-2000:]}")
        rows = [json.loads(row) for row in output.splitlines() if row.startswith("{")]
        header = next((row for row in rows if "library" in row), {})
        if mode and not header.get("interposed"):
            raise Failed(f"{INTERPOSER} did not get in front of {self.name}")
        self.version = version_of(header.get("library", "")) or self.version
        self.takes_gpus = header.get("takes_gpus", self.takes_gpus)
        return [{**row, "library": self.name, "version": self.version} for row in rows if "us" in row], errors

    def kernel_of(self, case):
        """The name of the kernel that moves this case; None where there is nothing to pack."""
        _, errors = self.run("once", ["--cases", case], "always")
        found = KERNEL.search(errors)
        return found.group(1) if found else None


def version_of(text):
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group(0) if found else ""


def gpu_name():
    """What nvidia-smi calls the first one."""
    if shutil.which("nvidia-smi") is None:
        return "a GPU without nvidia-smi"
    done = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", "-i", "0"], capture_output=True,
                          text=True, timeout=60, check=False)
    return done.stdout.strip() or "a GPU without a name"


def medians(rows):
    """One row of those of all rounds. A round's times are of one process, whose memory lies as it happens to, on a machine
    as it is just then: so how many times as fast as the library something is, is the median of the rounds' answers. The
    library's time is its median, the others' follow from that. `slowest` is the ratio in the round that was worst."""
    us = {method: statistics.median(row["us"][method] for row in rows) for method in rows[0]["us"]}
    if "library" in us:
        for method in us.keys() - {"library"}:
            ratio = statistics.median(row["us"][method] / row["us"]["library"] for row in rows)
            us[method] = round(us["library"] * ratio, 5)
    found = {**rows[0], "us": us, "rounds": len(rows)}
    if "library" in us:
        found["slowest"] = {method: round(max(row["us"][method] / row["us"]["library"] for row in rows), 4)
                            for method in us.keys() - {"library"}}
    return found


def usable_libraries(names):
    libraries = [Library(name) for name in names]
    for library in libraries:
        if not library.usable():
            print(f"sluice-mpi: without {library.name}: {library.program} or {library.launcher[0]} is not there")
    return [library for library in libraries if library.usable()]
