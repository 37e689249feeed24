"""Compares Sluice's collectives with Open MPI, MPICH and Gloo between hosts, one rank on each, interleaved.

The hosts are network namespaces of this machine, joined by links without a limit, of 1 Gbit/s, and by two rails of
1 Gbit/s and 100 Mbit/s. Needs root. Writes perf/results/hosts-LINKS-HOST-DATE.jsonl, docs/performance/hosts.md and
its plots.
"""

import argparse
import dataclasses
import pathlib

import host_claims
import host_peers
import measuring
import peers
import report
import wire
from table import Table

COLLECTIVES = ["all_reduce", "all_to_all", "all_gather", "reduce_scatter", "broadcast"]


@dataclasses.dataclass
class Links:
    name: str
    title: str
    options: list  # of perf/hosts/namespaces
    ranks: list
    collectives: list
    sizes: list  # None: all
    rails: int = 1

    @property
    def limited(self):
        return bool(self.options)


ALL_LINKS = [
    Links("full", "links without a limit", [], [2, 3, 4], COLLECTIVES, None),
    Links("1gbit", "1 Gbit/s", ["--rate", "1gbit"], [2], ["all_reduce"], [1 << 20, 16 << 20, 64 << 20]),
    Links("1gbit-100mbit", "1 Gbit/s and 100 Mbit/s", ["--rate", "1gbit", "--second-rail", "100mbit"], [2],
          ["all_reduce"], [1 << 20, 16 << 20, 64 << 20], rails=2),
]


class Hosts:
    """Where this comparison measures, for one kind of links; see measuring.py. The hosts are there in a `with`."""

    options = ["--hosts"]

    def __init__(self, links, arguments):
        self.links, self.name, self.where = links, f"hosts-{links.name}", f", {links.title}"
        self.ranks = [ranks for ranks in links.ranks if ranks in arguments.ranks]
        self.collectives = [name for name in links.collectives if name in arguments.collectives]
        self.sizes = links.sizes or arguments.sizes
        self.sets = {ranks: host_peers.HostSet(ranks, links.options) for ranks in self.ranks}

    def __enter__(self):
        try:
            for hosts in self.sets.values():
                hosts.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for hosts in self.sets.values():
            hosts.down()

    def peers(self):
        return host_peers.all_peers(self.sets, self.links.rails)

    def measure_limits(self, table, effort):
        hosts = next(iter(self.sets.values()))
        measuring.add_limits(table, "wire_limits", [
            "--collective", "limits", "--hosts", hosts.name, "--size-us", str(effort["size_us"]),
            "--sizes", ",".join(map(str, [8, *self.sizes]))])
        try:
            table.limit_rows += wire.rate_rows(hosts, self.links.rails)
        except peers.PeerError as error:
            table.complaints.append(("iperf3", "", 0, str(error)))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="compare --hosts", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    measuring.add_arguments(parser)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 3, 4], help="how many hosts, one rank on each")
    parser.add_argument("--collectives", nargs="+", default=COLLECTIVES, choices=COLLECTIVES)
    names = [links.name for links in ALL_LINKS]
    parser.add_argument("--links", nargs="+", default=names, choices=names)
    parser.add_argument("--from", dest="sources", type=pathlib.Path, nargs="+", metavar="FILE",
                        help="measure nothing; tables, plots and check from earlier runs' .jsonl files")
    arguments = parser.parse_args()
    measuring.complete(arguments, parser)
    return arguments


def measured(links, arguments):
    with Hosts(links, arguments) as hosts:
        return measuring.measure_and_save(hosts, arguments)


def main():
    arguments = parse_arguments()
    chosen = [links for links in ALL_LINKS if links.name in arguments.links and
              set(links.ranks) & set(arguments.ranks) and set(links.collectives) & set(arguments.collectives)]
    if arguments.sources:
        loaded = [Table.load(source) for source in arguments.sources]
        parts = [(links, table) for links in ALL_LINKS for table in loaded
                 if table.header["where"] == f", {links.title}"]
    else:
        parts = [(links, measured(links, arguments)) for links in chosen]
    parts = [(links.name, table, wire.WireLimits(table.limit_rows, links.limited)) for links, table in parts]
    results = host_claims.check(parts)
    report.write_hosts(parts, results, arguments.docs)
    measuring.say(f"wrote {arguments.docs / 'hosts.md'} and its plots")
    measuring.finish(results, arguments)


if __name__ == "__main__":
    main()
