//! Inputs in memory: the same elements in every arrangement but the stretched one.

use crate::sample::{Arrangement, InputSpec, Sample};
use crate::values::generate;
use mlx_oxide_ir::{Layout, Result, Scalar, Shape};
use mlx_oxide_runtime::{Buffer, Operand};

/// The operands of a sample.
pub fn operands(sample: &Sample) -> Result<Vec<Operand>> {
    let inputs = sample.inputs.iter().enumerate();
    inputs
        .map(|(number, input)| operand(input, number))
        .collect()
}

/// The elements of input number `number` in row-major order.
pub fn elements(input: &InputSpec, number: usize) -> Vec<Scalar> {
    let stored = stored_shape(input);
    let drawn = generate(&input.values, input.dtype, stored.size(), number);
    let places = Layout::contiguous(stored).broadcast(&input.shape);
    places.places().map(|place| drawn[place]).collect()
}

/// The shape of what is stored: a stretched axis is stored once.
fn stored_shape(input: &InputSpec) -> Shape {
    let stretched = match input.arrangement {
        Arrangement::Broadcast => input.shape.iter().position(|size| *size > 1),
        Arrangement::Contiguous
        | Arrangement::Donated
        | Arrangement::Transposed
        | Arrangement::Sliced
        | Arrangement::Reversed => None,
    };
    match stretched {
        Some(axis) => input.shape.with(axis, 1),
        None => input.shape.clone(),
    }
}

fn operand(input: &InputSpec, number: usize) -> Result<Operand> {
    let layout = layout(input);
    let width = input.dtype.size();
    let end = layout.span().map_or(0, |(_, end)| end as usize);
    let mut bytes = vec![0xFF; end * width]; // gaps hold NaN or the greatest integer
    for (place, element) in layout.places().zip(elements(input, number)) {
        let (source, _) = element.bytes();
        bytes[place * width..(place + 1) * width].copy_from_slice(&source[..width]);
    }
    Ok(Operand {
        buffer: Buffer::from_bytes("sample", &bytes)?,
        layout,
        dtype: input.dtype,
        donatable: input.arrangement == Arrangement::Donated,
    })
}

fn layout(input: &InputSpec) -> Layout {
    let shape = &input.shape;
    let contiguous = Layout::contiguous(shape.clone());
    match input.arrangement {
        Arrangement::Contiguous | Arrangement::Donated => contiguous,
        Arrangement::Transposed => {
            let axes: Vec<usize> = (0..shape.ndim()).rev().collect();
            let stored: Shape = axes.iter().map(|&axis| shape[axis]).collect();
            Layout::contiguous(stored).permute(&axes)
        }
        Arrangement::Sliced => {
            let mut layout = contiguous;
            for stride in &mut layout.strides {
                *stride *= 2;
            }
            layout.offset = 3;
            layout
        }
        Arrangement::Reversed => {
            let mut layout = contiguous;
            layout.offset = shape.size().saturating_sub(1);
            for stride in &mut layout.strides {
                *stride = -*stride;
            }
            layout
        }
        Arrangement::Broadcast => Layout::contiguous(stored_shape(input)).broadcast(shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Values;
    use mlx_oxide_ir::Dtype;

    #[test]
    fn operands_hold_their_elements_in_every_arrangement() {
        for shape in [&[2, 3, 4][..], &[5], &[], &[0, 3], &[1, 4]] {
            for arrangement in Arrangement::ALL {
                let mut input = InputSpec::new(shape, Dtype::Int16, Values::Between(-99.0, 99.0));
                input.arrangement = arrangement;
                let operand = operand(&input, 0).unwrap();
                assert!(operand.layout.fits(operand.buffer.len() / 2));
                let bytes = operand.buffer.host_bytes().unwrap();
                let found: Vec<i64> = operand
                    .layout
                    .places()
                    .map(|place| {
                        i64::from(i16::from_ne_bytes([bytes[2 * place], bytes[2 * place + 1]]))
                    })
                    .collect();
                let expected: Vec<i64> = elements(&input, 0).iter().map(|e| e.to_i64()).collect();
                assert_eq!(found, expected, "{arrangement:?} {shape:?}");
            }
        }
    }

    #[test]
    fn arrangements_have_the_strides_they_are_named_for() {
        let strides = |arrangement| {
            let mut input = InputSpec::new([2, 3], Dtype::Int8, Values::Between(0.0, 9.0));
            input.arrangement = arrangement;
            layout(&input).strides.to_vec()
        };
        assert_eq!(strides(Arrangement::Contiguous), [3, 1]);
        assert_eq!(strides(Arrangement::Transposed), [1, 2]);
        assert_eq!(strides(Arrangement::Sliced), [6, 2]);
        assert_eq!(strides(Arrangement::Reversed), [-3, -1]);
        assert_eq!(strides(Arrangement::Broadcast), [0, 1]);
    }
}
