"""The short table at the end of ./dev gpu."""

import json


def rows_of(results):
    try:
        with open(results, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def memory_bytes(row):
    """What all ranks of a collective read and write at the least: row["bytes"] is a rank's larger buffer."""
    whole, ranks = row["bytes"], row["ranks"]
    if row["collective"] == "reduce_scatter":
        return ranks * (whole + whole // ranks)
    return 2 * ranks * whole


def first(rows, **wanted):
    for row in reversed(rows):  # the newest
        if all(row.get(key) == value for key, value in wanted.items()):
            return row
    return None


def probes(rows):
    copy, flag = first(rows, probe="copy", how="driver"), first(rows, probe="flag", threads=512)
    launch = first(rows, probe="launch")
    if not (copy and flag and launch):
        return None
    print(f"device copy {copy['gbs']:.0f} GB/s read and written; flag forth and back {flag['round_trip_us']:.2f} us; "
          f"launch of nothing {launch['empty_us']:.2f} us, as a graph {launch['empty_graph_us']:.2f} us")
    return copy["gbs"], flag["round_trip_us"], launch["empty_us"], launch["empty_graph_us"]


def small(rows, flag_us, launch_us, graph_us):
    plain = first(rows, collective="all_reduce", ranks=2, bytes=8, memory="cuda", graph=0, in_place=False, threads=2)
    graph = first(rows, collective="all_reduce", ranks=2, bytes=8, memory="cuda", graph=1, in_place=False, threads=2)
    for name, row, bound in (("", plain, 2 * (flag_us + launch_us)), (", graph", graph, 1.3 * (flag_us + graph_us))):
        if row:
            time_us = row["time_us"]["median"]
            print(f"all_reduce of 8 B, 2 ranks{name}: {time_us:.2f} us, wanted at most {bound:.2f}"
                  f" {'ok' if time_us <= bound else 'SLOW'}")


def large(rows, copy_gbs):
    print(f"{'collective':16}{'ranks':>6}{'bytes':>12}{'algorithm':>12}{'us':>10}{'% of copy':>11}")
    seen = set()
    for row in reversed(rows):
        key = (row.get("collective"), row.get("ranks"))
        if row.get("memory") != "cuda" or row.get("in_place") or row["bytes"] < 64 << 20 or row["threads"] == 1:
            continue
        if key in seen or row.get("type") != "float":
            continue
        seen.add(key)
        time_us = row["time_us"]["median"]
        share = memory_bytes(row) / time_us / 1000 / copy_gbs * 100
        print(f"{row['collective']:16}{row['ranks']:6}{row['bytes']:12}{row['algorithm']:>12}{time_us:10.1f}{share:10.0f}%"
              f"{'' if row['wrong'] == 0 else '  WRONG ' + str(row['wrong'])}")


def show(results, outcomes):
    rows = rows_of(results)
    print("\n== measured")
    figures = probes(rows)
    if figures is not None:
        small(rows, *figures[1:])
        large(rows, figures[0])
    print("\n== steps")
    for name, outcome, remark in outcomes:
        print(f"{outcome:8}{name}: {remark}")
    counts = {word: sum(outcome == word for _, outcome, _ in outcomes) for word in ("ok", "FAILED", "skipped")}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
