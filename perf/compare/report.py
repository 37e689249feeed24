"""The report: docs/performance/compare.md and one plot for each collective and rank count."""

import claims
import plots
from claims import size_text
from limits import floor_us
from table import OURS, RANGES


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
    once = peer in table.header["others"] and len(cell.rounds_us) < table.header["rounds"]
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
        floor = floor_us(limits, collective, ranks, size) if limits else None
        cells = [cell_text(table, (collective, ranks, size, peer), best) for peer in peers]
        lines.append(f"| {size_text(size)} | " + " | ".join(cells) +
                     f" | {time_text(floor) if floor else '-'}"
                     f" | {ratio_text(table.speedup(collective, ranks, size))} |")
    return lines


def means_table(table):
    lines = ["| collective | ranks | " + " | ".join(title for title, _ in RANGES) +
             " | registered against ordinary, >= 64 KiB |", "|---|---:|" + "---:|" * (len(RANGES) + 1)]
    for collective, ranks in table.combinations():
        means = [ratio_text(table.mean_speedup(collective, ranks, test)) for _, test in RANGES]
        lines.append(f"| {collective} | {ranks} | " + " | ".join(means) +
                     f" | {ratio_text(table.registered_gain(collective, ranks))} |")
    return lines


def introduction(table):
    header = table.header
    machine = header["machine"]
    return [
        "# Sluice beside Open MPI, MPICH and Gloo", "",
        "Written by `perf/compare/run`; change nothing here by hand. How it measures: "
        "[performance.md](../performance.md).", "",
        f"* Machine: {header['host']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, "
        f"{machine['system']}.",
        f"* Date: {header['date']} {header['time']}, commit {header['commit']}, command `{header['command']}`, "
        f"{header['rounds']} rounds, {header.get('minutes', '?')} minutes.",
        f"* Versions: {', '.join(dict.fromkeys(header['versions'].values()))}.", "",
        "fp32 sum, ordinary buffers unless it says registered, out of place (broadcast: one buffer, as MPI has it). "
        "Times are microseconds per call of the slowest rank, back to back: the median of the rounds' "
        "medians. Bytes are nccl-tests': all_gather's whole output, reduce_scatter's and all_to_all's "
        "whole input. The fastest of the other libraries is bold; the last column is its time over ours. "
        "`limit` is the time of one flag between two cores and of the copies that cannot be avoided.", "",
        "&#8224; measured in fewer rounds: failed in the others, or Gloo, or MPICH with more ranks than cores, found more than "
        "five times slower than another library. "
        "`-`: not measured. More ranks than cores make MPICH wait for scheduler quanta, milliseconds a step: "
        "it then gets single calls, up to 256 KiB.", "",
    ]


def complaints(table):
    if not table.complaints:
        return []
    lines = ["## What went wrong", ""]
    for peer, collective, ranks, text in dict.fromkeys(table.complaints):
        where = f", {collective}, {ranks} ranks" if collective else ""
        lines.append(f"* {peer}{where}: {text}")
    return lines + [""]


def write(table, limits, folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = introduction(table)
    if OURS in table.header["ours"]:
        lines += ["## How many times faster than the best other library, geometric means", "", *means_table(table), "",
                  "## Claims", "", *claims.as_markdown(claims.check(table, limits)), ""]
    lines += complaints(table)
    for collective, ranks in table.combinations():
        name = f"{collective}-{ranks}.svg"
        plots.draw(table, limits, collective, ranks, folder / name)
        lines += [f"## {collective}, {ranks} ranks", "", *times_table(table, limits, collective, ranks), "",
                  f"![{collective} over {ranks} ranks: time and bus bandwidth against size]({name})", ""]
    lines += ["## Commands", "", "For two ranks:", "", "```", *table.header["commands"], "```", ""]
    (folder / "compare.md").write_text("\n".join(lines), encoding="utf-8")
