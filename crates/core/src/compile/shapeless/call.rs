//! Public operations as data, for those whose nodes hold sizes of their operands.

use crate::array::Array;
use crate::ops::{self, Subscript};
use mlx_oxide_ir::{Binary, Error, Extreme, Real, ReduceKind, Result, ScanKind, Shape};
use serde::{Deserialize, Serialize};

/// Axes as a caller gives them; `None` is all.
type Axes = Option<Vec<i64>>;

/// One call of a public operation: what the caller said, before any size was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Call {
    Binary(Binary),
    Select,
    Reshape(Vec<i64>),
    Flatten(i64, i64),
    Unflatten(i64, Vec<i64>),
    Squeeze(Axes),
    ExpandDims(Vec<i64>),
    BroadcastTo(Shape),
    BroadcastArrays,
    Flip(Vec<i64>),
    Getitem(Vec<Part>),
    Reduce(ReduceKind, Axes, bool),
    ArgReduce(Extreme, Option<i64>, bool),
    Mean(Axes, bool),
    Var(Axes, bool, usize),
    Median(Axes, bool),
    Scan {
        kind: ScanKind,
        axis: Option<i64>,
        reverse: bool,
        inclusive: bool,
    },
    Sort(Option<i64>),
    Argsort(Option<i64>),
    Partition(i64, Option<i64>),
    Argpartition(i64, Option<i64>),
    Topk(usize, Option<i64>),
    Softmax(Axes, bool),
    RmsNorm {
        weight: bool,
        eps: Real,
    },
    LayerNorm {
        weight: bool,
        bias: bool,
        eps: Real,
    },
    Matmul,
    Addmm(Real, Real),
    Inner,
    Outer,
    Tensordot(usize),
    TensordotAxes(Vec<i64>, Vec<i64>),
    Einsum(String),
    Stack(i64),
    Split(usize, i64),
    SplitAt(Vec<i64>, i64),
    Repeat(usize, Option<i64>),
    Tile(Vec<usize>),
    Roll(i64, i64),
    Take(i64),
    TakeFlat,
    TakeAlongAxis(i64),
    ZerosLike,
    OnesLike,
    Tril(i64),
    Triu(i64),
}

/// A part of a subscript; arrays are the operands after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Part {
    Position(i64),
    Range(Option<i64>, Option<i64>, Option<i64>),
    NewAxis,
    Ellipsis,
    Array,
}

impl Part {
    /// The subscripts without their arrays, and those.
    pub(crate) fn list(subscripts: &[Subscript]) -> Vec<Part> {
        let parts = subscripts.iter().map(|subscript| match subscript {
            Subscript::Position(position) => Part::Position(*position),
            Subscript::Range { start, stop, step } => Part::Range(*start, *stop, *step),
            Subscript::NewAxis => Part::NewAxis,
            Subscript::Ellipsis => Part::Ellipsis,
            Subscript::Array(_) => Part::Array,
        });
        parts.collect()
    }
}

impl Call {
    /// Its public name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Call::Binary(binary) => binary.name(),
            Call::Select => "where",
            Call::Reshape(_) => "reshape",
            Call::Flatten(..) => "flatten",
            Call::Unflatten(..) => "unflatten",
            Call::Squeeze(_) => "squeeze",
            Call::ExpandDims(_) => "expand_dims",
            Call::BroadcastTo(_) => "broadcast_to",
            Call::BroadcastArrays => "broadcast_arrays",
            Call::Flip(_) => "flip",
            Call::Getitem(_) => "getitem",
            Call::Reduce(..) => "reduce",
            Call::ArgReduce(..) => "arg_reduce",
            Call::Mean(..) => "mean",
            Call::Var(..) => "var",
            Call::Median(..) => "median",
            Call::Scan { .. } => "scan",
            Call::Sort(_) => "sort",
            Call::Argsort(_) => "argsort",
            Call::Partition(..) => "partition",
            Call::Argpartition(..) => "argpartition",
            Call::Topk(..) => "topk",
            Call::Softmax(..) => "softmax",
            Call::RmsNorm { .. } => "rms_norm",
            Call::LayerNorm { .. } => "layer_norm",
            Call::Matmul => "matmul",
            Call::Addmm(..) => "addmm",
            Call::Inner => "inner",
            Call::Outer => "outer",
            Call::Tensordot(_) | Call::TensordotAxes(..) => "tensordot",
            Call::Einsum(_) => "einsum",
            Call::Stack(_) => "stack",
            Call::Split(..) | Call::SplitAt(..) => "split",
            Call::Repeat(..) => "repeat",
            Call::Tile(_) => "tile",
            Call::Roll(..) => "roll",
            Call::Take(_) | Call::TakeFlat => "take",
            Call::TakeAlongAxis(_) => "take_along_axis",
            Call::ZerosLike => "zeros_like",
            Call::OnesLike => "ones_like",
            Call::Tril(_) => "tril",
            Call::Triu(_) => "triu",
        }
    }

    /// The operation on operands of whatever sizes.
    ///
    /// # Errors
    /// Those of the operation; operands of another number.
    pub(crate) fn run(&self, operands: &[Array]) -> Result<Vec<Array>> {
        let all: Vec<&Array> = operands.iter().collect();
        match self {
            Call::BroadcastArrays => return ops::broadcast_arrays(&all),
            Call::Split(parts, axis) => return ops::split(self.only(operands)?, *parts, *axis),
            Call::SplitAt(indices, axis) => {
                return ops::split_at(self.only(operands)?, indices, *axis);
            }
            _ => {}
        }
        self.run_single(operands, &all).map(|output| vec![output])
    }

    fn run_single(&self, operands: &[Array], all: &[&Array]) -> Result<Array> {
        match self {
            Call::Binary(binary) => {
                let [lhs, rhs] = self.take(operands)?;
                ops::binary::apply(*binary, lhs, rhs)
            }
            Call::Select => {
                let [condition, x, y] = self.take(operands)?;
                ops::select(condition, x, y)
            }
            Call::Reshape(shape) => ops::reshape(self.only(operands)?, shape),
            Call::Flatten(start, end) => ops::flatten(self.only(operands)?, *start, *end),
            Call::Unflatten(axis, shape) => ops::unflatten(self.only(operands)?, *axis, shape),
            Call::Squeeze(axes) => ops::squeeze(self.only(operands)?, axes.as_deref()),
            Call::ExpandDims(axes) => ops::expand_dims(self.only(operands)?, axes),
            Call::BroadcastTo(shape) => ops::broadcast_to(self.only(operands)?, shape.clone()),
            Call::Flip(axes) => ops::flip(self.only(operands)?, axes),
            Call::Getitem(parts) => self.getitem(parts, operands),
            Call::Tril(k) => ops::tril(self.only(operands)?, *k),
            Call::Triu(k) => ops::triu(self.only(operands)?, *k),
            Call::ZerosLike => ops::zeros_like(self.only(operands)?),
            Call::OnesLike => ops::ones_like(self.only(operands)?),
            Call::Stack(axis) => ops::stack(all, *axis),
            Call::Repeat(repeats, axis) => ops::repeat(self.only(operands)?, *repeats, *axis),
            Call::Tile(repetitions) => ops::tile(self.only(operands)?, repetitions),
            Call::Roll(shift, axis) => ops::roll(self.only(operands)?, *shift, *axis),
            Call::Take(axis) => {
                let [a, indices] = self.take(operands)?;
                ops::take(a, indices, *axis)
            }
            Call::TakeFlat => {
                let [a, indices] = self.take(operands)?;
                ops::take_flat(a, indices)
            }
            Call::TakeAlongAxis(axis) => {
                let [a, indices] = self.take(operands)?;
                ops::take_along_axis(a, indices, *axis)
            }
            Call::BroadcastArrays | Call::Split(..) | Call::SplitAt(..) => Err(self.miscounted(1)),
            _ => self.compute(operands, all),
        }
    }

    /// Operations that compute elements.
    fn compute(&self, operands: &[Array], all: &[&Array]) -> Result<Array> {
        let only = || self.only(operands);
        match self {
            Call::Reduce(kind, axes, keepdims) => {
                ops::reduce::reduce(only()?, *kind, axes.as_deref(), *keepdims)
            }
            Call::ArgReduce(extreme, axis, keepdims) => {
                ops::reduce::arg_reduce(only()?, *extreme, *axis, *keepdims)
            }
            Call::Mean(axes, keepdims) => ops::mean(only()?, axes.as_deref(), *keepdims),
            Call::Var(axes, keepdims, ddof) => ops::var(only()?, axes.as_deref(), *keepdims, *ddof),
            Call::Median(axes, keepdims) => ops::median(only()?, axes.as_deref(), *keepdims),
            Call::Scan {
                kind,
                axis,
                reverse,
                inclusive,
            } => ops::scan::scan(only()?, *kind, *axis, *reverse, *inclusive),
            Call::Sort(axis) => ops::sort(only()?, *axis),
            Call::Argsort(axis) => ops::argsort(only()?, *axis),
            Call::Partition(kth, axis) => ops::partition(only()?, *kth, *axis),
            Call::Argpartition(kth, axis) => ops::argpartition(only()?, *kth, *axis),
            Call::Topk(k, axis) => ops::topk(only()?, *k, *axis),
            Call::Softmax(axes, precise) => ops::fast::softmax(only()?, axes.as_deref(), *precise),
            Call::RmsNorm { weight, eps } => {
                let [x, rest @ ..] = operands else {
                    return Err(self.miscounted(1));
                };
                let weight = rest.first().filter(|_| *weight);
                ops::fast::rms_norm(x, weight, eps.get())
            }
            Call::LayerNorm { weight, bias, eps } => {
                let [x, rest @ ..] = operands else {
                    return Err(self.miscounted(1));
                };
                let mut rest = rest.iter();
                let mut next = |given: bool| if given { rest.next() } else { None };
                let (weight, bias) = (next(*weight), next(*bias));
                ops::fast::layer_norm(x, weight, bias, eps.get())
            }
            Call::Einsum(subscripts) => ops::einsum(subscripts, all),
            Call::Addmm(alpha, beta) => {
                let [c, a, b] = self.take(operands)?;
                ops::addmm(c, a, b, alpha.get(), beta.get())
            }
            _ => {
                let [lhs, rhs] = self.take(operands)?;
                self.pair(lhs, rhs)
            }
        }
    }

    /// Products of two operands.
    fn pair(&self, lhs: &Array, rhs: &Array) -> Result<Array> {
        match self {
            Call::Inner => ops::inner(lhs, rhs),
            Call::Outer => ops::outer(lhs, rhs),
            Call::Tensordot(count) => ops::tensordot(lhs, rhs, *count),
            Call::TensordotAxes(left, right) => ops::tensordot_axes(lhs, rhs, left, right),
            _ => ops::matmul(lhs, rhs),
        }
    }

    fn getitem(&self, parts: &[Part], operands: &[Array]) -> Result<Array> {
        let [a, arrays @ ..] = operands else {
            return Err(self.miscounted(1));
        };
        let mut arrays = arrays.iter();
        let subscripts: Vec<Subscript> = parts
            .iter()
            .map(|part| {
                Ok(match part {
                    Part::Position(position) => Subscript::Position(*position),
                    Part::Range(start, stop, step) => Subscript::Range {
                        start: *start,
                        stop: *stop,
                        step: *step,
                    },
                    Part::NewAxis => Subscript::NewAxis,
                    Part::Ellipsis => Subscript::Ellipsis,
                    Part::Array => {
                        let array = arrays.next().cloned();
                        Subscript::Array(array.ok_or_else(|| self.miscounted(operands.len()))?)
                    }
                })
            })
            .collect::<Result<_>>()?;
        ops::getitem(a, &subscripts)
    }

    fn only<'a>(&self, operands: &'a [Array]) -> Result<&'a Array> {
        self.take::<1>(operands).map(|[operand]| operand)
    }

    fn take<'a, const N: usize>(&self, operands: &'a [Array]) -> Result<&'a [Array; N]> {
        operands.try_into().map_err(|_| Error::InputCount {
            op: self.name(),
            expected: N,
            found: operands.len(),
        })
    }

    fn miscounted(&self, expected: usize) -> Error {
        Error::InputCount {
            op: self.name(),
            expected,
            found: 0,
        }
    }
}
