#!/usr/bin/env python3
"""CuPy's NCCL module on a library that takes NCCL's place, all ranks in this process. Usage:
  LD_PRELOAD=LIBRARY cupy_client.py RANKS   RANKS ranks on the first GPU

Exits with 0 if all was right, with 77 without CuPy, its NCCL module or a GPU.
"""

import sys
import threading

SKIPPED = 77
COUNT = 1000


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def expect(array, value, what):
    found = array.get()
    if not (found == value).all():
        raise AssertionError(f"{what}: found {found[found != value][0]}, expected {value}")


def work(cupy, nccl, comm, rank, size):
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        mine, out = cupy.full(COUNT, rank + 1, dtype=cupy.float32), cupy.zeros(COUNT, dtype=cupy.float32)
        parts = cupy.zeros(COUNT * size, dtype=cupy.float32)
    stream.synchronize()
    total = size * (size + 1) // 2

    def pointers(source, destination):
        return source.data.ptr, destination.data.ptr

    comm.allReduce(*pointers(mine, out), COUNT, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, stream.ptr)
    stream.synchronize()
    expect(out, total, "allReduce")
    comm.broadcast(*pointers(mine, out), COUNT, nccl.NCCL_FLOAT32, size - 1, stream.ptr)
    stream.synchronize()
    expect(out, size, "broadcast")
    comm.allGather(*pointers(mine, parts), COUNT, nccl.NCCL_FLOAT32, stream.ptr)
    stream.synchronize()
    for peer in range(size):
        expect(parts[peer * COUNT:(peer + 1) * COUNT], peer + 1, f"allGather, part {peer}")
    comm.reduceScatter(*pointers(parts, out), COUNT, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, stream.ptr)
    stream.synchronize()
    expect(out, size * (rank + 1), "reduceScatter")
    comm.reduce(*pointers(mine, out), COUNT, nccl.NCCL_FLOAT32, nccl.NCCL_MAX, 0, stream.ptr)
    nccl.groupStart()
    comm.send(mine.data.ptr, COUNT, nccl.NCCL_FLOAT32, (rank + 1) % size, stream.ptr)
    comm.recv(parts.data.ptr, COUNT, nccl.NCCL_FLOAT32, (rank - 1) % size, stream.ptr)
    nccl.groupEnd()
    stream.synchronize()
    if rank == 0:
        expect(out, size, "reduce")
    expect(parts[:COUNT], (rank - 1) % size + 1, "send and recv")
    if comm.size() != size or comm.rank_id() != rank or comm.device_id() != 0:
        raise AssertionError(f"rank {comm.rank_id()} of {comm.size()} on device {comm.device_id()}")


def main(size):
    try:
        import cupy
        from cupy.cuda import nccl
        if not nccl.available or cupy.cuda.runtime.getDeviceCount() < 1:
            skip("no GPU, or a CuPy without NCCL")
    except Exception as error:  # CuPy's own kinds, too: it may be there and find no driver
        skip(f"no CuPy that works here: {type(error).__name__}: {error}".splitlines()[0])
    identity, failures = nccl.get_unique_id(), []

    def run(rank):
        try:
            with cupy.cuda.Device(0):
                comm = nccl.NcclCommunicator(size, identity, rank)
                work(cupy, nccl, comm, rank, size)
                comm.destroy()
        except Exception as error:
            failures.append(f"rank {rank}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if any(thread.is_alive() for thread in threads):
        failures.append("a rank did not end")
    print("\n".join(failures) or f"all right on {size} ranks, NCCL {nccl.get_version()}")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(int(sys.argv[1])))
