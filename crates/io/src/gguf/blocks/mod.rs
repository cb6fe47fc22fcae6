//! Numbers of quantized blocks. Each function takes the bytes of one block and writes its numbers,
//! as many as the type's row in [`Kind`](super::kind::Kind) says, in single precision.

pub(super) mod codebook;
pub(super) mod lattice;
pub(super) mod legacy;
pub(super) mod small_float;
pub(super) mod super_block;
pub(super) mod ternary;

use super::kind::Kind;
use crate::error::Result;
use half::f16;
use half::slice::HalfFloatSliceExt;
use mlx_oxide_core::{Array, ArrayType, Dtype};

/// The greatest number of elements of a block.
const MOST: usize = 256;

/// The number of half precision at a place of a block.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The lower four bits of all bytes, then their upper four.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let low = bytes.iter().map(|byte| byte & 0xf);
    low.chain(bytes.iter().map(|byte| byte >> 4))
}

/// The numbers of all blocks, rounded to `float16`.
pub(super) fn dequantize(
    kind: &Kind,
    numbers: fn(&[u8], &mut [f32]),
    shape: &[usize],
    data: &[u8],
) -> Result<Array> {
    let mut single = [0.0; MOST];
    let mut rounded = [f16::ZERO; MOST];
    let (single, rounded) = (&mut single[..kind.elements], &mut rounded[..kind.elements]);
    let array_type = ArrayType::new(shape.to_vec(), Dtype::Float16);
    Array::from_fill(array_type, |bytes| {
        let outputs = bytes.chunks_exact_mut(2 * kind.elements);
        for (block, output) in data.chunks_exact(kind.bytes).zip(outputs) {
            numbers(block, single);
            rounded.convert_from_f32_slice(single);
            output.copy_from_slice(bytemuck::cast_slice(rounded));
        }
        Ok(())
    })
}
