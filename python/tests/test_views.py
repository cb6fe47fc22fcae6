"""Shapes and orders of the same elements, and joining and splitting, against Apple's MLX."""

import pytest
from differential import LAYOUTS, numbers, same, same_text

VIEWS = [
    "reshape(a, -1)",
    "reshape(a, (2, -1))",
    "reshape(a, (-1, 1, 2))",
    "reshape(a, (5, -1))",
    "reshape(a, (-1, -1))",
    "reshape(a, (0, 3))",
    "flatten(a)",
    "flatten(a, 0, 0)",
    "flatten(a, 1, 0)",
    "flatten(a, -1, 5)",
    "unflatten(a, 0, (1, -1))",
    "unflatten(a, -1, (2, 2))",
    "unflatten(a, 7, (2, 2))",
    "squeeze(a)",
    "squeeze(a, 0)",
    "squeeze(a, (0, -1))",
    "expand_dims(a, 0)",
    "expand_dims(a, (0, -1))",
    "expand_dims(a, (0, 0))",
    "expand_dims(a, 5)",
    "transpose(a)",
    "transpose(a, (1, 0))",
    "transpose(a, (0, -1))",
    "transpose(a, (0, 0))",
    "transpose(a, (0,))",
    "swapaxes(a, 0, 1)",
    "swapaxes(a, 0, -1)",
    "swapaxes(a, 0, 4)",
    "moveaxis(a, 0, -1)",
    "moveaxis(a, 1, 0)",
    "moveaxis(a, 4, 0)",
    "broadcast_to(a, (2, 4, 6))",
    "broadcast_to(a, (3, 6))",
    "broadcast_to(a, (1,))",
    "broadcast_to(a, 4)",
    "broadcast_arrays(a, mx.ones((1,)))",
    "contiguous(a)",
    "as_strided(a, (2, 2), (1, 2), 1)",
    "as_strided(a, (3,), (2,))",
    "as_strided(a, (2, 2))",
    "view(a, mx.uint8)",
    "view(a, mx.int16)",
    "view(a, mx.float32)",
    "view(a, mx.uint64)",
    "roll(a, 1)",
    "roll(a, -2, 0)",
    "roll(a, (1, 2), (0, 1))",
    "roll(a, 1, (0, 1))",
    "roll(a, 9, -1)",
    "roll(a, 1, 5)",
    "tile(a, 2)",
    "tile(a, (2, 1))",
    "tile(a, (2, 1, 2))",
    "tile(a, 0)",
    "repeat(a, 2)",
    "repeat(a, 2, 0)",
    "repeat(a, 0, 0)",
    "repeat(a, 2, axis=-1)",
    "repeat(a, 2, axis=7)",
    "split(a, 2)",
    "split(a, 3, axis=-1)",
    "split(a, (1, 2))",
    "split(a, (0, 9), axis=0)",
    "split(a, 5)",
    "split(a, 0)",
    "concatenate([a, a])",
    "concatenate([a, a], axis=-1)",
    "concatenate([a, a], axis=None)",
    "concatenate([a, mx.ones((1, 6))])",
    "concatenate([])",
    "concatenate([a, a.astype(mx.float32)])",
    "stack([a, a])",
    "stack([a, a], axis=-1)",
    "stack([a, a], axis=1)",
    "stack([a, a], axis=4)",
    "stack([])",
    "stack([a, mx.ones((1, 6))])",
    "pad(a, 1)",
    "pad(a, (1, 2))",
    "pad(a, ((1, 2), (0, 1)))",
    "pad(a, ((1, 2), (0, 1)), constant_values=3)",
    "pad(a, ((1, 1),), mode='edge')",
    "pad(a, 2, mode='edge')",
    "pad(a, 1, mode='zz')",
    "pad(a, -1)",
    "pad(a, ((1, 1), (1, 1), (1, 1)))",
    "flip(a)",
    "tri(3, 4, 1)",
    "tril(a)",
    "tril(a, -1)",
    "triu(a, 1)",
    "moveaxis(a, 0, 1) + 0",
]


@pytest.mark.parametrize("expression", VIEWS)
def test_views_agree(expression):
    code = compile(f"mx.{expression}", "<case>", "eval")
    for layout, view in LAYOUTS.items():
        if expression.startswith("pad") and layout in ("scalar", "empty"):
            continue  # Apple's pads them with elements that are not there
        if expression.startswith("as_strided") and layout in ("scalar", "single", "empty", "vector"):
            continue  # too few elements, which Apple's reads beyond
        for dtype in ("int32", "float16", "bool_"):
            same(
                lambda core, a, view=view: eval(code, {"mx": core, "a": view(core, a)}),  # noqa: S307
                (numbers(dtype), dtype),
                note=f"{expression} {dtype} {layout}",
            )


METHODS = [
    "a.T, a.reshape(6, 4), a.reshape((2, 12)), a.reshape([24]), a.reshape(-1)",
    "a.transpose(), a.transpose(1, 0), a.transpose((1, 0)), a.transpose([0, 1])",
    "a.flatten(), a.flatten(0, 1), a.squeeze(), a[None].squeeze(0), a.swapaxes(0, 1), a.moveaxis(0, 1)",
    "a.split(2), a.split([1, 3], axis=1)",
    "a.astype(mx.float32), a.astype(mx.bool_), a.astype(mx.complex64), a.view(mx.uint8)",
    "a.shape, a.ndim, a.size, a.nbytes, a.itemsize, len(a), a.dtype",
    "a.tolist(), a[0, 0].item(), a[0].tolist()",
    "[x.tolist() for x in a]",
    "a.real, a.imag, a.conj()",
    "a.item()",
    "len(a[0, 0])",
    "int(a[0, 0]), float(a[0, 0]), bool(a[0, 0])",
    "int(a)",
    "bool(a)",
    "a.unflatten(0, (2, 2))",
]


@pytest.mark.parametrize("source", METHODS)
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_methods_agree(source, dtype):
    same_text(source, (numbers(dtype), dtype))
