//! Evaluation at once, fused, against evaluation node by node: the same to the bit.

use super::Point;
use crate::coordinates::parts;
use crate::graph;
use crate::sample::Sample;
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::{Array, eval, eval_in_rows, eval_unfused, ops};
use mlx_oxide_ir::{Dtype, Op, Result, Scalar};

/// The operation between elementwise ones, in every way of holding what lies between.
pub fn fusion(sample: &Sample) -> Result<Outcome, Failure> {
    if matches!(sample.op, Op::Custom(_)) {
        return Ok(Outcome::Skipped("an identity"));
    }
    let expected = surrounded(sample)?.ends;
    eval_unfused(&expected)?;
    type Eval = fn(&[Array]) -> Result<()>;
    let ways: [(&str, bool, Eval); 4] = [
        ("alone", false, eval),
        ("with everything held", true, eval),
        ("row by row", false, eval_in_rows),
        ("row by row with everything held", true, eval_in_rows),
    ];
    for (way, held, eval) in ways {
        let Surrounded { ends, mut between } = surrounded(sample)?;
        if !held {
            between.clear();
        }
        eval(&ends)?;
        for (found, expected) in ends.iter().zip(&expected) {
            same(found, expected)
                .map_err(|Failure(message)| Failure(format!("{way}: {message}")))?;
        }
        eval(&between)?;
    }
    Ok(Outcome::Passed)
}

/// An operation between elementwise ones.
struct Surrounded {
    /// The last results.
    ends: Vec<Array>,
    /// All that lies between the inputs and those.
    between: Vec<Array>,
}

fn surrounded(sample: &Sample) -> Result<Surrounded> {
    let mut between = Vec::new();
    let inputs: Vec<Array> = graph::arrays(sample)?
        .iter()
        .map(|input| twice_negated(input, &mut between))
        .collect::<Result<_>>()?;
    let outputs = graph::function(sample)(&inputs)?;
    between.extend(outputs.iter().cloned());
    let ends = outputs
        .iter()
        .map(|output| continued(output, &mut between))
        .collect::<Result<_>>()?;
    Ok(Surrounded { ends, between })
}

fn twice_negated(input: &Array, between: &mut Vec<Array>) -> Result<Array> {
    let step = |a: &Array| match a.dtype() {
        Dtype::Bool => ops::logical_not(a),
        dtype if dtype.is_unsigned_integer() => ops::bitwise_invert(a),
        _ => ops::negative(a),
    };
    let once = step(input)?;
    let twice = step(&once)?;
    between.extend([once, twice.clone()]);
    Ok(twice)
}

fn continued(output: &Array, between: &mut Vec<Array>) -> Result<Array> {
    let square = ops::multiply(output, output)?;
    let sum = ops::add(&square, output)?;
    let less = ops::less(&ops::real(&sum)?, &ops::real(output)?)?;
    let chosen = ops::select(&less, output, &sum)?;
    between.extend([square, sum, less]);
    Ok(chosen)
}

/// The graph that `vjp` builds, evaluated both ways.
pub fn fusion_of_gradients(sample: &Sample) -> Result<Outcome, Failure> {
    if !sample.differentiable {
        return Ok(Outcome::Skipped("not differentiable"));
    }
    let build = || {
        let point = Point::new(sample)?;
        point.pull(&point.values(), &point.cotangents(1)?)
    };
    let expected: Vec<Array> = build()?;
    eval_unfused(&expected)?;
    for eval in [eval, eval_in_rows] {
        let found: Vec<Array> = build()?;
        eval(&found)?;
        for (found, expected) in found.iter().zip(&expected) {
            same(found, expected)?;
        }
    }
    Ok(Outcome::Passed)
}

/// Whether two arrays have the same bits; every NaN is as good as another.
pub fn same(found: &Array, expected: &Array) -> Result<(), Failure> {
    let (left, right) = (found.to_scalars()?, expected.to_scalars()?);
    let is_nan = |element: Scalar| {
        let value = element.to_complex();
        value.re.is_nan() || (parts(element.dtype()) == 2 && value.im.is_nan())
    };
    let differs = |place: &usize| {
        let (left, right) = (left[*place], right[*place]);
        left.bits() != right.bits() && !(is_nan(left) && is_nan(right))
    };
    match (0..left.len()).find(differs) {
        None => Ok(()),
        Some(place) => Err(Failure(format!(
            "element {place} is {:?} fused and {:?} node by node",
            left[place], right[place]
        ))),
    }
}
