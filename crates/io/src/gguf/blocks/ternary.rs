//! Blocks of 256 elements that are -1, 0 or 1, times a scale.

use super::half_at;

/// Digit `place` of a byte that is a fraction of 256 in base 3, rounded up.
fn digit(byte: u8, place: usize) -> f32 {
    const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
    let rest = byte.wrapping_mul(POWERS[place]);
    f32::from(((u16::from(rest) * 3) >> 8) as u8)
}

/// Five elements a byte: 48 bytes, the first 32 of them holding five layers of 32 elements and the
/// others five layers of 16; 4 bytes with four elements each; `d`.
pub(in crate::gguf) fn tq1_0(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 52);
    let layers = [(&block[..32], 5), (&block[32..48], 5), (&block[48..52], 4)];
    let digits = layers.into_iter().flat_map(|(bytes, count)| {
        (0..count).flat_map(move |place| bytes.iter().map(move |byte| digit(*byte, place)))
    });
    for (number, digit) in numbers.iter_mut().zip(digits) {
        *number = scale * (digit - 1.0);
    }
}

/// Two bits an element: 64 bytes, of which 32 hold four layers of 32 elements; `d`.
pub(in crate::gguf) fn tq2_0(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 64);
    for (layer, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        for (number, byte) in numbers.iter_mut().zip(&block[32 * (layer / 4)..]) {
            *number = scale * (f32::from(byte >> (2 * (layer % 4)) & 3) - 1.0);
        }
    }
}
