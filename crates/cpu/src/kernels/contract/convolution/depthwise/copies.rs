//! Operands in the order in which vectors of channels read them.

use super::super::geometry::Axis;
use super::super::kernel::{Alone, Term};
use super::super::problem::{Problem, Target, Tensor};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};

/// Elements that one task copies.
const TASK: usize = 64 << 10;

/// The weight with features side by side, for so many places: as it is, or a copy.
///
/// # Safety
/// The problem's promises hold.
pub(super) unsafe fn side_by_side<T: Term>(
    problem: &Problem<T, Alone<T>>,
    places: usize,
) -> Result<(Option<Buffer>, Tensor<T>)> {
    if problem.weight.steps[0] == 1 && places == 1 {
        return Ok((None, problem.weight));
    }
    let geometry = &problem.geometry;
    let (features, [depth, height, length]) = (geometry.row(), geometry.kernel);
    let width = places * features;
    let count = geometry.channels * depth * height * length;
    let memory = Buffer::allocate(problem.op, count * width * size_of::<T>())?;
    let to = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    parallel::for_each_range(count, (TASK / width).max(1), |first, end| {
        for tap in first..end {
            let (x, rest) = (tap % length, tap / length);
            let (y, rest) = (rest % height, rest / height);
            let place = [0, rest % depth, y, x, rest / depth].map(|index| index as isize);
            let from = problem.weight.place(place);
            for feature in 0..width {
                let source = (feature % features) as isize * problem.weight.steps[0];
                let from = from.wrapping_offset(source);
                // SAFETY: by the caller's promise; the copy has every tap
                unsafe { to.at(tap * width + feature).write(from.read()) };
            }
        }
    });
    let steps = [1, height * length, length, 1, depth * height * length];
    let mut steps = steps.map(|step| (step * width) as isize);
    steps[0] = 1;
    let tensor = Tensor {
        start: to.0.cast_const(),
        steps,
    };
    Ok((Some(memory), tensor))
}

/// For each channel of a group the input with that channel for each feature, in a copy.
///
/// # Safety
/// The problem's promises hold.
pub(super) unsafe fn repeated<T: Term>(
    problem: &Problem<T, Alone<T>>,
    axes: &[Axis; 3],
) -> Result<(Buffer, Tensor<T>)> {
    let geometry = &problem.geometry;
    let (channels, features) = (geometry.channels, geometry.features);
    let (width, [depth, height, length]) = (geometry.row(), axes.map(|axis| axis.size));
    let places = geometry.batch * depth * height * length;
    let bytes = places * channels * width * size_of::<T>();
    let memory = Buffer::allocate(problem.op, bytes.max(1))?;
    let to = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    parallel::for_each_range(places, (TASK / (channels * width)).max(1), |first, end| {
        for place in first..end {
            let (x, rest) = (place % length, place / length);
            let (y, rest) = (rest % height, rest / height);
            let from = [rest / depth, rest % depth, y, x, 0].map(|index| index as isize);
            let from = problem.input.place(from);
            for channel in 0..channels {
                let to = to.at((channel * places + place) * width);
                let from = from.wrapping_add(channel);
                // SAFETY: by the caller's promise; the copy has every place and channel
                unsafe {
                    match features {
                        2 => repeat::<T, 2>(from, channels, geometry.groups, to),
                        4 => repeat::<T, 4>(from, channels, geometry.groups, to),
                        8 => repeat::<T, 8>(from, channels, geometry.groups, to),
                        _ => {
                            for feature in 0..width {
                                let from = from.add(feature / features * channels);
                                to.add(feature).write(from.read());
                            }
                        }
                    }
                }
            }
        }
    });
    let steps = [depth * height * length, height * length, length, 1, places];
    let tensor = Tensor {
        start: to.0.cast_const(),
        steps: steps.map(|step| (step * width) as isize),
    };
    Ok((memory, tensor))
}

/// Writes every `step`th of some elements `TIMES` times.
///
/// # Safety
/// So many elements are there, and room for all copies.
unsafe fn repeat<T: Copy, const TIMES: usize>(
    from: *const T,
    step: usize,
    count: usize,
    to: *mut T,
) {
    let to = to.cast::<[T; TIMES]>();
    for index in 0..count {
        // SAFETY: by the caller's promise
        unsafe {
            to.add(index)
                .write_unaligned([from.add(index * step).read(); TIMES])
        };
    }
}
