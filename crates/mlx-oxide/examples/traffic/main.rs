//! What fusion saves: passes over memory, bytes moved, peak memory and time of functions written by
//! hand and of training steps, operation by operation and fused.
//! `cargo run --release --example traffic`.
//!
//! Passes and bytes are counted from the plans of evaluation: an operand counts once for each step
//! that reads it, a result once if it exists whole. The peak is what is allocated at once beyond what
//! was there before.

mod steps;

use mlx_oxide::ops::{self, random};
use mlx_oxide::{Array, Dtype, Result, compile, memory};
use mlx_oxide_core::{Traffic, eval_counted};
use std::time::Instant;

/// A function and its inputs.
struct Case {
    name: &'static str,
    function: fn(&[Array]) -> Result<Vec<Array>>,
    inputs: Vec<Array>,
}

/// What one way of evaluating costs.
struct Cost {
    traffic: Traffic,
    peak: usize,
    seconds: f64,
}

const LEAST_RUNS: usize = 5;
const LEAST_SECONDS: f64 = 0.5;
const MIB: f64 = 1048576.0;

fn main() -> Result<()> {
    mlx_oxide::init();
    println!("| function | passes | MiB moved | peak MiB | ms |");
    println!("| --- | --- | --- | --- | --- |");
    for case in cases()? {
        let apart = cost(&case, false)?;
        let fused = cost(&case, true)?;
        let moved = |cost: &Cost| (cost.traffic.read + cost.traffic.written) as f64 / MIB;
        println!(
            "| {} | {} → {} | {:.1} → {:.1} | {:.1} → {:.1} | {:.2} → {:.2} |",
            case.name,
            apart.traffic.passes,
            fused.traffic.passes,
            moved(&apart),
            moved(&fused),
            apart.peak as f64 / MIB,
            fused.peak as f64 / MIB,
            1e3 * apart.seconds,
            1e3 * fused.seconds,
        );
    }
    Ok(())
}

/// Runs the compiled function, so that tracing is no part of the time.
fn cost(case: &Case, fused: bool) -> Result<Cost> {
    let compiled = compile::compile(case.function);
    drop(compiled.call(&case.inputs)?);
    let mut cost = Cost {
        traffic: Traffic::default(),
        peak: 0,
        seconds: f64::INFINITY,
    };
    let (start, mut runs) = (Instant::now(), 0);
    while runs < LEAST_RUNS || start.elapsed().as_secs_f64() < LEAST_SECONDS {
        let outputs = compiled.call(&case.inputs)?;
        let before = memory::active_memory();
        memory::reset_peak_memory();
        let begin = Instant::now();
        cost.traffic = eval_counted(&outputs, fused)?;
        cost.seconds = cost.seconds.min(begin.elapsed().as_secs_f64());
        cost.peak = memory::peak_memory().saturating_sub(before);
        runs += 1;
    }
    Ok(cost)
}

fn normal(shape: &[usize], size: f64) -> Result<Array> {
    let array = random::normal(shape, Dtype::Float32, None, None, Some(&random::key(7)?))?;
    let array = (&array * size)?;
    array.eval()?;
    Ok(array)
}

/// The derivative of the sum of squares of the first output, with the value.
macro_rules! with_gradient {
    ($function:expr, $by:expr) => {
        |x| {
            let loss = |x: &[Array]| {
                Ok(vec![ops::sum(
                    &ops::square(&$function(x)?[0])?,
                    None,
                    false,
                )?])
            };
            let (value, gradients) = mlx_oxide::transforms::value_and_grad(loss, x, $by)?;
            Ok([value, gradients].concat())
        }
    };
}

fn cases() -> Result<Vec<Case>> {
    let x = normal(&[2048, 2048], 1.0)?;
    let row = normal(&[2048], 1.0)?;
    let case = |name, function, inputs: &[&Array]| Case {
        name,
        function,
        inputs: inputs.iter().map(|input| (*input).clone()).collect(),
    };
    let layer = [&x, &row, &row];
    let moments = [&x, &x, &x, &x];
    let mut cases = vec![
        case("softmax", steps::softmax, &[&x]),
        case(
            "softmax, gradient",
            with_gradient!(steps::softmax, &[0]),
            &[&x],
        ),
        case("layer norm", steps::layer_norm, &layer),
        case(
            "layer norm, gradient",
            with_gradient!(steps::layer_norm, &[0, 1, 2]),
            &layer,
        ),
        case("gelu", steps::gelu, &[&x]),
        case("gelu, gradient", with_gradient!(steps::gelu, &[0]), &[&x]),
        case("sum and sum of squares", steps::moments, &[&x]),
        case("loss and its gradient", steps::squared_loss, &[&x, &x]),
        case("Adam update", steps::adam, &moments),
    ];
    cases.push(Case {
        name: "step of a perceptron",
        function: steps::perceptron_step,
        inputs: steps::perceptron_inputs(normal)?,
    });
    cases.push(Case {
        name: "step of a transformer",
        function: steps::transformer_step,
        inputs: steps::transformer_inputs(normal)?,
    });
    Ok(cases)
}
