//! How near two results must be.

use mlx_oxide_ir::Dtype;

/// Numbers agree if they are within so many representable steps of each other, or if their
/// difference is at most `absolute + relative·|expected|`. NaN agrees with NaN, and the zeros with
/// each other. Complex numbers are compared by the modulus of their difference, steps counting
/// as a relative difference. Integers and bools always agree exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Representable numbers between both.
    pub steps: u64,
    /// Difference in any case.
    pub absolute: f64,
    /// Difference for each unit of the expected result.
    pub relative: f64,
}

impl Tolerance {
    /// Nothing but the same number.
    pub const EXACT: Tolerance = Tolerance::steps(0);

    /// Within so many representable steps.
    pub const fn steps(steps: u64) -> Self {
        Tolerance {
            steps,
            absolute: 0.0,
            relative: 0.0,
        }
    }

    /// Of a function that is not rounded correctly: `steps` at 32 and 64 bits; one at 16, where
    /// it is computed with more bits and rounded at the end.
    pub fn function(dtype: Dtype, steps: u64) -> Self {
        match dtype.size() {
            2 => Tolerance::steps(1),
            _ => Tolerance::steps(steps),
        }
    }

    /// Of a sum of `terms` terms up to `magnitude`, accumulated in any order in at least single
    /// precision and rounded at the end. Terms of one sign add up to `terms` times their size, and
    /// each of the `terms` additions rounds by half an epsilon of that: hence the relative part.
    pub fn sum(dtype: Dtype, terms: usize, magnitude: f64) -> Self {
        let accumulator = match dtype {
            Dtype::Float16 | Dtype::Bfloat16 => epsilon(Dtype::Float32),
            dtype => epsilon(dtype),
        };
        Tolerance {
            steps: 1,
            absolute: accumulator * terms as f64 * magnitude,
            relative: accumulator * terms as f64 / 2.0,
        }
    }

    /// Of something computed in several rounded stages: so many epsilons of the dtype, relative
    /// and, times `magnitude`, absolute.
    pub fn stages(dtype: Dtype, epsilons: f64, magnitude: f64) -> Self {
        Tolerance {
            steps: 0,
            absolute: epsilons * epsilon(dtype) * magnitude,
            relative: epsilons * epsilon(dtype),
        }
    }

    /// The same, also accepting a difference of `absolute`.
    pub fn or_absolute(mut self, absolute: f64) -> Self {
        self.absolute = self.absolute.max(absolute);
        self
    }

    /// Wider by a factor, for devices whose arithmetic is looser than the standard; what is exact
    /// stays so.
    pub fn widened(self, factor: f64) -> Self {
        Tolerance {
            steps: (self.steps as f64 * factor) as u64,
            absolute: self.absolute * factor,
            relative: self.relative * factor,
        }
    }
}

/// The distance from 1 to the next number of a dtype; 0 for those without one.
pub fn epsilon(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Float16 => 2f64.powi(-10),
        Dtype::Bfloat16 => 2f64.powi(-7),
        Dtype::Float32 | Dtype::Complex64 => f64::from(f32::EPSILON),
        Dtype::Float64 => f64::EPSILON,
        Dtype::Bool
        | Dtype::Uint8
        | Dtype::Uint16
        | Dtype::Uint32
        | Dtype::Uint64
        | Dtype::Int8
        | Dtype::Int16
        | Dtype::Int32
        | Dtype::Int64 => 0.0,
    }
}
