"""Singular values and eigenvalues against NumPy and SciPy."""

import numpy as np
import pytest
from test_linalg_factors import DTYPES, SHAPES, arr, close, random

import mlx_oxide.core as mx


def largest_is_positive(columns, dtype):
    columns = np.array(columns)
    places = np.abs(columns).argmax(axis=-2)
    greatest = np.take_along_axis(columns, places[..., None, :], -2)
    assert (greatest.real > 0).all()
    assert np.abs(greatest.imag).max() < 1e-6


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_singular_factors_restore_the_matrix(shape, dtype):
    a = random(shape, dtype)
    rows, columns = shape[-2:]
    values = np.linalg.svd(a, compute_uv=False)
    real = "float32" if dtype == "complex64" else dtype
    for full in [True, False]:
        u, s, vt = mx.linalg.svd(arr(a), full_matrices=full)
        assert str(s.dtype).endswith(real)
        close(s, values, dtype)
        least = min(rows, columns)
        u, vt = np.array(u), np.array(vt)
        assert u.shape[-2:] == ((rows, rows) if full else (rows, least))
        assert vt.shape[-2:] == ((columns, columns) if full else (least, columns))
        product = (u[..., :least] * np.array(s)[..., None, :]) @ vt[..., :least, :]
        close(arr(product), a, dtype)
        identity = u.conj().swapaxes(-1, -2) @ u
        close(arr(identity), np.broadcast_to(np.eye(u.shape[-1]), identity.shape), dtype)
        identity = vt @ vt.conj().swapaxes(-1, -2)
        close(arr(identity), np.broadcast_to(np.eye(vt.shape[-2]), identity.shape), dtype)
    close(mx.linalg.svd(arr(a), compute_uv=False), values, dtype)
    close(mx.linalg.svdvals(arr(a)), values, dtype)


SQUARES = [(1, 1), (2, 2), (5, 5), (3, 4, 4), (2, 2, 3, 3), (40, 40)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("uplo", ["L", "U"])
@pytest.mark.parametrize("shape", SQUARES)
def test_hermitian_eigenvalues_read_one_triangle(shape, uplo, dtype):
    a = random(shape, dtype)
    values = np.linalg.eigvalsh(a, UPLO=uplo)
    close(mx.linalg.eigvalsh(arr(a), uplo), values, dtype)
    w, v = mx.linalg.eigh(arr(a), UPLO=uplo)
    close(w, values, dtype)
    largest_is_positive(v, dtype)
    triangle = np.tril(a, -1) if uplo == "L" else np.triu(a, 1)
    diagonal = np.einsum("...ii->...i", a).real
    whole = triangle + triangle.conj().swapaxes(-1, -2)
    whole = whole + diagonal[..., None] * np.eye(shape[-1])
    v = np.array(v)
    close(arr((whole @ v).astype(dtype)), v * np.array(w)[..., None, :], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARES)
def test_general_eigenvectors_are_turned_into_multiples(shape, dtype):
    a = random(shape, dtype)
    w, v = mx.linalg.eig(arr(a))
    assert w.dtype == mx.complex64 and v.dtype == mx.complex64
    w, v = np.array(w), np.array(v)
    close(arr((a @ v).astype(np.complex64)), v * w[..., None, :], "float32")
    close(arr(np.linalg.norm(v, axis=-2)), np.ones(shape[:-1]), "float32")
    expected = np.linalg.eigvals(a)
    for found in [w, np.array(mx.linalg.eigvals(arr(a)))]:
        for own, other in zip(
            found.reshape(-1, shape[-1]), expected.reshape(-1, shape[-1]), strict=True
        ):
            distances = np.abs(own[:, None] - other[None])
            assert distances.min(0).max() < 1e-4 * np.abs(other).max()
            assert distances.min(1).max() < 1e-4 * np.abs(other).max()


def test_degenerate_matrices_have_spectra():
    for a in [np.zeros((4, 4)), np.eye(4), np.ones((4, 4)), np.diag([1.0, 1, 2, 2])]:
        a = a.astype(np.float32)
        u, s, vt = map(np.array, mx.linalg.svd(arr(a)))
        close(arr(u @ np.diag(s) @ vt), a, "float32")
        w, v = map(np.array, mx.linalg.eigh(arr(a)))
        close(arr(v @ np.diag(w) @ v.T), a, "float32")
        w, v = map(np.array, mx.linalg.eig(arr(a)))
        close(arr((a @ v)), v * w, "float32")
    defective = np.array([[1.0, 1], [0, 1]], np.float32)
    w, _ = mx.linalg.eig(arr(defective))
    close(w, np.ones(2), "float32", 100)


def test_ranks_agree_with_numpy():
    a = random((6, 4), "float32")
    a[:, 2] = a[:, 0] + a[:, 1]
    assert int(mx.linalg.matrix_rank(arr(a))) == 3
    assert int(mx.linalg.matrix_rank(arr(a), rtol=10.0)) == 0
    batch = np.stack([a, np.zeros_like(a), random((6, 4), "float32", 2)])
    assert mx.linalg.matrix_rank(arr(batch)).tolist() == np.linalg.matrix_rank(batch).tolist()
    assert int(mx.linalg.matrix_rank(mx.zeros((0, 3)))) == 0


def clustered(size, dtype):
    q = np.linalg.qr(random((size, size), dtype).astype(np.complex128 if dtype == "complex64" else np.float64))[0]
    values = np.repeat([0.0, 1.0, 1.0 + 1e-6, -2.0, 1e-8], -(-size // 5))[:size]
    return ((q * values) @ q.conj().T).astype(dtype)


def low_rank(size, dtype):
    return (random((size, 3), dtype) @ random((3, size), dtype)).astype(dtype)


MAKERS = {
    "random": lambda size, dtype: random((size, size), dtype),
    "clustered": clustered,
    "low rank": low_rank,
    "second differences": lambda size, dtype: (
        2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    ).astype(dtype),
    "graded": lambda size, dtype: (
        random((size, size), dtype) * np.logspace(0, -6, size)[:, None] * np.logspace(0, -6, size)
    ).astype(dtype),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [33, 64, 97, 200])
@pytest.mark.parametrize("kind", MAKERS)
def test_larger_spectra_are_as_exact_as_the_dtype(kind, size, dtype):
    a = MAKERS[kind](size, dtype)
    epsilon = np.finfo(dtype).eps
    wide = a.astype(np.complex128 if dtype == "complex64" else np.float64)
    norm = np.linalg.norm(wide, 2)
    slack = 8 * epsilon * np.sqrt(size)

    u, s, vt = (np.array(part).astype(wide.dtype) for part in mx.linalg.svd(arr(a)))
    values = np.linalg.svd(wide, compute_uv=False)
    assert np.abs(s - values).max() <= slack * norm
    assert np.abs(np.array(mx.linalg.svdvals(arr(a))) - values).max() <= slack * norm
    assert np.linalg.norm((u * s) @ vt - wide, 2) <= 2 * slack * norm
    for basis in [u, vt.conj().T]:
        assert np.linalg.norm(basis.conj().T @ basis - np.eye(size), 2) <= 2 * slack

    a = ((a + a.conj().T) / 2).astype(dtype)
    wide = a.astype(wide.dtype)
    values = np.linalg.eigvalsh(wide)
    norm = np.abs(values).max()
    w, v = (np.array(part).astype(wide.dtype) for part in mx.linalg.eigh(arr(a)))
    assert np.abs(w - values).max() <= slack * norm
    assert np.abs(np.array(mx.linalg.eigvalsh(arr(a))) - values).max() <= slack * norm
    assert np.linalg.norm((v * w) @ v.conj().T - wide, 2) <= 2 * slack * norm
    assert np.linalg.norm(v.conj().T @ v - np.eye(size), 2) <= 2 * slack


@pytest.mark.parametrize("scale", [1e36, 1e-36, 1e-42])
@pytest.mark.parametrize("size", [5, 30, 100])
def test_values_of_matrices_at_the_ends_of_single_precision(size, scale):
    matrix = np.random.default_rng(size).standard_normal((size, size))
    matrix = ((matrix + matrix.T) * scale).astype(np.float32)
    expected = np.linalg.eigvalsh(matrix.astype(np.float64))
    moduli = np.sort(np.abs(expected))[::-1]
    a = mx.array(matrix)
    # subnormal numbers themselves are that coarse
    tolerance = {"rtol": 0, "atol": 2e-5 * moduli[0] + 2e-45}
    np.testing.assert_allclose(mx.linalg.eigvalsh(a), expected, **tolerance)
    np.testing.assert_allclose(mx.linalg.eigh(a)[0], expected, **tolerance)
    np.testing.assert_allclose(mx.linalg.svd(a)[1], moduli, **tolerance)
    np.testing.assert_allclose(mx.linalg.svd(a, compute_uv=False), moduli, **tolerance)
    found = np.sort(np.array(mx.linalg.eigvals(a)).real)
    np.testing.assert_allclose(found, expected, **tolerance)
    if scale > 1e-40:  # else the inverse overflows
        inverse = np.linalg.pinv(matrix.astype(np.float64))
        largest = np.abs(inverse).max()
        np.testing.assert_allclose(mx.linalg.pinv(a) / largest, inverse / largest, atol=1e-3)
