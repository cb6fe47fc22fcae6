"""Generated calls of every public function on both libraries: the same dtype, shape and values.

Every dtype, layout and shape, with arguments right and wrong. Where MLX raises, an exception of the
same class; where it ends its process, an error or the right answer. What differs on purpose is in
`differences.DIFFERENCES`, by its row of docs/differences.md.
"""

from __future__ import annotations

from pathlib import Path

import mlx.core as apple
import pytest
from array_rows import METHODS, OPERATORS
from call_rows import LEFT_OUT
from call_table import ROWS, sweep
from coverage_table import public
from differences import DIFFERENCES
from sweeping import ROUNDS, SEED, assert_none

MODULES = ["", "random", "linalg", "fft", "fast"]
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"


def callables() -> set[str]:
    names = set()
    for module in MODULES:
        owner = getattr(apple, module) if module else apple
        prefix = f"{module}." if module else ""
        names |= {f"{prefix}{name}" for name in public(owner) if callable(getattr(owner, name))}
    return names


def test_every_public_function_has_a_row_or_a_reason():
    rows = {name for name in ROWS if not name.startswith("array.")}
    assert callables() == rows | set(LEFT_OUT)
    assert not rows & set(LEFT_OUT)


def test_every_member_of_the_array_class_has_a_row():
    members = {name for name in public(apple.array) if name != "__module__"}
    assert members <= set(METHODS) | set(OPERATORS)


def test_every_difference_is_documented():
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    missing = [difference.row for difference in DIFFERENCES if not any(line.startswith(difference.row) for line in lines)]
    assert not missing


@pytest.mark.parametrize("name", sorted(ROWS))
def test_calls_agree(name, libraries):
    sources = sweep(name, ROUNDS, SEED)
    assert_none(libraries.disagreements(sources), len(sources))
