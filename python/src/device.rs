//! Devices, streams and synchronisation.

use crate::error::OrRaise;
use mlx_oxide_runtime::stream::StreamScope;
use mlx_oxide_runtime::{Device, DeviceType, InfoValue, Stream, backend, device};
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

/// A device: `Device(mx.cpu)`, or `Device(mx.gpu, 1)` for the second of several. The first of a
/// type equals the type.
#[pyclass(name = "Device", module = "mlx_oxide.core", frozen, from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyDevice(Device);

#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (r#type, index = 0))]
    fn new(r#type: &Bound<'_, PyAny>, index: u32) -> PyResult<Self> {
        Ok(PyDevice(Device {
            kind: device_type(r#type)?,
            index,
        }))
    }

    /// `mx.cpu` or `mx.gpu`.
    #[getter]
    fn r#type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("mlx_oxide.core")?
            .getattr(self.0.kind.to_string().as_str())
    }

    /// A kind of device equals the first of its devices.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        match (other.cast::<PyDevice>(), device_type(other)) {
            (Ok(other), _) => *self == *other.get(),
            (Err(_), Ok(kind)) => self.0 == Device { kind, index: 0 },
            (Err(_), Err(_)) => false,
        }
    }

    /// That of the kind of device, which the first device equals.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        Ok(self.r#type(py)?.hash()?.wrapping_add(self.0.index as isize))
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }
}

/// An order of work on a device.
#[pyclass(
    name = "Stream",
    module = "mlx_oxide.core",
    frozen,
    eq,
    hash,
    from_py_object
)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyStream(Stream);

#[pymethods]
impl PyStream {
    /// The device that the stream's work runs on.
    #[getter]
    fn device(&self) -> PyDevice {
        PyDevice(self.0.device)
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }
}

impl From<Device> for PyDevice {
    fn from(device: Device) -> Self {
        PyDevice(device)
    }
}

/// All devices that can be used.
pub(crate) fn available() -> Vec<PyDevice> {
    [DeviceType::Cpu, DeviceType::Gpu]
        .into_iter()
        .flat_map(|kind| (0..count(kind) as u32).map(move |index| PyDevice(Device { kind, index })))
        .collect()
}

/// A stream of its own for every thread that uses it.
#[pyclass(name = "ThreadLocalStream", module = "mlx_oxide.core", frozen)]
struct PyThreadLocalStream {
    device: Device,
    number: usize,
    streams: Mutex<HashMap<ThreadId, Stream>>,
}

impl PyThreadLocalStream {
    fn current(&self) -> Stream {
        let mut streams = self.streams.lock();
        *streams
            .entry(std::thread::current().id())
            .or_insert_with(|| Stream::new(self.device))
    }
}

#[pymethods]
impl PyThreadLocalStream {
    /// The device that the streams' work runs on.
    #[getter]
    fn device(&self) -> PyDevice {
        PyDevice(self.device)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<PyThreadLocalStream>()
            .is_ok_and(|other| other.get().number == self.number)
    }

    fn __hash__(&self) -> usize {
        self.number
    }

    fn __repr__(&self) -> String {
        format!("ThreadLocalStream({}, {})", self.device, self.number)
    }
}

fn device_type(value: &Bound<'_, PyAny>) -> PyResult<DeviceType> {
    let name: Option<String> = value
        .getattr("name")
        .ok()
        .and_then(|name| name.extract().ok());
    match name.as_deref() {
        Some("cpu") => Ok(DeviceType::Cpu),
        Some("gpu") => Ok(DeviceType::Gpu),
        _ => Err(PyTypeError::new_err(format!(
            "expected mx.cpu or mx.gpu, got {}",
            value.get_type()
        ))),
    }
}

fn to_device(value: &Bound<'_, PyAny>) -> PyResult<Device> {
    match value.extract::<PyDevice>() {
        Ok(device) => Ok(device.0),
        Err(_) => Ok(device_type(value)?.into()),
    }
}

/// The stream that a `stream` argument stands for.
pub(crate) fn to_stream(value: &Bound<'_, PyAny>) -> PyResult<Stream> {
    if let Ok(stream) = value.extract::<PyStream>() {
        return Ok(stream.0);
    }
    if let Ok(stream) = value.cast::<PyThreadLocalStream>() {
        return Ok(stream.get().current());
    }
    let device = to_device(value).map_err(|_| {
        PyTypeError::new_err(format!(
            "expected a Stream, Device or DeviceType, got {}",
            value.get_type()
        ))
    })?;
    Ok(Stream::default_of(device))
}

/// Makes the stream of a `stream` argument current as long as the result lives.
pub(crate) fn enter(stream: Option<&Bound<'_, PyAny>>) -> PyResult<Option<StreamScope>> {
    match stream {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => Ok(Some(StreamScope::enter(to_stream(value)?))),
    }
}

/// The device of operations that name none.
///
/// Example:
///     >>> mx.default_device()
///     Device(cpu, 0)
#[pyfunction]
fn default_device() -> PyDevice {
    PyDevice(Stream::current().device)
}

/// Sets the device of operations that name none.
///
/// Args:
///     device: `mx.cpu`, `mx.gpu` or a `Device`.
///
/// Example:
///     >>> mx.set_default_device(mx.cpu)
#[pyfunction]
fn set_default_device(device: &Bound<'_, PyAny>) -> PyResult<()> {
    device::set_default_device(to_device(device)?);
    Ok(())
}

/// The default stream of a device.
///
/// Example:
///     >>> mx.default_stream(mx.cpu)
#[pyfunction]
fn default_stream(device: &Bound<'_, PyAny>) -> PyResult<PyStream> {
    Ok(PyStream(Stream::default_of(to_device(device)?)))
}

/// Makes a stream the default of its device.
///
/// Example:
///     >>> mx.set_default_stream(mx.new_stream(mx.cpu))
#[pyfunction]
fn set_default_stream(stream: PyStream) {
    stream.0.set_default();
}

/// A new stream on a device.
///
/// Raises:
///     ValueError: a device that there is not.
///
/// Example:
///     >>> with mx.stream(mx.new_stream(mx.cpu)):
///     ...     x = mx.ones(2) + 1
#[pyfunction]
fn new_stream(device: &Bound<'_, PyAny>) -> PyResult<PyStream> {
    Ok(PyStream(Stream::new(to_device(device)?)))
}

/// A new stream on a device; every stream may be used from any thread.
///
/// Example:
///     >>> mx.new_thread_unsafe_stream(mx.cpu)
#[pyfunction(name = "new_thread_unsafe_stream")]
fn new_shared_stream(device: &Bound<'_, PyAny>) -> PyResult<PyStream> {
    new_stream(device)
}

/// A stream that is another one in every thread.
///
/// Example:
///     >>> mx.new_thread_local_stream(mx.cpu)
#[pyfunction]
fn new_thread_local_stream(device: &Bound<'_, PyAny>) -> PyResult<PyThreadLocalStream> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    Ok(PyThreadLocalStream {
        device: to_device(device)?,
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        streams: Mutex::new(HashMap::new()),
    })
}

/// Does nothing: streams belong to no thread, so none has any to give up.
///
/// Example:
///     >>> mx.clear_streams()
#[pyfunction]
fn clear_streams() {}

/// Returns when all work on a stream, or on the default one, is finished.
///
/// Example:
///     >>> mx.synchronize()
#[pyfunction]
#[pyo3(signature = (stream = None))]
fn synchronize(py: Python<'_>, stream: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let stream = match stream {
        Some(value) if !value.is_none() => to_stream(value)?,
        _ => Stream::current(),
    };
    py.detach(|| stream.synchronize()).or_raise()
}

/// Whether a device can be used.
///
/// Example:
///     >>> mx.is_available(mx.cpu)
///     True
#[pyfunction]
fn is_available(device: &Bound<'_, PyAny>) -> PyResult<bool> {
    let device = to_device(device)?;
    Ok((device.index as usize) < count(device.kind))
}

/// How many devices of a type there are.
///
/// Example:
///     >>> mx.device_count(mx.cpu)
///     1
#[pyfunction]
fn device_count(device_type: &Bound<'_, PyAny>) -> PyResult<usize> {
    Ok(count(self::device_type(device_type)?))
}

fn count(kind: DeviceType) -> usize {
    backend::installed(kind)
        .iter()
        .map(|backend| backend.device_count())
        .max()
        .unwrap_or(0)
}

/// Name, memory and other properties of a device.
///
/// Args:
///     device: the device, the default one if not given.
///
/// Returns:
///     A dictionary.
///
/// Example:
///     >>> type(mx.device_info(mx.cpu))
///     <class 'dict'>
#[pyfunction]
#[pyo3(signature = (d = None))]
fn device_info<'py>(
    py: Python<'py>,
    d: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let device = match d {
        Some(value) if !value.is_none() => to_device(value)?,
        _ => Stream::current().device,
    };
    let info = PyDict::new(py);
    let Some(backend) = backend::installed(device.kind).into_iter().next() else {
        return Err(PyValueError::new_err(format!(
            "[device_info] {device} is not available"
        )));
    };
    for (name, value) in backend.device_info(device) {
        match value {
            InfoValue::Text(text) => info.set_item(name, text)?,
            InfoValue::Number(number) => info.set_item(name, number)?,
        }
    }
    Ok(info)
}

/// Makes a stream current inside a `with` block.
#[pyclass(name = "StreamContext", module = "mlx_oxide.core", frozen)]
struct StreamContext {
    stream: Stream,
    outer: Mutex<Vec<Option<Stream>>>,
}

#[pymethods]
impl StreamContext {
    #[new]
    fn new(s: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(StreamContext {
            stream: to_stream(s)?,
            outer: Mutex::new(Vec::new()),
        })
    }

    fn __enter__(&self) {
        self.outer
            .lock()
            .push(StreamScope::enter(self.stream).into_previous());
    }

    #[pyo3(signature = (*_arguments))]
    fn __exit__(&self, _arguments: Vec<Bound<'_, PyAny>>) {
        if let Some(outer) = self.outer.lock().pop() {
            StreamScope::restore(outer);
        }
    }
}

/// A context in which a stream or device is the default.
///
/// Args:
///     s: a stream or a device.
///
/// Example:
///     >>> with mx.stream(mx.cpu):
///     ...     x = mx.ones(2) + 1
#[pyfunction]
fn stream(s: &Bound<'_, PyAny>) -> PyResult<StreamContext> {
    StreamContext::new(s)
}

/// Adds devices and streams to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let members = PyDict::new(py);
    members.set_item("cpu", 0)?;
    members.set_item("gpu", 1)?;
    let options = PyDict::new(py);
    options.set_item("module", "mlx_oxide.core")?;
    let kinds = py
        .import("enum")?
        .getattr("Enum")?
        .call(("DeviceType", members), Some(&options))?;
    let plain = py.import("enum")?.getattr("Enum")?.getattr("__str__")?;
    kinds.setattr("__repr__", plain)?;
    module.add("cpu", kinds.getattr("cpu")?)?;
    module.add("gpu", kinds.getattr("gpu")?)?;
    kinds.setattr("__doc__", "A type of devices: `cpu` or `gpu`.")?;
    module.add("DeviceType", kinds)?;
    module.add_class::<PyDevice>()?;
    module.add_class::<PyStream>()?;
    module.add_class::<StreamContext>()?;
    module.add_class::<PyThreadLocalStream>()?;
    module.add_function(wrap_pyfunction!(new_thread_local_stream, module)?)?;
    module.add_function(wrap_pyfunction!(new_shared_stream, module)?)?;
    module.add_function(wrap_pyfunction!(clear_streams, module)?)?;
    module.add_function(wrap_pyfunction!(default_device, module)?)?;
    module.add_function(wrap_pyfunction!(set_default_device, module)?)?;
    module.add_function(wrap_pyfunction!(default_stream, module)?)?;
    module.add_function(wrap_pyfunction!(set_default_stream, module)?)?;
    module.add_function(wrap_pyfunction!(new_stream, module)?)?;
    module.add_function(wrap_pyfunction!(synchronize, module)?)?;
    module.add_function(wrap_pyfunction!(is_available, module)?)?;
    module.add_function(wrap_pyfunction!(device_count, module)?)?;
    module.add_function(wrap_pyfunction!(device_info, module)?)?;
    module.add_function(wrap_pyfunction!(stream, module)?)
}
