//! Batched matrix products.

use crate::gemm::{self, Element, Finish, Matrix, Scalar, Small};
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

fn product<T: Element>(call: &Call<'_>, factors: Option<(f64, f64)>) -> Result<Results> {
    let (addend, operands) = match factors {
        Some((_, beta)) => (
            call.inputs.first().filter(|_| beta != 0.0),
            &call.inputs[1..],
        ),
        None => (None, call.inputs),
    };
    let place = |operand: &Operand| Ok((matrix::<T>(operand)?, offsets(operand)));
    let addend = addend.map(place).transpose()?;
    compute(
        call,
        operands,
        place(&operands[0])?,
        place(&operands[1])?,
        factors.map(|factors| (factors, addend)),
    )
}

/// Products of matrices picked by indices.
pub(super) fn gather<T: Element>(call: &Call<'_>) -> Result<Results> {
    let lhs = picked::<T>(&call.inputs[0], &call.inputs[2])?;
    let rhs = picked::<T>(&call.inputs[1], &call.inputs[3])?;
    compute(call, call.inputs, lhs, rhs, None)
}

/// Where the matrices lie that indices pick from the leading axes.
fn picked<T>(operand: &Operand, indices: &Operand) -> Result<(Matrix<T>, Vec<isize>)> {
    let offsets = offsets(operand);
    let start = indices.buffer.host_ptr()?.as_ptr().cast::<u32>();
    let pick = |place: usize| {
        // SAFETY: the layout was checked to fit its buffer, and inference to have `uint32`
        let index = unsafe { start.add(place).read() };
        let offset = offsets.get(index as usize).copied();
        offset.ok_or(Error::IndexOutOfBounds {
            op: "gather_mm",
            index: index.into(),
            axis: 0,
            size: offsets.len(),
        })
    };
    let picked = indices.layout.places().map(pick).collect::<Result<_>>()?;
    Ok((matrix(operand)?, picked))
}

fn compute<T: Element>(
    call: &Call<'_>,
    operands: &[Operand],
    lhs: (Matrix<T>, Vec<isize>),
    rhs: (Matrix<T>, Vec<isize>),
    finish: Option<((f64, f64), Option<(Matrix<T>, Vec<isize>)>)>,
) -> Result<Results> {
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let ndim = output_type.shape.ndim();
    let (rows, columns) = (output_type.shape[ndim - 2], output_type.shape[ndim - 1]);
    let (factors, addend) = finish.unzip();
    let inner = &operands[0].layout.shape;
    let batch = Batch {
        sizes: (rows, inner[inner.ndim() - 1], columns),
        lhs,
        rhs,
        addend: addend.flatten(),
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

/// A batch of products of one size.
struct Batch<T: Element> {
    sizes: (usize, usize, usize),
    lhs: (Matrix<T>, Vec<isize>),
    rhs: (Matrix<T>, Vec<isize>),
    addend: Option<(Matrix<T>, Vec<isize>)>,
    output: Matrix<T>,
    factors: Option<(f64, f64)>,
}

/// Neighbours in a batch that are one product with more rows: they share their right operand, and
/// the rows of each left operand follow those of the one before.
struct Run {
    first: usize,
    count: usize,
    lhs_row: isize,
    addend_row: isize,
}

/// How far the rows of matrices from `first` on go on at one step, before `end`: that step and the
/// first matrix that does not belong.
fn stacked<T>(
    (matrix, offsets): &(Matrix<T>, Vec<isize>),
    (first, end): (usize, usize),
    rows: usize,
) -> (isize, usize) {
    let step = match (rows, offsets.get(first + 1)) {
        (1, Some(next)) => next - offsets[first],
        _ => matrix.row_stride,
    };
    let belongs = |pair: &&[isize]| pair[1] - pair[0] == rows as isize * step;
    let pairs = offsets[first..end].windows(2);
    (step, first + 1 + pairs.take_while(belongs).count())
}

impl<T: Element> Batch<T> {
    fn run(&self, op: &'static str) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        if rows * columns * self.lhs.1.len() == 0 {
            return Ok(());
        }
        let work = rows.saturating_mul(columns).saturating_mul(inner.max(1));
        let runs = self.runs();
        let alone = |run: &&Run| runs.len() > 1 && work.saturating_mul(run.count) < ALONE;
        let (small, large): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(alone);
        large
            .into_iter()
            .try_for_each(|run| self.multiply(op, run, true))?;
        let group = (TASK_WORK / work).clamp(1, small.len().max(1));
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        parallel::for_each(small.len().div_ceil(group), |task| {
            let runs = &small[task * group..small.len().min((task + 1) * group)];
            let tiny = Small::new(self.sizes).filter(|_| self.factors.is_none());
            let result = match tiny {
                Some(mut tiny) => {
                    runs.iter()
                        .for_each(|run| self.multiply_tiny(&mut tiny, run));
                    Ok(())
                }
                None => runs
                    .iter()
                    .try_for_each(|run| self.multiply(op, run, false)),
            };
            if let Err(error) = result
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

    fn runs(&self) -> Vec<Run> {
        let (rows, count) = (self.sizes.0, self.lhs.1.len());
        let mut runs = Vec::new();
        let mut first = 0;
        let mut shared = 0;
        while first < count {
            if first >= shared {
                let rhs = &self.rhs.1[first..];
                shared = first + rhs.iter().take_while(|offset| **offset == rhs[0]).count();
            }
            let (lhs_row, end) = stacked(&self.lhs, (first, shared), rows);
            let (addend_row, end) = match &self.addend {
                None => (0, end),
                Some(addend) => stacked(addend, (first, end), rows),
            };
            runs.push(Run {
                first,
                count: end - first,
                lhs_row,
                addend_row,
            });
            first = end;
        }
        runs
    }

    /// The products of a run one after the other.
    fn multiply_tiny(&self, tiny: &mut Small<T>, run: &Run) {
        let (rows, _, columns) = self.sizes;
        for product in run.first..run.first + run.count {
            let lhs = self.lhs.0.moved(self.lhs.1[product]);
            let rhs = self.rhs.0.moved(self.rhs.1[product]);
            let output = self.output.moved((product * rows * columns) as isize);
            // SAFETY: layouts were checked to fit their buffers; products do not overlap
            unsafe { tiny.multiply(lhs, rhs, output) };
        }
    }

    fn multiply(&self, op: &'static str, run: &Run, shared: bool) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        let at = |(matrix, offsets): &(Matrix<T>, Vec<isize>), row_stride: isize| Matrix {
            row_stride,
            ..matrix.moved(offsets[run.first])
        };
        let finish = self.factors.map(|(alpha, beta)| Finish {
            alpha: T::Sum::of(alpha),
            beta: T::Sum::of(beta),
            addend: self
                .addend
                .as_ref()
                .map(|addend| at(addend, run.addend_row)),
        });
        let lhs = at(&self.lhs, run.lhs_row);
        let rhs = at(&self.rhs, self.rhs.0.row_stride);
        let output = self.output.moved((run.first * rows * columns) as isize);
        let multiply = match shared {
            true => gemm::multiply,
            false => gemm::multiply_alone,
        };
        let sizes = (rows * run.count, inner, columns);
        // SAFETY: layouts were checked to fit their buffers; runs of the output do not overlap
        unsafe { multiply(op, sizes, lhs, rhs, output, finish) }
    }
}
