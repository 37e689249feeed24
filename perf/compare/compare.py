"""Compares Sluice's collectives with Open MPI, MPICH and Gloo on this host, interleaved in one run.

Each round goes through every collective and rank count and lets each library in turn measure all sizes, in an
order shuffled with a fixed seed; a result is the best of the rounds' medians.
Writes perf/results/compare-HOST-DATE.jsonl, docs/performance/compare.md and its plots.
"""

import argparse
import datetime
import pathlib
import platform
import random
import shlex
import socket
import sys
import time

import claims
import peers
from limits import Limits
from table import Table

try:
    import report
except ImportError as error:
    sys.exit(f"compare: the plots need Debian's python3-matplotlib ({error})")

COLLECTIVES = ["all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all", "send_receive"]
TWO_RANKS_ONLY = {"send_receive"}
FLOAT_BYTES = 4
HOPELESS = 5  # Gloo, or MPICH on too few cores, is not measured again where it is this many times slower
EFFORT = {"batches": 5, "batch_us": 2000, "size_us": 100000}
QUICK_EFFORT = {"batches": 3, "batch_us": 1000, "size_us": 30000}


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="one round, fewer sizes; writes to build/compare/quick unless told otherwise")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--collectives", nargs="+", default=COLLECTIVES, choices=COLLECTIVES)
    parser.add_argument("--peers", nargs="+", help="default: all of " + ", ".join(p.name for p in peers.all_peers()))
    parser.add_argument("--sizes", type=int, nargs="+", help="bytes; default 4 to 64 MiB in factors of four")
    parser.add_argument("--results", type=pathlib.Path, help="folder of the .jsonl file, default perf/results")
    parser.add_argument("--docs", type=pathlib.Path, help="folder of table and plots, default docs/performance")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="FILE",
                        help="measure nothing; table, plots and check from an earlier run's .jsonl file")
    parser.add_argument("--check", action="store_true",
                        help="print which claims about speed hold; exit status 1 when one misses")
    arguments = parser.parse_args()
    if min(arguments.ranks) < 2 or any(size < FLOAT_BYTES or size % FLOAT_BYTES for size in arguments.sizes or []):
        parser.error("--ranks are 2 or more, --sizes whole floats")
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    step = 16 if arguments.quick else 4
    default_sizes = [4 * step**k for k in range(13) if 4 * step**k <= 64 << 20]
    arguments.sizes = sorted(arguments.sizes or default_sizes)
    quick = peers.BUILD / "quick"
    arguments.results = arguments.results or (quick if arguments.quick else peers.ROOT / "perf/results")
    arguments.docs = arguments.docs or (quick if arguments.quick else peers.ROOT / "docs/performance")
    return arguments


def first_match(path, prefix):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(prefix)), "?")


def machine():
    memory_gib = int(first_match("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return {"cpu": first_match("/proc/cpuinfo", "model name"), "cores": peers.CORES,
            "memory": f"{memory_gib:.0f} GiB", "system": platform.system() + " " + platform.release()}


def usable_peers(arguments, complaints):
    """The peers that can be built and started; the others are complained about and left out."""
    usable = []
    for peer in peers.all_peers():
        if arguments.peers and peer.name not in arguments.peers:
            continue
        try:
            peer.prepare()
            usable.append(peer)
        except peers.PeerError as error:
            complaints.append((peer.name, "", 0, str(error)))
            say(f"without {peer.name}: {error}")
    return usable


def new_table(arguments):
    complaints = []
    usable = usable_peers(arguments, complaints)
    now = datetime.datetime.now()
    table = Table({
        "host": socket.gethostname(), "date": now.strftime("%Y-%m-%d"), "time": now.strftime("%H:%M"),
        "machine": machine(), "commit": peers.commit(), "command": shlex.join(["perf/compare/run", *sys.argv[1:]]),
        "rounds": arguments.rounds, "collectives": arguments.collectives,
        "others": [peer.name for peer in usable if not peer.ours],
        "ours": [peer.name for peer in usable if peer.ours],
        "titles": {peer.name: peer.title for peer in usable},
        "versions": {peer.name: peer.version() for peer in usable},
        "commands": peers.example_commands(usable, EFFORT),
    })
    table.complaints = complaints
    return table, usable


def measure_limits(table, arguments, effort):
    try:
        program = peers.build_program("limits")
    except peers.PeerError as error:
        table.complaints.append(("limits", "", 0, str(error)))
        return
    sizes = [size for size in arguments.sizes if size >= 4096] or [4096]
    output, complaint = peers.run_process([
        str(program), "--collective", "limits", "--ranks", str(max(arguments.ranks)), "--size-us",
        str(effort["size_us"] / 10), "--sizes", ",".join(map(str, sizes))])
    table.limit_rows += peers.json_lines(output)
    if complaint:
        table.complaints.append(("limits", "", 0, complaint))


def worth_measuring(table, peer, collective, ranks, sizes):
    """All sizes, less those where a library known for it has been found hopeless or wrong.

    By its best batch, so that a bad moment of the machine excludes nobody who could be the fastest.
    """
    if not peer.can_be_hopeless(ranks):
        return sizes
    kept = []
    for size in sizes:
        cell, best = table.cell(collective, ranks, size, peer.name), table.best_other(collective, ranks, size)
        if not (cell and best and (cell.min_us > HOPELESS * best[1] or cell.wrong)):
            kept.append(size)
    return kept


def run_peer(table, peer, collective, ranks, sizes, effort):
    wanted = worth_measuring(table, peer, collective, ranks, peer.sizes(ranks, sizes))
    if not wanted:
        return
    rows, complaint = peer.run(collective, ranks, wanted, effort)
    for row in rows:
        table.add(peer.name, collective, ranks, row)
    if complaint:
        table.complaints.append((peer.name, collective, ranks, complaint))
        say(f"\n{peer.name}, {collective}, {ranks} ranks: {complaint}")


def measure(arguments):
    table, usable = new_table(arguments)
    effort = QUICK_EFFORT if arguments.quick else EFFORT
    shuffled = random.Random(2)
    combinations = [(collective, ranks) for ranks in arguments.ranks for collective in arguments.collectives
                    if ranks == 2 or collective not in TWO_RANKS_ONLY]
    start, total, done = time.monotonic(), arguments.rounds * len(combinations), 0
    for number in range(arguments.rounds):
        measure_limits(table, arguments, effort)
        for collective, ranks in combinations:
            sizes = [size for size in arguments.sizes
                     if size >= FLOAT_BYTES * ranks or collective in ("all_reduce", "broadcast", "send_receive")]
            for peer in shuffled.sample(usable, len(usable)):
                run_peer(table, peer, collective, ranks, sizes, effort)
            done += 1
            minutes = (time.monotonic() - start) / 60
            say(f"round {number + 1} of {arguments.rounds}: {collective}, {ranks} ranks"
                f"  ({minutes:.1f} min, {minutes / done * (total - done):.1f} to go)")
    table.header["minutes"] = round((time.monotonic() - start) / 60, 1)
    return table


def main():
    arguments = parse_arguments()
    if arguments.source:
        table = Table.load(arguments.source)
    else:
        table = measure(arguments)
        if not table.cells:
            sys.exit("compare: nothing could be measured")
        arguments.results.mkdir(parents=True, exist_ok=True)
        path = arguments.results / f"compare-{table.header['host']}-{table.header['date']}.jsonl"
        table.save(path)
        say(f"wrote {path}")
    limits = Limits(table.limit_rows)
    report.write(table, limits, arguments.docs)
    say(f"wrote {arguments.docs / 'compare.md'} and its plots")
    if arguments.check:
        results = claims.check(table, limits)
        print(claims.as_text(results))
        sys.exit(0 if all(result.held for result in results) else 1)


if __name__ == "__main__":
    main()
