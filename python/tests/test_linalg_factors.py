"""Factorisations and what is solved by them, against Apple's MLX, NumPy and SciPy."""

import mlx.core as apple
import numpy as np
import pytest
from oracle import outcome

import mlx_oxide.core as mx

CPU = apple.cpu
DTYPES = ["float32", "float64", "complex64"]
SHAPES = [(1, 1), (4, 4), (7, 4), (4, 7), (3, 5, 5), (2, 3, 6, 2), (40, 40)]


def random(shape, dtype, seed=0):
    generator = np.random.default_rng(seed + sum(shape))
    values = generator.standard_normal(shape)
    if dtype == "complex64":
        values = values + 1j * generator.standard_normal(shape)
    return values.astype(dtype)


def definite(shape, dtype):
    a = random(shape, dtype)
    return (a @ a.conj().swapaxes(-1, -2) + 3 * np.eye(shape[-1])).astype(dtype)


def arr(values):
    return mx.array(values, dtype=getattr(mx, values.dtype.name))


def close(ours, expected, dtype, scale=1.0):
    expected = np.asarray(expected)
    assert tuple(ours.shape) == expected.shape
    epsilon = 1e-12 if dtype == "float64" else 1e-4
    tolerance = epsilon * scale * max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(np.array(ours), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 5, 5), (2, 2, 3, 3), (70, 70)])
def test_cholesky_agrees_with_numpy(shape, dtype):
    a = definite(shape, dtype)
    close(mx.linalg.cholesky(arr(a)), np.linalg.cholesky(a), dtype)
    upper = mx.linalg.cholesky(arr(a), upper=True)
    close(upper, np.linalg.cholesky(a).conj().swapaxes(-1, -2), dtype)
    for up in [False, True]:
        factor = mx.linalg.cholesky(arr(a), up)
        close(mx.linalg.cholesky_inv(factor, up), np.linalg.inv(a), dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_lu_restores_the_matrix_with_apples_conventions(shape, dtype):
    a = random(shape, dtype)
    order, lower, upper = mx.linalg.lu(arr(a))
    assert order.dtype == mx.uint32
    product = np.array(lower) @ np.array(upper)
    order = np.array(order)[..., None].astype(np.int64)
    close(arr(np.take_along_axis(product, order, -2)), a, dtype)
    if dtype != "complex64":
        theirs = apple.array(a, dtype=getattr(apple, dtype))
        for own, other in zip(
            [*mx.linalg.lu(arr(a)), *mx.linalg.lu_factor(arr(a))],
            [*apple.linalg.lu(theirs, stream=CPU), *apple.linalg.lu_factor(theirs, stream=CPU)],
            strict=True,
        ):
            assert str(own.dtype) == str(other.dtype)
            close(own, np.array(other), dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_qr_restores_the_matrix(shape, dtype):
    a = random(shape, dtype)
    q, r = mx.linalg.qr(arr(a))
    least = min(shape[-2:])
    close(arr(np.array(q) @ np.array(r)), a, dtype)
    close(arr(np.array(q).conj().swapaxes(-1, -2) @ np.array(q)),
          np.broadcast_to(np.eye(least), (*shape[:-2], least, least)), dtype)
    assert np.array_equal(np.array(r), np.triu(np.array(r)))
    if dtype != "complex64":
        expected = np.linalg.qr(a)
        close(q, expected[0], dtype, 10)
        close(r, expected[1], dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 5, 5), (2, 2, 3, 3), (70, 70)])
def test_inverses_and_determinants_agree_with_numpy(shape, dtype):
    a = definite(shape, dtype) + random(shape, dtype, 5)
    close(mx.linalg.inv(arr(a)), np.linalg.inv(a), dtype, 10)
    lower = mx.linalg.tri_inv(arr(a))
    close(lower, np.linalg.inv(np.tril(a)), dtype, 100)
    close(mx.linalg.tri_inv(arr(a), upper=True), np.linalg.inv(np.triu(a)), dtype, 100)
    if shape[-1] < 70:
        close(mx.linalg.det(arr(a)), np.linalg.det(a), dtype, 10)
    sign, logarithm = mx.linalg.slogdet(arr(a))
    expected = np.linalg.slogdet(a)
    close(sign, expected[0], dtype, 10)
    close(logarithm, expected[1], dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "left, right",
    [
        ((4, 4), (4,)),
        ((4, 4), (4, 3)),
        ((2, 4, 4), (2, 4, 3)),
        ((2, 4, 4), (4,)),
        ((2, 4, 4), (4, 3)),
        ((4, 4), (5, 4, 3)),
        ((70, 70), (70, 9)),
    ],
)
def test_equations_are_solved(left, right, dtype):
    a, b = definite(left, dtype) + random(left, dtype, 3), random(right, dtype)
    columns = b[:, None] if b.ndim == 1 else b
    expected = np.linalg.solve(a, np.broadcast_to(columns, (*a.shape[:-2], *columns.shape[-2:]))
                               if columns.ndim < a.ndim else columns)
    expected = expected[..., 0] if b.ndim == 1 else expected
    close(mx.linalg.solve(arr(a), arr(b)), expected, dtype, 10)
    for upper, triangle in [(False, np.tril(a)), (True, np.triu(a))]:
        found = mx.linalg.solve_triangular(arr(a), arr(b), upper=upper)
        product = triangle @ (np.array(found)[..., None] if b.ndim == 1 else np.array(found))
        product = product[..., 0] if b.ndim == 1 else product
        close(arr(product), np.broadcast_to(b, product.shape), dtype, 100)


def test_mixed_dtypes_promote_as_apples():
    a = mx.eye(3)
    assert mx.linalg.solve(a, mx.ones(3, dtype=mx.int32)).dtype == mx.float32
    assert mx.linalg.solve(a, mx.ones(3, dtype=mx.float64)).dtype == mx.float64
    assert mx.linalg.det(mx.array([[1, 2], [3, 4]])).dtype == mx.float32
    assert mx.linalg.det(mx.eye(2, dtype=mx.float16)).dtype == mx.float16


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 4), (7, 4), (4, 7), (3, 5, 2)])
def test_the_pseudo_inverse_agrees_with_numpy(shape, dtype):
    a = random(shape, dtype)
    close(mx.linalg.pinv(arr(a)), np.linalg.pinv(a), dtype, 10)
    deficient = a.copy()
    deficient[..., 1, :] = 2 * deficient[..., 0, :]
    close(mx.linalg.pinv(arr(deficient)), np.linalg.pinv(deficient, rcond=1e-5), dtype, 10)


def test_transposed_and_stretched_matrices_agree():
    a = definite((2, 6, 6), "float32") + random((2, 6, 6), "float32", 1)
    turned = mx.swapaxes(arr(a), -1, -2)
    close(mx.linalg.inv(turned), np.linalg.inv(a.swapaxes(-1, -2)), "float32", 10)
    stretched = mx.broadcast_to(arr(a[0]), (3, 6, 6))
    close(mx.linalg.inv(stretched), np.linalg.inv(np.broadcast_to(a[0], (3, 6, 6))), "float32", 10)
    close(mx.linalg.inv(arr(a)[:, ::-1, ::-1]), np.linalg.inv(a[:, ::-1, ::-1]), "float32", 10)


def test_empty_matrices_have_empty_factors():
    for shape in [(0, 0), (2, 0, 0), (0, 3, 3)]:
        a = mx.zeros(shape)
        for name in ["inv", "tri_inv", "cholesky", "cholesky_inv", "pinv"]:
            assert np.array(getattr(mx.linalg, name)(a)).shape == shape
        assert np.array(mx.linalg.det(a)).tolist() == np.linalg.det(np.zeros(shape)).tolist()
        assert np.array(mx.linalg.qr(a)[0]).shape == shape
        assert np.array(mx.linalg.eigh(a)[1]).shape == shape
        assert np.array(mx.linalg.eig(a)[1]).shape == shape
        assert np.array(mx.linalg.svd(a)[2]).shape == shape
        assert np.array(mx.linalg.lu(a)[1]).shape == shape
        assert np.array(mx.linalg.solve(a, a)).shape == shape
    assert np.array_equal(np.array(mx.linalg.svd(mx.zeros((0, 3)))[2]), np.eye(3))
    assert np.array(mx.linalg.qr(mx.zeros((3, 0)))[0]).shape == (3, 0)


def computed(call):
    return outcome(lambda: mx.eval(call()))


def test_matrices_without_a_result_raise_when_computed():
    singular, indefinite = mx.array([[1.0, 2], [2, 4]]), mx.array([[1.0, 2], [2, 1]])
    for call, name in [
        (lambda: mx.linalg.inv(singular), "linalg.inv"),
        (lambda: mx.linalg.solve(singular, singular), "linalg.solve"),
        (lambda: mx.linalg.solve_triangular(mx.zeros((2, 2)), singular), "linalg.solve_triangular"),
        (lambda: mx.linalg.tri_inv(mx.zeros((2, 2))), "linalg.solve_triangular"),
        (lambda: mx.linalg.cholesky(indefinite), "linalg.cholesky"),
    ]:
        with pytest.raises(RuntimeError, match=name):
            mx.eval(call())
    assert float(mx.linalg.det(singular)) == 0
    sign, logarithm = mx.linalg.slogdet(singular)
    assert float(sign) == 0 and float(logarithm) == -np.inf
    order, lower, upper = mx.linalg.lu(mx.zeros((3, 3)))
    assert np.array(order).tolist() == [0, 1, 2]
    assert np.array_equal(np.array(lower), np.eye(3)) and not np.array(upper).any()


def test_not_a_number_never_hangs():
    for value in [np.nan, np.inf]:
        a = mx.full((5, 5), value)
        for name in ["svd", "pinv", "eig", "eigvals", "eigh", "eigvalsh", "svdvals"]:
            assert computed(lambda name=name: getattr(mx.linalg, name)(a)) is RuntimeError
    a = mx.full((5, 5), float("nan"))
    for name in ["inv", "cholesky", "qr", "lu", "det", "slogdet", "tri_inv"]:
        result = getattr(mx.linalg, name)(a)
        assert any(np.isnan(np.array(part)).any()
                   for part in (result if isinstance(result, tuple) else [result]))


def test_shapes_and_dtypes_that_do_not_fit_raise():
    for call in [
        lambda: mx.linalg.inv(mx.ones((4, 3))),
        lambda: mx.linalg.qr(mx.ones((4,))),
        lambda: mx.linalg.qr(mx.ones((4, 4), dtype=mx.float16)),
        lambda: mx.linalg.lu(mx.array(1.0)),
        lambda: mx.linalg.cholesky(mx.ones((2, 3))),
        lambda: mx.linalg.eigh(mx.ones((2, 3))),
        lambda: mx.linalg.eigh(mx.eye(3), UPLO="X"),
        lambda: mx.linalg.solve(mx.eye(3), mx.ones(4)),
        lambda: mx.linalg.solve(mx.eye(3), mx.ones((2, 3))),
        lambda: mx.linalg.solve(mx.eye(3), mx.array(1.0)),
        lambda: mx.linalg.svd(mx.ones((3,))),
        lambda: mx.linalg.det(mx.ones((2, 3))),
    ]:
        assert outcome(call) is ValueError


def test_the_submodule_can_be_imported():
    from mlx_oxide.core import linalg
    from mlx_oxide.core.linalg import solve

    assert linalg.solve is solve
    assert mx.linalg.inv(mx.eye(2), stream=mx.cpu).shape == (2, 2)
