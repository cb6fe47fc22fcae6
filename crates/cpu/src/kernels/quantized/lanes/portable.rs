//! Eight lanes in plain Rust.

use super::{Lanes, TURNED};
use mlx_oxide_ir::float8::{E2M1, from_e4m3};

/// Lanes of an array.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable;

impl Lanes for Portable {
    const LANES: usize = 8;
    type Numbers = [f32; 8];
    type Spread = usize;

    #[inline(always)]
    unsafe fn spread(bits: usize) -> usize {
        bits
    }

    #[inline(always)]
    unsafe fn integers(bits: usize, from: *const u8) -> [f32; 8] {
        // SAFETY: by the caller's promise
        unsafe { elements(bits, from) }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn short_integers(bits: usize, from: *const u8) -> [f32; 8] {
        // SAFETY: by the caller's promise
        unsafe { Self::integers(bits, from) }
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> [f32; 8] {
        // SAFETY: by the caller's promise
        unsafe { from.cast::<[u8; 8]>().read() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn e2m1(bits: usize, from: *const u8) -> [f32; 8] {
        // SAFETY: by the caller's promise
        unsafe { elements(bits, from) }.map(|bits| E2M1[usize::from(bits & 15)])
    }

    #[inline(always)]
    unsafe fn e4m3(from: *const u8) -> [f32; 8] {
        // SAFETY: by the caller's promise
        unsafe { from.cast::<[u8; 8]>().read() }.map(from_e4m3)
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> [f32; 8] {
        [number; 8]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: by the caller's promise
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: [f32; 8]) {
        // SAFETY: by the caller's promise
        unsafe { to.cast::<[f32; 8]>().write_unaligned(numbers) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // without the instruction a fused operation would be a call
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    unsafe fn store_turned(to: *mut f32, row: usize, numbers: [[f32; 8]; TURNED]) {
        for lane in 0..8 {
            let turned = numbers.map(|numbers| numbers[lane]);
            // SAFETY: by the caller's promise
            unsafe { Self::store(to.wrapping_add(lane * row), turned) };
        }
    }

    #[inline(always)]
    unsafe fn sum(numbers: [f32; 8]) -> f32 {
        numbers.iter().sum()
    }
}

/// The next elements as integers.
#[inline(always)]
unsafe fn elements(bits: usize, from: *const u8) -> [u8; 8] {
    // SAFETY: the promise of [`Lanes::integers`]
    let stream = u64::from_le(unsafe { from.cast::<u64>().read_unaligned() });
    let mask = (1u64 << bits) - 1;
    std::array::from_fn(|lane| (stream >> (lane * bits) & mask) as u8)
}
