"""Short-time Fourier transforms against Apple's MLX."""

import mlx.core as apple
import numpy as np
import pytest
from oracle import outcome

import mlx_oxide.core as mx

CPU = apple.cpu
SIGNAL = np.random.default_rng(3).standard_normal((2, 100)).astype(np.float32)
HANN = np.hanning(17)[:16].astype(np.float32)


def both(name, argument, *rest, **options):
    def convert(core, value):
        return core.array(value) if isinstance(value, np.ndarray) else value

    results = []
    for core, extra in [(mx, {}), (apple, {"stream": CPU})]:
        arguments = [convert(core, value) for value in (argument, *rest)]
        named = {key: convert(core, value) for key, value in options.items()}
        results.append(np.array(getattr(core.fft, name)(*arguments, **named, **extra)))
    return results


def agree(name, *arguments, **options):
    ours, theirs = both(name, *arguments, **options)
    assert ours.dtype == theirs.dtype
    # a transform rounds in proportion to the greatest of its elements
    greatest = float(np.abs(theirs).max(initial=0))
    rounding = np.finfo(np.float32).eps * greatest
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=max(1e-5, rounding))


@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "edge"])
@pytest.mark.parametrize("n_fft", [8, 15, 16, 64])
def test_centred_frames_agree(n_fft, pad_mode):
    agree("stft", SIGNAL, n_fft, pad_mode=pad_mode)


@pytest.mark.parametrize(
    "options",
    [
        {"hop_length": 5},
        {"center": False},
        {"window": HANN},
        {"win_length": 8},
        {"window": HANN[:9]},
        {"onesided": False},
        {"norm": "ortho"},
        {"hop_length": 7, "center": False, "norm": "forward", "window": HANN},
    ],
)
def test_options_of_frames_agree(options):
    agree("stft", SIGNAL, 16, **options)


def test_short_and_complex_signals_agree():
    agree("stft", SIGNAL[0, :5], 16)
    agree("stft", SIGNAL[0, :1], 16)
    agree("stft", SIGNAL[0, :5], 16, pad_mode="edge")
    agree("stft", (SIGNAL + 1j * SIGNAL[::-1]).astype(np.complex64), 16)
    assert mx.fft.stft(mx.zeros((0, 50)), 16).shape == (0, 9, 13)


SPECTRA = np.fft.rfft(np.random.default_rng(5).standard_normal((2, 20, 16))).astype(np.complex64)
SPECTRA = np.ascontiguousarray(SPECTRA.swapaxes(1, 2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"length": 50},
        {"length": 80},
        {"length": 120},
        {"length": 0},
        {"center": False},
        {"n_fft": 15},
        {"hop_length": 5, "window": HANN},
        {"hop_length": 16},
        {"hop_length": 20},
        {"window": HANN, "norm": "ortho"},
        {"win_length": 8},
        {"onesided": False, "window": HANN[:9]},
        {"window": np.full(16, 1e-5, np.float32), "hop_length": 16},
    ],
)
def test_the_inverse_agrees(options):
    agree("istft", SPECTRA, **options)


def test_the_inverse_inverts():
    for window in [None, mx.array(HANN)]:
        spectra = mx.fft.stft(mx.array(SIGNAL), 16, window=window)
        found = mx.fft.istft(spectra, window=window, length=100)
        np.testing.assert_allclose(np.array(found), SIGNAL, atol=1e-5)


def test_arguments_that_do_not_fit_raise():
    x = mx.array(SIGNAL)
    for call in [
        lambda: mx.fft.stft(x, 0),
        lambda: mx.fft.stft(x, 3),
        lambda: mx.fft.stft(x, 16, 0),
        lambda: mx.fft.stft(x, 16, win_length=20),
        lambda: mx.fft.stft(x, 16, window=mx.ones((8, 1))),
        lambda: mx.fft.stft(x, 16, pad_mode="other"),
        lambda: mx.fft.stft(x, 128, center=False),
        lambda: mx.fft.stft(mx.array(1.0), 4),
        lambda: mx.fft.stft(mx.zeros((0,)), 4),
        lambda: mx.fft.istft(mx.ones((3,))),
        lambda: mx.fft.istft(mx.ones((9, 5)), n_fft=0),
        lambda: mx.fft.istft(mx.ones((9, 5)), hop_length=0),
        lambda: mx.fft.istft(mx.ones((9, 5)), window=mx.ones(20)),
    ]:
        assert outcome(call) is ValueError


def test_gradients_flow_through_both_directions():
    def loss(x):
        spectra = mx.fft.stft(x, 16, window=mx.array(HANN))
        return mx.fft.istft(spectra, window=mx.array(HANN), length=100).square().sum()

    gradient = mx.grad(loss)(mx.array(SIGNAL))
    np.testing.assert_allclose(np.array(gradient), 2 * SIGNAL, atol=1e-3)
