//! State that a compiled function reads and writes besides its arguments.

use super::structure::Flat;
use crate::array::PyArray;
use crate::random;
use mlx_oxide_core::Array;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// The captured containers of one call. Unless the caller captured it, the key sequence
/// `random.state` is captured too, so that a function which draws numbers draws new ones.
pub(super) struct Captured<'py> {
    containers: Option<Bound<'py, PyAny>>,
    /// Whether `random.state` is among them.
    holds_key: bool,
}

/// A place in a container and what was there.
struct Place {
    container: Py<PyAny>,
    key: Py<PyAny>,
    original: Py<PyAny>,
}

/// What [`Captured::replace`] changed.
pub(super) struct Replaced {
    places: Vec<Place>,
    key: Option<Key>,
}

struct Key {
    original: Py<PyAny>,
    placeholder: Array,
}

impl<'py> Captured<'py> {
    /// Adds the captured arrays to a call.
    pub(super) fn flatten(
        py: Python<'py>,
        inputs: Option<&Py<PyAny>>,
        flat: &mut Flat,
    ) -> PyResult<Self> {
        let containers = inputs.map(|inputs| inputs.bind(py).clone());
        let mut holds_key = false;
        if let Some(containers) = &containers {
            flat.state(containers)?;
            holds_key = contains(containers, random::state(py)?.as_any())?;
        }
        Ok(Captured {
            containers,
            holds_key,
        })
    }

    /// The list `random.state`, if the caller did not capture it.
    fn sequence(&self, py: Python<'py>) -> Option<Bound<'py, PyList>> {
        match self.holds_key {
            true => None,
            false => random::state(py).ok(),
        }
    }

    /// The next key of the sequence, if the caller did not capture it.
    pub(super) fn key(&self, py: Python<'py>) -> Option<Array> {
        let item = self.sequence(py)?.get_item(0).ok()?;
        item.cast::<PyArray>().ok().map(|key| key.get().get())
    }

    /// Puts arrays without values in the places of the captured ones.
    pub(super) fn replace(&self, py: Python<'py>, placeholders: &[Array]) -> PyResult<Replaced> {
        let mut replaced = Replaced {
            places: Vec::new(),
            key: None,
        };
        let mut next = placeholders.iter();
        if let Some(containers) = &self.containers {
            replace_in(containers, &mut next, &mut replaced.places)?;
        }
        if let (Some(list), Some(placeholder)) = (self.sequence(py), next.next()) {
            replaced.key = Some(Key {
                original: list.get_item(0)?.unbind(),
                placeholder: placeholder.clone(),
            });
            list.set_item(0, Bound::new(py, PyArray::from(placeholder.clone()))?)?;
        }
        Ok(replaced)
    }

    /// The key that follows, if the function took some of the sequence.
    pub(super) fn next_key(&self, py: Python<'py>, replaced: &Replaced) -> PyResult<Option<Array>> {
        let (Some(list), Some(key)) = (self.sequence(py), &replaced.key) else {
            return Ok(None);
        };
        let current = list.get_item(0)?;
        let current = current.cast::<PyArray>()?.get().get();
        Ok((!current.is_same(&key.placeholder)).then_some(current))
    }

    /// Puts the captured arrays back, whatever the function stored in their places: what it
    /// stored is written by each call, if the container is an output.
    pub(super) fn restore(&self, py: Python<'py>, replaced: Replaced) -> PyResult<()> {
        for place in replaced.places {
            let container = place.container.bind(py);
            let original = place.original.bind(py);
            match place.key.is_none(py) {
                // an array that is captured by itself
                true => container
                    .cast::<PyArray>()?
                    .get()
                    .set(original.cast::<PyArray>()?.get().get()),
                false => container.set_item(place.key.bind(py), original)?,
            }
        }
        if let (Some(list), Some(key)) = (self.sequence(py), replaced.key) {
            list.set_item(0, key.original)?;
        }
        Ok(())
    }

    /// Stores the key that follows.
    pub(super) fn set_key(&self, py: Python<'py>, key: Array) -> PyResult<()> {
        match self.sequence(py) {
            Some(list) => list.set_item(0, Bound::new(py, PyArray::from(key))?),
            None => Ok(()),
        }
    }
}

/// Whether an object is somewhere in a tree of containers.
fn contains(tree: &Bound<'_, PyAny>, object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Some(list) = random::as_list(tree)? {
        if list.is(object) {
            return Ok(true);
        }
        for item in list.iter() {
            if contains(&item, object)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if let Ok(dict) = tree.cast::<PyDict>() {
        for (_, item) in dict.iter() {
            if contains(&item, object)? {
                return Ok(true);
            }
        }
    } else if let Ok(tuple) = tree.cast::<PyTuple>() {
        for item in tuple.iter() {
            if contains(&item, object)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Walks in the order of [`Flat::state`].
fn replace_in<'a>(
    tree: &Bound<'_, PyAny>,
    placeholders: &mut impl Iterator<Item = &'a Array>,
    places: &mut Vec<Place>,
) -> PyResult<()> {
    let py = tree.py();
    let list = random::as_list(tree)?;
    let tree = list.as_ref().map_or(tree, |list| list.as_any());
    if let Ok(array) = tree.cast::<PyArray>() {
        if let Some(placeholder) = placeholders.next() {
            let original = Bound::new(py, PyArray::from(array.get().get()))?;
            places.push(Place {
                container: tree.clone().unbind(),
                key: py.None(),
                original: original.into_any().unbind(),
            });
            array.get().set(placeholder.clone());
        }
        return Ok(());
    }
    let items: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = if let Ok(dict) = tree.cast::<PyDict>() {
        dict.iter().collect()
    } else if tree.is_instance_of::<PyList>() || tree.is_instance_of::<PyTuple>() {
        let numbered = tree.try_iter()?.enumerate();
        numbered
            .map(|(position, item)| Ok((position.into_pyobject(py)?.into_any(), item?)))
            .collect::<PyResult<_>>()?
    } else {
        return Ok(());
    };
    let in_place = !tree.is_instance_of::<PyTuple>();
    for (key, item) in items {
        if in_place && item.is_instance_of::<PyArray>() {
            if let Some(placeholder) = placeholders.next() {
                let tracer = Bound::new(py, PyArray::from(placeholder.clone()))?;
                tree.set_item(&key, tracer)?;
                places.push(Place {
                    container: tree.clone().unbind(),
                    key: key.unbind(),
                    original: item.unbind(),
                });
            }
        } else {
            replace_in(&item, placeholders, places)?;
        }
    }
    Ok(())
}
