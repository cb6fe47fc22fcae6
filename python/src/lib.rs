//! The Python module `mlx_oxide.core`: MLX's names and behaviour over the Rust library.

mod arguments;
mod array;
mod compile;
mod control;
mod custom;
mod device;
mod distributed;
mod dtype;
mod error;
mod export;
mod io;
mod kernels;
mod memory;
mod named;
mod namespace;
mod ops;
mod random;
mod transforms;
mod tree;
mod vendor;
mod wrapper;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    mlx_oxide::init();
    error::register(module)?;
    dtype::register(module)?;
    device::register(module)?;
    memory::register(module)?;
    array::register(module)?;
    ops::register(module)?;
    transforms::register(module)?;
    compile::register(module)?;
    control::register(module)?;
    custom::register(module)?;
    export::register(module)?;
    io::register(module)?;
    random::register_all(module)?;
    distributed::register_all(module)?;
    vendor::register_all(module)?;
    namespace::register(module)?;
    for (name, value) in [
        ("pi", std::f64::consts::PI),
        ("e", std::f64::consts::E),
        ("euler_gamma", 0.577_215_664_901_532_9),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ] {
        module.add(name, value)?;
    }
    module.add("newaxis", module.py().None())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}

/// Adds a submodule that can be imported by its full name.
pub(crate) fn add_submodule<'py>(
    parent: &Bound<'py, PyModule>,
    name: &str,
) -> PyResult<Bound<'py, PyModule>> {
    let py = parent.py();
    let full = format!("mlx_oxide.core.{name}");
    let module = PyModule::new(py, &full)?;
    parent.add(name, &module)?;
    py.import("sys")?
        .getattr("modules")?
        .set_item(full, &module)?;
    Ok(module)
}
