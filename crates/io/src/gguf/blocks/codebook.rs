//! Blocks whose elements are places in a table ("IQ4").

use super::{half_at, nibbles};

/// The numbers of the four bits of IQ4: unevenly apart, as weights are.
const FOUR_BITS: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0,
    89.0, 113.0,
];

fn scaled(scale: f32, bytes: &[u8], numbers: &mut [f32]) {
    for (number, q) in numbers.iter_mut().zip(nibbles(bytes)) {
        *number = scale * FOUR_BITS[usize::from(q)];
    }
}

/// `d·t[q]`: `d`, 32 elements.
pub(in crate::gguf) fn iq4_nl(block: &[u8], numbers: &mut [f32]) {
    scaled(half_at(block, 0), &block[2..], numbers);
}

/// `d·(s - 32)·t[q]`, a scale of 6 bits for 32 elements: `d`; 2 bytes of the scales' upper bits;
/// 4 bytes of their lower bits; elements.
pub(in crate::gguf) fn iq4_xs(block: &[u8], numbers: &mut [f32]) {
    let scale = half_at(block, 0);
    let upper = u16::from_le_bytes([block[2], block[3]]);
    for (group, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        let low = block[4 + group / 2] >> (4 * (group % 2)) & 0xf;
        let high = (upper >> (2 * group)) as u8 & 3;
        let scale = scale * (f32::from(low | high << 4) - 32.0);
        scaled(scale, &block[8 + 16 * group..][..16], numbers);
    }
}
