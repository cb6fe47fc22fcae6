//! Whole kernels compiled for several instruction sets.

use super::Isa;

/// A kernel with its operands. [`vectorised`] compiles `run`, which must be `inline(always)`, once
/// for each instruction set.
pub trait Kernel {
    /// What it gives.
    type Output;

    /// Runs the kernel.
    fn run(self) -> Self::Output;
}

/// # Safety
/// The machine has these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// # Safety
/// The machine has these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Runs a kernel on an instruction set; on what the target always has if the machine lacks it.
pub fn vectorised<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has them, as the guard says
        Isa::Avx512 if isa.is_available() => unsafe { avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has them, as the guard says
        Isa::Avx2 if isa.is_available() => unsafe { avx2(kernel) },
        Isa::Baseline | Isa::Avx2 | Isa::Avx512 => kernel.run(),
    }
}
