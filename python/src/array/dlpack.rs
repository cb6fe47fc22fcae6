//! The DLPack protocol: arrays lent to other libraries without a copy, and copied from them.
//!
//! Source: the C structures of dlpack.h, versions 0.8 and 1.0.

use super::PyArray;
use super::construct::{Interface, copy_interface};
use crate::error::OrRaise;
use mlx_oxide_core::Array;
use mlx_oxide_ir::Dtype;
use mlx_oxide_runtime::Stored;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::{CStr, c_void};

const CPU: i32 = 1;
const MAJOR: u32 = 1;
const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 2;
const LEGACY: &CStr = c"dltensor";
const LEGACY_TAKEN: &CStr = c"used_dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const VERSIONED_TAKEN: &CStr = c"used_dltensor_versioned";

#[repr(C)]
#[derive(Clone, Copy)]
struct ElementType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    dtype: ElementType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct LegacyManaged {
    tensor: Tensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut LegacyManaged)>,
}

#[repr(C)]
struct VersionedManaged {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut VersionedManaged)>,
    flags: u64,
    tensor: Tensor,
}

/// What a lent tensor points to.
struct Lent {
    _stored: Stored,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

fn element_type(dtype: Dtype) -> ElementType {
    let code = match dtype {
        Dtype::Bool => 6,
        Dtype::Complex64 => 5,
        Dtype::Bfloat16 => 4,
        dtype if dtype.is_floating() => 2,
        dtype if dtype.is_signed_integer() => 0,
        _ => 1,
    };
    ElementType {
        code,
        bits: dtype.size() as u8 * 8,
        lanes: 1,
    }
}

fn dtype_of(element: ElementType) -> Option<Dtype> {
    let same = |dtype: &Dtype| {
        let own = element_type(*dtype);
        (own.code, own.bits, own.lanes) == (element.code, element.bits, element.lanes)
    };
    Dtype::ALL.into_iter().find(same)
}

/// The tensor of evaluated elements, and what keeps it alive.
fn lend(stored: Stored, dtype: Dtype) -> PyResult<(Tensor, *mut c_void)> {
    let start = stored.buffer.host_ptr().or_raise()?.as_ptr();
    let layout = &stored.layout;
    let offset = layout.offset * dtype.size();
    let mut lent = Box::new(Lent {
        shape: layout.shape.iter().map(|size| *size as i64).collect(),
        strides: layout.strides.iter().map(|stride| *stride as i64).collect(),
        _stored: stored.clone(),
    });
    let tensor = Tensor {
        data: start.wrapping_add(offset).cast(),
        device_type: CPU,
        device_id: 0,
        ndim: lent.shape.len() as i32,
        dtype: element_type(dtype),
        shape: lent.shape.as_mut_ptr(),
        strides: lent.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    Ok((tensor, Box::into_raw(lent).cast()))
}

unsafe extern "C" fn free_legacy(managed: *mut LegacyManaged) {
    // SAFETY: the consumer calls this once, with what `export` made by `Box::into_raw`
    let managed = unsafe { Box::from_raw(managed) };
    // SAFETY: `context` is the `Lent` that `lend` made by `Box::into_raw`, freed here alone
    drop(unsafe { Box::from_raw(managed.context.cast::<Lent>()) });
}

unsafe extern "C" fn free_versioned(managed: *mut VersionedManaged) {
    // SAFETY: the consumer calls this once, with what `export` made by `Box::into_raw`
    let managed = unsafe { Box::from_raw(managed) };
    // SAFETY: `context` is the `Lent` that `lend` made by `Box::into_raw`, freed here alone
    drop(unsafe { Box::from_raw(managed.context.cast::<Lent>()) });
}

/// Frees the tensor of a capsule that nobody took.
unsafe extern "C" fn drop_legacy(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with the capsule that is being freed
    let untaken = unsafe { ffi::PyCapsule_IsValid(capsule, LEGACY.as_ptr()) } == 1;
    if untaken {
        // SAFETY: a valid capsule of this name holds the `LegacyManaged` that `export` put there
        unsafe { free_legacy(ffi::PyCapsule_GetPointer(capsule, LEGACY.as_ptr()).cast()) };
    }
}

/// Frees the tensor of a capsule that nobody took.
unsafe extern "C" fn drop_versioned(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with the capsule that is being freed
    let untaken = unsafe { ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) } == 1;
    if untaken {
        // SAFETY: a valid capsule of this name holds the `VersionedManaged` of `export`
        unsafe { free_versioned(ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast()) };
    }
}

/// A capsule over the array's own memory. The elements must not be written, as other arrays may
/// share them, unless they are a copy; `flags` tell a consumer of version 1.
fn export<'py>(
    py: Python<'py>,
    array: &Array,
    versioned: bool,
    flags: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let stored = py.detach(|| array.to_stored()).or_raise()?;
    let (tensor, context) = lend(stored, array.dtype())?;
    let (pointer, name, destructor): (*mut c_void, _, ffi::PyCapsule_Destructor) = if versioned {
        let managed = Box::new(VersionedManaged {
            major: MAJOR,
            minor: 0,
            context,
            deleter: Some(free_versioned),
            flags,
            tensor,
        });
        (Box::into_raw(managed).cast(), VERSIONED, drop_versioned)
    } else {
        let managed = Box::new(LegacyManaged {
            tensor,
            context,
            deleter: Some(free_legacy),
        });
        (Box::into_raw(managed).cast(), LEGACY, drop_legacy)
    };
    // SAFETY: the pointer is not null, the name is static, the destructor fits the pointer's type
    let capsule = unsafe { ffi::PyCapsule_New(pointer, name.as_ptr(), Some(destructor)) };
    // SAFETY: `PyCapsule_New` gives a new reference, or null with an exception set
    unsafe { Bound::from_owned_ptr_or_err(py, capsule) }
}

#[pymethods]
impl PyArray {
    /// The array's memory as a DLPack capsule, without a copy unless `copy` asks for one.
    #[pyo3(signature = (*, stream = None, max_version = None, dl_device = None, copy = None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = stream; // the elements are waited for, so every stream of the consumer sees them
        if dl_device.is_some_and(|device| device != (CPU, 0)) {
            return Err(PyBufferError::new_err(
                "[__dlpack__] arrays are lent from host memory, device (1, 0), alone",
            ));
        }
        let array = self.get();
        let (array, flags) = match copy {
            Some(true) => (py.detach(|| fresh_copy(&array)).or_raise()?, IS_COPIED),
            _ => (array, READ_ONLY),
        };
        export(
            py,
            &array,
            max_version.is_some_and(|version| version.0 >= MAJOR),
            flags,
        )
    }

    /// The device that `__dlpack__` lends from: host memory.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (CPU, 0)
    }
}

fn fresh_copy(array: &Array) -> mlx_oxide_ir::Result<Array> {
    array.with_bytes(|bytes| Array::from_bytes(bytes, array.array_type().clone()))
}

/// A copy of another library's array that has the protocol, if it has. The owner may go on
/// writing to its memory, which arrays here must not see.
pub(super) fn import(value: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    let Ok(method) = value.getattr("__dlpack__") else {
        return Ok(None);
    };
    let py = value.py();
    let options = PyDict::new(py);
    options.set_item("max_version", (MAJOR, 0))?;
    let capsule = match method.call((), Some(&options)) {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => method.call0()?,
        other => other?,
    };
    if let Some(pointer) = take(&capsule, VERSIONED, VERSIONED_TAKEN) {
        let managed = pointer.cast::<VersionedManaged>();
        // SAFETY: a capsule of this name holds a `VersionedManaged`, which is now ours
        let (array, deleter) = unsafe { (copy(&(*managed).tensor), (*managed).deleter) };
        if let Some(deleter) = deleter {
            // SAFETY: whoever takes the tensor calls its deleter once, when done with it
            unsafe { deleter(managed) };
        }
        return array.map(Some);
    }
    if let Some(pointer) = take(&capsule, LEGACY, LEGACY_TAKEN) {
        let managed = pointer.cast::<LegacyManaged>();
        // SAFETY: a capsule of this name holds a `LegacyManaged`, which is now ours
        let (array, deleter) = unsafe { (copy(&(*managed).tensor), (*managed).deleter) };
        if let Some(deleter) = deleter {
            // SAFETY: whoever takes the tensor calls its deleter once, when done with it
            unsafe { deleter(managed) };
        }
        return array.map(Some);
    }
    Err(PyTypeError::new_err(
        "[from_dlpack] __dlpack__ did not return an unused DLPack capsule",
    ))
}

/// The pointer of a capsule of a name, which is renamed as the protocol asks.
fn take(capsule: &Bound<'_, PyAny>, name: &CStr, taken: &'static CStr) -> Option<*mut c_void> {
    // SAFETY: any object may be asked whether it is a capsule of this name
    if unsafe { ffi::PyCapsule_IsValid(capsule.as_ptr(), name.as_ptr()) } != 1 {
        return None;
    }
    // SAFETY: the capsule was just found valid under this name
    let pointer = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), name.as_ptr()) };
    // SAFETY: the capsule is valid and the new name is static
    unsafe { ffi::PyCapsule_SetName(capsule.as_ptr(), taken.as_ptr()) };
    (!pointer.is_null()).then_some(pointer)
}

/// A copy of the elements of a tensor on the host.
fn copy(tensor: &Tensor) -> PyResult<Array> {
    if tensor.device_type != CPU {
        return Err(PyBufferError::new_err(format!(
            "[from_dlpack] the memory is on a device of type {}; move the array to the host first",
            tensor.device_type
        )));
    }
    let dtype = dtype_of(tensor.dtype).ok_or_else(|| {
        PyValueError::new_err(format!(
            "[from_dlpack] elements of code {} and {} bits have no counterpart",
            tensor.dtype.code, tensor.dtype.bits
        ))
    })?;
    let ndim = usize::try_from(tensor.ndim)
        .map_err(|_| PyValueError::new_err("[from_dlpack] malformed tensor"))?;
    let shape = numbers(tensor.shape, ndim)
        .into_iter()
        .map(usize::try_from)
        .collect::<Result<Vec<usize>, _>>()
        .map_err(|_| PyValueError::new_err("[from_dlpack] malformed tensor"))?;
    let width = dtype.size() as i64;
    let strides = (!tensor.strides.is_null()).then(|| {
        let strides = numbers(tensor.strides, ndim);
        strides
            .iter()
            .map(|stride| (stride * width) as isize)
            .collect()
    });
    copy_interface(&Interface {
        address: (tensor.data as usize).wrapping_add(tensor.byte_offset as usize),
        shape,
        strides,
        dtype,
    })
}

fn numbers(pointer: *const i64, count: usize) -> Vec<i64> {
    if pointer.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: the protocol promises `ndim` numbers behind each of the tensor's two lists
    unsafe { std::slice::from_raw_parts(pointer, count) }.to_vec()
}
