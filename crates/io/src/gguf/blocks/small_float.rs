//! Blocks of E2M1 numbers, with the lower bits of their bytes first.

use super::nibbles;
use mlx_oxide_ir::float8::{E2M1, from_e4m3};

fn scaled(scale: f32, bytes: &[u8], numbers: &mut [f32]) {
    for (number, bits) in numbers.iter_mut().zip(nibbles(bytes)) {
        *number = scale * E2M1[usize::from(bits)];
    }
}

/// 32 elements after one E8M0 scale.
pub(in crate::gguf) fn mxfp4(block: &[u8], numbers: &mut [f32]) {
    // the least power of two is subnormal
    let bits = match block[0] {
        0 => 0x40_0000,
        exponent => u32::from(exponent) << 23,
    };
    scaled(f32::from_bits(bits), &block[1..], numbers);
}

/// 64 elements after four E4M3 scales without sign, one for each 16.
pub(in crate::gguf) fn nvfp4(block: &[u8], numbers: &mut [f32]) {
    for (group, numbers) in numbers.chunks_exact_mut(16).enumerate() {
        let scale = match block[group] & 0x7f {
            0x7f => 0.0,
            bits => from_e4m3(bits),
        };
        scaled(scale, &block[4 + 8 * group..][..8], numbers);
    }
}
