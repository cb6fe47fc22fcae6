"""Extensions `linalg` and `fft` of the array API standard, against NumPy."""

import numpy as np
import pytest

import mlx_oxide.core as mx

GENERATOR = np.random.default_rng(5)
A = GENERATOR.standard_normal((2, 4, 3)).astype(np.float32)
S = np.einsum("bij,bkj->bik", A[:, :3], A[:, :3]) + 3 * np.eye(3, dtype=np.float32)
B = GENERATOR.standard_normal((2, 3, 2)).astype(np.float32)
Z = (A + 1j * A[:, ::-1]).astype(np.complex64)

CASES = """
linalg.cholesky(s)
linalg.cholesky(s, upper=True)
linalg.cross(a, a[:, ::-1])
linalg.det(s)
linalg.diagonal(a, offset=-1)
linalg.eigvalsh(s)
linalg.inv(s)
linalg.matmul(a, b)
linalg.matrix_norm(a)
linalg.matrix_norm(a, ord=1, keepdims=True)
linalg.matrix_norm(a, ord=-1)
linalg.matrix_norm(a, ord=2)
linalg.matrix_norm(a, ord=-2)
linalg.matrix_norm(a, ord=xp.inf)
linalg.matrix_norm(a, ord=-xp.inf)
linalg.matrix_norm(z, ord="nuc")
linalg.matrix_power(s, 3)
linalg.matrix_power(s, 0)
linalg.matrix_power(s, -2)
linalg.matrix_rank(a)
linalg.matrix_rank(a * 0)
linalg.matrix_rank(s, rtol=0.5)
linalg.matrix_transpose(a)
linalg.outer(a[0, 0], b[0, 0])
linalg.pinv(a)
linalg.pinv(a, rtol=0.9)
linalg.solve(s, b)
linalg.solve(s[0], b[0, :, 0])
linalg.svdvals(a)
linalg.svdvals(z)
linalg.tensordot(a, b, axes=((2,), (1,)))
linalg.trace(a, offset=1)
linalg.trace(s, dtype=xp.float64)
linalg.vecdot(a, a)
linalg.vector_norm(a)
linalg.vector_norm(a, axis=1)
linalg.vector_norm(a, axis=(0, 2), keepdims=True)
linalg.vector_norm(z, axis=-1, ord=1)
linalg.vector_norm(a, axis=-1, ord=0)
linalg.vector_norm(a, axis=-1, ord=xp.inf)
linalg.vector_norm(a, axis=-1, ord=-xp.inf)
linalg.vector_norm(a, axis=-1, ord=3)
linalg.vector_norm(a, axis=-1, ord=0.5)
linalg.slogdet(s).sign
linalg.slogdet(s).logabsdet
linalg.svd(a).S
abs(linalg.eigh(s).eigenvectors)
abs(linalg.qr(a).R)
abs(linalg.qr(a, mode="complete").Q)
abs(linalg.qr(a, mode="complete").R)
linalg.qr(b, mode="complete").Q.shape
fft.fft(a)
fft.fft(z, n=5, axis=1, norm="ortho")
fft.ifft(z, norm="forward")
fft.fftn(a, s=(2, 3), axes=(0, 2))
fft.ifftn(z)
fft.rfft(a, axis=1)
fft.irfft(z, n=5)
fft.rfftn(a)
fft.irfftn(z, axes=(1, 2))
fft.hfft(z)
fft.hfft(z, n=5, norm="forward")
fft.ihfft(a)
fft.ihfft(a, n=6, axis=1, norm="ortho")
fft.fftfreq(5, d=0.5)
fft.rfftfreq(6)
fft.fftshift(a)
fft.ifftshift(a, axes=(1,))
"""


@pytest.mark.parametrize("source", CASES.strip().splitlines())
def test_function_gives_what_numpy_gives(source):
    scope = {"a": A, "s": S, "b": B, "z": Z}
    expected = eval(source, {"xp": np, "linalg": np.linalg, "fft": np.fft, **scope})  # noqa: S307
    with mx.stream(mx.cpu):
        arrays = {name: mx.array(array) for name, array in scope.items()}
        ours = eval(source, {"xp": mx, "linalg": mx.linalg, "fft": mx.fft, **arrays})  # noqa: S307
        ours = np.array(ours)
    assert ours.shape == np.shape(expected)
    np.testing.assert_allclose(ours, expected, rtol=2e-3, atol=2e-4)


def test_complete_factors_are_orthonormal_of_deficient_matrices_too():
    with mx.stream(mx.cpu):
        for matrix in (mx.array(A), mx.zeros((4, 2)), mx.ones((4, 2)), mx.array(Z)):
            Q, R = mx.linalg.qr(matrix, mode="complete")
            rows = matrix.shape[-2]
            assert Q.shape[-2:] == (rows, rows) and R.shape == matrix.shape
            product = mx.conj(Q).swapaxes(-1, -2) @ Q
            assert mx.allclose(product, mx.broadcast_to(mx.eye(rows), product.shape), atol=1e-5)
            assert mx.allclose(Q @ R, matrix, atol=1e-5)


def test_frequencies_take_a_dtype_and_a_device():
    assert mx.fft.fftfreq(4, dtype=mx.float64, device=mx.cpu).dtype == mx.float64
    assert mx.fft.rfftfreq(4, dtype=mx.float32).tolist() == [0.0, 0.25, 0.5]
