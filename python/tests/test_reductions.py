"""Reductions and scans against Apple's MLX."""

import numpy as np
import pytest
from differential import ALL, COMPLEX, FLOATING, LAYOUTS, TOLERANCE, numbers, same

REDUCTIONS = ["sum", "prod", "max", "min", "all", "any", "mean", "var", "std", "logsumexp", "median"]
SCANS = ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"]
AXES = [None, 0, 1, -1, (0, 1), [1], (), 2, -3, (0, 0)]


def tolerance(dtype: str, name: str = "") -> dict[str, float]:
    if dtype == "float64" and name in ("logsumexp", "logcumsumexp"):
        return {"rtol": 1e-6, "atol": 1e-6}  # Apple's exponential is that of float32
    rtol = 8 * TOLERANCE.get(dtype, TOLERANCE["float32"])
    return {"rtol": rtol, "atol": rtol}


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_agree(name, dtype):
    if name == "logsumexp" and dtype not in [*FLOATING, *COMPLEX]:
        pytest.skip("Apple's subtracts the greatest in the integers, which wrap around")
    values = numbers(dtype)
    for layout, view in LAYOUTS.items():
        for axis in AXES:
            same(
                lambda core, a, view=view, axis=axis: getattr(core, name)(view(core, a), axis=axis),
                (values, dtype),
                note=f"{name} {dtype} {layout} {axis}",
                **tolerance(dtype, name),
            )


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduced_axes_can_be_kept(name):
    for axis in (None, 0, (0, 1), -1):
        same(
            lambda core, a, axis=axis: getattr(core, name)(a, axis=axis, keepdims=True),
            (numbers("float32"), "float32"),
            **tolerance("float32"),
        )
        same(
            lambda core, a, axis=axis: getattr(a, name)(axis, True) if hasattr(a, name) else None,
            (numbers("float32"), "float32"),
            **tolerance("float32"),
        )


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "sum", "mean", "logsumexp"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_reductions_of_special_values_agree(name, dtype):
    rows = [[1, np.nan, 2], [np.inf, 1, -np.inf], [np.inf, np.inf, 0], [-np.inf, -np.inf, -np.inf], [-0.0, 0.0, 0]]
    same(lambda core, a: getattr(core, name)(a, axis=1), (rows, dtype), **tolerance(dtype))


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places_of_extremes_agree(name, dtype):
    if dtype == "complex64":
        pytest.skip("Apple's CPU build has no extremes of complex numbers")
    for layout, view in LAYOUTS.items():
        for axis in (None, 0, -1, 3):
            for keepdims in (False, True):
                same(
                    lambda core, a, view=view, axis=axis, keepdims=keepdims: getattr(core, name)(
                        view(core, a), axis=axis, keepdims=keepdims
                    ),
                    (numbers(dtype), dtype),
                    note=f"{name} {dtype} {layout} {axis}",
                )


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("name", SCANS)
def test_scans_agree(name, dtype):
    values = numbers(dtype)
    for layout, view in LAYOUTS.items():
        for axis in (None, 0, -1, 2):
            for reverse in (False, True):
                for inclusive in (False, True):
                    same(
                        lambda core, a, view=view, axis=axis, reverse=reverse, inclusive=inclusive: getattr(
                            core, name
                        )(view(core, a), axis=axis, reverse=reverse, inclusive=inclusive),
                        (values, dtype),
                        note=f"{name} {dtype} {layout} {axis} {reverse} {inclusive}",
                        **tolerance(dtype, name),
                    )


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("ddof", [0, 1, 3, 30])
def test_degrees_of_freedom_agree(name, ddof):
    same(lambda core, a: getattr(core, name)(a, axis=0, ddof=ddof), (numbers("float32"), "float32"), **tolerance("float32"))


@pytest.mark.parametrize("dtype", ["int32", "float32", "bool_"])
def test_count_nonzero_agrees(dtype):
    import mlx.core as apple

    if not hasattr(apple, "count_nonzero"):
        pytest.skip("Apple's MLX has no count_nonzero")
    for axis in AXES:
        same(lambda core, a, axis=axis: core.count_nonzero(a, axis=axis), (numbers(dtype), dtype))
