#!/usr/bin/env python3
"""What the documents repeat is what the sources say. Usage: check_docs.py ROOT [SLUICE_PERF]

The README's program is examples/01_all_reduce.cpp; the catalogue in docs/algorithms.md is what `sluice-perf list
--markdown` prints; every relative link leads to a file; every SLUICE_ variable that the library reads is in
docs/environment.md.
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\[[^\]\n]*\]\(([^)#\s]+)[^)]*\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
VARIABLE = re.compile(r'"(SLUICE_[A-Z_]+)"')


def program_problems(root):
    example = (root / "examples/01_all_reduce.cpp").read_text(encoding="utf-8")
    program = example[example.index("#include") :]
    if program not in (root / "README.md").read_text(encoding="utf-8"):
        yield "README.md: the first program is not that of examples/01_all_reduce.cpp"


def catalogue_problems(root, sluice_perf):
    done = subprocess.run([sluice_perf, "list", "--markdown"], capture_output=True, text=True, check=True, timeout=60)
    if done.stdout not in (root / "docs/algorithms.md").read_text(encoding="utf-8"):
        yield "docs/algorithms.md: the catalogue is not what `sluice-perf list --markdown` prints; put it there"


def link_problems(root):
    for document in sorted(root.glob("*.md")) + sorted(root.glob("*/**/*.md")):
        name = document.relative_to(root)
        if name.parts[0] in ("build", "shared"):
            continue
        for target in LINK.findall(FENCED.sub("", document.read_text(encoding="utf-8"))):
            if "://" not in target and not target.startswith("mailto:") and not (document.parent / target).exists():
                yield f"{name}: the link to {target} leads nowhere"


def variable_problems(root):
    described = (root / "docs/environment.md").read_text(encoding="utf-8")
    sources = [path for folder in ("src", "transports", "bindings") for path in (root / folder).rglob("*.cpp")]
    for path in sorted(sources):
        for variable in VARIABLE.findall(path.read_text(encoding="utf-8")):
            if f"`{variable}`" not in described:
                yield f"docs/environment.md: {variable}, read in {path.relative_to(root)}, is missing"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = [*program_problems(root), *link_problems(root), *variable_problems(root)]
    if len(sys.argv) == 3:
        problems += catalogue_problems(root, sys.argv[2])
    if problems:
        sys.exit("\n".join(problems))
    print("the documents agree with the sources")


if __name__ == "__main__":
    main()
