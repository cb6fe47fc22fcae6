//! `jvp` and `vjp` as adjoints of each other.

use super::{Point, all_coordinates, inner};
use crate::graph;
use crate::sample::Sample;
use crate::tolerance::epsilon;
use crate::trials::{Failure, Outcome};
use mlx_oxide_ir::{Dtype, Error, Result};

/// `⟨c, J·t⟩ = ⟨Jᵀ·c, t⟩` for drawn `c` and `t`; of complex arrays the real part of the Hermitian
/// product. Holds for every dtype, and where the function is not smooth too.
pub fn adjoint(sample: &Sample) -> Result<Outcome, Failure> {
    let Some(dtype) = graph::coarsest(sample)?.filter(|_| !graph::variables(sample).is_empty())
    else {
        return Ok(Outcome::Skipped("no inexact inputs"));
    };
    let point = Point::new(sample)?;
    let values = point.values();
    let (cotangents, tangents) = (point.cotangents(3)?, point.tangents(5)?);
    let pulled = match point.pull(&values, &cotangents) {
        Err(Error::NotDifferentiable { .. }) if !sample.differentiable => {
            return undefined(&point, &tangents);
        }
        pulled => all_coordinates(&pulled?)?,
    };
    let pushed = match point.push(&values, &tangents) {
        // `vjp` asks for no derivative of outputs that have no cotangents
        Err(Error::NotDifferentiable { .. })
            if !(sample.differentiable || cotangents.iter().any(|it| it.dtype().is_inexact())) =>
        {
            return Ok(Outcome::Skipped("has no derivative"));
        }
        pushed => all_coordinates(&pushed?)?,
    };
    let (left, size) = inner(&all_coordinates(&cotangents)?, &pushed);
    let (right, other) = inner(&all_coordinates(&tangents)?, &pulled);
    let is_finite = left.is_finite() && right.is_finite();
    if !(sample.differentiable || is_finite) {
        return Ok(Outcome::Skipped("not finite at the edges"));
    }
    let tolerance = tolerance(dtype) * (1.0 + size + other);
    if (left - right).abs() <= tolerance {
        Ok(Outcome::Passed)
    } else {
        Err(Failure(format!(
            "⟨c, J·t⟩ = {left:.9} but ⟨Jᵀ·c, t⟩ = {right:.9}"
        )))
    }
}

/// What one mode refuses the other must refuse too.
fn undefined(point: &Point<'_>, tangents: &[mlx_oxide_core::Array]) -> Result<Outcome, Failure> {
    match point.push(&point.values(), tangents) {
        Err(Error::NotDifferentiable { .. }) => Ok(Outcome::Skipped("has no derivative")),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure("jvp works where vjp does not".to_owned())),
    }
}

/// Both sides round in every stage; in 16 bits only the structure can be seen.
fn tolerance(dtype: Dtype) -> f64 {
    match dtype.size() {
        2 => 24.0 * epsilon(dtype),
        _ => 2000.0 * epsilon(dtype),
    }
}
