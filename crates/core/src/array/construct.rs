//! Arrays from Rust values.

use super::{Array, Element};
use mlx_oxide_ir::{ArrayType, Error, Layout, Result, Scalar, Shape};
use mlx_oxide_runtime::{Buffer, HostMemory, Stored};

impl Array {
    /// An array of `shape` with the elements of `values` in row-major order.
    ///
    /// ```
    /// use mlx_oxide_core::Array;
    /// let array = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    /// assert_eq!(array.shape().to_vec(), [2, 2]);
    /// # Ok::<(), mlx_oxide_ir::Error>(())
    /// ```
    pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>) -> Result<Array> {
        let array_type = ArrayType::new(shape, T::DTYPE);
        Self::from_bytes(bytemuck::cast_slice(values), array_type)
    }

    /// An array of a type from its bytes, in row-major order and this machine's byte order.
    pub fn from_bytes(bytes: &[u8], array_type: ArrayType) -> Result<Array> {
        check_bytes(bytes.len(), &array_type)?;
        let buffer = Buffer::from_bytes("array", bytes)?;
        Ok(Self::from_stored(
            Stored::contiguous(buffer, &array_type),
            array_type,
        ))
    }

    /// An array of a type whose bytes, in row-major order and this machine's byte order, `fill`
    /// writes; it finds zeros.
    ///
    /// # Errors
    /// Too many elements for the memory; whatever `fill` returns.
    pub fn from_fill<E: From<Error>>(
        array_type: ArrayType,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Array, E> {
        array_type.shape.clone().checked("array")?;
        let buffer = Buffer::filled("array", array_type.bytes(), fill)?;
        Ok(Self::from_stored(
            Stored::contiguous(buffer, &array_type),
            array_type,
        ))
    }

    /// An array over somebody else's memory, without a copy; `layout` counts in elements.
    pub fn from_foreign(
        memory: Box<dyn HostMemory>,
        layout: Layout,
        dtype: mlx_oxide_ir::Dtype,
    ) -> Result<Array> {
        let buffer = Buffer::from_foreign(memory);
        if !layout.fits(buffer.len() / dtype.size()) {
            return Err(Error::InvalidArgument {
                op: "array",
                argument: "layout",
                value: format!("{layout:?} over {} bytes", buffer.len()),
                expected: "a layout inside the memory",
            });
        }
        let array_type = ArrayType::new(layout.shape.clone(), dtype);
        Ok(Self::from_stored(Stored { buffer, layout }, array_type))
    }

    /// A scalar.
    pub fn scalar<T: Element>(value: T) -> Result<Array> {
        Self::from_slice(&[value], [])
    }

    /// A scalar of any dtype.
    pub fn from_scalar(value: Scalar) -> Result<Array> {
        let (bytes, width) = value.bytes();
        Self::from_bytes(&bytes[..width], ArrayType::new([], value.dtype()))
    }
}

fn check_bytes(found: usize, array_type: &ArrayType) -> Result<()> {
    let shape = array_type.shape.clone().checked("array")?;
    if shape.size() * array_type.dtype.size() == found {
        return Ok(());
    }
    Err(Error::ReshapeSize {
        op: "array",
        size: found / array_type.dtype.size(),
        shape: shape.to_string(),
    })
}
