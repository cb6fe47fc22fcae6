//! Batched matrix products.

use crate::gemm::{self, Element, Finish, Matrix, Scalar};
use half::{bf16, f16};
use mlx_oxide_ir::{Dtype, Error, Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;
use std::sync::Mutex;

/// Multiplications below which a product of a batch stays on one thread.
const ALONE: usize = 1 << 24;
/// Multiplications that make a task worth its start.
const TASK_WORK: usize = 1 << 18;

/// `(alpha, beta)` are the factors of `addmm`, whose first input is the addend.
pub(super) fn run(call: &Call<'_>, dtype: Dtype, factors: Option<(f64, f64)>) -> Result<Results> {
    match dtype {
        Dtype::Float32 => product::<f32>(call, factors),
        Dtype::Float64 => product::<f64>(call, factors),
        Dtype::Float16 => product::<f16>(call, factors),
        _ => product::<bf16>(call, factors),
    }
}

/// The last two axes of an operand as a matrix, that of the first product of the batch.
pub(super) fn matrix<T>(operand: &Operand) -> Result<Matrix<T>> {
    let ndim = operand.layout.shape.ndim();
    let start = operand.buffer.host_ptr()?.as_ptr().cast::<T>();
    Ok(Matrix {
        start: start.wrapping_add(operand.layout.offset),
        row_stride: operand.layout.strides[ndim - 2],
        column_stride: operand.layout.strides[ndim - 1],
    })
}

/// For each product of the batch where its matrix begins, in elements from the first.
pub(super) fn offsets(operand: &Operand) -> Vec<isize> {
    let ndim = operand.layout.shape.ndim();
    let leading = Layout {
        shape: Shape::from(&operand.layout.shape[..ndim - 2]),
        strides: operand.layout.strides[..ndim - 2].iter().copied().collect(),
        offset: operand.layout.offset,
    };
    leading
        .places()
        .map(|place| place as isize - operand.layout.offset as isize)
        .collect()
}

/// A batch of products of one size.
struct Batch<T: Element> {
    sizes: (usize, usize, usize),
    lhs: (Matrix<T>, Vec<isize>),
    rhs: (Matrix<T>, Vec<isize>),
    addend: Option<(Matrix<T>, Vec<isize>)>,
    output: Matrix<T>,
    factors: Option<(f64, f64)>,
}

fn product<T: Element>(call: &Call<'_>, factors: Option<(f64, f64)>) -> Result<Results> {
    let (addend, operands) = match factors {
        Some((_, beta)) => (
            call.inputs.first().filter(|_| beta != 0.0),
            &call.inputs[1..],
        ),
        None => (None, call.inputs),
    };
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let ndim = output_type.shape.ndim();
    let (rows, columns) = (output_type.shape[ndim - 2], output_type.shape[ndim - 1]);
    let place = |operand: &Operand| Ok((matrix::<T>(operand)?, offsets(operand)));
    let batch = Batch {
        sizes: (rows, operands[0].layout.shape[ndim - 1], columns),
        lhs: place(&operands[0])?,
        rhs: place(&operands[1])?,
        addend: addend.map(place).transpose()?,
        output: Matrix {
            start: buffer.host_ptr()?.as_ptr().cast::<T>().cast_const(),
            row_stride: columns as isize,
            column_stride: 1,
        },
        factors,
    };
    batch.run(call.op.name())?;
    Ok(smallvec![Stored::contiguous(buffer, output_type)])
}

impl<T: Element> Batch<T> {
    fn run(&self, op: &'static str) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        let count = self.lhs.1.len();
        if rows * columns * count == 0 {
            return Ok(());
        }
        let work = rows.saturating_mul(columns).saturating_mul(inner.max(1));
        if count == 1 || work >= ALONE {
            return (0..count).try_for_each(|item| self.item(op, item, true));
        }
        let group = (TASK_WORK / work).clamp(1, count);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        parallel::for_each(count.div_ceil(group), |task| {
            let mut items = task * group..count.min((task + 1) * group);
            if let Err(error) = items.try_for_each(|item| self.item(op, item, false))
                && let Ok(mut failure) = failure.lock()
            {
                *failure = Some(error);
            }
        });
        match failure.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn item(&self, op: &'static str, item: usize, shared: bool) -> Result<()> {
        let (rows, _, columns) = self.sizes;
        let at = |(matrix, offsets): &(Matrix<T>, Vec<isize>)| matrix.moved(offsets[item]);
        let finish = self.factors.map(|(alpha, beta)| Finish {
            alpha: T::Sum::of(alpha),
            beta: T::Sum::of(beta),
            addend: self.addend.as_ref().map(at),
        });
        let output = self.output.moved((item * rows * columns) as isize);
        let multiply = match shared {
            true => gemm::multiply,
            false => gemm::multiply_alone,
        };
        // SAFETY: layouts were checked to fit their buffers; items of the output do not overlap
        unsafe { multiply(op, self.sizes, at(&self.lhs), at(&self.rhs), output, finish) }
    }
}
