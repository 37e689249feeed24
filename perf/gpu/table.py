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


def matching(rows, **wanted):
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def newest(rows, **wanted):
    found = matching(rows, **wanted)
    return found[-1] if found else None


def time_of(row):
    return row["time_us"]["median"]


def quickest(rows):
    """Of several schedules and numbers of strands."""
    return min(rows, key=time_of, default=None)


def probes(rows):
    copy, flag = newest(rows, probe="copy", how="driver"), newest(rows, probe="flag", threads=512)
    launch = newest(rows, probe="launch")
    if not (copy and flag and launch):
        return None
    print(f"device copy {copy['gbs']:.0f} GB/s read and written; flag forth and back {flag['round_trip_us']:.2f} us; "
          f"launch of nothing {launch['empty_us']:.2f} us, as a graph {launch['empty_graph_us']:.2f} us")
    return copy["gbs"], flag["round_trip_us"], launch["empty_us"], launch["empty_graph_us"]


def small(rows, flag_us, launch_us, graph_us):
    same = {"collective": "all_reduce", "ranks": 2, "threads": 2, "bytes": 8, "memory": "cuda", "in_place": False}
    for name, graph, bound in (("", 0, 2 * (flag_us + launch_us)), (", graph", 1, 1.3 * (flag_us + graph_us))):
        row = quickest(matching(rows, graph=graph, **same))
        if row:
            verdict = "ok" if time_of(row) <= bound else "SLOW"
            print(f"all_reduce of 8 B, 2 ranks{name}: {time_of(row):.2f} us, wanted at most {bound:.2f}: {verdict}")


def large(rows, copy_gbs):
    print(f"{'collective':16}{'ranks':>6}{'bytes':>12}{'algorithm':>12}{'us':>10}{'% of copy':>11}")
    cells = {}
    for row in matching(rows, memory="cuda", in_place=False, type="float"):
        if row["bytes"] >= 64 << 20 and row["threads"] > 1:
            cells.setdefault((row["collective"], row["ranks"], row["bytes"]), []).append(row)
    for (collective, ranks, size), candidates in cells.items():
        row = quickest(candidates)
        share = memory_bytes(row) / time_of(row) / 1000 / copy_gbs * 100
        wrong = sum(each["wrong"] or 0 for each in candidates)
        print(f"{collective:16}{ranks:6}{size:12}{row['algorithm']:>12}{time_of(row):10.1f}{share:10.0f}%"
              f"{f'  WRONG: {wrong}' if wrong else ''}")


def packing(rows):
    """MPI_Pack in a GPU's memory; wanted: 80 % of what a copy of as many sectors takes."""
    newest_rows = {row["case"]: row for row in matching(rows, what="gpu pack")}
    for case, row in newest_rows.items():
        us = row["us"]
        beside = ", ".join(f"{name} {us[name]:.1f}" for name in us if name != "sluice")
        print(f"MPI_Pack of {row['bytes']} B, {case}: {us['sluice']:.1f} us, {us['copy of as many sectors'] / us['sluice']:.0%} "
              f"of a copy ({beside})")


def ways(rows):
    """Half a round trip of messages in a GPU's memory, each way. Rows of sluice-mpi tune."""
    cases = {}
    for row in rows:
        if row.get("what", "").startswith("tune messages device "):
            us = cases.setdefault((row["library"], row["case"]), {})
            us[row["what"].split()[-1]] = row["us"]["sluice"]
            us.update({"passed on": row["us"]["library"]} if "library" in row["us"] else {})
    for (library, case), us in cases.items():
        print(f"message of {library}, {case}: " + ", ".join(f"{way} {each:.1f} us" for way, each in us.items()))


def show(results, outcomes):
    rows = rows_of(results)
    print("\n== measured")
    packing(rows)
    ways(rows_of(results.with_name(f"{results.stem}-mpi.jsonl")))
    figures = probes(rows)
    if figures is not None:
        small(rows, *figures[1:])
        large(rows, figures[0])
    print("\n== steps")
    for name, outcome, remark in outcomes:
        print(f"{outcome:8}{name}: {remark}")
    counts = {word: sum(outcome == word for _, outcome, _ in outcomes) for word in ("ok", "FAILED", "skipped")}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
