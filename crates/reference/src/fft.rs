//! Discrete Fourier transforms by their definition: one sum for each frequency, in double
//! precision, axis after axis.

use crate::elements::{Elements, lanes};
use crate::value::Value;
use mlx_oxide_ir::{ArrayType, Fft, Result};
use mlx_oxide_runtime::{Call, Results};
use num_complex::Complex64;
use std::f64::consts::TAU;

pub(crate) fn run(fft: &Fft, call: &Call<'_>) -> Result<Results> {
    let input = Elements::read(&call.inputs[0])?;
    let mut grid = Grid {
        array_type: input.array_type.clone(),
        values: input.values().map(Value::complex).collect(),
    };
    let Some((&halved, others)) = fft.axes().split_last() else {
        return input.finish(fft.name());
    };
    match fft {
        Fft::Forward { axes, .. } => axes.iter().for_each(|&axis| grid.transform(axis, -1.0)),
        Fft::Inverse { axes, .. } => axes.iter().for_each(|&axis| grid.transform(axis, 1.0)),
        Fft::RealForward { .. } => {
            grid.transform(halved, -1.0);
            let kept = grid.array_type.shape[halved] / 2 + 1;
            grid.relane(halved, kept, |lane| lane[..kept].to_vec());
            others.iter().for_each(|&axis| grid.transform(axis, -1.0));
        }
        Fft::RealInverse { length, .. } => {
            others.iter().for_each(|&axis| grid.transform(axis, 1.0));
            grid.relane(halved, *length, |lane| mirrored(lane, *length));
            grid.transform(halved, 1.0);
        }
    }
    let scaled = grid.values.iter().map(|value| value * fft.scale());
    let values = scaled.map(|value| match fft {
        Fft::RealInverse { .. } => Value::Real(value.re),
        Fft::Forward { .. } | Fft::Inverse { .. } | Fft::RealForward { .. } => {
            Value::Complex(value)
        }
    });
    Elements::collect(&call.outputs[0], values).finish(fft.name())
}

/// Complex elements in row-major order.
struct Grid {
    array_type: ArrayType,
    values: Vec<Complex64>,
}

impl Grid {
    /// Replaces every lane along an axis by another of `size` elements.
    fn relane(
        &mut self,
        axis: usize,
        size: usize,
        change: impl Fn(&[Complex64]) -> Vec<Complex64>,
    ) {
        let shape = self.array_type.shape.with(axis, size);
        let mut values = vec![Complex64::default(); shape.size()];
        let from = lanes(&self.array_type.shape, axis);
        for (from, to) in from.iter().zip(lanes(&shape, axis)) {
            let lane: Vec<Complex64> = from.iter().map(|&place| self.values[place]).collect();
            for (place, value) in to.into_iter().zip(change(&lane)) {
                values[place] = value;
            }
        }
        self.array_type.shape = shape;
        self.values = values;
    }

    fn transform(&mut self, axis: usize, sign: f64) {
        let size = self.array_type.shape[axis];
        self.relane(axis, size, |lane| {
            let sum = |frequency: usize| -> Complex64 {
                lane.iter()
                    .enumerate()
                    .map(|(time, value)| {
                        // the product modulo the period keeps the angle exact
                        let turn = (frequency * time % size) as f64 / size as f64;
                        value * Complex64::cis(sign * TAU * turn)
                    })
                    .sum()
            };
            (0..size).map(sum).collect()
        });
    }
}

/// All frequencies of a real signal from those that are stored.
fn mirrored(half: &[Complex64], length: usize) -> Vec<Complex64> {
    (0..length)
        .map(|frequency| {
            if frequency == 0 || 2 * frequency == length {
                Complex64::new(half[frequency].re, 0.0)
            } else if 2 * frequency < length {
                half[frequency]
            } else {
                half[length - frequency].conj()
            }
        })
        .collect()
}
