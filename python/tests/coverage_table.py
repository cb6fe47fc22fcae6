"""Which public names of MLX exist here and which test mentions them: docs/coverage.md.

`python python/tests/coverage_table.py` writes the table; `test_coverage.py` checks that it is fresh.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent
TABLE = TESTS.parents[1] / "docs" / "coverage.md"
MODULES = ["core", "core.random", "core.fast", "core.linalg", "core.fft", "core.metal", "core.cuda", "core.distributed"]
CLASSES = ["array", "Dtype", "Device", "Stream", "ThreadLocalStream", "StreamContext", "finfo", "iinfo", "ArrayAt", "ArrayLike", "ArrayIterator"]
# Every class of Python has these, by its own rules.
COMMON = set(dir(object)) | {"__module__", "__weakref__", "__dict__", "__new__"}


def public(owner: object) -> list[str]:
    """Return the names that users call, without modules."""
    names = [name for name in dir(owner) if not isinstance(getattr(owner, name, None), ModuleType)]
    if isinstance(owner, ModuleType):
        return [name for name in names if not name.startswith("_")]
    return [name for name in names if name not in COMMON]


def mentions() -> dict[str, str]:
    """Return for each word of the tests the first file that has it."""
    found: dict[str, str] = {}
    for path in sorted(TESTS.glob("test_*.py")):
        for word in re.findall(r"\w+", path.read_text(encoding="utf-8")):
            found.setdefault(word, path.name)
    for path in sorted(TESTS.glob("*_rows.py")):
        for word in re.findall(r"\w+", path.read_text(encoding="utf-8")):
            found.setdefault(word, "test_sweep_calls.py")
    return found


# Dunder methods are tested by the syntax that calls them.
SYNTAX = {
    **dict.fromkeys(["getitem", "setitem", "iter", "index"], "test_indexing.py"),
    **dict.fromkeys(["str", "repr", "format"], "test_printing.py"),
    **dict.fromkeys(
        """add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv ifloordiv mod rmod imod
        pow rpow ipow matmul rmatmul imatmul and rand iand or ror ior xor rxor ixor lshift rlshift ilshift rshift
        rrshift irshift eq ne lt le gt ge""".split(),
        "test_robustness.py",
    ),
    **dict.fromkeys(["neg", "abs", "invert"], "test_elementwise.py"),
    **dict.fromkeys(["len", "bool", "int", "float", "complex"], "test_views.py"),
}


def find_test(name: str, words: dict[str, str]) -> str:
    if name in words:
        return words[name]
    return SYNTAX.get(name.strip("_"), "")


def rows(apple: object, own: object | None, words: dict[str, str]) -> list[tuple[str, bool, str]]:
    return [(name, own is not None and hasattr(own, name), find_test(name, words)) for name in public(apple)]


def section(title: str, entries: list[tuple[str, bool, str]]) -> tuple[str, int, int, int]:
    lines = [f"## `{title}`", "", "| name | here | test |", "|---|---|---|"]
    for name, exists, test in entries:
        lines.append(f"| `{name}` | {'yes' if exists else '**no**'} | {test if exists else ''} |")
    done = sum(exists for _, exists, _ in entries)
    tested = sum(exists and bool(test) for _, exists, test in entries)
    return "\n".join(lines), len(entries), done, tested


def load(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def table() -> str:
    words = mentions()
    sections = []
    for name in MODULES:
        apple, own = load(f"mlx.{name}"), load(f"mlx_oxide.{name}")
        if apple is not None:
            sections.append((f"mlx.{name}", section(f"mlx.{name}", rows(apple, own, words))))
    apple_core, own_core = load("mlx.core"), load("mlx_oxide.core")
    for name in CLASSES:
        entries = rows(getattr(apple_core, name), getattr(own_core, name, None), words)
        sections.append((f"mlx.core.{name}", section(f"mlx.core.{name}", entries)))
    summary = ["| part | names | here | named in a test |", "|---|---|---|---|"]
    for title, (_, total, done, tested) in sections:
        summary.append(f"| `{title}` | {total} | {done} | {tested} |")
    head = [
        "# Coverage of MLX's Python names",
        "",
        "Written by `python/tests/coverage_table.py` out of MLX 0.32.4; not to be edited. The test is the first file of",
        "`python/tests` that names the function, or uses the operator; most functions are in several. Besides,",
        "`test_robustness.py` calls every function and method of the module with random arguments, and",
        "`test_sweep_calls.py` compares generated calls of every one with MLX's.",
        "",
        *summary,
        "",
    ]
    return "\n".join([*head, *(f"{text}\n" for _, (text, *_) in sections)])


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    sys.stdout.write(f"{TABLE} is fresh\n")
