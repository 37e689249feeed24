#!/usr/bin/env python3
"""PyTorch's collectives on a library that takes NCCL's place. Usage:
  torch_client.py nccl LIBRARY RANKS   RANKS processes on the first GPU, with LIBRARY preloaded
  torch_client.py gloo - RANKS         the same program on host memory by PyTorch's own backend: checks the program

Exits with 0 if every step was right on every rank or left out for a reason that it prints, with 1 if one was wrong, with
77 without PyTorch or a GPU.
"""

import datetime
import os
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
LIMIT_S = 240  # for all ranks together
WAIT_S = 60  # for one operation


class LeftOut(Exception):
    """A step that this PyTorch, or the backend, does not have."""


class Rank:
    def __init__(self, torch, backend):
        self.torch, self.dist = torch, torch.distributed
        self.backend = backend
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.on_gpu = backend == "nccl"
        self.device = torch.device("cuda", 0) if self.on_gpu else torch.device("cpu")
        self.groups = 0

    def begin(self):
        """Another job of the same processes, over a store of its own."""
        store = self.dist.FileStore(f"{os.environ['CLIENT_STORE']}.{self.groups}", self.size)
        self.groups += 1
        self.dist.init_process_group(self.backend, store=store, rank=self.rank, world_size=self.size,
                                     timeout=datetime.timedelta(seconds=WAIT_S))

    def full(self, value, count=1000, dtype=None):
        return self.torch.full((count,), value, dtype=dtype or self.torch.float32, device=self.device)

    def expect(self, tensor, values, what):
        """`values`: a number for all elements, or a list."""
        found = tensor.detach().cpu().to(self.torch.float64)
        wanted = self.torch.as_tensor(values, dtype=self.torch.float64).expand_as(found)
        if not self.torch.equal(found, wanted):
            at = int((found != wanted).nonzero()[0])
            raise AssertionError(f"{what}: element {at} is {found[at]}, expected {wanted[at]}")

    def needs(self, condition, reason):
        if not condition:
            raise LeftOut(reason)

    def barrier(self):
        self.dist.barrier(**({"device_ids": [0]} if self.on_gpu else {}))


def all_reduce(me):
    ranks = range(me.size)
    for dtype in ("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8"):
        kind = getattr(me.torch, dtype)
        if dtype == "bfloat16" and not me.on_gpu:
            continue
        for operator, wanted in (("SUM", sum(r + 1 for r in ranks)), ("MAX", me.size), ("MIN", 1)):
            tensor = me.full(me.rank + 1, dtype=kind)
            me.dist.all_reduce(tensor, op=getattr(me.dist.ReduceOp, operator))
            me.expect(tensor, wanted, f"{operator} of {dtype}")
    large = me.full(1, count=3_000_001)
    me.dist.all_reduce(large)
    me.expect(large, me.size, "a large sum")
    shifted = me.full(1, count=1001)[1:]
    me.dist.all_reduce(shifted)
    me.expect(shifted, me.size, "a sum that begins at an odd address")
    nothing = me.full(0, count=0)
    me.dist.all_reduce(nothing)


def all_reduce_average(me):
    me.needs(me.on_gpu, "gloo has no average")
    tensor = me.full(me.rank)
    me.dist.all_reduce(tensor, op=me.dist.ReduceOp.AVG)
    me.expect(tensor, (me.size - 1) / 2, "average")


def pre_multiplied_sum(me):
    me.needs(me.on_gpu and hasattr(me.dist, "_make_nccl_premul_sum"), "no pre-multiplied sums here")
    for factor in (2.0, me.full(2, count=1)):  # a number of the host, one of the device
        tensor = me.full(me.rank + 1)
        me.dist.all_reduce(tensor, op=me.dist._make_nccl_premul_sum(factor))
        me.expect(tensor, me.size * (me.size + 1), "pre-multiplied sum")


def all_gather(me):
    parts = [me.full(-1) for _ in range(me.size)]
    me.dist.all_gather(parts, me.full(me.rank))
    for rank, part in enumerate(parts):
        me.expect(part, rank, f"part {rank}")
    into = getattr(me.dist, "all_gather_into_tensor", None)
    if into is not None and me.on_gpu:
        whole = me.full(-1, count=me.size * 10)
        into(whole, me.full(me.rank, count=10))
        me.expect(whole, [float(i // 10) for i in range(me.size * 10)], "the whole")


def all_gather_uneven(me):
    me.needs(me.on_gpu, "gloo gathers equal parts only")
    parts = [me.full(-1, count=5 + 100 * rank) for rank in range(me.size)]
    me.dist.all_gather(parts, me.full(me.rank, count=5 + 100 * me.rank))
    for rank, part in enumerate(parts):
        me.expect(part, rank, f"part {rank}")


def reduce_scatter(me):
    parts = [me.full(10 * me.rank + part) for part in range(me.size)]
    mine = me.full(-1)
    try:
        me.dist.reduce_scatter(mine, parts)
    except RuntimeError as error:
        me.needs(me.on_gpu, f"gloo: {error}".splitlines()[0][:80])
        raise
    total = sum(10 * rank + me.rank for rank in range(me.size))
    me.expect(mine, total, "my part")
    if me.on_gpu and hasattr(me.dist, "reduce_scatter_tensor"):
        me.dist.reduce_scatter_tensor(mine, me.torch.cat(parts))
        me.expect(mine, total, "my part of a tensor")


def all_to_all(me):
    me.needs(me.on_gpu, "gloo has no all_to_all")
    # r sends r + p elements to p: one pair exchanges nothing.
    counts = [me.rank + peer for peer in range(me.size)]
    sent = me.torch.cat([me.full(10 * me.rank + peer, count=counts[peer]) for peer in range(me.size)])
    received = me.full(-1, count=sum(counts))
    me.dist.all_to_all_single(received, sent, output_split_sizes=counts, input_split_sizes=counts)
    wanted = [float(10 * peer + me.rank) for peer in range(me.size) for _ in range(counts[peer])]
    me.expect(received, wanted, "uneven")
    lists = [me.full(-1, count=count) for count in counts]
    me.dist.all_to_all(lists, list(sent.split(counts)))
    me.expect(me.torch.cat(lists), wanted, "uneven, as lists")
    even = me.full(-1, count=me.size)
    me.dist.all_to_all_single(even, me.torch.arange(me.size, device=me.device).float() + 10 * me.rank)
    me.expect(even, [float(10 * peer + me.rank) for peer in range(me.size)], "even")


def rooted(me):
    for root in range(me.size):
        tensor = me.full(me.rank)
        me.dist.broadcast(tensor, root)
        me.expect(tensor, root, f"broadcast of {root}")
        tensor = me.full(me.rank)
        me.dist.reduce(tensor, root)
        if me.rank == root:
            me.expect(tensor, sum(range(me.size)), f"reduce to {root}")
        parts = [me.full(-1) for _ in range(me.size)] if me.rank == root else None
        me.dist.gather(me.full(me.rank), parts, dst=root)
        for rank, part in enumerate(parts or []):
            me.expect(part, rank, f"gather to {root}, part {rank}")
        mine = me.full(-1)
        me.dist.scatter(mine, [me.full(part) for part in range(me.size)] if me.rank == root else None, src=root)
        me.expect(mine, me.rank, f"scatter of {root}")


def send_and_receive(me):
    after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
    received = me.full(-1)
    if me.rank % 2 == 0:
        me.dist.send(me.full(me.rank), after)
        me.dist.recv(received, before)
    else:
        me.dist.recv(received, before)
        me.dist.send(me.full(me.rank), after)
    me.expect(received, before, "send and recv")


def batch_of_messages(me):
    after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
    received = [me.full(-1), me.full(-1, count=7)]
    operations = [me.dist.P2POp(me.dist.irecv, received[0], before), me.dist.P2POp(me.dist.isend, me.full(me.rank), after)]
    if me.size > 2:
        operations += [me.dist.P2POp(me.dist.isend, me.full(me.rank, count=7), before),
                       me.dist.P2POp(me.dist.irecv, received[1], after)]
    for work in me.dist.batch_isend_irecv(operations):
        work.wait()
    me.expect(received[0], before, "from the one before")
    if me.size > 2:
        me.expect(received[1], after, "from the one after")


def asynchronous(me):
    tensors = [me.full(me.rank + i) for i in range(5)]
    works = [me.dist.all_reduce(tensor, async_op=True) for tensor in tensors]
    for work in works:
        work.wait()
    for i, tensor in enumerate(tensors):
        me.expect(tensor, sum(rank + i for rank in range(me.size)), f"sum {i}")


def barrier(me):
    started = time.monotonic()
    if me.rank == 0:
        time.sleep(0.3)
    me.barrier()
    if me.on_gpu:
        me.torch.cuda.synchronize()
    assert me.rank == 0 or time.monotonic() - started > 0.2, "left before rank 0 had come"


def groups(me):
    evens = [rank for rank in range(me.size) if rank % 2 == 0]
    some, everybody = me.dist.new_group(evens), me.dist.new_group()
    first, second = me.full(1), me.full(2)
    works = [me.dist.all_reduce(second, group=everybody, async_op=True)]
    if me.rank in evens:
        works.append(me.dist.all_reduce(first, group=some, async_op=True))
    for work in works:
        work.wait()
    me.expect(first, len(evens) if me.rank in evens else 1, "of the even ones")
    me.expect(second, 2 * me.size, "of everybody")
    me.barrier()
    if me.rank in evens:
        me.dist.destroy_process_group(some)
    me.dist.destroy_process_group(everybody)


def graph(me):
    me.needs(me.on_gpu, "graphs are of GPUs")
    tensor, total = me.full(0), me.full(0)
    stream = me.torch.cuda.Stream()
    with me.torch.cuda.stream(stream):
        me.dist.all_reduce(total)  # makes the communicator, which cannot be captured
    stream.synchronize()
    captured = me.torch.cuda.CUDAGraph()
    with me.torch.cuda.graph(captured, stream=stream):
        total.copy_(tensor)
        me.dist.all_reduce(total)
    for i in range(5):
        tensor.fill_(me.rank + i)
        me.torch.cuda.synchronize()
        captured.replay()
        me.torch.cuda.synchronize()
        me.expect(total, sum(rank + i for rank in range(me.size)), f"replay {i}")
    me.torch.cuda.synchronize()
    del captured


def model_of(me):
    me.torch.manual_seed(11)
    nn = me.torch.nn
    return nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 24), nn.Tanh(), nn.Linear(24, 4)).to(me.device)


def train(me, model, samples, targets, shares):
    """Losses of some steps on the samples given; `shares`: others have as many, and theirs count, too."""
    optimizer = me.torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = me.torch.nn.functional.mse_loss(model(samples), targets)
        loss.backward()
        optimizer.step()
        shown = loss.detach().clone()
        if shares:
            me.dist.all_reduce(shown)
            shown /= me.size
        losses.append(float(shown.cpu()))
    return losses


def trained_like_one_process(me, wrap):
    me.torch.manual_seed(5)
    samples = me.torch.randn(8 * me.size, 16, device=me.device)
    targets = me.torch.randn(8 * me.size, 4, device=me.device)
    alone = train(me, model_of(me), samples, targets, shares=False)
    mine = slice(8 * me.rank, 8 * (me.rank + 1))
    together = train(me, wrap(model_of(me)), samples[mine], targets[mine], shares=True)
    for step, (one, many) in enumerate(zip(alone, together)):
        assert abs(one - many) < 1e-4 * abs(one) + 1e-6, f"step {step}: loss {many}, of one process {one}"
    assert alone[-1] < alone[0], "nothing was learnt"


def data_parallel(me):
    from torch.nn.parallel import DistributedDataParallel
    trained_like_one_process(
        me, lambda model: DistributedDataParallel(model, device_ids=[0] if me.on_gpu else None))


def fully_sharded(me):
    version = tuple(int(part) for part in me.torch.__version__.split("+")[0].split(".")[:2])
    me.needs(me.on_gpu or version >= (2, 6), f"FSDP of PyTorch {me.torch.__version__} needs a GPU")
    from torch.distributed.fsdp import FullyShardedDataParallel
    trained_like_one_process(me, lambda model: FullyShardedDataParallel(
        model, use_orig_params=True, **({"device_id": 0} if me.on_gpu else {"device_id": me.device})))


def again(me):
    me.barrier()
    me.dist.destroy_process_group()
    me.begin()
    tensor = me.full(1)
    me.dist.all_reduce(tensor)
    me.expect(tensor, me.size, "sum in the second job")


def abort(me):
    me.needs(me.on_gpu, "gloo has no abort")
    abort_group = getattr(me.dist.distributed_c10d, "_abort_process_group", None)
    me.needs(abort_group is not None, f"PyTorch {me.torch.__version__} has no abort")
    me.barrier()
    me.torch.cuda.synchronize()
    if me.rank == 0:
        me.dist.all_reduce(me.full(1))  # nobody joins it
        time.sleep(0.5)
    started = time.monotonic()
    abort_group()
    me.torch.cuda.synchronize()
    assert time.monotonic() - started < 20, "the kernel stayed"
    # The device and the library work on.
    me.begin()
    tensor = me.full(1)
    me.dist.all_reduce(tensor)
    me.expect(tensor, me.size, "sum after an abort")


STEPS = [all_reduce, all_reduce_average, pre_multiplied_sum, all_gather, all_gather_uneven, reduce_scatter, all_to_all,
         rooted, send_and_receive, batch_of_messages, asynchronous, barrier, groups, graph, data_parallel, fully_sharded,
         again, abort]


def be_a_rank(backend):
    import torch
    me = Rank(torch, backend)
    if me.on_gpu:
        torch.cuda.set_device(0)
    me.begin()
    for step in STEPS:
        started = time.monotonic()
        try:
            step(me)
            outcome = "ok"
        except LeftOut as reason:
            outcome = f"left out: {reason}"
        print(f"{step.__name__}: {outcome} ({time.monotonic() - started:.1f} s)", flush=True)
    me.barrier()
    me.dist.destroy_process_group()
    return 0


def what_is_missing(backend):
    """Why the program cannot run here; empty where it can. Asked in a process of its own."""
    lines = ["import torch, sys", "print('' if torch.distributed.is_available() else 'PyTorch without distributed')"]
    if backend == "nccl":
        lines[1] = ("print('' if torch.cuda.is_available() and torch.distributed.is_nccl_available() "
                    "else 'no GPU, or a PyTorch without NCCL')")
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout.strip() if done.returncode == 0 else "no PyTorch"


def main(backend, library, ranks):
    missing = what_is_missing(backend)
    if missing:
        print(f"skipped: {missing}")
        return SKIPPED
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        common = dict(os.environ, WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
                      CLIENT_STORE=f"{folder}/store", CUDA_DEVICE_MAX_CONNECTIONS="32", OMP_NUM_THREADS="1")
        if library != "-":
            common["LD_PRELOAD"] = os.path.abspath(library)
        outputs = [open(f"{folder}/rank{rank}", "w+", encoding="utf-8") for rank in range(ranks)]
        processes = [subprocess.Popen([sys.executable, __file__, "rank", backend], env=dict(common, RANK=str(rank)),
                                      stdout=output, stderr=subprocess.STDOUT) for rank, output in enumerate(outputs)]
        deadline = time.monotonic() + LIMIT_S
        while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
            if any(process.poll() not in (None, 0) for process in processes):
                deadline = min(deadline, time.monotonic() + 5)  # the others wait for it in vain
            time.sleep(0.1)
        for rank, (process, output) in enumerate(zip(processes, outputs)):
            ended = process.poll()
            if ended is None:
                process.kill()
                process.wait()
            output.seek(0)
            text = output.read()
            output.close()
            failed |= ended != 0
            if ended != 0 or rank == 0:
                print(f"rank {rank} of {ranks}: {'did not end' if ended is None else f'exit code {ended}'}\n{text}")
    print("FAILED" if failed else f"all steps right on {ranks} ranks")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "rank":
        sys.exit(be_a_rank(sys.argv[2]))
    if len(sys.argv) != 4 or sys.argv[1] not in ("nccl", "gloo"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
