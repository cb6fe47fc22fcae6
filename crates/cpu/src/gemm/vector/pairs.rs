//! AVX-512 with BF16: registers of 16 pairs of `bf16`, and of 16 `f32` sums of their products.

use super::super::pack::Piece;
use super::{Vector, prefetch};
use half::bf16;
use std::arch::x86_64::*;

/// Sixteen lanes. As a factor a lane is a pair of `bf16`, the first in the low half; as a sum it
/// is an `f32`. Subnormal numbers count as zero in products.
#[derive(Clone, Copy)]
pub(crate) struct Pairs(__m512);

impl Pairs {
    /// Pairs of the first elements, of so many, at most 32, followed by zeros.
    ///
    /// # Safety
    /// As for [`Vector`], of such elements.
    #[inline(always)]
    pub(crate) unsafe fn first(from: *const bf16, count: usize) -> Self {
        let mask = u32::MAX.unbounded_shr(32 - count as u32);
        // SAFETY: by the caller's promise; the bits stay
        Pairs(unsafe { _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, from.cast())) })
    }

    /// The sum of all lanes of each: halves are added, those of two together, again and again.
    ///
    /// # Safety
    /// As for [`Vector`].
    #[inline(always)]
    pub(crate) unsafe fn totals(sums: [Self; 8]) -> [f32; 8] {
        let [a, b, c, d, e, f, g, h] = sums.map(|sums| sums.0);
        // SAFETY: by the caller's promise
        unsafe {
            let low = add_quarters(add_halves(a, b), add_halves(c, d));
            let high = add_quarters(add_halves(e, f), add_halves(g, h));
            let eighths = _mm512_add_ps(
                _mm512_shuffle_ps::<0x44>(low, high),
                _mm512_shuffle_ps::<0xee>(low, high),
            );
            let sums = _mm512_add_ps(
                _mm512_shuffle_ps::<0x88>(eighths, eighths),
                _mm512_shuffle_ps::<0xdd>(eighths, eighths),
            );
            // each quarter has one of the first four and one of the last
            let places = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
            let ordered = _mm512_permutexvar_ps(places, sums);
            let mut totals = [0.0; 8];
            _mm256_storeu_ps(totals.as_mut_ptr(), _mm512_castps512_ps256(ordered));
            totals
        }
    }
}

impl Vector for Pairs {
    type Element = f32;
    type Mask = __mmask16;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __mmask16 {
        // SAFETY: by the promise of `Vector`
        unsafe { __m512::mask(count) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by the promise of `Vector`; the bits stay
        Pairs(unsafe { __m512::splat(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by the promise of `Vector`
        Pairs(unsafe { __m512::load(from) })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: __mmask16) -> Self {
        // SAFETY: by the promise of `Vector`
        Pairs(unsafe { __m512::load_part(from, mask) })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, mask: __mmask16) {
        // SAFETY: by the promise of `Vector`
        unsafe { self.0.store_part(to, mask) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { self.0.store(to) }
    }
    const ROUNDS: bool = true;
    /// As [`super::round_rows`].
    #[inline(always)]
    unsafe fn store_rounded(self, to: *mut bf16, mask: __mmask16) {
        // SAFETY: by the promise of `Vector`; both types are 32 bytes without invalid values
        unsafe {
            let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(self.0));
            _mm256_mask_storeu_epi16(to.cast(), mask, rounded);
        }
    }
    /// As [`super::round_rows`].
    #[inline(always)]
    unsafe fn store_rounded_whole(self, to: *mut bf16) {
        // SAFETY: by the promise of `Vector`; both types are 32 bytes without invalid values
        unsafe {
            let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(self.0));
            _mm256_storeu_si256(to.cast(), rounded);
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        Pairs(unsafe { self.0.add(other.0) })
    }
    /// The sum of both products and the addend.
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: by the promise of `Vector`; both types are 64 bytes without invalid values
        unsafe {
            let [lhs, rhs] =
                [self.0, factor.0].map(|pairs| std::mem::transmute::<__m512, __m512bh>(pairs));
            Pairs(_mm512_dpbf16_ps(addend.0, lhs, rhs))
        }
    }
}

/// The halves of a register added, then those of another.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
unsafe fn add_halves(x: __m512, y: __m512) -> __m512 {
    // SAFETY: by the caller's promise
    unsafe {
        _mm512_add_ps(
            _mm512_shuffle_f32x4::<0x44>(x, y),
            _mm512_shuffle_f32x4::<0xee>(x, y),
        )
    }
}

/// As [`add_halves`], of each half.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
unsafe fn add_quarters(x: __m512, y: __m512) -> __m512 {
    // SAFETY: by the caller's promise
    unsafe {
        _mm512_add_ps(
            _mm512_shuffle_f32x4::<0x88>(x, y),
            _mm512_shuffle_f32x4::<0xdd>(x, y),
        )
    }
}

/// As [`super::round_rows`]. Ties go to even, NaN stays NaN, and subnormal numbers become zero.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn round_rows(from: *const f32, step: usize, columns: usize, to: &[*mut bf16]) {
    let whole = columns / 16 * 16;
    // SAFETY: the mask has the columns that are left
    let mask = unsafe { __m512::mask(columns - whole) };
    for (row, to) in to.iter().enumerate().filter(|(_, to)| !to.is_null()) {
        let from = from.wrapping_add(row * step);
        // SAFETY: by the caller's promise; both types are 32 bytes without invalid values
        unsafe {
            for column in (0..whole).step_by(16) {
                let sums = _mm512_loadu_ps(from.add(column));
                let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(sums));
                _mm256_storeu_si256(to.add(column).cast(), rounded);
            }
            if mask != 0 {
                let sums = _mm512_maskz_loadu_ps(mask, from.add(whole));
                let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(sums));
                _mm256_mask_storeu_epi16(to.add(whole).cast(), mask, rounded);
            }
        }
    }
}

/// Bytes between a request for a line of a row and its use.
const AHEAD: usize = 256;

/// Copies a piece whose elements of a term lie side by side, row after row of pairs of terms
/// without gaps. After an odd number of terms comes zero.
///
/// # Safety
/// The source reaches all terms and elements; `to` has room for `padded` elements for every pair of
/// terms; this machine has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) unsafe fn join_rows(piece: &Piece<u16>, to: *mut u32) {
    // SAFETY: the caller's promise is the same
    unsafe {
        match piece.padded.div_ceil(16) {
            1 => join_vectors::<1>(piece, to),
            2 => join_vectors::<2>(piece, to),
            3 => join_vectors::<3>(piece, to),
            _ => join_vectors::<0>(piece, to),
        }
    }
}

/// As [`join_rows`], of a padded size of so many vectors, or of any number if that is zero.
///
/// # Safety
/// As for [`join_rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn join_vectors<const VECTORS: usize>(piece: &Piece<u16>, to: *mut u32) {
    let vectors = match VECTORS {
        0 => piece.padded.div_ceil(16),
        known => known,
    };
    let step = piece.source.row_stride;
    let lanes = |count: usize| u16::MAX.unbounded_shr(16_u32.saturating_sub(count as u32));
    for pair in 0..piece.terms.div_ceil(2) {
        let low = piece.source.start.wrapping_offset(2 * pair as isize * step);
        let high = low.wrapping_offset(step);
        prefetch(high.cast::<u8>().wrapping_add(AHEAD));
        let has_high = 2 * pair + 1 < piece.terms;
        let to = to.wrapping_add(pair * piece.padded);
        for vector in 0..vectors {
            let first = 16 * vector;
            let exist = lanes(piece.size.saturating_sub(first));
            let high_exist = if has_high { exist } else { 0 };
            // SAFETY: by the caller's promise, of the lanes of the masks
            unsafe {
                let low = _mm256_maskz_loadu_epi16(exist, low.wrapping_add(first).cast());
                let high = _mm256_maskz_loadu_epi16(high_exist, high.wrapping_add(first).cast());
                let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(high));
                let pairs = _mm512_or_si512(_mm512_cvtepu16_epi32(low), high);
                let room = lanes(piece.padded - first);
                _mm512_mask_storeu_epi32(to.wrapping_add(first).cast(), room, pairs);
            }
        }
    }
}

/// As [`super::pad_rows`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn pad_rows(from: *const bf16, width: usize, rows: usize, to: *mut bf16) {
    const LANES: usize = 32;
    let padded = width + 1;
    if padded > LANES {
        for row in 0..rows {
            // SAFETY: by the caller's promise
            unsafe {
                std::ptr::copy_nonoverlapping(from.add(row * width), to.add(row * padded), width);
                to.add(row * padded + width).write(bf16::ZERO);
            }
        }
        return;
    }
    let first = |count: usize| u32::MAX.unbounded_shr((LANES - count) as u32);
    let exists = |lane: &usize| lane % padded < width;
    let kept = (0..LANES)
        .filter(exists)
        .fold(0, |mask, lane| mask | 1 << lane);
    let places: [u16; LANES] =
        std::array::from_fn(|lane| (lane / padded * width + lane % padded) as u16);
    let together = LANES / padded;
    // SAFETY: by the caller's promise; masks have the rows that are left
    unsafe {
        let places = _mm512_loadu_si512(places.as_ptr().cast());
        for row in (0..rows).step_by(together) {
            let count = together.min(rows - row);
            let from = from.add(row * width).cast();
            let elements = _mm512_maskz_loadu_epi16(first(count * width), from);
            let elements = _mm512_maskz_permutexvar_epi16(kept, places, elements);
            let to = to.add(row * padded).cast();
            _mm512_mask_storeu_epi16(to, first(count * padded), elements);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Vector, pad_rows, round_rows};
    use super::Pairs;
    use crate::gemm::Element;
    use crate::simd::Isa;
    use half::bf16;

    /// Ties, signs, what is not finite and what rounds to infinity.
    const SUMS: [u32; 12] = [
        0x3f80_0000,
        0x3f80_8000,
        0x3f81_8000,
        0xbf80_8001,
        0x3f80_7fff,
        0x7f80_0000,
        0xff80_0000,
        0x7f80_0001,
        0xffc0_1234,
        0x7f7f_ffff,
        0x8000_0000,
        0x0080_0000,
    ];

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
    unsafe fn totals(lanes: &[[f32; 16]; 8]) -> [f32; 8] {
        // SAFETY: each has as many elements as a register
        unsafe { Pairs::totals(lanes.each_ref().map(|lanes| Pairs::load(lanes.as_ptr()))) }
    }

    #[test]
    fn lanes_are_added_by_halves() {
        if !bf16::has_pairs(Isa::best()) {
            return;
        }
        let value = |row: usize, lane: usize| ((row * 16 + lane) as f32 * 0.7).sin() * 100.0;
        let lanes: [[f32; 16]; 8] =
            std::array::from_fn(|row| std::array::from_fn(|lane| value(row, lane)));
        // SAFETY: the machine has the instructions
        let found = unsafe { totals(&lanes) };
        for (lanes, found) in lanes.into_iter().zip(found) {
            let mut sums = lanes.to_vec();
            while sums.len() > 1 {
                let (low, high) = sums.split_at(sums.len() / 2);
                sums = low.iter().zip(high).map(|(low, high)| low + high).collect();
            }
            assert_eq!(found.to_bits(), sums[0].to_bits());
        }
    }

    #[test]
    fn rows_are_rounded_to_the_nearest_as_elements_are() {
        if !bf16::has_pairs(Isa::best()) {
            return;
        }
        for columns in 0..36 {
            let sums: Vec<f32> = (0..3 * 40)
                .map(|index| f32::from_bits(SUMS[index % 12]))
                .collect();
            let mut rounded = vec![bf16::from_bits(7); 3 * 36];
            let start = rounded.as_mut_ptr();
            let to = [start, std::ptr::null_mut(), start.wrapping_add(36)];
            // SAFETY: all rows have so many columns
            unsafe { round_rows(sums.as_ptr(), 40, columns, &to) };
            for (index, found) in rounded.into_iter().enumerate() {
                let (row, column) = (index / 36, index % 36);
                let expected = match row < 2 && column < columns {
                    true => bf16::narrow(sums[2 * row * 40 + column]),
                    false => bf16::from_bits(7),
                };
                let both_nan = found.is_nan() && expected.is_nan();
                assert!(
                    both_nan || found.to_bits() == expected.to_bits(),
                    "{columns} {index}"
                );
            }
        }
    }

    #[test]
    fn rows_of_every_width_get_one_element() {
        if !bf16::has_pairs(Isa::best()) {
            return;
        }
        for width in 1..40 {
            for rows in 0..20 {
                let from: Vec<_> = (1..=width * rows)
                    .map(|index| bf16::from_bits(index as u16))
                    .collect();
                let mut to = vec![bf16::from_bits(9); (width + 1) * rows + 1];
                // SAFETY: there are so many rows
                unsafe { pad_rows(from.as_ptr(), width, rows, to.as_mut_ptr()) };
                let zero = [bf16::ZERO];
                let expected: Vec<_> = from
                    .chunks(width)
                    .flat_map(|row| row.iter().chain(&zero))
                    .chain(&[bf16::from_bits(9)])
                    .copied()
                    .collect();
                assert_eq!(to, expected, "{width} {rows}");
            }
        }
    }
}
