//! Instruction sets.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Isa {
    /// What the target always has: NEON on aarch64, SSE2 on x86-64.
    Baseline = 1,
    /// AVX2 with FMA and F16C.
    Avx2 = 2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512 = 3,
}

/// The choice made on first use; 0 before.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

impl Isa {
    /// Every instruction set, the poorest first.
    pub const ALL: [Isa; 3] = [Isa::Baseline, Isa::Avx2, Isa::Avx512];

    /// The richest instruction set of this machine.
    #[inline]
    pub fn best() -> Self {
        match CHOSEN.load(Ordering::Relaxed) {
            0 => Self::choose(),
            1 => Isa::Baseline,
            2 => Isa::Avx2,
            _ => Isa::Avx512,
        }
    }

    #[cold]
    fn choose() -> Self {
        let best = Self::ALL
            .into_iter()
            .rev()
            .find(|isa| isa.is_available())
            .unwrap_or(Isa::Baseline);
        CHOSEN.store(best as u8, Ordering::Relaxed);
        best
    }

    /// Whether this machine has it, and this build code for it (`build.rs`).
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = || {
                std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                    && std::arch::is_x86_feature_detected!("f16c")
            };
            match self {
                Isa::Baseline => true,
                Isa::Avx2 => avx2(),
                Isa::Avx512 => {
                    cfg!(avx512)
                        && avx2()
                        && std::arch::is_x86_feature_detected!("avx512f")
                        && std::arch::is_x86_feature_detected!("avx512bw")
                        && std::arch::is_x86_feature_detected!("avx512dq")
                        && std::arch::is_x86_feature_detected!("avx512vl")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Isa::Baseline
        }
    }
}
