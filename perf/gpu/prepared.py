"""The programs of ./dev gpu: built in the tree, or packed elsewhere and carried along."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess

PROGRAMS = ["cuda_tests", "sluice-perf", "sluice-gpu-bench", "sluice-mpi-gpu-perf"]
# What two ranks of MPI need, where MPICH is installed. The program has loops for the processor that it was built on; on
# one with fewer instructions its step fails.
MPI_PROGRAMS = {"sluice-mpi-perf-mpich": None, "mpirun.mpich": "mpiexec.hydra", "hydra_pmi_proxy": "hydra_pmi_proxy"}
# Every Linux has these, and they must fit its loader: not packed.
SYSTEM_LIBRARIES = re.compile(r"^(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s)\.so)")
DOOR = "libnccl.so.2"  # loaded by PyTorch and CuPy in NCCL's place
MPI_DOOR = "libsluice-mpi.so"
LARGEST_PACK_MIB = 60
COMPRESSED_BYTES = 10 << 20  # larger files are packed compressed: MPICH's library is 40 MiB, most of them alike


class Programs:
    """Where the programs are, and what they need to run."""

    def __init__(self, root):
        self.root = root
        self.packed = root / "build/gpu"
        self.built = root / "build/release"
        self.folder = None

    def environment(self):
        environment = dict(os.environ, CUDA_DEVICE_MAX_CONNECTIONS="32", PYTHONDONTWRITEBYTECODE="1",
                           SLUICE_BUILD=str(self.folder))  # for perf/mpi
        if self.folder == self.packed:
            before = environment.get("LD_LIBRARY_PATH")
            environment["PATH"] = f"{self.packed / 'bin'}:{environment['PATH']}"
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
            if folder == self.packed:
                unpack(folder)
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


def compress(folder):
    for file in [each for each in folder.rglob("*") if each.is_file() and each.stat().st_size > COMPRESSED_BYTES]:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


def unpack(folder):
    for file in folder.rglob("*.gz"):
        whole = file.with_suffix("")
        whole.write_bytes(gzip.decompress(file.read_bytes()))
        whole.chmod(0o755)
        file.unlink()


def mpi_programs(built):
    """Those of MPI_PROGRAMS, or none where one is missing."""
    found = {program: shutil.which(origin) if origin else str(built / "bin" / program)
             for program, origin in MPI_PROGRAMS.items()}
    there = all(file and pathlib.Path(file).exists() for file in found.values())
    return {program: pathlib.Path(file) for program, file in found.items()} if there else {}


def pack(root):
    """Copies the programs and their libraries to build/gpu."""
    if subprocess.run([root / "dev", "build-gpu"], check=False).returncode != 0:
        return 1
    target = root / "build/gpu"
    shutil.rmtree(target, ignore_errors=True)
    for folder in ("bin", "lib"):
        (target / folder).mkdir(parents=True)
    built = root / "build/release"
    files = {f"bin/{program}": built / "bin" / program for program in PROGRAMS}
    files |= {f"lib/{door}": built / "lib" / door for door in (DOOR, MPI_DOOR)}
    files |= {f"bin/{program}": file for program, file in mpi_programs(built).items()}
    for place, file in files.items():
        for name, library in libraries_of(file):
            shutil.copy(library.resolve(), target / "lib" / name)
        shutil.copy(file.resolve(), target / place)
    for file in [*target.glob("bin/*"), *target.glob("lib/*")]:
        file.chmod(0o755)
        subprocess.run(["strip", "--strip-unneeded", file], check=True)
    libraries = ", ".join(sorted(file.name for file in target.glob("lib/*")))
    programs = sorted(file.name for file in target.glob("bin/*"))
    compress(target)
    mib = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 2**20
    print(f"build/gpu: {mib:.0f} MiB, {', '.join(programs)} with {libraries}")
    if mib > LARGEST_PACK_MIB:
        print(f"that is more than {LARGEST_PACK_MIB} MiB")
        return 1
    print("carry this tree with build/gpu to the machine, and run ./dev gpu there")
    return 0
