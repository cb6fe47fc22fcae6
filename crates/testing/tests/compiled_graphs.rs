//! Random programs: compiled, plain and on the reference backend they compute the same, and so do
//! their gradients.
//!
//! `MLX_OXIDE_COMPILED_GRAPHS` sets how many programs are tried, `MLX_OXIDE_COMPILED_GRAPHS_SEED`
//! the first of them.

use mlx_oxide_testing::Failure;
use mlx_oxide_testing::programs::{Program, verify_program};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Every failing program's seed and what is wrong with it.
fn failures(seeds: std::ops::Range<u64>) -> Vec<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut failures = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return failures;
            }
            let check = || -> Result<(), Failure> { verify_program(&Program::random(seed)?) };
            match catch_unwind(AssertUnwindSafe(check)) {
                Ok(Ok(())) => {}
                Ok(Err(Failure(message))) => failures.push((seed, message)),
                Err(_) => failures.push((seed, "panicked".to_owned())),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let found = workers.into_iter();
        found
            .flat_map(|worker| worker.join().expect("checks are guarded against panics"))
            .collect()
    })
}

#[test]
fn compiled_plain_and_reference_agree_on_random_programs() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    let start = from_environment("MLX_OXIDE_COMPILED_GRAPHS_SEED");
    let count = match from_environment("MLX_OXIDE_COMPILED_GRAPHS") {
        Some(count) => count,
        None if start.is_some() => 1,
        None => 300,
    };
    let start = start.unwrap_or(0);
    let mut failures = failures(start..start + count);
    failures.sort();
    for (seed, message) in failures.iter().take(20) {
        println!("seed {seed}: {message}\n");
    }
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.0).collect();
    assert!(
        seeds.is_empty(),
        "{} of {count} fail: {seeds:?}",
        seeds.len()
    );
}
