//! Blocks that mode affine can stand for: bits are kept, only their order changes.

use super::kind::Kind;
use crate::error::Result;
use half::f16;
use mlx_oxide_core::{Array, ArrayType, Dtype};
use mlx_oxide_ir::Shape;

/// Elements of a block, and so of a group.
const GROUP: usize = 32;

/// How a block has its scale `d`, its bias and its elements `q`.
#[derive(Clone, Copy)]
pub(super) enum Affine {
    /// `d·(q - 8)`, 4 bits: `d`, then bytes with an element of the first half in the lower bits
    /// and one of the second half in the upper ones.
    Q4_0,
    /// `d·q + m`, 4 bits: `d`, `m`, then elements as in Q4_0.
    Q4_1,
    /// `d·q`, signed, 8 bits: `d`, then elements in order.
    Q8_0,
}

impl Affine {
    /// Scale and bias of a block, and its elements as mode affine has them.
    fn split(self, block: &[u8], packed: &mut [u8]) -> (f16, f16) {
        let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]);
        let scale = half(0);
        let times = |factor: f32| f16::from_f32(factor * scale.to_f32());
        match self {
            Affine::Q4_0 => {
                pair(&block[2..], packed);
                (scale, times(-8.0))
            }
            Affine::Q4_1 => {
                pair(&block[4..], packed);
                (scale, half(2))
            }
            Affine::Q8_0 => {
                // from -128…127 to 0…255
                for (to, from) in packed.iter_mut().zip(&block[2..]) {
                    *to = from ^ 0x80;
                }
                (scale, times(-128.0))
            }
        }
    }

    fn bits(self) -> usize {
        match self {
            Affine::Q4_0 | Affine::Q4_1 => 4,
            Affine::Q8_0 => 8,
        }
    }
}

/// Brings elements of 4 bits in order: neighbours share a byte, the first in its lower bits.
fn pair(halves: &[u8], packed: &mut [u8]) {
    for (position, to) in packed.iter_mut().enumerate() {
        // the first 8 bytes have elements 0 to 15, the other 8 elements 16 to 31
        let shift = 4 * (position / 8);
        let from = 2 * (position % 8);
        let nibble = |byte: u8| byte >> shift & 0xf;
        *to = nibble(halves[from]) | nibble(halves[from + 1]) << 4;
    }
}

/// Words, scales and biases of a quantized tensor whose last axis is a multiple of the group.
pub(super) fn unpack(
    kind: &Kind,
    affine: Affine,
    shape: &[usize],
    data: &[u8],
) -> Result<[Array; 3]> {
    let bytes = GROUP * affine.bits() / 8;
    let blocks = data.len() / kind.bytes;
    let (mut scales, mut biases) = (Vec::with_capacity(blocks), Vec::with_capacity(blocks));
    let last = shape.last().copied().unwrap_or_default();
    let with_last = |last: usize| {
        let leading = &shape[..shape.len().saturating_sub(1)];
        leading.iter().copied().chain([last]).collect::<Shape>()
    };
    let words = ArrayType::new(with_last(last * affine.bits() / 32), Dtype::Uint32);
    let words = Array::from_fill(words, |packed| {
        let groups = packed.chunks_exact_mut(bytes);
        for (block, group) in data.chunks_exact(kind.bytes).zip(groups) {
            let (scale, bias) = affine.split(block, group);
            scales.push(scale);
            biases.push(bias);
        }
        Ok::<_, mlx_oxide_ir::Error>(())
    })?;
    Ok([
        words,
        Array::from_slice(&scales, with_last(last / GROUP))?,
        Array::from_slice(&biases, with_last(last / GROUP))?,
    ])
}
