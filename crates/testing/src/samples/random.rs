//! Random bits.

use super::{between, exactly};
use crate::sample::Sample;
use mlx_oxide_ir::{Dtype, Op, Random, Shape};

pub(super) fn samples() -> Vec<Sample> {
    [1, 2, 4].iter().flat_map(|&width| of(width)).collect()
}

fn of(width: u8) -> Vec<Sample> {
    let sample = |label: &str, keys, shape: &[usize]| {
        let op = Random::Bits {
            shape: Shape::from(shape),
            width,
        };
        let label = format!("{label} width {width} shape {shape:?}");
        Sample::new(&label, Op::Random(op), vec![keys])
    };
    let key = || exactly([2], Dtype::Uint32, &[0.0, 7.0]);
    let keys = |leading: &[usize]| {
        let shape = [leading, &[2]].concat();
        between(shape, Dtype::Uint32, 0.0, f64::from(u32::MAX))
    };
    let shapes: [&[usize]; 10] = [
        &[],
        &[1],
        &[2],
        &[3],
        &[5],
        &[8],
        &[9],
        &[3, 7],
        &[0],
        &[1031],
    ];
    let mut samples: Vec<Sample> = shapes
        .iter()
        .map(|shape| sample("one key", key(), shape))
        .collect();
    for shape in [&[][..], &[1], &[5], &[2, 3]] {
        samples.push(sample("keys", keys(&[3]), shape));
        samples.push(sample("grid of keys", keys(&[2, 2]), shape));
    }
    samples.push(sample("no keys", keys(&[0]), &[4]));
    samples
}
