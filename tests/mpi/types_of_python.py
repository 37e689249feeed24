"""mpi4py: derived types in sends, receives, collectives and packs. Two ranks. Needs numpy."""

import sys

import numpy
from mpi4py import MPI

COMM = MPI.COMM_WORLD
RANK, PEER = COMM.Get_rank(), 1 - COMM.Get_rank()
WRONG = []


def check(right, what):
    if not right:
        WRONG.append(what)
        print("wrong:", what, file=sys.stderr)


def column_of_a_matrix():
    matrix = numpy.arange(100 * 100, dtype="d").reshape(100, 100) + RANK
    other = numpy.full((100, 100), -1.0)
    column = MPI.DOUBLE.Create_vector(100, 1, 100).Commit()
    request = COMM.Irecv([other[0, 3:], 1, column], source=PEER, tag=1)
    COMM.Send([matrix[0, 5:], 1, column], dest=PEER, tag=1)
    status = MPI.Status()
    request.Wait(status)
    check(status.Get_count(column) == 1 and status.Get_count(MPI.BYTE) == 800, "count of a column")
    check((other[:, 3] == numpy.arange(100) * 100 + 5 + PEER).all(), "a column")
    check((numpy.delete(other, 3, 1) == -1).all(), "beside a column")
    column.Free()


def records():
    record = numpy.dtype({"names": ["a", "b", "c"], "formats": ["i4", "f8", "3i1"], "offsets": [0, 8, 16], "itemsize": 24})
    mine, theirs = numpy.zeros(3000, record), numpy.zeros(3000, record)
    mine["a"], mine["b"], mine["c"] = numpy.arange(3000) + RANK, 0.5, [1, 2, 3]
    theirs.view("u1")[:] = 9
    fields = MPI.Datatype.Create_struct([1, 1, 3], [0, 8, 16], [MPI.INT, MPI.DOUBLE, MPI.SIGNED_CHAR])
    kind = fields.Create_resized(0, 24).Commit()
    COMM.Sendrecv([mine, 3000, kind], PEER, 2, [theirs, 3000, kind], PEER, 2)
    check((theirs["a"] == numpy.arange(3000) + PEER).all() and (theirs["c"] == [1, 2, 3]).all(), "records")
    check((theirs.view("u1").reshape(3000, 24)[:, [4, 19, 23]] == 9).all(), "gaps of records")
    COMM.Bcast([theirs, 3000, kind], root=1)
    check(RANK == 1 or (theirs["a"] == numpy.arange(3000)).all(), "broadcast of records")
    fields.Free()
    kind.Free()


def packed():
    cube = numpy.arange(20**3, dtype="i4").reshape(20, 20, 20)
    part = MPI.INT.Create_subarray([20, 20, 20], [3, 4, 5], [1, 2, 3]).Commit()
    buffer = bytearray(part.Pack_size(1, COMM))
    position = part.Pack(cube, buffer, 0, COMM)
    check(position == 240, "position")
    check((numpy.frombuffer(buffer, "i4") == cube[1:4, 2:6, 3:8].ravel()).all(), "a packed part of a cube")
    back = numpy.zeros_like(cube)
    part.Unpack(buffer, 0, back, COMM)
    check(back.sum() == cube[1:4, 2:6, 3:8].sum(), "an unpacked part of a cube")
    part.Free()


column_of_a_matrix()
records()
packed()
sys.exit(1 if COMM.allreduce(len(WRONG)) else 0)
