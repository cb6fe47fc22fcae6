//! The structure of arguments and results.

use crate::array::PyArray;
use crate::random::{RandomState, as_list};
use mlx_oxide_core::Array;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use smallvec::SmallVec;

/// A part of a tree's structure. Two trees with equal tokens differ in their arrays alone.
#[derive(Clone, PartialEq)]
pub(super) enum Token {
    Array,
    List(usize),
    /// Its length and, of a named tuple, the address of its class.
    Tuple(usize, usize),
    Dict(usize),
    None,
    Bool(bool),
    Int(i64),
    /// An integer that needs more bits.
    LongInt(String),
    /// The bits of a float.
    Float(u64),
    Text(String),
    /// Any other object, by its address.
    Object(usize),
}

pub(super) type Tokens = SmallVec<[Token; 4]>;

/// What a call is made of.
#[derive(Default)]
pub(super) struct Flat {
    pub(super) arrays: SmallVec<[Array; 4]>,
    pub(super) tokens: Tokens,
    /// How many of the arrays come from the arguments.
    pub(super) arguments: usize,
    /// Objects that tokens refer to by address.
    pub(super) alive: Vec<Py<PyAny>>,
}

impl Flat {
    /// Adds arguments: trees of arrays and constants.
    pub(super) fn arguments(&mut self, tree: &Bound<'_, PyAny>) -> PyResult<()> {
        self.add(tree, true)
    }

    /// Adds captured state, in which any object may occur.
    pub(super) fn state(&mut self, tree: &Bound<'_, PyAny>) -> PyResult<()> {
        self.add(tree, false)
    }

    fn add(&mut self, value: &Bound<'_, PyAny>, strict: bool) -> PyResult<()> {
        if let Ok(array) = value.cast::<PyArray>() {
            self.arrays.push(array.get().get());
            self.tokens.push(Token::Array);
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            let exact = tuple.is_exact_instance_of::<PyTuple>();
            let class = match !exact && tuple.hasattr("_fields")? {
                true => self.address(tuple.get_type().as_any()),
                false => 0,
            };
            self.tokens.push(Token::Tuple(tuple.len(), class));
            for item in tuple.iter() {
                self.add(&item, strict)?;
            }
        } else if let Some(list) = as_list(value)? {
            self.tokens.push(Token::List(list.len()));
            for item in list.iter() {
                self.add(&item, strict)?;
            }
        } else if let Ok(dict) = value.cast::<PyDict>() {
            self.tokens.push(Token::Dict(dict.len()));
            for (key, item) in dict.iter() {
                self.leaf(&key, false)?;
                self.add(&item, strict)?;
            }
        } else {
            self.leaf(value, strict)?;
        }
        Ok(())
    }

    fn leaf(&mut self, value: &Bound<'_, PyAny>, strict: bool) -> PyResult<()> {
        let token = if value.is_none() {
            Token::None
        } else if let Ok(boolean) = value.cast::<PyBool>() {
            Token::Bool(boolean.is_true())
        } else if value.is_instance_of::<PyInt>() {
            match value.extract() {
                Ok(number) => Token::Int(number),
                Err(_) => Token::LongInt(value.str()?.to_string()),
            }
        } else if let Ok(number) = value.cast::<PyFloat>() {
            Token::Float(number.value().to_bits())
        } else if let Ok(text) = value.cast::<PyString>() {
            Token::Text(text.to_string())
        } else if strict {
            return Err(PyValueError::new_err(format!(
                "[compile] function arguments must be trees of arrays or constants (floats, ints, \
                 strings, or None), but received type {}",
                value.get_type()
            )));
        } else {
            Token::Object(self.address(value))
        };
        self.tokens.push(token);
        Ok(())
    }

    fn address(&mut self, object: &Bound<'_, PyAny>) -> usize {
        self.alive.push(object.clone().unbind());
        object.as_ptr() as usize
    }
}

/// A tree whose arrays are left open.
pub(super) enum Template {
    Array,
    List(Vec<Template>),
    /// Its class, of a named tuple.
    Tuple(Option<Py<PyAny>>, Vec<Template>),
    Dict(Vec<(Py<PyAny>, Template)>),
    Constant(Py<PyAny>),
}

impl Template {
    /// The structure of a tree; its arrays are appended to `arrays`.
    pub(super) fn of(value: &Bound<'_, PyAny>, arrays: &mut Vec<Array>) -> PyResult<Template> {
        if let Ok(array) = value.cast::<PyArray>() {
            arrays.push(array.get().get());
            return Ok(Template::Array);
        }
        if let Ok(tuple) = value.cast::<PyTuple>() {
            let named = tuple.hasattr("_fields")?;
            let class = named.then(|| tuple.get_type().into_any().unbind());
            let items = tuple.iter().map(|item| Template::of(&item, arrays));
            return Ok(Template::Tuple(class, items.collect::<PyResult<_>>()?));
        }
        if let Some(list) = as_list(value)? {
            let items = list.iter().map(|item| Template::of(&item, arrays));
            return Ok(Template::List(items.collect::<PyResult<_>>()?));
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            let items = dict
                .iter()
                .map(|(key, item)| Ok((key.unbind(), Template::of(&item, arrays)?)));
            return Ok(Template::Dict(items.collect::<PyResult<_>>()?));
        }
        Ok(Template::Constant(value.clone().unbind()))
    }

    /// The tree with arrays, in order.
    pub(super) fn build<'py>(
        &self,
        py: Python<'py>,
        arrays: &mut impl Iterator<Item = Array>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Template::Array => match arrays.next() {
                Some(array) => Bound::new(py, PyArray::from(array))?.into_any(),
                None => py.None().into_bound(py),
            },
            Template::List(items) => {
                let items = items.iter().map(|item| item.build(py, arrays));
                PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
            }
            Template::Tuple(class, items) => {
                let items = items.iter().map(|item| item.build(py, arrays));
                let tuple = PyTuple::new(py, items.collect::<PyResult<Vec<_>>>()?)?;
                match class {
                    Some(class) => class.bind(py).call1(tuple)?,
                    None => tuple.into_any(),
                }
            }
            Template::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, item) in items {
                    dict.set_item(key, item.build(py, arrays)?)?;
                }
                dict.into_any()
            }
            Template::Constant(value) => value.clone_ref(py).into_bound(py),
        })
    }

    /// Writes arrays into a container in place; what the container lacks is added.
    pub(super) fn write_into<'py>(
        &self,
        container: &Bound<'py, PyAny>,
        arrays: &mut impl Iterator<Item = Array>,
    ) -> PyResult<()> {
        let py = container.py();
        match self {
            Template::Dict(items) => {
                let Ok(dict) = container.cast::<PyDict>() else {
                    return Err(changed(container));
                };
                for (key, item) in items {
                    let present = dict.get_item(key)?.filter(|_| item.is_container());
                    match present {
                        Some(inner) if item.fits(&inner) => item.write_into(&inner, arrays)?,
                        _ => dict.set_item(key, item.build(py, arrays)?)?,
                    }
                }
                Ok(())
            }
            Template::List(items) => {
                let Some(list) = as_list(container)? else {
                    return Err(changed(container));
                };
                for (position, item) in items.iter().enumerate() {
                    if position == list.len() {
                        list.append(item.build(py, arrays)?)?;
                        continue;
                    }
                    let inner = list.get_item(position)?;
                    match item.is_container() && item.fits(&inner) {
                        true => item.write_into(&inner, arrays)?,
                        false => list.set_item(position, item.build(py, arrays)?)?,
                    }
                }
                Ok(())
            }
            Template::Tuple(_, items) => {
                for (item, inner) in items.iter().zip(container.try_iter()?) {
                    item.write_into(&inner?, arrays)?;
                }
                Ok(())
            }
            // an array by itself stands for another one from here on
            Template::Array => match (container.cast::<PyArray>(), arrays.next()) {
                (Ok(object), Some(array)) => {
                    object.get().set(array);
                    Ok(())
                }
                _ => Err(changed(container)),
            },
            Template::Constant(_) => Ok(()),
        }
    }

    /// Shows the objects in it to the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Template::Array => Ok(()),
            Template::List(items) => items.iter().try_for_each(|item| item.traverse(visit)),
            Template::Tuple(class, items) => {
                visit.call(class)?;
                items.iter().try_for_each(|item| item.traverse(visit))
            }
            Template::Dict(items) => items.iter().try_for_each(|(key, item)| {
                visit.call(key)?;
                item.traverse(visit)
            }),
            Template::Constant(value) => visit.call(value),
        }
    }

    fn is_container(&self) -> bool {
        !matches!(self, Template::Array | Template::Constant(_))
    }

    /// Whether the object is of the template's kind.
    fn fits(&self, object: &Bound<'_, PyAny>) -> bool {
        match self {
            Template::List(_) => {
                object.is_instance_of::<PyList>() || object.is_instance_of::<RandomState>()
            }
            Template::Dict(_) => object.is_instance_of::<PyDict>(),
            Template::Tuple(_, items) => {
                object.is_instance_of::<PyTuple>()
                    && object.len().is_ok_and(|length| length == items.len())
            }
            Template::Array | Template::Constant(_) => false,
        }
    }
}

fn changed(container: &Bound<'_, PyAny>) -> PyErr {
    PyValueError::new_err(format!(
        "[compile] a captured output is now a {}, of another structure than when the function was \
         traced",
        container.get_type()
    ))
}
