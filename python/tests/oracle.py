"""Comparison with Apple's MLX. Arrays cross between the libraries as numpy arrays."""

from __future__ import annotations

from typing import Any

import mlx.core as apple
import mlx.utils as apple_utils
import numpy as np

import mlx_oxide.core as mx
from mlx_oxide.utils import tree_flatten, tree_map


def seed(value: int) -> None:
    apple.random.seed(value)
    mx.random.seed(value)


def _convert(array: Any, source: Any, target: Any) -> Any:
    name = str(array.dtype).rsplit(".", 1)[-1]
    if name == "bfloat16":
        return target.array(np.array(array.astype(source.float32))).astype(target.bfloat16)
    return target.array(np.array(array)).astype(getattr(target, name))


def to_oracle(tree: Any) -> Any:
    """Turn the arrays of a tree into Apple's."""
    return tree_map(
        lambda leaf: _convert(leaf, mx, apple) if isinstance(leaf, mx.array) else leaf, tree
    )


def from_oracle(tree: Any) -> Any:
    """Turn Apple's arrays of a tree into ours."""
    return tree_map(
        lambda leaf: _convert(leaf, apple, mx) if isinstance(leaf, apple.array) else leaf, tree
    )


def numpy_of(array: Any) -> np.ndarray:
    if str(array.dtype).endswith("bfloat16"):
        core = apple if isinstance(array, apple.array) else mx
        array = array.astype(core.float32)
    return np.array(array)


def assert_same(ours: Any, theirs: Any, *, rtol: float = 0, atol: float = 0) -> None:
    """Compare two trees of arrays: places, dtypes, shapes and values, by default exactly."""
    own = tree_flatten(ours, destination={})
    other = apple_utils.tree_flatten(theirs, destination={})
    # Apple's merged trees come in the order of a hash table, so order is not compared.
    assert sorted(own) == sorted(other)
    for path, array in own.items():
        expected = other[path]
        if not isinstance(array, mx.array):
            assert array == expected, path
            continue
        assert str(array.dtype).rsplit(".", 1)[-1] == str(expected.dtype).rsplit(".", 1)[-1], path
        assert tuple(array.shape) == tuple(expected.shape), path
        np.testing.assert_allclose(
            numpy_of(array), numpy_of(expected), rtol=rtol, atol=atol, err_msg=path
        )


def outcome(call: Any) -> Any:
    """Return what a call returns, or the class of what it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return type(error)
