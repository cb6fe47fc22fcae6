//! Updates combined with what is at their place.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, unary::scalar_like};
use mlx_oxide_ir::{Combine, Dtype, Error, Index, Op, Result};

pub(super) fn derivative(combine: Combine) -> Derivative {
    match combine {
        Combine::Add => Derivative::Linear(|site, cotangent| {
            let places = Places::new(site)?;
            places.gradients(cotangent.clone(), places.take(cotangent)?)
        }),
        Combine::Replace => Derivative::Linear(replaced),
        Combine::Multiply => Derivative::General {
            jvp: multiplied_jvp,
            vjp: multiplied_vjp,
        },
        Combine::Maximum | Combine::Minimum => Derivative::General {
            jvp: extreme_jvp,
            vjp: extreme_vjp,
        },
    }
}

/// Where the updates of an operation go.
struct Places<'a> {
    index: &'a Index,
    inputs: &'a [Array],
    output: &'a Array,
    /// Which input the updates are.
    updates: usize,
}

impl<'a> Places<'a> {
    fn new(site: &'a Site<'_>) -> Result<Self> {
        let (index, updates) = match site.op {
            Op::Index(index @ Index::ScatterAlongAxis { .. }) => (index, 2),
            Op::Index(index @ (Index::Scatter { .. } | Index::SliceUpdate { .. })) => (index, 1),
            other => return Err(misplaced(other)),
        };
        Ok(Places {
            index,
            inputs: site.inputs,
            output: &site.outputs[0],
            updates,
        })
    }

    fn operand(&self) -> &'a Array {
        &self.inputs[0]
    }

    fn updates(&self) -> &'a Array {
        &self.inputs[self.updates]
    }

    /// The elements of an array of the operand's shape at the places of the updates.
    fn take(&self, a: &Array) -> Result<Array> {
        let op = match self.index {
            Index::SliceUpdate { ranges, .. } => return ops::slice(a, ranges),
            Index::Scatter { axes, .. } => Index::Gather {
                axes: axes.clone(),
                slice_sizes: self.updates().shape()[self.inputs[2].ndim()..].into(),
            },
            Index::ScatterAlongAxis { axis, .. } => Index::TakeAlongAxis { axis: *axis },
            other => return Err(misplaced(&Op::Index(other.clone()))),
        };
        let positions = self.inputs[1..].iter().enumerate();
        let positions = positions.filter(|(place, _)| place + 1 != self.updates);
        let inputs: Vec<&Array> = std::iter::once(a)
            .chain(positions.map(|(_, input)| input))
            .collect();
        Array::apply(Op::Index(op), &inputs)
    }

    /// The operation with another way to combine, on another operand and other updates.
    fn put(&self, operand: &Array, updates: &Array, combine: Combine) -> Result<Array> {
        let mut index = self.index.clone();
        match &mut index {
            Index::SliceUpdate { combine: own, .. }
            | Index::Scatter { combine: own, .. }
            | Index::ScatterAlongAxis { combine: own, .. } => *own = combine,
            other => return Err(misplaced(&Op::Index(other.clone()))),
        }
        let mut inputs: Vec<&Array> = self.inputs.iter().collect();
        inputs[0] = operand;
        inputs[self.updates] = updates;
        Array::apply(Op::Index(index), &inputs)
    }

    /// The sums of updates at each place.
    fn sums(&self, updates: &Array) -> Result<Array> {
        let zeros = ops::zeros(self.operand().shape().clone(), updates.dtype())?;
        self.put(&zeros, updates, Combine::Add)
    }

    /// Whether each update is the one that stayed, of those that went to its place.
    fn stayed(&self) -> Result<Array> {
        let updates = self.updates();
        let count = updates.size() as f64;
        let numbers = ops::arange(1.0, count + 1.0, 1.0, Dtype::Int64)?;
        let numbers = ops::reshape_to(&numbers, updates.shape().clone())?;
        let empty = ops::zeros(self.operand().shape().clone(), Dtype::Int64)?;
        let last = self.put(&empty, &numbers, Combine::Replace)?;
        ops::equal(&self.take(&last)?, &numbers)
    }

    fn gradients(&self, operand: Array, updates: Array) -> Result<Optional> {
        let mut gradients = vec![None; self.inputs.len()];
        gradients[0] = Some(operand);
        gradients[self.updates] = Some(updates);
        Ok(gradients)
    }

    /// `factor[0]·operand + Σ factor[1]·updates` of tangents; none is zero.
    fn push(&self, tangents: &[Option<Array>], factors: &[Array; 2]) -> Result<Array> {
        let from_operand = tangents[0]
            .as_ref()
            .map(|tangent| ops::multiply(tangent, &factors[0]))
            .transpose()?;
        let from_updates = tangents[self.updates]
            .as_ref()
            .map(|tangent| self.sums(&ops::multiply(tangent, &factors[1])?))
            .transpose()?;
        match (from_operand, from_updates) {
            (Some(one), Some(two)) => ops::add(&one, &two),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => ops::zeros_like(self.output),
        }
    }

    fn pull(&self, cotangent: &Array, factors: &[Array; 2]) -> Result<Optional> {
        let [operand, updates] = factors;
        let operand = ops::multiply(cotangent, &ops::conjugate(operand)?)?;
        let updates = ops::multiply(&self.take(cotangent)?, &ops::conjugate(updates)?)?;
        self.gradients(operand, updates)
    }

    /// The partial derivatives of products by the operand and by each update: the products of all
    /// other factors, right where some are zero.
    fn other_factors(&self) -> Result<[Array; 2]> {
        let updates = self.updates();
        let zero = scalar_like(updates, 0.0)?;
        let is_zero = ops::equal(updates, &zero)?;
        let nonzero = ops::select(&is_zero, &scalar_like(updates, 1.0)?, updates)?;
        let operand = self.operand();
        let ones = ops::ones_like(operand)?;
        let product = self.put(&ones, updates, Combine::Multiply)?;
        let zeros = self.take(&self.sums(&ops::astype(&is_zero, Dtype::Int32)?)?)?;
        let of_nonzero = self.take(&self.put(operand, &nonzero, Combine::Multiply)?)?;
        // of the others none is zero if this one accounts for all zeros
        let alone = ops::equal(&zeros, &ops::astype(&is_zero, Dtype::Int32)?)?;
        let others = ops::divide(&of_nonzero, &nonzero)?;
        Ok([product, ops::select(&alone, &others, &zero)?])
    }

    /// The partial derivatives of extremes, shared by all that attain one.
    fn attained(&self) -> Result<[Array; 2]> {
        let dtype = self.operand().dtype();
        let number = |a: &Array| ops::astype(a, dtype);
        let operand = number(&ops::equal(self.operand(), self.output)?)?;
        let updates = number(&ops::equal(self.updates(), &self.take(self.output)?)?)?;
        let count = ops::add(&operand, &self.sums(&updates)?)?;
        Ok([
            ops::divide(&operand, &count)?,
            ops::divide(&updates, &self.take(&count)?)?,
        ])
    }
}

fn misplaced(op: &Op) -> Error {
    Error::Internal {
        op: op.name(),
        detail: "wrong rule".to_owned(),
    }
}

/// What was replaced has no influence; of several updates of a place only the one that stayed has.
fn replaced(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let places = Places::new(site)?;
    let cleared = places.put(
        cotangent,
        &ops::zeros_like(places.updates())?,
        Combine::Replace,
    )?;
    let taken = places.take(cotangent)?;
    let taken = match places.index {
        Index::SliceUpdate { .. } => taken,
        _ => ops::select(&places.stayed()?, &taken, &scalar_like(&taken, 0.0)?)?,
    };
    places.gradients(cleared, taken)
}

fn multiplied_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let places = Places::new(site)?;
    places.push(tangents, &places.other_factors()?)
}

fn multiplied_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let places = Places::new(site)?;
    places.pull(cotangent, &places.other_factors()?)
}

fn extreme_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let places = Places::new(site)?;
    places.push(tangents, &places.attained()?)
}

fn extreme_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let places = Places::new(site)?;
    places.pull(cotangent, &places.attained()?)
}
