//! Reading elements.

use super::{Array, Element};
use crate::ops;
use mlx_oxide_ir::{Error, Result, Scalar};
use mlx_oxide_runtime::Stored;

impl Array {
    /// Where the elements are, computed if need be.
    pub fn to_stored(&self) -> Result<Stored> {
        loop {
            if let Some(stored) = self.stored() {
                return Ok(stored);
            }
            self.eval()?;
        }
    }

    /// The elements in row-major order without gaps (from any offset), computed if need be.
    pub fn to_contiguous(&self) -> Result<Stored> {
        let stored = self.to_stored()?;
        if stored.layout.is_contiguous() {
            return Ok(stored);
        }
        ops::contiguous(self)?.to_stored()
    }

    /// The bytes of the elements in row-major order, computed if need be.
    pub fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
        let stored = self.to_contiguous()?;
        let bytes = stored.buffer.host_bytes()?;
        read(&bytes[stored.layout.offset * self.itemsize()..][..self.nbytes()])
    }

    /// The elements in row-major order; `T` is the dtype's own type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_type::<T>("to_vec")?;
        self.with_bytes(|bytes| match bytemuck::checked::try_cast_slice(bytes) {
            Ok(elements) => Ok(elements.to_vec()),
            Err(_) => bytes
                .chunks_exact(size_of::<T>())
                .map(|chunk| bytemuck::checked::try_pod_read_unaligned(chunk).map_err(malformed))
                .collect(),
        })
    }

    /// Whether the elements are there, and no transformation follows what is computed of them: then a
    /// few can as well be read as computed with.
    pub(crate) fn is_known(&self) -> bool {
        self.is_evaluated() && self.node.live_trace().is_none()
    }

    /// The elements of an array that [is known](Array::is_known).
    pub(crate) fn known(&self) -> Option<Stored> {
        let stored = self.stored()?;
        self.node.live_trace().is_none().then_some(stored)
    }

    /// The element of an array that has only one.
    pub fn item<T: Element>(&self) -> Result<T> {
        self.check_type::<T>("item")?;
        let (bytes, width) = self.to_scalar()?.bytes();
        bytemuck::checked::try_pod_read_unaligned(&bytes[..width]).map_err(malformed)
    }

    /// The element of an array that has only one, of any dtype.
    pub fn to_scalar(&self) -> Result<Scalar> {
        if self.size() != 1 {
            return Err(Error::ShapeUnsuitable {
                op: "item",
                rule: "only an array of one element can be converted to a scalar",
                shape: self.shape().clone(),
            });
        }
        let stored = self.to_stored()?;
        self.element(&stored, stored.layout.offset)
    }

    /// The number that all elements are, if they are computed and are one number.
    pub(crate) fn known_scalar(&self) -> Option<Scalar> {
        let stored = self.stored()?;
        if self.size() == 0 || !stored.layout.is_uniform() {
            return None;
        }
        self.element(&stored, stored.layout.offset).ok()
    }

    /// All elements in row-major order, of any dtype.
    pub fn to_scalars(&self) -> Result<Vec<Scalar>> {
        let stored = self.to_stored()?;
        stored
            .layout
            .places()
            .map(|place| self.element(&stored, place))
            .collect()
    }

    pub(crate) fn element(&self, stored: &Stored, place: usize) -> Result<Scalar> {
        let width = self.itemsize();
        let bytes = stored.buffer.host_bytes()?;
        let mut bits = [0; 8];
        bits[..width].copy_from_slice(&bytes[place * width..][..width]);
        Ok(Scalar::from_bits(u64::from_le_bytes(bits), self.dtype()))
    }

    fn check_type<T: Element>(&self, op: &'static str) -> Result<()> {
        if T::DTYPE == self.dtype() {
            return Ok(());
        }
        Err(Error::DtypeMismatch {
            op,
            lhs: self.dtype(),
            rhs: T::DTYPE,
        })
    }
}

fn malformed(error: bytemuck::checked::CheckedCastError) -> Error {
    Error::Internal {
        op: "item",
        detail: error.to_string(),
    }
}
