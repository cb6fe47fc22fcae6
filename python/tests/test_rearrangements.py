"""Diagonals, differences, grids and distinct elements, against Apple's MLX."""

import numpy as np
import pytest
from differential import ALL, same, same_text

MATRIX = (np.arange(6).reshape(2, 3), "int32")
CUBE = (np.arange(24).reshape(2, 3, 4), "float32")

EXPRESSIONS = [
    ("mx.diag(a)", (np.array(1), "int32")),
    ("mx.diag(a)", CUBE),
    *[(f"mx.diag(a, {k})", (np.array([1, 2, 3]), "float16")) for k in (-2, 0, 1, 3)],
    *[(f"mx.diag(a, k={k})", MATRIX) for k in (-7, -1, 0, 1, 2, 7)],
    ("mx.diag(a)", (np.zeros(0), "float32")),
    *[(f"mx.diagonal(a, {o}, {i}, {j})", CUBE) for o in (-1, 0, 2, 9) for i, j in ((0, 1), (1, 0), (0, -1), (2, 1))],
    ("mx.diagonal(a, 0, 0, 0)", MATRIX),
    ("mx.diagonal(a, 0, 0, 5)", MATRIX),
    ("mx.diagonal(a)", (np.array([1]), "int32")),
    ("a.diagonal(1)", MATRIX),
    ("a.diag()", MATRIX),
    *[("mx.trace(a)", (np.ones((3, 3)), dtype)) for dtype in ALL],
    ("mx.trace(a, 1, 0, 2, dtype=mx.int32)", CUBE),
    ("mx.trace(a)", (np.array([1]), "int32")),
    *[(f"mx.diff(a, {n}, {axis})", CUBE) for n in (0, 1, 2, 9) for axis in (0, 1, -1, 3)],
    ("mx.diff(a, -1)", CUBE),
    ("mx.diff(a)", (np.array([1, 0, 1, 1]), "bool_")),
    ("mx.diff(a)", (np.array([3, 1]), "uint8")),
    ("mx.diff(a)", (np.array(1), "int32")),
    ("mx.meshgrid()", MATRIX),
    ("mx.meshgrid(a)", MATRIX),
    *[
        (f"mx.meshgrid(mx.arange(2), mx.arange(3.0), sparse={s}, indexing='{i}')", MATRIX)
        for s in (True, False)
        for i in ("xy", "ij", "zz")
    ],
    ("mx.meshgrid(mx.arange(2), mx.arange(3), mx.arange(4))", MATRIX),
    ("mx.meshgrid(mx.array(1), mx.arange(3))", MATRIX),
    *[(f"mx.atleast_{n}d(a)", (np.zeros(s), "int32")) for n in (1, 2, 3) for s in ((), (2,), (2, 3), (1, 2, 3, 4))],
    ("mx.atleast_2d(a, mx.array(1))", MATRIX),
    ("mx.atleast_1d()", MATRIX),
    ("a.mT", CUBE),
    ("a.mT", (np.array([1]), "int32")),
    ("a.__div__(2), a.__rdiv__(2.0)", MATRIX),
    ("bytes(a), bytes(a.T)", MATRIX),
    ("mx.depends(a, mx.ones(3))", MATRIX),
    ("mx.depends([a, a], [mx.ones(3)])", MATRIX),
    ("mx.depends((a,), mx.ones(3))", MATRIX),
]


@pytest.mark.parametrize(("source", "a"), EXPRESSIONS)
def test_rearrangement_agrees(source, a):
    same_text(source, a)


REPEATED = [3, 1, 2, 1, 3, 0, 0, 5]


@pytest.mark.parametrize("size", [0, 1, 3, 5, 9])
@pytest.mark.parametrize("dtype", ["bool_", "int8", "uint32", "int64", "float16", "float32", "complex64"])
def test_unique_agrees(size, dtype):
    values = np.array(REPEATED).reshape(2, 4)
    call = f"mx.unique(a, {size}, True, True, True)"
    if size == 0:
        call = "mx.unique(a, 0, True, False, True)"  # the inverse has no element to point at
    same_text(call, (values, dtype))
    same_text(f"mx.unique(a, {size})", (values, dtype))
    same_text(f"mx.unique(a, {size}, return_counts=True, fill_value=1)", (values, dtype))


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("mx.unique(a, 6, True, True, True)", [[1.0, np.nan], [np.nan, 0]]),
        ("mx.unique(a, 2)", []),
        ("mx.unique(a, 0)", []),
        ("mx.unique(a, 2, True, True, True, fill_value=4)", []),
        ("mx.unique(a, -1)", [1.0]),
        ("mx.unique(a, 4, fill_value=2.5)", [1.0, 3]),
        ("mx.unique(a, 4, fill_value=mx.array([1, 2]))", [1.0, 3]),
        ("mx.unique(a, 3, True)", 5.0),
        ("mx.unique(a, 3)", [-0.0, 0.0, -0.0]),
    ],
)
def test_unique_edges_agree(source, values):
    same_text(source, (np.array(values), "float32"))


def test_unique_without_a_size_finds_all():
    import mlx_oxide.core as mx

    values, counts = mx.unique(mx.array(REPEATED), return_counts=True)
    expected = np.unique(REPEATED, return_counts=True)
    np.testing.assert_array_equal(np.array(values), expected[0])
    np.testing.assert_array_equal(np.array(counts), expected[1])


@pytest.mark.parametrize("source", ["can_cast", "isdtype"])
def test_dtype_questions_agree(source):
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric", "zz"]
    for first in ALL:
        for second in ALL:
            same(lambda mx, f=first, s=second: getattr(mx, source)(getattr(mx, f), getattr(mx, s)))
        for kind in kinds:
            same(lambda mx, f=first, k=kind: getattr(mx, source)(getattr(mx, f), k))
    same_text("mx.isdtype(mx.int8, ('bool', mx.int8)), mx.can_cast(a, mx.int8)", MATRIX)
    same_text("mx.isdtype(mx.int8, 3)", MATRIX)
    same_text("mx.can_cast(1, mx.int8)", MATRIX)
