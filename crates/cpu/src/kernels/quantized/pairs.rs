//! Numbers of packed rows as pairs of `bf16`, which AVX-512 with BF16 multiplies: rounded as they
//! would be in a matrix of `bf16`, subnormal ones to zero.

use super::lanes::avx512::Avx512;
use super::lanes::{Bytes, E2m1, E4m3, Integers, Lanes, Meaning, ShortIntegers, TURNED, avx2};
use super::rows::{Rows, meant};
use mlx_oxide_ir::QuantizationMode;
use std::arch::x86_64::*;

/// Compiles a loop for every meaning of elements.
macro_rules! compiled {
    ($(#[$doc:meta])* fn $name:ident by $body:ident) => {
        $(#[$doc])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
        pub(super) unsafe fn $name(rows: Rows, width: usize, to: *mut f32) {
            // SAFETY: by the caller's promise
            unsafe { meant!(rows, $body(rows, width, to)) }
        }
    };
}

compiled! {
    /// As [`super::rows::unpack_turned`]: pairs of columns of one panel, then the next.
    ///
    /// # Safety
    /// As there, of a machine that multiplies pairs; each pair takes a number's place.
    fn unpack_turned by column_panels
}

compiled! {
    /// As [`super::rows::unpack_panels`]: pairs of rows of one panel, then the next. After an odd
    /// number of rows comes zero.
    ///
    /// # Safety
    /// As for [`unpack_turned`].
    fn unpack_panels by row_panels
}

/// The next numbers of a row.
///
/// # Safety
/// As for [`Lanes::integers`].
#[inline(always)]
unsafe fn numbers<E: Meaning>(
    spread: <Avx512 as Lanes>::Spread,
    words: &mut *const u8,
    step: usize,
    [scale, bias]: [__m512; 2],
) -> __m512 {
    // SAFETY: by the caller's promise
    unsafe {
        let elements = E::numbers::<Avx512>(spread, *words);
        *words = words.wrapping_add(step);
        Avx512::multiply_add(elements, scale, bias)
    }
}

/// # Safety
/// As for [`unpack_turned`].
#[inline(always)]
unsafe fn column_panels<E: Meaning>(rows: Rows, width: usize, to: *mut f32) {
    let size = rows.packing.group_size;
    let step = Avx512::LANES * rows.packing.bits / 8;
    let pairs = rows.groups * size / 2;
    debug_assert!(width.is_multiple_of(TURNED));
    // SAFETY: by the caller's promise; halves of a register have eight pairs
    unsafe {
        let spread = Avx512::spread(rows.packing.bits);
        for first in (0..rows.count).step_by(TURNED) {
            // rows past the last are that one again
            let places: [usize; TURNED] =
                std::array::from_fn(|row| (first + row).min(rows.count - 1));
            let mut words = places.map(|row| rows.words.wrapping_add(row * rows.row_bytes));
            let mut to = to.wrapping_add(first / width * width * pairs + first % width);
            for group in 0..rows.groups {
                let mut factors = [[_mm512_setzero_ps(); 2]; TURNED];
                for (factors, row) in factors.iter_mut().zip(places) {
                    *factors = rows.factors::<Avx512>(row, group);
                }
                for _ in 0..size / Avx512::LANES {
                    let mut vectors = [_mm256_setzero_ps(); TURNED];
                    for (row, factors) in factors.into_iter().enumerate() {
                        let numbers = numbers::<E>(spread, &mut words[row], step, factors);
                        vectors[row] =
                            std::mem::transmute::<__m256bh, __m256>(_mm512_cvtneps_pbh(numbers));
                    }
                    avx2::store_turned(to, width, vectors);
                    to = to.wrapping_add(Avx512::LANES / 2 * width);
                }
            }
        }
    }
}

/// # Safety
/// As for [`unpack_panels`].
#[inline(always)]
unsafe fn row_panels<E: Meaning>(rows: Rows, width: usize, to: *mut f32) {
    let size = rows.packing.group_size;
    let step = Avx512::LANES * rows.packing.bits / 8;
    let count = rows.count.div_ceil(2);
    debug_assert!(width.is_multiple_of(Avx512::LANES));
    // SAFETY: by the caller's promise; `order` has as many places as a register has `bf16`
    unsafe {
        let spread = Avx512::spread(rows.packing.bits);
        let mut order = [0u16; 2 * Avx512::LANES];
        for (place, from) in order.iter_mut().enumerate() {
            *from = (place / 2 + place % 2 * Avx512::LANES) as u16;
        }
        let order = _mm512_loadu_si512(order.as_ptr().cast());
        for pair in 0..count {
            let row = 2 * pair;
            // a row past the last is that one again, its numbers zero
            let places = [row, (row + 1).min(rows.count - 1)];
            let is_there = if places[1] > row { u16::MAX } else { 0 };
            let mut words = places.map(|row| rows.words.wrapping_add(row * rows.row_bytes));
            let mut to = to.wrapping_add(pair * width);
            let mut column = 0;
            for group in 0..rows.groups {
                let [low, high] = [
                    rows.factors::<Avx512>(places[0], group),
                    rows.factors::<Avx512>(places[1], group),
                ];
                for _ in 0..size / Avx512::LANES {
                    let low = numbers::<E>(spread, &mut words[0], step, low);
                    let high = numbers::<E>(spread, &mut words[1], step, high);
                    let high = _mm512_maskz_mov_ps(is_there, high);
                    let both =
                        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
                    let pairs = _mm512_permutexvar_epi16(order, both);
                    _mm512_storeu_si512(to.cast(), pairs);
                    (to, column) = (to.wrapping_add(Avx512::LANES), column + Avx512::LANES);
                    if column == width {
                        // from these rows of a panel to those of the next
                        (to, column) = (to.wrapping_add((count - 1) * width), 0);
                    }
                }
            }
        }
    }
}
