//! Decompositions against the operation's own result.

use crate::backend::Evaluated;
use crate::compare::compare;
use crate::graph;
use crate::sample::Sample;
use crate::tolerance::epsilon;
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::rules::decompose::decompose;
use mlx_oxide_core::{Array, Result};

/// What an operation is decomposed into gives the types that inference says and, within the
/// sample's tolerance, the elements that the operation's own kernel gives.
pub fn decomposition(sample: &Sample) -> Result<Outcome, Failure> {
    let inputs = graph::arrays(sample)?;
    let Some(decomposed) = decompose(&sample.op, &inputs) else {
        return Ok(Outcome::Skipped("a simple operation"));
    };
    let evaluate = |array: &Array| {
        Ok(Evaluated {
            array_type: array.array_type().clone(),
            elements: array.to_scalars()?,
        })
    };
    let own = graph::function(sample)(&inputs)?;
    let own = own.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
    let decomposed = decomposed?
        .iter()
        .map(evaluate)
        .collect::<Result<Vec<_>>>()?;
    // both are an implementation, each of which may be off; and the decomposition rounds results
    // of up to 16 to 16 bits between its stages
    let mut sample = sample.clone();
    sample.tolerance = sample.tolerance.widened(2.0);
    if own[0].array_type.dtype.size() == 2 {
        let rounding = 8.0 * epsilon(own[0].array_type.dtype);
        sample.tolerance = sample.tolerance.or_absolute(rounding);
    }
    compare(&sample, &decomposed, &own).map_err(|mismatch| Failure(mismatch.detail))?;
    Ok(Outcome::Passed)
}
