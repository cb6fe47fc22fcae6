"""Calls whose way through the kernels depends on shapes, dtypes or values, against NumPy."""

import mlx_oxide.core as mx
import numpy as np
import pytest

RANDOM = np.random.default_rng(7)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("length", [1, 3, 8, 15, 16, 31, 32, 63, 64, 511, 512, 1023, 1025, 5000])
def test_rows_of_every_length_reduce_alike(length):
    x = normal(7, length)
    np.testing.assert_allclose(mx.sum(mx.array(x), axis=1), x.sum(1, dtype=np.float64), atol=1e-3)
    np.testing.assert_array_equal(mx.max(mx.array(x), axis=1), x.max(1))
    np.testing.assert_array_equal(mx.min(mx.array(x), axis=1), x.min(1))
    scan = np.cumsum(x, axis=1, dtype=np.float64)
    np.testing.assert_allclose(mx.cumsum(mx.array(x), axis=1), scan, atol=1e-3)
    backwards = np.cumsum(x[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    found = mx.cumsum(mx.array(x), axis=1, reverse=True, inclusive=False)
    np.testing.assert_allclose(found, backwards - x, atol=1e-3)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float64, mx.float16, mx.bfloat16])
@pytest.mark.parametrize("length", [5, 40, 700, 3000])
def test_no_number_anywhere_is_the_extreme(dtype, length):
    for place in [0, length // 2, length - 1]:
        x = normal(length)
        x[place] = np.nan
        a = mx.array(x).astype(dtype)
        for reduce in [mx.max, mx.min]:
            assert np.isnan(reduce(a).item())
            assert np.isnan(reduce(mx.stack([a, a]), axis=1)[1].item())
        assert mx.argmax(a).item() == place
    none = mx.full((length,), -np.inf, dtype=dtype)
    assert mx.max(none).item() == -np.inf


@pytest.mark.parametrize("shape", [(5, 16), (40, 33), (3, 50, 20), (2, 3, 4, 64)])
def test_softmax_is_the_same_over_every_axis(shape):
    x = normal(*shape) * 5
    for axis in range(len(shape)):
        moved = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
        expected = moved / moved.sum(axis, keepdims=True)
        found = mx.softmax(mx.array(x), axis=axis)
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)
        half = mx.softmax(mx.array(x).astype(mx.bfloat16), axis=axis, precise=True)
        assert half.dtype == mx.bfloat16 and half.shape == shape
        sums = np.log(moved.sum(axis)) + x.max(axis)
        found = mx.logsumexp(mx.array(x), axis=axis)
        assert found.shape == sums.shape
        np.testing.assert_allclose(found, sums, rtol=1e-5, atol=1e-5)
        gradient = mx.grad(lambda a, axis=axis: mx.logsumexp(a, axis=axis).sum())(mx.array(x))
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_log_of_sums_with_infinities():
    x = np.zeros((3, 32), np.float32)
    x[:, 0] = -np.inf
    x[1, 1] = np.inf
    x[2, 2] = np.nan
    found = np.array(mx.logsumexp(mx.array(x), axis=0))
    assert found[0] == -np.inf and found[1] == np.inf and np.isnan(found[2])
    np.testing.assert_allclose(found[3:], np.log(3), rtol=1e-6)


@pytest.mark.parametrize("exponent", [2, 3, 2.0, 3.0])
def test_powers_of_few_factors(exponent):
    x = np.concatenate([normal(100) * 10, [0, -0.0, np.inf, -np.inf, np.nan, 1e30]])
    x = x.astype(np.float32)
    with np.errstate(over="ignore"):
        expected = x.astype(np.float64) ** exponent
        expected = expected.astype(np.float32)
    np.testing.assert_allclose(mx.array(x) ** exponent, expected, rtol=3e-7)
    gradient = mx.grad(lambda a: (a**exponent).sum())(mx.array(x[:100]))
    np.testing.assert_allclose(gradient, exponent * x[:100] ** (exponent - 1), rtol=1e-5)
    second = mx.grad(lambda a: mx.grad(lambda b: b**exponent)(a))(mx.array(2.0))
    assert second.item() == pytest.approx(exponent * (exponent - 1) * 2 ** (exponent - 2))
    by_exponent = mx.grad(lambda p: mx.array(3.0) ** p)(mx.array(float(exponent)))
    assert by_exponent.item() == pytest.approx(3.0**exponent * np.log(3), rel=1e-5)
    if isinstance(exponent, int):
        assert (mx.array([3, -2], mx.int8) ** exponent).tolist() == [3**exponent, (-2) ** exponent]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
def test_integer_quotients(dtype):
    limits = np.iinfo(dtype)
    edges = np.array([limits.min, limits.min + 1, limits.max - 1, limits.max, 1, 2, 3, 7])
    if limits.min < 0:
        edges = np.concatenate([edges, [-1, -2, -3, -7]])
    some = RANDOM.integers(limits.min, limits.max, 500, dtype=dtype, endpoint=True)
    values = np.concatenate([edges.astype(dtype), some])
    a, b = np.meshgrid(values, values[values != 0][:60])
    overflows = (a == limits.min) & (b.astype(np.int64) == -1)
    a, b = a[~overflows], b[~overflows]
    np.testing.assert_array_equal(mx.array(a) // mx.array(b), a // b)
    np.testing.assert_array_equal(mx.array(a) % mx.array(b), a % b)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "int64", "bool"])
@pytest.mark.parametrize("length", [1, 2, 17, 300, 9000])
def test_partitions_part(dtype, length):
    x = (RANDOM.standard_normal((3, length)) * 50).astype(dtype)
    for kth in sorted({0, length // 3, length - 1}):
        parted = np.array(mx.partition(mx.array(x), kth, axis=-1))
        np.testing.assert_array_equal(np.sort(parted, axis=-1), np.sort(x, axis=-1))
        places = np.array(mx.argpartition(mx.array(x), kth, axis=-1))
        np.testing.assert_array_equal(np.take_along_axis(x, places, -1), parted)
        assert (parted[:, :kth] <= parted[:, kth : kth + 1]).all()
        assert (parted[:, kth:] >= parted[:, kth : kth + 1]).all()
    for k in sorted({1, length // 2 or 1}):
        found = np.sort(np.array(mx.topk(mx.array(x), k, axis=-1)), axis=-1)
        np.testing.assert_array_equal(found, np.sort(x, axis=-1)[:, -k:])


def test_partitions_of_zeros_and_no_numbers_keep_each_element():
    x = np.array([np.nan, 0.0, -0.0, -np.nan, 1.0, -1.0], np.float32)
    parted = np.array(mx.partition(mx.array(x), 2))
    assert sorted(parted.view(np.uint32)) == sorted(x.view(np.uint32))
    assert parted[0] == -1 and np.isnan(parted[4:]).all()


@pytest.mark.parametrize("rows", [4, 5, 8, 16, 17])
@pytest.mark.parametrize("transposed", [False, True])
def test_few_rows_times_a_large_matrix(rows, transposed):
    a, b = normal(rows, 2048), normal(2048, 2112)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    b = mx.array(b.T.copy()).T if transposed else mx.array(b)
    np.testing.assert_allclose(mx.array(a) @ b, expected, atol=2e-3)
    np.testing.assert_allclose((b.T @ mx.array(a).T).T, expected, atol=2e-3)


@pytest.mark.parametrize("size", [(1, 3, 3, 8), (2, 17, 40, 24), (4, 128, 130, 128)])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolutions(size, stride):
    x, w = normal(*size), normal(size[-1], 3, 3, 1)
    found = np.array(
        mx.conv2d(mx.array(x), mx.array(w), stride=stride, padding=1, groups=size[-1])
    )
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = size[1], size[2]
    whole = sum(
        padded[:, y : y + height, z : z + width] * w[:, y, z, 0] for y in range(3) for z in range(3)
    )
    np.testing.assert_allclose(found, whole[:, ::stride, ::stride], atol=1e-4)
