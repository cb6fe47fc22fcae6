"""Functions of the array API standard by category, against NumPy."""

import numpy as np
import pytest

import mlx_oxide.core as mx

X = np.random.default_rng(3).integers(-5, 6, (3, 4, 2)).astype(np.float32)
V = np.array([3.0, 1.0, 2.0, 3.0, 1.0, -0.0], np.float32)
I = np.array([[4, 1, 3], [1, 1, 7]], np.int32)

# An expression in the namespace `xp` and the arrays `x`, `v`, `i`; the same in both libraries.
CASES = """
xp.arange(5)
xp.arange(2, 9, 3)
xp.arange(5, 0, -2)
xp.arange(0, 1, 0.25)
xp.arange(3, 3)
xp.asarray(x, copy=True)
xp.asarray([[1, 2], [3, 4]], dtype=xp.float32)
xp.empty_like(x, dtype=xp.int32).shape
xp.eye(3, 4, k=1)
xp.eye(2, dtype=xp.int32)
xp.full((2, 3), 7)
xp.full((2,), True)
xp.full_like(v, 7)
xp.linspace(0, 1, 5)
xp.linspace(0, 1, num=4, endpoint=False)
xp.linspace(1, 1j, 3, dtype=xp.complex64)
xp.meshgrid(v, v[:2])
xp.meshgrid(v, v[:2], indexing="ij")
xp.ones_like(x)
xp.tril(x, k=1)
xp.triu(x, k=-1)
xp.zeros((0, 3))
xp.broadcast_to(v, (2, 6))
xp.broadcast_arrays(v, v[:, None])
xp.concat((v, v[:2]))
xp.concat([x, x], axis=None)
xp.concat([x, x], axis=-1)
xp.expand_dims(v, axis=0)
xp.expand_dims(v, axis=(0, 2))
xp.flip(x)
xp.flip(x, axis=(0, -1))
xp.moveaxis(x, (0, 1), (-1, 0))
xp.moveaxis(x, 2, 0)
xp.permute_dims(x, (2, 0, 1))
xp.repeat(v, 2)
xp.repeat(x, 3, axis=1)
xp.repeat(x, xp.asarray([0, 2, 1]), axis=0)
xp.repeat(v[:3], xp.asarray([1, 0, 2]))
xp.reshape(x, (4, -1), copy=True)
xp.roll(x, 2)
xp.roll(x, (1, -1), axis=(0, 1))
xp.squeeze(x[None], axis=0)
xp.stack([v, v], axis=-1)
xp.tile(v, (2, 2))
xp.unstack(x, axis=1)
xp.argmax(x)
xp.argmin(x, axis=1, keepdims=True)
xp.count_nonzero(x, axis=0)
xp.nonzero(x)
xp.searchsorted(xp.sort(v), v)
xp.searchsorted(v, v, side="right", sorter=xp.argsort(v))
xp.where(x > 0, x, 0)
xp.where(x > 0, 1.0, 0.0)
xp.sort(v)
xp.sort(x, axis=0)
xp.argsort(v, stable=True)
xp.isin(i, [1, 7])
xp.isin(i, 3)
xp.isin(v, v[:2], invert=True)
xp.isin(v, [])
xp.unique_values(v)
xp.unique_counts(i)
xp.unique_inverse(i)
xp.unique_all(i)
xp.cumulative_sum(v)
xp.cumulative_sum(x, axis=1, include_initial=True)
xp.cumulative_prod(x, axis=0)
xp.cumulative_prod(v, include_initial=True)
xp.max(x, axis=(0, 2))
xp.mean(x, axis=1, keepdims=True)
xp.min(x)
xp.prod(v)
xp.std(x, correction=1)
xp.std(x, axis=0, correction=0.5)
xp.sum(x, axis=())
xp.sum(i, dtype=xp.float32)
xp.var(x, axis=(1, 2), correction=2)
xp.all(x > -9, axis=0)
xp.any(x > 9)
xp.diff(v)
xp.diff(x, axis=1, n=2)
xp.diff(v, prepend=v[:1], append=v[:2])
xp.take(x, xp.asarray([2, 0]), axis=1)
xp.take_along_axis(x, xp.argsort(x, axis=1), axis=1)
xp.matmul(x, x[:, :2, :])
xp.matrix_transpose(x)
xp.tensordot(x, x, axes=((0, 1), (0, 1)))
xp.tensordot(x, v[:2], axes=1)
xp.vecdot(x, x, axis=1)
xp.vecdot(v * 1j, v + 1j)
x[0]
x[..., 0]
x[:, None, 1, ::-1]
x[1:, -1, :]
x[x > 0]
x[x[:, :, 0] > 0]
x[xp.asarray([0, 2]), xp.asarray([1, 3])]
x[xp.asarray([[0, 2]]), :, 1]
v[v != v]
"""


def numbers(value):
    if isinstance(value, (tuple, list)):
        return [number for part in value for number in numbers(part)]
    return [np.array(value)]


@pytest.mark.parametrize("source", CASES.strip().splitlines())
def test_function_gives_what_numpy_gives(source):
    scope = {"x": X, "v": V, "i": I}
    expected = numbers(eval(source, {"xp": np, **scope}))  # noqa: S307
    ours = numbers(eval(source, {"xp": mx, **{k: mx.array(a) for k, a in scope.items()}}))  # noqa: S307
    assert len(ours) == len(expected)
    for result, wanted in zip(ours, expected):
        assert result.shape == wanted.shape and result.dtype.kind in {
            "b": "b", "i": "iu", "u": "iu", "f": "f", "c": "c",
        }[wanted.dtype.kind]
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


def test_descending_order_is_stable():
    x = mx.array([[2.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 0.0]])
    assert mx.sort(x, descending=True).tolist() == [[3, 2, 2, 1], [1, 1, 1, 0]]
    assert mx.argsort(x, descending=True).tolist() == [[3, 0, 2, 1], [0, 1, 2, 3]]
    assert mx.argsort(x, axis=0, descending=True).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]
    assert mx.sort(x, axis=None, descending=True).tolist() == [3, 2, 2, 1, 1, 1, 1, 0]
    assert mx.argsort(mx.zeros((0,)), descending=True).shape == (0,)


def test_every_nan_is_a_distinct_element():
    x = mx.array([mx.nan, 1.0, mx.nan])
    values, counts = mx.unique_counts(x)
    assert values.shape == (3,) and counts.tolist() == [1, 1, 1]
    assert mx.isin(x, x).tolist() == [False, True, False]


def test_complex_elements_are_looked_up_too():
    z = mx.array([1 + 1j, 2j, 3 + 0j])
    assert mx.isin(z, mx.array([2j, 3 + 0j])).tolist() == [False, True, True]


def test_assignment_through_masks_and_without_axes():
    x = mx.array(X)
    x[x > 0] = 7.0
    expected = X.copy()
    expected[X > 0] = 7.0
    np.testing.assert_array_equal(np.array(x), expected)
    x[x[..., 0] > 0] = mx.array([1.0, 2.0])
    expected[expected[..., 0] > 0] = [1.0, 2.0]
    np.testing.assert_array_equal(np.array(x), expected)
    picked = mx.array(V)
    picked[picked > 1] = mx.array([5.0, 6.0, 7.0])
    assert picked.tolist()[:4] == [5.0, 1.0, 6.0, 7.0]
    scalar = mx.array(1.0)
    scalar[()] = 4.0
    assert scalar.item() == 4.0 and scalar[()].item() == 4.0
    assert scalar[...].shape == () and scalar[None].shape == (1,)


def test_copies_are_refused_where_none_is_wanted():
    x = mx.ones((2,))
    assert mx.asarray(x, copy=False).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="copy"):
        mx.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="copy"):
        mx.asarray(x, dtype=mx.int32, copy=False)
    with pytest.raises(ValueError, match="copy"):
        mx.from_dlpack(np.ones(2), copy=False)


@pytest.mark.parametrize("call, message", [
    (lambda: mx.repeat(mx.ones((3,)), mx.array([1, 2])), "2 repeats for an axis of size 3"),
    (lambda: mx.repeat(mx.ones((2,)), mx.array([1, -2])), "negative"),
    (lambda: mx.repeat(mx.ones((2,)), mx.array([1.0, 2.0])), "vector of integers"),
    (lambda: mx.moveaxis(mx.ones((2, 3)), (0, 1), (0,)), "2 axes cannot move to 1"),
    (lambda: mx.moveaxis(mx.ones((2, 3)), (0, 0), (0, 1)), "twice"),
    (lambda: mx.linalg.qr(mx.eye(2), mode="full", stream=mx.cpu), "mode"),
    (lambda: mx.searchsorted(mx.ones((2,)), 1.0, side="middle"), "side"),
    (lambda: mx.nonzero(mx.array(1.0)), "nonzero"),
])
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def compiling():
    mx.enable_compile()  # which the set-up of the tests disables for the sake of Apple's library
    yield
    mx.disable_compile()


def test_sizes_that_depend_on_values_cannot_be_traced(compiling):
    for call in (mx.unique_values, lambda x: mx.nonzero(x)[0], lambda x: x[x > 0],
                 lambda x: mx.repeat(x, x.astype(mx.int32))):
        with pytest.raises(ValueError):
            mx.compile(call)(mx.array([1.0, 2.0]))
    # where the size is known, they can
    assert mx.compile(lambda x: mx.isin(x, mx.array([2.0])))(mx.array([1.0, 2.0])).tolist() == [False, True]
