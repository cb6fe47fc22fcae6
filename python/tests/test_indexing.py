"""Subscripts, read, assigned and updated, against Apple's MLX and NumPy."""

import numpy as np
import pytest
from differential import numbers, same, same_text

import mlx_oxide.core as mx

SUBSCRIPTS = [
    "0",
    "-1",
    "3",
    "...",
    "None",
    ":",
    "1:3",
    "::-1",
    "3:0:-2",
    "-2:",
    ":-5",
    "9:",
    "2:1",
    "5:1:-1",
    "-1:-9:-1",
    "0, 1",
    "..., 0",
    "0, ...",
    "1:, ::2",
    "::2, 1:5:3",
    "::-1, ::-2",
    ":, None, 2",
    "None, ..., None",
    "None, 0, :, None",
    "1:3, 2",
    "mx.array(2)",
    "mx.array([0, 2])",
    "mx.array([[0, 1], [2, 3]])",
    "mx.array([-1, 0])",
    "mx.array([1], dtype=mx.uint8)",
    "[0, 2]",
    "mx.array([0, 2]), mx.array([1, 3])",
    "mx.array([[0], [2]]), mx.array([1, 3])",
    ":, mx.array([1, 3])",
    "mx.array([1, 3]), :",
    "mx.array([1, 3]), 1:3",
    "mx.array([1, 3]), None, 1:3",
    "None, mx.array([1, 3])",
    "0, mx.array([1, 3])",
    "mx.array([1, 3]), 0",
    "mx.array([0, 2]), ..., 1",
    "1:3, mx.array([[1, 3]])",
    "::2, mx.array([0, 1])",
    "mx.zeros((0,), dtype=mx.int32)",
    "np.array([0, 2])",
    "np.int64(1)",
    "slice(mx.array(1), 3)",
]
WRONG = ["4, 4, 4", "1.0", "mx.array([1.0])", "'a'", "..., ...", "{}"]


@pytest.mark.parametrize("subscript", SUBSCRIPTS)
@pytest.mark.parametrize("dtype", ["int32", "float16", "bool_", "complex64"])
def test_reading_agrees(subscript, dtype):
    same_text(f"a[{subscript}]", (numbers(dtype), dtype))
    same_text(f"a.T[{subscript}]", (numbers(dtype, shape=(6, 6)), dtype))


@pytest.mark.parametrize("subscript", WRONG)
def test_wrong_subscripts_raise_alike(subscript):
    same_text(f"a[{subscript}]", (numbers("int32"), "int32"))


CUBE = [
    "0, mx.array([0, 1]), mx.array([2, 3])",
    "mx.array([0, 1]), :, mx.array([2, 3])",
    "mx.array([0, 1]), 1, mx.array([2, 3])",
    ":, mx.array([0, 1]), mx.array([2, 3])",
    "mx.array([[0], [1]]), ..., mx.array([2, 3])",
    "mx.array([0, 1]), 0:2, mx.array([2, 3])",
    ":, mx.array([0, 1])",
    "..., mx.array([0, 1])",
    "1, ..., 2",
    ":, ::-1, 1:3",
    "mx.array([0, 1]), None, mx.array([2, 1]), None, 1:2",
]


@pytest.mark.parametrize("subscript", CUBE)
def test_reading_of_three_axes_agrees(subscript):
    same_text(f"a[{subscript}]", (np.arange(60).reshape(3, 4, 5), "int32"))


def assign(subscript: str, values: str):
    code = compile(f"a[{subscript}] = {values}", "<case>", "exec")

    def call(core, a):
        exec(code, {"mx": core, "np": np, "a": a})  # noqa: S102
        return a

    return call


VALUES = ["7", "2.5", "True", "mx.array(3)", "mx.arange(6)", "mx.array([[1], [2], [3], [4]])"]


@pytest.mark.parametrize("subscript", [text for text in SUBSCRIPTS if "zeros((0,)" not in text])
def test_assignment_agrees(subscript):
    for values in VALUES:
        if values != "7" and subscript in ("...", "None"):
            continue  # Apple's takes the dtype of the value: docs/differences.md
        same(assign(subscript, values), (numbers("int32"), "int32"), note=f"a[{subscript}] = {values}")
        same(assign(subscript, values), (numbers("float16"), "float16"), note=f"a[{subscript}] = {values}")


@pytest.mark.parametrize("subscript", CUBE)
@pytest.mark.parametrize("values", ["7", "mx.arange(5)", "mx.array([[1], [2]])"])
def test_assignment_of_three_axes_agrees(subscript, values):
    same(assign(subscript, values), (np.arange(60).reshape(3, 4, 5), "float32"), note=subscript)


MASKS = [
    ("mx.array([True, False, True, False])", "9"),
    ("mx.array([True, False, True, False])", "mx.arange(6)"),
    ("a > 2", "0"),
    ("a > 2", "mx.arange(24)"),
    ("a > 99", "5"),
    ("True", "5"),
    ("False", "5"),
    ("np.array([True, False, True, False])", "5"),
    ("mx.array([True])", "5"),
]


@pytest.mark.parametrize(("mask", "values"), MASKS)
def test_assignment_by_masks_agrees(mask, values):
    call = assign(mask, values)
    if values == "mx.arange(24)":
        # one value for each true element, in order
        count = int((numbers("int32") > 2).sum())
        call = assign(mask, f"mx.arange({count})")
    same(call, (numbers("int32"), "int32"), note=mask)


@pytest.mark.parametrize("update", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
@pytest.mark.parametrize(
    "subscript",
    ["0", "1:3", "::2, 1", "mx.array([0, 0, 1])", "mx.array([0, 0]), mx.array([1, 1])", ":, mx.array([1, 1])"],
)
def test_updates_take_every_given_index(update, subscript):
    same_text(f"a.at[{subscript}].{update}(2)", (numbers("float32"), "float32"), rtol=1e-6)


FUNCTIONS = [
    "mx.take(a, mx.array([0, 2, -1]))",
    "mx.take(a, mx.array([[0, 2]]), axis=0)",
    "mx.take(a, mx.array([0, 2]), axis=-1)",
    "mx.take(a, 1, axis=1)",
    "mx.take(a, mx.array(1), axis=0)",
    "mx.take(a, mx.array([0]), axis=5)",
    "mx.take(a, mx.array([0.5]))",
    "mx.take_along_axis(a, mx.argsort(a, axis=1), axis=1)",
    "mx.take_along_axis(a, mx.array([[0], [1], [2], [3]]), axis=-1)",
    "mx.take_along_axis(a, mx.array([0, 5]), axis=None)",
    "mx.take_along_axis(a, mx.array([0]), axis=0)",
    "mx.put_along_axis(a, mx.array([[0, 1], [1, 2], [2, 3], [3, 4]]), mx.array(9), axis=1)",
    "mx.put_along_axis(a, mx.array([0, 5]), mx.array([7, 8]), axis=None)",
    "mx.slice(a, mx.array([1, 2]), (0, 1), (2, 3))",
    "mx.slice(a, mx.array([1]), (1,), (4, 2))",
    "mx.slice_update(a, mx.ones((2, 3), dtype=a.dtype), mx.array([1, 2]), (0, 1))",
]


@pytest.mark.parametrize("source", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_gathering_functions_agree(source, dtype):
    same_text(source, (numbers(dtype), dtype))


@pytest.mark.parametrize("index", [(slice(None), [True, False, True, True, False, True]), ([True, False, True, False],)])
def test_masks_select_as_numpys_do(index):
    values = numbers("int32")
    expected = values[tuple(np.array(part) if isinstance(part, list) else part for part in index)]
    found = mx.array(values)[tuple(mx.array(part) if isinstance(part, list) else part for part in index)]
    np.testing.assert_array_equal(np.array(found), expected)


def test_a_mask_of_the_whole_selects_elements():
    values = numbers("float32")
    np.testing.assert_array_equal(np.array(mx.array(values)[mx.array(values > 0)]), values[values > 0])


@pytest.mark.parametrize("source", ["a[mx.array([4])]", "a[mx.array([-5])]", "mx.take(a, mx.array([24]))", "a[0, mx.array([6])]"])
def test_an_index_out_of_bounds_is_an_error(source):
    a = mx.array(numbers("int32"))
    with pytest.raises((IndexError, ValueError), match="out of bounds"):
        mx.eval(eval(source, {"mx": mx, "a": a}))  # noqa: S307
