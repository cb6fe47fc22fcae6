//! Packing, unpacking and numbers of eight bits.

use super::operand::{Packed, Scratch, Singles, narrow, row_major, widen};
use super::rows::{self, Numbers, Rows};
use crate::gemm::compiled::compiled;
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use crate::simd::half::{round_to_bf16, round_to_f16};
use mlx_oxide_ir::float8::{E2M1_MAX, E4M3_MAX, from_e4m3, from_e8m0, to_e2m1, to_e4m3, to_e8m0};
use mlx_oxide_ir::{Dtype, Packing, QuantizationMode, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Elements that one task packs or unpacks.
const GRAIN: usize = 16 << 10;
/// The greatest group.
const GROUP: usize = 128;
/// The greatest modulus that a global scale of 1 stands for.
const GLOBAL: f32 = E4M3_MAX * E2M1_MAX;

/// What packing a group gives.
struct Group {
    elements: [u8; GROUP],
    scale: f32,
    bias: f32,
    /// The stored scale of the modes that have bits of their own.
    bits: u8,
}

impl Group {
    const EMPTY: Group = Group {
        elements: [0; GROUP],
        scale: 0.0,
        bias: 0.0,
        bits: 0,
    };
}

/// The number rounded to a floating dtype of at most 32 bits.
#[inline(always)]
fn rounded(number: f32, dtype: Dtype) -> f32 {
    match dtype {
        Dtype::Float16 => round_to_f16(number),
        Dtype::Bfloat16 => round_to_bf16(number),
        _ => number,
    }
}

#[inline(always)]
unsafe fn affine_loop(numbers: &[f32], bits: usize, group: &mut Group) {
    const LEAST_SCALE: f32 = 1e-7;
    let steps = ((1u32 << bits) - 1) as f32;
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for &number in numbers {
        low = if number < low { number } else { low };
        high = if number > high { number } else { high };
    }
    let (mut scale, mut bias) = (high - low, low);
    if bits == 1 {
        scale = scale.max(LEAST_SCALE);
    } else {
        scale = (scale / steps).max(LEAST_SCALE);
        let edge = if low.abs() > high.abs() { low } else { high };
        scale = if low.abs() > high.abs() {
            scale
        } else {
            -scale
        };
        let count = (edge / scale).round_ties_even();
        bias = 0.0;
        if count != 0.0 {
            (scale, bias) = (edge / count, edge);
        }
    }
    for (element, number) in group.elements.iter_mut().zip(numbers) {
        let count = ((number - bias) / scale).round_ties_even();
        // NaN becomes zero
        *element = count.max(0.0).min(steps) as i32 as u8;
    }
    (group.scale, group.bias) = (scale, bias);
}

compiled! {
    /// As the specification of the mode says.
    fn pack_affine(numbers: &[f32], bits: usize, group: &mut Group) by affine_loop
}

fn greatest(numbers: &[f32]) -> f32 {
    numbers
        .iter()
        .fold(0.0, |most, number| most.max(number.abs()))
}

/// Modes whose scales have bits of their own: the step of a group and its elements.
fn pack_scaled(
    packing: &Packing,
    numbers: &[f32],
    dtype: Dtype,
    global: Option<f32>,
    group: &mut Group,
) {
    let eight = packing.bits == 8;
    let top = if eight { E4M3_MAX } else { E2M1_MAX };
    let factor = global.map_or(1.0, |greatest| GLOBAL / greatest);
    let wanted = rounded(greatest(numbers) / top, dtype);
    let step;
    (group.bits, step) = match packing.mode {
        QuantizationMode::Nvfp4 => {
            let bits = to_e4m3(wanted * factor);
            (bits, from_e4m3(bits))
        }
        QuantizationMode::Affine | QuantizationMode::Mxfp4 | QuantizationMode::Mxfp8 => {
            let bits = to_e8m0(wanted);
            (bits, from_e8m0(bits))
        }
    };
    group.scale = match global {
        Some(greatest) => step * (greatest / GLOBAL),
        None => step,
    };
    for (element, number) in group.elements.iter_mut().zip(numbers) {
        let quotient = rounded(number / step, dtype) * factor;
        *element = if eight {
            to_e4m3(quotient)
        } else {
            to_e2m1(quotient)
        };
    }
}

fn pack_group(
    packing: &Packing,
    numbers: &[f32],
    dtype: Dtype,
    global: Option<f32>,
    group: &mut Group,
) {
    match packing.mode {
        // SAFETY: the best instruction set is there
        QuantizationMode::Affine => unsafe {
            pack_affine(Isa::best(), numbers, packing.bits, group);
        },
        QuantizationMode::Mxfp4 | QuantizationMode::Mxfp8 | QuantizationMode::Nvfp4 => {
            pack_scaled(packing, numbers, dtype, global, group);
        }
    }
}

/// Packs every group of the first input and gives it to `take` with its number, on all threads.
fn each_group(
    packing: &Packing,
    call: &Call<'_>,
    take: impl Fn(usize, &Group) + Sync,
) -> Result<()> {
    let (operand, size) = (&call.inputs[0], packing.group_size);
    let numbers = Singles::new(operand)?;
    let start = numbers.start()? as usize;
    let global = match call.inputs.get(1) {
        Some(scale) => {
            let scale = Singles::new(scale)?;
            // SAFETY: inference saw to it that there is one number
            Some(unsafe { scale.start()?.read() })
        }
        None => None,
    };
    parallel::for_each_range(operand.layout.size() / size, GRAIN / size, |first, end| {
        let mut group = Group::EMPTY;
        for number in first..end {
            let from = (start as *const f32).wrapping_add(number * size);
            // SAFETY: the operand is whole groups
            let numbers = unsafe { std::slice::from_raw_parts(from, size) };
            pack_group(packing, numbers, operand.dtype, global, &mut group);
            take(number, &group);
        }
    });
    Ok(())
}

/// Eight elements at a time are a whole number of bytes.
fn write_packed(elements: &[u8], bits: usize, to: *mut u8) {
    for (place, eight) in elements.chunks_exact(8).enumerate() {
        let joined = eight
            .iter()
            .rev()
            .fold(0u64, |joined, element| joined << bits | u64::from(*element));
        let bytes = joined.to_le_bytes();
        let to = to.wrapping_add(place * bits);
        // SAFETY: the output has `bits` bytes for eight elements
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bits) };
    }
}

pub(super) fn quantize(packing: Packing, call: &Call<'_>) -> Result<Results> {
    let buffers = call
        .outputs
        .iter()
        .map(|output| Buffer::allocate("quantize", output.bytes()))
        .collect::<Result<Vec<_>>>()?;
    let targets = buffers
        .iter()
        .map(|buffer| Ok(Shared(buffer.host_ptr()?.as_ptr())))
        .collect::<Result<Vec<_>>>()?;
    let (size, bits) = (packing.group_size, packing.bits);
    let dtype = call.outputs[1].dtype;
    let write_number = |target: &Shared<u8>, number: usize, value: f32| {
        let to = target.element::<u8>(number * dtype.size());
        // SAFETY: the output has an element for each group
        unsafe { narrow(dtype, &raw const value, to.cast(), 1) };
    };
    each_group(&packing, call, |number, group| {
        let words = targets[0].element::<u8>(number * size * bits / 8);
        write_packed(&group.elements[..size], bits, words);
        if packing.has_biases() {
            write_number(&targets[1], number, group.scale);
            write_number(&targets[2], number, group.bias);
        } else {
            // SAFETY: as above
            unsafe { *targets[1].element::<u8>(number) = group.bits };
        }
    })?;
    let stored = buffers.into_iter().zip(call.outputs);
    Ok(stored
        .map(|(buffer, output)| Stored::contiguous(buffer, output))
        .collect())
}

/// `scale·element + bias`, each step rounded to the dtype, and the numbers of a group narrowed.
struct Unpacked {
    dtype: Dtype,
    /// Whether scales are numbers of single precision and so is the product.
    exact: bool,
}

impl Unpacked {
    /// # Safety
    /// The output has room for the numbers.
    unsafe fn write(&self, numbers: &mut [f32], scale: f32, bias: Option<f32>, to: *mut u16) {
        let Unpacked { dtype, exact } = *self;
        // SAFETY: the best instruction set is there
        unsafe {
            match (dtype, exact) {
                (Dtype::Float16, false) => scale_half(Isa::best(), numbers, scale, bias),
                (Dtype::Bfloat16, false) => scale_brain(Isa::best(), numbers, scale, bias),
                _ => scale_single(Isa::best(), numbers, scale, bias),
            }
        }
        // SAFETY: by the caller's promise
        unsafe { narrow(dtype, numbers.as_ptr(), to, numbers.len()) };
    }
}

#[inline(always)]
fn scale_loop(numbers: &mut [f32], scale: f32, bias: Option<f32>, round: impl Fn(f32) -> f32) {
    let scale = round(scale);
    // adding negative zero keeps every number
    let bias = bias.unwrap_or(-0.0);
    for number in numbers {
        *number = round(round(*number * scale) + bias);
    }
}

#[inline(always)]
unsafe fn half_loop(numbers: &mut [f32], scale: f32, bias: Option<f32>) {
    scale_loop(numbers, scale, bias, round_to_f16);
}

#[inline(always)]
unsafe fn brain_loop(numbers: &mut [f32], scale: f32, bias: Option<f32>) {
    scale_loop(numbers, scale, bias, round_to_bf16);
}

#[inline(always)]
unsafe fn single_loop(numbers: &mut [f32], scale: f32, bias: Option<f32>) {
    scale_loop(numbers, scale, bias, |number| number);
}

compiled! { fn scale_half(numbers: &mut [f32], scale: f32, bias: Option<f32>) by half_loop }
compiled! { fn scale_brain(numbers: &mut [f32], scale: f32, bias: Option<f32>) by brain_loop }
compiled! { fn scale_single(numbers: &mut [f32], scale: f32, bias: Option<f32>) by single_loop }

pub(super) fn requantize(packing: Packing, call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate("qqmm", output.bytes())?;
    let target = Shared(buffer.host_ptr()?.as_ptr());
    let size = packing.group_size;
    let unpacked = Unpacked {
        dtype: output.dtype,
        exact: call.inputs.len() > 1,
    };
    each_group(&packing, call, |number, group| {
        let mut numbers = [0f32; GROUP];
        for (number, element) in numbers.iter_mut().zip(&group.elements[..size]) {
            *number = match packing.mode {
                QuantizationMode::Affine => f32::from(*element),
                QuantizationMode::Mxfp8 => from_e4m3(*element),
                QuantizationMode::Mxfp4 | QuantizationMode::Nvfp4 => {
                    mlx_oxide_ir::float8::E2M1[usize::from(*element)]
                }
            };
        }
        let bias = packing
            .has_biases()
            .then(|| rounded(group.bias, output.dtype));
        let to = target.element::<u8>(number * size * output.dtype.size());
        // SAFETY: the output has room for each group
        unsafe { unpacked.write(&mut numbers[..size], group.scale, bias, to.cast()) };
    })?;
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

pub(super) fn dequantize(packing: Packing, call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let packed = Packed::new(packing, &call.inputs[..packing.parts()])?;
    let global = match call.inputs.get(packing.parts()) {
        Some(scale) => {
            let scale = Singles::new(scale)?;
            // SAFETY: inference saw to it that there is one number
            Some(unsafe { scale.start()?.read() } / GLOBAL)
        }
        None => None,
    };
    let buffer = Buffer::allocate("dequantize", output.bytes())?;
    let target = Shared(buffer.host_ptr()?.as_ptr());
    let unpacked = Unpacked {
        dtype: output.dtype,
        exact: global.is_some(),
    };
    let (columns, width) = (packed.columns(), output.dtype.size());
    let failure = parking_lot::Mutex::new(None);
    let rows = packed.count() * packed.rows;
    parallel::for_each_range(rows, (GRAIN / columns.max(1)).max(1), |first, end| {
        let mut scratch = Scratch::default();
        let mut numbers = vec![0f32; columns];
        for row in first..end {
            let (matrix, row_in) = (row / packed.rows, row % packed.rows);
            let to = target.element::<u8>(row * columns * width);
            let block = packed.block(matrix, row_in..row_in + 1, 0..packed.groups, &mut scratch);
            match block {
                // SAFETY: the output has room for every row
                Ok(block) => unsafe { write_row(block, global, &mut numbers, &unpacked, to) },
                Err(error) => *failure.lock() = Some(error),
            }
        }
    });
    match failure.into_inner() {
        Some(error) => Err(error),
        None => Ok(smallvec![Stored::contiguous(buffer, output)]),
    }
}

/// # Safety
/// The output has room for the row.
unsafe fn write_row(
    block: Rows,
    global: Option<f32>,
    numbers: &mut [f32],
    unpacked: &Unpacked,
    to: *mut u8,
) {
    let elements = Rows {
        scales: std::ptr::null(),
        biases: std::ptr::null(),
        ..block
    };
    let output = Numbers {
        start: numbers.as_mut_ptr(),
        row_stride: 0,
        count: 1,
    };
    // SAFETY: the block is one row of as many elements; the best instruction set is there
    unsafe { rows::unpack(Isa::best(), elements, output) };
    let size = block.packing.group_size;
    for (group, numbers) in numbers.chunks_exact_mut(size).enumerate() {
        // SAFETY: the row has a scale and perhaps a bias for each group
        let (scale, bias) = unsafe {
            let bias = block.biases;
            (
                *block.scales.wrapping_add(group),
                (!bias.is_null()).then(|| *bias.wrapping_add(group)),
            )
        };
        let scale = scale * global.unwrap_or(1.0);
        let to = to.wrapping_add(group * size * unpacked.dtype.size());
        // SAFETY: by the caller's promise
        unsafe { unpacked.write(numbers, scale, bias, to.cast()) };
    }
}

/// Converts elements one by one: numbers of `from` bytes to numbers of `to` bytes.
fn each_element(call: &Call<'_>, convert: impl Fn(*const u8, *mut u8) + Sync) -> Result<Results> {
    let (operand, output) = (&call.inputs[0], &call.outputs[0]);
    let (source, offset) = row_major(operand)?;
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let (from, to) = (operand.dtype.size(), output.dtype.size());
    let start = source.host_ptr()?.as_ptr() as usize + offset * from;
    let target = Shared(buffer.host_ptr()?.as_ptr());
    parallel::for_each_range(output.size(), GRAIN, |first, end| {
        for place in first..end {
            convert(
                (start as *const u8).wrapping_add(place * from),
                target.element(place * to),
            );
        }
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

pub(super) fn to_fp8(call: &Call<'_>) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    each_element(call, |from, to| {
        let mut number = 0f32;
        // SAFETY: one element on either side
        unsafe {
            match dtype {
                Dtype::Float64 => number = from.cast::<f64>().read_unaligned() as f32,
                dtype => widen(dtype, from.cast(), &raw mut number, 1),
            }
            *to = to_e4m3(number);
        }
    })
}

pub(super) fn from_fp8(call: &Call<'_>) -> Result<Results> {
    let dtype = call.outputs[0].dtype;
    each_element(call, |from, to| {
        // SAFETY: one element on either side
        unsafe {
            let number = from_e4m3(*from);
            match dtype {
                Dtype::Float64 => to.cast::<f64>().write_unaligned(number.into()),
                dtype => narrow(dtype, &raw const number, to.cast(), 1),
            }
        }
    })
}
