//! Traces of an operation and of its gradient, replayed here and from a file: the same to the bit.

use super::{Point, same};
use crate::coordinates::coordinates;
use crate::graph;
use crate::sample::Sample;
use crate::tolerance::epsilon;
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::compile::compile;
use mlx_oxide_core::export::{Exported, Signature};
use mlx_oxide_core::graph::Graph;
use mlx_oxide_core::{Array, ArrayType, Error, eval};
use mlx_oxide_ir::{Op, Result};

fn all_same(way: &str, found: &[Array], expected: &[Array]) -> Result<(), Failure> {
    if found.len() != expected.len() {
        return Err(Failure(format!("{way}: {} outputs", found.len())));
    }
    eval(found)?;
    for (found, expected) in found.iter().zip(expected) {
        if found.array_type() != expected.array_type() {
            return Err(Failure(format!(
                "{way}: {:?} instead of {:?}",
                found.array_type(),
                expected.array_type()
            )));
        }
        same(found, expected).map_err(|Failure(message)| Failure(format!("{way}: {message}")))?;
    }
    Ok(())
}

/// The first and the second call of the compiled function give what the function gives; so does
/// its gradient compiled, where it has one.
pub fn compiled(sample: &Sample) -> Result<Outcome, Failure> {
    if matches!(sample.op, Op::Fused(_) | Op::FusedReduce(_)) {
        return Ok(Outcome::Skipped("fused programs are made after transforms"));
    }
    let function = graph::function(sample);
    let inputs = graph::arrays(sample)?;
    let expected = function(&inputs)?;
    let function = compile(function);
    for way in ["traced", "replayed"] {
        all_same(way, &function.call(&inputs)?, &expected)?;
    }
    let point = Point::new(sample)?;
    let values = point.values();
    if values.is_empty() {
        return Ok(Outcome::Passed);
    }
    let cotangents = point.cotangents(1)?;
    let gradient = |values: &[Array]| point.pull(values, &cotangents);
    let expected = match gradient(&values) {
        Err(Error::NotDifferentiable { .. }) => return Ok(Outcome::Passed),
        expected => expected?,
    };
    let gradient = compile(gradient);
    for way in ["gradient traced", "gradient replayed"] {
        all_same(way, &gradient.call(&values)?, &expected)?;
    }
    Ok(Outcome::Passed)
}

/// The function, and its gradient where it has one, written to a file and read again give what
/// they give directly.
pub fn exported(sample: &Sample) -> Result<Outcome, Failure> {
    if matches!(sample.op, Op::Fused(_) | Op::FusedReduce(_) | Op::Custom(_)) {
        return Ok(Outcome::Skipped("has no place in a file"));
    }
    let function = graph::function(sample);
    let inputs = graph::arrays(sample)?;
    let found = through_file(&inputs, &function)?;
    all_same("function", &found, &function(&inputs)?)?;
    let point = Point::new(sample)?;
    let values = point.values();
    if values.is_empty() {
        return Ok(Outcome::Passed);
    }
    let cotangents = point.cotangents(1)?;
    let gradient = |values: &[Array]| point.pull(values, &cotangents);
    match gradient(&values) {
        Err(Error::NotDifferentiable { .. }) => {}
        expected => near(&through_file(&values, &gradient)?, &expected?)?,
    }
    Ok(Outcome::Passed)
}

/// A cotangent that is a view here is laid out anew in a file, so products may sum in another
/// order.
fn near(found: &[Array], expected: &[Array]) -> Result<(), Failure> {
    for (found, expected) in found.iter().zip(expected) {
        let tolerance = 64.0 * epsilon(expected.dtype());
        let (found, expected) = (coordinates(found)?, coordinates(expected)?);
        let finite = expected.iter().filter(|number| number.is_finite());
        let scale = finite.fold(1.0f64, |scale, number| scale.max(number.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            let same = found == expected || (found.is_nan() && expected.is_nan());
            if !(same || (found - expected).abs() <= tolerance * scale) {
                return Err(Failure(format!("gradient: {found} instead of {expected}")));
            }
        }
    }
    Ok(())
}

fn through_file(
    inputs: &[Array],
    function: &dyn Fn(&[Array]) -> Result<Vec<Array>>,
) -> Result<Vec<Array>> {
    let types: Vec<ArrayType> = inputs
        .iter()
        .map(|input| input.array_type().clone())
        .collect();
    let signature = Signature {
        positional: inputs.len(),
        keywords: Vec::new(),
    };
    let mut exported = Exported::default();
    exported.add(signature.clone(), Graph::trace(function, &types)?)?;
    Exported::from_bytes(&exported.to_bytes()?)?.call(&signature, inputs)
}
