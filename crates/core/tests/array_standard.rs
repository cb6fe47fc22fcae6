//! What the array API standard has and MLX has not.

use mlx_oxide_core::{Array, Dtype, Result, ops, transforms};

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

fn vector(values: &[f32]) -> Result<Array> {
    Array::from_slice(values, [values.len()])
}

#[test]
fn signs_are_those_of_zeros_too() -> Result<()> {
    install();
    let x = vector(&[-1.5, -0.0, 0.0, 2.0, f32::NEG_INFINITY])?;
    assert_eq!(
        ops::signbit(&x)?.to_vec::<bool>()?,
        [true, true, false, false, true]
    );
    let signed = ops::copysign(&vector(&[1.0, 2.0, -3.0, -4.0, 5.0])?, &x)?;
    assert_eq!(signed.to_vec::<f32>()?, [-1.0, -2.0, 3.0, 4.0, -5.0]);
    Ok(())
}

#[test]
fn neighbours_are_those_of_the_dtype() -> Result<()> {
    install();
    let x = vector(&[1.0, 1.0, 0.0, 0.0, f32::MAX, f32::INFINITY, 2.0])?;
    let y = vector(&[2.0, 0.0, 1.0, -1.0, f32::INFINITY, 0.0, 2.0])?;
    let tiny = f32::from_bits(1);
    let expected = [
        1.0 + f32::EPSILON,
        1.0 - f32::EPSILON / 2.0,
        tiny,
        -tiny,
        f32::INFINITY,
        f32::MAX,
        2.0,
    ];
    assert_eq!(ops::nextafter(&x, &y)?.to_vec::<f32>()?, expected);
    let half = ops::nextafter(&x.astype(Dtype::Float16)?, &y.astype(Dtype::Float16)?)?;
    assert_eq!(
        half.astype(Dtype::Float32)?.to_vec::<f32>()?[0],
        1.0 + 1.0 / 1024.0
    );
    Ok(())
}

#[test]
fn lengths_neither_overflow_nor_vanish() -> Result<()> {
    install();
    let a = vector(&[3e30, 3e-30, 0.0, f32::INFINITY, f32::NAN])?;
    let b = vector(&[4e30, 4e-30, 0.0, f32::NAN, 1.0])?;
    let lengths = ops::hypot(&a, &b)?.to_vec::<f32>()?;
    assert!((lengths[0] / 5e30 - 1.0).abs() < 1e-6 && (lengths[1] / 5e-30 - 1.0).abs() < 1e-6);
    assert_eq!(lengths[2..4], [0.0, f32::INFINITY]);
    assert!(lengths[4].is_nan());
    let sum = |x: &[Array]| Ok(vec![ops::sum(&ops::hypot(&x[0], &x[1])?, None, false)?]);
    let inputs = [vector(&[3.0, 0.0, 1.0])?, vector(&[4.0, 0.0, 1.0])?];
    let gradients = transforms::grad(sum, &inputs, &[0, 1])?;
    let by_a = gradients[0].to_vec::<f32>()?;
    assert!(
        (by_a[0] - 0.6).abs() < 1e-6 && by_a[1] == 0.0 && (by_a[2] - 0.5f32.sqrt()).abs() < 1e-6
    );
    Ok(())
}

#[test]
fn complex_numbers_have_neither_signs_nor_neighbours() -> Result<()> {
    install();
    let z = vector(&[1.0])?.astype(Dtype::Complex64)?;
    for error in [
        ops::signbit(&z).err(),
        ops::copysign(&z, &z).err(),
        ops::hypot(&z, &z).err(),
        ops::nextafter(&z, &z).err(),
    ] {
        assert!(error.is_some_and(|error| error.to_string().contains("complex64")));
    }
    Ok(())
}

#[test]
fn members_are_found_whatever_their_order() -> Result<()> {
    install();
    let x = Array::from_slice(&[5i32, 1, 7, 3], [2, 2])?;
    let among = Array::from_slice(&[7i64, 1, 9], [3])?;
    assert_eq!(
        ops::isin(&x, &among, false)?.to_vec::<bool>()?,
        [false, true, true, false]
    );
    assert_eq!(
        ops::isin(&x, &among, true)?.to_vec::<bool>()?,
        [true, false, false, true]
    );
    let none = ops::zeros([0], Dtype::Int32)?;
    assert_eq!(ops::isin(&x, &none, false)?.to_vec::<bool>()?, [false; 4]);
    assert_eq!(ops::isin(&none, &x, false)?.size(), 0);
    Ok(())
}

#[test]
fn what_depends_on_values_is_evaluated_on_demand() -> Result<()> {
    install();
    let x = vector(&[0.0, 2.0, 0.0, 2.0, 1.0])?;
    assert_eq!(
        ops::nonzero(&x)?[0].astype(Dtype::Int32)?.to_vec::<i32>()?,
        [1, 3, 4]
    );
    let distinct = ops::unique(&x, None, None)?;
    assert_eq!(distinct.values.to_vec::<f32>()?, [0.0, 1.0, 2.0]);
    assert_eq!(distinct.counts.to_vec::<i32>()?, [2, 1, 2]);
    assert_eq!(distinct.inverse.to_vec::<u32>()?, [0, 2, 0, 2, 1]);
    Ok(())
}

#[test]
fn pseudo_inverses_forget_what_is_below_the_tolerance() -> Result<()> {
    install();
    let a = Array::from_slice(&[2.0f32, 0.0, 0.0, 0.01], [2, 2])?;
    let exact = ops::linalg::pinv(&a, None)?.to_vec::<f32>()?;
    assert!((exact[0] - 0.5).abs() < 1e-6 && (exact[3] - 100.0).abs() < 1e-3);
    let rough = ops::linalg::pinv(&a, Some(0.1))?.to_vec::<f32>()?;
    assert!((rough[0] - 0.5).abs() < 1e-6 && rough[3].abs() < 1e-6);
    Ok(())
}
