//! Blocks of 32 elements with one scale `d`.

use super::{half_at, nibbles};

/// The elements of 5 bits: bit `i` of the 32 in `high` is the fifth of element `i`.
fn five_bits<'a>(high: &'a [u8], low: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
    nibbles(low)
        .enumerate()
        .map(|(place, low)| low | (high[place / 8] >> (place % 8) & 1) << 4)
}

/// `d·(q - 16)`: `d`, fifth bits, lower bits.
pub(in crate::gguf) fn q5_0(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 0);
    for (number, q) in numbers.iter_mut().zip(five_bits(&block[2..6], &block[6..])) {
        *number = scale * (f32::from(q) - 16.0);
    }
}

/// `d·q + m`: `d`, `m`, fifth bits, lower bits.
pub(in crate::gguf) fn q5_1(block: &[u8], numbers: &mut [f32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    for (number, q) in numbers.iter_mut().zip(five_bits(&block[4..8], &block[8..])) {
        *number = scale * f32::from(q) + least;
    }
}

/// `d·q`, signed: `d`, the sum that products need, elements.
pub(in crate::gguf) fn q8_1(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 0);
    for (number, q) in numbers.iter_mut().zip(&block[4..]) {
        *number = scale * f32::from(*q as i8);
    }
}
