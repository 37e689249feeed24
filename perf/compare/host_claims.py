"""The claims about speed between hosts, each checked against a run."""

from claims import Result, never_slower, nothing_wrong, size_text
from table import OURS, median_ratio
from wire import wire_bytes

SMALL_MAX_BYTES, SMALL_FACTOR = 256, 1.3
LARGE_BYTES, OF_BOUND = 64 << 20, 0.95
TOO_GOOD = 0.9  # a call this much quicker than a bare exchange says that the exchange was disturbed


def near_exchange(table, limits):
    claim = (f"all_reduce, 2 hosts, up to {SMALL_MAX_BYTES} B: at most {SMALL_FACTOR}x a bare exchange of as much "
             "over TCP, both ends polling")
    ratios = {}
    for size in table.sizes("all_reduce", 2):
        ours, bare = table.right_rounds("all_reduce", 2, size, OURS), limits.exchange_rounds(size)
        ratio = median_ratio(ours, bare)
        if size <= SMALL_MAX_BYTES and ratio:
            ratios[size] = ratio
    if not ratios:
        return Result(claim, None)
    found = ", ".join(f"{size_text(size)} {ratio:.2f}x" for size, ratio in ratios.items())
    found += f" of {limits.time_us('exchange', 8):.2f} us"
    if min(ratios.values()) < TOO_GOOD:
        return Result(claim, None, f"{found}: the exchange was disturbed, nothing follows from it")
    return Result(claim, max(ratios.values()) <= SMALL_FACTOR, found)


def near_rate(title, table, limits):
    claim = f"all_reduce, 2 hosts, {title}, {size_text(LARGE_BYTES)}: at least 95 % of what iperf3's rates allow"
    time_us, rates = table.time_us("all_reduce", 2, LARGE_BYTES, OURS), limits.rates_gbs().values()
    if not time_us or not rates:
        return Result(claim, None)
    reached = wire_bytes("all_reduce", 2, LARGE_BYTES) / time_us / 1e3 / sum(rates)
    named = " + ".join(f"{rate * 8e3:.0f}" for rate in rates)
    return Result(claim, reached >= OF_BOUND, f"{100 * reached:.1f} % of {named} Mbit/s")


def check(parts):
    """`parts`: (name, table, limits) for each kind of links that was measured."""
    results = []
    for name, table, limits in parts:
        if name == "full":
            for collective in table.header["collectives"]:
                for ranks in sorted({ranks for _, ranks in table.combinations()}):
                    claim = f"{collective}, {ranks} hosts: no size slower than the best other"
                    results.append(never_slower(table, claim, collective, ranks))
            results.append(near_exchange(table, limits))
        else:
            results.append(near_rate(table.header["where"].lstrip(", "), table, limits))
        results.append(nothing_wrong(table))
    return results
