"""What ./dev gpu runs, the most telling first."""

import pathlib
import re
import shutil
import sys

COLLECTIVES = ["all_reduce", "all_gather", "reduce_scatter", "all_to_all"]
ALL_REDUCES = ["packet", "one_shot", "two_shot", "direct", "ring", "recursive_halving"]
WITH_MPS = str(pathlib.Path(__file__).resolve().parent / "with_mps")
CLIENTS = pathlib.Path(__file__).resolve().parents[2] / "tests/nccl"
MPI_TUNE = pathlib.Path(__file__).resolve().parents[1] / "mpi/sluice-mpi"
WAYS_OF = "contig.4K,contig.64K,contig.1M,vec.b8B,vec.b64B,vec.b1K,idx.b8,struct.idc3.count"
KEPT_LINES = re.compile(r"FAILED|Failure|error|Error|WRONG|wrong|Expected|expected|rank \d")


def telling_lines(text, most=25):
    """The lines of a step's output that say what went wrong."""
    lines = [line[:300] for line in text.splitlines() if line.strip()]
    chosen = [line for line in lines if KEPT_LINES.search(line)]
    return (chosen or lines)[:most] + lines[-3:]


class Step:
    def __init__(self, name, limit_s, command, *needs):
        """`needs`: programs, of which one has to be there."""
        self.name, self.limit_s, self.command, self.needs = name, limit_s, command, needs

    def reason_to_skip(self, path):
        """`path`: as the environment has it."""
        there = not self.needs or any(shutil.which(each, path=path) for each in self.needs)
        return None if there else f"no {' or '.join(self.needs)} here"

    def remark(self, text):
        """What a step that went well says of itself in the summary."""
        passed, skipped = re.search(r"\[  PASSED  \] (\d+) test", text), re.search(r"\[  SKIPPED \] (\d+) test", text)
        counts = [f"{match[1]} {word}" for match, word in ((passed, "passed"), (skipped, "skipped")) if match]
        checks = re.findall(r"ERROR SUMMARY: .*|RACECHECK SUMMARY: .*", text)
        memory = re.search(r"DRAM Throughput +% +([\d.,]+)", text)  # of ncu
        profile = [f"device memory at {memory[1]} % of its limit"] if memory else []
        return "".join(f", {part}" for part in counts + checks + profile)


def all_steps(programs, results):
    """`programs` None: only their names count."""

    def path(program):
        return program if programs is None else programs.path(program)

    def tests(name, limit_s, gtest_filter):
        return Step(name, limit_s, [path("cuda_tests"), f"--gtest_filter={gtest_filter}"])

    def perf(name, limit_s, collective, *flags):
        return Step(name, limit_s, [path("sluice-perf"), collective, "--memory", "cuda", "-T", "20",
                                    "--json", str(results), *flags])

    def client(name, limit_s, program, *arguments):
        """A program of Python that takes the NCCL door for NCCL."""
        return Step(name, limit_s, [sys.executable, str(CLIENTS / program), *arguments])

    door = None if programs is None else programs.door()
    packing = Step("MPI_Pack of datatypes", 90, ["env", f"LD_PRELOAD={programs and programs.mpi_door()}",
                                                 path("sluice-mpi-gpu-perf"), "--json", str(results)])
    # With what stands for the kernels, blocks and sizes of a table: all of them take some minutes.
    ways = Step("ways of MPI messages", 100, [
        sys.executable, str(MPI_TUNE), "tune", "--memory", "device", "--samples", "5", "--cases", WAYS_OF,
        "--results", str(results.with_name(f"{results.stem}-mpi.jsonl")),
        "--output", str(results.with_name(f"{results.stem}-mpi-table.json"))], "mpirun.openmpi", "mpirun.mpich")
    bench = [path("sluice-gpu-bench"), "--json", str(results)]
    sizes = ["-b", "8", "-e", "128M", "-f", "16"]
    steps = [Step("probes", 90, bench),
             tests("tests of streams", 90, "GpuStreams.*:GpuStrands.*:GpuGraphs.*:GpuMemory.*:WithoutADevice.*"),
             tests("tests of schedules", 150, "Gpu_*"),
             tests("tests of processes", 90, "GpuProcesses.*"),
             tests("tests of failures", 80, "GpuFailures.*"),
             tests("all other tests", 150, "*-Gpu_*:GpuStreams.*:GpuStrands.*:GpuGraphs.*:GpuMemory.*:WithoutADevice.*:"
                                           "GpuProcesses.*:GpuFailures.*"),
             client("PyTorch on the NCCL door, 2 ranks", 100, "torch_client.py", "nccl", door, "2"),
             Step("CuPy on the NCCL door, 2 ranks", 60,
                  ["env", f"LD_PRELOAD={door}", sys.executable, str(CLIENTS / "cupy_client.py"), "2"]),
             packing, ways]
    for ranks in (2, 4, 8):
        steps += [perf(f"{collective} {ranks} threads", 30, collective, "-t", str(ranks), *sizes)
                  for collective in COLLECTIVES]
    small = ["-b", "8", "-e", "32K", "-f", "16", "--out-of-place-only"]
    for ranks in (2, 8):
        steps += [perf(f"all_reduce {ranks} threads graph of {calls}", 15, "all_reduce", "-t", str(ranks),
                       "--graph", str(calls), *small) for calls in (1, 20)]
    for kind in ("half", "bfloat16", "float"):
        steps.append(perf(f"all_reduce of {kind}", 15, "all_reduce", "-t", "2", "-b", "64M", "-e", "64M", "-d", kind))
    for tool, arguments in (("memcheck", []), ("racecheck", []), ("synccheck", [])):
        steps.append(Step(tool, 60, ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *arguments,
                                     path("sluice-gpu-bench"), "--small"], "compute-sanitizer"))
    steps.append(Step("profile of all_reduce", 60, [
        "ncu", "--clock-control", "none", "--kernel-name", "regex:run_ranks", "--launch-count", "1",
        "--section", "SpeedOfLight", "--section", "MemoryWorkloadAnalysis", "--section", "Occupancy",
        path("sluice-gpu-bench"), "--profile", "64"], "ncu"))
    for algorithm in ALL_REDUCES:
        steps.append(perf(f"all_reduce by {algorithm}", 20, "all_reduce", "-t", "2", "--algorithm", algorithm,
                          "-b", "8", "-e", "64M", "-f", "32", "--out-of-place-only"))
    for strands in (8, 16, 33, 66):
        steps.append(perf(f"all_reduce with {strands} strands", 15, "all_reduce", "-t", "2", "--strands", str(strands),
                          "-b", "64M", "-e", "64M", "--out-of-place-only"))
    for ranks in (2, 4, 8):
        processes = perf(f"all_reduce {ranks} processes", 40, "all_reduce", "--ranks", str(ranks), "-b", "8", "-e", "8M",
                         "-f", "128", "-n", "14", "--out-of-place-only")
        steps += [processes, Step(processes.name + " under MPS", 40, [WITH_MPS, *processes.command],
                                  "nvidia-cuda-mps-control")]
    return [*steps, client("PyTorch on the NCCL door, 4 ranks", 120, "torch_client.py", "nccl", door, "4"),
            client("nccl-tests on the NCCL door", 150, "nccl_tests.py", door)]
