//! What compiled functions do with state, random numbers and other sizes.

use mlx_oxide_core::compile::{compile, shapeless};
use mlx_oxide_core::ops::{self, random};
use mlx_oxide_core::transforms;
use mlx_oxide_core::{Array, Error, Result};
use std::sync::{Arc, Mutex};

fn vector(values: &[f32]) -> Result<Array> {
    Array::from_slice(values, [values.len()])
}

fn numbers(array: &Array) -> Result<Vec<f32>> {
    array.to_vec::<f32>()
}

#[test]
fn state_is_read_and_written_by_each_call() -> Result<()> {
    mlx_oxide_cpu::install();
    let weights = Arc::new(Mutex::new(vec![vector(&[1.0, 2.0])?, vector(&[0.0, 0.0])?]));
    let held = weights.clone();
    let step = compile(move |x: &[Array]| {
        let mut weights = held.lock().expect("nobody panics");
        let moment = (&(&weights[1] * 0.5)? + &x[0])?;
        weights[0] = (&weights[0] - &moment)?;
        weights[1] = moment;
        Ok(vec![ops::sum(&weights[0], None, false)?])
    })
    .inputs(weights.clone())
    .outputs(weights.clone());
    let x = vector(&[1.0, 1.0])?;
    let mut expected = ([1.0f32, 2.0], 0.0f32);
    for _ in 0..4 {
        let loss = step.call(std::slice::from_ref(&x))?;
        expected.1 = expected.1 * 0.5 + 1.0;
        expected.0 = expected.0.map(|weight| weight - expected.1);
        assert_eq!(loss[0].item::<f32>()?, expected.0.iter().sum::<f32>());
        let weights = weights.lock().expect("nobody panics");
        assert_eq!(numbers(&weights[0])?, expected.0);
        assert_eq!(numbers(&weights[1])?, [expected.1; 2]);
    }
    assert_eq!(step.trace_count(), 1);
    Ok(())
}

#[test]
fn state_that_is_only_read_stays_and_its_types_are_part_of_the_key() -> Result<()> {
    mlx_oxide_cpu::install();
    let scale = Arc::new(Mutex::new(Array::scalar(2.0f32)?));
    let held = scale.clone();
    let scaled = compile(move |x: &[Array]| {
        let mut scale = held.lock().expect("nobody panics");
        let result = (&x[0] * &*scale)?;
        *scale = result.clone();
        Ok(vec![result])
    })
    .inputs(scale.clone());
    let x = vector(&[3.0])?;
    assert_eq!(numbers(&scaled.call(std::slice::from_ref(&x))?[0])?, [6.0]);
    assert_eq!(scale.lock().expect("nobody panics").item::<f32>()?, 2.0);
    *scale.lock().expect("nobody panics") = Array::scalar(5.0f32)?;
    assert_eq!(numbers(&scaled.call(std::slice::from_ref(&x))?[0])?, [15.0]);
    assert_eq!(scaled.trace_count(), 1);
    *scale.lock().expect("nobody panics") = vector(&[1.0])?;
    assert_eq!(numbers(&scaled.call(&[x])?[0])?, [3.0]);
    assert_eq!(scaled.trace_count(), 2);
    Ok(())
}

#[test]
fn a_failure_leaves_state_as_it_was() -> Result<()> {
    mlx_oxide_cpu::install();
    let state = Arc::new(Mutex::new(Array::scalar(1.0f32)?));
    let held = state.clone();
    let failing = compile(move |x: &[Array]| {
        let mut state = held.lock().expect("nobody panics");
        *state = (&*state + &x[0])?;
        state.item::<f32>()?;
        Ok(vec![])
    })
    .inputs(state.clone())
    .outputs(state.clone());
    let failure = failing.call(&[Array::scalar(1.0f32)?]);
    assert!(matches!(failure, Err(Error::ReadWhileTracing { .. })));
    assert_eq!(state.lock().expect("nobody panics").item::<f32>()?, 1.0);
    Ok(())
}

#[test]
fn gradients_flow_through_captured_state() -> Result<()> {
    mlx_oxide_cpu::install();
    let weight = Arc::new(Mutex::new(Array::scalar(1.0f32)?));
    let held = weight.clone();
    let product =
        compile(move |x: &[Array]| Ok(vec![(&x[0] * &*held.lock().expect("nobody panics"))?]))
            .inputs(weight.clone());
    let x = Array::scalar(3.0f32)?;
    for value in [2.0f32, 4.0] {
        let gradient = transforms::grad(
            |traced| {
                *weight.lock().expect("nobody panics") = traced[0].clone();
                let squared = product.call(std::slice::from_ref(&x))?;
                Ok(vec![(&squared[0] * &squared[0])?])
            },
            &[Array::scalar(value)?],
            &[0],
        )?;
        assert_eq!(gradient[0].item::<f32>()?, 18.0 * value);
    }
    Ok(())
}

#[test]
fn random_numbers_go_on_as_without_compilation() -> Result<()> {
    mlx_oxide_cpu::install();
    let draw = |_: &[Array]| {
        let zero = Array::scalar(0.0f32)?;
        let one = Array::scalar(1.0f32)?;
        let dtype = mlx_oxide_core::Dtype::Float32;
        Ok(vec![random::uniform(&zero, &one, [3], dtype, None)?])
    };
    random::seed(7)?;
    let plain: Vec<Vec<f32>> = (0..3)
        .map(|_| numbers(&draw(&[])?[0]))
        .collect::<Result<_>>()?;
    let compiled = compile(draw);
    random::seed(7)?;
    for expected in &plain {
        assert_eq!(numbers(&compiled.call(&[])?[0])?, *expected);
    }
    assert_eq!(compiled.trace_count(), 1);
    let nested = compile(|x: &[Array]| compiled.call(x));
    random::seed(7)?;
    for expected in &plain {
        assert_eq!(numbers(&nested.call(&[])?[0])?, *expected);
    }
    Ok(())
}

#[test]
fn a_shapeless_trace_serves_other_sizes() -> Result<()> {
    mlx_oxide_cpu::install();
    let weights = Array::from_slice(&[0.5f32, -1.0, 2.0, 0.25, 1.0, -0.5], [3, 2])?;
    let function = |x: &[Array]| {
        let centred = (&x[0] - &ops::mean(&x[0], Some(&[0]), true)?)?;
        let logits = ops::matmul(&centred, &weights)?;
        let rows = ops::reshape(&ops::fast::softmax(&logits, Some(&[-1]), false)?, &[-1])?;
        Ok(vec![rows, ops::var(&x[0], None, false, 0)?])
    };
    let compiled = compile(function).shapeless(true);
    for rows in [4usize, 7, 1, 4, 12] {
        let values: Vec<f32> = (0..rows * 3)
            .map(|place| (place as f32 * 0.7).sin())
            .collect();
        let x = [Array::from_slice(&values, [rows, 3])?];
        for (found, expected) in compiled.call(&x)?.iter().zip(function(&x)?) {
            assert_eq!(found.shape(), expected.shape());
            assert_eq!(numbers(found)?, numbers(&expected)?);
        }
    }
    assert_eq!(compiled.trace_count(), 1);
    Ok(())
}

#[test]
fn what_holds_sizes_is_traced_again_for_each() -> Result<()> {
    mlx_oxide_cpu::install();
    let gradient = |x: &[Array]| {
        transforms::grad(
            |x| Ok(vec![ops::mean(&ops::square(&x[0])?, None, false)?]),
            x,
            &[0],
        )
    };
    let counted = |x: &[Array]| {
        shapeless::refuse("the number of rows");
        Ok(vec![(&x[0] * x[0].shape()[0] as f64)?])
    };
    let (compiled, refusing) = (
        compile(gradient).shapeless(true),
        compile(counted).shapeless(true),
    );
    for size in [2usize, 5, 3] {
        let x = [vector(&vec![1.5; size])?];
        let expected = vec![3.0 / size as f32; size];
        assert_eq!(numbers(&compiled.call(&x)?[0])?, expected);
        assert_eq!(
            numbers(&refusing.call(&x)?[0])?,
            vec![1.5 * size as f32; size]
        );
    }
    assert_eq!(compiled.trace_count(), 3);
    assert_eq!(refusing.trace_count(), 3);
    Ok(())
}
