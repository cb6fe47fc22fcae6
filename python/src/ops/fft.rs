//! The submodule `fft`.

use crate::arguments::{ArrayArgument, Axes, Numbers, list};
use crate::array::{PyArray, wrap};
use crate::device;
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::ops::fft::{self as core, Frames, Norm, PadMode};
use mlx_oxide_core::{Array, ops};
use pyo3::prelude::*;

/// The last two axes.
fn last_two() -> Option<Axes> {
    Some(Axes::Many(vec![-2, -1]))
}

mod functions {
    use super::*;

    super::super::functions! {
        /// The discrete Fourier transform along an axis.
        ///
        /// `r[k] = Σⱼ a[j]·e^(-2πijk/n)`, `complex64`.
        ///
        /// Args:
        ///     a: any array.
        ///     n: how many elements count along the axis: the rest is cut off, what is missing is zero.
        ///     axis: the axis.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.fft(mx.array([1.0, 1.0]))
        ///     array([2+0j, 0+0j], dtype=complex64)
        #[pyo3(text_signature = "(a, n=None, axis=-1, norm='backward', stream=None)")]
        fft[a, n = None, axis = -1, norm = "backward"](
            a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("fft", norm).or_raise()?;
            wrap(core::fft(&a.0, n, axis, norm))
        };
        /// The discrete Fourier transform along two axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, the last two by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.fft2(mx.ones((4, 4))).shape
        ///     (4, 4)
        #[pyo3(text_signature = "(a, s=None, axes=[-2, -1], norm='backward', stream=None)")]
        fft2[a, s = None, axes = last_two(), norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("fft2", norm).or_raise()?;
            wrap(core::fftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The discrete Fourier transform along several axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, as many last ones as `s` has sizes, or all, by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.fftn(mx.ones((4, 4))).shape
        ///     (4, 4)
        fftn[a, s = None, axes = None, norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("fftn", norm).or_raise()?;
            wrap(core::fftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The inverse Fourier transform along an axis.
        ///
        /// `r[j] = Σₖ a[k]·e^(2πijk/n) / n`, `complex64`.
        ///
        /// Args:
        ///     a: any array.
        ///     n: how many elements count along the axis: the rest is cut off, what is missing is zero.
        ///     axis: the axis.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.ifft(mx.array([2.0, 0.0]))
        ///     array([1+0j, 1+0j], dtype=complex64)
        #[pyo3(text_signature = "(a, n=None, axis=-1, norm='backward', stream=None)")]
        ifft[a, n = None, axis = -1, norm = "backward"](
            a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("ifft", norm).or_raise()?;
            wrap(core::ifft(&a.0, n, axis, norm))
        };
        /// The inverse Fourier transform along two axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, the last two by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.ifft2(mx.ones((4, 4))).shape
        ///     (4, 4)
        #[pyo3(text_signature = "(a, s=None, axes=[-2, -1], norm='backward', stream=None)")]
        ifft2[a, s = None, axes = last_two(), norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("ifft2", norm).or_raise()?;
            wrap(core::ifftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The inverse Fourier transform along several axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, as many last ones as `s` has sizes, or all, by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.ifftn(mx.ones((4, 4))).shape
        ///     (4, 4)
        ifftn[a, s = None, axes = None, norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("ifftn", norm).or_raise()?;
            wrap(core::ifftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The Fourier transform of real numbers along an axis.
        ///
        /// The first `n//2 + 1` elements of `fft`: the others are their conjugates.
        ///
        /// Args:
        ///     a: any array.
        ///     n: how many elements count along the axis: the rest is cut off, what is missing is zero.
        ///     axis: the axis.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.rfft(mx.ones((8,))).shape
        ///     (5,)
        #[pyo3(text_signature = "(a, n=None, axis=-1, norm='backward', stream=None)")]
        rfft[a, n = None, axis = -1, norm = "backward"](
            a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("rfft", norm).or_raise()?;
            wrap(core::rfft(&a.0, n, axis, norm))
        };
        /// The Fourier transform of real numbers along two axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, the last two by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.rfft2(mx.ones((4, 4))).shape
        ///     (4, 3)
        #[pyo3(text_signature = "(a, s=None, axes=[-2, -1], norm='backward', stream=None)")]
        rfft2[a, s = None, axes = last_two(), norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("rfft2", norm).or_raise()?;
            wrap(core::rfftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The Fourier transform of real numbers along several axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, as many last ones as `s` has sizes, or all, by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.rfftn(mx.ones((4, 4))).shape
        ///     (4, 3)
        rfftn[a, s = None, axes = None, norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("rfftn", norm).or_raise()?;
            wrap(core::rfftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The real numbers whose Fourier transform is given along an axis.
        ///
        /// `n` is `2·(size - 1)` by default.
        ///
        /// Args:
        ///     a: any array.
        ///     n: how many elements count along the axis: the rest is cut off, what is missing is zero.
        ///     axis: the axis.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.irfft(mx.fft.rfft(mx.arange(4.0)))
        ///     array([0, 1, 2, 3], dtype=float32)
        #[pyo3(text_signature = "(a, n=None, axis=-1, norm='backward', stream=None)")]
        irfft[a, n = None, axis = -1, norm = "backward"](
            a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("irfft", norm).or_raise()?;
            wrap(core::irfft(&a.0, n, axis, norm))
        };
        /// The real numbers whose Fourier transform is given along two axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, the last two by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.irfft2(mx.ones((4, 4))).shape
        ///     (4, 6)
        #[pyo3(text_signature = "(a, s=None, axes=[-2, -1], norm='backward', stream=None)")]
        irfft2[a, s = None, axes = last_two(), norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("irfft2", norm).or_raise()?;
            wrap(core::irfftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The real numbers whose Fourier transform is given along several axes.
        ///
        /// Args:
        ///     a: any array.
        ///     s: sizes along the axes: the rest is cut off, what is missing is zero.
        ///     axes: the axes, as many last ones as `s` has sizes, or all, by default.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: not as many sizes as axes; no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.irfftn(mx.ones((4, 4))).shape
        ///     (4, 6)
        irfftn[a, s = None, axes = None, norm = "backward"](
            a: ArrayArgument, s: Option<Numbers>, axes: Option<Axes>, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("irfftn", norm).or_raise()?;
            wrap(core::irfftn(&a.0, s.as_deref(), list(&axes), norm))
        };
        /// The real spectrum of a signal that is its own conjugate mirrored.
        ///
        /// The transform of a signal given by its first half; `n` is `2·(size - 1)` by default.
        ///
        /// Args:
        ///     a: any array.
        ///     n: how many elements count along the axis: the rest is cut off, what is missing is zero.
        ///     axis: the axis.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.hfft(mx.ones((3,))).shape
        ///     (4,)
        #[pyo3(text_signature = "(a, n=None, axis=-1, norm='backward', stream=None)")]
        hfft[a, n = None, axis = -1, norm = "backward"](
            a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("hfft", norm).or_raise()?;
            wrap(core::hfft(&a.0, n, axis, norm))
        };
        /// The first half of the signal of a real spectrum.
        ///
        /// The first `n//2 + 1` elements of the inverse transform, the inverse of `hfft`.
        ///
        /// Args:
        ///     a: any array.
        ///     n: how many elements count along the axis: the rest is cut off, what is missing is zero.
        ///     axis: the axis.
        ///     norm: `"backward"` scales the inverse by `1/n`, `"forward"` the transform, `"ortho"` both by
        ///         `1/√n`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///     ValueError: no elements; another norm.
        ///
        /// Example:
        ///     >>> mx.fft.ihfft(mx.ones((4,))).shape
        ///     (3,)
        #[pyo3(text_signature = "(a, n=None, axis=-1, norm='backward', stream=None)")]
        ihfft[a, n = None, axis = -1, norm = "backward"](
            a: ArrayArgument, n: Option<i64>, axis: i64, norm: &str
        ) -> PyArray = {
            let norm = Norm::named("ihfft", norm).or_raise()?;
            wrap(core::ihfft(&a.0, n, axis, norm))
        };
        /// Frequency zero moved to the middle.
        ///
        /// Args:
        ///     a: a spectrum.
        ///     axes: one axis or several; all by default.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///
        /// Example:
        ///     >>> mx.fft.fftshift(mx.arange(4))
        ///     array([2, 3, 0, 1], dtype=int32)
        fftshift[a, axes = None](a: ArrayArgument, axes: Option<Axes>) -> PyArray =
            wrap(core::fftshift(&a.0, list(&axes)));
        /// Frequency zero moved from the middle to the front: the inverse of `fftshift`.
        ///
        /// Args:
        ///     a, axes: as of `fftshift`.
        ///
        /// Raises:
        ///     IndexError: an axis out of bounds.
        ///
        /// Example:
        ///     >>> mx.fft.ifftshift(mx.array([2, 3, 0, 1]))
        ///     array([0, 1, 2, 3], dtype=int32)
        ifftshift[a, axes = None](a: ArrayArgument, axes: Option<Axes>) -> PyArray =
            wrap(core::ifftshift(&a.0, list(&axes)));
        /// The spectra of overlapping frames.
        ///
        /// Args:
        ///     x: signals `(…, samples)`.
        ///     n_fft: how many samples a frame has.
        ///     hop_length: distance of the frames, a quarter of `n_fft` by default.
        ///     win_length: size of the window, `n_fft` by default.
        ///     window: what frames are multiplied by, a Hann window by default.
        ///     center: whether frame `t` is centred at sample `t·hop_length`, the signal being padded.
        ///     pad_mode: how to pad, `"reflect"` or `"constant"`.
        ///     norm: as of `fft`.
        ///     onesided: whether to leave out the conjugates; of real signals by default.
        ///
        /// Raises:
        ///     ValueError: sizes that do not fit; another mode or norm.
        ///
        /// Example:
        ///     >>> mx.fft.stft(mx.ones((64,)), n_fft=16).shape
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
        ///
        /// Args:
        ///     stft_matrix: spectra, as `stft` gives them.
        ///     n_fft, hop_length, win_length, window, center, norm, onesided: as given to `stft`.
        ///     length: how many samples to return.
        ///
        /// Raises:
        ///     ValueError: sizes that do not fit; windows that leave a sample undetermined.
        ///
        /// Example:
        ///     >>> spectra = mx.fft.stft(mx.ones((64,)), n_fft=16)
        ///     >>> mx.fft.istft(spectra, n_fft=16).shape
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
}

fn frequencies(result: mlx_oxide_ir::Result<Array>, dtype: Option<PyDtype>) -> PyResult<PyArray> {
    let array = result.or_raise()?;
    match dtype {
        Some(dtype) => wrap(ops::astype(&array, dtype.0)),
        None => Ok(array.into()),
    }
}

/// The frequencies of the elements of a spectrum of `n`, in cycles: `k/(n·d)`, negative ones
/// last.
///
/// Args:
///     n: how many elements.
///     d: the distance of the samples.
///     dtype: type of the frequencies, `float32` by default.
///     device: the array API standard's way to say `stream`.
///
/// Raises:
///     ValueError: no elements.
///
/// Example:
///     >>> mx.fft.fftfreq(4)
///     array([0, 0.25, -0.5, -0.25], dtype=float32)
#[pyfunction]
#[pyo3(signature = (n, d = 1.0, stream = None, *, dtype = None, device = None))]
fn fftfreq(
    n: i64,
    d: f64,
    stream: Option<&Bound<'_, PyAny>>,
    dtype: Option<PyDtype>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    crate::compile::note_call("fftfreq");
    let _scope = (device::enter(device)?, device::enter(stream)?);
    frequencies(core::fftfreq(n, d), dtype)
}

/// The frequencies of the elements of the spectrum of `n` real numbers, in cycles: `k/(n·d)`.
///
/// Args:
///     n, d, dtype, device: as of `fftfreq`.
///
/// Raises:
///     ValueError: no elements.
///
/// Example:
///     >>> mx.fft.rfftfreq(4)
///     array([0, 0.25, 0.5], dtype=float32)
#[pyfunction]
#[pyo3(signature = (n, d = 1.0, stream = None, *, dtype = None, device = None))]
fn rfftfreq(
    n: i64,
    d: f64,
    stream: Option<&Bound<'_, PyAny>>,
    dtype: Option<PyDtype>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    crate::compile::note_call("rfftfreq");
    let _scope = (device::enter(device)?, device::enter(stream)?);
    frequencies(core::rfftfreq(n, d), dtype)
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    functions::register(module)?;
    module.add_function(wrap_pyfunction!(fftfreq, module)?)?;
    module.add_function(wrap_pyfunction!(rfftfreq, module)?)
}
