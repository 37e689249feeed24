#!/usr/bin/env python3
"""Builds, tests and measures on a machine with an NVIDIA GPU, in less than nine minutes: ./dev gpu

Without a GPU it says so, says how much it leaves out, and exits with 0. Results are JSON lines in one file; what all steps
print is in another beside it; a short table comes last. docs/cuda.md says what the figures are held against.
"""

import argparse
import datetime
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import prepared  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402

SKIPPED = 77  # a program's way to say that it found no GPU
ROOT = pathlib.Path(__file__).resolve().parents[2]


def gpus():
    """What nvidia-smi lists; nothing without a driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    return [line for line in done.stdout.splitlines() if line.startswith("GPU ")] if done.returncode == 0 else []


class Run:
    """The steps one after the other, none longer than its limit, all before the deadline."""

    def __init__(self, programs, log, minutes):
        self.programs, self.log = programs, log
        self.begin = time.monotonic()
        self.deadline = self.begin + 60 * minutes
        self.outcomes = []  # (name, "ok" | "FAILED" | "skipped", remark)

    def elapsed(self):
        return time.monotonic() - self.begin

    def step(self, step):
        left = self.deadline - time.monotonic()
        reason = step.reason_to_skip(self.programs.environment()["PATH"])
        if reason is None and left < 10:
            reason = "no time left"
        if reason is not None:
            return self.note(step.name, "skipped", reason)
        print(f"[{self.elapsed():4.0f} s] {step.name}", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            try:
                done = subprocess.run(
                    step.command, cwd=ROOT, env=self.programs.environment(), stdout=output, stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL, timeout=min(step.limit_s, left), check=False)
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = None
            output.seek(0)
            text = output.read()
        took = f"{time.monotonic() - started:.0f} s"
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"\n==== {step.name}: {' '.join(map(str, step.command))}\n{text}\n==== {code}, {took}\n")
        if code == 0:
            return self.note(step.name, "ok", f"{took}{step.remark(text)}")
        if code == SKIPPED:
            return self.note(step.name, "skipped", text.strip().splitlines()[-1])
        why = f"killed after {took}" if code is None else f"exit code {code} after {took}"
        print("\n".join("    " + line for line in steps.telling_lines(text)), flush=True)
        return self.note(step.name, "FAILED", why)

    def note(self, name, outcome, remark):
        self.outcomes.append((name, outcome, remark))


def parse():
    parser = argparse.ArgumentParser(prog="./dev gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--prepare", action="store_true",
                        help="pack programs built here into build/gpu, for a machine that has a GPU and not the libraries")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "perf/results", help="where results and logs go")
    parser.add_argument("--minutes", type=float, default=8.5, help="stop starting steps in time to end by then")
    parser.add_argument("--only", default="", help="only steps whose name contains this")
    return parser.parse_args()


def main():
    arguments = parse()
    if arguments.prepare:
        return prepared.pack(ROOT)
    found = gpus()
    all_steps = steps.all_steps(None, pathlib.Path("unused"))
    if not found:
        print(f"no NVIDIA GPU here (nvidia-smi lists none): {len(all_steps)} steps of tests and benchmarks skipped")
        return 0
    print("\n".join(found))
    arguments.out.mkdir(parents=True, exist_ok=True)
    programs = prepared.Programs(ROOT)
    if not programs.ready():
        return 1
    today = datetime.date.today().isoformat()
    results = arguments.out.resolve() / f"gpu-{today}.jsonl"
    run = Run(programs, results.with_suffix(".log"), arguments.minutes)
    for step in steps.all_steps(programs, results):
        if arguments.only in step.name:
            run.step(step)
    table.show(results, run.outcomes)
    print(f"{run.elapsed():.0f} s; results in {results}, what the steps printed in {run.log.name}")
    return 1 if any(outcome == "FAILED" for _, outcome, _ in run.outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
