//! Reductions, scans, sorts and random bits: the mapped axis is first, other axes move by one.

use super::Batched;
use crate::array::{Array, Expression};
use mlx_oxide_ir::{ArgReduce, Op, Random, Reduce, Result, Scan, Sort};
use smallvec::smallvec;

pub(super) fn batch(op: &Op, inputs: &[Batched], size: usize) -> Result<Batched> {
    if let Op::Sort(Sort::Searchsorted { .. }) = op {
        return searchsorted(op, inputs, size);
    }
    let array = inputs[0].with_axis_first(size)?;
    let op = match op {
        Op::Reduce(reduce) => Op::Reduce(Reduce {
            kind: reduce.kind,
            axes: reduce.axes.iter().map(|axis| axis + 1).collect(),
        }),
        Op::ArgReduce(reduce) => Op::ArgReduce(ArgReduce {
            extreme: reduce.extreme,
            axis: reduce.axis + 1,
        }),
        Op::Scan(scan) => Op::Scan(Scan {
            axis: scan.axis + 1,
            ..*scan
        }),
        Op::Sort(sort) => Op::Sort(match *sort {
            Sort::Sort { axis } => Sort::Sort { axis: axis + 1 },
            Sort::Argsort { axis } => Sort::Argsort { axis: axis + 1 },
            Sort::Partition { axis, kth } => Sort::Partition {
                axis: axis + 1,
                kth,
            },
            Sort::Argpartition { axis, kth } => Sort::Argpartition {
                axis: axis + 1,
                kth,
            },
            Sort::Searchsorted { right } => Sort::Searchsorted { right },
        }),
        other => other.clone(),
    };
    Ok(Batched::first(Array::apply(op, &[&array])?))
}

/// Values may be mapped freely; mapped sequences are searched one after the other.
fn searchsorted(op: &Op, inputs: &[Batched], size: usize) -> Result<Batched> {
    if inputs[0].axis.is_none() {
        let array = Array::apply(op.clone(), &[&inputs[0].array, &inputs[1].array])?;
        return Ok(Batched {
            array,
            axis: inputs[1].axis,
        });
    }
    let expression = Expression {
        op: op.clone(),
        inputs: smallvec![],
        rules: None,
    };
    let mut outputs = super::each(&expression, inputs, size)?;
    outputs.pop().ok_or_else(|| super::no_rule(op))
}

/// Each mapped key draws its own bits.
pub(super) fn random(random: &Random, key: &Batched) -> Result<Batched> {
    let Some(axis) = key.axis else {
        return Ok(Batched::shared(Array::apply(
            Op::Random(random.clone()),
            &[&key.array],
        )?));
    };
    let keys = crate::ops::moveaxis(&key.array, axis as i64, 0)?;
    Ok(Batched::first(Array::apply(
        Op::Random(random.clone()),
        &[&keys],
    )?))
}
