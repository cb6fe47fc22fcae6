//! Sorting: a permutation that depends on the values.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Combine, Error, Index, Op, Result, Sort};

pub(super) fn derivative(sort: &Sort) -> Derivative {
    match sort {
        Sort::Sort { .. } | Sort::Partition { .. } => Derivative::General { jvp, vjp },
        Sort::Argsort { .. } | Sort::Argpartition { .. } | Sort::Searchsorted { .. } => {
            Derivative::Zero
        }
    }
}

/// The axis, and the positions that the elements came from.
fn positions(site: &Site<'_>) -> Result<(usize, Array)> {
    let wrong = || Error::Internal {
        op: site.op.name(),
        detail: "wrong rule".to_owned(),
    };
    let Op::Sort(sort) = site.op else {
        return Err(wrong());
    };
    let (axis, op) = match sort {
        Sort::Partition { axis, kth } => (
            *axis,
            Sort::Argpartition {
                axis: *axis,
                kth: *kth,
            },
        ),
        Sort::Sort { axis } => (*axis, Sort::Argsort { axis: *axis }),
        Sort::Argsort { .. } | Sort::Argpartition { .. } | Sort::Searchsorted { .. } => {
            return Err(wrong());
        }
    };
    Ok((axis, Array::apply(Op::Sort(op), &[&site.inputs[0]])?))
}

fn jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let Some(tangent) = &tangents[0] else {
        return ops::zeros_like(&site.outputs[0]);
    };
    let (axis, positions) = positions(site)?;
    Array::apply(
        Op::Index(Index::TakeAlongAxis { axis }),
        &[tangent, &positions],
    )
}

fn vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let (axis, positions) = positions(site)?;
    let zeros = ops::zeros_like(&site.inputs[0])?;
    let op = Index::ScatterAlongAxis {
        axis,
        combine: Combine::Add,
    };
    Ok(vec![Some(Array::apply(
        Op::Index(op),
        &[&zeros, &positions, cotangent],
    )?)])
}
