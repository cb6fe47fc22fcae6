//! Arrays out of nothing.

use crate::sample::Sample;
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Dtype, Op, Scalar, Shape, Source};

pub(super) fn samples() -> Vec<Sample> {
    Dtype::ALL.iter().flat_map(|&dtype| of(dtype)).collect()
}

fn of(dtype: Dtype) -> Vec<Sample> {
    let full = |shape: Shape| {
        let value = Scalar::new(3.0, dtype);
        Sample::new(
            &format!("{dtype} {shape}"),
            Op::Source(Source::Full { shape, value }),
            vec![],
        )
    };
    let mut samples = vec![
        full(Shape::scalar()),
        full([2, 3, 5].into()),
        full([0, 4].into()),
        full([1031].into()),
    ];
    if dtype == Dtype::Bool {
        return samples;
    }
    let (start, step) = match dtype {
        dtype if dtype.is_inexact() => (-2.25, 0.3),
        dtype if dtype.is_signed_integer() => (5.0, -3.0),
        _ => (5.0, 3.0),
    };
    for count in [0, 1, 37, 1031] {
        let op = Op::Source(Source::Arange {
            start: start.into(),
            step: step.into(),
            count,
            dtype,
        });
        // start + i·step is rounded once or, with the product, twice
        let tolerance = Tolerance::function(dtype, 1);
        samples.push(Sample::new(&format!("{dtype} {count}"), op, vec![]).within(tolerance));
    }
    samples
}
