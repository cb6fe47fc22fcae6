//! Functions of MLX's names that other operations are made of.

use mlx_oxide_core::ops::fft::{self, Norm};
use mlx_oxide_core::{Array, Dtype, Result, ops};

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

fn vector(values: &[f32]) -> Result<Array> {
    Array::from_slice(values, [values.len()])
}

#[test]
fn trunc_rounds_toward_zero_and_refuses_complex_numbers() -> Result<()> {
    install();
    let x = vector(&[-1.5, -0.25, 0.75, 2.0])?;
    assert_eq!(ops::trunc(&x)?.to_vec::<f32>()?, [-1.0, -0.0, 0.0, 2.0]);
    assert!(ops::trunc(&ops::astype(&x, Dtype::Complex64)?).is_err());
    Ok(())
}

#[test]
fn slices_of_an_axis_are_unstacked_and_their_number_is_bounded() -> Result<()> {
    install();
    let x = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    let columns = ops::unstack(&x, -1)?;
    assert_eq!(columns.len(), 2);
    assert_eq!(columns[1].to_vec::<f32>()?, [2.0, 4.0]);
    let hollow = ops::zeros([1 << 40, 0], Dtype::Float32)?;
    assert!(ops::unstack(&hollow, 0).is_err());
    assert!(ops::split(&hollow, 1 << 40, 0).is_err());
    Ok(())
}

#[test]
fn vecdot_conjugates_and_wants_equal_sizes() -> Result<()> {
    install();
    let x = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    assert_eq!(
        ops::vecdot(&x, &vector(&[1.0, 10.0])?, -1)?.to_vec::<f32>()?,
        [21.0, 43.0]
    );
    let error = ops::vecdot(&x, &vector(&[1.0, 2.0, 3.0])?, -1).expect_err("sizes differ");
    assert!(error.to_string().starts_with("[vecdot]"), "{error}");
    Ok(())
}

#[test]
fn scalars_have_no_positions_of_nonzero_elements() {
    install();
    let scalar = Array::scalar(1.0f32).expect("a scalar");
    let error = ops::nonzero(&scalar).expect_err("no axes");
    assert!(error.to_string().starts_with("[nonzero]"), "{error}");
}

#[test]
fn windows_are_symmetric_and_bounded_by_memory() -> Result<()> {
    install();
    assert_eq!(
        ops::bartlett(5)?.to_vec::<f32>()?,
        [0.0, 0.5, 1.0, 0.5, 0.0]
    );
    for window in [ops::hanning, ops::hamming, ops::blackman, ops::bartlett] {
        assert_eq!(window(0)?.size(), 0);
        assert_eq!(window(1)?.to_vec::<f32>()?, [1.0]);
        let points = window(9)?.to_vec::<f32>()?;
        for (left, right) in points.iter().zip(points.iter().rev()) {
            assert!((left - right).abs() < 1e-6);
        }
        assert!(window(1 << 50).is_err());
    }
    Ok(())
}

#[test]
fn transposed_convolutions_undo_the_shapes_of_convolutions() -> Result<()> {
    install();
    let input = ops::ones([1, 3, 4, 2], Dtype::Float32)?;
    let weight = ops::ones([5, 3, 3, 2], Dtype::Float32)?;
    let result = ops::conv_transpose2d(&input, &weight, [2, 2], [1, 1], [1, 1], [1, 0], 1)?;
    assert_eq!(result.shape()[..], [1, 6, 7, 5]);
    let volume = ops::ones([1, 3, 3, 3, 1], Dtype::Float32)?;
    let cube = ops::ones([1, 2, 2, 2, 1], Dtype::Float32)?;
    let sums = ops::conv3d(&volume, &cube, [1; 3], [0; 3], [1; 3], 1)?;
    assert_eq!(sums.to_vec::<f32>()?, [8.0; 8]);
    assert!(ops::conv_transpose1d(&input, &weight, [1], [0], [1], [0], 1).is_err());
    Ok(())
}

#[test]
fn extremes_truths_and_fills() -> Result<()> {
    install();
    let x = vector(&[3.0, 0.0, 2.0])?;
    let (least, greatest) = ops::minmax(&x, None, false)?;
    assert_eq!((least.item::<f32>()?, greatest.item::<f32>()?), (0.0, 3.0));
    let xor = ops::logical_xor(&x, &vector(&[1.0, 1.0, 0.0])?)?;
    assert_eq!(xor.to_vec::<bool>()?, [false, true, true]);
    let filled = ops::full_like(&x, &Array::scalar(7i32)?)?;
    assert_eq!(filled.to_vec::<f32>()?, [7.0; 3]);
    Ok(())
}

#[test]
fn transforms_along_two_axes_are_those_along_several() -> Result<()> {
    install();
    let x = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
    let pair = fft::rfft2(&x, None, [-2, -1], Norm::Backward)?;
    let several = fft::rfftn(&x, None, None, Norm::Backward)?;
    let equal = ops::array_equal(&pair, &several, false)?;
    assert!(equal.item::<bool>()?);
    let back = fft::irfft2(&pair, Some(&[2, 3]), [-2, -1], Norm::Backward)?;
    assert!(ops::allclose(&back, &x, 1e-5, 1e-6, false)?.item::<bool>()?);
    Ok(())
}

#[test]
fn diagonals_beyond_every_corner_are_empty() -> Result<()> {
    install();
    let x = ops::ones([2, 3], Dtype::Float32)?;
    for k in [i64::MIN, i64::MAX] {
        assert_eq!(
            ops::eye(2, 3, k, Dtype::Float32)?.to_vec::<f32>()?,
            [0.0; 6]
        );
    }
    assert_eq!(ops::tril(&x, i64::MIN)?.to_vec::<f32>()?, [0.0; 6]);
    assert_eq!(ops::triu(&x, i64::MIN)?.to_vec::<f32>()?, [1.0; 6]);
    assert_eq!(ops::tril(&x, i64::MAX)?.to_vec::<f32>()?, [1.0; 6]);
    Ok(())
}

#[test]
fn parameters_of_random_numbers_broadcast_to_their_shape_and_no_further() -> Result<()> {
    install();
    let p = vector(&[0.5, 0.5])?;
    let key = ops::random::key(0)?;
    assert!(ops::random::bernoulli(&p, [3, 2], Some(&key)).is_ok());
    assert!(ops::random::bernoulli(&p, [1], Some(&key)).is_err());
    Ok(())
}

#[test]
fn addmm_of_vectors_wants_an_addend_no_greater_than_the_product() -> Result<()> {
    install();
    let (row, column) = (vector(&[1.0, 2.0])?, vector(&[3.0, 4.0])?);
    let addend = ops::ones([3], Dtype::Float32)?;
    assert!(ops::addmm(&addend, &row, &column, 1.0, 1.0).is_err());
    Ok(())
}
