//! The CPU backend gives what the reference gives, on every sample that it takes.

use mlx_oxide_cpu::Cpu;
use mlx_oxide_testing::{samples, sweep};

#[test]
fn the_cpu_agrees_with_the_reference() {
    let mut samples = samples();
    samples.extend(mlx_oxide_testing::samples::out_of_bounds());
    let report = sweep(&Cpu, &samples, |sample| Some(sample.clone()));
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
}
