"""The claims about speed that the project makes, each checked against a run."""

import dataclasses

from limits import attach_us
from table import OURS, in_range, median_ratio

MOVES_DATA = ["all_gather", "broadcast", "all_to_all"]
OTHERS = ["all_to_all", "all_gather", "reduce_scatter", "broadcast"]
FLAG_FACTOR, FLAG_MAX_BYTES = 1.3, 32
NEAR_LIMIT = 1.10
REGISTERED_MEASURABLY = 1.03


@dataclasses.dataclass
class Result:
    claim: str
    held: bool | None  # None: not measured
    found: str = "not measured"


def size_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}" if size % unit == 0 else f"{size / unit:.1f} {name}"
    return f"{size} B"


def mean_at_least(table, collective, range_title, wanted):
    claim = f"{collective}, 2 ranks, {range_title}: at least {wanted:g}x the best other"
    mean = table.mean_speedup(collective, 2, lambda size: in_range(range_title, size))
    return Result(claim, mean >= wanted, f"{mean:.2f}x") if mean else Result(claim, None)


def never_slower(table, claim, collective, ranks, test=lambda size: True):
    cells = [(size, table.speedup(collective, ranks, size)) for size in table.sizes(collective, ranks) if test(size)]
    compared = [(size, ratio) for size, ratio in cells if ratio]
    if not compared:
        return Result(claim, None)
    slower = [f"{size_text(size)} {ratio:.2f}x" for size, ratio in compared if ratio < 1]
    found = ("slower: " + ", ".join(slower)) if slower else f"{len(compared)} sizes"
    if len(compared) < len(cells):
        found += "; not compared: " + ", ".join(size_text(size) for size, ratio in cells if not ratio)
    return Result(claim, not slower, found)


def near_flag(table, limits):
    claim = f"all_reduce, 2 ranks, up to {FLAG_MAX_BYTES} B: at most {FLAG_FACTOR}x a bare exchange of flags"
    ratios = {size: median_ratio(table.right_rounds("all_reduce", 2, size, OURS), limits.flag_rounds)
              for size in table.sizes("all_reduce", 2) if size <= FLAG_MAX_BYTES}
    ratios = {size: ratio for size, ratio in ratios.items() if ratio}
    if not ratios:
        return Result(claim, None)
    found = ", ".join(f"{size_text(size)} {ratio:.2f}x" for size, ratio in ratios.items())
    found += f" of {limits.flag_us:.3f} us"
    return Result(claim, max(ratios.values()) <= FLAG_FACTOR, found)


def near_single_copy(table, limits, collective):
    claim = f"{collective}, 2 ranks, above 4 KiB: within 10 % of one copy by cross-memory attach"
    far, cells = [], 0
    for size in table.sizes(collective, 2):
        time_us = table.time_us(collective, 2, size, OURS)
        bound = attach_us(limits, collective, 2, size) if limits else None
        if size <= 4 << 10 or not time_us or not bound:
            continue
        cells += 1
        if time_us > NEAR_LIMIT * bound:
            far.append(f"{size_text(size)} {time_us / bound:.2f}x")
    if cells == 0:
        return Result(claim, None)
    return Result(claim, not far, ("above it: " + ", ".join(far)) if far else f"{cells} sizes")


def registered_faster(table, collective):
    claim = f"{collective}, 2 ranks, from 64 KiB: registered buffers beat ordinary ones"
    gain = table.registered_gain(collective, 2)
    return Result(claim, gain >= REGISTERED_MEASURABLY, f"{gain:.2f}x") if gain else Result(claim, None)


def nothing_wrong(table):
    ours = {key: cell.wrong for key, cell in table.cells.items() if key[3].startswith(OURS)}
    bad = sum(1 for wrong in ours.values() if wrong)
    return Result("every result is right", not bad if ours else None, f"{bad} of {len(ours)} cells wrong")


def check(table, limits):
    results = [
        mean_at_least(table, "all_reduce", "<= 4 KiB", 2),
        near_flag(table, limits),
        mean_at_least(table, "all_reduce", "16 KiB - 16 MiB", 1.5),
        mean_at_least(table, "all_reduce", "64 MiB", 3),
        never_slower(table, "all_reduce, 2 ranks: no size slower than the best other", "all_reduce", 2),
    ]
    results += [mean_at_least(table, collective, "<= 4 KiB", 1.5) for collective in OTHERS]
    results.append(mean_at_least(table, "reduce_scatter", ">= 256 KiB", 2))
    for collective in OTHERS:
        claim = f"{collective}, 2 ranks, above 4 KiB: no size slower than the best other"
        results.append(never_slower(table, claim, collective, 2, lambda size: size > 4 << 10))
    results += [near_single_copy(table, limits, collective) for collective in MOVES_DATA]
    for ranks in (4, 8):
        for collective in ["all_reduce", *OTHERS]:
            claim = f"{collective}, {ranks} ranks: no size slower than the best other"
            results.append(never_slower(table, claim, collective, ranks))
    results += [registered_faster(table, collective) for collective in ["all_reduce", *OTHERS]]
    results.append(nothing_wrong(table))
    return results


VERDICTS = {True: "holds", False: "MISSES", None: "open"}


def as_text(results):
    lines = [f"{VERDICTS[result.held]:6}  {result.claim}: {result.found}" for result in results]
    held = sum(bool(result.held) for result in results)
    return "\n".join([*lines, f"{held} of {len(results)} claims hold"])


def as_markdown(results):
    lines = ["| claim | verdict | found |", "|---|---|---|"]
    return lines + [f"| {result.claim} | {VERDICTS[result.held]} | {result.found} |" for result in results]
