"""The programs of ./dev gpu: built in the tree, or packed elsewhere and carried along."""

import os
import pathlib
import re
import shutil
import subprocess

PROGRAMS = ["cuda_tests", "sluice-perf", "sluice-gpu-bench", "sluice-mpi-gpu-perf"]
# Every Linux has these, and they must fit its loader: not packed.
SYSTEM_LIBRARIES = re.compile(r"^(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so)")
DOOR = "libnccl.so.2"  # loaded by PyTorch and CuPy in NCCL's place
MPI_DOOR = "libsluice-mpi.so"
LARGEST_PACK_MIB = 60


class Programs:
    """Where the programs are, and what they need to run."""

    def __init__(self, root):
        self.root = root
        self.packed = root / "build/gpu"
        self.built = root / "build/release"
        self.folder = None

    def environment(self):
        environment = dict(os.environ, CUDA_DEVICE_MAX_CONNECTIONS="32", PYTHONDONTWRITEBYTECODE="1")
        if self.folder == self.packed:
            before = environment.get("LD_LIBRARY_PATH")
            environment["LD_LIBRARY_PATH"] = str(self.packed / "lib") + (f":{before}" if before else "")
        return environment

    def path(self, program):
        return str(self.folder / "bin" / program)

    def door(self):
        return str(self.folder / "lib" / DOOR)

    def mpi_door(self):
        return str(self.folder / "lib" / MPI_DOOR)

    def ready(self):
        """Finds programs that run here: packed ones, else those that the tree builds."""
        for folder in (self.packed, self.built):
            self.folder = folder
            if folder == self.built:
                print("building", flush=True)
                if subprocess.run([self.root / "dev", "build-gpu"], check=False).returncode != 0:
                    print("the build failed; on a machine without the libraries, carry programs: ./dev gpu --prepare")
                    return False
            there = [folder / "bin" / program for program in PROGRAMS] + [folder / "lib" / door for door in (DOOR, MPI_DOOR)]
            if all(file.exists() for file in there) and self.runs():
                print(f"programs of {folder.relative_to(self.root)}", flush=True)
                return True
        return False

    def runs(self):
        done = subprocess.run([self.path("cuda_tests"), "--gtest_list_tests"], env=self.environment(),
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            print(f"{self.path('cuda_tests')} does not run here: {done.stderr.strip()[:500]}")
        return done.returncode == 0


def libraries_of(program):
    """The files that the loader finds for a program, but those of every system."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        name, _, where = line.strip().partition(" => ")
        if where and not SYSTEM_LIBRARIES.match(name):
            yield name, pathlib.Path(where.split(" (")[0])


def pack(root):
    """Copies the programs and their libraries to build/gpu."""
    if subprocess.run([root / "dev", "build-gpu"], check=False).returncode != 0:
        return 1
    target = root / "build/gpu"
    shutil.rmtree(target, ignore_errors=True)
    for folder in ("bin", "lib"):
        (target / folder).mkdir(parents=True)
    built = root / "build/release"
    files = [pathlib.Path("bin") / program for program in PROGRAMS]
    files += [pathlib.Path("lib") / door for door in (DOOR, MPI_DOOR)]
    for file in files:
        for name, library in libraries_of(built / file):
            shutil.copy(library.resolve(), target / "lib" / name)
        shutil.copy((built / file).resolve(), target / file)
    for file in [*target.glob("bin/*"), *target.glob("lib/*")]:
        file.chmod(0o755)
        subprocess.run(["strip", "--strip-unneeded", file], check=True)
    mib = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 2**20
    libraries = ", ".join(sorted(file.name for file in target.glob("lib/*")))
    print(f"build/gpu: {mib:.0f} MiB, {', '.join(PROGRAMS)} with {libraries}")
    if mib > LARGEST_PACK_MIB:
        print(f"that is more than {LARGEST_PACK_MIB} MiB")
        return 1
    print("carry this tree with build/gpu to the machine, and run ./dev gpu there")
    return 0
