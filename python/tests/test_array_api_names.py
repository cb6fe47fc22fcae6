"""The Python array API standard, 2025.12: names, signatures, dtypes, inspection."""

import inspect
import re

import array_api_compat as compat
import pytest

import mlx_oxide.core as mx

# Every function of the standard as it is called: what is before `/` by place, what is after `*`
# by name.
SIGNATURES = """
abs(x, /)  acos(x, /)  acosh(x, /)  add(x1, x2, /)  all(x, /, *, axis, keepdims)
any(x, /, *, axis, keepdims)  arange(start, stop, step, /, *, dtype, device)
argmax(x, /, *, axis, keepdims)  argmin(x, /, *, axis, keepdims)
argsort(x, /, *, axis, descending, stable)  asarray(obj, /, *, dtype, device, copy)  asin(x, /)
asinh(x, /)  astype(x, dtype, /, *, copy, device)  atan(x, /)  atan2(x1, x2, /)  atanh(x, /)
bitwise_and(x1, x2, /)  bitwise_invert(x, /)  bitwise_left_shift(x1, x2, /)  bitwise_or(x1, x2, /)
bitwise_right_shift(x1, x2, /)  bitwise_xor(x1, x2, /)  broadcast_arrays(x, y, /)
broadcast_shapes(x, y, /)  broadcast_to(x, /, *, shape)  can_cast(from_, to, /)  ceil(x, /)
clip(x, /, *, min, max)  clip(x, min, max, /)  concat(arrays, /, *, axis)  conj(x, /)
copysign(x1, x2, /)  cos(x, /)  cosh(x, /)  count_nonzero(x, /, *, axis, keepdims)
cumulative_prod(x, /, *, axis, dtype, include_initial)
cumulative_sum(x, /, *, axis, dtype, include_initial)  diff(x, /, *, axis, n, prepend, append)
divide(x1, x2, /)  empty(shape, /, *, dtype, device)  empty_like(x, /, *, dtype, device)
equal(x1, x2, /)  exp(x, /)  expand_dims(x, /, *, axis)  expm1(x, /)
eye(n_rows, n_cols, /, *, k, dtype, device)  finfo(type, /)  flip(x, /, *, axis)  floor(x, /)
floor_divide(x1, x2, /)  from_dlpack(x, /, *, device, copy)
full(/, *, shape, fill_value, dtype, device)  full(shape, fill_value, /, *, dtype, device)
full_like(x, /, *, fill_value, dtype, device)  full_like(x, fill_value, /, *, dtype, device)
greater(x1, x2, /)  greater_equal(x1, x2, /)  hypot(x1, x2, /)  iinfo(type, /)  imag(x, /)
isdtype(dtype, kind, /)  isfinite(x, /)  isin(x1, x2, /, *, invert)  isinf(x, /)  isnan(x, /)
less(x1, x2, /)  less_equal(x1, x2, /)  linspace(start, stop, /, *, num, dtype, device, endpoint)
log(x, /)  log10(x, /)  log1p(x, /)  log2(x, /)  logaddexp(x1, x2, /)  logical_and(x1, x2, /)
logical_not(x, /)  logical_or(x1, x2, /)  logical_xor(x1, x2, /)  matmul(x1, x2, /)
matrix_transpose(x, /)  max(x, /, *, axis, keepdims)  maximum(x1, x2, /)
mean(x, /, *, axis, keepdims)  meshgrid(x, y, /, *, indexing)  min(x, /, *, axis, keepdims)
minimum(x1, x2, /)  moveaxis(x, source, destination, /)  multiply(x1, x2, /)  negative(x, /)
nextafter(x1, x2, /)  nonzero(x, /)  not_equal(x1, x2, /)  ones(shape, /, *, dtype, device)
ones_like(x, /, *, dtype, device)  permute_dims(x, /, *, axes)  positive(x, /)  pow(x1, x2, /)
prod(x, /, *, axis, dtype, keepdims)  real(x, /)  reciprocal(x, /)  remainder(x1, x2, /)
repeat(x, repeats, /, *, axis)  reshape(x, /, *, shape, copy)  result_type(x, y, /)
roll(x, /, *, shift, axis)  round(x, /)  searchsorted(x1, x2, /, *, side, sorter)  sign(x, /)
signbit(x, /)  sin(x, /)  sinh(x, /)  sort(x, /, *, axis, descending, stable)  sqrt(x, /)
square(x, /)  squeeze(x, /, *, axis)  stack(arrays, /, *, axis)
std(x, /, *, axis, correction, keepdims)  subtract(x1, x2, /)  sum(x, /, *, axis, dtype, keepdims)
take(x, indices, /, *, axis)  take_along_axis(x, indices, /, *, axis)  tan(x, /)  tanh(x, /)
tensordot(x1, x2, /, *, axes)  tile(x, repetitions, /)  tril(x, /, *, k)  triu(x, /, *, k)
trunc(x, /)  unique_all(x, /)  unique_counts(x, /)  unique_inverse(x, /)  unique_values(x, /)
unstack(x, /, *, axis)  var(x, /, *, axis, correction, keepdims)  vecdot(x1, x2, /, *, axis)
where(condition, x1, x2, /)  zeros(shape, /, *, dtype, device)  zeros_like(x, /, *, dtype, device)
linalg.cholesky(x, /, *, upper)  linalg.cross(x1, x2, /, *, axis)  linalg.det(x, /)
linalg.diagonal(x, /, *, offset)  linalg.eigh(x, /)  linalg.eigvalsh(x, /)  linalg.inv(x, /)
linalg.eig(x, /)  linalg.eigvals(x, /)  linalg.matmul(x1, x2, /)
linalg.matrix_norm(x, /, *, keepdims, ord)  linalg.matrix_power(x, n, /)
linalg.matrix_rank(x, /, *, rtol)  linalg.matrix_transpose(x, /)  linalg.outer(x1, x2, /)
linalg.pinv(x, /, *, rtol)  linalg.qr(x, /, *, mode)  linalg.slogdet(x, /)  linalg.solve(x1, x2, /)
linalg.svd(x, /, *, full_matrices)  linalg.svdvals(x, /)  linalg.tensordot(x1, x2, /, *, axes)
linalg.trace(x, /, *, offset, dtype)  linalg.vecdot(x1, x2, /, *, axis)
linalg.vector_norm(x, /, *, axis, keepdims, ord)  fft.fft(x, /, *, n, axis, norm)
fft.fftfreq(n, /, *, d, dtype, device)  fft.fftn(x, /, *, s, axes, norm)  fft.fftshift(x, /, *, axes)
fft.hfft(x, /, *, n, axis, norm)  fft.ifft(x, /, *, n, axis, norm)  fft.ifftn(x, /, *, s, axes, norm)
fft.ifftshift(x, /, *, axes)  fft.ihfft(x, /, *, n, axis, norm)  fft.irfft(x, /, *, n, axis, norm)
fft.irfftn(x, /, *, s, axes, norm)  fft.rfft(x, /, *, n, axis, norm)
fft.rfftfreq(n, /, *, d, dtype, device)  fft.rfftn(x, /, *, s, axes, norm)
"""
CALLS = re.findall(r"([\w.]+)\(([^)]*)\)", SIGNATURES)

METHODS = """
__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__
__eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__
__lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __rshift__
__setitem__ __sub__ __truediv__ __xor__ __iadd__ __iand__ __ifloordiv__ __ilshift__ __imatmul__
__imod__ __imul__ __ior__ __ipow__ __irshift__ __isub__ __itruediv__ __ixor__ __radd__ __rand__
__rfloordiv__ __rlshift__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rrshift__ __rsub__
__rtruediv__ __rxor__ to_device dtype device mT ndim shape size T
""".split()

DTYPES = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64""".split()


def find(path):
    found = mx
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("name, arguments", CALLS, ids=[f"{n}({a})" for n, a in CALLS])
def test_function_takes_the_calls_of_the_standard(name, arguments):
    places, _, names = arguments.partition("/")
    places = [p for p in places.split(", ") if p]
    names = [n for n in names.split(", ") if n and n != "*"]
    function = find(name)
    inspect.signature(function).bind(*places, **dict.fromkeys(names))


@pytest.mark.parametrize("name", METHODS)
def test_arrays_have_the_members_of_the_standard(name):
    assert hasattr(mx.eye(2), name)


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes_of_the_standard_are_there_and_listed(name):
    dtype = getattr(mx, name)
    assert mx.__array_namespace_info__().dtypes()[name] == dtype
    assert mx.isdtype(dtype, dtype)
    assert mx.zeros((1,), dtype=dtype).dtype == dtype


def test_complex128_alone_is_missing():
    assert not hasattr(mx, "complex128")


def test_constants():
    assert mx.e == pytest.approx(2.718281828459045) and mx.pi == pytest.approx(3.141592653589793)
    assert mx.inf == float("inf") and mx.nan != mx.nan and mx.newaxis is None


def test_namespace_is_found_by_every_version_and_no_other():
    x = mx.array([1.0])
    assert x.__array_namespace__() is mx
    for version in ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
        assert x.__array_namespace__(api_version=version) is mx
    assert mx.__array_api_version__ == "2025.12"
    with pytest.raises(ValueError, match="2020.12"):
        x.__array_namespace__(api_version="2020.12")


def test_inspection_of_the_namespace():
    info = mx.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True, "data-dependent shapes": True, "max dimensions": None,
    }
    assert info.default_device() in info.devices()
    assert info.default_dtypes() == {
        "real floating": mx.float32, "complex floating": mx.complex64,
        "integral": mx.int32, "indexing": mx.int32,
    }
    assert info.default_dtypes(device=info.default_device()) == info.default_dtypes()
    assert sorted(info.dtypes(kind="integral")) == sorted(n for n in DTYPES if "int" in n)
    assert list(info.dtypes(kind=("bool", "complex floating"))) == ["bool", "complex64"]
    with pytest.raises(ValueError, match="kind"):
        info.dtypes(kind="real")


def test_devices_of_arrays():
    x = mx.ones((2,))
    assert x.device == mx.__array_namespace_info__().default_device()
    assert mx.array_equal(x.to_device(x.device), x)
    assert mx.zeros((2,), device=x.device).shape == (2,)
    assert mx.arange(3, device=mx.cpu).tolist() == [0, 1, 2]
    with pytest.raises(TypeError):
        mx.zeros((2,), device="cpu")


def test_limits_of_dtypes():
    info = mx.finfo(mx.ones((1,)))
    assert (info.bits, info.dtype, info.eps) == (32, mx.float32, 2.0**-23)
    assert (info.max, info.min) == (3.4028234663852886e38, -3.4028234663852886e38)
    assert info.smallest_normal == 2.0**-126
    assert mx.finfo(mx.complex64).dtype == mx.float32 and mx.finfo(mx.float64).bits == 64
    info = mx.iinfo(mx.array([1], mx.int8))
    assert (info.bits, info.min, info.max, info.dtype) == (8, -128, 127, mx.int8)
    assert mx.iinfo(mx.uint64).max == 2**64 - 1
    for wrong in (mx.finfo, mx.iinfo):
        with pytest.raises(TypeError):
            wrong("float32")


def test_result_type_takes_numbers():
    assert mx.result_type(mx.ones((1,), mx.float16), 1.5) == mx.float16
    assert mx.result_type(mx.int8, 3) == mx.int8
    assert mx.result_type(mx.int8, 1j) == mx.complex64
    assert mx.result_type(mx.int32, mx.ones((1,), mx.int64)) == mx.int64
    with pytest.raises(ValueError):
        mx.result_type(1, 2)


def test_results_with_named_places():
    m = mx.array([[2.0, 0.0], [0.0, 3.0]])
    assert mx.linalg.eigh(m, stream=mx.cpu)._fields == ("eigenvalues", "eigenvectors")
    assert mx.linalg.eig(m, stream=mx.cpu)._fields == ("eigenvalues", "eigenvectors")
    assert mx.linalg.qr(m, stream=mx.cpu)._fields == ("Q", "R")
    assert mx.linalg.svd(m, stream=mx.cpu)._fields == ("U", "S", "Vh")
    assert mx.linalg.slogdet(m, stream=mx.cpu)._fields == ("sign", "logabsdet")
    assert mx.unique_all(m)._fields == ("values", "indices", "inverse_indices", "counts")
    assert mx.unique_counts(m)._fields == ("values", "counts")
    assert mx.unique_inverse(m)._fields == ("values", "inverse_indices")


def test_array_api_compat_accepts_our_arrays():
    x = mx.array([1.0, 2.0])
    assert compat.is_array_api_obj(x)
    assert compat.array_namespace(x, mx.ones((1,)), api_version="2024.12") is mx
    assert compat.device(x) == x.device and compat.size(x) == 2
    assert mx.array_equal(compat.to_device(x, x.device), x)
