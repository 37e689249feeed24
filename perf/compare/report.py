"""The reports: a page for each comparison, and one plot for each of its collectives and rank counts."""

import sys

import claims
from claims import size_text
from table import OURS, RANGES

try:
    import plots
except ImportError as missing:
    sys.exit(f"compare: the plots need Debian's python3-matplotlib ({missing})")


def time_text(us):
    if us < 10:
        return f"{us:.2f}"
    return f"{us:.1f}" if us < 100 else f"{us:.0f}"


def cell_text(table, key, best):
    collective, ranks, size, peer = key
    cell = table.cell(collective, ranks, size, peer)
    if cell is None:
        return "-"
    text = time_text(cell.us)
    if cell.wrong:
        return text + " (wrong)"
    if best and best[0] == peer:
        text = f"**{text}**"
    once = peer in table.header["others"] and len(cell.rounds) < table.header["rounds"]
    return text + ("&#8224;" if once else "")


def ratio_text(ratio):
    return f"{ratio:.2f}x" if ratio else "-"


def times_table(table, limits, collective, ranks):
    peers = table.header["others"] + table.header["ours"]
    titles = [table.header["titles"][peer] for peer in peers]
    lines = ["| bytes | " + " | ".join(titles) + " | limit | Sluice against the best other |",
             "|" + "---:|" * (len(peers) + 3)]
    for size in table.sizes(collective, ranks):
        best = table.best_other(collective, ranks, size)
        floor = limits.floor_us(collective, ranks, size) if limits else None
        cells = [cell_text(table, (collective, ranks, size, peer), best) for peer in peers]
        lines.append(f"| {size_text(size)} | " + " | ".join(cells) +
                     f" | {time_text(floor) if floor else '-'}"
                     f" | {ratio_text(table.speedup(collective, ranks, size))} |")
    return lines


def means_table(table):
    columns = [(title, lambda *key, test=test: table.mean_speedup(*key, test)) for title, test in RANGES]
    if OURS + "-registered" in table.header["ours"]:
        columns.append(("registered against ordinary, >= 64 KiB", table.registered_gain))
    lines = ["| collective | ranks | " + " | ".join(title for title, _ in columns) + " |",
             "|---|---:|" + "---:|" * len(columns)]
    for key in table.combinations():
        means = [ratio_text(mean(*key)) for _, mean in columns]
        lines.append(f"| {key[0]} | {key[1]} | " + " | ".join(means) + " |")
    return lines


def facts(table):
    """What was measured when, on what."""
    header = table.header
    machine = header["machine"]
    return [
        f"* Machine: {header['host']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, "
        f"{machine['system']}.",
        f"* Date: {header['date']} {header['time']}, commit {header['commit']}, command `{header['command']}`, "
        f"{header['rounds']} rounds, {header.get('minutes', '?')} minutes.",
        f"* Versions: {', '.join(dict.fromkeys(header['versions'].values()))}.",
        *([f"* Note: {header['note']}"] if header.get("note") else []), "",
    ]


HOW_TO_READ = [
    "fp32 sum, ordinary buffers unless it says registered, out of place (broadcast: one buffer, as MPI has it). "
    "Times are microseconds per call of the slowest rank, back to back: the median of the rounds' "
    "medians. Bytes are nccl-tests': all_gather's whole output, reduce_scatter's and all_to_all's "
    "whole input. The fastest of the other libraries is bold. The last column is the fastest other's time over ours, "
    "each round by itself: the median of the rounds' ratios, of those in which the machine's cores were as far apart "
    "for both.", "",
    "&#8224; measured in fewer rounds: failed in the others, or Gloo, or MPICH with more ranks than cores, found more than "
    "five times slower than another library. `-`: not measured.", "",
]


def means(table):
    if OURS not in table.header["ours"]:
        return []
    return ["## How many times faster than the best other library, geometric means", "", *means_table(table), ""]


def complaints(table):
    if not table.complaints:
        return []
    lines = ["## What went wrong", ""]
    for peer, collective, ranks, text in dict.fromkeys(table.complaints):
        where = f", {collective}, {ranks} ranks" if collective else ""
        lines.append(f"* {peer}{where}: {text}")
    return lines + [""]


def cells(table, limits, folder, prefix=""):
    """Every table of times, with its plot."""
    lines = []
    for collective, ranks in table.combinations():
        name, where = f"{prefix}{collective}-{ranks}.svg", table.header.get("where", "")
        plots.draw(table, limits, collective, ranks, folder / name)
        lines += [f"## {collective}, {ranks} ranks{where}", "", *times_table(table, limits, collective, ranks), "",
                  f"![{collective} over {ranks} ranks{where}: time and bus bandwidth against size]({name})", ""]
    return lines


def commands(table):
    ranks = table.header.get("command_ranks", 2)  # not said by files of before 2026-11-22
    return ["## Commands", "", f"For {ranks} ranks:", "", "```", *table.header["commands"], "```", ""]


def write_page(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def write_one_host(table, limits, results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Sluice beside Open MPI, MPICH and Gloo", "",
        "Written by `perf/compare/run`; change nothing here by hand. How it measures: "
        "[performance.md](../performance.md).", "", *facts(table), *HOW_TO_READ,
        "More ranks than cores make MPICH wait for scheduler quanta, milliseconds a step: it then gets single calls, up "
        "to 256 KiB. `limit` is the time of one flag between two cores and of the copies that cannot be avoided.", "",
        *means(table)]
    if OURS in table.header["ours"]:
        lines += ["## Claims", "", *claims.as_markdown(results), ""]
    write_page(folder / "compare.md",
               [*lines, *complaints(table), *cells(table, limits, folder), *commands(table)])


def links_measured(table, limits):
    """The rates of the links themselves."""
    rates = [f"rail {rail} {rate * 8e3:.0f} Mbit/s" for rail, rate in limits.rates_gbs().items()]
    one_way, exchange = limits.time_us("one_way", 8), limits.time_us("exchange", 8)
    if not rates or not one_way:
        return []
    return [f"iperf3, one connection: {', '.join(rates)}. 8 bytes over TCP with both ends polling: {one_way:.2f} us "
            f"one way, {exchange:.2f} us for an exchange.", ""]


def write_hosts(parts, results, folder):
    """`parts`: (name, table, limits) for each kind of links."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Sluice beside Open MPI, MPICH and Gloo, between hosts", "",
             "Written by `perf/compare/run --hosts`; change nothing here by hand. How it measures: "
             "[performance.md](../performance.md). What the hosts are: [hosts.md](../hosts.md).", "", *HOW_TO_READ,
             "One rank on each host. `limit`, on links without a limit: what two processes need that send each other as "
             "many bytes as every rank must, over one TCP connection, and do nothing else; on limited links: those "
             "bytes at iperf3's rate.", "", "## Claims", "", *claims.as_markdown(results), ""]
    for name, table, limits in parts:
        title = table.header["where"].lstrip(", ")
        lines += [f"# {title[0].upper()}{title[1:]}", "", *facts(table), *links_measured(table, limits),
                  *complaints(table), *cells(table, limits, folder, f"hosts-{name}-"), *commands(table)]
    write_page(folder / "hosts.md", lines)
