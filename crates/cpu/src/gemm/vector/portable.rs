//! Arrays that the compiler turns into whatever registers the target has.

use super::Vector;
use std::array::from_fn;
use std::ops::{Add, Mul};

/// `N` elements.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T, const N: usize>([T; N]);

impl<T, const N: usize> Vector for Portable<T, N>
where
    T: Copy + Default + Add<Output = T> + Mul<Output = T>,
{
    type Element = T;
    type Mask = usize;
    const LANES: usize = N;

    #[inline(always)]
    unsafe fn mask(count: usize) -> usize {
        count.min(N)
    }
    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Portable([value; N])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: by the promise of `Vector`; arrays are as aligned as their elements
        Portable(unsafe { from.cast::<[T; N]>().read() })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const T, mask: usize) -> Self {
        Portable(from_fn(|lane| {
            if lane < mask {
                // SAFETY: by the promise of `Vector`
                unsafe { from.add(lane).read() }
            } else {
                T::default()
            }
        }))
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut T, mask: usize) {
        for (lane, value) in self.0.into_iter().enumerate().take(mask) {
            // SAFETY: by the promise of `Vector`
            unsafe { to.add(lane).write(value) };
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: by the promise of `Vector`; arrays are as aligned as their elements
        unsafe { to.cast::<[T; N]>().write(self.0) };
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Portable(from_fn(|lane| self.0[lane] + other.0[lane]))
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // without the instruction, a fused step would be a call
        Portable(from_fn(|lane| {
            self.0[lane] * factor.0[lane] + addend.0[lane]
        }))
    }
}
