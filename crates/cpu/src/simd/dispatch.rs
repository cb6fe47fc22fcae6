//! Whole kernels compiled for several instruction sets.

use super::Isa;

/// A kernel with its operands. [`vectorised`] compiles `run`, which must be `inline(always)`, once
/// for each instruction set.
pub trait Kernel {
    /// What it gives.
    type Output;

    /// Whether registers of 512 bits are worth code of their own: not where memory sets the pace
    /// and the elements are seldom met.
    const WIDE: bool = true;

    /// Runs the kernel.
    fn run(self) -> Self::Output;
}

/// A kernel's code for each instruction set.
///
/// These are methods of the kernel, not functions that take one, because the compiler puts methods
/// into the unit of the type's module: units of like size are compiled side by side.
trait Compiled: Kernel + Sized {
    fn baseline(self) -> Self::Output;

    /// # Safety
    /// The machine has these instructions.
    #[cfg(target_arch = "x86_64")]
    unsafe fn avx2(self) -> Self::Output;

    /// # Safety
    /// The machine has these instructions.
    #[cfg(avx512)]
    unsafe fn avx512(self) -> Self::Output;
}

impl<K: Kernel> Compiled for K {
    #[inline(never)]
    fn baseline(self) -> K::Output {
        self.run()
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn avx2(self) -> K::Output {
        self.run()
    }

    #[cfg(avx512)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
    unsafe fn avx512(self) -> K::Output {
        self.run()
    }
}

/// Runs a kernel on an instruction set, or on the next poorer that it is compiled for and the
/// machine has.
pub fn vectorised<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        #[cfg(avx512)]
        Isa::Avx512 if isa.is_available() => {
            if K::WIDE {
                // SAFETY: the machine has them, as the guard says
                unsafe { kernel.avx512() }
            } else {
                // SAFETY: a machine with AVX-512 has AVX2
                unsafe { kernel.avx2() }
            }
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has them, as the guard says
        Isa::Avx2 if isa.is_available() => unsafe { kernel.avx2() },
        Isa::Baseline | Isa::Avx2 | Isa::Avx512 => kernel.baseline(),
    }
}
