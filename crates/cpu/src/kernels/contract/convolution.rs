//! Convolutions as matrix products of gathered windows: a block of output places at a time, so
//! that the gathered windows stay in the second cache.

use super::product::{Matrix, Number, multiply};
use mlx_oxide_ir::{Convolution, Layout, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::{SmallVec, smallvec};

/// Bytes of gathered windows that one task holds.
const BLOCK_BYTES: usize = 512 << 10;

/// The geometry with three spatial axes, those that are missing of size 1.
struct Geometry {
    input: [usize; 3],
    kernel: [usize; 3],
    output: [usize; 3],
    stride: [usize; 3],
    low: [isize; 3],
    kernel_dilation: [usize; 3],
    input_dilation: [usize; 3],
    batch: usize,
    groups: usize,
    /// Input channels of one group.
    channels: usize,
    /// Output channels of one group.
    features: usize,
    flip: bool,
    /// Steps of the input: batch, three spatial axes, channel.
    steps: [isize; 5],
}

fn three<T: Copy>(values: &[T], missing: T) -> [T; 3] {
    let mut all = [missing; 3];
    all[3 - values.len()..].copy_from_slice(values);
    all
}

impl Geometry {
    fn new(convolution: &Convolution, call: &Call<'_>) -> Self {
        let input = &call.inputs[0].layout;
        let weight = &call.inputs[1].layout.shape;
        let spatial = input.shape.ndim() - 2;
        let spatial_steps = three(&input.strides[1..=spatial], 0);
        Geometry {
            input: three(&input.shape[1..=spatial], 1),
            kernel: three(&weight[1..=spatial], 1),
            output: three(&call.outputs[0].shape[1..=spatial], 1),
            stride: three(&convolution.stride, 1),
            low: three(&convolution.padding_low, 0),
            kernel_dilation: three(&convolution.kernel_dilation, 1),
            input_dilation: three(&convolution.input_dilation, 1),
            batch: input.shape[0],
            groups: convolution.groups,
            channels: weight[spatial + 1],
            features: weight[0] / convolution.groups,
            flip: convolution.flip,
            steps: [
                input.strides[0],
                spatial_steps[0],
                spatial_steps[1],
                spatial_steps[2],
                input.strides[spatial + 1],
            ],
        }
    }

    /// Elements of one gathered window.
    fn window(&self) -> usize {
        self.kernel.iter().product::<usize>() * self.channels
    }

    /// Output places of the whole batch.
    fn places(&self) -> usize {
        self.batch * self.output.iter().product::<usize>()
    }

    /// The input position under tap `tap` at output place `place` along an axis, if there is an
    /// element and no padding or gap.
    fn source(&self, axis: usize, place: usize, tap: usize) -> Option<usize> {
        let tap = if self.flip {
            self.kernel[axis] - 1 - tap
        } else {
            tap
        };
        let position = (place * self.stride[axis] + tap * self.kernel_dilation[axis]) as isize
            - self.low[axis];
        let position = usize::try_from(position).ok()?;
        let dilation = self.input_dilation[axis];
        (position.is_multiple_of(dilation) && position / dilation < self.input[axis])
            .then_some(position / dilation)
    }
}

pub(super) fn run<T: Number>(convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    let geometry = Geometry::new(convolution, call);
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let weight = contiguous::<T>(&call.inputs[1])?;
    let input = call.inputs[0].buffer.host_ptr()?.as_ptr().cast::<T>();
    let input = input.wrapping_add(call.inputs[0].layout.offset) as usize;
    let output = buffer.host_ptr()?.as_ptr() as usize;
    let weight = weight.as_slice();
    let (places, window) = (geometry.places(), geometry.window());
    let block = (BLOCK_BYTES / (window.max(1) * size_of::<T>())).clamp(8, 4096);
    let blocks = places.div_ceil(block);
    let row = geometry.groups * geometry.features;
    parallel::for_each(blocks * geometry.groups, |task| {
        let (group, first) = (task % geometry.groups, task / geometry.groups * block);
        let count = block.min(places - first);
        let mut windows = vec![T::default(); count * window];
        // SAFETY: `source` gives positions inside the input, whose layout fits its buffer
        unsafe { gather(&geometry, input as *const T, group, first, &mut windows) };
        let start = output as *const T;
        // SAFETY: the windows and the group's weights are contiguous with these sizes; the
        // output rows of different tasks do not overlap
        unsafe {
            multiply(
                (count, window, geometry.features),
                Matrix {
                    start: windows.as_ptr(),
                    row_stride: window as isize,
                    column_stride: 1,
                },
                Matrix {
                    start: weight
                        .as_ptr()
                        .wrapping_add(group * geometry.features * window),
                    row_stride: 1,
                    column_stride: window as isize,
                },
                Matrix {
                    start: start.wrapping_add(first * row + group * geometry.features),
                    row_stride: row as isize,
                    column_stride: 1,
                },
                T::ONE,
                None,
            );
        }
    });
    Ok(smallvec![Stored::contiguous(buffer, output_type)])
}

/// The elements of an operand in row-major order.
fn contiguous<T: Number>(operand: &Operand) -> Result<Vec<T>> {
    let start = operand.buffer.host_ptr()?.as_ptr().cast::<T>();
    let layout: &Layout = &operand.layout;
    // SAFETY: the layout was checked to fit its buffer
    Ok(layout
        .places()
        .map(|place| unsafe { *start.add(place) })
        .collect())
}

/// Fills windows with the elements under the kernel, zeros where there are none. `windows` is
/// zero before.
///
/// # Safety
/// `input` is the first element of the geometry's input.
unsafe fn gather<T: Number>(
    geometry: &Geometry,
    input: *const T,
    group: usize,
    first: usize,
    windows: &mut [T],
) {
    let [depth, height, width] = geometry.output;
    let channel_step = geometry.steps[4];
    let group_start = (group * geometry.channels) as isize * channel_step;
    let taps: SmallVec<[[usize; 3]; 32]> = taps(geometry.kernel).collect();
    for (row, window) in windows.chunks_exact_mut(geometry.window()).enumerate() {
        let place = first + row;
        let (x, rest) = (place % width, place / width);
        let (y, rest) = (rest % height, rest / height);
        let (z, item) = (rest % depth, rest / depth);
        for (tap, channels) in taps.iter().zip(window.chunks_exact_mut(geometry.channels)) {
            let sources = (
                geometry.source(0, z, tap[0]),
                geometry.source(1, y, tap[1]),
                geometry.source(2, x, tap[2]),
            );
            let (Some(z), Some(y), Some(x)) = sources else {
                continue;
            };
            let offset = item as isize * geometry.steps[0]
                + z as isize * geometry.steps[1]
                + y as isize * geometry.steps[2]
                + x as isize * geometry.steps[3]
                + group_start;
            let source = input.wrapping_offset(offset);
            if channel_step == 1 {
                // SAFETY: the channels of one element lie side by side inside the input
                let elements = unsafe { std::slice::from_raw_parts(source, channels.len()) };
                channels.copy_from_slice(elements);
            } else {
                for (channel, target) in channels.iter_mut().enumerate() {
                    // SAFETY: as above, `channel_step` apart
                    *target = unsafe { *source.wrapping_offset(channel as isize * channel_step) };
                }
            }
        }
    }
}

fn taps(kernel: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [depth, height, width] = kernel;
    (0..depth).flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| [z, y, x])))
}
