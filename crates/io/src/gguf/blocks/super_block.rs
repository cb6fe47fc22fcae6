//! Blocks of 256 elements ("K"): groups of 16 or 32 have integer scales, which the block's own
//! scale multiplies.

use super::half_at;

/// `d·s·q - m·l`, 2 bits: 16 bytes with a scale `s` in the lower and a least value `l` in the
/// upper bits; 64 bytes of elements; `d`; `m`.
pub(in crate::gguf) fn q2_k(block: &[u8], numbers: &mut [f32]) {
    let (scale, least) = (half_at(block, 80), half_at(block, 82));
    for (group, numbers) in numbers.chunks_exact_mut(16).enumerate() {
        let both = block[group];
        let scale = scale * f32::from(both & 0xf);
        let least = least * f32::from(both >> 4);
        // 32 bytes hold four layers of 32 elements, two bits each
        let start = 16 + 32 * (group / 8) + 16 * (group % 2);
        let shift = 2 * (group / 2 % 4);
        for (number, byte) in numbers.iter_mut().zip(&block[start..]) {
            *number = scale * f32::from(byte >> shift & 3) - least;
        }
    }
}

/// The 16 scales of 6 bits of Q3_K: lower four bits in 8 bytes, upper two in 4.
fn scale_of_q3(packed: &[u8], group: usize) -> f32 {
    let low = packed[group % 8] >> (4 * (group / 8)) & 0xf;
    let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
    f32::from(low | high << 4) - 32.0
}

/// `d·(s - 32)·(q - 4)`, 3 bits: 32 bytes of upper bits; 64 bytes of lower bits; 12 bytes of
/// scales; `d`.
pub(in crate::gguf) fn q3_k(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 108);
    for (group, numbers) in numbers.chunks_exact_mut(16).enumerate() {
        let scale = scale * scale_of_q3(&block[96..108], group);
        let column = 16 * (group % 2);
        let layer = group / 2;
        let low = &block[32 + 32 * (group / 8) + column..];
        for ((number, low), high) in numbers.iter_mut().zip(low).zip(&block[column..]) {
            let q = low >> (2 * (layer % 4)) & 3 | (high >> layer & 1) << 2;
            *number = scale * (f32::from(q) - 4.0);
        }
    }
}

/// A scale and a least value of 6 bits out of 12 bytes that have 8 of each.
fn scale_and_least(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, least) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        (
            low & 0xf | packed[group - 4] >> 6 << 4,
            low >> 4 | packed[group] >> 6 << 4,
        )
    };
    (f32::from(scale), f32::from(least))
}

/// `d·s·q - m·l`, 4 bits: `d`; `m`; 12 bytes of scales and least values; 128 bytes of elements,
/// of which 32 bytes hold one group in their lower and the next in their upper bits.
pub(in crate::gguf) fn q4_k(block: &[u8], numbers: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (group, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        let (scale, least) = scale_and_least(&block[4..16], group);
        let (scale, least) = (d * scale, m * least);
        let bytes = &block[16 + 32 * (group / 2)..];
        for (number, byte) in numbers.iter_mut().zip(bytes) {
            *number = scale * f32::from(byte >> (4 * (group % 2)) & 0xf) - least;
        }
    }
}

/// As [`q4_k`] with 32 bytes of fifth bits before the others, bit `g` for group `g`.
pub(in crate::gguf) fn q5_k(block: &[u8], numbers: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (group, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        let (scale, least) = scale_and_least(&block[4..16], group);
        let (scale, least) = (d * scale, m * least);
        let low = &block[48 + 32 * (group / 2)..];
        for ((number, low), high) in numbers.iter_mut().zip(low).zip(&block[16..48]) {
            let q = low >> (4 * (group % 2)) & 0xf | (high >> group & 1) << 4;
            *number = scale * f32::from(q) - least;
        }
    }
}

/// `d·s·(q - 32)`, 6 bits: 128 bytes of lower four bits; 64 bytes of upper two; 16 signed scales;
/// `d`.
pub(in crate::gguf) fn q6_k(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 208);
    for (group, numbers) in numbers.chunks_exact_mut(16).enumerate() {
        let scale = scale * f32::from(block[192 + group] as i8);
        // a half of the block has four layers of 32 elements
        let (half, layer, column) = (group / 8, group / 2 % 4, 16 * (group % 2));
        let low = &block[64 * half + 32 * (layer % 2) + column..];
        let high = &block[128 + 32 * half + column..];
        for ((number, low), high) in numbers.iter_mut().zip(low).zip(high) {
            let q = low >> (4 * (layer / 2)) & 0xf | (high >> (2 * layer) & 3) << 4;
            *number = scale * (f32::from(q) - 32.0);
        }
    }
}

/// `d·q`, signed, 8 bits: `d` in single precision; elements; sums that products need.
pub(in crate::gguf) fn q8_k(block: &[u8], numbers: &mut [f32]) {
    let scale = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    for (number, q) in numbers.iter_mut().zip(&block[4..]) {
        *number = scale * f32::from(*q as i8);
    }
}
