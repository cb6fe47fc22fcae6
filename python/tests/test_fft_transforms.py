"""Fourier transforms against Apple's MLX and NumPy."""

import mlx.core as apple
import numpy as np
import pytest
from oracle import outcome

import mlx_oxide.core as mx

CPU = apple.cpu
SINGLE = ["fft", "ifft", "rfft", "irfft"]


def close(ours, theirs, scale=1.0):
    expected = np.array(theirs)
    assert tuple(ours.shape) == expected.shape
    tolerance = 2e-6 * max(1.0, float(np.abs(expected).max(initial=0))) * scale
    np.testing.assert_allclose(np.array(ours), expected, rtol=1e-5, atol=tolerance)


def signal(shape, name="fft"):
    random = np.random.default_rng(len(shape) + sum(shape))
    real = random.standard_normal(shape).astype(np.float32)
    if name.startswith("rfft"):
        return real
    return (real + 1j * random.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("length", [2, 3, 4, 7, 8, 16, 30, 97, 100, 127, 256, 1000])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_one_axis_agrees_for_every_kind_of_length(name, length, norm):
    x = signal((3, length), name)
    ours = getattr(mx.fft, name)(mx.array(x), norm=norm)
    theirs = getattr(apple.fft, name)(apple.array(x), norm=norm, stream=CPU)
    assert str(ours.dtype) == str(theirs.dtype)
    close(ours, theirs)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("n", [None, 3, 9, 20])
def test_sizes_cut_and_fill_along_any_axis(name, axis, n):
    x = signal((6, 9, 8), name)
    ours = getattr(mx.fft, name)(mx.array(x), n, axis)
    close(ours, getattr(apple.fft, name)(apple.array(x), n, axis, stream=CPU))


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"axes": [0, 1]},
        {"axes": [1, 0]},
        {"axes": [2, 0, 1]},
        {"s": [3, 12], "axes": [-1, 0]},
        {"s": [5, 4, 7], "axes": [0, 1, 2], "norm": "ortho"},
    ],
)
def test_several_axes_agree(name, options):
    x = signal((4, 5, 6), name)
    ours = getattr(mx.fft, name + "n")(mx.array(x), **options)
    close(ours, getattr(apple.fft, name + "n")(apple.array(x), **options, stream=CPU))


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2"])
def test_two_axes_agree(name):
    x = signal((2, 6, 10), name)
    for options in [{}, {"axes": [0, 1]}, {"s": [4, 4]}, {"axes": None}]:
        ours = getattr(mx.fft, name)(mx.array(x), **options)
        close(ours, getattr(apple.fft, name)(apple.array(x), **options, stream=CPU))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "bool_", "uint8"])
def test_every_dtype_becomes_single_precision(dtype):
    x = np.array([0, 1, 1, 0, 1], np.float32)
    for name in SINGLE:
        ours = getattr(mx.fft, name)(mx.array(x).astype(getattr(mx, dtype)))
        theirs = getattr(apple.fft, name)(apple.array(x).astype(getattr(apple, dtype)), stream=CPU)
        assert str(ours.dtype) == str(theirs.dtype)
        close(ours, theirs)


def test_transposed_and_broadcast_inputs_agree():
    x = signal((8, 12))
    ours = mx.fft.fft2(mx.array(x).T)
    close(ours, np.fft.fft2(x.T))
    stretched = mx.broadcast_to(mx.array(x[0]), (5, 12))
    close(mx.fft.fft(stretched, axis=0), np.fft.fft(np.broadcast_to(x[0], (5, 12)), axis=0))
    close(mx.fft.rfft(mx.array(x.real)[::-2, ::3]), np.fft.rfft(x.real[::-2, ::3]))


def test_long_transforms_are_accurate():
    x = signal((1 << 18,))
    spectrum = np.fft.fft(x.astype(np.complex128))
    error = np.abs(np.array(mx.fft.fft(mx.array(x))) - spectrum)
    assert np.sqrt((error**2).mean()) < 1e-6 * np.sqrt((np.abs(spectrum) ** 2).mean())


def test_hermitian_transforms_agree_with_numpy():
    x = signal((3, 9))
    for norm in ["backward", "ortho", "forward"]:
        close(mx.fft.hfft(mx.array(x), norm=norm), np.fft.hfft(x, norm=norm))
        close(mx.fft.hfft(mx.array(x), 11, norm=norm), np.fft.hfft(x, 11, norm=norm))
        close(mx.fft.ihfft(mx.array(x.real), norm=norm), np.fft.ihfft(x.real, norm=norm))


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("d", [1.0, 0.5, 3])
def test_frequencies_agree(n, d):
    for name in ["fftfreq", "rfftfreq"]:
        close(getattr(mx.fft, name)(n, d), getattr(apple.fft, name)(n, d, stream=CPU))
        assert getattr(mx.fft, name)(n, d=d).dtype == mx.float32


def test_shifts_agree():
    x = np.arange(60).reshape(3, 4, 5)
    for axes in [None, 0, 1, [0, 2], [-1], []]:
        for name in ["fftshift", "ifftshift"]:
            ours = getattr(mx.fft, name)(mx.array(x), axes)
            theirs = getattr(np.fft, name)(x, axes)
            assert np.array_equal(np.array(ours), theirs)


def test_inputs_that_do_not_fit_raise():
    x = mx.ones((4, 6))
    for call in [
        lambda: mx.fft.fft(x, n=0),
        lambda: mx.fft.fft(x, n=-1),
        lambda: mx.fft.irfft(mx.ones((1,))),
        lambda: mx.fft.fft(mx.zeros((0,))),
        lambda: mx.fft.fft(x, norm="other"),
        lambda: mx.fft.fftn(x, s=[3]),
        lambda: mx.fft.fftn(x, s=[3, 2], axes=[0]),
        lambda: mx.fft.fftn(x, axes=[0, 0]),
        lambda: mx.fft.fftfreq(0),
        lambda: mx.fft.fft(x, axis=2),
        lambda: mx.fft.fft(mx.array(1.0)),
    ]:
        assert issubclass(outcome(call), (ValueError, IndexError))
    assert mx.fft.fft(mx.zeros((0, 4))).shape == (0, 4)
    assert mx.fft.irfft(mx.zeros((0, 4))).shape == (0, 6)
    assert np.isnan(np.array(mx.fft.fft(mx.array([1.0, float("nan"), 2.0])))).all()


def test_the_submodule_can_be_imported():
    from mlx_oxide.core import fft
    from mlx_oxide.core.fft import rfft2

    assert fft.fft is mx.fft.fft and rfft2 is mx.fft.rfft2


def numeric_gradient(function, x, step=1e-2):
    gradient = np.zeros(x.shape, np.complex128 if np.iscomplexobj(x) else np.float64)
    for place in np.ndindex(*x.shape):
        for direction in [1, 1j] if np.iscomplexobj(x) else [1]:
            shift = np.zeros(x.shape, x.dtype)
            shift[place] = step * direction
            difference = float(function(mx.array(x + shift)) - function(mx.array(x - shift)))
            gradient[place] += direction * difference / (2 * step)
    return gradient


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize("last", [4, 5])
def test_gradients_agree_with_differences(name, last):
    x = signal((3, last), name)
    transform = getattr(mx.fft, name)
    shape = transform(mx.array(x)).shape
    weight = mx.array(signal(shape))

    def loss(x):
        return mx.abs(transform(x) * weight).square().sum()

    expected = numeric_gradient(loss, x)
    found = np.array(mx.grad(loss)(mx.array(x)))
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-2 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_transforms_are_linear_and_batch(name):
    x, t = signal((4, 3, 6), name), signal((4, 3, 6), name)[::-1].copy()
    transform = getattr(mx.fft, name)
    _, tangents = mx.jvp(transform, [mx.array(x)], [mx.array(t)])
    close(tangents[0], transform(mx.array(t)))
    mapped = mx.vmap(transform, in_axes=1)(mx.array(x))
    for place in range(3):
        close(mapped[place], transform(mx.array(np.ascontiguousarray(x[:, place]))))
