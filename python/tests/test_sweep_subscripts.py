"""Random subscripts, read, assigned and updated, on this library, Apple's MLX and NumPy.

MLX is asked wherever it takes the subscript, NumPy wherever it does not.
"""

from __future__ import annotations

import random
import re

import pytest
from cases import ALL, LAYOUTS
from comparison import mismatch
from numpy_cases import by_numpy
from subscripts import SHAPES, outside, selected_shape, subscript, value
from sweep_case import Case, same_values
from sweeping import ROUNDS, SEED, assert_none

COUNT = 60 * ROUNDS
UPDATES = ["add", "subtract", "multiply", "divide", "maximum", "minimum"]


def array(draw: random.Random, dtype: str, shape: tuple[int, ...]) -> str:
    return f"arr('{dtype}', {shape}, '{draw.choice(LAYOUTS)}', {draw.randrange(9)})"


# Rows of docs/differences.md where NumPy, not MLX, says what is right: `a[...] = value` and the updates of
# the whole keep the dtype; integers are divided by `at`.
MEANT = re.compile(r"(assigned|updated)\(('\w+', )?arr\([^()]*\([^()]*\)[^()]*\), (\.\.\.|None|\(\)|\(\.\.\.,\)),|'divide', arr\('u?int")
# `a[i, j, slice, array] = value`: MLX assigns in another order than it reads.
APART = re.compile(r"(assigned|updated)\(.*\(-?\d+, .*(S\(|\.\.\.|None).*vec\(")


def wrong(case: Case) -> str:
    """What is wrong with a case: by MLX's answer, or by NumPy's where MLX has none."""
    if case.own[0] in ("panic", "died", "hung"):
        return f"{case.own[0]}: {case.own[1:]}"
    by_apple = mismatch(case.own, case.other)
    if not by_apple:
        return ""
    if case.other[0] == "array" and not MEANT.search(case.source) and not APART.search(case.source):
        return by_apple
    expected = by_numpy(case.source)
    if isinstance(expected, Exception):
        agrees = case.fails and type(expected).__name__ in case.own[1]
    else:
        agrees = same_values(case.own, expected)
    return "" if agrees else f"{by_apple}; NumPy: {expected!r}"


def check(libraries, sources: list[str]) -> None:
    found = ((case.source, wrong(case)) for case in libraries.cases(sources))
    assert_none([f"{source}\n    {text}" for source, text in found if text], len(sources))


@pytest.mark.parametrize("dtype", ALL)
def test_reading_agrees(dtype, libraries):
    draw = random.Random(f"read {dtype} {SEED}")
    sources = []
    for number in range(2 * COUNT):
        shape = draw.choice(SHAPES)
        part = subscript(draw, shape, masks=number % 4 == 0)
        sources.append(f"{array(draw, dtype, shape)}[{part}]")
    check(libraries, sources)


@pytest.mark.parametrize("dtype", ALL)
def test_assignment_agrees(dtype, libraries):
    draw = random.Random(f"assign {dtype} {SEED}")
    sources = []
    for number in range(2 * COUNT):
        shape = draw.choice(SHAPES)
        part = subscript(draw, shape, masks=number % 5 == 0, distinct=True)
        given = value(draw, dtype, selected_shape(shape, part), ALL)
        sources.append(f"assigned({array(draw, dtype, shape)}, {part}, {given})")
    check(libraries, sources)


@pytest.mark.parametrize(
    ("dtype", "update"),
    [(dtype, update) for dtype in ALL for update in UPDATES if (dtype, update) != ("bool_", "subtract")],
)
def test_updates_agree(dtype, update, libraries):
    draw = random.Random(f"update {dtype} {update} {SEED}")
    sources = []
    # NumPy does not divide truth values, so MLX alone is asked for them
    by_apple_alone = (dtype, update) == ("bool_", "divide")
    for number in range(COUNT // 2):
        shape = draw.choice(SHAPES)
        part = subscript(draw, shape, masks=not by_apple_alone and number % 5 == 0)
        given = value(draw, dtype, selected_shape(shape, part), [dtype])
        source = f"updated('{update}', {array(draw, dtype, shape)}, {part}, {given})"
        if not (by_apple_alone and MEANT.search(source)):
            sources.append(source)
    check(libraries, sources)


def test_nothing_is_subtracted_from_truth_values(libraries):
    # MLX does it for numbers and refuses truth values: docs/differences.md
    sources = [f"updated('subtract', arr('bool_', (3,)), {part}, {given})" for part in ("0", "S(1)", "...") for given in ("True", "2")]
    outcomes = libraries.own.run(sources)
    assert all(outcome[0] == "error" and "ValueError" in outcome[1] for outcome in outcomes)


@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_what_lies_outside_is_an_index_error(dtype, libraries):
    # MLX reads and writes foreign memory there, so it is not asked
    draw = random.Random(f"outside {dtype} {SEED}")
    sources = []
    for _ in range(COUNT):
        shape = draw.choice(SHAPES)
        part, whole = outside(draw, shape), array(draw, dtype, shape)
        sources += [f"{whole}[{part}]", f"assigned({whole}, {part}, 1)", f"updated('add', {whole}, {part}, 1)"]
    outcomes = libraries.own.run(sources)
    found = [
        f"{source}\n    {outcome}"
        for source, outcome in zip(sources, outcomes, strict=True)
        if outcome[0] != "error" or "IndexError" not in outcome[1]
    ]
    assert_none(found, len(sources))
