"""Sorting and searching, against Apple's MLX."""

import numpy as np
import pytest
from differential import ALL, LAYOUTS, numbers, same, same_text

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
