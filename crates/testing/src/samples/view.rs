//! Views.

use super::between;
use crate::sample::Sample;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{AsStrided, Dtype, Op, Shape, View};

pub(super) fn samples() -> Vec<Sample> {
    let views = Dtype::ALL.iter().flat_map(|&dtype| of(dtype));
    views.chain(bitcasts()).collect()
}

fn range(start: usize, step: isize, count: usize) -> SliceRange {
    SliceRange { start, step, count }
}

fn of(dtype: Dtype) -> Vec<Sample> {
    let sample = |label: &str, shape: &[usize], view: View| {
        let input = between(shape, dtype, -9.0, 9.0);
        Sample::new(label, Op::View(view), vec![input]).differentiable()
    };
    let reshape = |from: &[usize], to: &[usize]| {
        sample(
            &format!("{from:?} to {to:?}"),
            from,
            View::Reshape(Shape::from(to)),
        )
    };
    let broadcast = |from: &[usize], to: &[usize]| {
        sample(
            &format!("{from:?} to {to:?}"),
            from,
            View::Broadcast(Shape::from(to)),
        )
    };
    let windows = AsStrided {
        shape: [5, 3].into(),
        strides: [2, 1].as_slice().into(),
        offset: 1,
    };
    let backwards = AsStrided {
        shape: [2, 2].into(),
        strides: [-3, 1].as_slice().into(),
        offset: 6,
    };
    vec![
        reshape(&[2, 3, 4], &[4, 6]),
        reshape(&[2, 3, 4], &[24]),
        reshape(&[], &[1, 1]),
        reshape(&[3, 0], &[0, 7]),
        sample(
            "cycle",
            &[2, 3, 4],
            View::Permute([2, 0, 1].as_slice().into()),
        ),
        sample("scalar", &[], View::Permute([].as_slice().into())),
        broadcast(&[3, 1], &[2, 3, 4]),
        broadcast(&[], &[2, 3]),
        broadcast(&[1], &[0]),
        sample(
            "steps",
            &[7, 5],
            View::Slice([range(6, -2, 3), range(1, 3, 2)].as_slice().into()),
        ),
        sample(
            "of no rows",
            &[7, 5],
            View::Slice([range(0, 1, 0), range(1, 1, 2)].as_slice().into()),
        ),
        sample("windows", &[3, 4], View::AsStrided(Box::new(windows))),
        sample("backwards", &[3, 4], View::AsStrided(Box::new(backwards))),
        sample("plain", &[3, 4], View::Contiguous),
        sample("empty", &[3, 0], View::Contiguous),
        Sample {
            differentiable: false, // by definition other than the differences
            ..sample("plain", &[3, 4], View::StopGradient)
        },
    ]
}

/// Between all widths. Not into bool, whose bytes are 0 and 1 alone.
fn bitcasts() -> Vec<Sample> {
    let targets = |from: Dtype| {
        let fits =
            move |to: &&Dtype| **to != Dtype::Bool && (8 * from.size()).is_multiple_of(to.size());
        Dtype::ALL.iter().filter(fits)
    };
    let cast = |from: Dtype, to: Dtype| {
        let input = between([3, 8], from, -9.0, 9.0);
        let label = format!("as {to}");
        let sample = Sample::new(&label, Op::View(View::Bitcast(to)), vec![input]);
        let single = |dtype| matches!(dtype, Dtype::Float32 | Dtype::Complex64);
        match from == to || (single(from) && single(to)) {
            true => sample.differentiable(), // the same numbers, in other elements
            false => sample,
        }
    };
    Dtype::ALL
        .iter()
        .flat_map(|&from| targets(from).map(move |&to| cast(from, to)))
        .collect()
}
