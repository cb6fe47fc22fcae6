//! What each kernel family achieves: bytes and operations a second.
//! `cargo run --release --example roofline`.
//!
//! Bytes are what must be read and written once; operations are multiplications and additions.
//! The last column is the floor, the larger of bytes over bandwidth and operations over peak, over
//! the time: 100% is the limit, and more means that stores past the caches are faster than reading,
//! that the caches helped, that Winograd's algorithm did, or that 16-bit units are faster. Bandwidth
//! and peak are the best that loops reach which only read or only compute, measured in turn with the
//! case.

mod limits;

use limits::{Meter, Pace};
use mlx_oxide::ops::{self, fast, quantized, random};
use mlx_oxide::{Array, Dtype, Result, eval, parallel};
use mlx_oxide_ir::{Packing, QuantizationMode};
use std::time::Instant;

/// Shortest time that a case is measured for, in seconds.
const LEAST: f64 = 0.5;
/// Evaluations between two measurements of what the machine gives.
const TURN: usize = 3;

/// A case: what runs, and what it must do at least.
struct Case {
    name: &'static str,
    run: Box<dyn Fn() -> Result<Array>>,
    bytes: usize,
    operations: usize,
}

impl Case {
    fn new(
        name: &'static str,
        bytes: usize,
        operations: usize,
        run: impl Fn() -> Result<Array> + 'static,
    ) -> Self {
        Case {
            name,
            run: Box::new(run),
            bytes,
            operations,
        }
    }

    /// The least time of an evaluation, in seconds, and what the machine gave meanwhile.
    fn time(&self, meter: &Meter) -> Result<(f64, Pace)> {
        eval(&[(self.run)()?])?;
        let (start, mut least, mut pace) = (Instant::now(), f64::INFINITY, meter.pace()?);
        while start.elapsed().as_secs_f64() < LEAST {
            for _ in 0..TURN {
                let output = (self.run)()?;
                let begin = Instant::now();
                eval(std::slice::from_ref(&output))?;
                least = least.min(begin.elapsed().as_secs_f64());
            }
            pace = pace.max(meter.pace()?);
        }
        Ok((least, pace))
    }
}

fn normal(shape: &[usize], dtype: Dtype) -> Result<Array> {
    let array = random::normal(shape, dtype, None, None, Some(&random::key(7)?))?;
    array.eval()?;
    Ok(array)
}

const MIB: usize = 1 << 20;

fn elementwise() -> Result<Vec<Case>> {
    let side = 4096;
    let (a, b) = (
        normal(&[side, side], Dtype::Float32)?,
        normal(&[side, side], Dtype::Float32)?,
    );
    let half = normal(&[side, side], Dtype::Bfloat16)?;
    let bytes = a.nbytes();
    let (x, y, z, t, h) = (a.clone(), a.clone(), a.clone(), b.clone(), half);
    Ok(vec![
        Case::new("add", 3 * bytes, 0, move || ops::add(&a, &b)),
        Case::new("add bf16", 3 * bytes / 2, 0, move || ops::add(&h, &h)),
        Case::new("add transposed", 3 * bytes, 0, move || {
            ops::add(&x, &ops::swapaxes(&t, 0, 1)?)
        }),
        Case::new("exp", 2 * bytes, 0, move || ops::exp(&y)),
        Case::new("gelu, fused", 2 * bytes, 0, move || {
            let erf = ops::erf(&ops::multiply(&z, &half_root(&z)?)?)?;
            ops::multiply(&z, &ops::add(&erf, &ops::ones_like(&erf)?)?)
        }),
    ])
}

fn half_root(like: &Array) -> Result<Array> {
    Array::from_slice(&[std::f32::consts::FRAC_1_SQRT_2], [1])
        .and_then(|root| ops::broadcast_to(&root, like.shape().clone()))
}

fn reductions() -> Result<Vec<Case>> {
    let a = normal(&[4096, 4096], Dtype::Float32)?;
    let bytes = a.nbytes();
    let copies: [Array; 6] = std::array::from_fn(|_| a.clone());
    let [all, first, last, best, soft, sums] = copies;
    Ok(vec![
        Case::new("sum of all", bytes, 0, move || ops::sum(&all, None, false)),
        Case::new("sum of columns", bytes, 0, move || {
            ops::sum(&first, Some(&[0]), false)
        }),
        Case::new("sum of rows", bytes, 0, move || {
            ops::sum(&last, Some(&[1]), false)
        }),
        Case::new("argmax of rows", bytes, 0, move || {
            ops::argmax(&best, Some(1), false)
        }),
        Case::new("softmax", 2 * bytes, 0, move || {
            fast::softmax(&soft, Some(&[-1]), false)
        }),
        Case::new("cumsum", 2 * bytes, 0, move || {
            ops::cumsum(&sums, Some(1), false, true)
        }),
    ])
}

fn products() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, dtype, side) in [
        ("matmul f32 256", Dtype::Float32, 256),
        ("matmul f32 1024", Dtype::Float32, 1024),
        ("matmul f32 2048", Dtype::Float32, 2048),
        ("matmul f16 1024", Dtype::Float16, 1024),
        ("matmul bf16 1024", Dtype::Bfloat16, 1024),
    ] {
        let (a, b) = (normal(&[side, side], dtype)?, normal(&[side, side], dtype)?);
        let operations = 2 * side * side * side;
        cases.push(Case::new(name, 3 * a.nbytes(), operations, move || {
            ops::matmul(&a, &b)
        }));
    }
    let (a, b) = (
        normal(&[256, 64, 64], Dtype::Float32)?,
        normal(&[256, 64, 64], Dtype::Float32)?,
    );
    let operations = 256 * 2 * 64 * 64 * 64;
    cases.push(Case::new(
        "matmul of 256 by 64×64",
        3 * a.nbytes(),
        operations,
        move || ops::matmul(&a, &b),
    ));
    let (vector, matrix) = (
        normal(&[1, 4096], Dtype::Float32)?,
        normal(&[4096, 4096], Dtype::Float32)?,
    );
    cases.push(Case::new(
        "matrix times vector",
        matrix.nbytes(),
        2 * 4096 * 4096,
        move || ops::matmul(&vector, &ops::swapaxes(&matrix, 0, 1)?),
    ));
    let (image, kernel) = (
        normal(&[8, 56, 56, 128], Dtype::Float32)?,
        normal(&[128, 3, 3, 128], Dtype::Float32)?,
    );
    let operations = 2 * 8 * 56 * 56 * 128 * 128 * 9;
    cases.push(Case::new(
        "conv2d 3×3 (as if without Winograd)",
        2 * image.nbytes(),
        operations,
        move || ops::conv2d(&image, &kernel, (1, 1), (1, 1), (1, 1), 1),
    ));
    let heads = normal(&[1, 8, 1024, 64], Dtype::Float32)?;
    let operations = 4 * 8 * 1024 * 1024 * 64;
    cases.push(Case::new(
        "attention",
        4 * heads.nbytes(),
        operations,
        move || {
            let mask = fast::Mask::None;
            fast::scaled_dot_product_attention(&heads, &heads, &heads, 0.125, mask, None)
        },
    ));
    Ok(cases)
}

fn quantized_products() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, bits) in [
        ("4-bit matrix times vector", 4),
        ("8-bit matrix times vector", 8),
    ] {
        let packing = Packing::new("roofline", QuantizationMode::Affine, Some(64), Some(bits))?;
        let packed = quantized::quantize(&normal(&[4096, 4096], Dtype::Float32)?, packing, None)?;
        let vector = normal(&[1, 4096], Dtype::Float32)?;
        let bytes = packed.words.nbytes() + 2 * packed.scales.nbytes();
        cases.push(Case::new(name, bytes, 2 * 4096 * 4096, move || {
            quantized::quantized_matmul(&vector, &packed, true, packing)
        }));
    }
    Ok(cases)
}

fn movement() -> Result<Vec<Case>> {
    let a = normal(&[4096, 4096], Dtype::Float32)?;
    let (bytes, side) = (a.nbytes(), 4096i64);
    let numbers: Vec<i32> = (0..side)
        .map(|row| (row * 2_654_435 % side) as i32)
        .collect();
    let rows = Array::from_slice(&numbers, [4096])?;
    let (turned, sorted) = (a.clone(), normal(&[4 * MIB], Dtype::Float32)?);
    let key = random::key(1)?;
    Ok(vec![
        Case::new("transposed copy", 2 * bytes, 0, move || {
            ops::contiguous(&ops::swapaxes(&turned, 0, 1)?)
        }),
        Case::new("gather of rows", 2 * bytes, 0, move || {
            ops::take(&a, &rows, 0)
        }),
        Case::new("sort of 4M", 2 * sorted.nbytes(), 0, move || {
            ops::sort(&sorted, Some(0))
        }),
        Case::new("random bits", 64 * MIB, 0, move || {
            random::bits([16 * MIB], 4, Some(&key))
        }),
    ])
}

fn main() -> Result<()> {
    mlx_oxide::init();
    println!("{} threads\n", parallel::threads());
    println!(
        "{:<36} {:>10} {:>10} {:>10} {:>12} {:>12} {:>7}",
        "", "ms", "GB/s", "Gop/s", "of GB/s", "of Gop/s", "limit"
    );
    let meter = Meter::new()?;
    let families = [
        elementwise,
        reductions,
        products,
        quantized_products,
        movement,
    ];
    for family in families {
        for case in family()? {
            let (time, pace) = case.time(&meter)?;
            let (bytes, operations) = (case.bytes as f64, case.operations as f64);
            let floor = (bytes / pace.bandwidth).max(operations / pace.peak);
            println!(
                "{:<36} {:>10.3} {:>10.1} {:>10.1} {:>12.1} {:>12.1} {:>6.0}%",
                case.name,
                time * 1e3,
                bytes / time / 1e9,
                operations / time / 1e9,
                pace.bandwidth / 1e9,
                pace.peak / 1e9,
                100.0 * floor / time,
            );
        }
        println!();
    }
    Ok(())
}
