//! Gradients of normalisations, in single precision for 16-bit floats: rows and cotangents are read
//! once from memory for the gradients of all inputs.
//!
//! Those of the parameters are sums over rows: of [`GROUP`] rows, then of a block's groups, then of
//! blocks, whose number depends on the shape alone.

use super::layer_norm::{Centre, joined};
use super::rows::{self, LONG, Output, total};
use crate::kernels::declined;
use crate::kernels::fused::scratch::with_scratch;
use crate::kernels::fused::{self, Halves};
use crate::kernels::rows::{TOGETHER, fetch_behind};
use crate::kernels::shared::{Aligned, Shared};
use crate::simd::float::{Float, Wide};
use crate::simd::{Isa, Kernel, stream, vectorised};
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use std::mem::MaybeUninit;

/// Rows whose products are added one after the other.
const GROUP: usize = 64;
/// The most blocks of rows.
const BLOCKS: usize = 128;
/// Rows of a block at least, whose sums take the memory of two rows.
const LEAST_ROWS: usize = 16;
/// Elements of a block at least, if there are as many.
const LEAST_ELEMENTS: usize = 32 << 10;
/// Sums side by side, in the registers of AVX2.
const LANES: usize = 16;
/// Elements that are summed lane by lane.
const PIECE: usize = 256 * LANES;
/// Elements that are computed before they pass by the caches.
const TILE: usize = 512;

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    inputs[0].dtype.is_floating()
}

pub(super) fn run(call: &Call<'_>, eps: f64, centred: bool) -> Result<Results> {
    with_float!(
        call.inputs[0].dtype,
        T => of::<Wide<T>>(call, eps, centred, Isa::best()),
        Err(declined(call))
    )
}

/// Runs the call on an instruction set.
pub(super) fn of<T: Float>(call: &Call<'_>, eps: f64, centred: bool, isa: Isa) -> Result<Results> {
    let weight = &rows::vector::<T>(&call.inputs[1])?;
    let [operand, _, cotangent] = &call.inputs else {
        return Err(declined(call));
    };
    let length = weight.len();
    let count = operand.layout.size().checked_div(length).unwrap_or(0);
    let buffers = call
        .outputs
        .iter()
        .map(|output| Buffer::allocate(call.op.name(), output.bytes()))
        .collect::<Result<Vec<_>>>()?;
    let least = LEAST_ROWS.max(LEAST_ELEMENTS.div_ceil(length.max(1)));
    let block = count.div_ceil(BLOCKS).max(least);
    let blocks = count.div_ceil(block);
    let mut sums = vec![T::ZERO; blocks.max(1) * 2 * length];
    let (inputs, results) = (
        [
            fused::contiguous(call, operand)?,
            fused::contiguous(call, cotangent)?,
        ],
        Shared(buffers[0].host_ptr()?.as_ptr()),
    );
    let gradient = Gradient {
        inputs: [start(&inputs[0])?, start(&inputs[1])?],
        results,
        weight,
        eps: T::from_double(eps),
        centred,
        halves: Halves::of(operand.dtype, isa),
        isa,
        streamed: length * size_of::<T>() >= LONG
            && stream::pays(call.outputs[0].bytes(), operand.buffer.len()),
    };
    let shared = Shared(sums.as_mut_ptr());
    parallel::for_each(blocks, |number| {
        let from = shared.pointer().wrapping_add(number * 2 * length);
        // SAFETY: there is room for the sums of every block, these only this task's
        let sums = unsafe { std::slice::from_raw_parts_mut(from, 2 * length) };
        gradient.block(number * block, count.min((number + 1) * block), sums);
    });
    vectorised(
        isa,
        Join {
            sums: &mut sums,
            length,
        },
    );
    for (buffer, sums) in buffers[1..].iter().zip(sums.chunks(length.max(1))) {
        let to = buffer.host_ptr()?.as_ptr();
        match &gradient.halves {
            Some(halves) => {
                // SAFETY: the output has a row of 16-bit floats
                let to = unsafe { std::slice::from_raw_parts_mut(to.cast(), length) };
                halves.narrowed::<u16, T>(to, sums);
            }
            // SAFETY: the output has a row of elements
            None => unsafe {
                to.cast::<T>()
                    .copy_from_nonoverlapping(sums.as_ptr(), length)
            },
        }
    }
    let pairs = buffers.into_iter().zip(call.outputs);
    Ok(pairs
        .map(|(buffer, output)| Stored::contiguous(buffer, output))
        .collect())
}

fn start(operand: &Operand) -> Result<Shared<u8>> {
    let offset = operand.layout.offset * operand.dtype.size();
    Ok(Shared(
        operand.buffer.host_ptr()?.as_ptr().wrapping_add(offset),
    ))
}

/// Rows, their cotangents and where their gradients go, all in row-major order.
struct Gradient<'a, T> {
    inputs: [Shared<u8>; 2],
    results: Shared<u8>,
    weight: &'a [T],
    eps: T,
    centred: bool,
    halves: Option<Halves>,
    isa: Isa,
    streamed: bool,
}

impl<T: Float> Gradient<'_, T> {
    /// Works on some rows and writes the sums of cotangents times normalised rows and, behind them,
    /// of cotangents.
    fn block(&self, first: usize, end: usize, sums: &mut [T]) {
        let length = self.weight.len();
        let mut group_sums = vec![T::ZERO; 2 * length];
        for first in (first..end).step_by(GROUP) {
            group_sums.fill(T::ZERO);
            let end = end.min(first + GROUP);
            match &self.halves {
                Some(halves) => self.widened(halves, first, end, &mut group_sums),
                None => {
                    let (start, size) = (first * length, (end - first) * length);
                    let inputs = self.inputs.each_ref().map(|input| {
                        let from = input.element::<T>(start).cast_const();
                        // SAFETY: operands have these rows
                        unsafe { std::slice::from_raw_parts(from, size) }
                    });
                    let to = self.results.element::<MaybeUninit<T>>(start);
                    // SAFETY: the output has them too, and they are only this task's
                    let elements = unsafe { std::slice::from_raw_parts_mut(to, size) };
                    self.rows(inputs, elements, self.streamed, &mut group_sums);
                }
            }
            for (sum, group_sum) in sums.iter_mut().zip(&group_sums) {
                *sum = *sum + *group_sum;
            }
        }
    }

    /// The same by way of rows in single precision.
    fn widened(&self, halves: &Halves, first: usize, end: usize, sums: &mut [T]) {
        let length = self.weight.len();
        let together = (TOGETHER / length).max(1);
        let room = together * length;
        with_scratch(3 * room * size_of::<T>(), |scratch| {
            for row in (first..end).step_by(together) {
                let size = together.min(end - row) * length;
                let part = |number: usize| {
                    let from = scratch.cast::<MaybeUninit<T>>().wrapping_add(number * room);
                    // SAFETY: the scratch memory has room for the three, aligned, and is this
                    // task's own
                    unsafe { std::slice::from_raw_parts_mut(from, size) }
                };
                let [rows, cotangents, elements] = [part(0), part(1), part(2)];
                let inputs = self.inputs.each_ref().map(|input| {
                    let from = input.element::<u16>(row * length).cast_const();
                    // SAFETY: operands have these rows
                    unsafe { std::slice::from_raw_parts(from, size) }
                });
                let rows = halves.widened::<u16, T>(rows, inputs[0]);
                let cotangents = halves.widened::<u16, T>(cotangents, inputs[1]);
                self.rows([rows, cotangents], elements, false, sums);
                // SAFETY: the rows above have filled them
                let elements = unsafe { elements.assume_init_ref() };
                let to = self.results.element::<MaybeUninit<u16>>(row * length);
                // SAFETY: rows of the output, only this task's
                let to = unsafe { std::slice::from_raw_parts_mut(to, size) };
                halves.narrowed(to, elements);
            }
        });
    }

    fn rows(
        &self,
        inputs: [&[T]; 2],
        elements: &mut [MaybeUninit<T>],
        streamed: bool,
        sums: &mut [T],
    ) {
        let output = Output { elements, streamed };
        match self.centred {
            true => self.rows_of::<true>(inputs, output, sums),
            false => self.rows_of::<false>(inputs, output, sums),
        }
    }

    fn rows_of<const CENTRED: bool>(
        &self,
        [rows, cotangents]: [&[T]; 2],
        output: Output<'_, T>,
        sums: &mut [T],
    ) {
        let (weight, eps) = (self.weight, self.eps);
        let (scaled, shifted) = sums.split_at_mut(weight.len());
        let each = Rows::<'_, T, CENTRED> {
            rows,
            cotangents,
            output,
            weight,
            eps,
            scaled,
            shifted,
        };
        vectorised(self.isa, each);
    }
}

/// Rows one behind the other.
struct Rows<'a, T, const CENTRED: bool> {
    rows: &'a [T],
    cotangents: &'a [T],
    output: Output<'a, T>,
    weight: &'a [T],
    eps: T,
    /// Sums of cotangents times normalised rows.
    scaled: &'a mut [T],
    /// Sums of cotangents.
    shifted: &'a mut [T],
}

impl<T: Float, const CENTRED: bool> Kernel for Rows<'_, T, CENTRED> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let length = self.weight.len();
        let count = T::from_double(length as f64);
        let Output { elements, streamed } = self.output;
        let inputs = self.rows.chunks_exact(length);
        let inputs = inputs.zip(self.cotangents.chunks_exact(length));
        let mut tile = Aligned([const { MaybeUninit::uninit() }; TILE]);
        for ((row, cotangents), elements) in inputs.zip(elements.chunks_exact_mut(length)) {
            let normal = Normal::<T, CENTRED>::of(row, self.eps);
            let (mut level, mut along) = (T::ZERO, T::ZERO);
            for first in (0..length).step_by(PIECE) {
                let part = first..length.min(first + PIECE);
                let terms = Terms {
                    row: &row[part.clone()],
                    cotangents: &cotangents[part.clone()],
                    weight: &self.weight[part.clone()],
                };
                let (scaled, shifted) = (&mut self.scaled[part.clone()], &mut self.shifted[part]);
                let (level_of_part, along_of_part) = terms.sum(&normal, scaled, shifted);
                (level, along) = (level + level_of_part, along + along_of_part);
            }
            let (level, along) = (level / count, along / count);
            for first in (0..length).step_by(TILE) {
                let part = first..length.min(first + TILE);
                fetch_behind(row, first, part.len());
                fetch_behind(cotangents, first, part.len());
                let terms = Terms {
                    row: &row[part.clone()],
                    cotangents: &cotangents[part.clone()],
                    weight: &self.weight[part.clone()],
                };
                let part = &mut elements[part];
                if !streamed {
                    terms.write(&normal, level, along, part);
                    continue;
                }
                let (to, bytes) = (part.as_mut_ptr().cast(), size_of_val(part));
                terms.write(&normal, level, along, &mut tile.0[..part.len()]);
                // SAFETY: the tile holds as many elements as the part of the output
                unsafe { stream::copy(to, tile.0.as_ptr().cast(), bytes) };
            }
        }
        if streamed {
            stream::settle();
        }
    }
}

/// How a row is normalised.
struct Normal<T, const CENTRED: bool> {
    centre: Option<Centre<T>>,
    scale: T,
}

impl<T: Float, const CENTRED: bool> Normal<T, CENTRED> {
    #[inline(always)]
    fn of(row: &[T], eps: T) -> Self {
        let centre = CENTRED.then(|| Centre::of(row));
        let square = match &centre {
            Some(centre) => centre.variance,
            None => total(row, |x| x * x) / T::from_double(row.len() as f64),
        };
        let scale = T::ONE / (square + eps).sqrt();
        Normal { centre, scale }
    }

    #[inline(always)]
    fn element(&self, element: T) -> T {
        match &self.centre {
            Some(centre) if CENTRED => centre.deviation(element) * self.scale,
            _ => element * self.scale,
        }
    }
}

/// A part of a row, of its cotangents and of the weight.
struct Terms<'a, T> {
    row: &'a [T],
    cotangents: &'a [T],
    weight: &'a [T],
}

impl<T: Float> Terms<'_, T> {
    /// Adds to the gradients of the parameters; the sums of weighted cotangents, zero unless
    /// centred, and of these times the normalised row.
    #[inline(always)]
    fn sum<const CENTRED: bool>(
        &self,
        normal: &Normal<T, CENTRED>,
        scaled: &mut [T],
        shifted: &mut [T],
    ) -> (T, T) {
        let (mut levels, mut alongs) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let add = |element: T, cotangent: T, weight: T, totals: [&mut T; 4]| {
            let [level, along, scaled, shifted] = totals;
            let (value, weighted) = (normal.element(element), cotangent * weight);
            *along = *along + weighted * value;
            *scaled = *scaled + cotangent * value;
            if CENTRED {
                *level = *level + weighted;
                *shifted = *shifted + cotangent;
            }
        };
        let (rows, row_end) = self.row.as_chunks::<LANES>();
        let (cotangents, cotangent_end) = self.cotangents.as_chunks::<LANES>();
        let (weights, weight_end) = self.weight.as_chunks::<LANES>();
        let (scaled, scaled_end) = scaled.as_chunks_mut::<LANES>();
        let (shifted, shifted_end) = shifted.as_chunks_mut::<LANES>();
        let inputs = rows.iter().zip(cotangents).zip(weights);
        for (((row, cotangent), weight), (scaled, shifted)) in
            inputs.zip(scaled.iter_mut().zip(shifted))
        {
            for lane in 0..LANES {
                let totals = [
                    &mut levels[lane],
                    &mut alongs[lane],
                    &mut scaled[lane],
                    &mut shifted[lane],
                ];
                add(row[lane], cotangent[lane], weight[lane], totals);
            }
        }
        let (mut level, mut along) = (joined(levels), joined(alongs));
        let inputs = row_end.iter().zip(cotangent_end).zip(weight_end);
        for (((row, cotangent), weight), (scaled, shifted)) in
            inputs.zip(scaled_end.iter_mut().zip(shifted_end))
        {
            let totals = [&mut level, &mut along, scaled, shifted];
            add(*row, *cotangent, *weight, totals);
        }
        (level, along)
    }

    /// Writes the gradients of the row.
    #[inline(always)]
    fn write<const CENTRED: bool>(
        &self,
        normal: &Normal<T, CENTRED>,
        level: T,
        along: T,
        to: &mut [MaybeUninit<T>],
    ) {
        let inputs = self.row.iter().zip(self.cotangents).zip(self.weight);
        for (result, ((element, cotangent), weight)) in to.iter_mut().zip(inputs) {
            let rest = *cotangent * *weight - level - normal.element(*element) * along;
            result.write(normal.scale * rest);
        }
    }
}

/// Adds the sums of all blocks to those of the first.
struct Join<'a, T> {
    sums: &'a mut [T],
    length: usize,
}

impl<T: Float> Kernel for Join<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if self.length == 0 {
            return;
        }
        let (first, others) = self.sums.split_at_mut(2 * self.length);
        for sums in others.chunks_exact(2 * self.length) {
            for (total, sum) in first.iter_mut().zip(sums) {
                *total = *total + *sum;
            }
        }
    }
}
