//! The submodule `fft`.

use crate::arguments::{ArrayArgument, Axes, list};
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
use mlx_oxide_core::ops::fft::{self as core, Frames, Norm, PadMode};

/// The last two axes.
fn last_two() -> Option<Axes> {
    Some(Axes::Many(vec![-2, -1]))
}

super::functions! {
    /// The discrete Fourier transform along an axis.
    fft[a, n = None, axis = -1, norm = "backward"](
        a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("fft", norm).or_raise()?;
        wrap(core::fft(&a.0, n, axis, norm))
    };
    /// The discrete Fourier transform along two axes.
    fft2[a, s = None, axes = last_two(), norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("fft2", norm).or_raise()?;
        wrap(core::fftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The discrete Fourier transform along several axes.
    fftn[a, s = None, axes = None, norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("fftn", norm).or_raise()?;
        wrap(core::fftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The inverse Fourier transform along an axis.
    ifft[a, n = None, axis = -1, norm = "backward"](
        a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("ifft", norm).or_raise()?;
        wrap(core::ifft(&a.0, n, axis, norm))
    };
    /// The inverse Fourier transform along two axes.
    ifft2[a, s = None, axes = last_two(), norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("ifft2", norm).or_raise()?;
        wrap(core::ifftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The inverse Fourier transform along several axes.
    ifftn[a, s = None, axes = None, norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("ifftn", norm).or_raise()?;
        wrap(core::ifftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The Fourier transform of real numbers along an axis.
    rfft[a, n = None, axis = -1, norm = "backward"](
        a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("rfft", norm).or_raise()?;
        wrap(core::rfft(&a.0, n, axis, norm))
    };
    /// The Fourier transform of real numbers along two axes.
    rfft2[a, s = None, axes = last_two(), norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("rfft2", norm).or_raise()?;
        wrap(core::rfftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The Fourier transform of real numbers along several axes.
    rfftn[a, s = None, axes = None, norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("rfftn", norm).or_raise()?;
        wrap(core::rfftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The real numbers whose Fourier transform is given along an axis.
    irfft[a, n = None, axis = -1, norm = "backward"](
        a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("irfft", norm).or_raise()?;
        wrap(core::irfft(&a.0, n, axis, norm))
    };
    /// The real numbers whose Fourier transform is given along two axes.
    irfft2[a, s = None, axes = last_two(), norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("irfft2", norm).or_raise()?;
        wrap(core::irfftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The real numbers whose Fourier transform is given along several axes.
    irfftn[a, s = None, axes = None, norm = "backward"](
        a: ArrayArgument, s: Option<Vec<i64>>, axes: Option<Axes>, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("irfftn", norm).or_raise()?;
        wrap(core::irfftn(&a.0, s.as_deref(), list(&axes), norm))
    };
    /// The real spectrum of a signal that is its own conjugate mirrored.
    hfft[a, n = None, axis = -1, norm = "backward"](
        a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("hfft", norm).or_raise()?;
        wrap(core::hfft(&a.0, n, axis, norm))
    };
    /// The first half of the signal of a real spectrum.
    ihfft[a, n = None, axis = -1, norm = "backward"](
        a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
    ) -> PyArray = {
        let norm = Norm::named("ihfft", norm).or_raise()?;
        wrap(core::ihfft(&a.0, n, axis, norm))
    };
    /// The frequencies of the elements of a spectrum.
    fftfreq[n, d = 1.0](n: i64, d: f64) -> PyArray = wrap(core::fftfreq(n, d));
    /// The frequencies of the elements of the spectrum of real numbers.
    rfftfreq[n, d = 1.0](n: i64, d: f64) -> PyArray = wrap(core::rfftfreq(n, d));
    /// Frequency zero moved to the middle.
    fftshift[a, axes = None](a: ArrayArgument, axes: Option<Axes>) -> PyArray =
        wrap(core::fftshift(&a.0, list(&axes)));
    /// The inverse of `fftshift`.
    ifftshift[a, axes = None](a: ArrayArgument, axes: Option<Axes>) -> PyArray =
        wrap(core::ifftshift(&a.0, list(&axes)));
    /// The spectra of overlapping frames.
    stft[
        x, n_fft = 2048, hop_length = None, win_length = None, window = None, center = true,
        pad_mode = "reflect", norm = "backward", onesided = None
    ](
        x: ArrayArgument, n_fft: i64, hop_length: Option<i64>, win_length: Option<i64>,
        window: Option<ArrayArgument>, center: bool, pad_mode: &str, norm: &str,
        onesided: Option<bool>
    ) -> PyArray = {
        let frames = Frames {
            hop_length,
            win_length,
            window: window.as_ref().map(|window| &window.0),
            center,
            norm: Norm::named("stft", norm).or_raise()?,
            onesided,
        };
        let pad_mode = PadMode::named("stft", pad_mode).or_raise()?;
        wrap(core::stft(&x.0, n_fft, &frames, pad_mode))
    };
    /// The signal whose `stft` is given.
    istft[
        stft_matrix, n_fft = None, hop_length = None, win_length = None, window = None,
        center = true, norm = "backward", onesided = None, length = None
    ](
        stft_matrix: ArrayArgument, n_fft: Option<i64>, hop_length: Option<i64>,
        win_length: Option<i64>, window: Option<ArrayArgument>, center: bool, norm: &str,
        onesided: Option<bool>, length: Option<i64>
    ) -> PyArray = {
        let frames = Frames {
            hop_length,
            win_length,
            window: window.as_ref().map(|window| &window.0),
            center,
            norm: Norm::named("istft", norm).or_raise()?,
            onesided,
        };
        wrap(core::istft(&stft_matrix.0, n_fft, &frames, length))
    };
}
