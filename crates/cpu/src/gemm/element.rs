//! Element types of products.

use super::kernel::{self, Kernels};
#[cfg(target_arch = "x86_64")]
use super::stack::{self, Stacks};
use crate::simd::Isa;
use crate::simd::half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use half::{bf16, f16};
use std::ops::{Add, Mul};

/// A type that sums are computed in.
pub(crate) trait Scalar:
    Element<Sum = Self> + Default + PartialEq + Add<Output = Self> + Mul<Output = Self>
{
    /// The nearest value.
    fn of(value: f64) -> Self;
    /// The value in single precision, for the matrix unit.
    #[cfg(target_arch = "x86_64")]
    fn to_single(self) -> f32;
    /// The kernels of an instruction set, which this machine has.
    fn kernels(isa: Isa) -> &'static Kernels<Self>;
    /// Its kernels of many rows, if there are any.
    #[cfg(target_arch = "x86_64")]
    fn stacks(isa: Isa) -> Option<&'static Stacks<Self>>;
}

/// A type of stored elements.
pub(crate) trait Element: Copy + Send + Sync + bytemuck::Pod {
    /// What sums of its products are computed in.
    type Sum: Scalar;
    /// Whether sums are elements as they are.
    const WIDE: bool;
    /// Whether it is `bf16`, which the matrix unit multiplies.
    #[cfg(target_arch = "x86_64")]
    const BRAIN: bool = false;
    /// The kernels of an instruction set, which this machine has, and how many terms a packed
    /// element holds for them: one, as a sum's type, or a pair of 16-bit elements as they are.
    fn packed_kernels(isa: Isa) -> (&'static Kernels<Self::Sum>, usize) {
        (Self::Sum::kernels(isa), 1)
    }
    /// The kernels of many rows, if there are any, with as many terms an element.
    #[cfg(target_arch = "x86_64")]
    fn packed_stacks(isa: Isa) -> Option<(&'static Stacks<Self::Sum>, usize)> {
        let (_, each) = Self::packed_kernels(isa);
        let kernels = Self::Sum::stacks(isa).filter(|_| each == 1)?;
        Some((kernels, each))
    }
    /// Whether it is `bf16`, and the processor multiplies pairs of them.
    fn has_pairs(isa: Isa) -> bool {
        let _ = isa; // most types are not
        false
    }
    /// Whether [`Element::widen_row`] is faster than a loop over [`Element::widen`].
    const CONVERTED: bool = false;
    /// The same elements as a type that the processor converts in registers, on machines where
    /// [`Element::CONVERTED`] says so; else this type.
    type Converted: Element<Sum = Self::Sum>;
    /// The values of a few elements that lie side by side.
    ///
    /// # Safety
    /// `N` elements can be read; inlined into a function with the instructions of the type.
    #[inline(always)]
    unsafe fn widen_lanes<const N: usize>(from: *const Self) -> [Self::Sum; N] {
        // SAFETY: by the caller's promise
        let elements = unsafe { from.cast::<[Self; N]>().read_unaligned() };
        let mut values = [Self::Sum::default(); N];
        // a loop, since closures are not always inlined, and then lack the instruction set
        for (value, element) in values.iter_mut().zip(elements) {
            *value = element.widen();
        }
        values
    }
    /// The values of elements that lie side by side.
    ///
    /// # Safety
    /// `count` elements can be read and written; this machine has the instruction set.
    #[inline(always)]
    unsafe fn widen_row(isa: Isa, from: *const Self, to: *mut Self::Sum, count: usize) {
        let _ = isa; // that of the caller
        for index in 0..count {
            // SAFETY: by the caller's promise
            unsafe { to.add(index).write(from.add(index).read().widen()) };
        }
    }
    /// The nearest elements of sums that lie side by side.
    ///
    /// # Safety
    /// As for [`Element::widen_row`].
    #[inline(always)]
    unsafe fn narrow_row(isa: Isa, from: *const Self::Sum, to: *mut Self, count: usize) {
        let _ = isa; // that of the caller
        for index in 0..count {
            // SAFETY: by the caller's promise
            unsafe { to.add(index).write(Self::narrow(from.add(index).read())) };
        }
    }
    /// The value.
    fn widen(self) -> Self::Sum;
    /// The nearest element.
    fn narrow(sum: Self::Sum) -> Self;
}

macro_rules! scalar {
    ($type:ty, $avx512:ident, $avx2:ident, $baseline:ident, $stacks:ident) => {
        impl Scalar for $type {
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }
            #[cfg(target_arch = "x86_64")]
            #[inline(always)]
            fn to_single(self) -> f32 {
                self as f32
            }
            fn kernels(isa: Isa) -> &'static Kernels<Self> {
                #[cfg(target_arch = "x86_64")]
                match isa {
                    Isa::Avx512 => &kernel::x86::$avx512,
                    Isa::Avx2 => &kernel::x86::$avx2,
                    Isa::Baseline => &kernel::baseline::$baseline,
                }
                #[cfg(not(target_arch = "x86_64"))]
                {
                    let _ = isa; // there is only one
                    &kernel::baseline::$baseline
                }
            }
            #[cfg(target_arch = "x86_64")]
            fn stacks(isa: Isa) -> Option<&'static Stacks<Self>> {
                // other sets have fewer registers
                (isa == Isa::Avx512).then_some(&stack::$stacks)
            }
        }

        impl Element for $type {
            type Sum = $type;
            type Converted = $type;
            const WIDE: bool = true;
            #[inline(always)]
            fn widen(self) -> $type {
                self
            }
            #[inline(always)]
            fn narrow(sum: $type) -> Self {
                sum
            }
        }
    };
}

scalar!(f32, AVX512_SINGLE, AVX2_SINGLE, SINGLE, SINGLE);
scalar!(f64, AVX512_DOUBLE, AVX2_DOUBLE, DOUBLE, DOUBLE);

impl Element for f16 {
    type Sum = f32;
    type Converted = HardwareHalf;
    const WIDE: bool = false;
    const CONVERTED: bool = cfg!(target_arch = "x86_64");
    #[inline(always)]
    unsafe fn widen_row(isa: Isa, from: *const Self, to: *mut f32, count: usize) {
        // SAFETY: by the caller's promise; `f16` are read as their bits
        unsafe { widen_halves(isa, from.cast(), to, count) }
    }
    #[inline(always)]
    unsafe fn narrow_row(isa: Isa, from: *const f32, to: *mut Self, count: usize) {
        // SAFETY: by the caller's promise; `f16` are written as their bits
        unsafe { narrow_halves(isa, from, to.cast(), count) }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        f16_to_f32(self.to_bits())
    }
    #[inline(always)]
    fn narrow(sum: f32) -> Self {
        f16::from_bits(f32_to_f16(sum))
    }
}

/// # Safety
/// As for [`Element::widen_row`].
#[inline(always)]
unsafe fn widen_halves(isa: Isa, from: *const u16, to: *mut f32, count: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(widen) = crate::simd::hardware_half::widen(isa) {
        let (from, none) = (from.cast(), std::ptr::null());
        // SAFETY: by the caller's promise; the second operand is read as the first, to no effect
        return unsafe { widen(to.cast(), from, from, none, count) };
    }
    let _ = isa;
    for index in 0..count {
        // SAFETY: by the caller's promise
        unsafe { to.add(index).write(f16_to_f32(from.add(index).read())) };
    }
}

/// # Safety
/// As for [`Element::narrow_row`].
#[inline(always)]
unsafe fn narrow_halves(isa: Isa, from: *const f32, to: *mut u16, count: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(narrow) = crate::simd::hardware_half::narrow(isa) {
        let (from, none) = (from.cast(), std::ptr::null());
        // SAFETY: by the caller's promise; the second operand is read as the first, to no effect
        return unsafe { narrow(to.cast(), from, from, none, count) };
    }
    let _ = isa;
    for index in 0..count {
        // SAFETY: by the caller's promise
        unsafe { to.add(index).write(f32_to_f16(from.add(index).read())) };
    }
}

/// An `f16` that the processor converts.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct HardwareHalf(u16);

impl Element for HardwareHalf {
    type Sum = f32;
    type Converted = HardwareHalf;
    const WIDE: bool = false;
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn widen_lanes<const N: usize>(from: *const Self) -> [f32; N] {
        use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
        let mut values = [0.0; N];
        for first in (0..N / 8 * 8).step_by(8) {
            // SAFETY: by the caller's promise; eight elements are left on both sides
            unsafe {
                let halves = _mm_loadu_si128(from.add(first).cast());
                _mm256_storeu_ps(values.as_mut_ptr().add(first), _mm256_cvtph_ps(halves));
            }
        }
        for (index, value) in values.iter_mut().enumerate().skip(N / 8 * 8) {
            // SAFETY: by the caller's promise
            *value = unsafe { from.add(index).read() }.widen();
        }
        values
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        f16_to_f32(self.0)
    }
    #[inline(always)]
    fn narrow(sum: f32) -> Self {
        HardwareHalf(f32_to_f16(sum))
    }
}

impl Element for bf16 {
    type Sum = f32;
    type Converted = bf16;
    const WIDE: bool = false;
    #[cfg(target_arch = "x86_64")]
    const BRAIN: bool = true;
    fn packed_kernels(isa: Isa) -> (&'static Kernels<f32>, usize) {
        #[cfg(target_arch = "x86_64")]
        if Self::has_pairs(isa) {
            return (&kernel::x86::AVX512_PAIRS, 2);
        }
        (f32::kernels(isa), 1)
    }
    #[cfg(target_arch = "x86_64")]
    fn packed_stacks(isa: Isa) -> Option<(&'static Stacks<f32>, usize)> {
        if Self::has_pairs(isa) {
            return Some((&stack::PAIRS, 2));
        }
        Some((f32::stacks(isa)?, 1))
    }
    #[cfg(target_arch = "x86_64")]
    fn has_pairs(isa: Isa) -> bool {
        isa == Isa::Avx512 && std::arch::is_x86_feature_detected!("avx512bf16")
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        bf16_to_f32(self.to_bits())
    }
    #[inline(always)]
    fn narrow(sum: f32) -> Self {
        bf16::from_bits(f32_to_bf16(sum))
    }
}
