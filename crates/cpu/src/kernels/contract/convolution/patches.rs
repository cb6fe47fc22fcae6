//! Convolutions that are one matrix product: windows that do not overlap, and single taps.
//!
//! A single tap that meets every place multiplies the input's rows where they are. Patches are
//! gathered into rows first, which costs little against products with many features; then the
//! product is cut as any other, whose weight is read less often than by windows.

use super::geometry::{Axis, Geometry};
use super::problem::{Target, Tensor};
use crate::gemm::{Element, Matrix, multiply};
use crate::kernels::fused;
use half::{bf16, f16};
use mlx_oxide_ir::{Convolution, Dtype, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;

/// Features from which gathering patches costs little.
const MANY_FEATURES: usize = 256;
/// Terms from which products of 16-bit elements are worth their packing.
const TERMS: usize = 8;
/// Elements that one task gathers.
const GRAIN: usize = 32 << 10;

/// The convolution, if it is such a product.
pub(super) fn run(convolution: &Convolution, call: &Call<'_>) -> Result<Option<Results>> {
    let geometry = Geometry::new(convolution, call);
    let Some(axes) = geometry.whole() else {
        return Ok(None);
    };
    let taps: usize = geometry.kernel.iter().product();
    let patches = Patches {
        axes,
        rows: geometry.batch * geometry.output.iter().product::<usize>(),
        terms: taps * geometry.channels,
        geometry,
    };
    if !patches.suits() || convolution.flip && taps > 1 {
        return Ok(None);
    }
    match call.inputs[0].dtype {
        Dtype::Float32 => patches.multiply::<f32>(call),
        Dtype::Float64 => patches.multiply::<f64>(call),
        Dtype::Float16 => patches.multiply::<f16>(call),
        Dtype::Bfloat16 => patches.multiply::<bf16>(call),
        _ => Ok(None),
    }
}

/// Whether windows along an axis of a kernel of so many taps lie side by side or apart, all of them
/// inside of the input.
fn are_apart(axis: &Axis, kernel: usize) -> bool {
    let (has_all, fits) = (axis.taps == kernel, axis.inner() == (0..axis.places));
    let together = axis.dilation == 1 && axis.taps <= axis.stride;
    has_all && fits && (axis.taps == 1 || together)
}

/// Windows that are the rows of a matrix.
struct Patches {
    geometry: Geometry,
    axes: [Axis; 3],
    rows: usize,
    terms: usize,
}

impl Patches {
    /// Whether each element of the input is read at most once, for one group of several terms.
    fn suits(&self) -> bool {
        let geometry = &self.geometry;
        let mut axes = self.axes.iter().zip(geometry.kernel);
        geometry.groups == 1
            && self.terms > 1
            && self.rows * geometry.features > 0
            && axes.all(|(axis, kernel)| are_apart(axis, kernel))
    }

    /// Whether windows are single places.
    fn is_single(&self) -> bool {
        self.terms == self.geometry.channels
    }

    fn multiply<T: Element>(&self, call: &Call<'_>) -> Result<Option<Results>> {
        let features = self.geometry.features;
        if !T::WIDE && self.terms < TERMS {
            return Ok(None);
        }
        let (_copy, lhs) = match self.in_place::<T>(&call.inputs[0])? {
            Some(matrix) => (None, matrix),
            // windows read single places where they are, too
            None if features < MANY_FEATURES || self.is_single() => return Ok(None),
            None => {
                let (memory, matrix) = self.gathered::<T>(call)?;
                (Some(memory), matrix)
            }
        };
        let (_weight, rhs) = self.weight::<T>(call)?;
        let output_type = &call.outputs[0];
        let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
        let output = Matrix {
            start: buffer.host_ptr()?.as_ptr().cast::<T>().cast_const(),
            row_stride: features as isize,
            column_stride: 1,
        };
        let sizes = (self.rows, self.terms, features);
        // SAFETY: layouts were checked to fit their buffers, copies have all rows and terms, and
        // the output is new
        unsafe { multiply(call.op.name(), sizes, lhs, rhs, output, None) }?;
        Ok(Some(smallvec![Stored::contiguous(buffer, output_type)]))
    }

    /// The input as a matrix of windows, if these are single places at equal distances.
    fn in_place<T: Element>(&self, operand: &Operand) -> Result<Option<Matrix<T>>> {
        if !self.is_single() {
            return Ok(None);
        }
        let input = Tensor::<T>::new(operand)?;
        let [z, y, x] = &self.axes;
        let step = |axis: usize| input.steps[axis + 1] * self.axes[axis].stride as isize;
        let (mut row, mut count) = (None, 1);
        for (size, step) in [
            (x.places, step(2)),
            (y.places, step(1)),
            (z.places, step(0)),
            (self.geometry.batch, input.steps[0]),
        ] {
            match row {
                _ if size == 1 => continue,
                None => row = Some(step),
                Some(row) if step == row * count => (),
                Some(_) => return Ok(None),
            }
            count *= size as isize;
        }
        let [z, y, x] = self.axes.map(|axis| axis.position(0, 0));
        Ok(Some(Matrix {
            start: input.place([0, z, y, x, 0]),
            row_stride: row.unwrap_or(self.terms as isize),
            column_stride: input.steps[4],
        }))
    }

    /// A copy of the windows as rows.
    fn gathered<T: Element>(&self, call: &Call<'_>) -> Result<(Buffer, Matrix<T>)> {
        let operand = match call.inputs[0].layout.strides.last() {
            Some(1) => call.inputs[0].clone(),
            _ => fused::contiguous(call, &call.inputs[0])?,
        };
        let input = Tensor::<T>::new(&operand)?;
        let memory = Buffer::allocate(call.op.name(), self.rows * self.terms * size_of::<T>())?;
        let to = Target(memory.host_ptr()?.as_ptr().cast::<T>());
        parallel::for_each_range(self.rows, (GRAIN / self.terms).max(1), |first, end| {
            for row in first..end {
                // SAFETY: the layout was checked to fit its buffer, and the copy has the row
                unsafe { self.gather(&input, row, to.at(row * self.terms)) };
            }
        });
        let matrix = Matrix {
            start: to.at(0).cast_const(),
            row_stride: self.terms as isize,
            column_stride: 1,
        };
        Ok((memory, matrix))
    }

    /// Copies one window.
    ///
    /// # Safety
    /// The input has the window, whose channels lie side by side; `to` has room for it.
    unsafe fn gather<T: Element>(&self, input: &Tensor<T>, row: usize, to: *mut T) {
        let [z_axis, y_axis, x_axis] = &self.axes;
        let channels = self.geometry.channels;
        let [item, z, y, x] = super::problem::split(row, &self.axes);
        let (parts, length) = match input.steps[3] == channels as isize {
            true => (1, x_axis.taps * channels),
            false => (x_axis.taps, channels),
        };
        for tap in 0..z_axis.taps * y_axis.taps * parts {
            let (tap_x, rest) = (tap % parts, tap / parts);
            let (tap_y, tap_z) = (rest % y_axis.taps, rest / y_axis.taps);
            let from = input.place([
                item as isize,
                z_axis.position(z, tap_z),
                y_axis.position(y, tap_y),
                x_axis.position(x, tap_x),
                0,
            ]);
            // SAFETY: by the caller's promise
            unsafe { std::ptr::copy_nonoverlapping(from, to.add(tap * length), length) };
        }
    }

    /// The weight as a matrix with a column for each feature, with its copy if it had to be turned.
    fn weight<T: Element>(&self, call: &Call<'_>) -> Result<(Operand, Matrix<T>)> {
        let operand = match self.is_single() {
            true => call.inputs[1].clone(),
            false => fused::contiguous(call, &call.inputs[1])?,
        };
        let tensor = Tensor::<T>::new(&operand)?;
        let matrix = Matrix {
            start: tensor.start,
            row_stride: tensor.steps[4],
            column_stride: tensor.steps[0],
        };
        Ok((operand, matrix))
    }
}
