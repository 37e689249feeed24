#!/usr/bin/env python3
"""Every header compiles alone. Usage:
  check_headers.py [--jobs N] FOLDER... -- COMPILER FLAGS...

Compiles, for every .hpp below each FOLDER, a file that includes it twice (so that a missing `#pragma once`
shows) and nothing else.
"""

import argparse
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile


def compile_alone(command, source):
    """The compiler's complaint, or nothing."""
    done = subprocess.run(
        command + [str(source), "-o", str(source) + ".o"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr or "failed without a word"


def main():
    separator = sys.argv.index("--") if "--" in sys.argv else sys.exit(__doc__)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    options, command = parser.parse_args(sys.argv[1:separator]), sys.argv[separator + 1 :]
    headers = [header.resolve() for folder in options.folders for header in sorted(folder.rglob("*.hpp"))]
    if not headers:
        sys.exit(f"no headers below {options.folders}")
    with tempfile.TemporaryDirectory() as scratch:
        jobs = {}
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for number, header in enumerate(headers):
                source = pathlib.Path(scratch) / f"{number}_{header.stem}.cpp"
                source.write_text(f'#include "{header}"\n' * 2, encoding="utf-8")
                jobs[header] = pool.submit(compile_alone, command, source)
        failed = {header: job.result() for header, job in jobs.items() if job.result()}
    for header, complaint in failed.items():
        print(f"{header} does not compile alone:\n{complaint}")
    print(f"{len(jobs) - len(failed)} of {len(jobs)} compile alone")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
