#!/usr/bin/env python3
"""Includes go one way, down the layers. Usage: check_includes.py ROOT | check_includes.py --self-test"""

import pathlib
import re
import sys
import tempfile

# Lowest first. A file includes its own layer and those below it.
LAYERS = [
    "src/base",
    "src/compute",
    "src/datatype",
    "src/device",
    "src/memory",
    "src/bootstrap",
    "src/topology",
    "src/channel",
    "transports",
    "algorithms",
    "src/plan",
    "src/communicator",
    "bindings",
]
PUBLIC = "include/sluice"
# The public headers that show an inner layer: to include one is to include that layer.
PUBLIC_WINDOWS = {"include/sluice/channel.hpp": ("src/channel", {"src/base/port.hpp", "src/channel"})}
# On top of all layers, and included by none of them.
TOPS = ["perf", "tests", "examples"]
SUFFIXES = {".hpp", ".cpp", ".h", ".cu", ".cuh", ".inc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def layer_of(path):
    """The layer that including `path` reaches; None for what everybody may include or nobody owns."""
    if path in PUBLIC_WINDOWS:
        return PUBLIC_WINDOWS[path][0]
    for name in LAYERS + TOPS:
        if within(path, name):
            return name
    return None


def resolve(root, includer, target):
    """The path below `root` that `target` means, or None when it is no file of ours."""
    folders = [root / "include", root / "src", root, (root / includer).parent, root / "tests", root / "perf"]
    for folder in folders:
        candidate = folder / target
        if candidate.is_file():
            return candidate.resolve().relative_to(root).as_posix()
    return None


def judge_public(includer, kind, target, found):
    if found is None:
        if kind == '"' or "/" in target or target.endswith(".h"):
            return f"a public header includes only sluice/ and the C++ standard library, not {target}"
        return None
    windows = PUBLIC_WINDOWS.get(includer, (None, set()))[1]
    if within(found, PUBLIC) or any(within(found, allowed) for allowed in windows):
        return None
    return f"a public header includes {found}"


def judge(includer, kind, target, found):
    """What is wrong with this include, or None."""
    if within(includer, PUBLIC):
        return judge_public(includer, kind, target, found)
    if found is None:
        return None
    from_layer, to_layer = layer_of(includer), layer_of(found)
    if from_layer == "examples" and not within(found, PUBLIC) and to_layer != "examples":
        return f"an example includes {found}; users have only {PUBLIC}"
    if from_layer not in LAYERS or to_layer is None:
        return None
    if to_layer in TOPS or LAYERS.index(to_layer) > LAYERS.index(from_layer):
        return f"{from_layer} includes upwards: {found} ({to_layer})"
    return None


def check(root):
    root = root.resolve()
    problems, count = [], 0
    for top in ["include", "src", "transports", "algorithms", "bindings", "examples"]:
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in SUFFIXES:
                continue
            count += 1
            includer = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if match is None:
                    continue
                kind, target = match.groups()
                problem = judge(includer, kind, target, resolve(root, includer, target))
                if problem:
                    problems.append(f"{includer}:{number}: {problem}")
    return problems, count


PLANTED = {
    "include/sluice/status.hpp": "#include <optional>\n",
    "include/sluice/memory.hpp": '#include "base/port.hpp"  // wrong: a public header shows the inside\n',
    "include/sluice/gpu.hpp": "#include <cuda_runtime.h>  // wrong: a toolkit header\n",
    "include/sluice/channel.hpp": '#include "base/port.hpp"\n#include "channel/semaphore.hpp"\n',
    "src/base/port.hpp": "#include <atomic>\n",
    "src/base/error.hpp": '#include "sluice/status.hpp"\n#include "channel/semaphore.hpp"  // wrong: upwards\n',
    "src/base/log.hpp": "#include <sluice/channel.hpp>  // wrong: upwards through a public header\n",
    "src/channel/semaphore.hpp": '#include "base/port.hpp"\n',
    "transports/shm/shm.cpp": '#include "channel/semaphore.hpp"\n#include "../../tests/t.hpp"  // wrong\n',
    "algorithms/ring.hpp": '#include "transports/contract.hpp"\n#include "plan/plan.hpp"  // wrong: upwards\n',
    "transports/contract.hpp": "",
    "src/plan/plan.hpp": '#include "algorithms/ring.hpp"\n',
    "tests/t.hpp": '#include "plan/plan.hpp"\n',
    "examples/01.cpp": '#include "sluice/status.hpp"\n#include "base/error.hpp"  // wrong\n',
}


def self_test():
    """The planted lines that say `wrong` are found, and no others."""
    with tempfile.TemporaryDirectory() as folder:
        root, expected = pathlib.Path(folder), set()
        for name, text in PLANTED.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
            lines = enumerate(text.splitlines(), 1)
            expected |= {f"{name}:{number}" for number, line in lines if "wrong" in line}
        found = {":".join(problem.split(":")[:2]) for problem in check(root)[0]}
    if found != expected:
        sys.exit(f"self-test: missed {sorted(expected - found)}, invented {sorted(found - expected)}")
    print(f"self-test: found all {len(expected)} planted violations")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        return self_test()
    problems, count = check(pathlib.Path(sys.argv[1]))
    if problems:
        sys.exit("\n".join(problems))
    if count == 0:
        sys.exit(f"no sources below {sys.argv[1]}")
    print(f"{count} files: includes go one way")


if __name__ == "__main__":
    main()
