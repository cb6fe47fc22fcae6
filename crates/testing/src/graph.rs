//! A sample as a function of arrays.

use crate::arrange::elements;
use crate::coordinates::{direction, from_coordinates, from_scalars, parts};
use crate::sample::{InputSpec, Sample};
use crate::values::generate;
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{ArrayType, Dtype, Op, OutputTypes, Result, Scalar, infer};

/// The inputs of a sample.
pub fn arrays(sample: &Sample) -> Result<Vec<Array>> {
    let inputs = sample.inputs.iter().enumerate();
    inputs
        .map(|(number, input)| from_scalars(&elements(input, number), &input.array_type()))
        .collect()
}

/// `size` inputs for each input of a sample, each with values of its own.
pub fn slices(sample: &Sample, size: usize) -> Result<Vec<Vec<Array>>> {
    let inputs = sample.inputs.iter().enumerate();
    inputs
        .map(|(number, input)| {
            (0..size)
                .map(|slice| {
                    from_scalars(&slice_elements(input, number, slice), &input.array_type())
                })
                .collect()
        })
        .collect()
}

/// Exact numbers turn from slice to slice where they are indices, whose order is free, and grow
/// where there is only one.
fn slice_elements(input: &InputSpec, number: usize, slice: usize) -> Vec<Scalar> {
    use crate::sample::Values::Exactly;
    let count = input.shape.size();
    match &input.values {
        Exactly(numbers) if numbers.len() == 1 && input.dtype.is_inexact() => {
            vec![Scalar::new(numbers[0] + slice as f64, input.dtype); count]
        }
        Exactly(numbers) if input.dtype.is_integer() && input.dtype.size() > 2 => {
            let mut elements = generate(&Exactly(numbers.clone()), input.dtype, count, number);
            if slice % 2 == 1 {
                elements.reverse();
            }
            elements
        }
        values => generate(values, input.dtype, count, number + 5 * slice),
    }
}

/// The sample's operation.
pub fn function(sample: &Sample) -> impl Fn(&[Array]) -> Result<Vec<Array>> + '_ {
    |inputs| {
        let mut inputs = inputs.to_vec();
        if sample.hermitian {
            inputs[0] = hermitian_part(&inputs[0])?;
        }
        Array::apply_all(sample.op.clone(), &inputs.iter().collect::<Vec<_>>())
    }
}

fn hermitian_part(a: &Array) -> Result<Array> {
    let transposed = ops::swapaxes(a, -1, -2)?;
    let sum = ops::add(a, &ops::conjugate(&transposed)?)?;
    ops::multiply(&sum, &ops::unary::scalar_like(&sum, 0.5)?)
}

/// The types of a sample's results.
pub fn output_types(sample: &Sample) -> Result<OutputTypes> {
    let types: Vec<ArrayType> = sample.inputs.iter().map(|i| i.array_type()).collect();
    infer(&sample.op, &types.iter().collect::<Vec<_>>())
}

/// The inputs that derivatives are taken by.
pub fn variables(sample: &Sample) -> Vec<usize> {
    let is_variable =
        |input: &usize| sample.inputs[*input].dtype.is_inexact() && !sample.held.contains(input);
    (0..sample.inputs.len()).filter(is_variable).collect()
}

/// The inputs with those at `places` replaced.
pub fn replaced(inputs: &[Array], places: &[usize], values: &[Array]) -> Vec<Array> {
    let mut inputs = inputs.to_vec();
    for (place, value) in places.iter().zip(values) {
        inputs[*place] = value.clone();
    }
    inputs
}

/// A drawn array of a type; zeros if it is not inexact.
pub fn drawn(array_type: &ArrayType, seed: u64) -> Result<Array> {
    let count = array_type.shape.size() * parts(array_type.dtype);
    match array_type.dtype.is_inexact() {
        true => from_coordinates(&direction(count, seed), array_type),
        false => from_coordinates(&vec![0.0; count], array_type),
    }
}

/// The least precise inexact dtype among inputs and results, which bounds what differences can
/// show.
pub fn coarsest(sample: &Sample) -> Result<Option<Dtype>> {
    let outputs = output_types(sample)?;
    let inputs = sample.inputs.iter().map(|input| input.dtype);
    let dtypes = inputs.chain(outputs.iter().map(|output| output.dtype));
    Ok(dtypes
        .filter(|dtype| dtype.is_inexact())
        .max_by(|a, b| crate::tolerance::epsilon(*a).total_cmp(&crate::tolerance::epsilon(*b))))
}

/// The dtype whose precision differences have here; none of a sample in single precision, whose
/// gradient is compared with that in double instead. Complex numbers and packed matrices have no
/// double, and inputs that are held do not move.
pub fn difference_dtype(sample: &Sample) -> Result<Option<Dtype>> {
    let outputs = output_types(sample)?;
    let moving = variables(sample)
        .into_iter()
        .map(|it| sample.inputs[it].dtype);
    let dtypes: Vec<Dtype> = moving
        .chain(outputs.iter().map(|output| output.dtype))
        .filter(|dtype| dtype.is_inexact())
        .collect();
    let has_double = !dtypes.contains(&Dtype::Complex64) && !matches!(sample.op, Op::Quantized(_));
    let epsilon = |dtype: &Dtype| crate::tolerance::epsilon(*dtype);
    let coarsest = dtypes
        .into_iter()
        .max_by(|a, b| epsilon(a).total_cmp(&epsilon(b)));
    Ok(coarsest.filter(|dtype| *dtype != Dtype::Float32 || !has_double))
}
