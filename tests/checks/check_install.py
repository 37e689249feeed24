#!/usr/bin/env python3
"""What is installed is complete. Usage: check_install.py BUILD_DIRECTORY CONSUMER_DIRECTORY CXX_COMPILER

Installs to a fresh prefix, moves it (an installation must not know where it lies), and there: compiles every
header alone, builds and runs the consumer through find_package(Sluice) and through pkg-config, and asks
sluice-perf and sluice-top, when they were built, for their help.
"""

import os
import pathlib
import subprocess
import sys
import tempfile


def run(*command, **more):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **more)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def through_find_package(prefix, consumer, compiler, scratch):
    build = scratch / "through_cmake"
    run("cmake", "-S", consumer, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={compiler}")
    run("cmake", "--build", build)
    run(build / "consumer")


def through_pkg_config(prefix, consumer, compiler, scratch):
    (pc_file,) = prefix.rglob("sluice.pc")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(pc_file.parent))
    flags = run("pkg-config", "--cflags", "--libs", "sluice", env=environment).split()
    (library,) = prefix.rglob("libsluice.so")
    program = scratch / "through_pkg_config"
    rpath = f"-Wl,-rpath,{library.parent}"
    run(compiler, "-std=c++20", consumer / "main.cpp", "-o", program, *flags, rpath)
    run(program)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    build, consumer, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        run("cmake", "--install", build, "--prefix", scratch / "before")
        prefix = (scratch / "before").rename(scratch / "prefix")

        include = prefix / "include"
        script = pathlib.Path(__file__).parent / "check_headers.py"
        flags = ["-std=c++20", "-fsyntax-only", f"-I{include}", f"-I{include / 'sluice' / 'impl'}"]
        print(run(sys.executable, script, include, "--", compiler, *flags), end="")
        through_find_package(prefix, consumer, compiler, scratch)
        through_pkg_config(prefix, consumer, compiler, scratch)
        for tool in ("sluice-perf", "sluice-top"):
            if (prefix / "bin" / tool).exists():
                run(prefix / "bin" / tool, "--help")
    print("the installation is complete")


if __name__ == "__main__":
    main()
