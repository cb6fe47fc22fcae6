//! Tuples whose places have names, as the array API standard asks of some results.

use crate::array::PyArray;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

/// A kind of named tuple, made when it is first needed.
pub(crate) struct NamedTuple {
    name: &'static str,
    places: &'static [&'static str],
    made: PyOnceLock<Py<PyAny>>,
}

impl NamedTuple {
    /// A kind by its name and its places' names.
    pub(crate) const fn new(name: &'static str, places: &'static [&'static str]) -> Self {
        NamedTuple {
            name,
            places,
            made: PyOnceLock::new(),
        }
    }

    fn kind<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        let made = self.made.get_or_try_init(py, || {
            let options = PyDict::new(py);
            options.set_item("module", "mlx_oxide.core")?;
            py.import("collections")?
                .getattr("namedtuple")?
                .call((self.name, self.places.to_vec()), Some(&options))
                .map(Bound::unbind)
        })?;
        Ok(made.bind(py))
    }

    /// A tuple of this kind.
    pub(crate) fn of(&self, py: Python<'_>, arrays: Vec<PyArray>) -> PyResult<Py<PyAny>> {
        let places = PyTuple::new(py, arrays)?;
        Ok(self.kind(py)?.call1(places)?.unbind())
    }

    /// Adds the kind to the module, where pickled tuples look for it.
    pub(crate) fn register(&self, module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add(self.name, self.kind(module.py())?)
    }
}
