//! Steps joined row by row give the same bits as one after the other, in less memory.

use mlx_oxide_core::{Array, Dtype, Result, eval, eval_in_rows, eval_unfused, ops};
use mlx_oxide_runtime::allocator;

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

fn numbers(shape: &[usize]) -> Result<Array> {
    let size: usize = shape.iter().product();
    let values: Vec<f32> = (0..size)
        .map(|place| (place * 37 % 101) as f32 / 25.0 - 2.0)
        .collect();
    Array::from_slice(&values, shape)
}

fn softmax(x: &Array) -> Result<Array> {
    let powers = ops::exp(&ops::subtract(x, &ops::max(x, Some(&[-1]), true)?)?)?;
    ops::divide(&powers, &ops::sum(&powers, Some(&[-1]), true)?)
}

fn variance(x: &Array) -> Result<Array> {
    let distance = ops::subtract(x, &ops::mean(x, Some(&[-1]), true)?)?;
    ops::mean(&ops::square(&distance)?, Some(&[-1]), false)
}

fn normed(x: &Array) -> Result<Array> {
    let last = x.shape()[x.ndim() - 1];
    let distance = ops::subtract(x, &ops::mean(x, Some(&[-1]), true)?)?;
    let variance = ops::mean(&ops::square(&distance)?, Some(&[-1]), true)?;
    ops::multiply(
        &ops::multiply(&distance, &ops::rsqrt(&variance)?)?,
        &numbers(&[last])?,
    )
}

/// Extremes, running sums and kernels of whole rows between elementwise steps, with a result
/// that is turned.
fn everything(x: &Array) -> Result<Array> {
    let sums = ops::cumsum(&ops::tanh(x)?, Some(-1), false, true)?;
    let best = ops::argmax(&sums, Some(-1), true)?;
    let soft = ops::fast::softmax(&ops::abs(&sums)?, Some(&[-1]), false)?;
    let both = ops::add(&soft, &ops::astype(&best, Dtype::Float32)?)?;
    ops::swapaxes(&ops::negative(&both)?, -1, -2)
}

/// A kernel that takes a computed vector whole, of the same size as there are rows.
fn with_computed_weight(x: &Array) -> Result<Array> {
    let size = x.shape()[x.ndim() - 1];
    let weight = ops::square(&numbers(&[size])?)?;
    ops::fast::rms_norm(&ops::negative(x)?, Some(&ops::exp(&weight)?), 1e-5)
}

/// Parts of the rows and other shapes of them.
fn views(x: &Array) -> Result<Array> {
    let shape = x.shape().to_vec();
    let last = shape.len() - 1;
    let mut split = shape.clone();
    split[last] = 2;
    split.push(shape[last] / 2);
    let pairs = ops::reshape_to(&ops::square(x)?, split.as_slice())?;
    let parts = ops::slice_axis(&pairs, last, 1, 2)?;
    ops::sum(&ops::sqrt(&parts)?, Some(&[-1, -2]), false)
}

#[test]
fn rows_are_the_same_joined_and_apart() -> Result<()> {
    install();
    let functions: [(&str, fn(&Array) -> Result<Array>); 6] = [
        ("softmax", softmax),
        ("variance", variance),
        ("normed", normed),
        ("everything", everything),
        ("with_computed_weight", with_computed_weight),
        ("views", views),
    ];
    let inputs = [
        numbers(&[4, 6])?,
        numbers(&[6, 6])?,
        numbers(&[2, 3, 10])?,
        numbers(&[1, 5, 8])?,
        ops::swapaxes(&numbers(&[8, 7])?, 0, 1)?,
        ops::flip(&numbers(&[3, 5, 4])?, &[0, 2])?,
        ops::broadcast_to(&numbers(&[1, 6])?, [5, 6])?,
        numbers(&[3, 0, 4])?,
    ];
    for (name, function) in functions {
        for input in &inputs {
            let joined = function(input)?;
            let apart = function(input)?;
            eval_in_rows(std::slice::from_ref(&joined))?;
            eval_unfused(std::slice::from_ref(&apart))?;
            let (joined, apart): (Vec<f32>, Vec<f32>) = (joined.to_vec()?, apart.to_vec()?);
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&joined), bits(&apart), "{name} of {:?}", input.shape());
        }
    }
    Ok(())
}

#[test]
fn what_is_held_between_is_there_afterwards() -> Result<()> {
    install();
    let x = numbers(&[5, 8])?;
    let greatest = ops::max(&x, Some(&[-1]), true)?;
    let powers = ops::exp(&ops::subtract(&x, &greatest)?)?;
    let sum = ops::sum(&powers, Some(&[-1]), true)?;
    let result = ops::divide(&powers, &sum)?;
    eval_in_rows(std::slice::from_ref(&result))?;
    assert!(
        [&greatest, &powers, &sum]
            .iter()
            .all(|held| held.is_evaluated())
    );
    let expected = ops::divide(&powers, &sum)?;
    assert_eq!(result.to_vec::<f32>()?, expected.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn nothing_between_exists_whole() -> Result<()> {
    install();
    const MIB: usize = 1 << 20;
    let x = numbers(&[8192, 512])?; // 16 MiB
    x.eval()?;
    for (name, function, result) in [
        ("softmax", softmax as fn(&Array) -> Result<Array>, 16 * MIB),
        ("variance", variance, 0),
        ("normed", normed, 16 * MIB),
    ] {
        let output = function(&x)?;
        let before = allocator::active_memory();
        allocator::reset_peak_memory();
        eval(std::slice::from_ref(&output))?;
        let taken = allocator::peak_memory() - before;
        assert!(taken < result + 3 * MIB, "{name} took {taken} bytes");
    }
    Ok(())
}

#[test]
fn views_that_leave_joined_rows_are_summed_as_they_lie_in_memory() -> Result<()> {
    install();
    let numbers: Vec<f32> = (0..40).map(|number| (number as f32 * 0.7).sin()).collect();
    let x = Array::from_slice(&numbers, [40])?;
    let build = || -> Result<Vec<Array>> {
        // each number three times, then a softmax of rows and, beside it, a mean of all
        let column = ops::reshape_to(&ops::tanh(&x)?, [40, 1])?;
        let stretched = ops::broadcast_to(&column, [40, 3])?;
        let rows = ops::fast::softmax(&stretched, Some(&[-1]), false)?;
        let turned = ops::flip(&ops::reshape_to(&x, [8, 5])?, &[0, 1])?;
        let powers = ops::exp(&(&turned - &ops::max(&turned, Some(&[-1]), true)?)?)?;
        Ok(vec![
            ops::mean(&stretched, None, false)?,
            rows,
            powers,
            ops::sum(&turned, None, false)?,
        ])
    };
    let expected = build()?;
    eval_unfused(&expected)?;
    let found = build()?;
    eval_in_rows(&found)?;
    for (found, expected) in found.iter().zip(&expected) {
        let bits = |array: &Array| -> Result<Vec<u32>> {
            let numbers = array.to_vec::<f32>()?;
            Ok(numbers.iter().map(|number| number.to_bits()).collect())
        };
        assert_eq!(bits(found)?, bits(expected)?);
    }
    Ok(())
}
