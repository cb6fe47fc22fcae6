//! The buffer protocol: `memoryview(array)`, `bytes(array)`, and NumPy without a copy.

use super::PyArray;
use crate::error::OrRaise;
use mlx_oxide_core::Array;
use mlx_oxide_ir::Dtype;
use mlx_oxide_runtime::Stored;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_int};

/// What a view points to as long as it lives.
struct Viewed {
    _stored: Stored,
    shape: Vec<isize>,
    strides: Vec<isize>,
}

/// The code of a dtype in the module `struct`, with NumPy's for complex numbers.
fn format(dtype: Dtype) -> PyResult<&'static CStr> {
    Ok(match dtype {
        Dtype::Bool => c"?",
        Dtype::Uint8 => c"B",
        Dtype::Uint16 => c"H",
        Dtype::Uint32 => c"I",
        Dtype::Uint64 => c"Q",
        Dtype::Int8 => c"b",
        Dtype::Int16 => c"h",
        Dtype::Int32 => c"i",
        Dtype::Int64 => c"q",
        Dtype::Float16 => c"e",
        Dtype::Float32 => c"f",
        Dtype::Float64 => c"d",
        Dtype::Complex64 => c"Zf",
        Dtype::Bfloat16 => {
            return Err(PyBufferError::new_err(
                "[buffer] the protocol has no code for bfloat16: convert the array, or view it as \
                 uint16",
            ));
        }
    })
}

/// Whether the elements lie in column-major order without gaps.
fn is_column_major(stored: &Stored) -> bool {
    let mut step = 1;
    stored
        .layout
        .shape
        .iter()
        .zip(&stored.layout.strides)
        .all(|(&size, &stride)| {
            let fits = size == 1 || stride == step;
            step *= size as isize;
            fits
        })
}

fn wants(flags: c_int, flag: c_int) -> bool {
    flags & flag == flag
}

/// The elements where they are; in row-major order, copied if need be, for consumers that follow
/// no strides and write nothing.
fn store(array: &Array, flags: c_int) -> PyResult<Stored> {
    let stored = array.to_stored().or_raise()?;
    let columns = is_column_major(&stored);
    if stored.layout.is_contiguous() && !wants(flags, ffi::PyBUF_F_CONTIGUOUS) {
        return Ok(stored);
    }
    let takes_columns =
        wants(flags, ffi::PyBUF_F_CONTIGUOUS) || wants(flags, ffi::PyBUF_ANY_CONTIGUOUS);
    let ordered = wants(flags, ffi::PyBUF_C_CONTIGUOUS) || takes_columns;
    if (columns && takes_columns) || (!ordered && wants(flags, ffi::PyBUF_STRIDES)) {
        return Ok(stored);
    }
    if wants(flags, ffi::PyBUF_F_CONTIGUOUS) || wants(flags, ffi::PyBUF_WRITABLE) {
        return Err(PyBufferError::new_err(
            "[buffer] the array's elements lie in another order in memory than the consumer wants",
        ));
    }
    array.to_contiguous().or_raise()
}

#[pymethods]
impl PyArray {
    /// Fills a view of the elements, which is writable as MLX's is.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("[buffer] there is no view to fill"));
        }
        let py = slf.py();
        let array = slf.get().get();
        let format = format(array.dtype())?;
        py.detach(|| array.eval()).or_raise()?;
        let stored = store(&array, flags)?;
        let width = array.dtype().size();
        let start = stored.buffer.host_ptr().or_raise()?.as_ptr();
        let layout = &stored.layout;
        let start = start.wrapping_add(layout.offset * width);
        let mut viewed = Box::new(Viewed {
            shape: layout.shape.iter().map(|size| *size as isize).collect(),
            strides: layout
                .strides
                .iter()
                .map(|stride| stride * width as isize)
                .collect(),
            _stored: stored.clone(),
        });
        let filled = ffi::Py_buffer {
            buf: start.cast(),
            obj: slf.into_any().into_ptr(),
            len: array.nbytes() as isize,
            itemsize: width as isize,
            readonly: 0,
            ndim: viewed.shape.len() as c_int,
            format: match wants(flags, ffi::PyBUF_FORMAT) {
                true => format.as_ptr().cast_mut(),
                false => std::ptr::null_mut(),
            },
            shape: match wants(flags, ffi::PyBUF_ND) {
                true => viewed.shape.as_mut_ptr(),
                false => std::ptr::null_mut(),
            },
            strides: match wants(flags, ffi::PyBUF_STRIDES) {
                true => viewed.strides.as_mut_ptr(),
                false => std::ptr::null_mut(),
            },
            suboffsets: std::ptr::null_mut(),
            internal: Box::into_raw(viewed).cast(),
        };
        // SAFETY: the interpreter gives a view that is not null, checked above, to fill
        unsafe { view.write(filled) };
        Ok(())
    }

    /// Frees what a view pointed to.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: the interpreter hands back a view that `__getbuffer__` filled, once
        let viewed = unsafe { (*view).internal };
        if !viewed.is_null() {
            // SAFETY: `internal` is the `Viewed` that `__getbuffer__` made by `Box::into_raw`
            drop(unsafe { Box::from_raw(viewed.cast::<Viewed>()) });
        }
    }
}
