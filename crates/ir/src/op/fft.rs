//! Discrete Fourier transforms.

use crate::real::Real;
use crate::shape::Axes;
use serde::{Deserialize, Serialize};

/// A discrete Fourier transform over several axes.
///
/// The axes come in the order in which they were named; real transforms halve the last named one.
/// Every result is multiplied by `scale`, by which the public functions normalise.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fft {
    /// `X[k] = scale·Σₙ x[n]·e^(-2πi·kn/N)`, complex to complex.
    Forward {
        /// The axes.
        axes: Axes,
        /// Factor of the sums.
        scale: Real,
    },
    /// `x[n] = scale·Σₖ X[k]·e^(2πi·kn/N)`, complex to complex.
    Inverse {
        /// The axes.
        axes: Axes,
        /// Factor of the sums.
        scale: Real,
    },
    /// [`Fft::Forward`] of real numbers; along the last named axis the frequencies `0..=N/2`
    /// alone, which determine the others.
    RealForward {
        /// The axes.
        axes: Axes,
        /// Factor of the sums.
        scale: Real,
    },
    /// [`Fft::Inverse`] of frequencies `0..=length/2` along the last named axis, where the others
    /// are their conjugates; real. The imaginary parts of frequencies 0 and `length/2` do not
    /// count.
    RealInverse {
        /// The axes.
        axes: Axes,
        /// Size of the result along the last named axis.
        length: usize,
        /// Factor of the sums.
        scale: Real,
    },
}

impl Fft {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Fft::Forward { .. } => "fft",
            Fft::Inverse { .. } => "ifft",
            Fft::RealForward { .. } => "rfft",
            Fft::RealInverse { .. } => "irfft",
        }
    }

    /// The axes.
    pub const fn axes(&self) -> &Axes {
        match self {
            Fft::Forward { axes, .. }
            | Fft::Inverse { axes, .. }
            | Fft::RealForward { axes, .. }
            | Fft::RealInverse { axes, .. } => axes,
        }
    }

    /// Factor of the sums.
    pub fn scale(&self) -> f64 {
        match self {
            Fft::Forward { scale, .. }
            | Fft::Inverse { scale, .. }
            | Fft::RealForward { scale, .. }
            | Fft::RealInverse { scale, .. } => scale.get(),
        }
    }

    /// The same transform over other axes.
    pub fn over(&self, axes: Axes) -> Fft {
        let mut transform = self.clone();
        match &mut transform {
            Fft::Forward { axes: own, .. }
            | Fft::Inverse { axes: own, .. }
            | Fft::RealForward { axes: own, .. }
            | Fft::RealInverse { axes: own, .. } => *own = axes,
        }
        transform
    }
}
