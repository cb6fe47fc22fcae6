//! Sorting and searching, by unsigned keys that order as the elements do.

mod keys;
mod radix;

use super::fused;
use super::shared::Shared;
use keys::{Key, Ordered, complex_key, search_keys};
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result, Shape, Sort};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use radix::Radix;
use smallvec::{SmallVec, smallvec};

/// Elements of a piece of work.
const PIECE: usize = 16 * 1024;

pub(crate) fn supports(_op: &Sort, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &Sort, call: &Call<'_>) -> Result<Results> {
    match op {
        // a full sort is a partition around every position
        Sort::Sort { axis } | Sort::Partition { axis, .. } => sort(*axis, call),
        Sort::Argsort { axis } | Sort::Argpartition { axis, .. } => argsort(*axis, call),
        Sort::Searchsorted { right } => search(*right, call),
    }
}

/// The axes with one moved to the end.
fn axis_last(axis: usize, ndim: usize) -> SmallVec<[usize; 4]> {
    (0..ndim)
        .filter(|&other| other != axis)
        .chain([axis])
        .collect()
}

/// An array in memory with the sorted axis last, shown in its own order.
fn shown(buffer: Buffer, shape: &[usize], axes: &[usize]) -> Stored {
    let moved: Shape = axes.iter().map(|&axis| shape[axis]).collect();
    let mut back: SmallVec<[usize; 4]> = smallvec![0; axes.len()];
    for (place, &axis) in axes.iter().enumerate() {
        back[axis] = place;
    }
    Stored {
        buffer,
        layout: Layout::contiguous(moved).permute(&back),
    }
}

/// The rows of an operand along an axis, one after the other.
struct Rows {
    buffer: Buffer,
    axes: SmallVec<[usize; 4]>,
    count: usize,
    length: usize,
}

impl Rows {
    /// In memory that may be written.
    fn of(axis: usize, call: &Call<'_>) -> Result<Self> {
        let operand = &call.inputs[0];
        let shape = &operand.layout.shape;
        let axes = axis_last(axis, shape.len());
        let moved = Operand {
            layout: operand.layout.permute(&axes),
            ..operand.clone()
        };
        let bytes = operand.array_type().bytes();
        let last = axis + 1 == shape.len();
        let donated = last.then(|| operand.donate(bytes)).flatten();
        Ok(Rows {
            buffer: match donated {
                Some(buffer) => buffer,
                None => fused::copy(call, &moved)?,
            },
            axes,
            length: shape[axis],
            count: operand.layout.size().checked_div(shape[axis]).unwrap_or(0),
        })
    }
}

fn sort(axis: usize, call: &Call<'_>) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    if dtype == Dtype::Complex64 {
        return sort_complex(axis, call);
    }
    let rows = Rows::of(axis, call)?;
    match dtype {
        Dtype::Bool | Dtype::Uint8 => sort_rows::<u8>(&rows),
        Dtype::Uint16 => sort_rows::<u16>(&rows),
        Dtype::Uint32 => sort_rows::<u32>(&rows),
        Dtype::Uint64 => sort_rows::<u64>(&rows),
        Dtype::Int8 => sort_rows::<i8>(&rows),
        Dtype::Int16 => sort_rows::<i16>(&rows),
        Dtype::Int32 => sort_rows::<i32>(&rows),
        Dtype::Int64 => sort_rows::<i64>(&rows),
        Dtype::Float16 => sort_rows::<half::f16>(&rows),
        Dtype::Bfloat16 => sort_rows::<half::bf16>(&rows),
        Dtype::Float32 | Dtype::Complex64 => sort_rows::<f32>(&rows),
        Dtype::Float64 => sort_rows::<f64>(&rows),
    }?;
    let shape = &call.outputs[0].shape;
    Ok(smallvec![shown(rows.buffer, shape, &rows.axes)])
}

fn sort_rows<T: Ordered>(rows: &Rows) -> Result<()> {
    let target = Shared(rows.buffer.host_ptr()?.as_ptr());
    let grain = (PIECE / rows.length.max(1)).max(1);
    let one_by_one = rows.count < parallel::threads() && rows.length > radix::LONG;
    let each = |start: usize, end: usize| {
        let mut radix = Radix::default();
        for row in start..end {
            // SAFETY: the buffer holds all rows, and keys are as wide as elements; each row is
            // sorted by one thread
            let row = unsafe {
                let first = target.element::<T::Key>(row * rows.length);
                std::slice::from_raw_parts_mut(first, rows.length)
            };
            row.iter_mut().for_each(|bits| *bits = T::key(*bits));
            radix.sort(row, 0, T::Key::BYTES, |key| key.wide());
            row.iter_mut().for_each(|bits| *bits = T::bits(*bits));
        }
    };
    if one_by_one {
        each(0, rows.count); // the rows are long enough to be cut themselves
    } else {
        parallel::for_each_range(rows.count, grain, each);
    }
    Ok(())
}

/// Complex numbers go by their positions, because their keys lose what NaN hides.
fn sort_complex(axis: usize, call: &Call<'_>) -> Result<Results> {
    let rows = Rows::of(axis, call)?;
    let target = Shared(rows.buffer.host_ptr()?.as_ptr());
    let grain = (PIECE / rows.length.max(1)).max(1);
    parallel::for_each_range(rows.count, grain, |start, end| {
        let mut pairs: Vec<(u64, u64)> = Vec::with_capacity(rows.length);
        for row in start..end {
            // SAFETY: the buffer holds all rows; each is sorted by one thread
            let row = unsafe {
                let first = target.element::<u64>(row * rows.length);
                std::slice::from_raw_parts_mut(first, rows.length)
            };
            pairs.clear();
            pairs.extend(row.iter().map(|&bits| (complex_key(bits), bits)));
            pairs.sort_by_key(|pair| pair.0);
            for (bits, pair) in row.iter_mut().zip(&pairs) {
                *bits = pair.1;
            }
        }
    });
    let shape = &call.outputs[0].shape;
    Ok(smallvec![shown(rows.buffer, shape, &rows.axes)])
}

fn argsort(axis: usize, call: &Call<'_>) -> Result<Results> {
    let (operand, output) = (&call.inputs[0], &call.outputs[0]);
    let shape = &operand.layout.shape;
    let axes = axis_last(axis, shape.len());
    let moved = Operand {
        layout: operand.layout.permute(&axes),
        ..operand.clone()
    };
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let target = Shared(buffer.host_ptr()?.as_ptr());
    let length = shape[axis];
    let count = operand.layout.size().checked_div(length).unwrap_or(0);
    let narrow = operand.dtype.size() <= 4;
    let bytes = operand.dtype.size() as u32;
    let grain = (PIECE / 2 / length.max(1)).max(1);
    let each = |start: usize, end: usize| -> Result<()> {
        let mut radix = Radix::default();
        let (mut keys, mut pairs, mut wide) = (Vec::new(), Vec::new(), Vec::new());
        for row in start..end {
            // SAFETY: the buffer holds all rows; each is written by one thread
            let positions = unsafe {
                std::slice::from_raw_parts_mut(target.element::<u32>(row * length), length)
            };
            search_keys(&moved, row * length, length, &mut keys)?;
            let numbered = keys.iter().zip(0u64..);
            if narrow {
                pairs.clear();
                pairs.extend(numbered.map(|(&key, place)| key << 32 | place));
                radix.sort(&mut pairs, 4, 4 + bytes, |pair| pair);
                let places = positions.iter_mut().zip(&pairs);
                places.for_each(|(position, pair)| *position = *pair as u32);
            } else {
                wide.clear();
                wide.extend(numbered.map(|(&key, place)| (key, place as u32)));
                wide.sort_unstable();
                let places = positions.iter_mut().zip(&wide);
                places.for_each(|(position, pair)| *position = pair.1);
            }
        }
        Ok(())
    };
    if count < parallel::threads() && length > radix::LONG {
        each(0, count)?;
    } else {
        let failed = parking_lot::Mutex::new(Ok(()));
        parallel::for_each_range(count, grain, |start, end| {
            if let Err(error) = each(start, end) {
                *failed.lock() = Err(error);
            }
        });
        failed.into_inner()?;
    }
    Ok(smallvec![shown(buffer, &output.shape, &axes)])
}

fn search(right: bool, call: &Call<'_>) -> Result<Results> {
    let (sequence, values, output) = (&call.inputs[0], &call.inputs[1], &call.outputs[0]);
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let target = Shared(buffer.host_ptr()?.as_ptr());
    let mut sorted = Vec::new();
    search_keys(sequence, 0, sequence.layout.size(), &mut sorted)?;
    let failed = parking_lot::Mutex::new(Ok(()));
    parallel::for_each_range(output.size(), 2048, |start, end| {
        let mut keys = Vec::new();
        if let Err(error) = search_keys(values, start, end - start, &mut keys) {
            *failed.lock() = Err(error);
        }
        for (number, &key) in keys.iter().enumerate() {
            let place = if right {
                sorted.partition_point(|&other| other <= key)
            } else {
                sorted.partition_point(|&other| other < key)
            };
            // SAFETY: the buffer holds the output, each element written by one thread
            unsafe { target.element::<u32>(start + number).write(place as u32) };
        }
    });
    failed.into_inner()?;
    Ok(smallvec![Stored::contiguous(buffer, output)])
}
