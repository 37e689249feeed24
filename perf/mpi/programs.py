"""Running sluice-mpi-perf under one MPI library, and what it says."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))
INTERPOSER = BUILD / "lib/libsluice-mpi.so"
TIMEOUT_S = 900
# Beside the interposer, Open MPI as it is; as root it wants to be told so.
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
LIBRARIES = {"openmpi": "mpirun.openmpi", "mpich": "mpirun.mpich"}
KERNEL = re.compile(r"rank 0: MPI_Pack: .*accelerated \(([^)]*)\)")


class Library:
    """One MPI: its name in tables, its launcher, the measuring program that is linked with it."""

    def __init__(self, name, program=None, launcher=None):
        self.name = name
        self.program = pathlib.Path(program or BUILD / "bin" / f"sluice-mpi-perf-{name}")
        self.launcher = shlex.split(launcher or LIBRARIES[name])
        self.version = "?"

    def usable(self):
        return self.program.exists() and shutil.which(self.launcher[0]) is not None

    def run(self, what, options=(), mode=None, table=None):
        """The rows that the program prints, and its errors. `mode` is what SLUICE_MPI is; None leaves the interposer out."""
        ranks = 2 if what in ("messages", "broadcasts", "halo") else 1
        variables = []
        if mode:
            variables = [f"SLUICE_MPI={mode}", f"LD_PRELOAD={INTERPOSER}"]
            if what == "once":  # to count costs some nanoseconds a call
                variables.append("SLUICE_MPI_REPORT=1")
            if table:
                variables.append(f"SLUICE_MPI_TABLE={table}")
        line = [*self.launcher, "-np", str(ranks), "env", *variables, str(self.program), what, *options]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              env={**os.environ, **ENVIRONMENT}, start_new_session=True) as process:
            try:
                output, errors = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            sys.exit(f"sluice-mpi: {shlex.join(line)}: exit status {process.returncode}\n{errors[-2000:]}")
        rows = [json.loads(row) for row in output.splitlines() if row.startswith("{")]
        header = next((row for row in rows if "library" in row), {})
        if mode and not header.get("interposed"):
            sys.exit(f"sluice-mpi: {INTERPOSER} did not get in front of {self.name}")
        self.version = version_of(header.get("library", "")) or self.version
        return [{**row, "library": self.name, "version": self.version} for row in rows if "us" in row], errors

    def kernel_of(self, case):
        """The name of the kernel that moves this case; None where there is nothing to pack."""
        _, errors = self.run("once", ["--cases", case], "always")
        found = KERNEL.search(errors)
        return found.group(1) if found else None


def version_of(text):
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group(0) if found else ""


def usable_libraries(names):
    libraries = [Library(name) for name in names]
    for library in libraries:
        if not library.usable():
            print(f"sluice-mpi: without {library.name}: {library.program} or {library.launcher[0]} is not there")
    return [library for library in libraries if library.usable()]
