"""Elementwise functions of the array API standard at every special value, against NumPy."""

import numpy as np
import pytest

import mlx_oxide.core as mx

SPECIAL = np.array([
    np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, 3.0, -3.0,
    1e-40, -1e-40, 1e30, -1e30,
])
UNARY = """abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan
log log1p log2 log10 logical_not negative positive reciprocal round sign signbit sin sinh sqrt square
tan tanh trunc""".split()
BINARY = """add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal
logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder
subtract""".split()
INTEGERS = """abs add bitwise_and bitwise_invert bitwise_or bitwise_xor equal greater less maximum
minimum multiply negative positive sign square subtract floor_divide remainder""".split()


def assert_same(ours, theirs, rtol, signs=True):
    result = np.array(ours)
    assert result.shape == theirs.shape
    if theirs.dtype == bool:
        np.testing.assert_array_equal(result, theirs)
        return
    np.testing.assert_allclose(result, theirs, rtol=rtol, atol=0)
    if not signs:
        return
    zeros = theirs == 0
    np.testing.assert_array_equal(np.signbit(result[zeros]), np.signbit(theirs[zeros]))


def values(dtype):
    return SPECIAL.astype(dtype)


RTOL = {"float32": 2e-6, "float64": 1e-13}
EACH_DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])


@EACH_DTYPE
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_at_special_values(name, dtype):
    x = values(dtype)
    if name in ("sin", "cos", "tan"):
        x = x[np.abs(np.nan_to_num(x, posinf=0, neginf=0)) < 1e20]  # no argument to reduce
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    ours = getattr(mx, name)(mx.array(x, getattr(mx, dtype)), stream=mx.cpu)
    assert_same(ours, expected, RTOL[dtype])


@EACH_DTYPE
@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_at_pairs_of_special_values(name, dtype):
    x, y = (grid.ravel() for grid in np.meshgrid(values(dtype), values(dtype)))
    if name == "floor_divide":
        # of infinities, and of quotients that vanish, the standard leaves two results open
        moderate = [np.isnan(v) | (v == 0) | ((abs(v) > 0.1) & (abs(v) < 9)) for v in (x, y)]
        x, y = x[moderate[0] & moderate[1]], y[moderate[0] & moderate[1]]
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    wanted = getattr(mx, dtype)
    ours = getattr(mx, name)(mx.array(x, wanted), mx.array(y, wanted), stream=mx.cpu)
    # no remainder has the sign of the dividend, as MLX's, not of the divisor
    assert_same(ours, expected, RTOL[dtype], signs=name != "remainder")


@pytest.mark.parametrize("dtype", "int8 uint8 int16 uint16 int32 uint32 int64 uint64".split())
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_wrap_around_as_numpys(name, dtype):
    limits = np.iinfo(dtype)
    x = np.array([limits.min, limits.min + 1, 0, 1, 2, 7, limits.max - 1, limits.max], dtype)
    unary = name in ("abs", "bitwise_invert", "negative", "positive", "sign", "square")
    operands = (x,) if unary else tuple(g.ravel() for g in np.meshgrid(x, x))
    if name in ("floor_divide", "remainder"):
        operands = tuple(operand[operands[1] != 0] for operand in operands)
        if dtype.startswith("int"):  # the one quotient that does not fit
            keep = ~((operands[0] == limits.min) & (operands[1] == -1))
            operands = tuple(operand[keep] for operand in operands)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(*operands)
    ours = getattr(mx, name)(*[mx.array(operand) for operand in operands])
    assert_same(ours, expected, 0)


COMPLEX = """abs acos acosh asin asinh atan atanh conj cos cosh exp expm1 imag isfinite isinf isnan log
log1p log2 log10 negative positive real reciprocal round sign sin sinh sqrt square tan tanh""".split()


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions(name):
    parts = np.array([-2.5, -1.0, -0.25, 0.75, 1.0, 2.0])
    x = (parts[:, None] + 1j * parts[None, :]).ravel()
    expected = getattr(np, name)(x)
    ours = np.array(getattr(mx, name)(mx.array(x.astype(np.complex64))))
    np.testing.assert_allclose(ours, expected, rtol=3e-6, atol=2e-6)


def test_numbers_adapt_to_the_array_on_either_side():
    x = mx.array([1, 2], mx.int8)
    assert mx.add(x, 1).dtype == mx.add(1, x).dtype == mx.int8
    assert mx.where(x > 1, x, 0).dtype == mx.int8
    assert mx.maximum(mx.array([0.5], mx.float16), 1).dtype == mx.float16


def test_clip_by_either_name_and_without_bounds():
    x = mx.array([1.0, 5.0, 9.0, float("nan")])
    low, high = mx.array(2.0), mx.array([4.0, 4.0, 6.0, 6.0])
    expected = np.clip(np.array(x), 2.0, np.array(high))
    np.testing.assert_array_equal(np.array(mx.clip(x, min=low, max=high)), expected)
    np.testing.assert_array_equal(np.array(mx.clip(x, low, high)), expected)
    np.testing.assert_array_equal(np.array(mx.clip(x)), np.array(x))
    assert mx.clip(x, max=4.0)[1].item() == 4.0 and mx.clip(x, 6.0)[0].item() == 6.0
    with pytest.raises(TypeError, match="both"):
        mx.clip(x, 1.0, min=2.0)


@pytest.mark.parametrize("name", ["copysign", "hypot", "nextafter", "signbit"])
def test_what_has_no_complex_meaning_is_refused(name):
    z = mx.array([1j])
    with pytest.raises(ValueError, match=rf"\[{name}\].*complex64"):
        getattr(mx, name)(*([z] if name == "signbit" else [z, z]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_neighbours_signs_and_lengths_in_half_precision(dtype):
    dtype = getattr(mx, dtype)
    x = mx.array([1.0, -1.0, 0.0, -0.0, 300.0], dtype)
    step = float(mx.finfo(dtype).eps)
    up = mx.nextafter(x, mx.full((5,), 1e4, dtype))
    assert up[:2].tolist() == [1 + step, -1 + step / 2] and up[2].item() > 0
    assert mx.signbit(x).tolist() == [False, True, False, True, False]
    assert mx.copysign(x, mx.array(-1.0, dtype))[0].item() == -1.0
    # the squares would overflow float16
    assert mx.hypot(x[4], mx.array(400.0, dtype)).item() == 500.0


def test_integers_become_float32_where_signs_and_lengths_are_meant():
    x, y = mx.array([3, -3]), mx.array([4, 4])
    assert mx.hypot(x, y).tolist() == [5.0, 5.0] and mx.hypot(x, y).dtype == mx.float32
    assert mx.copysign(x, y).tolist() == [3.0, 3.0]
    assert mx.signbit(x).tolist() == [False, True]
    assert mx.signbit(mx.array([3], mx.uint8)).tolist() == [False]
    assert mx.signbit(mx.array([True])).tolist() == [False]


def test_gradients_of_copysign_and_hypot():
    a, b = mx.array([3.0, -3.0, 0.0, 2.0]), mx.array([4.0, -4.0, 0.0, -2.0])
    by_a, by_b = mx.grad(lambda a, b: mx.hypot(a, b).sum(), argnums=(0, 1))(a, b)
    np.testing.assert_allclose(np.array(by_a), [0.6, -0.6, 0, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(np.array(by_b), [0.8, -0.8, 0, -(0.5**0.5)], rtol=1e-6)
    by_a = mx.grad(lambda a: mx.copysign(a, b).sum())(a)
    assert by_a.tolist() == [1.0, 1.0, 1.0, -1.0]
    tangent = mx.jvp(lambda a: mx.copysign(a, b), [a], [mx.ones((4,))])[1][0]
    assert tangent.tolist() == [1.0, 1.0, 1.0, -1.0]
    assert mx.vmap(mx.hypot)(a, b).tolist() == mx.hypot(a, b).tolist()
    assert mx.compile(mx.copysign)(a, b).tolist() == mx.copysign(a, b).tolist()
