"""Norms and products against Apple's MLX and NumPy."""

import mlx.core as apple
import numpy as np
import pytest
from oracle import outcome

import mlx_oxide.core as mx

CPU = apple.cpu
INF = float("inf")
ORDERS = [None, "fro", "f", "nuc", 1, -1, 2, -2, 0, 3, 2.5, INF, -INF, "other"]
AXES = [None, 0, -1, [0], [0, 1], [1, 0], (-1, -2), [0, 2], [0, 1, 2]]
VECTOR = np.array([3, -4, 0, 1.5], np.float32)
MATRIX = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
CUBE = np.random.default_rng(2).standard_normal((2, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("array", [VECTOR, MATRIX, CUBE], ids=["vector", "matrix", "cube"])
def test_norms_agree_with_apples(array, axis, order):
    for keepdims in [False, True]:
        theirs = outcome(
            lambda keep=keepdims: np.array(
                apple.linalg.norm(apple.array(array), order, axis, keep, stream=CPU)
            )
        )
        ours = outcome(
            lambda keep=keepdims: np.array(mx.linalg.norm(mx.array(array), order, axis, keep))
        )
        named = np.atleast_1d(axis if axis is not None else 0)
        # Apple's takes some axes that the array does not have
        if isinstance(theirs, type) or not all(-array.ndim <= a < array.ndim for a in named):
            assert issubclass(ours, (ValueError, IndexError))
            continue
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "bool_", "float16", "bfloat16", "float64", "complex64"])
def test_norms_have_apples_dtypes(dtype):
    for order in [None, 1, INF]:
        ours = mx.linalg.norm(mx.array(MATRIX).astype(getattr(mx, dtype)), order)
        theirs = apple.linalg.norm(
            apple.array(MATRIX).astype(getattr(apple, dtype), stream=CPU), order, stream=CPU
        )
        if dtype != "complex64":  # Apple's are complex for some orders
            assert str(ours.dtype) == str(theirs.dtype)
        np.testing.assert_allclose(
            np.array(ours.astype(mx.float32)), np.array(theirs.astype(apple.float32)).real,
            rtol=1e-2,
        )


def test_norms_of_integers_and_complex_numbers_agree_with_numpy():
    integers = np.arange(12).reshape(3, 4) - 5
    complexes = (MATRIX + 1j * MATRIX[::-1]).astype(np.complex64)
    for array in [integers, complexes]:
        for order in [None, "fro", "nuc", 1, -1, 2, INF, -INF]:
            ours = mx.linalg.norm(mx.array(array), order)
            np.testing.assert_allclose(np.array(ours), np.linalg.norm(array, order), rtol=1e-5)
        for order in [None, 0, 1, 2, 3, -2, INF]:
            ours = mx.linalg.norm(mx.array(array), order, axis=1)
            expected = np.linalg.norm(array, order, axis=1)
            np.testing.assert_allclose(np.array(ours), expected, rtol=1e-5)


def test_vector_and_matrix_norms_agree_with_numpy():
    for order in [0, 1, 2, 3, -1, INF, -INF]:
        for axis in [None, 1, (0, 2)]:
            ours = mx.linalg.vector_norm(mx.array(CUBE), axis=axis, ord=order)
            expected = np.linalg.vector_norm(CUBE, axis=axis, ord=order)
            np.testing.assert_allclose(np.array(ours), expected, rtol=1e-5)
    for order in ["fro", "nuc", 1, -1, 2, -2, INF, -INF]:
        ours = mx.linalg.matrix_norm(mx.array(CUBE), ord=order, keepdims=True)
        expected = np.linalg.matrix_norm(CUBE, ord=order, keepdims=True)
        np.testing.assert_allclose(np.array(ours), expected, rtol=1e-5)


CROSSED = [
    ((3,), (3,), -1),
    ((2,), (2,), -1),
    ((2,), (3,), -1),
    ((3,), (2,), 0),
    ((4, 3), (3,), -1),
    ((3, 4), (3, 4), 0),
    ((2, 4), (3, 4), 0),
]


@pytest.mark.parametrize("left, right, axis", CROSSED)
def test_cross_products_agree(left, right, axis):
    generator = np.random.default_rng(7)
    a = generator.standard_normal(left).astype(np.float32)
    b = generator.standard_normal(right).astype(np.float32)
    ours = mx.linalg.cross(mx.array(a), mx.array(b), axis)
    theirs = apple.linalg.cross(apple.array(a), apple.array(b), axis, stream=CPU)
    np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-5, atol=1e-6)


def test_cross_products_of_other_sizes_raise():
    assert outcome(lambda: mx.linalg.cross(mx.ones((3, 4)), mx.ones((3, 4)), axis=1)) is ValueError
    assert outcome(lambda: mx.linalg.cross(mx.ones(3), mx.ones(3), axis=3)) is not None


def test_diagonals_and_traces_agree_with_numpy():
    for array in [MATRIX, CUBE, np.zeros((0, 3), np.float32)]:
        for offset in [0, 1, -1, 2, 9, -9]:
            ours = mx.linalg.diagonal(mx.array(array), offset=offset)
            expected = np.linalg.diagonal(array, offset=offset)
            assert np.array_equal(np.array(ours).reshape(expected.shape), expected)
            ours = mx.linalg.trace(mx.array(array), offset=offset)
            np.testing.assert_allclose(np.array(ours), np.linalg.trace(array, offset=offset))


def test_powers_agree_with_numpy():
    a = np.random.default_rng(3).standard_normal((2, 3, 3)).astype(np.float32)
    for n in [0, 1, 2, 5, -1, -3]:
        ours = mx.linalg.matrix_power(mx.array(a), n)
        np.testing.assert_allclose(
            np.array(ours), np.linalg.matrix_power(a, n), rtol=1e-3, atol=1e-3
        )


def test_gradients_of_norms():
    gradient = mx.grad(lambda x: mx.linalg.norm(x))(mx.array(MATRIX))
    np.testing.assert_allclose(np.array(gradient), MATRIX / np.linalg.norm(MATRIX), rtol=1e-5)
    gradient = mx.grad(lambda x: mx.linalg.norm(x, "nuc"))(mx.array(MATRIX))
    u, _, vt = np.linalg.svd(MATRIX, full_matrices=False)
    np.testing.assert_allclose(np.array(gradient), u @ vt, rtol=1e-4, atol=1e-5)
    gradient = mx.grad(lambda x: mx.linalg.norm(x, 2))(mx.array(MATRIX))
    np.testing.assert_allclose(np.array(gradient), np.outer(u[:, 0], vt[0]), rtol=1e-4, atol=1e-5)
