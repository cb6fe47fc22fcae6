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


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "sum", "mean", "median", "logsumexp"])
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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "all", "any", "logsumexp"])
def test_reductions_of_every_cut_agree_with_double_precision(name, dtype):
    import mlx_oxide.core as core

    shapes = [((300, 5), -1), ((70, 48), -1), ((33, 49), -1), ((5, 700), -1), ((40_000,), 0), ((700, 5), 0)]
    shapes += [((4, 3, 5, 2, 20), (1, 3)), ((6, 7, 300), (0, 2)), ((9, 64, 40), 1)]
    for shape, axis in shapes:
        values = np.random.default_rng(3).normal(1, 0.01, shape)
        with core.stream(core.cpu):
            a = core.array(values.astype("float32")).astype(getattr(core, dtype))
            for view in (lambda x: x, lambda x: x[1:, ...], lambda x: x[..., ::2]):
                of = view(a)
                wide = np.array(of.astype(core.float64))
                found = np.array(getattr(core, name)(of, axis=axis).astype(core.float64))
                expected = np.log(np.exp(wide).sum(axis)) if name == "logsumexp" else getattr(np, name)(wide, axis=axis)
                # each of up to 40,000 products is rounded
                single = 2e-5 if name == "prod" else 2e-6
                rtol = {"float16": 1e-3, "bfloat16": 8e-3}.get(dtype, single)
                np.testing.assert_allclose(found, expected.astype("float64"), rtol, err_msg=f"{shape} {axis}")
