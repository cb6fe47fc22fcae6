//! The transforms themselves: the input cut or filled with zeros to the wanted sizes, then one
//! primitive.

use crate::array::Array;
use crate::ops::{self, unary, view};
use mlx_oxide_ir::{Axes, Dtype, Error, Fft, Op, Result, normalize_axis};

/// Which direction of a transform is divided by the number of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// The inverse.
    #[default]
    Backward,
    /// Both, by the root of the number.
    Ortho,
    /// The forward transform.
    Forward,
}

impl Norm {
    /// The norm of a name.
    ///
    /// # Errors
    /// A name other than `backward`, `ortho` and `forward`.
    pub fn named(op: &'static str, name: &str) -> Result<Self> {
        match name {
            "backward" => Ok(Norm::Backward),
            "ortho" => Ok(Norm::Ortho),
            "forward" => Ok(Norm::Forward),
            _ => Err(Error::InvalidArgument {
                op,
                argument: "norm",
                value: format!("{name:?}"),
                expected: "\"backward\", \"ortho\" or \"forward\"",
            }),
        }
    }

    /// The norm of the opposite direction.
    fn swapped(self) -> Self {
        match self {
            Norm::Backward => Norm::Forward,
            Norm::Ortho => Norm::Ortho,
            Norm::Forward => Norm::Backward,
        }
    }

    /// The factor of a transform of `count` elements.
    fn scale(self, count: f64, inverse: bool) -> f64 {
        match (self, inverse) {
            (Norm::Backward, false) | (Norm::Forward, true) => 1.0,
            (Norm::Backward, true) | (Norm::Forward, false) => 1.0 / count,
            (Norm::Ortho, _) => 1.0 / count.sqrt(),
        }
    }
}

/// One of the four primitives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Forward,
    Inverse,
    RealForward,
    RealInverse,
}

/// The axes, and the wanted size along each of them.
fn named_axes(
    op: &'static str,
    a: &Array,
    sizes: Option<&[i64]>,
    axes: Option<&[i64]>,
    kind: Kind,
) -> Result<(Axes, Vec<usize>)> {
    let invalid = |argument, value: String, expected| {
        Err(Error::InvalidArgument {
            op,
            argument,
            value,
            expected,
        })
    };
    let axes: Axes = match axes {
        Some(axes) => axes
            .iter()
            .map(|axis| normalize_axis(op, *axis, a.ndim()))
            .collect::<Result<_>>()?,
        None if sizes.is_some() => {
            return invalid("axes", "absent".to_owned(), "axes where sizes are given");
        }
        None => (0..a.ndim()).collect(),
    };
    if let Some(sizes) = sizes.filter(|sizes| sizes.len() != axes.len()) {
        return invalid(
            "s",
            format!("{sizes:?} for {} axes", axes.len()),
            "one size for each axis",
        );
    }
    let mut wanted = Vec::with_capacity(axes.len());
    for (place, &axis) in axes.iter().enumerate() {
        let own = a.shape()[axis] as i64;
        let default = if kind == Kind::RealInverse && place + 1 == axes.len() {
            2 * (own - 1)
        } else {
            own
        };
        let size = sizes.map_or(default, |sizes| sizes[place]);
        match usize::try_from(size) {
            Ok(size) if size > 0 => wanted.push(size),
            _ => return invalid("n", size.to_string(), "a positive size"),
        }
    }
    Ok((axes, wanted))
}

/// The array cut at, or filled with zeros up to, a size along an axis.
fn resized(a: &Array, axis: usize, size: usize) -> Result<Array> {
    let own = a.shape()[axis];
    match own.cmp(&size) {
        std::cmp::Ordering::Equal => Ok(a.clone()),
        std::cmp::Ordering::Greater => view::slice_axis(a, axis, 0, size),
        std::cmp::Ordering::Less => {
            let mut shape = a.shape().clone();
            shape[axis] = size - own;
            let zeros = ops::zeros(shape, a.dtype())?;
            ops::concatenate(&[a, &zeros], axis as i64)
        }
    }
}

fn transform(
    op: &'static str,
    kind: Kind,
    a: &Array,
    sizes: Option<&[i64]>,
    axes: Option<&[i64]>,
    norm: Norm,
) -> Result<Array> {
    if a.ndim() == 0 {
        let axis = axes.and_then(|axes| axes.first()).copied().unwrap_or(-1);
        return Err(Error::AxisOutOfBounds { op, axis, ndim: 0 });
    }
    let (axes, wanted) = named_axes(op, a, sizes, axes, kind)?;
    let Some(&last) = wanted.last() else {
        return Ok(a.clone());
    };
    let dtype = match kind {
        Kind::RealForward => Dtype::Float32,
        Kind::Forward | Kind::Inverse | Kind::RealInverse => Dtype::Complex64,
    };
    let mut operand = unary::astype(a, dtype)?;
    for (place, (&axis, &size)) in axes.iter().zip(&wanted).enumerate() {
        let halved = kind == Kind::RealInverse && place + 1 == axes.len();
        let size = if halved { size / 2 + 1 } else { size };
        operand = resized(&operand, axis, size)?;
    }
    let count: f64 = wanted.iter().map(|size| *size as f64).product();
    let fft = match kind {
        Kind::Forward => Fft::Forward {
            axes,
            scale: norm.scale(count, false).into(),
        },
        Kind::Inverse => Fft::Inverse {
            axes,
            scale: norm.scale(count, true).into(),
        },
        Kind::RealForward => Fft::RealForward {
            axes,
            scale: norm.scale(count, false).into(),
        },
        Kind::RealInverse => Fft::RealInverse {
            axes,
            length: last,
            scale: norm.scale(count, true).into(),
        },
    };
    Array::apply(Op::Fft(fft), &[&operand])
}

macro_rules! transforms {
    ($($single:ident $pair:ident $several:ident $kind:ident $formula:literal;)*) => {$(
        #[doc = $formula]
        ///
        /// Along `axis`, cut or filled with zeros to `n` elements. The gradient is the transposed
        /// transform, which is one of the same family.
        ///
        /// # Errors
        /// An axis out of bounds; a size that is not positive.
        pub fn $single(a: &Array, n: Option<i64>, axis: i64, norm: Norm) -> Result<Array> {
            let sizes = n.map(|n| [n]);
            transform(
                stringify!($single),
                Kind::$kind,
                a,
                sizes.as_ref().map(<[i64; 1]>::as_slice),
                Some(&[axis]),
                norm,
            )
        }

        #[doc = $formula]
        ///
        /// Along several axes, all where none are given, cut or filled with zeros to `sizes`.
        ///
        /// # Errors
        /// As along one axis; sizes without axes or not one for each; an axis given twice.
        pub fn $several(
            a: &Array,
            sizes: Option<&[i64]>,
            axes: Option<&[i64]>,
            norm: Norm,
        ) -> Result<Array> {
            transform(stringify!($several), Kind::$kind, a, sizes, axes, norm)
        }

        #[doc = $formula]
        ///
        /// Along two axes, usually the last: `[-2, -1]`.
        ///
        /// # Errors
        /// As along several axes.
        pub fn $pair(
            a: &Array,
            sizes: Option<&[i64]>,
            axes: [i64; 2],
            norm: Norm,
        ) -> Result<Array> {
            transform(stringify!($pair), Kind::$kind, a, sizes, Some(&axes), norm)
        }
    )*};
}
transforms! {
    fft fft2 fftn Forward "The discrete Fourier transform `X[k] = Σₙ x[n]·e^(-2πi·kn/N)`.";
    ifft ifft2 ifftn Inverse "The inverse transform `x[n] = 1/N·Σₖ X[k]·e^(2πi·kn/N)`.";
    rfft rfft2 rfftn RealForward "The transform of real numbers: the frequencies `0..=N/2` along the last axis.";
    irfft irfft2 irfftn RealInverse "The real numbers whose frequencies `0..=N/2` along the last axis are given; `n` is `2(m - 1)` for `m` frequencies unless given.";
}

/// The real spectrum of a signal that is its own conjugate mirrored, given from time 0 on.
///
/// # Errors
/// As [`irfft`].
pub fn hfft(a: &Array, n: Option<i64>, axis: i64, norm: Norm) -> Result<Array> {
    irfft(&unary::conjugate(a)?, n, axis, norm.swapped())
}

/// The inverse of [`hfft`]: the signal from time 0 on of a real spectrum.
///
/// # Errors
/// As [`rfft`].
pub fn ihfft(a: &Array, n: Option<i64>, axis: i64, norm: Norm) -> Result<Array> {
    unary::conjugate(&rfft(a, n, axis, norm.swapped())?)
}
