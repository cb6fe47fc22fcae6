//! Masks: what is added to a score, or whether a key is seen.

use crate::gemm::Element;
use crate::gemm::compiled::compiled;
use half::{bf16, f16};
use mlx_oxide_ir::{Dtype, Result};
use mlx_oxide_runtime::Operand;

/// The score of a key that is not seen. It is finite, as in MLX: a query that sees no key at all
/// weighs all of them equally.
pub(super) const UNSEEN: f32 = f32::MIN;

/// A mask over `(batch, head, query, key)`.
pub(super) struct Mask {
    start: *const u8,
    dtype: Dtype,
    /// Steps along the four axes in elements; 0 along those it is stretched over.
    steps: [isize; 4],
}

// SAFETY: the elements are only read, and the call's operands keep them alive
unsafe impl Sync for Mask {}

impl Mask {
    /// The mask that an operand of up to four axes holds.
    pub(super) fn new(operand: &Operand) -> Result<Self> {
        let layout = &operand.layout;
        let missing = 4 - layout.shape.ndim();
        let mut steps = [0; 4];
        for (axis, (&size, &stride)) in layout.shape.iter().zip(&layout.strides).enumerate() {
            steps[missing + axis] = if size == 1 { 0 } else { stride };
        }
        let start = operand.buffer.host_ptr()?.as_ptr().cast_const();
        Ok(Mask {
            start: start.wrapping_add(layout.offset * operand.dtype.size()),
            dtype: operand.dtype,
            steps,
        })
    }

    /// # Safety
    /// As for [`apply`], with elements of the given type.
    #[inline(always)]
    unsafe fn each<T: Copy>(
        &self,
        position: [usize; 3],
        key: usize,
        scores: &mut [f32],
        change: impl Fn(f32, T) -> f32,
    ) {
        let steps = self.steps;
        let offset: isize = (0..3)
            .map(|axis| position[axis] as isize * steps[axis])
            .sum();
        let start = self
            .start
            .cast::<T>()
            .wrapping_offset(offset + key as isize * steps[3]);
        if steps[3] == 1 {
            for (index, score) in scores.iter_mut().enumerate() {
                // SAFETY: by the caller's promise
                *score = change(*score, unsafe { start.add(index).read() });
            }
        } else {
            for (index, score) in scores.iter_mut().enumerate() {
                // SAFETY: by the caller's promise
                let element = unsafe { start.wrapping_offset(index as isize * steps[3]).read() };
                *score = change(*score, element);
            }
        }
    }
}

compiled! {
    /// Applies a mask to the scores of keys from `key` on.
    ///
    /// # Safety
    /// The position and the scores behind it are inside the mask's stretched shape; this machine
    /// has the instruction set.
    pub(super) fn apply(
        mask: &Mask,
        position: [usize; 3],
        key: usize,
        scores: &mut [f32],
    ) by apply_loop
}

/// # Safety
/// As for [`apply`].
#[inline(always)]
unsafe fn apply_loop(mask: &Mask, position: [usize; 3], key: usize, scores: &mut [f32]) {
    // SAFETY: by the caller's promise; the dtype says what the elements are
    unsafe {
        match mask.dtype {
            Dtype::Bool => mask.each::<u8>(position, key, scores, chosen),
            Dtype::Float16 => mask.each::<f16>(position, key, scores, |score, addend| {
                score + addend.widen()
            }),
            Dtype::Bfloat16 => mask.each::<bf16>(position, key, scores, |score, addend| {
                score + addend.widen()
            }),
            _ => mask.each::<f32>(position, key, scores, |score, addend| score + addend),
        }
    }
}

/// The score of a key that is seen. All bits are set if the byte is not zero, a sum that compilers
/// keep in registers of 32-bit lanes, other than comparisons of bytes.
#[inline(always)]
fn chosen(score: f32, seen: u8) -> f32 {
    let keep = 0u32.wrapping_sub((u32::from(seen) + 255) >> 8);
    let unseen = UNSEEN.to_bits();
    f32::from_bits(unseen ^ ((score.to_bits() ^ unseen) & keep))
}
