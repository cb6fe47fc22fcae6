//! Operands as kernels read them: matrices of contiguous rows, in single precision.

use super::lanes::READABLE;
use super::rows::Rows;
use crate::gemm::compiled::compiled;
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use crate::simd::half::{Bfloat16, Float16, Half};
use mlx_oxide_ir::{Dtype, Layout, Packing, QuantizationMode, Result, Shape};
use mlx_oxide_runtime::{Buffer, Operand, parallel};
use std::ops::Range;

/// Elements that a thread converts at a time.
const GRAIN: usize = 32 << 10;

/// Matrices whose rows follow each other; the matrices themselves may lie anywhere.
pub(super) struct Matrices {
    buffer: Buffer,
    /// First element of each matrix.
    pub(super) offsets: Vec<usize>,
    /// Rows of a matrix.
    pub(super) rows: usize,
    /// Elements of a row.
    pub(super) columns: usize,
    width: usize,
}

impl Matrices {
    /// The operand's own memory, or a copy where its rows do not follow each other.
    pub(super) fn new(operand: &Operand) -> Result<Self> {
        let layout = &operand.layout;
        let ndim = layout.shape.ndim();
        let (rows, columns) = (layout.shape[ndim - 2], layout.shape[ndim - 1]);
        let follow = (columns <= 1 || layout.strides[ndim - 1] == 1)
            && (rows <= 1 || layout.strides[ndim - 2] == columns as isize);
        let width = operand.dtype.size();
        if follow {
            let leading = Layout {
                shape: Shape::from(&layout.shape[..ndim - 2]),
                strides: layout.strides[..ndim - 2].iter().copied().collect(),
                offset: layout.offset,
            };
            return Ok(Matrices {
                buffer: operand.buffer.clone(),
                offsets: leading.places().collect(),
                rows,
                columns,
                width,
            });
        }
        let buffer = contiguous(operand)?;
        let count = layout.shape[..ndim - 2].iter().product();
        Ok(Matrices {
            buffer,
            offsets: (0..count).map(|matrix| matrix * rows * columns).collect(),
            rows,
            columns,
            width,
        })
    }

    /// The first byte of a row from an element on.
    fn at(&self, matrix: usize, row: usize, column: usize) -> Result<*const u8> {
        let element = self.offsets[matrix] + row * self.columns + column;
        let start = self.buffer.host_ptr()?.as_ptr();
        Ok(start.wrapping_add(element * self.width).cast_const())
    }

    fn end(&self) -> Result<usize> {
        Ok(self.buffer.host_ptr()?.as_ptr() as usize + self.buffer.len())
    }
}

/// A row-major copy of the elements.
pub(super) fn contiguous(operand: &Operand) -> Result<Buffer> {
    let width = operand.dtype.size();
    let source = operand.buffer.host_ptr()?.as_ptr();
    let buffer = Buffer::allocate("quantize", operand.layout.size() * width)?;
    let mut to = buffer.host_ptr()?.as_ptr();
    for place in operand.layout.places() {
        // SAFETY: the layout fits its buffer; the copy has room for each element
        unsafe { to.copy_from_nonoverlapping(source.wrapping_add(place * width), width) };
        to = to.wrapping_add(width);
    }
    Ok(buffer)
}

/// All elements in row-major order, without a copy where they lie so.
pub(super) fn row_major(operand: &Operand) -> Result<(Buffer, usize)> {
    if operand.layout.is_contiguous() {
        return Ok((operand.buffer.clone(), operand.layout.offset));
    }
    Ok((contiguous(operand)?, 0))
}

/// The elements in single precision.
pub(super) struct Singles {
    buffer: Buffer,
    offset: usize,
}

impl Singles {
    pub(super) fn new(operand: &Operand) -> Result<Self> {
        let (buffer, offset) = row_major(operand)?;
        if operand.dtype == Dtype::Float32 {
            return Ok(Singles { buffer, offset });
        }
        let size = operand.layout.size();
        let wide = Buffer::allocate("quantized_matmul", size * 4)?;
        let source = buffer
            .host_ptr()?
            .as_ptr()
            .cast::<u16>()
            .wrapping_add(offset) as usize;
        let target = Shared(wide.host_ptr()?.as_ptr());
        parallel::for_each_range(size, GRAIN, |start, end| {
            let from = (source as *const u16).wrapping_add(start);
            // SAFETY: both have `size` elements; ranges of tasks do not overlap
            unsafe { widen(operand.dtype, from, target.element(start), end - start) };
        });
        Ok(Singles {
            buffer: wide,
            offset: 0,
        })
    }

    pub(super) fn start(&self) -> Result<*mut f32> {
        let start = self.buffer.host_ptr()?.as_ptr().cast::<f32>();
        Ok(start.wrapping_add(self.offset))
    }
}

#[inline(always)]
unsafe fn widen_loop<H: Half>(from: *const u16, to: *mut f32, count: usize) {
    for place in 0..count {
        // SAFETY: by the caller's promise
        unsafe { *to.wrapping_add(place) = H::widen(*from.wrapping_add(place)) };
    }
}

#[inline(always)]
unsafe fn narrow_loop<H: Half>(from: *const f32, to: *mut u16, count: usize) {
    for place in 0..count {
        // SAFETY: by the caller's promise
        unsafe { *to.wrapping_add(place) = H::narrow(*from.wrapping_add(place)) };
    }
}

compiled! { fn widen_f16(from: *const u16, to: *mut f32, count: usize) by widen_loop::<Float16> }
compiled! { fn widen_bf16(from: *const u16, to: *mut f32, count: usize) by widen_loop::<Bfloat16> }
compiled! { fn narrow_f16(from: *const f32, to: *mut u16, count: usize) by narrow_loop::<Float16> }
compiled! {
    fn narrow_bf16(from: *const f32, to: *mut u16, count: usize) by narrow_loop::<Bfloat16>
}

/// Elements of a floating dtype of at most 32 bits in single precision.
///
/// # Safety
/// `count` elements can be read and written.
pub(super) unsafe fn widen(dtype: Dtype, from: *const u16, to: *mut f32, count: usize) {
    let isa = Isa::best();
    // SAFETY: by the caller's promise; the best instruction set is there
    unsafe {
        match dtype {
            Dtype::Float16 => widen_f16(isa, from, to, count),
            Dtype::Bfloat16 => widen_bf16(isa, from, to, count),
            _ => to.copy_from_nonoverlapping(from.cast(), count),
        }
    }
}

/// Numbers as elements of a floating dtype of at most 32 bits.
///
/// # Safety
/// `count` elements can be read and written.
pub(super) unsafe fn narrow(dtype: Dtype, from: *const f32, to: *mut u16, count: usize) {
    let isa = Isa::best();
    // SAFETY: by the caller's promise; the best instruction set is there
    unsafe {
        match dtype {
            Dtype::Float16 => narrow_f16(isa, from, to, count),
            Dtype::Bfloat16 => narrow_bf16(isa, from, to, count),
            _ => to.cast::<f32>().copy_from_nonoverlapping(from, count),
        }
    }
}

/// A packed operand.
pub(super) struct Packed {
    pub(super) packing: Packing,
    words: Matrices,
    scales: Matrices,
    biases: Option<Matrices>,
    dtype: Dtype,
    /// Rows of a matrix.
    pub(super) rows: usize,
    /// Groups of a row.
    pub(super) groups: usize,
}

/// Memory that holds what a task cannot read in place.
#[derive(Default)]
pub(super) struct Scratch {
    words: Vec<u8>,
    scales: Vec<f32>,
    biases: Vec<f32>,
}

impl Packed {
    /// The operands that are words, scales and perhaps biases.
    pub(super) fn new(packing: Packing, parts: &[Operand]) -> Result<Self> {
        let scales = Matrices::new(&parts[1])?;
        Ok(Packed {
            packing,
            words: Matrices::new(&parts[0])?,
            biases: match packing.has_biases() {
                true => Some(Matrices::new(&parts[2])?),
                false => None,
            },
            dtype: parts[1].dtype,
            rows: scales.rows,
            groups: scales.columns,
            scales,
        })
    }

    /// How many matrices there are.
    pub(super) fn count(&self) -> usize {
        self.words.offsets.len()
    }

    /// Elements of a row.
    pub(super) fn columns(&self) -> usize {
        self.groups * self.packing.group_size
    }

    /// Bytes of a packed group.
    pub(super) fn group_bytes(&self) -> usize {
        self.packing.group_size * self.packing.bits / 8
    }

    /// Some rows of a matrix and of each some groups, as kernels read them.
    pub(super) fn block(
        &self,
        matrix: usize,
        rows: Range<usize>,
        groups: Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<Rows> {
        let group_bytes = self.group_bytes();
        let first_word = groups.start * group_bytes / 4;
        let mut words = self.words.at(matrix, rows.start, first_word)?;
        let mut row_bytes = self.groups * group_bytes;
        let wanted = groups.len() * group_bytes;
        let reach = words as usize + rows.len().saturating_sub(1) * row_bytes + wanted + READABLE;
        if reach > self.words.end()? {
            // vectors would read past the end of the memory
            scratch.words.clear();
            for row in 0..rows.len() {
                let from = words.wrapping_add(row * row_bytes);
                // SAFETY: the row's groups are inside of the operand
                let bytes = unsafe { std::slice::from_raw_parts(from, wanted) };
                scratch.words.extend_from_slice(bytes);
            }
            scratch.words.resize(rows.len() * wanted + READABLE, 0);
            (words, row_bytes) = (scratch.words.as_ptr(), wanted);
        }
        let (scales, row_groups) =
            self.numbers(&self.scales, matrix, &rows, &groups, &mut scratch.scales)?;
        let biases = match &self.biases {
            Some(biases) => {
                self.numbers(biases, matrix, &rows, &groups, &mut scratch.biases)?
                    .0
            }
            None => std::ptr::null(),
        };
        Ok(Rows {
            packing: self.packing,
            words,
            row_bytes,
            scales,
            biases,
            row_groups,
            count: rows.len(),
            groups: groups.len(),
        })
    }

    /// Scales or biases in single precision, and from one row to the next.
    fn numbers(
        &self,
        stored: &Matrices,
        matrix: usize,
        rows: &Range<usize>,
        groups: &Range<usize>,
        scratch: &mut Vec<f32>,
    ) -> Result<(*const f32, usize)> {
        let start = stored.at(matrix, rows.start, groups.start)?;
        if self.dtype == Dtype::Float32 {
            return Ok((start.cast(), self.groups));
        }
        let count = groups.len();
        scratch.resize(rows.len() * count, 0.0);
        // rows that are all there follow each other
        let run = if count == self.groups {
            rows.len() * count
        } else {
            count
        };
        for (row, numbers) in scratch.chunks_exact_mut(run.max(1)).enumerate() {
            let from = start.wrapping_add(row * self.groups * self.dtype.size());
            // SAFETY: the row's groups are inside of the operand
            unsafe { self.decode(from, numbers) };
        }
        Ok((scratch.as_ptr(), count))
    }

    /// # Safety
    /// There are as many stored scales as numbers.
    unsafe fn decode(&self, from: *const u8, numbers: &mut [f32]) {
        // SAFETY: by the caller's promise; the best instruction set is there
        unsafe {
            match self.packing.mode {
                QuantizationMode::Affine => {
                    widen(self.dtype, from.cast(), numbers.as_mut_ptr(), numbers.len());
                }
                QuantizationMode::Mxfp4 | QuantizationMode::Mxfp8 => {
                    decode_e8m0(Isa::best(), from, numbers);
                }
                QuantizationMode::Nvfp4 => decode_e4m3(Isa::best(), from, numbers),
            }
        }
    }
}

compiled! { fn decode_e8m0(from: *const u8, numbers: &mut [f32]) by e8m0_loop }
compiled! { fn decode_e4m3(from: *const u8, numbers: &mut [f32]) by e4m3_loop }

/// # Safety
/// There are as many elements as numbers.
#[inline(always)]
unsafe fn e8m0_loop(from: *const u8, numbers: &mut [f32]) {
    for (place, to) in numbers.iter_mut().enumerate() {
        // SAFETY: by the caller's promise
        let bits = u32::from(unsafe { *from.wrapping_add(place) });
        // the least power is subnormal, the greatest infinite
        *to = f32::from_bits(if bits == 0 { 1 << 22 } else { bits << 23 });
    }
}

/// # Safety
/// There are as many elements as numbers.
#[inline(always)]
unsafe fn e4m3_loop(from: *const u8, numbers: &mut [f32]) {
    for (place, to) in numbers.iter_mut().enumerate() {
        // SAFETY: by the caller's promise
        let bits = u32::from(unsafe { *from.wrapping_add(place) });
        // the fields as those of a number 2^120 times smaller
        let modulus = f32::from_bits((bits & 0x7f) << 20) * f32::from_bits(247 << 23);
        let modulus = if bits & 0x7f == 0x7f {
            f32::NAN
        } else {
            modulus
        };
        *to = f32::from_bits(modulus.to_bits() | (bits & 0x80) << 24);
    }
}

#[cfg(test)]
mod tests {
    use super::{decode_e4m3, decode_e8m0};
    use crate::simd::Isa;
    use mlx_oxide_ir::float8::{from_e4m3, from_e8m0};

    #[test]
    fn scales_of_eight_bits_are_decoded_as_the_specification_says() {
        let all: Vec<u8> = (0..=255).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut powers = vec![0f32; 256];
            let mut numbers = vec![0f32; 256];
            // SAFETY: as many elements as numbers; the instruction set is there
            unsafe {
                decode_e8m0(isa, all.as_ptr(), &mut powers);
                decode_e4m3(isa, all.as_ptr(), &mut numbers);
            }
            for bits in all.iter().copied() {
                let place = usize::from(bits);
                let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                assert!(same(powers[place], from_e8m0(bits)), "{bits} on {isa:?}");
                assert!(same(numbers[place], from_e4m3(bits)), "{bits} on {isa:?}");
            }
        }
    }
}
