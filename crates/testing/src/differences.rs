//! Derivatives by differences.

use crate::coordinates::{coordinates, from_coordinates};
use mlx_oxide_core::Array;
use mlx_oxide_ir::{Dtype, Result};

/// How far to step, and how near the derivative will be.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The distance; a power of two, so that few sums with it round.
    pub size: f64,
    /// The error to expect for each unit of the result.
    pub tolerance: f64,
}

impl Step {
    /// What suits a dtype: the fourth-order formula errs by `size⁴` of the fifth derivative and by
    /// the rounding of the function over `size`.
    pub fn of(dtype: Dtype) -> Step {
        let (exponent, tolerance) = match dtype {
            Dtype::Float64 => (-10, 1e-7),
            _ => (-8, 4e-3),
        };
        Step {
            size: f64::powi(2.0, exponent),
            tolerance,
        }
    }
}

/// The derivative of `function` at `point` along `directions`, the coordinates of each output:
/// `(8(f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h`.
///
/// # Errors
/// Those of the function.
pub fn along(
    function: &dyn Fn(&[Array]) -> Result<Vec<Array>>,
    point: &[Array],
    directions: &[Vec<f64>],
    step: Step,
) -> Result<Vec<Vec<f64>>> {
    let start: Vec<Vec<f64>> = point.iter().map(coordinates).collect::<Result<_>>()?;
    let at = |distance: f64| -> Result<Vec<Vec<f64>>> {
        let moved = |(number, array): (usize, &Array)| {
            let pairs = start[number].iter().zip(&directions[number]);
            let numbers: Vec<f64> = pairs.map(|(x, t)| x + distance * t).collect();
            from_coordinates(&numbers, array.array_type())
        };
        let moved: Vec<Array> = point.iter().enumerate().map(moved).collect::<Result<_>>()?;
        function(&moved)?.iter().map(coordinates).collect()
    };
    let h = step.size;
    let [near, far] = [[at(h)?, at(-h)?], [at(2.0 * h)?, at(-2.0 * h)?]];
    let derivative = |output: usize, place: usize| {
        let difference =
            |[after, before]: &[Vec<Vec<f64>>; 2]| after[output][place] - before[output][place];
        (8.0 * difference(&near) - difference(&far)) / (12.0 * h)
    };
    Ok((0..near[0].len())
        .map(|output| {
            (0..near[0][output].len())
                .map(|place| derivative(output, place))
                .collect()
        })
        .collect())
}
