#!/usr/bin/env python3
"""libnccl.so.2 seen from outside. Usage:
  check_door.py symbols LIBRARY        what it exports is the golden list, its name is libnccl.so.2
  check_door.py header COMPILERS       our headers compile alone, as C99 and C++17, in any order
  check_door.py layouts CC [INCLUDE]   values and layouts are those of NVIDIA's header; 77 where there is none
  check_door.py client PROGRAM SIZE    PROGRAM as SIZE processes, and what they leave on stderr
  check_door.py ctypes LIBRARY         called from Python as vLLM's wrapper does
  check_door.py survivors LIBRARY      a killed rank is an error of the others, who shrink and go on
  check_door.py releases LIBRARY OTHER ranks with another release are refused, and named
  check_door.py fallback LIBRARY FAKE  SLUICE_NCCL_FALLBACK hands calls over
  check_door.py environment LIBRARY    NCCL's variables do what docs/nccl.md says
"""

import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
DOOR = HERE.parent.parent / "bindings" / "nccl"
SKIPPED = 77
LIMIT_S = 100


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def symbols(library):
    golden = (HERE / "symbols.txt").read_text(encoding="utf-8").split()
    lines = [line.split() for line in run(["nm", "-D", "--defined-only", library]).splitlines()]
    found = {name: kind for _, kind, name in lines}
    missing, more = set(golden) - set(found), set(found) - set(golden)
    assert not missing and not more, f"missing: {sorted(missing)}; not in the list: {sorted(more)}"
    for name, kind in found.items():
        assert kind == ("W" if name.startswith("nccl") else "T"), f"{name} is {kind}"
    assert "[libnccl.so.2]" in run(["readelf", "-d", library])
    versions = run(["readelf", "-V", library])
    assert "Version definition" not in versions, versions
    declared = set(re.findall(r"\b(nccl[A-Z]\w*)\(", (DOOR / "nccl.h").read_text(encoding="utf-8")))
    declared |= set(re.findall(r"\b(nccl[A-Z]\w*)\(", (DOOR / "nccl_device.h").read_text(encoding="utf-8")))
    assert declared <= set(found), f"declared and not there: {sorted(declared - set(found))}"
    torch = (HERE / "torch_symbols.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert len(torch) == 51 and set(torch) <= set(found), f"torch needs: {sorted(set(torch) - set(found))}"
    document = (HERE.parent.parent / "docs" / "nccl.md").read_text(encoding="utf-8")
    for name in golden:
        if name.startswith("nccl") and not re.match(r"ncclParamGet[IU]\d", name):
            assert name in document, f"docs/nccl.md says nothing of {name}"
    print(f"{len(found)} symbols, as listed")


def compiles(command, text, suffix):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / f"source{suffix}"
        source.write_text(text, encoding="utf-8")
        run([*command, "-c", str(source), "-o", f"{source}.o"])


def header(c_compiler, cxx_compiler):
    flags = ["-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{DOOR}"]
    uses = """
int main(void) {
  ncclConfig_t a = NCCL_CONFIG_INITIALIZER;
  ncclCollConfig_t b = NCCL_COLLCONFIG_INITIALIZER;
  ncclSimInfo_t c = NCCL_SIM_INFO_INITIALIZER;
  ncclEncryptionConfig_t d = NCCL_ENCRYPTION_CONFIG_INITIALIZER;
  return a.size == 120 && b.size == 72 && c.size == 24 && d.size == 32 ? 0 : (int)pncclGetVersion(NULL);
}
"""
    orders = [("nccl.h",), ("nccl_device.h",), ("nccl_device.h", "nccl.h"), ("stdint.h", "nccl.h", "nccl.h")]
    count = 0
    for language in ([c_compiler, "-std=c99"], [c_compiler, "-std=c11"], [cxx_compiler, "-std=c++17"]):
        for order in orders:
            for extra in ([], ["-DSLUICE_NCCL_WITHOUT_CUDA"]):
                text = "".join(f"#include <{name}>\n" for name in order) + uses
                compiles([*language, *flags, *extra], text, ".c" if "++" not in language[1] else ".cpp")
                count += 1
    print(f"{count} ways to include the headers compile")


def enumerators_and_macros(text):
    """Names of a header that are worth comparing: enumerators, and macros that are numbers."""
    macros = re.findall(r"^#define (NCCL_[A-Z0-9_]+) ", text, re.MULTILINE)
    left_out = re.compile(r"INITIALIZER|NCCL_(MAJOR|MINOR|PATCH|SUFFIX|VERSION\w*|H_|COMM_NULL|CONFIG_UNDEF_PTR)$")
    enumerators = re.findall(r"\b(nccl[A-Z]\w+)\s*=\s*-?[0-9]", text)
    return sorted({name for name in macros + enumerators if not left_out.search(name)} - {"ncclNumResults"})


STRUCTS = ["ncclUniqueId", "ncclSimInfo_t", "ncclResult_t", "ncclDataType_t", "ncclRedOp_t", "ncclScalarResidence_t"]


def layouts(compiler, include=None):
    folder = pathlib.Path(include) if include else None
    if folder is None or not (folder / "nccl.h").exists():
        print("NVIDIA's nccl.h is not installed here: nothing to compare with")
        sys.exit(SKIPPED)
    theirs = (folder / "nccl.h").read_text(encoding="utf-8", errors="replace")
    names = enumerators_and_macros(theirs)
    config = re.search(r"typedef struct ncclConfig_v\d+ \{(.*?)\}", theirs, re.DOTALL).group(1)
    fields = re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", config, flags=re.DOTALL))
    assert len(names) > 30 and len(fields) > 10, (names, fields)
    program = "#include <nccl.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n"
    for name in names:
        program += f'  printf("{name} %lld\\n", (long long)({name}));\n'
    for field in fields:
        program += f'  printf("ncclConfig_t.{field} %zu\\n", offsetof(ncclConfig_t, {field}));\n'
    for name in STRUCTS:
        program += f'  printf("sizeof {name} %zu\\n", sizeof({name}));\n'
    program += "  return 0;\n}\n"
    printed = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch) / "layouts.c"
        source.write_text(program, encoding="utf-8")
        for whose, path in (("ours", DOOR), ("theirs", folder)):
            binary = pathlib.Path(scratch) / whose
            run([compiler, "-std=c11", f"-I{path}", "-isystem", str(folder), str(source), "-o", str(binary)])
            printed[whose] = run([str(binary)]).splitlines()
    different = [pair for pair in zip(printed["ours"], printed["theirs"]) if pair[0] != pair[1]]
    # 2.32's sentinel moved with the enumeration; all that is left must be the same.
    assert not different, different
    print(f"{len(printed['ours'])} values and offsets are NVIDIA's")


def client(program, size):
    with tempfile.TemporaryDirectory() as folder:
        ranks = [
            subprocess.Popen([program, str(rank), size, f"{folder}/id"], stderr=subprocess.PIPE, text=True)
            for rank in range(int(size))
        ]
        results = []
        for rank in ranks:
            _, errors = rank.communicate(timeout=LIMIT_S)
            results.append((rank.returncode, errors))
    bad = [result for result in results if result[0] != 0]
    assert not bad, bad
    print(f"{size} processes: all well")


class UniqueId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_byte * 128)]


def wrapper(library):
    """What vLLM's pynccl_wrapper looks up, with its argument types."""
    pointer, size, integer = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    door = ctypes.CDLL(library)
    arguments = {
        "ncclGetErrorString": [integer],
        "ncclGetVersion": [ctypes.POINTER(integer)],
        "ncclGetUniqueId": [ctypes.POINTER(UniqueId)],
        "ncclCommInitRank": [ctypes.POINTER(pointer), integer, UniqueId, integer],
        "ncclAllReduce": [pointer, pointer, size, integer, integer, pointer, pointer],
        "ncclReduce": [pointer, pointer, size, integer, integer, integer, pointer, pointer],
        "ncclAllGather": [pointer, pointer, size, integer, pointer, pointer],
        "ncclReduceScatter": [pointer, pointer, size, integer, integer, pointer, pointer],
        "ncclSend": [pointer, size, integer, integer, pointer, pointer],
        "ncclRecv": [pointer, size, integer, integer, pointer, pointer],
        "ncclBroadcast": [pointer, pointer, size, integer, integer, pointer, pointer],
        "ncclCommDestroy": [pointer],
        "ncclGroupStart": [],
        "ncclGroupEnd": [],
        "ncclCommWindowRegister": [pointer, pointer, size, ctypes.POINTER(pointer), integer],
        "ncclCommWindowDeregister": [pointer, pointer],
        "ncclCommShrink": [pointer, pointer, integer, ctypes.POINTER(pointer), pointer, integer],
        "ncclCommAbort": [pointer],
        "ncclGetLastError": [pointer],
    }
    for name, types in arguments.items():
        function = getattr(door, name)
        function.argtypes = types
        function.restype = ctypes.c_char_p if name.startswith("ncclGet") and "Error" in name else integer
    return door


INT32, SUM = 2, 0
REMOTE_ERROR, INVALID_USAGE, SHRINK_ABORT = 6, 5, 1


def python_rank(library, rank, size, raw_id):
    door = wrapper(library)
    identity = UniqueId.from_buffer_copy(bytes.fromhex(raw_id))
    comm = ctypes.c_void_p()

    def check(result):
        assert result == 0, door.ncclGetErrorString(result)

    check(door.ncclCommInitRank(ctypes.byref(comm), size, identity, rank))
    numbers = (ctypes.c_int * size)(*[rank + i for i in range(size)])
    sums = (ctypes.c_int * size)()
    check(door.ncclAllReduce(numbers, sums, size, INT32, SUM, comm, None))
    assert list(sums) == [size * (size - 1) // 2 + size * i for i in range(size)], list(sums)
    mine = ctypes.c_int(rank * 5)
    check(door.ncclAllGather(ctypes.byref(mine), sums, 1, INT32, comm, None))
    assert list(sums) == [5 * i for i in range(size)]
    check(door.ncclReduceScatter(sums, ctypes.byref(mine), 1, INT32, SUM, comm, None))
    assert mine.value == 5 * rank * size
    check(door.ncclBroadcast(ctypes.byref(mine), ctypes.byref(mine), 1, INT32, size - 1, comm, None))
    assert mine.value == 5 * (size - 1) * size
    got = ctypes.c_int(-1)
    check(door.ncclGroupStart())
    check(door.ncclSend(ctypes.byref(ctypes.c_int(rank)), 1, INT32, (rank + 1) % size, comm, None))
    check(door.ncclRecv(ctypes.byref(got), 1, INT32, (rank - 1) % size, comm, None))
    check(door.ncclGroupEnd())
    assert got.value == (rank - 1) % size
    window = ctypes.c_void_p()
    check(door.ncclCommWindowRegister(comm, ctypes.addressof(numbers), ctypes.sizeof(numbers), ctypes.byref(window), 1))
    put = [ctypes.byref(mine), ctypes.c_size_t(1), INT32, 0, window, ctypes.c_size_t(0), 0, 0, 0, comm, None]
    assert door.ncclPutSignal(*put) == INVALID_USAGE
    assert b"so it cannot be mapped" in door.ncclGetLastError(comm) or b"so its window" in door.ncclGetLastError(comm)
    check(door.ncclCommWindowDeregister(comm, window))
    check(door.ncclCommDestroy(comm))


def from_python(library):
    door, size = wrapper(library), 3
    version, identity = ctypes.c_int(), UniqueId()
    assert door.ncclGetVersion(ctypes.byref(version)) == 0 and version.value >= 23000
    command = [sys.executable, __file__, "ctypes-rank", library]
    for variables in ({}, {"NCCL_SHM_DISABLE": "1"}):
        environment = {**os.environ, **variables}
        assert door.ncclGetUniqueId(ctypes.byref(identity)) == 0
        raw_id = bytes(identity.internal).hex()
        ranks = [subprocess.Popen([*command, str(rank), str(size), raw_id], env=environment) for rank in range(size)]
        results = [rank.wait(timeout=LIMIT_S) for rank in ranks]
        assert results == [0] * size, (variables, results)
    print(f"{size} Python processes, sharing memory and not: all well")


def survivor(library, rank, size, raw_id):
    """Rank 0, which serves the rendezvous, is killed; the others notice, shrink, and go on."""
    door = wrapper(library)
    comm, smaller, value = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int(rank)
    path = pathlib.Path(raw_id)
    identity = UniqueId()
    if rank == 0:
        assert door.ncclGetUniqueId(ctypes.byref(identity)) == 0
        path.with_suffix(".new").write_bytes(bytes(identity))
        path.with_suffix(".new").rename(path)
    while not path.exists():
        time.sleep(0.01)
    identity = UniqueId.from_buffer_copy(path.read_bytes())
    assert door.ncclCommInitRank(ctypes.byref(comm), size, identity, rank) == 0
    reduce = lambda: door.ncclAllReduce(ctypes.byref(value), ctypes.byref(value), 1, INT32, SUM, comm, None)
    assert reduce() == 0
    if rank == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    begun = time.monotonic()
    assert reduce() == REMOTE_ERROR
    assert time.monotonic() - begun < 5
    assert b"rank 0" in door.ncclGetLastError(comm), door.ncclGetLastError(comm)
    excluded = (ctypes.c_int * 1)(0)
    result = door.ncclCommShrink(comm, excluded, 1, ctypes.byref(smaller), None, SHRINK_ABORT)
    assert result == 0, door.ncclGetLastError(comm)
    assert door.ncclCommAbort(comm) == 0
    comm, value = smaller, ctypes.c_int(1)
    assert reduce() == 0 and value.value == size - 1, value.value
    assert door.ncclCommDestroy(comm) == 0


def stranger(library, rank, size, raw_id):
    door = wrapper(library)
    comm, identity = ctypes.c_void_p(), UniqueId.from_buffer_copy(bytes.fromhex(raw_id))
    result = door.ncclCommInitRank(ctypes.byref(comm), size, identity, rank)
    sentence = door.ncclGetLastError(None).decode()
    assert result == INVALID_USAGE and not comm.value, (result, sentence)
    assert "all ranks need the same" in sentence and "0.0.7" in sentence, sentence


def releases(library, other):
    identity = UniqueId()
    assert wrapper(library).ncclGetUniqueId(ctypes.byref(identity)) == 0
    raw_id = bytes(identity.internal).hex()
    ranks = [
        subprocess.Popen([sys.executable, __file__, "stranger", whose, str(rank), "2", raw_id])
        for rank, whose in enumerate((library, other))
    ]
    assert [rank.wait(timeout=LIMIT_S) for rank in ranks] == [0, 0]
    print("another release is refused")


def survivors(library):
    size = 4
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "survivor", library]
        ranks = [subprocess.Popen([*command, str(rank), str(size), f"{folder}/id"]) for rank in range(size)]
        results = [rank.wait(timeout=LIMIT_S) for rank in ranks]
    assert results == [-signal.SIGKILL] + [0] * (size - 1), results
    print(f"{size - 1} survivors went on")


def fallback(library, fake):
    door = wrapper(library)  # the environment is read at the first call
    os.environ["SLUICE_NCCL_FALLBACK"] = fake
    version, identity, comm = ctypes.c_int(), UniqueId(), ctypes.c_void_p()
    assert door.ncclGetVersion(ctypes.byref(version)) == 0 and version.value == 12345, version.value
    assert door.ncclGetUniqueId(ctypes.byref(identity)) == 0 and identity.internal[0] == ord("F")
    assert door.ncclCommInitRank(ctypes.byref(comm), 4, identity, 2) == 0 and comm.value == 0xFA4E
    value, result = ctypes.c_int(6), ctypes.c_int()
    arguments = [ctypes.byref(value), ctypes.byref(result), 7, INT32, SUM, comm, 0x51]
    assert door.ncclAllReduce(*arguments) == 0 and result.value == 42
    assert door.ncclCommDestroy(comm) == 5  # not there: ncclInvalidUsage
    missing = subprocess.run(
        [sys.executable, "-c", f"import ctypes; print(ctypes.CDLL({library!r}).ncclGroupStart())"],
        env={**os.environ, "SLUICE_NCCL_FALLBACK": "/no/such/library.so"},
        capture_output=True, text=True, check=True, timeout=LIMIT_S,
    )
    assert missing.stdout.strip() == "5" and "/no/such/library.so" in missing.stderr, missing
    print("calls go to the other library, or say why not")


ALONE = """
import ctypes, sys
sys.path.insert(0, {here!r})
import check_door
door = check_door.wrapper({library!r})
door.ncclGetLastError.restype = ctypes.c_char_p
identity, comm = check_door.UniqueId(), ctypes.c_void_p()
result = door.ncclGetUniqueId(ctypes.byref(identity))
if result == 0:
    result = door.ncclCommInitRank(ctypes.byref(comm), 1, identity, 0)
print(result, door.ncclGetLastError(None).decode())
"""


def alone(library, **variables):
    """A process with one rank under these variables: what it prints and what it logs."""
    text = ALONE.format(here=str(HERE), library=library)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NCCL_", "SLUICE_"))}
    done = subprocess.run([sys.executable, "-c", text], env={**environment, **variables},
                          capture_output=True, text=True, check=True, timeout=LIMIT_S)
    return done.stdout.strip(), done.stderr


def environment(library):
    assert alone(library) == ("0", ""), alone(library)
    _, log = alone(library, NCCL_DEBUG="INFO", NCCL_IB_HCA="mlx5", NCCL_NVLS_ENABLE="0")
    assert "NCCL version 2.32.3" in log and "NCCL_IB_HCA" in log and "NCCL_NVLS_ENABLE" in log, log
    assert log.count("ignored") == 1, log
    assert alone(library, NCCL_DEBUG="INFO", SLUICE_LOG="warn") == ("0", "")
    chosen = lambda names: alone(library, NCCL_DEBUG="INFO", NCCL_IB_HCA="mlx5", NCCL_DEBUG_SUBSYS=names)[1]
    log = chosen("ENV")
    assert "NCCL_IB_HCA" in log and "NCCL version" not in log and " transport, " not in log, log
    log = chosen("^ENV,TUNING")
    assert "NCCL version" in log and "NCCL_IB_HCA" not in log and " transport, " not in log, log
    log = chosen("tuning,COLL")
    assert " transport, " in log and "no line of the log is about COLL" in log and "NCCL version" not in log, log
    assert "none of NCCL's subsystems" in alone(library, NCCL_DEBUG_SUBSYS="NOSUCH")[1]
    with tempfile.TemporaryDirectory() as folder:
        _, log = alone(library, NCCL_DEBUG="INFO", NCCL_DEBUG_FILE=f"{folder}/log.%p")
        files = list(pathlib.Path(folder).iterdir())
        assert log == "" and len(files) == 1 and re.fullmatch(r"log\.\d+", files[0].name), (log, files)
        assert "NCCL version" in files[0].read_text(encoding="utf-8")
    out, _ = alone(library, NCCL_SOCKET_IFNAME="nosuch")
    assert out.startswith("5") and "fits no interface; there are: " in out, out
    assert alone(library, NCCL_SOCKET_IFNAME="=lo")[0] == "0"
    assert alone(library, NCCL_SOCKET_IFNAME="^nosuch")[0] == "0"
    _, log = alone(library, NCCL_DEBUG="INFO", NCCL_ALGO="nvls")
    assert 'NCCL_ALGO: "nvls"' in log, log
    assert alone(library, NCCL_ALGO="allreduce:ring;reduce:tree")[0] == "0"
    assert alone(library, NCCL_HOSTID="here", NCCL_SHM_DISABLE="1")[0] == "0"
    assert alone(library, NCCL_COMM_BLOCKING="0")[0].startswith("7")  # ncclInProgress
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert alone(library, NCCL_COMM_ID=place)[0].startswith("2 ")  # somebody listens there
    assert alone(library, NCCL_COMM_ID=place)[0] == "0"
    assert alone(library, NCCL_COMM_ID="nonsense")[0].startswith("4")
    print("the variables do what they should")


def main():
    commands = {"symbols": symbols, "header": header, "layouts": layouts, "client": client, "ctypes": from_python,
                "survivors": survivors, "releases": releases,                 "fallback": fallback, "environment": environment}
    as_rank = {"ctypes-rank": python_rank, "survivor": survivor, "stranger": stranger}
    if len(sys.argv) == 6 and sys.argv[1] in as_rank:
        return as_rank[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    return commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
