#!/usr/bin/env python3
"""Functions of at most 60 lines, files of at most 400, few #if. Usage: check_sizes.py ROOT | --self-test

A comment `// long: reason` excuses a function (inside it, or just above it) or a file (in its first ten
lines). Knows functions by their braces and expects clang-formatted code.
"""

import pathlib
import re
import sys

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
MAX_CONDITIONALS_PER_1000_LINES = 5  # in the library as a whole, outside the one file that names compilers
PORT_FILE = "src/base/port.hpp"
LIBRARY = ["include", "src", "transports", "algorithms", "bindings"]
FOLDERS = LIBRARY + ["perf", "tests", "examples"]
SUFFIXES = {".hpp", ".cpp", ".h", ".cu", ".cuh"}

LEXEMES = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\\ ]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
    r"|^[ \t]*#(?:\\\n|[^\n])*",
    re.DOTALL | re.MULTILINE,
)
SCOPE = re.compile(r"(?:^|[\s;>])(?:namespace|class|struct|union|enum)\s[^()]*$|^\s*extern\s+\"\"$|^\s*namespace$")
EXCUSE = re.compile(r"//.*\blong: \S")


def blank(text):
    """`text` without comments, literals and preprocessor lines; the line numbers stay."""

    def replacement(match):
        lexeme = match.group(0)
        return ('""' if lexeme[0] in "R\"'" else "") + "\n" * lexeme.count("\n")

    return LEXEMES.sub(replacement, text)


def opens_function(head):
    """Whether a `{` after `head`, outside of any function, begins a function's body."""
    if "(" not in head or not head[-1].isspace():
        return False  # a variable, or `member_{value}`
    stripped = head.rstrip()
    return not (SCOPE.search(stripped) or stripped.endswith(("=", ",", "(", "return")))


def functions(text):
    """(first line, last line) of every function that is not inside another one."""
    found, stack, head, line, head_line = [], [], "", 1, None
    in_function = 0
    for character in blank(text):
        if character == "{":
            if in_function or stack and stack[-1][0] == "value":
                kind = "inner"
            elif head and opens_function(head):
                kind = "function"
            else:
                kind = "scope" if SCOPE.search(head.rstrip()) else "value"
            in_function += kind == "function"
            stack.append((kind, head_line or line, head))
            head, head_line = "", None
        elif character == "}" and stack:
            kind, first, before = stack.pop()
            in_function -= kind == "function"
            if kind == "function":
                found.append((first, line))
            # A braced value is part of the statement around it, like the initialisers of a constructor.
            head, head_line = (before + "{}", first) if kind == "value" else ("", None)
        elif character == ";" or character == ":" and re.search(r"\b(public|private|protected)\s*$", head):
            head, head_line = "", None
        else:
            if head_line is None and not character.isspace():
                head_line = line
            head += character
        line += character == "\n"
    return found


def check_text(name, text):
    lines = text.splitlines()
    problems = []
    if len(lines) > MAX_FILE_LINES and not any(EXCUSE.search(line) for line in lines[:10]):
        problems.append(f"{name}:1: {len(lines)} lines, more than {MAX_FILE_LINES}")
    for first, last in functions(text):
        length = last - first + 1
        if length > MAX_FUNCTION_LINES and not any(EXCUSE.search(line) for line in lines[max(0, first - 4) : last]):
            problems.append(f"{name}:{first}: function of {length} lines, more than {MAX_FUNCTION_LINES}")
    return problems


def check(root):
    problems, conditionals, library_lines, worst = [], 0, 0, []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES:
                continue
            name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
            problems += check_text(name, text)
            if folder in LIBRARY and name != PORT_FILE:
                found = len(re.findall(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b", text, re.MULTILINE))
                conditionals += found
                library_lines += text.count("\n")
                worst.append((found, name))
    if library_lines == 0:
        sys.exit(f"no sources below {root}")
    allowed = max(5, library_lines * MAX_CONDITIONALS_PER_1000_LINES // 1000)
    if conditionals > allowed:
        worst = ", ".join(f"{name} {found}" for found, name in sorted(worst, reverse=True)[:5])
        problems.append(f"{conditionals} preprocessor conditions, more than {allowed}: {worst}")
    return problems, library_lines


def self_test():
    body = "  call();\n" * 59
    long_ones = [
        "void f(int x) {\n" + body + "}\n",
        "namespace a {\nstruct B : C {\n  B(int x) : m_{x}, n_{1} {\n" + body + "  }\n};\n}\n",
        "template <class T>\nauto g(T t)\n    -> int {\n" + body[:-20] + "}\n",
        "class D {\n public:\n  void h() const noexcept {\n    if (x) {\n" + body + "    }\n  }\n};\n",
        "int k() {\n  auto s = \"}}}\";\n  char c = '}';  // }\n" + body + "}\n",
    ]
    fine = [
        "void f(int x) {\n" + body[:-20] + "}\n",
        "void f(int x) {\n  // long: one row a case\n" + body + "}\n",
        "// long: the table of tables\nvoid f(int x) {\n" + body + "}\n",
        "constexpr int kTable[] = {\n" + "  f(1),\n" * 80 + "};\n",
        "struct S {\n" + "  int f() { return 1; }\n" * 80 + "};\n",
        "namespace n {\n" + "int f() { return g({1, 2}); }\n" * 80 + "}\n",
        "enum class E : int {\n" + "  kA,\n" * 80 + "};\n",
        "#define M(x) { \\\n  (x) {\nint f() { return 1'000'000; }\n" + "int y;\n" * 80,
    ]
    for text in long_ones:
        assert len(check_text("x", text)) == 1, text
    for text in fine:
        assert not check_text("x", text), (text, check_text("x", text))
    assert check_text("x", "int y;\n" * 401) and not check_text("x", "// long: a table\n" + "int y;\n" * 401)
    print("self-test: the planted long functions and files are found")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        return self_test()
    problems, lines = check(pathlib.Path(sys.argv[1]))
    if problems:
        sys.exit("\n".join(problems))
    print(f"{lines} lines in the library: sizes are within bounds")


if __name__ == "__main__":
    main()
