"""The peers: how each one's program is built, started for one collective and rank count, and read."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "compare"
SLUICE_PERF = pathlib.Path(os.environ.get("SLUICE_PERF", ROOT / "build/release/bin/sluice-perf"))
CORES = len(os.sched_getaffinity(0))
TIMEOUT_S = 120
FLAGS = ["-std=c++20", "-O3", "-march=native", "-DOMPI_SKIP_MPICXX"]
PROGRAMS = {  # program: (compiler, source, libraries)
    "peer_openmpi": ("mpicxx.openmpi", "mpi_peer.cpp", []),
    "peer_mpich": ("mpicxx.mpich", "mpi_peer.cpp", []),
    "peer_gloo": ("g++", "gloo_peer.cpp", ["-lgloo", "-lpthread"]),
    "limits": ("g++", "limits.cpp", ["-lpthread"]),
    "wire_limits": ("g++", "wire_limits.cpp", []),
}
UCX = ["--mca", "opal_common_ucx_tls", "any", "--mca", "opal_common_ucx_devices", "any", "--mca", "pml", "ucx"]
MPICH_OVERSUBSCRIBED_MAX_BYTES = 256 << 10


class PeerError(Exception):
    """A peer that could not be built or run; its text says why."""


def build_program(name):
    compiler, source, libraries = PROGRAMS[name]
    target = BUILD / name
    newest = max((HERE / file).stat().st_mtime for file in (source, "peer.hpp"))
    if target.exists() and target.stat().st_mtime > newest:
        return target
    if shutil.which(compiler) is None:
        raise PeerError(f"{compiler} is not installed")
    BUILD.mkdir(parents=True, exist_ok=True)
    made = BUILD / f"{name}.{os.getpid()}"  # somebody else may be at it
    command = [compiler, *FLAGS, "-o", str(made), str(HERE / source), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line or "cannot find" in line]
        raise PeerError(f"{source} does not compile with {compiler}: {(errors or ['?'])[0]}")
    made.replace(target)
    return target


def run_process(command, environment=None):
    """Runs to the end or the time limit; the output so far and what went wrong, or None."""
    merged = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=merged,
                          stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            output, errors = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return output, f"gave up after {TIMEOUT_S} s"
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode == 0:
        return output, None
    lines = [line.strip() for line in errors.splitlines() if re.search(r"\w", line)]
    last = next((line for line in lines if "rror" in line or "peer" in line), lines[-1] if lines else "")
    return output, f"exit status {process.returncode}: {last[:200]}"


def json_lines(text):
    rows = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                rows.append(json.loads(line))
            except ValueError:  # a line cut off by the time limit
                continue
    return rows


def bound(ranks):
    """Ranks are bound to cores where each has its own; the same for every peer."""
    return ranks <= CORES


class Peer:
    """`name` in tables; run() yields rows in sluice-perf's fields and a complaint or None."""

    ours = False

    def __init__(self, name, title, transport):
        self.name, self.title, self.transport = name, title, transport

    def sizes(self, _ranks, sizes):
        return sizes

    def can_be_hopeless(self, _ranks):
        return False

    def run(self, collective, ranks, sizes, effort):
        command, environment = self.command(ranks, effort)
        command += ["--peer", self.name, "--transport", self.transport, "--collective", collective,
                    "--sizes", ",".join(map(str, sizes))]
        with tempfile.TemporaryDirectory() as folder:  # nothing stays behind when a peer is killed
            output, complaint = run_process(command, {**(environment or {}), "TMPDIR": folder})
        return json_lines(output), complaint

    @staticmethod
    def effort_options(effort, max_calls=100000):
        return ["--batches", str(effort["batches"]), "--batch-us", str(effort["batch_us"]),
                "--size-us", str(effort["size_us"]), "--max-calls", str(max_calls)]


class OpenMpi(Peer):
    def __init__(self, name, title, transport, settings):
        super().__init__(name, title, transport)
        self.settings = settings

    def prepare(self):
        self.program = build_program("peer_openmpi")
        if shutil.which("mpirun.openmpi") is None:
            raise PeerError("mpirun.openmpi is not installed")

    def version(self):
        found = re.search(r"\d+\.\S+", run_process(["mpirun.openmpi", "--version"])[0])
        return f"Open MPI {found.group(0) if found else '?'}"

    def command(self, ranks, effort):
        placing = ["--bind-to", "core"] if bound(ranks) else [
            "--bind-to", "none", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
        as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return ["mpirun.openmpi", "-n", str(ranks), *placing, *self.settings, str(self.program),
                *self.effort_options(effort)], as_root


class Mpich(Peer):
    def prepare(self):
        self.program = build_program("peer_mpich")
        if shutil.which("mpirun.mpich") is None:
            raise PeerError("mpirun.mpich is not installed")

    def version(self):
        found = re.search(r"Version:\s*(\S+)", run_process(["mpirun.mpich", "--version"])[0])
        return f"MPICH {found.group(1) if found else '?'}"

    def sizes(self, ranks, sizes):
        """It spins without yielding: a step takes scheduler quanta, milliseconds each, whatever the size."""
        return sizes if bound(ranks) else [size for size in sizes if size <= MPICH_OVERSUBSCRIBED_MAX_BYTES]

    def can_be_hopeless(self, ranks):
        return not bound(ranks)

    def command(self, ranks, effort):
        if bound(ranks):
            return ["mpirun.mpich", "-n", str(ranks), "-bind-to", "core", str(self.program),
                    *self.effort_options(effort)], None
        hopeless = {**effort, "batches": 1}
        return ["mpirun.mpich", "-n", str(ranks), str(self.program), *self.effort_options(hopeless, 2)], None


class Gloo(Peer):
    def prepare(self):
        self.program = build_program("peer_gloo")

    def version(self):
        found = run_process(["dpkg-query", "-W", "-f", "${Version}", "libgloo-dev"])[0] if shutil.which(
            "dpkg-query") else ""
        return f"Gloo {found or '?'}"

    def can_be_hopeless(self, _ranks):
        return True

    def command(self, ranks, effort):
        return [str(self.program), "--ranks", str(ranks), "--pin", "1" if bound(ranks) else "0",
                *self.effort_options(effort)], None


class Sluice(Peer):
    """Ours, through sluice-perf: `ranks_flag` is --ranks (processes) or -t (threads).

    Out of place, as users of the peers call them; but MPI's broadcast has one buffer, so ours has too.
    """

    ours = True

    def __init__(self, name, title, ranks_flag, memory):
        super().__init__(name, title, "")
        self.ranks_flag, self.memory = ranks_flag, memory

    def prepare(self):
        if not os.access(SLUICE_PERF, os.X_OK):
            raise PeerError(f"{SLUICE_PERF} is not built")

    def version(self):
        return "Sluice " + commit()

    @staticmethod
    def progressions(sizes):
        """Runs of sizes for one call of sluice-perf: a constant factor, and the same number of iterations."""
        runs = []
        for size in sizes:
            klass = sum(size > limit for limit in (4 << 10, 64 << 10, 4 << 20))
            last = runs[-1] if runs else None
            if last and last["class"] == klass and (len(last["sizes"]) == 1 or
                                                    size * last["sizes"][0] == last["sizes"][-1] * last["sizes"][1]):
                last["sizes"].append(size)
            else:
                runs.append({"class": klass, "sizes": [size]})
        return runs

    def start(self, collective, ranks):
        """The command up to what is measured."""
        return [str(SLUICE_PERF), collective, self.ranks_flag, str(ranks)]

    def iterations(self, ranks):
        """For each class of sizes: one of sluice-perf's seven batches is about as long as a peer's."""
        return (14000, 2100, 140, 14) if bound(ranks) else (2100, 350, 35, 7)

    def command(self, collective, ranks, run, json_file):
        sizes, iterations = run["sizes"], self.iterations(ranks)[run["class"]]
        factor = sizes[1] // sizes[0] if len(sizes) > 1 else 2
        return [*self.start(collective, ranks), "-b", str(sizes[0]), "-e", str(sizes[-1]),
                "-f", str(factor), "-d", "float", "-o", "sum", "-n", str(iterations),
                "-w", str(max(2, iterations // 20)), "-c", "1", "--memory", self.memory, "--json", str(json_file),
                "--in-place-only" if collective == "broadcast" else "--out-of-place-only"]

    def run(self, collective, ranks, sizes, effort):
        rows, complaint = [], None
        with tempfile.TemporaryDirectory() as folder:
            for number, run in enumerate(self.progressions(sizes)):
                json_file = pathlib.Path(folder) / f"{number}.jsonl"
                _, problem = run_process(self.command(collective, ranks, run, json_file))
                complaint = complaint or problem
                if json_file.exists():
                    rows += json_lines(json_file.read_text())
        return rows, complaint


def commit():
    def git(*arguments):
        return run_process(["git", "-C", str(ROOT), *arguments])[0].strip()
    head = git("rev-parse", "--short=12", "--verify", "-q", "HEAD")
    return (head or "uncommitted") + ("-dirty" if head and git("status", "--porcelain", "--", ".") else "")


def all_peers():
    return [
        OpenMpi("openmpi", "Open MPI", "vader", []),
        OpenMpi("openmpi-ucx", "Open MPI, UCX", "ucx", UCX),
        Mpich("mpich", "MPICH", "ucx"),
        Gloo("gloo", "Gloo", "tcp"),
        Sluice("sluice", "Sluice", "--ranks", "ordinary"),
        Sluice("sluice-registered", "Sluice, registered", "--ranks", "registered"),
        Sluice("sluice-threads", "Sluice, threads", "-t", "ordinary"),
    ]


def example_commands(peers, effort, ranks):
    """Every peer's command line for so many ranks, for the report."""
    lines = []
    for peer in peers:
        if peer.ours:
            command = peer.command("COLLECTIVE", ranks, {"class": 0, "sizes": [4, 16, 4096]}, "FILE")
        else:
            command = [*peer.command(ranks, effort)[0], "--collective", "COLLECTIVE", "--sizes", "4,16,..."]
        text = shlex.join(command).replace(str(ROOT) + "/", "")
        lines.append(f"{peer.name}: " + re.sub(r"\bsluice-\d+", "SET", text))  # of hosts: another one in every run
    return lines
