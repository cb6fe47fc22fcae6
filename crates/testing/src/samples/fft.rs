//! Discrete Fourier transforms.

use super::between;
use crate::sample::Sample;
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Axes, Dtype, Fft, Op};

/// Shape and axes: one element, powers of two, odd, prime, several axes in any order, blocks of
/// lanes that are not full, no elements.
const CASES: [(&[usize], &[usize]); 14] = [
    (&[1], &[0]),
    (&[2], &[0]),
    (&[3], &[0]),
    (&[8], &[0]),
    (&[12], &[0]),
    (&[31], &[0]),
    (&[64], &[0]),
    (&[5, 6], &[1]),
    (&[6, 5], &[0]),
    (&[4, 5, 19], &[1]),
    (&[3, 4, 5], &[0, 1, 2]),
    (&[4, 3, 6], &[2, 0]),
    (&[2, 3, 4], &[0, 1]),
    (&[0, 4], &[1]),
];

pub(super) fn samples() -> Vec<Sample> {
    let of = |(shape, axes): &(&[usize], &[usize])| {
        let names: Axes = axes.iter().copied().collect();
        let halved = axes[axes.len() - 1];
        let length = shape[halved];
        let mut half = shape.to_vec();
        half[halved] = length / 2 + 1;
        let scale = 0.5;
        vec![
            sample(
                shape,
                shape,
                Fft::Forward {
                    axes: names.clone(),
                    scale: scale.into(),
                },
            ),
            sample(
                shape,
                shape,
                Fft::Inverse {
                    axes: names.clone(),
                    scale: 1.0.into(),
                },
            ),
            sample(
                shape,
                shape,
                Fft::RealForward {
                    axes: names.clone(),
                    scale: scale.into(),
                },
            ),
            sample(
                &half,
                shape,
                Fft::RealInverse {
                    axes: names,
                    length,
                    scale: 1.0.into(),
                },
            ),
        ]
    };
    CASES.iter().flat_map(of).collect()
}

fn sample(input: &[usize], whole: &[usize], fft: Fft) -> Sample {
    let dtype = match fft {
        Fft::RealForward { .. } => Dtype::Float32,
        Fft::Forward { .. } | Fft::Inverse { .. } | Fft::RealInverse { .. } => Dtype::Complex64,
    };
    let terms: usize = fft.axes().iter().map(|&axis| whole[axis]).product();
    let label = format!("{whole:?} over {:?}", fft.axes());
    let inputs = vec![between(input, dtype, -1.0, 1.0)];
    let sample =
        Sample::new(&label, Op::Fft(fft), inputs).within(Tolerance::sum(dtype, terms + 1, 4.0));
    if input.iter().product::<usize>() <= 40 {
        sample.differentiable()
    } else {
        sample
    }
}
