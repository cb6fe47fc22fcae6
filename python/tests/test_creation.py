"""Arrays out of Python values, numbers and other libraries, against Apple's MLX."""

import array as arrays

import ml_dtypes
import mlx.core as apple
import numpy as np
import pytest
from differential import ALL, same, same_text

import mlx_oxide.core as mx

SOURCES = [
    "mx.array(1)",
    "mx.array(-1)",
    "mx.array(2**40)",
    "mx.array(True)",
    "mx.array(1.5)",
    "mx.array(1j)",
    "mx.array([])",
    "mx.array([[]])",
    "mx.array([[], []])",
    "mx.array([1, 2])",
    "mx.array([1, 2.5])",
    "mx.array([True, 2])",
    "mx.array([True, 2.5])",
    "mx.array([1, 2j])",
    "mx.array([True, False])",
    "mx.array([2**40, 1])",
    "mx.array([[1, 2], [3, 4]])",
    "mx.array(((1, 2), (3, 4)))",
    "mx.array([(1, 2), [3, 4]])",
    "mx.array([[1, 2], [3]])",
    "mx.array([1, [2]])",
    "mx.array([[1], 2])",
    "mx.array(['a'])",
    "mx.array('a')",
    "mx.array(None)",
    "mx.array([None])",
    "mx.array({})",
    "mx.array([mx.array(1), mx.array(2)])",
    "mx.array([mx.array([1, 2]), mx.array([3.0, 4])])",
    "mx.array([[mx.array([1])], [mx.array([2])]])",
    "mx.array([mx.array([1]), mx.array([1, 2])])",
    "mx.array(mx.array([1, 2]))",
    "mx.array(mx.array([1, 2]), dtype=mx.float16)",
    "mx.array(range(3))",
    "mx.array(0.1, dtype=mx.float64)",
    "mx.array([0.1], dtype=mx.float64)",
    "mx.array([1, 2], mx.uint8)",
    "mx.array([1.7, -1.7], mx.int32)",
    "mx.array([300], mx.uint8)",
    "mx.array([1, 0, 2], mx.bool_)",
    "mx.array(1.5, mx.complex64)",
    "mx.array(3, mx.bfloat16)",
    "mx.array(-1, mx.uint8)",
    "mx.array(2**63, mx.uint64)",
    "mx.array(np.float64(2.5))",
    "mx.array(np.float32(2.5))",
    "mx.array(np.int8(3))",
    "mx.array(np.bool_(True))",
    "mx.array([np.int64(1), 2])",
    "mx.array(np.arange(6.0).reshape(2, 3))",
    "mx.array(np.arange(6.0), dtype=mx.float64)",
    "mx.array(np.arange(6).reshape(2, 3).T)",
    "mx.array(np.zeros((0, 3)))",
    "mx.array(np.array(1j))",
    "mx.array(np.array(['a']))",
    "mx.array(np.array([1, 2], dtype='>i4'))",
    "mx.array(b'abc')",
    "mx.array(bytearray(b'abc'))",
    "mx.array(memoryview(b'abc'))",
    "mx.array(arrays.array('f', [1, 2]))",
    "mx.array(np.ones(3, ml_dtypes.bfloat16))",
    "mx.from_dlpack(np.arange(3, dtype=np.int16))",
    "mx.asarray([1, 2])",
    "mx.asarray(mx.array([1, 2]), dtype=mx.float32)",
    "mx.zeros(3)",
    "mx.zeros((2, 3), mx.int8)",
    "mx.zeros(())",
    "mx.zeros((0, 2))",
    "mx.zeros(-1)",
    "mx.zeros((2, -1))",
    "mx.ones((2,), dtype=mx.bool_)",
    "mx.ones([2, 1])",
    "mx.full((2,), 3)",
    "mx.full((2,), 3.5)",
    "mx.full((2,), True)",
    "mx.full(2, 3, mx.float16)",
    "mx.full((2, 2), mx.array([1, 2]))",
    "mx.full((2, 2), mx.array([1, 2, 3]))",
    "mx.zeros_like(mx.array([1, 2]))",
    "mx.ones_like(mx.array([[1.5]]))",
    "mx.eye(3)",
    "mx.eye(2, 3)",
    "mx.eye(3, 4, 1, mx.int32)",
    "mx.eye(3, k=-1)",
    "mx.eye(0)",
    "mx.eye(3, k=9)",
    "mx.identity(3)",
    "mx.identity(2, mx.bool_)",
    "mx.tri(3)",
    "mx.tri(2, 4, -1, mx.int16)",
    "mx.arange(5)",
    "mx.arange(5.0)",
    "mx.arange(1, 5)",
    "mx.arange(1, 5, 2)",
    "mx.arange(5, 1, -2)",
    "mx.arange(1, 2, 0.25)",
    "mx.arange(0.5, 3)",
    "mx.arange(3, dtype=mx.float16)",
    "mx.arange(3, 1)",
    "mx.arange(0, 5, 0)",
    "mx.arange(1.5, 4.5, dtype=mx.int32)",
    "mx.arange(0, 10, 2.5, dtype=mx.int32)",
    "mx.arange(start=2, stop=4)",
    "mx.arange(stop=4)",
    "mx.arange(float('inf'))",
    "mx.arange(float('nan'))",
    "mx.arange(-3)",
    "mx.linspace(0, 1)",
    "mx.linspace(0, 1, 5)",
    "mx.linspace(1, -1, 4, dtype=mx.float16)",
    "mx.linspace(0, 10, 3, dtype=mx.int32)",
    "mx.linspace(2, 3, 1)",
    "mx.linspace(2, 3, 0)",
    "mx.linspace(2, 3, -1)",
    "mx.broadcast_shapes((2, 1), (3,))",
    "mx.broadcast_shapes((2,), (3,))",
    "mx.hanning(5)",
    "mx.hamming(5)",
    "mx.blackman(6)",
    "mx.bartlett(4)",
    "mx.hanning(1)",
    "mx.hanning(0)",
    "mx.result_type(mx.int8, mx.float16)",
    "mx.finfo(mx.float16).max, mx.finfo(mx.bfloat16).eps, mx.finfo(mx.float32).min",
    "mx.iinfo(mx.int8).min, mx.iinfo(mx.uint64).max",
    "mx.iinfo(mx.float32)",
    "mx.finfo(mx.int8)",
    "mx.pi, mx.e, mx.euler_gamma, mx.inf, mx.newaxis",
]


@pytest.mark.parametrize("source", SOURCES)
def test_creation_agrees(source):
    def call(core):
        return eval(source, {"mx": core, "np": np, "ml_dtypes": ml_dtypes, "arrays": arrays})  # noqa: S307

    tolerance = 1e-6 if "linspace" in source or "ing(" in source or "man(" in source or "bartlett" in source else 0
    same(call, note=source, rtol=tolerance, atol=tolerance / 8)


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_casts_agree(source, target):
    values = [0, 1, 2, 100, 3.75] if not source.startswith("int") else [0, 1, -2, 100, -7]
    same_text(f"a.astype(mx.{target})", (np.array(values), source))


@pytest.mark.parametrize("dtype", [name for name in ALL if name != "bfloat16"])
def test_numpy_takes_the_same_arrays(dtype):
    for values in ([[1, 2], [0, 1]], 1, []):
        own = np.array(mx.array(values).astype(getattr(mx, dtype)))
        other = np.array(apple.array(values).astype(getattr(apple, dtype)))
        assert own.dtype == other.dtype
        np.testing.assert_array_equal(own, other)


def test_lent_memory_outlives_the_array():
    view = np.from_dlpack(mx.arange(6).reshape(2, 3).T)
    np.testing.assert_array_equal(view, np.arange(6).reshape(2, 3).T)
    assert not view.flags.writeable


def test_an_array_does_not_change_with_its_source():
    source = np.arange(3, dtype=np.int32)
    for make in (mx.array, mx.from_dlpack, mx.asarray):
        made = make(source)
        source[0] += 5
        assert made[0].item() == source[0] - 5


def test_bfloat16_crosses_both_ways():
    source = np.array([1.5, -2, np.inf], dtype=ml_dtypes.bfloat16)
    made = mx.array(source)
    assert made.dtype == mx.bfloat16
    assert np.array(made).dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(np.array(made), source)


@pytest.mark.parametrize("value", [2**33, -(2**40), 0, 0.5, [2**33, 0], [[0.0, 1e-30]]])
def test_bools_of_numbers_say_whether_they_are_zero(value):
    assert mx.array(value, mx.bool_).tolist() == np.array(value).astype(bool).tolist()
