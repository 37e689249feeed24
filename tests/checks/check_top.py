#!/usr/bin/env python3
"""sluice-top sees a job from outside. Usage: check_top.py SLUICE_TOP SLUICE_PERF

Starts two ranks, looks at them while they run and after they have been stopped, as text and as JSON.
"""

import json
import signal
import subprocess
import sys
import time

LIMIT_S = 60


def look(top, *flags):
    done = subprocess.run([top, *flags], capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return done.returncode, done.stdout


def look_until(top, pid, condition):
    """The first communicator of `pid` for which `condition` holds."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        code, text = look(top, "--pid", str(pid), "--json", "--history", "3")
        if code == 0:
            (communicator,) = json.loads(text)["communicators"]
            if condition(communicator):
                return communicator
        time.sleep(0.05)
    sys.exit(f"not seen in {LIMIT_S} s; the last look ({code}) said:\n{text}")


def check_running(communicator):
    assert communicator["size"] == 2, communicator
    assert [rank["rank"] for rank in communicator["ranks"]] == [0, 1], communicator
    for rank in communicator["ranks"]:
        numbers = [operation["number"] for operation in rank["operations"]]
        assert numbers == sorted(numbers, reverse=True) and len(numbers) <= 4, rank
        assert rank["process"]["command"] == "sluice-perf", rank
        assert rank["error"] is None, rank


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    top, perf = sys.argv[1:]
    job = subprocess.Popen([perf, "all_reduce", "-t", "2", "-n", "1000000000"], stdout=subprocess.DEVNULL)
    try:
        both_began = lambda communicator: all(rank["operations"] for rank in communicator["ranks"])
        check_running(look_until(top, job.pid, lambda seen: len(seen["ranks"]) == 2 and both_began(seen)))
        job.send_signal(signal.SIGSTOP)
        look_until(top, job.pid, lambda seen: any("stopped" in sentence for sentence in seen["verdict"]))
        code, text = look(top, "--history", "2")
        assert code == 0 and f"pid {job.pid} sluice-perf, stopped" in text and "before: " in text, text
    finally:
        job.kill()
        job.wait()
    assert look(top, "--pid", str(job.pid))[0] == 1
    assert look(top, "--interval", "0")[0] == 2
    print("sluice-top saw two ranks run, and stop")


if __name__ == "__main__":
    main()
