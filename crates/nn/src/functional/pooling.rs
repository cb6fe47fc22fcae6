//! Pooling: reductions over windows, shown without a copy as two more axes.

use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Error, Result, Scalar, Shape, Strides};

/// Windows over the spatial axes of `(N, H, W, C)`: their size, step and the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub size: (usize, usize),
    /// Step down and right.
    pub stride: (usize, usize),
    /// Elements added on each side.
    pub padding: (usize, usize),
}

impl Window {
    /// Square windows side by side.
    pub fn square(size: usize) -> Self {
        Window {
            size: (size, size),
            stride: (size, size),
            padding: (0, 0),
        }
    }
}

/// The greatest element of each window.
pub fn max_pool2d(x: &Array, window: Window) -> Result<Array> {
    ops::max(
        &windows(x, window, f64::NEG_INFINITY)?,
        Some(&[3, 4]),
        false,
    )
}

/// The mean of each window, padding counted as zeros.
pub fn avg_pool2d(x: &Array, window: Window) -> Result<Array> {
    ops::mean(&windows(x, window, 0.0)?, Some(&[3, 4]), false)
}

/// `(N, H', W', kH, kW, C)`: for each place of the window its elements.
fn windows(x: &Array, window: Window, fill: f64) -> Result<Array> {
    if x.ndim() != 4 {
        return Err(Error::ShapeUnsuitable {
            op: "pool2d",
            rule: "the input must be (N, H, W, C)",
            shape: x.shape().clone(),
        });
    }
    let (down, right) = window.padding;
    let fill = Array::from_scalar(Scalar::new(fill, x.dtype()))?;
    let padded = ops::pad(x, &[(0, 0), (down, down), (right, right), (0, 0)], &fill)?;
    let (size, stride) = (window.size, window.stride);
    let fits = size.0 > 0
        && size.1 > 0
        && stride.0 > 0
        && stride.1 > 0
        && padded.shape()[1] >= size.0
        && padded.shape()[2] >= size.1;
    if !fits {
        return Err(Error::InvalidArgument {
            op: "pool2d",
            argument: "window",
            value: format!("{window:?} over {}", x.shape()),
            expected: "windows and steps of at least one element inside the padded input",
        });
    }
    let rows = (padded.shape()[1] - size.0) / stride.0 + 1;
    let columns = (padded.shape()[2] - size.1) / stride.1 + 1;
    let steps = contiguous_strides(padded.shape());
    let shape = Shape::from([x.shape()[0], rows, columns, size.0, size.1, x.shape()[3]]);
    let strides: Strides = [
        steps[0],
        steps[1] * stride.0 as isize,
        steps[2] * stride.1 as isize,
        steps[1],
        steps[2],
        steps[3],
    ]
    .into_iter()
    .collect();
    ops::as_strided(&padded, shape, strides, 0)
}
