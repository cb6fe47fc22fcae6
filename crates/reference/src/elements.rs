//! The elements of an array in row-major order.

use crate::value::Value;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Operand, Results, Stored};
use smallvec::smallvec;

/// Elements in row-major order without gaps, as bytes: moving one keeps every bit of it.
pub(crate) struct Elements {
    /// Shape and dtype.
    pub(crate) array_type: ArrayType,
    bytes: Vec<u8>,
}

impl Elements {
    /// The elements of an operand, whatever its layout.
    pub(crate) fn read(operand: &Operand) -> Result<Self> {
        Ok(Elements {
            array_type: operand.array_type(),
            bytes: gather(operand)?,
        })
    }

    /// All bits zero, to be set.
    pub(crate) fn zeroed(array_type: &ArrayType) -> Self {
        Elements {
            array_type: array_type.clone(),
            bytes: vec![0; array_type.bytes()],
        }
    }

    /// One value after the other, each rounded to the dtype.
    pub(crate) fn collect(array_type: &ArrayType, values: impl Iterator<Item = Value>) -> Self {
        let mut elements = Elements::zeroed(array_type);
        for (place, value) in values.enumerate() {
            elements.set(place, value);
        }
        elements
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.array_type.shape
    }

    pub(crate) fn dtype(&self) -> Dtype {
        self.array_type.dtype
    }

    pub(crate) fn len(&self) -> usize {
        self.array_type.size()
    }

    /// The element at a row-major place.
    pub(crate) fn get(&self, place: usize) -> Value {
        Value::decode(self.raw(place), self.dtype())
    }

    /// Its bytes.
    pub(crate) fn raw(&self, place: usize) -> &[u8] {
        let width = self.dtype().size();
        &self.bytes[place * width..(place + 1) * width]
    }

    /// Writes an element, rounded.
    pub(crate) fn set(&mut self, place: usize, value: Value) {
        let dtype = self.dtype();
        value.encode(dtype, self.raw_mut(place));
    }

    /// Its bytes, to be written.
    pub(crate) fn raw_mut(&mut self, place: usize) -> &mut [u8] {
        let width = self.dtype().size();
        &mut self.bytes[place * width..(place + 1) * width]
    }

    /// All elements in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).map(|place| self.get(place))
    }

    /// The elements as the output of an operation.
    pub(crate) fn store(self, op: &'static str) -> Result<Stored> {
        let buffer = Buffer::from_bytes(op, &self.bytes)?;
        Ok(Stored::contiguous(buffer, &self.array_type))
    }

    /// The elements as the only output of an operation.
    pub(crate) fn finish(self, op: &'static str) -> Result<Results> {
        Ok(smallvec![self.store(op)?])
    }
}

/// The bytes of an operand's elements in row-major order.
pub(crate) fn gather(operand: &Operand) -> Result<Vec<u8>> {
    let width = operand.dtype.size();
    let source = operand.buffer.host_bytes()?;
    let mut bytes = Vec::with_capacity(operand.layout.size() * width);
    for place in operand.layout.places() {
        bytes.extend_from_slice(&source[place * width..(place + 1) * width]);
    }
    Ok(bytes)
}

/// The places of the elements along one axis, a list for every position along the other axes in
/// row-major order.
pub(crate) fn lanes(shape: &Shape, axis: usize) -> Vec<Vec<usize>> {
    groups(shape, &[axis])
}

/// The places of the elements that differ along `axes` alone, a list for every position along
/// the other axes in row-major order.
pub(crate) fn groups(shape: &Shape, axes: &[usize]) -> Vec<Vec<usize>> {
    let kept = (0..shape.ndim()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept.clone().chain(axes.iter().copied()).collect();
    let count: usize = kept.map(|axis| shape[axis]).product();
    let length: usize = axes.iter().map(|&axis| shape[axis]).product();
    let layout = Layout::contiguous(shape.clone()).permute(&order);
    let mut places = layout.places();
    (0..count)
        .map(|_| places.by_ref().take(length).collect())
        .collect()
}

/// The position along every axis of the element at a row-major place.
pub(crate) fn position(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = place % shape[axis];
        place /= shape[axis];
    }
    index
}

/// The row-major place of the element at a position.
pub(crate) fn place(index: &[usize], shape: &[usize]) -> usize {
    index
        .iter()
        .zip(shape)
        .fold(0, |place, (&index, &size)| place * size + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_row_major_order_of_the_other_axes() {
        assert_eq!(
            groups(&[2, 3].into(), &[0]),
            [vec![0, 3], vec![1, 4], vec![2, 5]]
        );
        assert_eq!(groups(&[2, 0].into(), &[1]), [vec![], vec![]]);
        assert!(groups(&[0, 2].into(), &[1]).is_empty());
        assert_eq!(groups(&[].into(), &[]), [vec![0]]);
    }

    #[test]
    fn positions_and_places_are_inverse() {
        for index in 0..24 {
            assert_eq!(place(&position(index, &[2, 3, 4]), &[2, 3, 4]), index);
        }
    }
}
