//! What transforms owe to every operation, as checks of one sample each, on the current device.

mod adjoint;
mod batching;
mod composed;
mod decomposition;
mod fusion;
mod gradient;
mod replayed;
mod second_order;

pub use adjoint::adjoint;
pub use batching::{batching, each_set, is_suitable, loops};
pub use composed::{batched_gradient, gradient_of_batched};
pub use decomposition::decomposition;
pub use fusion::{fusion, fusion_of_gradients, same};
pub use gradient::{gradient, single_precision_gradient};
pub use replayed::{compiled, exported};
pub use second_order::second_order;

use crate::coordinates::{coordinates, direction, from_coordinates};
use crate::graph;
use crate::sample::Sample;
use mlx_oxide_core::{Array, transforms};
use mlx_oxide_ir::Result;

/// A sample at its point, as a function of the inputs that derivatives are taken by.
struct Point<'a> {
    sample: &'a Sample,
    inputs: Vec<Array>,
    variables: Vec<usize>,
}

impl<'a> Point<'a> {
    fn new(sample: &'a Sample) -> Result<Self> {
        Self::at(sample, graph::arrays(sample)?)
    }

    fn at(sample: &'a Sample, inputs: Vec<Array>) -> Result<Self> {
        Ok(Point {
            sample,
            inputs,
            variables: graph::variables(sample),
        })
    }

    /// The values of the variables.
    fn values(&self) -> Vec<Array> {
        self.variables
            .iter()
            .map(|place| self.inputs[*place].clone())
            .collect()
    }

    fn apply(&self, values: &[Array]) -> Result<Vec<Array>> {
        graph::function(self.sample)(&graph::replaced(&self.inputs, &self.variables, values))
    }

    fn pull(&self, values: &[Array], cotangents: &[Array]) -> Result<Vec<Array>> {
        transforms::vjp(|values| self.apply(values), values, cotangents).map(|(_, pulled)| pulled)
    }

    fn push(&self, values: &[Array], tangents: &[Array]) -> Result<Vec<Array>> {
        transforms::jvp(|values| self.apply(values), values, tangents).map(|(_, pushed)| pushed)
    }

    /// Drawn cotangents, zero where a result is not finite or not inexact.
    fn cotangents(&self, seed: u64) -> Result<Vec<Array>> {
        let outputs = self.apply(&self.values())?;
        let seeds = (seed..).zip(&outputs);
        seeds
            .map(|(seed, output)| cotangent(output, seed))
            .collect()
    }

    /// Drawn tangents of the variables.
    fn tangents(&self, seed: u64) -> Result<Vec<Array>> {
        let seeds = (seed..).zip(self.values());
        seeds
            .map(|(seed, value)| graph::drawn(value.array_type(), seed))
            .collect()
    }
}

fn cotangent(output: &Array, seed: u64) -> Result<Array> {
    if !output.dtype().is_inexact() {
        return graph::drawn(output.array_type(), seed);
    }
    let results = coordinates(output)?;
    let mut numbers = direction(results.len(), seed);
    for (number, result) in numbers.iter_mut().zip(results) {
        if !result.is_finite() {
            *number = 0.0;
        }
    }
    from_coordinates(&numbers, output.array_type())
}

fn all_coordinates(arrays: &[Array]) -> Result<Vec<Vec<f64>>> {
    arrays.iter().map(coordinates).collect()
}

/// `Σ aᵢ·bᵢ` over all arrays, terms with `bᵢ` not finite and `aᵢ` zero left out, and the sum of
/// the terms' sizes.
fn inner(a: &[Vec<f64>], b: &[Vec<f64>]) -> (f64, f64) {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    let terms = pairs.map(|(a, b)| if *a == 0.0 { 0.0 } else { a * b });
    terms.fold((0.0, 0.0), |(sum, size), term| {
        (sum + term, size + term.abs())
    })
}
