"""What every comparison shares: its options, the rounds in which libraries take turns, and the header of a table.

A comparison says where it measures by an object with
    name, where, options             of the results' file; for titles; that chose it
    collectives, ranks, sizes
    peers()                          all libraries that can be measured there
    measure_limits(table, effort)    adds what the machine can do at best to `table`
"""

import datetime
import pathlib
import platform
import random
import shlex
import socket
import sys
import time

import claims
import cores
import peers
from table import Table

TWO_RANKS_ONLY = {"send_receive"}
FLOAT_BYTES = 4
TURNS = 3  # of all libraries in a round, at most, until the cores stay where they are meanwhile
HOPELESS = 5  # Gloo, or MPICH on too few cores, is not measured again where it is this many times slower
EFFORT = {"batches": 5, "batch_us": 2000, "size_us": 100000}
QUICK_EFFORT = {"batches": 3, "batch_us": 1000, "size_us": 30000}


def say(text):
    print(text, file=sys.stderr, flush=True)


def add_arguments(parser):
    parser.add_argument("--quick", action="store_true",
                        help="one round, fewer sizes; writes to build/compare/quick unless told otherwise")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--peers", nargs="+", help="names of libraries, as in the results; default: all")
    parser.add_argument("--sizes", type=int, nargs="+", help="bytes; default 4 to 64 MiB in factors of four")
    parser.add_argument("--results", type=pathlib.Path, help="folder of the .jsonl files, default perf/results")
    parser.add_argument("--docs", type=pathlib.Path, help="folder of table and plots, default docs/performance")
    parser.add_argument("--note", default="", help="a sentence for the report: what else ran on the machine, say")
    parser.add_argument("--check", action="store_true",
                        help="print which claims about speed hold; exit status 1 when one misses")


def complete(arguments, parser):
    """Fills in what depends on --quick."""
    if any(size < FLOAT_BYTES or size % FLOAT_BYTES for size in arguments.sizes or []):
        parser.error("--sizes are whole floats")
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    step = 16 if arguments.quick else 4
    default_sizes = [4 * step**k for k in range(13) if 4 * step**k <= 64 << 20]
    arguments.sizes = sorted(arguments.sizes or default_sizes)
    quick = peers.BUILD / "quick"
    arguments.results = arguments.results or (quick if arguments.quick else peers.ROOT / "perf/results")
    arguments.docs = arguments.docs or (quick if arguments.quick else peers.ROOT / "docs/performance")


def first_match(path, prefix):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(prefix)), "?")


def machine():
    memory_gib = int(first_match("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return {"cpu": first_match("/proc/cpuinfo", "model name"), "cores": peers.CORES,
            "memory": f"{memory_gib:.0f} GiB", "system": platform.system() + " " + platform.release()}


def usable_peers(place, names, complaints):
    """The peers that can be built and started; the others are complained about and left out."""
    usable = []
    for peer in place.peers():
        if names and peer.name not in names:
            continue
        try:
            peer.prepare()
            usable.append(peer)
        except peers.PeerError as error:
            complaints.append((peer.name, "", 0, str(error)))
            say(f"without {peer.name}: {error}")
    return usable


def new_table(place, arguments):
    complaints = []
    usable = usable_peers(place, arguments.peers, complaints)
    now = datetime.datetime.now()
    table = Table({
        "host": socket.gethostname(), "date": now.strftime("%Y-%m-%d"), "time": now.strftime("%H:%M"),
        "machine": machine(), "where": place.where, "note": arguments.note, "commit": peers.commit(),
        "command": shlex.join(["perf/compare/run", *place.options, *sys.argv[1:]]),
        "rounds": arguments.rounds, "collectives": place.collectives,
        "others": [peer.name for peer in usable if not peer.ours],
        "ours": [peer.name for peer in usable if peer.ours],
        "titles": {peer.name: peer.title for peer in usable},
        "versions": {peer.name: peer.version() for peer in usable},
        "command_ranks": place.ranks[0], "commands": peers.example_commands(usable, EFFORT, place.ranks[0]),
    })
    table.complaints = complaints
    return table, usable


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


def sizes_of(collective, ranks, sizes):
    """Where every rank has a block: those of at least one float, as long as with the next power of two of ranks."""
    if collective in ("all_reduce", "broadcast", "send_receive"):
        return sizes
    blocks = [size >> (ranks - 1).bit_length() for size in sizes]
    return [ranks * block for block in blocks if block >= FLOAT_BYTES]


def run_peer(table, number, peer, collective, ranks, sizes, effort):
    """Returns a flag before and behind."""
    wanted = worth_measuring(table, peer, collective, ranks, peer.sizes(ranks, sizes))
    if not wanted:
        return []
    before = cores.flag_us()
    rows, complaint = peer.run(collective, ranks, wanted, effort)
    flags_us = before + cores.flag_us()
    for row in rows:
        table.add(peer.name, collective, ranks, row, number, flags_us)
    if complaint:
        table.complaints.append((peer.name, collective, ranks, complaint))
        say(f"\n{peer.name}, {collective}, {ranks} ranks: {complaint}")
    return flags_us


def take_turns(table, number, usable, collective, ranks, sizes, effort):
    """Every library once; again if the cores have moved meanwhile. Each time counts as a round."""
    for turn in range(TURNS):
        flags_us = []
        for peer in usable:
            flags_us += run_peer(table, number * TURNS + turn, peer, collective, ranks, sizes, effort)
        if cores.stayed(flags_us):
            return


def measure_limits(table, number, place, effort):
    first, before = len(table.limit_rows), cores.flag_us()
    place.measure_limits(table, effort)
    flags_us = before + cores.flag_us()
    for row in table.limit_rows[first:]:
        row["round"], row["flags_us"] = number * TURNS, flags_us


def measure(place, arguments):
    """The table of a whole run. Its rounds interleave the libraries, in an order shuffled with a fixed seed."""
    table, usable = new_table(place, arguments)
    effort = QUICK_EFFORT if arguments.quick else EFFORT
    shuffled = random.Random(2)
    combinations = [(collective, ranks) for ranks in place.ranks for collective in place.collectives
                    if ranks == 2 or collective not in TWO_RANKS_ONLY]
    start, total, done = time.monotonic(), arguments.rounds * len(combinations), 0
    for number in range(arguments.rounds):
        measure_limits(table, number, place, effort)
        for collective, ranks in combinations:
            sizes = sizes_of(collective, ranks, place.sizes)
            take_turns(table, number, shuffled.sample(usable, len(usable)), collective, ranks, sizes, effort)
            done += 1
            minutes = (time.monotonic() - start) / 60
            say(f"round {number + 1} of {arguments.rounds}: {collective}, {ranks} ranks{place.where}"
                f"  ({minutes:.1f} min, {minutes / done * (total - done):.1f} to go)")
    table.header["minutes"] = round((time.monotonic() - start) / 60, 1)
    return table


def measure_and_save(place, arguments):
    table = measure(place, arguments)
    if not table.cells:
        sys.exit(f"compare: nothing could be measured{place.where}")
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / f"{place.name}-{table.header['host']}-{table.header['date']}.jsonl"
    table.save(path)
    say(f"wrote {path}")
    return table


def add_limits(table, program, options):
    """Runs a program that prints limits, and keeps what it says."""
    try:
        output, complaint = peers.run_process([str(peers.build_program(program)), *options])
    except peers.PeerError as error:
        output, complaint = "", str(error)
    table.limit_rows += peers.json_lines(output)
    if complaint:
        table.complaints.append((program, "", 0, complaint))


def finish(results, arguments):
    """The end of every comparison, once its report is written."""
    if arguments.check:
        print(claims.as_text(results))
        sys.exit(0 if all(result.held for result in results) else 1)
