"""One SVG for each collective and rank count: time and bus bandwidth against size."""

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "sluice", "svg.fonttype": "none", "font.size": 9,
                            "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402  (after the choice of back end)

from claims import size_text  # noqa: E402

OURS = {"sluice": ("#0b57d0", "-", "o"), "sluice-registered": ("#12a4af", "-", "s"),
        "sluice-threads": ("#7b4fd0", "--", "^")}
OTHERS = {"openmpi": ("#d9730d", "-"), "openmpi-ucx": ("#b3261e", "--"), "mpich": ("#8a6d3b", "-."),
          "openmpi-a": ("#d9730d", "--"), "mpich-a": ("#8a6d3b", "--"), "gloo": ("#8c8c8c", ":")}


def bus_factor(collective, ranks):
    if collective in ("broadcast", "send_receive"):
        return 1.0
    return (2.0 if collective == "all_reduce" else 1.0) * (ranks - 1) / ranks


def style(peer):
    if peer in OURS:
        color, line, marker = OURS[peer]
        return {"color": color, "linestyle": line, "marker": marker, "markersize": 4, "linewidth": 2, "zorder": 3}
    color, line = OTHERS.get(peer, ("#444444", "-"))
    return {"color": color, "linestyle": line, "marker": ".", "markersize": 3, "linewidth": 1.1, "zorder": 2}


def lines_of(table, limits, collective, ranks):
    """(label, style, [(size, time)]) for each library, and for the machine's limit."""
    sizes = table.sizes(collective, ranks)
    for peer in table.header["others"] + table.header["ours"]:
        points = [(size, table.time_us(collective, ranks, size, peer)) for size in sizes]
        yield table.header["titles"][peer], style(peer), [point for point in points if point[1]]
    if limits:
        floors = [(size, limits.floor_us(collective, ranks, size)) for size in sizes]
        yield (limits.title, {"color": "black", "linestyle": (0, (4, 3)), "linewidth": 1.2, "zorder": 1},
               [point for point in floors if point[1]])


def draw(table, limits, collective, ranks, path):
    """`path` is where the plot goes; its title says what the header's "where" adds to the machine."""
    figure, (times, bandwidths) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    factor = bus_factor(collective, ranks)
    for label, look, points in lines_of(table, limits, collective, ranks):
        if points:
            sizes, us = zip(*points)
            times.plot(sizes, us, label=label, **look)
            bandwidths.plot(sizes, [factor * size / t / 1e3 for size, t in points], **look)
    ticks = table.sizes(collective, ranks)[::2]
    for axes, label in ((times, "time, us"), (bandwidths, "bus bandwidth, GB/s")):
        axes.set(xscale="log", yscale="log", xlabel="bytes", ylabel=label)
        axes.set_xticks(ticks, [size_text(size) for size in ticks], rotation=30, ha="right")
        axes.minorticks_off()
        axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    times.legend(frameon=False, fontsize=8)
    machine = table.header["machine"]
    where = table.header.get("where", "")
    figure.suptitle(f"{collective}, {ranks} ranks{where}, fp32 — {machine['cpu']}, {machine['cores']} cores, "
                    f"{table.header['date']}", fontsize=10)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
