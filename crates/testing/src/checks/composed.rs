//! Gradients of mapped functions, and mapped gradients.

use super::batching::{SIZE, arguments, each_set, mapped};
use super::{Point, all_coordinates};
use crate::graph;
use crate::sample::Sample;
use crate::tolerance::epsilon;
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::{Array, ops, transforms};
use mlx_oxide_ir::Result;

/// A sample, its slices and cotangents, mapped over some axes.
struct Mapped<'a> {
    sample: &'a Sample,
    slices: Vec<Vec<Array>>,
    axes: Vec<Option<i64>>,
    /// For each slice the cotangents of the outputs.
    cotangents: Vec<Vec<Array>>,
}

impl Mapped<'_> {
    /// The gradients of one slice.
    fn of_slice(&self, slice: usize) -> Result<Vec<Array>> {
        let point = Point::at(self.sample, arguments(&self.slices, &self.axes, slice))?;
        point.pull(&point.values(), &self.cotangents[slice])
    }

    /// The cotangents of all slices, mapped over the first axis.
    fn stacked_cotangents(&self) -> Result<Vec<Array>> {
        (0..self.cotangents[0].len())
            .map(|output| {
                let of_output: Vec<&Array> =
                    self.cotangents.iter().map(|all| &all[output]).collect();
                ops::stack(&of_output, 0)
            })
            .collect()
    }
}

/// `vmap` of the gradient gives the gradient of each slice.
pub fn batched_gradient(sample: &Sample) -> Result<Outcome, Failure> {
    for_each_set(sample, |mapped_sample| {
        let Mapped {
            sample,
            slices,
            axes,
            ..
        } = mapped_sample;
        let count = slices.len();
        let gradient = |arguments: &[Array]| {
            let (inputs, cotangents) = arguments.split_at(count);
            let point = Point::at(sample, inputs.to_vec())?;
            point.pull(&point.values(), cotangents)
        };
        let mut arguments = mapped(slices, axes)?;
        let cotangents = mapped_sample.stacked_cotangents()?;
        let mut all_axes = axes.clone();
        all_axes.resize(count + cotangents.len(), Some(0));
        arguments.extend(cotangents);
        let found = transforms::vmap(gradient, &arguments, &all_axes, &[])?;
        for slice in 0..SIZE {
            let found: Vec<Array> = found
                .iter()
                .map(|gradient| ops::take(gradient, &Array::scalar(slice as i32)?, 0))
                .collect::<Result<_>>()?;
            near(sample, &found, &mapped_sample.of_slice(slice)?)?;
        }
        Ok(())
    })
}

/// The gradient of `vmap` is the gradient of each slice where inputs are mapped, and their sum
/// where slices share them.
pub fn gradient_of_batched(sample: &Sample) -> Result<Outcome, Failure> {
    for_each_set(sample, |mapped_sample| {
        let Mapped {
            sample,
            slices,
            axes,
            ..
        } = mapped_sample;
        let variables = graph::variables(sample);
        let inputs = mapped(slices, axes)?;
        let function = |values: &[Array]| {
            let inputs = graph::replaced(&inputs, &variables, values);
            transforms::vmap(graph::function(sample), &inputs, axes, &[])
        };
        let values: Vec<Array> = variables
            .iter()
            .map(|place| inputs[*place].clone())
            .collect();
        let cotangents = mapped_sample.stacked_cotangents()?;
        let (_, found) = transforms::vjp(function, &values, &cotangents)?;
        let of_slices: Vec<Vec<Array>> = (0..SIZE)
            .map(|slice| mapped_sample.of_slice(slice))
            .collect::<Result<_>>()?;
        let expected: Vec<Array> = variables
            .iter()
            .enumerate()
            .map(|(number, place)| {
                let parts: Vec<&Array> = of_slices.iter().map(|all| &all[number]).collect();
                match axes[*place] {
                    Some(axis) => ops::stack(&parts, axis),
                    None => ops::sum(&ops::stack(&parts, 0)?, Some(&[0]), false),
                }
            })
            .collect::<Result<_>>()?;
        near(sample, &found, &expected)
    })
}

fn for_each_set(
    sample: &Sample,
    check: impl Fn(&Mapped<'_>) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    if !sample.differentiable {
        return Ok(Outcome::Skipped("not differentiable"));
    }
    if graph::difference_dtype(sample)?.is_none() {
        return Ok(Outcome::Skipped("single precision"));
    }
    for axes in each_set(sample) {
        let slices = graph::slices(sample, SIZE)?;
        let cotangents = (0..SIZE)
            .map(|slice| {
                Point::at(sample, arguments(&slices, &axes, slice))?.cotangents(7 + slice as u64)
            })
            .collect::<Result<_>>()?;
        let mapped = Mapped {
            sample,
            slices,
            axes,
            cotangents,
        };
        check(&mapped)
            .map_err(|Failure(message)| Failure(format!("over {:?}: {message}", mapped.axes)))?;
    }
    Ok(Outcome::Passed)
}

/// Both sides add the same terms, in another order.
fn near(sample: &Sample, found: &[Array], expected: &[Array]) -> Result<(), Failure> {
    let epsilon = graph::coarsest(sample)?.map_or(0.0, epsilon);
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        if found.array_type() != expected.array_type() {
            let (found, expected) = (found.array_type(), expected.array_type());
            return Err(Failure(format!(
                "gradient {number} has the type {found:?} instead of {expected:?}"
            )));
        }
    }
    let (found, expected) = (all_coordinates(found)?, all_coordinates(expected)?);
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let scale = expected
            .iter()
            .fold(1.0f64, |scale, number| scale.max(number.abs()));
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            let near = (found - expected).abs() <= 500.0 * epsilon * scale;
            if !near {
                return Err(Failure(format!(
                    "coordinate {place} of gradient {number} is {found} instead of {expected}"
                )));
            }
        }
    }
    Ok(())
}
