"""Compares Sluice's collectives with Open MPI, MPICH and Gloo on this host, interleaved in one run.

Each round goes through every collective and rank count and lets each library in turn measure all sizes, in an
order shuffled with a fixed seed; a result is the median of the rounds' medians.
Writes perf/results/compare-HOST-DATE.jsonl, docs/performance/compare.md and its plots.
"""

import argparse
import pathlib

import claims
import measuring
import peers
import report
from limits import Limits
from table import Table

COLLECTIVES = ["all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all", "send_receive"]


class ThisHost:
    """Where this comparison measures; see measuring.py."""

    name, where, options = "compare", "", []

    def __init__(self, arguments):
        self.collectives, self.ranks, self.sizes = arguments.collectives, arguments.ranks, arguments.sizes

    def peers(self):
        return peers.all_peers()

    def measure_limits(self, table, effort):
        sizes = [size for size in self.sizes if size >= 4096] or [4096]
        measuring.add_limits(table, "limits", [
            "--collective", "limits", "--ranks", str(max(self.ranks)), "--size-us", str(effort["size_us"] / 10),
            "--sizes", ",".join(map(str, sizes))])


def parse_arguments():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    measuring.add_arguments(parser)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--collectives", nargs="+", default=COLLECTIVES, choices=COLLECTIVES)
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="FILE",
                        help="measure nothing; table, plots and check from an earlier run's .jsonl file")
    arguments = parser.parse_args()
    if min(arguments.ranks) < 2:
        parser.error("--ranks are 2 or more")
    measuring.complete(arguments, parser)
    return arguments


def main():
    arguments = parse_arguments()
    table = Table.load(arguments.source) if arguments.source else measuring.measure_and_save(
        ThisHost(arguments), arguments)
    limits = Limits(table.limit_rows)
    results = claims.check(table, limits)
    report.write_one_host(table, limits, results, arguments.docs)
    measuring.say(f"wrote {arguments.docs / 'compare.md'} and its plots")
    measuring.finish(results, arguments)


if __name__ == "__main__":
    main()
