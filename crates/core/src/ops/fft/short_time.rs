//! Short-time Fourier transforms: overlapping frames of a signal, windowed, each transformed.

use super::transform::{Norm, fft, ifft, irfft, rfft};
use crate::array::Array;
use crate::ops::{self, index, unary, view};
use mlx_oxide_ir::{Dtype, Error, Result, Shape, Strides};

/// What continues a signal beyond its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PadMode {
    /// The signal mirrored at its first and last sample, again and again.
    #[default]
    Reflect,
    /// Zeros.
    Constant,
    /// The first and the last sample.
    Edge,
}

impl PadMode {
    /// The mode of a name.
    ///
    /// # Errors
    /// A name other than `reflect`, `constant` and `edge`.
    pub fn named(op: &'static str, name: &str) -> Result<Self> {
        match name {
            "reflect" => Ok(PadMode::Reflect),
            "constant" => Ok(PadMode::Constant),
            "edge" => Ok(PadMode::Edge),
            _ => invalid(
                op,
                "pad_mode",
                format!("{name:?}"),
                "\"reflect\", \"constant\" or \"edge\"",
            ),
        }
    }

    /// The sample that stands at `place`, which may lie outside `0..size`.
    fn source(self, place: i64, size: i64) -> i64 {
        match self {
            PadMode::Reflect if size > 1 => {
                let period = 2 * (size - 1);
                let within = place.rem_euclid(period);
                within.min(period - within)
            }
            PadMode::Reflect | PadMode::Constant | PadMode::Edge => place.clamp(0, size - 1),
        }
    }
}

/// How a signal is cut into frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames<'a> {
    /// Samples between the beginnings of frames; a quarter of the transform unless given.
    pub hop_length: Option<i64>,
    /// Size of the rectangular window where none is given; the transform's unless given.
    pub win_length: Option<i64>,
    /// Factors of a frame's samples, centred in the frame.
    pub window: Option<&'a Array>,
    /// Whether frames are centred on their samples, the signal being continued at both ends.
    pub center: bool,
    /// Which direction is divided by the number of elements.
    pub norm: Norm,
    /// Whether only frequencies that are not negative are there.
    pub onesided: Option<bool>,
}

fn invalid<T>(
    op: &'static str,
    argument: &'static str,
    value: String,
    expected: &'static str,
) -> Result<T> {
    Err(Error::InvalidArgument {
        op,
        argument,
        value,
        expected,
    })
}

fn positive(op: &'static str, argument: &'static str, value: i64) -> Result<usize> {
    match usize::try_from(value) {
        Ok(number) if number > 0 => Ok(number),
        _ => invalid(op, argument, value.to_string(), "a positive number"),
    }
}

/// The window of `size` samples: the given one, or ones, with zeros on both sides.
fn centred_window(op: &'static str, frames: &Frames<'_>, size: usize) -> Result<Array> {
    let window = match frames.window {
        Some(window) if window.ndim() != 1 => {
            return Err(Error::ShapeUnsuitable {
                op,
                rule: "the window must be a vector",
                shape: window.shape().clone(),
            });
        }
        Some(window) => unary::astype(window, Dtype::Float32)?,
        None => {
            let length = frames.win_length.unwrap_or(size as i64);
            ops::ones([positive(op, "win_length", length)?], Dtype::Float32)?
        }
    };
    let length = window.size();
    if length > size {
        return invalid(
            op,
            "win_length",
            length.to_string(),
            "a window no longer than n_fft",
        );
    }
    let before = (size - length) / 2;
    let zero = unary::scalar_like(&window, 0.0)?;
    ops::pad(&window, &[(before, size - length - before)], &zero)
}

/// `width` more samples at both ends of the last axis.
fn continued(x: &Array, width: usize, mode: PadMode) -> Result<Array> {
    let axis = x.ndim() - 1;
    let size = x.shape()[axis];
    if width == 0 {
        return Ok(x.clone());
    }
    if size == 0 && mode != PadMode::Constant {
        return Err(Error::ShapeUnsuitable {
            op: "stft",
            rule: "a signal without samples cannot be continued",
            shape: x.shape().clone(),
        });
    }
    let side = |first: i64| -> Result<Array> {
        if mode == PadMode::Constant {
            return ops::zeros(x.shape().with(axis, width), x.dtype());
        }
        let sources: Vec<u32> = (first..first + width as i64)
            .map(|place| mode.source(place, size as i64) as u32)
            .collect();
        let sources = Array::from_slice(&sources, [width])?;
        index::take(x, &sources, axis as i64)
    };
    let (before, after) = (side(-(width as i64))?, side(size as i64)?);
    ops::concatenate(&[&before, x, &after], axis as i64)
}

/// Overlapping frames of the last axis: `(…, samples)` → `(…, frames, size)`.
fn overlapping(x: &Array, size: usize, hop: usize) -> Result<Array> {
    let axis = x.ndim() - 1;
    let samples = x.shape()[axis];
    let count = (samples - size) / hop + 1;
    let mut shape = x.shape().clone();
    shape[axis] = count;
    shape.push(size);
    let mut strides = Strides::from_elem(1, shape.ndim());
    strides[axis] = hop as isize;
    let mut step = samples as isize;
    for leading in (0..axis).rev() {
        strides[leading] = step;
        step *= x.shape()[leading] as isize;
    }
    view::as_strided(x, shape, strides, 0)
}

/// The spectra of overlapping frames of the last axis of `x`: `(…, frequencies, frames)`,
/// `complex64`.
///
/// Frame `f` begins at sample `f·hop_length`, `n_fft/2` earlier if centred. The gradient is that
/// of its parts.
///
/// # Errors
/// Sizes that are not positive; a window longer than `n_fft`; a signal shorter than one frame.
pub fn stft(x: &Array, n_fft: i64, frames: &Frames<'_>, pad_mode: PadMode) -> Result<Array> {
    const OP: &str = "stft";
    if x.ndim() == 0 {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "the signal must have at least one axis",
            shape: x.shape().clone(),
        });
    }
    let size = positive(OP, "n_fft", n_fft)?;
    let hop = positive(OP, "hop_length", frames.hop_length.unwrap_or(n_fft / 4))?;
    let window = centred_window(OP, frames, size)?;
    let signal = match x.dtype().is_complex() {
        true => x.clone(),
        false => unary::astype(x, Dtype::Float32)?,
    };
    let signal = match frames.center {
        true => continued(&signal, size / 2, pad_mode)?,
        false => signal,
    };
    if signal.shape()[signal.ndim() - 1] < size {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "the signal is shorter than n_fft",
            shape: x.shape().clone(),
        });
    }
    let framed = ops::multiply(&overlapping(&signal, size, hop)?, &window)?;
    let onesided = frames.onesided.unwrap_or(!x.dtype().is_complex());
    let spectra = if onesided && !x.dtype().is_complex() {
        rfft(&framed, None, -1, frames.norm)?
    } else {
        let whole = fft(&framed, None, -1, frames.norm)?;
        let kept = if onesided { size / 2 + 1 } else { size };
        view::slice_axis(&whole, framed.ndim() - 1, 0, kept)?
    };
    ops::swapaxes(&spectra, -1, -2)
}

/// The least divisor: where windows let less through, the signal cannot be told.
const LEAST_ENVELOPE: f64 = 1e-8;

/// The signal whose [`stft`] is given: inverse transforms windowed, added where frames overlap,
/// and divided by the sum of the squared windows.
///
/// `n_fft` follows from the number of frequencies unless given; the result is cut at, or filled
/// with zeros to, `length`. Real.
///
/// # Errors
/// Fewer than two axes; sizes that are not positive; a window longer than `n_fft`.
pub fn istft(
    spectra: &Array,
    n_fft: Option<i64>,
    frames: &Frames<'_>,
    length: Option<i64>,
) -> Result<Array> {
    const OP: &str = "istft";
    let ndim = spectra.ndim();
    if ndim < 2 {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "spectra must have at least two axes, frequencies and frames",
            shape: spectra.shape().clone(),
        });
    }
    let onesided = frames.onesided.unwrap_or(true);
    let frequencies = spectra.shape()[ndim - 2] as i64;
    let inferred = if onesided {
        2 * (frequencies - 1)
    } else {
        frequencies
    };
    let n_fft = n_fft.unwrap_or(inferred);
    let size = positive(OP, "n_fft", n_fft)?;
    let hop = positive(OP, "hop_length", frames.hop_length.unwrap_or(n_fft / 4))?;
    let window = centred_window(OP, frames, size)?;
    let rows = ops::swapaxes(spectra, -1, -2)?;
    let pieces = match onesided {
        true => irfft(&rows, Some(n_fft), -1, frames.norm)?,
        false => unary::real(&ifft(&rows, Some(n_fft), -1, frames.norm)?)?,
    };
    let sums = overlap_add(&ops::multiply(&pieces, &window)?, hop)?;
    let count = pieces.shape()[ndim - 2];
    let squares = ops::broadcast_to(&ops::square(&window)?, [count, size])?;
    let envelope = overlap_add(&squares, hop)?;
    let least = unary::scalar_like(&envelope, LEAST_ENVELOPE)?;
    let signal = ops::divide(&sums, &ops::maximum(&envelope, &least)?)?;
    trimmed(&signal, frames.center, size, length)
}

/// Frames `(…, frames, size)` added up, each `hop` later than the last: pieces of `hop` samples
/// lie on the grid of the hops, so each adds as a whole.
fn overlap_add(pieces: &Array, hop: usize) -> Result<Array> {
    let axis = pieces.ndim() - 2;
    let (count, size) = (pieces.shape()[axis], pieces.shape()[axis + 1]);
    let total = if count == 0 {
        0
    } else {
        (count - 1) * hop + size
    };
    let parts = size.div_ceil(hop);
    let zero = unary::scalar_like(pieces, 0.0)?;
    let widths = |axis: usize, before: usize, after: usize| -> Vec<(usize, usize)> {
        let mut widths = vec![(0, 0); pieces.ndim()];
        widths[axis] = (before, after);
        widths
    };
    let whole = ops::pad(pieces, &widths(axis + 1, 0, parts * hop - size), &zero)?;
    let mut sum: Option<Array> = None;
    for part in 0..parts {
        let slice = view::slice_axis(&whole, axis + 1, part * hop, (part + 1) * hop)?;
        let moved = ops::pad(&slice, &widths(axis, part, parts - 1 - part), &zero)?;
        sum = Some(match sum {
            Some(sum) => ops::add(&sum, &moved)?,
            None => moved,
        });
    }
    let sum = sum.unwrap_or(whole);
    let mut flat: Shape = sum.shape()[..axis].into();
    flat.push(sum.shape()[axis] * hop);
    view::slice_axis(&view::reshape_to(&sum, flat)?, axis, 0, total)
}

fn trimmed(signal: &Array, center: bool, size: usize, length: Option<i64>) -> Result<Array> {
    let axis = signal.ndim() - 1;
    let total = signal.shape()[axis];
    let margin = if center { size / 2 } else { 0 };
    let start = margin.min(total);
    let Some(length) = length else {
        let stop = total.saturating_sub(margin).max(start);
        return view::slice_axis(signal, axis, start, stop);
    };
    let length = length.max(0) as usize;
    let kept = view::slice_axis(signal, axis, start, total.min(start.saturating_add(length)))?;
    let mut widths = vec![(0, 0); signal.ndim()];
    widths[axis] = (0, length - kept.shape()[axis]);
    ops::pad(&kept, &widths, &unary::scalar_like(signal, 0.0)?)
}
