//! Arrays that a compiled function uses besides its arguments.

use crate::array::Array;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// A place with arrays that a compiled function reads or writes besides its arguments: the
/// weights of a model, the moments of an optimizer.
///
/// Implemented by locks around an array or a vector of arrays, and by what is shared by `Arc`.
pub trait State: Send + Sync {
    /// The arrays, in an order that is the same in each call.
    fn arrays(&self) -> Vec<Array>;

    /// Puts other arrays in the places of those that [`arrays`](State::arrays) gave, in its order.
    fn set_arrays(&self, arrays: Vec<Array>);
}

/// What a lock may hold: values made of arrays.
pub trait Arrays {
    /// The arrays, in an order of its own.
    fn list(&self) -> Vec<Array>;

    /// Replaces them, in that order.
    fn replace(&mut self, arrays: Vec<Array>);
}

impl Arrays for Array {
    fn list(&self) -> Vec<Array> {
        vec![self.clone()]
    }

    fn replace(&mut self, arrays: Vec<Array>) {
        if let Some(array) = arrays.into_iter().next() {
            *self = array;
        }
    }
}

impl Arrays for Vec<Array> {
    fn list(&self) -> Vec<Array> {
        self.clone()
    }

    fn replace(&mut self, arrays: Vec<Array>) {
        *self = arrays;
    }
}

impl<T: Arrays + Send> State for Mutex<T> {
    fn arrays(&self) -> Vec<Array> {
        self.lock().list()
    }

    fn set_arrays(&self, arrays: Vec<Array>) {
        self.lock().replace(arrays);
    }
}

impl<T: Arrays + Send> State for std::sync::Mutex<T> {
    fn arrays(&self) -> Vec<Array> {
        // whoever panicked left arrays behind all the same
        self.lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .list()
    }

    fn set_arrays(&self, arrays: Vec<Array>) {
        self.lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .replace(arrays);
    }
}

impl<T: Arrays + Send + Sync> State for RwLock<T> {
    fn arrays(&self) -> Vec<Array> {
        self.read().list()
    }

    fn set_arrays(&self, arrays: Vec<Array>) {
        self.write().replace(arrays);
    }
}

impl<S: State + ?Sized> State for Arc<S> {
    fn arrays(&self) -> Vec<Array> {
        (**self).arrays()
    }

    fn set_arrays(&self, arrays: Vec<Array>) {
        (**self).set_arrays(arrays);
    }
}
