//! Derivatives of derivatives, in all four combinations of the modes, against differences.

use super::{Point, all_coordinates, inner};
use crate::differences::{Step, along};
use crate::graph;
use crate::sample::Sample;
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::{Array, transforms};
use mlx_oxide_ir::Result;

/// With `H` the second derivative of `⟨c, f(x)⟩`: differences of the gradient give `H·t`; so must
/// `jvp` of `vjp`, `vjp` of `vjp` and `vjp` of `jvp`, and `jvp` of `jvp` must give `⟨t, H·t⟩`.
pub fn second_order(sample: &Sample) -> Result<Outcome, Failure> {
    if !sample.differentiable {
        return Ok(Outcome::Skipped("not differentiable"));
    }
    let Some(dtype) = graph::difference_dtype(sample)? else {
        return Ok(Outcome::Skipped("single precision"));
    };
    let point = Point::new(sample)?;
    let (values, cotangents, tangents) = (point.values(), point.cotangents(1)?, point.tangents(9)?);
    let direction = all_coordinates(&tangents)?;
    let step = Step::of(dtype);
    let gradient = |values: &[Array]| point.pull(values, &cotangents);
    let expected = along(&gradient, &values, &direction, step)?;
    let (_, forward) = transforms::jvp(gradient, &values, &tangents)?;
    let (_, reverse) = transforms::vjp(gradient, &values, &tangents)?;
    let pushed = |values: &[Array]| point.push(values, &tangents);
    let (_, mixed) = transforms::vjp(pushed, &values, &cotangents)?;
    let modes = [
        ("jvp of vjp", forward),
        ("vjp of vjp", reverse),
        ("vjp of jvp", mixed),
    ];
    for (mode, found) in modes {
        compare(mode, &all_coordinates(&found)?, &expected, step.tolerance)?;
    }
    let (_, twice) = transforms::jvp(pushed, &values, &tangents)?;
    let (found, size) = inner(&all_coordinates(&cotangents)?, &all_coordinates(&twice)?);
    let (expected, other) = inner(&direction, &expected);
    let tolerance = 10.0 * step.tolerance * (1.0 + size + other);
    if (found - expected).abs() <= tolerance {
        Ok(Outcome::Passed)
    } else {
        Err(Failure(format!(
            "jvp of jvp gives {found:.9} instead of {expected:.9}"
        )))
    }
}

fn compare(
    mode: &str,
    found: &[Vec<f64>],
    expected: &[Vec<f64>],
    tolerance: f64,
) -> Result<(), Failure> {
    for (variable, (found, expected)) in found.iter().zip(expected).enumerate() {
        let scale = expected
            .iter()
            .fold(1.0f64, |scale, number| scale.max(number.abs()));
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            let near = (found - expected).abs() <= 10.0 * tolerance * scale;
            if !near {
                return Err(Failure(format!(
                    "{mode} at coordinate {place} of variable {variable} is {found:.9} instead of \
                     {expected:.9}"
                )));
            }
        }
    }
    Ok(())
}
