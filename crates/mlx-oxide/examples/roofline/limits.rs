//! What the machine gives at the moment. Neighbours on the same processor may halve it from one
//! second to the next, so that it is measured beside every case.

use mlx_oxide::{Array, Dtype, Result, ops, parallel};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Elements of the memory that is read: more than caches hold.
const READ: usize = 16 << 20;
/// Elements of a piece of it: four pages of a thread's read side by side.
const PIECE: usize = 16 << 10;
/// Elements that are summed at a time: all sums stay in registers.
const LINE: usize = 8;
/// Chains of operations that wait for each other: enough for the wait of five steps on two units,
/// and few enough for the registers.
const CHAINS: usize = 12;
/// Steps of a chain.
const STEPS: usize = 50_000;

/// Bytes and operations a second.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) bandwidth: f64,
    pub(crate) peak: f64,
}

impl Pace {
    /// The greater of both.
    pub(crate) fn max(self, other: Pace) -> Pace {
        Pace {
            bandwidth: self.bandwidth.max(other.bandwidth),
            peak: self.peak.max(other.peak),
        }
    }
}

/// Measures by loops of a few milliseconds.
pub(crate) struct Meter {
    memory: Array,
}

impl Meter {
    pub(crate) fn new() -> Result<Self> {
        let memory = ops::ones([READ], Dtype::Float32)?;
        memory.eval()?;
        Ok(Meter { memory })
    }

    /// The pace of all threads together.
    pub(crate) fn pace(&self) -> Result<Pace> {
        let begin = Instant::now();
        self.memory.with_bytes(|bytes| {
            parallel::for_each(READ / PIECE, |piece| {
                let length = PIECE * size_of::<f32>();
                let piece = &bytes[piece * length..][..length];
                black_box(read(bytemuck::cast_slice(piece)));
            });
            Ok(())
        })?;
        let bandwidth = (READ * size_of::<f32>()) as f64 / begin.elapsed().as_secs_f64();
        let tasks = 4 * parallel::threads();
        let operations = AtomicUsize::new(0);
        let begin = Instant::now();
        parallel::for_each(tasks, |_| {
            let lanes = multiply_and_add(black_box(0.999), black_box(1e-3));
            operations.fetch_add(2 * STEPS * CHAINS * lanes, Ordering::Relaxed);
        });
        let peak = operations.into_inner() as f64 / begin.elapsed().as_secs_f64();
        Ok(Pace { bandwidth, peak })
    }
}

/// Sums elements from four places.
fn read(elements: &[f32]) -> f32 {
    let quarter = elements.len() / 4;
    let mut sums = [[0.0f32; LINE]; 4];
    for start in (0..quarter).step_by(LINE) {
        for (place, sums) in sums.iter_mut().enumerate() {
            let part = &elements[place * quarter + start..][..LINE];
            for (sum, element) in sums.iter_mut().zip(part) {
                *sum += element;
            }
        }
    }
    sums.as_flattened().iter().sum()
}

/// Multiplies and adds in the widest vectors of the machine; how many lanes these have.
fn multiply_and_add(factor: f32, addend: f32) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            #[target_feature(enable = "avx512f")]
            fn widest(factor: f32, addend: f32) -> usize {
                chains::<16>(factor, addend)
            }
            // SAFETY: the machine has it
            return unsafe { widest(factor, addend) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            #[target_feature(enable = "avx2,fma")]
            fn wide(factor: f32, addend: f32) -> usize {
                chains::<8>(factor, addend)
            }
            // SAFETY: the machine has them
            return unsafe { wide(factor, addend) };
        }
    }
    chains::<4>(factor, addend)
}

#[inline(always)]
fn chains<const LANES: usize>(factor: f32, addend: f32) -> usize {
    let mut lanes = [[1.0f32; LANES]; CHAINS];
    for _ in 0..STEPS {
        for lane in lanes.as_flattened_mut() {
            *lane = lane.mul_add(factor, addend);
        }
    }
    black_box(lanes);
    LANES
}
