//! What the machine can do at most.

use mlx_oxide::parallel;
use mlx_oxide_cpu::simd::{Isa, Kernel, vectorised};
use std::hint::black_box;
use std::time::Instant;

/// Bandwidth in bytes a second and peak in `f32` operations a second, of all threads together.
pub(crate) struct Limits {
    pub(crate) bandwidth: f64,
    pub(crate) peak: f64,
}

/// Rounds of which the best counts.
const ROUNDS: usize = 7;
/// `f32` numbers that a thread reads: far more than caches hold.
const READ: usize = 32 << 20;
/// Fused multiply-adds of each sum.
const STEPS: usize = 1 << 18;
/// Sums that are under way at once, in vectors: enough to hide the latency.
const SUMS: usize = 12;
const LANES: usize = 16;

impl Limits {
    pub(crate) fn measure() -> Self {
        let threads = parallel::threads();
        let memory: Vec<Vec<f32>> = (0..threads).map(|_| vec![1.0; READ]).collect();
        let read = best(|| parallel::for_each(threads, |thread| read(&memory[thread])));
        let work = best(|| {
            parallel::for_each(threads, |_| {
                black_box(vectorised(
                    Isa::best(),
                    Work {
                        factor: black_box(0.5),
                    },
                ));
            })
        });
        let operations = threads * STEPS * SUMS * LANES * 2;
        Limits {
            bandwidth: (threads * READ * size_of::<f32>()) as f64 / read,
            peak: operations as f64 / work,
        }
    }
}

fn best(run: impl Fn()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

fn read(memory: &[f32]) {
    black_box(vectorised(Isa::best(), Sum { memory }));
}

struct Sum<'a> {
    memory: &'a [f32],
}

impl Kernel for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let mut sums = [0.0; 8 * LANES];
        for chunk in self.memory.chunks_exact(8 * LANES) {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += value;
            }
        }
        sums.iter().sum()
    }
}

struct Work {
    factor: f32,
}

impl Kernel for Work {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let mut sums = [[1.0f32; LANES]; SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                for lane in sum {
                    *lane = lane.mul_add(self.factor, self.factor);
                }
            }
        }
        sums.iter().flatten().sum()
    }
}
