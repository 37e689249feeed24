"""The limits of the links between hosts: wire_limits.cpp's lines, iperf3's rates, and what follows for a collective."""

import json
import math
import statistics
import subprocess
import time

import peers
from cores import Timing

RATE_SECONDS = 2
ADDRESSES = {"a": "10.10.0.2", "b": "10.20.0.2"}  # of host 1, by rail
IPERF_PORT = "29502"


class WireLimits:
    """From the rows of one or more rounds; medians, because what is compared with them are medians."""

    def __init__(self, rows, limited):
        self.rounds = {}
        for row in rows:
            value = row["gbs"] if row["limit"].startswith("iperf3") else row["time_us"]
            of_limit = self.rounds.setdefault((row["limit"], row["bytes"]), {})
            # Files of before 2026-11-30 say no rounds.
            of_limit[row.get("round", len(of_limit))] = Timing(value, row.get("flags_us", []))
        self.medians = {key: statistics.median(timing.us for timing in timings.values())
                        for key, timings in self.rounds.items()}
        self.limited = limited
        self.title = "iperf3's rate" if limited else "bare exchange over TCP"

    def __bool__(self):
        return bool(self.medians)

    def time_us(self, kind, size):
        """In proportion to the nearest measured size; None without a measurement."""
        sizes = [at for limit, at in self.medians if limit == kind]
        if not sizes:
            return None
        at = min(sizes, key=lambda s: abs(math.log(s / size)))
        return self.medians[kind, at] * (size / at if size > 64 << 10 else 1)

    def exchange_rounds(self, size):
        """Timings of exactly so many bytes, by the round's number."""
        return self.rounds.get(("exchange", size), {})

    def rates_gbs(self):
        """iperf3's, by rail."""
        return {limit.split()[-1]: value for (limit, _), value in self.medians.items() if limit.startswith("iperf3")}

    def floor_us(self, collective, ranks, size):
        """Of a schedule in which no rank sends or receives a byte more than it must, at the measured rates."""
        sent = wire_bytes(collective, ranks, size)
        if not self.limited:
            return self.time_us("exchange", sent)
        rate, first = sum(self.rates_gbs().values()), self.time_us("one_way", 8)
        return first + sent / rate / 1e3 if rate and first else None


def wire_bytes(collective, ranks, size):
    """Bytes that every rank must send, and as many that it must receive (broadcast: one of the two)."""
    if collective in ("broadcast", "send_receive"):
        return size
    return (2 if collective == "all_reduce" else 1) * size * (ranks - 1) / ranks


def iperf3_once(hosts, rail):
    """(GB/s that arrive at host 1 from host 0 through one connection, or None; what iperf3 says went wrong)."""
    server = subprocess.Popen([*hosts.on(1), "iperf3", "-s", "-1", "-p", IPERF_PORT], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        time.sleep(0.3)  # until it listens
        output, complaint = peers.run_process(
            [*hosts.on(0), "iperf3", "-J", "-c", ADDRESSES[rail], "-t", str(RATE_SECONDS), "-p", IPERF_PORT])
    finally:
        server.kill()
        server.wait()
    try:
        report = json.loads(output)
    except ValueError:
        return None, complaint
    received = report.get("end", {}).get("sum_received")
    return received and received["bits_per_second"] / 8e9, report.get("error", complaint)


def iperf3_gbs(hosts, rail):
    for _ in range(5):
        rate, complaint = iperf3_once(hosts, rail)
        if rate:
            return rate
    raise peers.PeerError(f"iperf3 on rail {rail}: {complaint}")


def rate_rows(hosts, rails):
    return [{"limit": f"iperf3 {rail}", "cores": 2, "bytes": 0, "time_us": 0, "gbs": iperf3_gbs(hosts, rail)}
            for rail in "ab"[:rails]]
