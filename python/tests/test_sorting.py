"""Sorting and searching, against Apple's MLX."""

import numpy as np
import pytest
from differential import ALL, FLOATING, LAYOUTS, numbers, same, same_text

AXES = [None, 0, -1, 2]


@pytest.mark.parametrize("dtype", ALL)
def test_sort_agrees(dtype):
    for layout, view in LAYOUTS.items():
        for axis in AXES:
            same(
                lambda core, a, view=view, axis=axis: core.sort(view(core, a), axis=axis),
                (numbers(dtype), dtype),
                note=f"sort {dtype} {layout} {axis}",
            )


@pytest.mark.parametrize("dtype", ALL)
def test_argsort_puts_elements_in_order(dtype):
    # positions of equal elements may differ, so the elements they name are compared
    for layout, view in LAYOUTS.items():
        if layout == "scalar":
            continue
        for axis in (0, -1):
            same(
                lambda core, a, view=view, axis=axis: core.take_along_axis(
                    view(core, a), core.argsort(view(core, a), axis=axis), axis=axis
                ),
                (numbers(dtype), dtype),
                note=f"argsort {dtype} {layout} {axis}",
            )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float32"])
@pytest.mark.parametrize("kth", [-6, -1, 0, 3, 5, 6])
def test_partitions_agree(dtype, kth):
    same(lambda core, a: core.sort(core.partition(a, kth)[:, : kth % 6]), (numbers(dtype), dtype))
    same(lambda core, a: core.partition(a, kth, axis=1)[:, kth % 6], (numbers(dtype), dtype))
    same(
        lambda core, a: core.take_along_axis(a, core.argpartition(a, kth)[:, kth % 6 : kth % 6 + 1], -1),
        (numbers(dtype), dtype),
    )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float32"])
@pytest.mark.parametrize("k", [0, 1, 3, 6, 7, -1])
def test_topk_agrees(dtype, k):
    same(lambda core, a: core.sort(core.topk(a, k)), (numbers(dtype), dtype))
    same(lambda core, a: core.sort(core.topk(a, k, axis=None)), (numbers(dtype), dtype))
    same(lambda core, a: core.sort(core.topk(a, k, axis=0), axis=0), (numbers(dtype), dtype))


def drawn(core, dtype, shape, ties):
    """Numbers with NaN, infinities and both zeros, or few different ones."""
    generator = np.random.default_rng(len(shape) + shape[-1])
    values = generator.integers(0, 5, shape) if ties else generator.normal(0, 40, shape)
    values = values.astype("float32")
    if dtype not in FLOATING:
        return core.array(values).astype(getattr(core, dtype))
    for number, place in ((np.nan, 3), (np.inf, 5), (-np.inf, 7), (-0.0, 11), (0.0, 13)):
        values[..., place :: 97 if ties else 1009] = number
    return core.array(values).astype(getattr(core, dtype))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("ties", [False, True])
def test_the_few_least_and_greatest_come_in_order_and_the_rest_is_kept(dtype, ties):
    import mlx_oxide.core as core

    for shape in [(3, 64), (2, 1000), (1, 5003), (140_001,)]:
        with core.stream(core.cpu):
            a = drawn(core, dtype, shape, ties)
            order = np.array(core.argsort(a, axis=-1))
            size = shape[-1]
            for count in (1, 2, size // 16, size // 8, size // 8 + 1):
                for kth in (count - 1, size - count):
                    places = np.array(core.argpartition(a, kth, axis=-1))
                    end = np.s_[..., :count] if kth < count else np.s_[..., kth:]
                    # many come as they are
                    view = np.sort if count > 4096 else np.asarray
                    np.testing.assert_array_equal(view(places[end]), view(order[end]), f"{shape} {kth}")
                    np.testing.assert_array_equal(np.sort(places, -1), np.sort(order, -1))
                    parted = np.array(core.partition(a, kth, axis=-1).astype(core.float64))
                    taken = core.take_along_axis(a, core.array(places), axis=-1).astype(core.float64)
                    np.testing.assert_array_equal(parted, np.array(taken))


SPECIAL = [[np.nan, 1.0, -np.inf, np.inf], [0.0, -0.0, np.nan, np.nan]]


@pytest.mark.parametrize("source", ["mx.sort(a)", "mx.sort(a, axis=0)", "mx.sort(a, axis=None)", "mx.argsort(a)", "mx.partition(a, 1)[:, 1]"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_nan_is_greatest(source, dtype):
    same_text(source, (SPECIAL, dtype))


@pytest.mark.parametrize("side", ["left", "right", "zz"])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_searchsorted_agrees(side, dtype):
    sequence = np.sort(numbers(dtype)[0])
    same_text(f"mx.searchsorted(a, b, side='{side}')", (sequence, dtype), (numbers(dtype), dtype))
    same_text(f"mx.searchsorted(a, 2.5, side='{side}')", (sequence, dtype))


@pytest.mark.parametrize("source", ["mx.sort(a, axis=3)", "mx.argsort(a, axis=-3)", "mx.partition(a, 9)", "mx.topk(a, 1, axis=4)"])
def test_wrong_arguments_raise_alike(source):
    same_text(source, (numbers("float32"), "float32"))
