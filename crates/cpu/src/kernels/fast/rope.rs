//! Rotary position embedding, in single precision for 16-bit floats.
//!
//! Sines and cosines of all positions are tabled once in double precision: every head turns by
//! the same angles.

use super::rows::{self, Function, Output};
use crate::kernels::declined;
use crate::simd::float::{Float, Wide};
use crate::simd::math::double::{self, GREATEST_ANGLE};
use crate::simd::{Isa, Kernel, vectorised};
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Fast, Result};
use mlx_oxide_runtime::{Call, Results};
use std::mem::MaybeUninit;

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    let [operand, offset, _] = inputs else {
        return false;
    };
    // of two axes the first is both batch and time, where offsets in number would be a table of
    // their square
    let few_offsets = offset.shape.size() == 1 || operand.shape.ndim() > 2;
    operand.dtype.is_floating() && few_offsets
}

pub(super) fn run(op: &Fast, call: &Call<'_>) -> Result<Results> {
    let Fast::Rope {
        dims,
        traditional,
        scale,
        inverse,
    } = op
    else {
        return Err(declined(call));
    };
    let scale = if *inverse { -scale.get() } else { scale.get() };
    let turn = Turn {
        dims: *dims,
        traditional: *traditional,
        scale,
    };
    with_float!(call.inputs[0].dtype, T => turn.rows::<Wide<T>>(call), Err(declined(call)))
}

struct Turn {
    dims: usize,
    traditional: bool,
    /// Factor of the positions, negative to turn back.
    scale: f64,
}

impl Turn {
    fn rows<T: Float>(&self, call: &Call<'_>) -> Result<Results> {
        let shape = &call.outputs[0].shape;
        let times = shape[shape.ndim() - 2];
        let isa = Isa::best();
        let offsets = rows::vector::<i32>(&call.inputs[1])?;
        let frequencies = rows::vector::<f32>(&call.inputs[2])?;
        let rows_of_batch: usize = shape[1..shape.ndim() - 1].iter().product();
        let (cosines, sines) = self.table::<T>(isa, &offsets, &frequencies, times);
        let half = self.dims / 2;
        let turned = Turned::<T> {
            cosines: &cosines,
            sines: &sines,
            half,
            times,
            rows_of_batch,
            one_offset: offsets.len() == 1,
            traditional: self.traditional,
        };
        rows::for_each::<T, _>(call, isa, turned)
    }

    /// Cosines and sines for each offset, time and frequency.
    fn table<W: Float>(
        &self,
        isa: Isa,
        offsets: &[i32],
        frequencies: &[f32],
        times: usize,
    ) -> (Vec<W>, Vec<W>) {
        let mut angles = Vec::with_capacity(offsets.len() * times * frequencies.len());
        for &offset in offsets {
            for time in 0..times {
                let position = (f64::from(offset) + time as f64) * self.scale;
                angles.extend(frequencies.iter().map(|f| position * f64::from(*f)));
            }
        }
        let zero = W::from_double(0.0);
        let (mut cosines, mut sines) = (vec![zero; angles.len()], vec![zero; angles.len()]);
        let table = Table {
            angles: &angles,
            cosines: &mut cosines,
            sines: &mut sines,
        };
        vectorised(isa, table);
        (cosines, sines)
    }
}

struct Table<'a, W> {
    angles: &'a [f64],
    cosines: &'a mut [W],
    sines: &'a mut [W],
}

impl<W: Float> Kernel for Table<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut greatest = 0.0f64;
        let places = self.cosines.iter_mut().zip(self.sines.iter_mut());
        for (&angle, (cosine, sine)) in self.angles.iter().zip(places) {
            *cosine = W::from_double(double::cos(angle));
            *sine = W::from_double(double::sin(angle));
            greatest = greatest.max(angle.abs());
        }
        if greatest < GREATEST_ANGLE {
            return;
        }
        let places = self.cosines.iter_mut().zip(self.sines);
        for (&angle, (cosine, sine)) in self.angles.iter().zip(places) {
            *cosine = W::from_double(angle.cos());
            *sine = W::from_double(angle.sin());
        }
    }
}

/// Turns the pairs of a row: `(x, y)` becomes `(x·cos - y·sin, x·sin + y·cos)`.
struct Turned<'a, T: Float> {
    cosines: &'a [T],
    sines: &'a [T],
    half: usize,
    times: usize,
    rows_of_batch: usize,
    one_offset: bool,
    traditional: bool,
}

impl<T: Float> Function<T> for Turned<'_, T> {
    #[inline(always)]
    fn apply(&self, number: usize, row: &[T], _wide: &mut [MaybeUninit<T>], output: Output<'_, T>) {
        let batch = match self.one_offset {
            true => 0,
            false => number / self.rows_of_batch,
        };
        let half = self.half;
        let from = (batch * self.times + number % self.times) * half;
        let (row, kept) = row.split_at(2 * half);
        let (output, rest) = output.whole().split_at_mut(2 * half);
        let angles = self.cosines[from..from + half]
            .iter()
            .zip(&self.sines[from..from + half]);
        let turned =
            |x: T, y: T, cosine: T, sine: T| (x * cosine - y * sine, x * sine + y * cosine);
        if self.traditional {
            let pairs = row.as_chunks::<2>().0.iter();
            let places = output.as_chunks_mut::<2>().0.iter_mut();
            for ((places, [x, y]), (cosine, sine)) in places.zip(pairs).zip(angles) {
                let (first, second) = turned(*x, *y, *cosine, *sine);
                *places = [MaybeUninit::new(first), MaybeUninit::new(second)];
            }
        } else {
            let (firsts, seconds) = output.split_at_mut(half);
            let pairs = row[..half].iter().zip(&row[half..]);
            let places = firsts.iter_mut().zip(seconds);
            for ((place, (x, y)), (cosine, sine)) in places.zip(pairs).zip(angles) {
                let (first, second) = turned(*x, *y, *cosine, *sine);
                place.0.write(first);
                place.1.write(second);
            }
        }
        for (place, element) in rest.iter_mut().zip(kept) {
            place.write(*element);
        }
    }
}
