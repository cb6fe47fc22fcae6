//! Sorting and searching, by unsigned integers that have the order of the elements.

mod extreme;
mod key;
mod radix;
mod rows;
mod search;
mod select;
mod short;

use super::fused;
use half::{bf16, f16};
use key::{Complex, Element, complex_key};
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result, Sort};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use rows::Rows;
use smallvec::smallvec;

pub(crate) fn supports(_op: &Sort, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &Sort, call: &Call<'_>) -> Result<Results> {
    let stored = match op {
        Sort::Sort { axis } => along(*axis, call, sorted)?,
        Sort::Argsort { axis } => along(*axis, call, argsorted)?,
        Sort::Partition { axis, kth } => along(*axis, call, |dtype, rows, source, target| {
            parted(dtype, rows, *kth, source, target)
        })?,
        Sort::Argpartition { axis, kth } => along(*axis, call, |dtype, rows, source, target| {
            argparted(dtype, rows, *kth, source, target)
        })?,
        Sort::Searchsorted { right } => searched(*right, call)?,
    };
    Ok(smallvec![stored])
}

/// Orders along an axis, by `order(dtype, rows, from, to)`. Its rows are brought together first; the
/// output keeps the layout in which they lie together.
fn along(
    axis: usize,
    call: &Call<'_>,
    order: impl Fn(Dtype, Rows, *mut u8, *mut u8) -> Result<()>,
) -> Result<Stored> {
    let (operand, output) = (&call.inputs[0], &call.outputs[0]);
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    if output.size() == 0 {
        return Ok(Stored::contiguous(buffer, output));
    }
    let rank = output.shape.len();
    let last: Vec<usize> = (0..rank)
        .filter(|&other| other != axis)
        .chain([axis])
        .collect();
    let operand = Operand {
        layout: operand.layout.permute(&last),
        ..operand.clone()
    };
    let operand = gathered(call, &operand)?;
    let length = output.shape[axis];
    let rows = Rows {
        op: call.op.name(),
        count: output.size() / length,
        length,
    };
    let target = buffer.host_ptr()?.as_ptr();
    order(operand.dtype, rows, start(&operand)?, target)?;
    let mut back: Vec<usize> = (0..rank - 1).collect();
    back.insert(axis, rank - 1);
    let layout = Layout::contiguous(operand.layout.shape.clone()).permute(&back);
    Ok(Stored { buffer, layout })
}

/// The operand in row-major order at an aligned place: itself, or else a copy.
fn gathered(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    let aligned = start(operand)?.addr().is_multiple_of(operand.dtype.size());
    if aligned && operand.layout.is_contiguous() {
        return Ok(operand.clone());
    }
    Ok(Operand {
        buffer: fused::copy(call, operand)?,
        layout: Layout::contiguous(operand.layout.shape.clone()),
        ..operand.clone()
    })
}

/// Where the first element is.
fn start(operand: &Operand) -> Result<*mut u8> {
    let bytes = operand.layout.offset * operand.dtype.size();
    Ok(operand.buffer.host_ptr()?.as_ptr().wrapping_add(bytes))
}

/// `by_dtype!(dtype, E => real, complex)` is `real` with `E` the type of elements of the dtype,
/// and `complex` for complex numbers.
macro_rules! by_dtype {
    ($dtype:expr, $element:ident => $real:expr, $complex:expr) => {
        match $dtype {
            Dtype::Bool | Dtype::Uint8 => by_dtype!(@ $element = u8, $real),
            Dtype::Uint16 => by_dtype!(@ $element = u16, $real),
            Dtype::Uint32 => by_dtype!(@ $element = u32, $real),
            Dtype::Uint64 => by_dtype!(@ $element = u64, $real),
            Dtype::Int8 => by_dtype!(@ $element = i8, $real),
            Dtype::Int16 => by_dtype!(@ $element = i16, $real),
            Dtype::Int32 => by_dtype!(@ $element = i32, $real),
            Dtype::Int64 => by_dtype!(@ $element = i64, $real),
            Dtype::Float16 => by_dtype!(@ $element = f16, $real),
            Dtype::Bfloat16 => by_dtype!(@ $element = bf16, $real),
            Dtype::Float32 => by_dtype!(@ $element = f32, $real),
            Dtype::Float64 => by_dtype!(@ $element = f64, $real),
            Dtype::Complex64 => $complex,
        }
    };
    (@ $element:ident = $type:ty, $real:expr) => {{
        type $element = $type;
        $real
    }};
}

fn sorted(dtype: Dtype, rows: Rows, source: *mut u8, target: *mut u8) -> Result<()> {
    by_dtype!(
        dtype,
        E => rows::values::<E>(rows, source, target),
        rows::gathered::<Complex, _>(rows, source, target, complex_key)
    )
}

fn argsorted(dtype: Dtype, rows: Rows, source: *mut u8, target: *mut u8) -> Result<()> {
    by_dtype!(
        dtype,
        E => rows::positions::<E>(rows, source, target),
        rows::positions_by::<Complex, _>(rows, source, target, complex_key)
    )
}

fn parted(dtype: Dtype, rows: Rows, kth: usize, source: *mut u8, target: *mut u8) -> Result<()> {
    by_dtype!(
        dtype,
        E => select::values::<E, _>(rows, kth, source, target, E::key),
        select::values::<Complex, _>(rows, kth, source, target, complex_key)
    )
}

fn argparted(dtype: Dtype, rows: Rows, kth: usize, source: *mut u8, target: *mut u8) -> Result<()> {
    by_dtype!(
        dtype,
        E => select::positions::<E, _>(rows, kth, source, target, E::key),
        select::positions::<Complex, _>(rows, kth, source, target, complex_key)
    )
}

fn searched(right: bool, call: &Call<'_>) -> Result<Stored> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let (sequence, values) = (
        gathered(call, &call.inputs[0])?,
        gathered(call, &call.inputs[1])?,
    );
    let places = search::Places {
        sequence: start(&sequence)?,
        length: sequence.layout.size(),
        values: start(&values)?,
        count: values.layout.size(),
        target: buffer.host_ptr()?.as_ptr(),
        right,
    };
    by_dtype!(
        sequence.dtype,
        E => search::run::<E, _>(places, E::key),
        search::run::<Complex, _>(places, complex_key)
    );
    Ok(Stored::contiguous(buffer, output))
}
