#!/usr/bin/env python3
"""NVIDIA's nccl-tests, from a checkout of theirs, built against our nccl.h and run on our library. Usage:
  nccl_tests.py LIBRARY [SOURCES]   SOURCES: the checkout; default: what $NCCL_TESTS names

One rank on each GPU: their programs put no two on one. Exits with 0 if all was right, with 77 without sources or a GPU;
without a GPU they are built all the same, in build/nccl-tests. Releases after v2.16.9 use NCCL's device interface wherever
nccl.h is that of a version with one, so they do not build against ours, which has none.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77
ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/nccl-tests"
PROGRAMS = ["all_reduce", "all_gather", "broadcast", "reduce_scatter", "reduce", "alltoall", "scatter", "gather", "sendrecv"]
FLAGS = ["-b", "8", "-e", "64M", "-f", "8", "-n", "5", "-w", "2", "-c", "1"]


def gpus():
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return len(re.findall(r"^GPU \d+:", listed.stdout, re.MULTILINE))


def home(library):
    """A folder as NCCL_HOME has to be."""
    folder = BUILD / "home"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "include").mkdir(parents=True)
    (folder / "lib").mkdir()
    for header in ("nccl.h", "nccl_device.h"):
        (folder / "include" / header).symlink_to(ROOT / "bindings/nccl" / header)
    for name in ("libnccl.so", "libnccl.so.2"):
        (folder / "lib" / name).symlink_to(pathlib.Path(library).resolve())
    return folder


def build(sources, library, architecture):
    cuda = pathlib.Path(os.environ.get("CUDA_HOME") or pathlib.Path(shutil.which("nvcc")).resolve().parents[1])
    command = ["make", "-C", str(sources / "src"), "build", f"BUILDDIR={BUILD}", f"NCCL_HOME={home(library)}",
               f"CUDA_HOME={cuda}", f"NVCC_GENCODE=-arch={architecture}", f"-j{os.cpu_count()}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-30:]))
        sys.exit("nccl-tests do not build against our header")


def run(program, ranks, environment):
    """What went wrong; None if nothing did."""
    command = [str(BUILD / f"{program}_perf"), "-g", str(ranks), *FLAGS]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
                          env=environment)
    print(done.stdout)
    if done.returncode:
        return f"{program}: exit status {done.returncode}"
    wrong = re.search(r"# Out of bounds values : (\d+)", done.stdout)
    return None if wrong and wrong[1] == "0" else f"{program}: out of bounds values {wrong[1] if wrong else 'not said'}"


def main(library, sources):
    if not sources or not (pathlib.Path(sources) / "src/all_reduce.cu").exists():
        print("skipped: NCCL_TESTS names no checkout of nccl-tests")
        return SKIPPED
    if "nccl_device.h" in (pathlib.Path(sources) / "src/all_reduce.cu").read_text(encoding="utf-8"):
        print("skipped: these nccl-tests use NCCL's device interface; v2.16.9 is the last release that does not")
        return SKIPPED
    if shutil.which("nvcc") is None and "CUDA_HOME" not in os.environ:
        print("skipped: no nvcc")
        return SKIPPED
    ranks = gpus()
    build(pathlib.Path(sources), library, "native" if ranks else "sm_90")
    if not ranks:
        print("skipped: no GPU; nccl-tests are built against our header")
        return SKIPPED
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{BUILD / 'home/lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    failures = [failure for program in PROGRAMS if (failure := run(program, ranks, environment))]
    print("\n".join(failures) or f"all right on {ranks} GPUs")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else os.environ.get("NCCL_TESTS")))
