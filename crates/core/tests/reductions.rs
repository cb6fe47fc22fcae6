//! Reductions joined to the elementwise steps before them give the same bits as one after the
//! other, on any number of threads, and their operands do not exist.

use mlx_oxide_core::{Array, Dtype, Result, eval, eval_in_rows, eval_unfused, ops};
use mlx_oxide_runtime::{allocator, parallel};
use std::sync::Mutex;

/// Held by every test: some count the memory of all, or set the number of threads.
static ALONE: Mutex<()> = Mutex::new(());

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

fn numbers(shape: &[usize], dtype: Dtype) -> Result<Array> {
    let size: usize = shape.iter().product();
    let values: Vec<f32> = (0..size)
        .map(|place| (place * 37 % 1009) as f32 / 250.0 - 2.0)
        .collect();
    let array = ops::astype(&Array::from_slice(&values, shape)?, dtype)?;
    array.eval()?;
    Ok(array)
}

type Function = fn(&Array, &[i64]) -> Result<Vec<Array>>;

/// Programs of one and of several steps under every reduction that takes them in, and values that
/// others need too.
const FUNCTIONS: [(&str, Function); 8] = [
    ("sum of squares", |x, axes| {
        Ok(vec![ops::sum(&ops::square(x)?, Some(axes), false)?])
    }),
    ("mean of squared distances", |x, axes| {
        let distance = ops::subtract(x, &ops::multiply(x, &ops::abs(x)?)?)?;
        Ok(vec![ops::mean(&ops::square(&distance)?, Some(axes), true)?])
    }),
    ("product", |x, axes| {
        let near_one = ops::add(&ops::multiply(x, x)?, &ops::square(x)?)?;
        Ok(vec![ops::prod(&near_one, Some(axes), false)?])
    }),
    ("extremes of one value", |x, axes| {
        let value = ops::negative(&ops::abs(x)?)?;
        Ok(vec![
            ops::max(&value, Some(axes), false)?,
            ops::min(&value, Some(axes), false)?,
        ])
    }),
    ("truth", |x, axes| {
        let positive = ops::greater(x, &ops::zeros_like(x)?)?;
        Ok(vec![
            ops::all(&positive, Some(axes), false)?,
            ops::any(&ops::logical_not(&positive)?, Some(axes), true)?,
        ])
    }),
    ("count", |x, axes| {
        let positive = ops::greater(x, &ops::zeros_like(x)?)?;
        Ok(vec![ops::sum(&positive, Some(axes), false)?])
    }),
    ("a value that is needed whole", |x, axes| {
        let value = ops::multiply(x, &ops::add(x, x)?)?;
        let sum = ops::sum(&value, Some(axes), true)?;
        Ok(vec![ops::subtract(&value, &sum)?, sum])
    }),
    ("of a broadcast vector", |x, axes| {
        let last = x.shape()[x.ndim() - 1];
        let vector = numbers(&[last], x.dtype())?;
        let less = ops::subtract(x, &vector)?;
        Ok(vec![ops::sum(
            &ops::multiply(&less, x)?,
            Some(axes),
            false,
        )?])
    }),
];

/// Around what lines, tiles, parts and pieces of the kernels hold.
const SHAPES: [(&[usize], &[&[i64]]); 11] = [
    (&[7], &[&[0]]),
    (&[1 << 19], &[&[0]]),
    (&[300_001], &[&[0]]),
    (&[1500, 70], &[&[0], &[1], &[0, 1]]),
    (&[40, 5000], &[&[0], &[0, 1]]),
    (&[2000, 3], &[&[0], &[0, 1]]),
    (&[1, 70_000], &[&[1], &[0, 1]]),
    (&[33, 40, 65], &[&[0], &[1], &[0, 1], &[0, 2], &[1, 2]]),
    (&[3, 17, 2, 600], &[&[0, 1], &[0, 1, 2], &[1], &[0, 2]]),
    (&[3, 4, 2, 1100], &[&[0, 2]]),
    (&[5, 6, 70, 12], &[&[0, 2], &[1, 3]]),
];

fn bits(array: &Array) -> Result<Vec<u8>> {
    let same_sized = match array.dtype() {
        Dtype::Bool => ops::astype(array, Dtype::Uint8)?,
        _ => array.clone(),
    };
    let flat = ops::contiguous(&ops::reshape(&same_sized, &[-1])?)?;
    ops::view(&flat, Dtype::Uint8)?.to_vec::<u8>()
}

#[test]
fn results_are_the_same_joined_and_apart() -> Result<()> {
    install();
    let _alone = ALONE.lock();
    let dtypes = [
        Dtype::Float32,
        Dtype::Bfloat16,
        Dtype::Float64,
        Dtype::Int16,
    ];
    for (name, function) in FUNCTIONS {
        for (shape, all_axes) in SHAPES {
            for dtype in dtypes {
                let x = numbers(shape, dtype)?;
                for axes in all_axes {
                    let expected = function(&x, axes)?;
                    eval_unfused(&expected)?;
                    for eval in [eval, eval_in_rows] {
                        let found = function(&x, axes)?;
                        eval(&found)?;
                        for (found, expected) in found.iter().zip(&expected) {
                            assert_eq!(
                                bits(found)?,
                                bits(expected)?,
                                "{name} of {dtype} {shape:?} over {axes:?}"
                            );
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_lies_across_gives_the_same_too() -> Result<()> {
    install();
    let _alone = ALONE.lock();
    let x = ops::swapaxes(&numbers(&[600, 500], Dtype::Float32)?, 0, 1)?;
    let strided = ops::slice_axis(&numbers(&[500, 900], Dtype::Float32)?, 1, 100, 700)?;
    let build = |axes: &[i64]| {
        let product = ops::multiply(&ops::multiply(&x, &strided)?, &strided)?;
        ops::sum(&product, Some(axes), false)
    };
    for axes in [&[0][..], &[0, 1]] {
        let (joined, apart) = (build(axes)?, build(axes)?);
        eval(std::slice::from_ref(&joined))?;
        eval_unfused(std::slice::from_ref(&apart))?;
        assert_eq!(bits(&joined)?, bits(&apart)?, "{axes:?}");
    }
    Ok(())
}

#[test]
fn values_that_are_held_are_there_afterwards() -> Result<()> {
    install();
    let _alone = ALONE.lock();
    let x = numbers(&[300, 400], Dtype::Float32)?;
    let square = ops::square(&x)?;
    let double = ops::add(&square, &square)?;
    let sum = ops::sum(&double, Some(&[0]), false)?;
    eval(std::slice::from_ref(&sum))?;
    assert!(square.is_evaluated() && double.is_evaluated());
    let expected = ops::sum(&double, Some(&[0]), false)?;
    assert_eq!(bits(&sum)?, bits(&expected)?);
    Ok(())
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() -> Result<()> {
    install();
    let _alone = ALONE.lock();
    let usual = parallel::threads();
    let x = numbers(&[1500, 700], Dtype::Float32)?;
    let on = |threads: usize, axes: &[i64]| -> Result<Vec<u8>> {
        parallel::set_threads(threads);
        let sum = ops::sum(&ops::multiply(&x, &ops::sin(&x)?)?, Some(axes), false)?;
        bits(&sum)
    };
    for axes in [&[0][..], &[0, 1]] {
        let one = on(1, axes)?;
        for threads in [2, 3] {
            assert_eq!(one, on(threads, axes)?, "{axes:?}");
        }
    }
    parallel::set_threads(usual);
    Ok(())
}

#[test]
fn operands_do_not_exist_whole() -> Result<()> {
    install();
    let _alone = ALONE.lock();
    let (a, b) = (
        numbers(&[2048, 1024], Dtype::Float32)?, // 8 MiB
        numbers(&[2048, 1024], Dtype::Float32)?,
    );
    let distance = || ops::square(&ops::subtract(&a, &b)?);
    // not held: a product that is would have to be there afterwards
    let sum = ops::sum(&ops::multiply(&a, &b)?, None, false)?;
    let mean = ops::mean(&distance()?, None, false)?;
    let columns = ops::sum(&distance()?, Some(&[0]), false)?;
    for (name, output) in [("sum", sum), ("mean", mean), ("columns", columns)] {
        let before = allocator::active_memory();
        allocator::reset_peak_memory();
        eval(std::slice::from_ref(&output))?;
        let taken = allocator::peak_memory() - before;
        assert!(taken < 1 << 20, "{name} took {taken} bytes");
    }
    Ok(())
}
