//! Every operation's samples, on the device and by the reference. The arrangements of the inputs
//! take turns, for software adapters are slow; `MLX_OXIDE_GPU_TESTS=all` runs every one.

use crate::device::present;
use mlx_oxide_gpu::Gpu;
use mlx_oxide_ir::Dtype;
use mlx_oxide_reference::Reference;
use mlx_oxide_testing::sweep::arrangements;
use mlx_oxide_testing::{Sample, Tolerance, compare, evaluate, samples, supports};

/// Single-precision rounding steps that sums may take more than the reference, which adds in
/// double precision: devices add one after the other what the CPU adds in lanes.
const SERIAL: f64 = 8.0;

fn run_family(family: &str) {
    if !present() {
        return;
    }
    let every = std::env::var("MLX_OXIDE_GPU_TESTS").as_deref() == Ok("all");
    let (mut ran, mut declined, mut failures) = (0, 0, Vec::new());
    let chosen = samples().into_iter().filter(|s| s.family() == family);
    for (number, mut sample) in chosen.enumerate() {
        sample.tolerance = tolerance(&sample);
        let ways = arrangements(&sample);
        let turn = number % ways.len();
        for (way, arranged) in ways.iter().enumerate() {
            if !every && way != turn {
                continue;
            }
            if !supports(arranged, &Gpu) {
                declined += 1;
                continue;
            }
            ran += 1;
            failures.extend(disagreement(arranged));
        }
    }
    println!("{family}: {ran} ran, {declined} declined");
    crate::device::translate_new_kernels();
    assert!(ran > 0, "no samples of {family}");
    let shown = failures[..failures.len().min(30)].join("\n");
    assert!(failures.is_empty(), "{} failures:\n{shown}", failures.len());
}

fn tolerance(sample: &Sample) -> Tolerance {
    let dtype = sample.inputs.first().map(|input| input.dtype);
    match sample.family() {
        "reduce" | "scan" | "contract" | "fast" => {
            let mut tolerance = sample.tolerance.widened(SERIAL);
            if dtype == Some(Dtype::Float64) && tolerance != Tolerance::EXACT {
                // the reference adds doubles in doubles, one after the other
                tolerance.relative = tolerance.relative.max(1e-13);
            }
            if dtype == Some(Dtype::Float32) && sample.name.starts_with("prod") {
                // each of up to 257 factors is rounded once
                tolerance.relative = tolerance.relative.max(257.0 * f64::from(f32::EPSILON));
            }
            tolerance
        }
        _ => sample.tolerance,
    }
}

fn disagreement(sample: &Sample) -> Option<String> {
    let expected = evaluate(sample, &Reference).expect("the reference runs every sample");
    match evaluate(sample, &Gpu) {
        Ok(found) => compare(sample, &found, &expected)
            .err()
            .map(|mismatch| mismatch.to_string()),
        Err(error) => Some(format!("{}: {error}", sample.name)),
    }
}

macro_rules! families {
    ($($test:ident $family:literal;)*) => {
        $(#[test] fn $test() { run_family($family); })*
    };
}
families! {
    source_samples_agree "source";
    unary_samples_agree "unary";
    binary_samples_agree "binary";
    select_samples_agree "select";
    cast_samples_agree "cast";
    view_samples_agree "view";
    index_samples_agree "index";
    reduce_samples_agree "reduce";
    arg_reduce_samples_agree "arg_reduce";
    scan_samples_agree "scan";
    sort_samples_agree "sort";
    contract_samples_agree "contract";
    random_samples_agree "random";
    fast_samples_agree "fast";
    fused_samples_agree "fused";
}
