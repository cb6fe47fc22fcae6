//! Batching rules: an operation on inputs with one more axis, each rule adjusting parameters so
//! that the operation runs once. Where a rule has no such form it says so and loops.

mod contract;
mod elementwise;
mod fast;
mod fft;
mod index;
mod linalg;
mod quantized;
mod reduce;
mod view;

use crate::array::{Array, Expression};
use crate::ops;
use mlx_oxide_ir::{ArrayType, Error, Op, Result, Shape, infer};

/// An array that may carry a mapped axis.
#[derive(Clone)]
pub struct Batched {
    /// The array, with the mapped axis.
    pub array: Array,
    /// The mapped axis; none for an array that every slice shares.
    pub axis: Option<usize>,
}

impl Batched {
    /// An array that every slice shares.
    pub fn shared(array: Array) -> Self {
        Batched { array, axis: None }
    }

    /// An array mapped over its first axis.
    pub fn first(array: Array) -> Self {
        Batched {
            array,
            axis: Some(0),
        }
    }

    /// The array with the mapped axis first; a shared array is stretched to `size`.
    pub fn with_axis_first(&self, size: usize) -> Result<Array> {
        match self.axis {
            Some(axis) => ops::moveaxis(&self.array, axis as i64, 0),
            None => {
                let mut shape = self.array.shape().clone();
                shape.insert(0, size);
                ops::broadcast_to(&self.array, shape)
            }
        }
    }

    /// Axes of one slice.
    pub fn slice_ndim(&self) -> usize {
        self.array.ndim() - usize::from(self.axis.is_some())
    }

    /// Shape of one slice.
    pub fn slice_shape(&self) -> Shape {
        let mut shape = self.array.shape().clone();
        if let Some(axis) = self.axis {
            shape.remove(axis);
        }
        shape
    }
}

/// What `vmap` computes slice by slice: operations, and when. Everything else runs once for all
/// slices.
pub const LOOPS: &[(&str, &str)] = &[
    (
        "custom",
        "an operation of the caller's own without a rule for it",
    ),
    (
        "dequantize",
        "with a global scale that each slice has for itself",
    ),
    ("gather_mm", "always"),
    ("gather_qmm", "always"),
    ("pad", "with a value that each slice has for itself"),
    ("qqmm", "with a global scale that each slice has for itself"),
    (
        "quantize",
        "with a global scale that each slice has for itself",
    ),
    (
        "searchsorted",
        "in a sequence that each slice has for itself",
    ),
    (
        "slice",
        "at computed positions that each slice has for itself",
    ),
    (
        "slice_update",
        "at computed positions that each slice has for itself",
    ),
];

/// The outputs of an expression for batched inputs of `size` slices.
pub(crate) fn batch(
    expression: &Expression,
    inputs: &[Batched],
    size: usize,
) -> Result<Vec<Batched>> {
    let op = &expression.op;
    if size == 0 && inputs.iter().any(|input| input.axis.is_some()) {
        return none(op, inputs);
    }
    let output = match op {
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => {
            elementwise::batch(op, inputs, size)?
        }
        Op::View(view) => view::batch(view, &inputs[0])?,
        Op::Index(index) => index::batch(index, inputs, size)?,
        Op::Reduce(_) | Op::ArgReduce(_) | Op::Scan(_) | Op::Sort(_) => {
            reduce::batch(op, inputs, size)?
        }
        Op::Contract(contract) => contract::batch(contract, inputs, size)?,
        Op::Fft(fft) => fft::batch(fft, &inputs[0], size)?,
        Op::Linalg(linalg) => return linalg::batch(linalg, inputs, size),
        Op::Random(random) => reduce::random(random, &inputs[0])?,
        Op::Fast(fast) => return fast::batch(fast, inputs, size),
        Op::Source(_) => {
            let arrays = Array::apply_all(op.clone(), &[])?;
            return Ok(arrays.into_iter().map(Batched::shared).collect());
        }
        Op::Quantized(op) => return quantized::batch(expression, op, inputs, size),
        Op::Fused(_) | Op::FusedReduce(_) => return Err(no_rule(op)),
        Op::Custom(_) => return each(expression, inputs, size),
    };
    Ok(vec![output])
}

fn no_rule(op: &Op) -> Error {
    Error::Internal {
        op: op.name(),
        detail: "no batching rule".to_owned(),
    }
}

/// One slice after the other, stacked: for operations whose form has no place for another axis.
pub(crate) fn each(
    expression: &Expression,
    inputs: &[Batched],
    size: usize,
) -> Result<Vec<Batched>> {
    let mut outputs: Vec<Vec<Array>> = Vec::new();
    for position in 0..size {
        let slices: Vec<Array> = inputs
            .iter()
            .map(|input| slice_of(input, position))
            .collect::<Result<_>>()?;
        let stream = mlx_oxide_runtime::Stream::current();
        let results =
            Array::apply_expression(expression, &slices.iter().collect::<Vec<_>>(), stream)?;
        outputs.resize_with(results.len(), Vec::new);
        for (collected, result) in outputs.iter_mut().zip(results) {
            collected.push(result);
        }
    }
    outputs
        .iter()
        .map(|slices| ops::stack(&slices.iter().collect::<Vec<_>>(), 0).map(Batched::first))
        .collect()
}

/// What no slices give: nothing, of the type that one would have, which joined slices do not tell.
fn none(op: &Op, inputs: &[Batched]) -> Result<Vec<Batched>> {
    let types: Vec<ArrayType> = inputs
        .iter()
        .map(|input| {
            let mut array_type = input.array.array_type().clone();
            if let Some(axis) = input.axis {
                array_type.shape.remove(axis);
            }
            array_type
        })
        .collect();
    let outputs = infer(op, &types.iter().collect::<Vec<_>>())?;
    outputs
        .into_iter()
        .map(|mut output| {
            output.shape.insert(0, 0);
            ops::zeros(output.shape, output.dtype).map(Batched::first)
        })
        .collect()
}

fn slice_of(input: &Batched, position: usize) -> Result<Array> {
    match input.axis {
        None => Ok(input.array.clone()),
        Some(axis) => {
            let slice = ops::slice_axis(&input.array, axis, position, position + 1)?;
            ops::squeeze(&slice, Some(&[axis as i64]))
        }
    }
}
