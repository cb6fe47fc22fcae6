//! The greatest error of each elementwise function, over all numbers of single precision.
//! `make accuracy [EVERY=n]` writes the table to `docs/accuracy.md`.

mod functions;

use functions::{FUNCTIONS, Function};
use indicatif::{ProgressBar, ProgressStyle};
use mlx_oxide::{Array, Result, parallel};
use std::sync::Mutex;

/// Numbers that are evaluated at a time.
const BATCH: usize = 1 << 22;
/// Numbers that a task compares.
const GRAIN: usize = 1 << 16;

/// The greatest error found, and where.
#[derive(Clone, Copy, Default)]
struct Worst {
    units: f64,
    at: f32,
}

fn main() -> Result<()> {
    mlx_oxide::init();
    let every = std::env::args().nth(1).and_then(|it| it.parse().ok());
    let every: u64 = every.filter(|&it| it > 0).unwrap_or(1);
    let numbers = (1u64 << 32).div_ceil(every);
    let style = ProgressStyle::with_template("{msg:10} {wide_bar} {percent:>3}% {eta}");
    let bar = ProgressBar::new(numbers * FUNCTIONS.len() as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut table = String::new();
    for function in FUNCTIONS {
        bar.set_message(function.name);
        let worst = sweep(function, every, numbers, &bar)?;
        table += &format!(
            "| `{}` | {:.3} | {:e} |\n",
            function.name, worst.units, worst.at
        );
    }
    bar.finish_and_clear();
    let which = match every {
        1 => "all 2³² numbers".to_owned(),
        _ => format!("one in {every} of all numbers"),
    };
    print!(
        "# Accuracy\n\n\
        The greatest error of each function of float32 on the CPU, in units in the last place of\n\
        the exact value (0.5 is rounded right), over {which} of single precision, against\n\
        double precision. Instruction sets give the same bits. Made by `make accuracy`, which takes\n\
        about an hour of one processor for all numbers.\n\n\
        | function | greatest error | at |\n| --- | --- | --- |\n{table}"
    );
    Ok(())
}

/// Goes through the numbers whose bits are multiples of `every`.
fn sweep(function: &Function, every: u64, numbers: u64, bar: &ProgressBar) -> Result<Worst> {
    let mut worst = Worst::default();
    for first in (0..numbers).step_by(BATCH) {
        let count = (numbers - first).min(BATCH as u64);
        let arguments: Vec<f32> = (first..first + count)
            .map(|number| f32::from_bits((number * every) as u32))
            .collect();
        let array = Array::from_slice(&arguments, [arguments.len()])?;
        let found = (function.run)(&array)?.to_vec::<f32>()?;
        let batch = Mutex::new(Worst::default());
        parallel::for_each_range(arguments.len(), GRAIN, |start, end| {
            let part = compare(function, &arguments[start..end], &found[start..end]);
            let mut batch = batch.lock().unwrap_or_else(|broken| broken.into_inner());
            if part.units > batch.units {
                *batch = part;
            }
        });
        let batch = batch
            .into_inner()
            .unwrap_or_else(|broken| broken.into_inner());
        if batch.units > worst.units {
            worst = batch;
        }
        bar.inc(count);
    }
    Ok(worst)
}

fn compare(function: &Function, arguments: &[f32], found: &[f32]) -> Worst {
    let mut worst = Worst::default();
    for (&at, &found) in arguments.iter().zip(found) {
        let units = error(found, (function.exact)(f64::from(at)));
        if units > worst.units {
            worst = Worst { units, at };
        }
    }
    worst
}

/// The error in units in the last place of the exact value; infinite where one of the two is
/// no number, or infinite, and the other is not, and where a zero has the wrong sign.
fn error(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if !nearest.is_finite() || !found.is_finite() || exact == 0.0 {
        let same = nearest.to_bits() == found.to_bits() || (nearest.is_nan() && found.is_nan());
        return if same { 0.0 } else { f64::INFINITY };
    }
    let magnitude = nearest.abs().max(f32::MIN_POSITIVE);
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127 - 23;
    ((f64::from(found) - exact) / 2f64.powi(exponent)).abs()
}
