//! Discrete Fourier transforms: one pass over the lanes of each axis, with cached plans.

mod across;
mod lanes;
mod moves;
mod plan;

use lanes::{Lanes, Offsets, Shared, Transform, pass};
use mlx_oxide_ir::{ArrayType, Fft, Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use num_complex::Complex32;
use plan::{Complex, FromReal, ToReal};
use smallvec::smallvec;
use std::ops::Range;

pub(crate) fn supports(_op: &Fft, _inputs: &[&ArrayType]) -> bool {
    true // inference admits only the dtypes there are kernels for
}

pub(crate) fn run(op: &Fft, call: &Call<'_>) -> Result<Results> {
    let (input, output) = (&call.inputs[0], &call.outputs[0]);
    if output.size() == 0 {
        let buffer = Buffer::allocate(op.name(), 0)?;
        return Ok(smallvec![Stored::contiguous(buffer, output)]);
    }
    let buffer = match op {
        Fft::Forward { axes, .. } => complex(op, input, output, axes, false)?,
        Fft::Inverse { axes, .. } => complex(op, input, output, axes, true)?,
        Fft::RealForward { .. } => real_forward(op, input, output)?,
        Fft::RealInverse { length, .. } => real_inverse(op, input, output, *length)?,
    };
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

/// The axes with the innermost last: its lanes are read from the input, whatever its layout.
fn inner_first(axes: &[usize]) -> Vec<usize> {
    let mut order = axes.to_vec();
    order.sort_unstable_by(|a, b| b.cmp(a));
    order
}

fn complex(
    op: &Fft,
    input: &Operand,
    output: &ArrayType,
    axes: &[usize],
    inverse: bool,
) -> Result<Buffer> {
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let target = shared::<Complex32>(&buffer)?;
    let mut source = (shared::<Complex32>(&input.buffer)?, input.layout.clone());
    let order = inner_first(axes);
    let mut passes = Passes::new(op, &output.shape);
    for (number, &axis) in order.iter().enumerate() {
        let plan = Complex::new(
            output.shape[axis],
            inverse,
            scale_of_pass(op, number, order.len()),
        );
        passes.add(plan, (source.0, &source.1), target, &output.shape, axis);
        source = (target, Layout::contiguous(output.shape.clone()));
    }
    passes.run()?;
    Ok(buffer)
}

fn real_forward(op: &Fft, input: &Operand, output: &ArrayType) -> Result<Buffer> {
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let target = shared::<Complex32>(&buffer)?;
    let (halved, others) = split(op);
    let count = others.len() + 1;
    let plan = FromReal::new(input.layout.shape[halved], scale_of_pass(op, 0, count));
    let source = (shared::<f32>(&input.buffer)?, &input.layout);
    let mut passes = Passes::new(op, &output.shape);
    passes.add(plan, source, target, &output.shape, halved);
    let layout = Layout::contiguous(output.shape.clone());
    for (number, axis) in inner_first(others).into_iter().enumerate() {
        let scale = scale_of_pass(op, number + 1, count);
        let plan = Complex::new(output.shape[axis], false, scale);
        passes.add(plan, (target, &layout), target, &output.shape, axis);
    }
    passes.run()?;
    Ok(buffer)
}

fn real_inverse(op: &Fft, input: &Operand, output: &ArrayType, length: usize) -> Result<Buffer> {
    let (halved, others) = split(op);
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let target = shared::<f32>(&buffer)?;
    let shape = &input.layout.shape;
    let count = others.len() + 1;
    // the frequencies between the passes; the buffer outlives the last one
    let between = match others {
        [] => None,
        _ => Some(Buffer::allocate(
            op.name(),
            shape.size() * size_of::<Complex32>(),
        )?),
    };
    let mut source = (shared::<Complex32>(&input.buffer)?, input.layout.clone());
    let mut passes = Passes::new(op, shape);
    for (number, axis) in inner_first(others).into_iter().enumerate() {
        let Some(between) = &between else { break };
        let plan = Complex::new(shape[axis], true, scale_of_pass(op, number, count));
        let middle = shared::<Complex32>(between)?;
        passes.add(plan, (source.0, &source.1), middle, shape, axis);
        source = (middle, Layout::contiguous(shape.clone()));
    }
    let plan = ToReal::new(length, scale_of_pass(op, count - 1, count));
    passes.add(plan, (source.0, &source.1), target, &output.shape, halved);
    passes.run()?;
    Ok(buffer)
}

/// The last named axis and the others.
fn split(op: &Fft) -> (usize, &[usize]) {
    match op.axes().split_last() {
        Some((&halved, others)) => (halved, others),
        None => (0, &[]), // inference admits no transform without axes
    }
}

/// The last pass multiplies.
fn scale_of_pass(op: &Fft, number: usize, passes: usize) -> f32 {
    if number + 1 == passes {
        op.scale() as f32
    } else {
        1.0
    }
}

fn shared<T>(buffer: &Buffer) -> Result<Shared<T>> {
    Ok(Shared(buffer.host_ptr()?.as_ptr().cast()))
}

/// All passes of a transform, run one after the other for some of the arrays of a batch and then
/// for the next ones: what one pass wrote is still in the cache when the next one reads it.
struct Passes<'a> {
    /// Arrays of the batch.
    arrays: usize,
    /// Arrays that are transformed together.
    together: usize,
    passes: Vec<Box<dyn Fn(Range<usize>) -> Result<()> + 'a>>,
}

/// Bytes that are transformed together: half of what a core has of the last cache, or all if they
/// are little more.
const TOGETHER: usize = 8 << 20;

impl<'a> Passes<'a> {
    fn new(op: &Fft, shape: &Shape) -> Self {
        let first = op.axes().iter().min().copied().unwrap_or(0);
        let arrays: usize = shape[..first].iter().product();
        let bytes = shape[first..].iter().product::<usize>() * size_of::<Complex32>();
        Passes {
            arrays,
            together: match op.axes().len() == 1 || arrays * bytes <= 2 * TOGETHER {
                true => arrays.max(1),
                false => (TOGETHER / bytes.max(1)).max(1),
            },
            passes: Vec::new(),
        }
    }

    /// Adds a transform of every lane along an axis of a source into a row-major target of shape
    /// `shape`, which may be the source itself when that is row-major and of the same shape.
    fn add<T: Transform + 'a>(
        &mut self,
        transform: T,
        source: (Shared<T::Input>, &Layout),
        target: Shared<T::Output>,
        shape: &Shape,
        axis: usize,
    ) {
        let (start, layout) = source;
        let mut leading = Layout {
            shape: layout.shape.clone(),
            strides: layout.strides.clone(),
            offset: layout.offset,
        };
        leading.shape.remove(axis);
        leading.strides.remove(axis);
        let lanes = Lanes {
            offsets: Offsets::new(leading),
            source_stride: layout.strides[axis],
            source_length: layout.shape[axis],
            target_length: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        };
        let each = lanes.offsets.count() / self.arrays.max(1);
        self.passes.push(Box::new(move |arrays| {
            let range = arrays.start * each..arrays.end * each;
            pass(&transform, start, target, &lanes, range)
        }));
    }

    fn run(&self) -> Result<()> {
        for first in (0..self.arrays).step_by(self.together) {
            let arrays = first..self.arrays.min(first + self.together);
            for pass in &self.passes {
                pass(arrays.clone())?;
            }
        }
        Ok(())
    }
}
