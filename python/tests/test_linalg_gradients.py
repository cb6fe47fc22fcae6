"""Gradients of linear algebra against differences, in double precision, and in both modes."""

import numpy as np
import pytest

import mlx_oxide.core as mx

L = mx.linalg


def random(shape, seed=0, dtype="float64"):
    generator = np.random.default_rng(seed + 10 * len(shape) + sum(shape))
    values = generator.standard_normal(shape)
    if dtype == "complex64":
        values = values + 1j * generator.standard_normal(shape)
    return values.astype(dtype)


def arr(values):
    return mx.array(values, dtype=getattr(mx, values.dtype.name))


def weight(like, seed):
    return arr(random(tuple(like.shape), seed, "float32").astype("float64"))


def definite(x):
    size = x.shape[-1]
    return x @ mx.swapaxes(x, -1, -2) + size * mx.eye(size, dtype=mx.float64)


def symmetric(x):
    return x + mx.swapaxes(x, -1, -2)


def regular(x):
    return x + 3 * mx.eye(x.shape[-1], dtype=mx.float64)


def solved(x, b, upper=None):
    if upper is None:
        return L.solve(regular(x), b)
    return L.solve_triangular(regular(x), b, upper=upper)


SQUARE, BATCH, TALL, WIDE = (4, 4), (2, 3, 3), (5, 3), (3, 5)
CASES = {
    "inv": (lambda x: L.inv(regular(x)), [SQUARE, BATCH]),
    "tri_inv": (lambda x: L.tri_inv(regular(x)), [SQUARE, BATCH]),
    "tri_inv_upper": (lambda x: L.tri_inv(regular(x), upper=True), [SQUARE]),
    "cholesky": (lambda x: L.cholesky(definite(x)), [SQUARE, BATCH]),
    "cholesky_upper": (lambda x: L.cholesky(definite(x), upper=True), [SQUARE]),
    "cholesky_inv": (lambda x: L.cholesky_inv(L.cholesky(definite(x))), [SQUARE]),
    "det": (lambda x: L.det(x), [SQUARE, BATCH, (1, 1)]),
    "slogdet": (lambda x: L.slogdet(x)[1], [SQUARE, BATCH]),
    "lu": (lambda x: L.lu(x)[1:], [SQUARE, BATCH, TALL, WIDE]),
    "lu_factor": (lambda x: L.lu_factor(x)[0], [SQUARE, TALL, WIDE]),
    "qr": (lambda x: L.qr(x), [SQUARE, BATCH, TALL, WIDE]),
    "svd": (lambda x: L.svd(x), [SQUARE, BATCH, (4, 3), (3, 4)]),
    "svd_thin": (lambda x: L.svd(x, full_matrices=False), [SQUARE, TALL, WIDE]),
    "svdvals": (lambda x: L.svdvals(x), [SQUARE, TALL, WIDE]),
    "pinv": (lambda x: L.pinv(x), [SQUARE, BATCH, TALL, WIDE]),
    "eigh": (lambda x: L.eigh(symmetric(x)), [SQUARE, BATCH]),
    "eigvalsh": (lambda x: L.eigvalsh(symmetric(x), "U"), [SQUARE]),
    "solve": (lambda x: solved(x, arr(random((4, 2), 3))), [SQUARE, (2, 4, 4)]),
    "solve_right": (lambda b: solved(arr(random((4, 4), 3)), b), [(4, 2), (4,)]),
    "solve_lower": (lambda x: solved(x, arr(random((4, 2), 3)), False), [SQUARE]),
    "solve_upper": (lambda x: solved(x, arr(random((4, 2), 3)), True), [SQUARE]),
    "matrix_power": (lambda x: L.matrix_power(regular(x), -2), [SQUARE]),
    "trace": (lambda x: L.trace(x @ x), [SQUARE]),
    "nuclear": (lambda x: L.norm(x, "nuc"), [TALL]),
    "cross": (lambda x: L.cross(x, mx.square(x)), [WIDE[::-1]]),
}


def listed(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def differences(loss, x, step=1e-5):
    gradient = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        shift = np.zeros(x.shape)
        shift[place] = step
        gradient[place] = (float(loss(arr(x + shift))) - float(loss(arr(x - shift)))) / (2 * step)
    return gradient


@pytest.mark.parametrize(
    "name, shape", [(name, shape) for name, (_, shapes) in CASES.items() for shape in shapes]
)
def test_both_modes_agree_with_differences(name, shape):
    function = CASES[name][0]
    x = random(shape, 1)

    def loss(x):
        parts = listed(function(x))
        terms = [(part * weight(part, seed)).sum() for seed, part in enumerate(parts)]
        return sum(terms[1:], terms[0])

    expected = differences(loss, x)
    scale = np.abs(expected).max() + 1
    reverse = mx.grad(loss)(arr(x))
    np.testing.assert_allclose(np.array(reverse), expected, rtol=1e-5, atol=1e-6 * scale)
    direction = random(shape, 2)
    _, forward = mx.jvp(loss, [arr(x)], [arr(direction)])
    assert abs(float(forward[0]) - (expected * direction).sum()) < 1e-5 * scale * x.size


@pytest.mark.parametrize("name", ["inv", "cholesky", "solve", "eigh", "qr", "svd_thin", "slogdet"])
def test_second_derivatives_agree_with_differences(name):
    function = CASES[name][0]
    x, direction = random((3, 3), 4), random((3, 3), 5)
    if name == "solve":
        def function(x):
            return L.solve(regular(x), arr(random((3, 2), 3)))

    def loss(x):
        parts = listed(function(x))
        terms = [(part * weight(part, seed)).sum() for seed, part in enumerate(parts)]
        return sum(terms[1:], terms[0])

    def slope(x):
        return (mx.grad(loss)(x) * arr(direction)).sum()

    expected = differences(slope, x)
    found = np.array(mx.grad(slope)(arr(x)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_eigenvalues_of_general_matrices_have_gradients():
    x = random((4, 4), 6, "float32")

    def loss(x):
        values, vectors = L.eig(x)
        restored = (vectors * mx.expand_dims(values, 0) ** 2) @ L.inv(vectors)
        return (mx.real(restored) * mx.array(random((4, 4), 7, "float32"))).sum()

    def square(x):
        return ((x @ x) * mx.array(random((4, 4), 7, "float32"))).sum()

    found = np.array(mx.grad(loss)(mx.array(x)))
    expected = np.array(mx.grad(square)(mx.array(x)))
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
    power = mx.grad(lambda x: mx.real(L.eigvals(x) ** 2).sum())(mx.array(x))
    np.testing.assert_allclose(np.array(power), 2 * x.T, rtol=1e-2, atol=1e-2)


TURN = arr(random((3, 3), 11, "complex64"))
HERMITIAN = {
    "eigvalsh": lambda a: (L.eigvalsh(a) ** 2).sum(),
    "eigh": lambda a: mx.real(
        (L.eigh(a)[1] * mx.expand_dims(L.eigh(a)[0] ** 2, 0).astype(mx.complex64))
        @ mx.conjugate(L.eigh(a)[1].T)
    )[0, 1],
    "slogdet": lambda a: L.slogdet(a)[1],
    "cholesky": lambda a: mx.abs(L.cholesky(a)).sum(),
    "inv": lambda a: mx.abs(L.inv(a)).sum(),
    "svd": lambda a: mx.real(L.svd(a @ TURN)[0] @ L.svd(a @ TURN)[2])[0, 1],
    "qr": lambda a: mx.abs(L.qr(a @ TURN)[0]).sum() + mx.abs(L.qr(a @ TURN)[1]).sum(),
    "lu": lambda a: mx.abs(L.lu(a @ TURN)[1]).sum() + mx.abs(L.lu(a @ TURN)[2]).sum(),
    "det": lambda a: mx.real(L.det(a @ TURN)),
    "sign": lambda a: mx.real(L.slogdet(a + 3 * TURN)[0]),
    "solve": lambda a: mx.real(L.solve(a @ TURN, TURN)).sum(),
    "pinv": lambda a: mx.abs(L.pinv(a)).sum(),
}


@pytest.mark.parametrize("name", HERMITIAN)
def test_gradients_of_complex_matrices_agree_with_differences(name):
    function = HERMITIAN[name]
    x = random((3, 3), 8, "complex64")

    def loss(x):
        return function(x @ mx.conjugate(x.T) + 3 * mx.eye(3).astype(mx.complex64))

    expected = np.zeros((3, 3), np.complex64)
    for place in np.ndindex(3, 3):
        for direction in [1, 1j]:
            shift = np.zeros((3, 3), np.complex64)
            shift[place] = 1e-2 * direction
            change = float(loss(mx.array(x + shift))) - float(loss(mx.array(x - shift)))
            expected[place] += direction * change / 2e-2
    found = np.array(mx.grad(loss)(mx.array(x)))
    np.testing.assert_allclose(found, expected, rtol=3e-2, atol=3e-2 * np.abs(expected).max())


@pytest.mark.parametrize("name", CASES)
def test_mapped_functions_agree_with_one_after_the_other(name):
    function, shapes = CASES[name]
    x = random((3, *shapes[0]), 9)
    mapped = listed(mx.vmap(function)(arr(x)))
    for place in range(3):
        for own, single in zip(mapped, listed(function(arr(x[place]))), strict=True):
            np.testing.assert_allclose(np.array(own[place]), np.array(single), atol=1e-9)


def test_equal_eigenvalues_leave_gradients_finite():
    a = mx.eye(3, dtype=mx.float64)
    gradient = mx.grad(lambda a: L.eigh(a)[0].sum() + L.svd(a)[1].sum())(a)
    np.testing.assert_allclose(np.array(gradient), 2 * np.eye(3), atol=1e-9)
