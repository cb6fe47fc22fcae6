//! Blocks of 256 elements ("IQ1" to "IQ3") whose groups of 4 or 8 elements are points of a
//! codebook, times a scale.
//!
//! The codebooks belong to the format; ggml, where they come from, has them in `ggml-common.h`
//! (MIT licence). In `codebooks.bin` each element has 2 bits, or 4 of which 3 count, the first in
//! the lowest bits.

use super::half_at;
use half::f16;

static CODEBOOKS: &[u8; 9216] = include_bytes!("codebooks.bin");

/// Points of 8 elements of 2 bits, from a place of the file on.
struct Eights {
    start: usize,
    values: [f32; 4],
}

impl Eights {
    fn point(&self, place: usize) -> [f32; 8] {
        let bytes = &CODEBOOKS[self.start + 2 * place..][..2];
        std::array::from_fn(|i| self.values[usize::from(bytes[i / 4] >> (2 * (i % 4)) & 3)])
    }
}

/// Points of 4 elements of 4 bits, from a place of the file on.
struct Fours {
    start: usize,
    values: [f32; 8],
}

impl Fours {
    /// Two points side by side.
    fn points(&self, places: [usize; 2]) -> [f32; 8] {
        std::array::from_fn(|i| {
            let byte = CODEBOOKS[self.start + 2 * places[i / 4] + i % 4 / 2];
            self.values[usize::from(byte >> (4 * (i % 2)) & 7)]
        })
    }
}

// no codebook of two bits has a fourth value
const TWO_BITS: [f32; 4] = [8.0, 25.0, 43.0, 0.0];
const IQ2_XXS: Eights = Eights {
    start: 0,
    values: TWO_BITS,
};
const IQ2_XS: Eights = Eights {
    start: 512,
    values: TWO_BITS,
};
const IQ2_S: Eights = Eights {
    start: 1536,
    values: TWO_BITS,
};
const IQ3_XXS: Fours = Fours {
    start: 3584,
    values: [4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 62.0],
};
const IQ3_S: Fours = Fours {
    start: 4096,
    values: [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0],
};
const IQ1: Eights = Eights {
    start: 5120,
    values: [-1.0, 0.0, 1.0, 0.0],
};

/// `scale·point`, of which the elements whose bits are set have the other sign.
fn signed(numbers: &mut [f32], scale: f32, point: [f32; 8], signs: u8) {
    for (i, (number, value)) in numbers.iter_mut().zip(point).enumerate() {
        let magnitude = scale * value;
        *number = if signs >> i & 1 == 0 {
            magnitude
        } else {
            -magnitude
        };
    }
}

/// Signs of 8 elements out of 7 bits: an even number is negative.
fn even(signs: u32) -> u8 {
    let signs = signs as u8 & 0x7f;
    signs | ((signs.count_ones() as u8 & 1) << 7)
}

fn pair_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

fn four_at(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// Four bits, of two in a byte.
fn nibble(bytes: &[u8], place: usize) -> u8 {
    bytes[place / 2] >> (4 * (place % 2)) & 0xf
}

/// `d·(s + ½)/4`: `d`; for each 32 elements four places of points, and 28 bits of signs below 4 of
/// the scale.
pub(in crate::gguf) fn iq2_xxs(block: &[u8], numbers: &mut [f32]) {
    for (group, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        let at = 2 + 8 * group;
        let both = four_at(block, at + 4);
        let scale = half_at(block, 0) * (0.5 + (both >> 28) as f32) * 0.25;
        for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
            let point = IQ2_XXS.point(block[at + part].into());
            signed(numbers, scale, point, even(both >> (7 * part)));
        }
    }
}

/// `d·(s + ½)/4`: `d`; for each 8 elements 9 bits of a place below 7 of signs; a scale of 4 bits
/// for each 16.
pub(in crate::gguf) fn iq2_xs(block: &[u8], numbers: &mut [f32]) {
    for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let scale = f32::from(nibble(&block[66..], part / 2));
        let scale = half_at(block, 0) * (0.5 + scale) * 0.25;
        let both = pair_at(block, 2 + 2 * part);
        let point = IQ2_XS.point(usize::from(both & 511));
        signed(numbers, scale, point, even(u32::from(both >> 9)));
    }
}

/// `d·(s + ½)/4`: `d`; for each 8 elements the lower bits of a place; all signs; upper bits, two
/// for each place; a scale of 4 bits for each 16 elements.
pub(in crate::gguf) fn iq2_s(block: &[u8], numbers: &mut [f32]) {
    for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let scale = f32::from(nibble(&block[74..], part / 2));
        let scale = half_at(block, 0) * (0.5 + scale) * 0.25;
        let high = block[66 + part / 4] >> (2 * (part % 4)) & 3;
        let place = usize::from(block[2 + part]) | usize::from(high) << 8;
        signed(numbers, scale, IQ2_S.point(place), block[34 + part]);
    }
}

/// `d·(s + ½)/2`: `d`; for each 4 elements a place; for each 32, 28 bits of signs below 4 of the
/// scale.
pub(in crate::gguf) fn iq3_xxs(block: &[u8], numbers: &mut [f32]) {
    for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let both = four_at(block, 66 + 4 * (part / 4));
        let scale = half_at(block, 0) * (0.5 + (both >> 28) as f32) * 0.5;
        let places = [0, 1].map(|side| usize::from(block[2 + 2 * part + side]));
        let signs = even(both >> (7 * (part % 4)));
        signed(numbers, scale, IQ3_XXS.points(places), signs);
    }
}

/// `d·(2s + 1)`: `d`; for each 4 elements the lower bits of a place; the highest bits; all signs; a
/// scale of 4 bits for each 32 elements.
pub(in crate::gguf) fn iq3_s(block: &[u8], numbers: &mut [f32]) {
    for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let scale = f32::from(nibble(&block[106..], part / 4));
        let scale = half_at(block, 0) * (1.0 + 2.0 * scale);
        let places = [0, 1].map(|side| {
            let place = 2 * part + side;
            let high = block[66 + place / 8] >> (place % 8) & 1;
            usize::from(block[2 + place]) | usize::from(high) << 8
        });
        signed(numbers, scale, IQ3_S.points(places), block[74 + part]);
    }
}

/// `scale·(point ± ⅛)`, with the lower sign if `below`.
fn shifted(numbers: &mut [f32], scale: f32, point: [f32; 8], below: bool) {
    let shift = if below { -0.125 } else { 0.125 };
    for (number, value) in numbers.iter_mut().zip(point) {
        *number = scale * (value + shift);
    }
}

/// `d·(2s + 1)`: `d`; for each 8 elements the lower bits of a place; for each 32, the places' upper
/// bits, three each, below 3 bits of the scale and one of the shift.
pub(in crate::gguf) fn iq1_s(block: &[u8], numbers: &mut [f32]) {
    for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let both = pair_at(block, 34 + 2 * (part / 4));
        let scale = half_at(block, 0) * (2.0 * f32::from(both >> 12 & 7) + 1.0);
        let high = usize::from(both >> (3 * (part % 4)) & 7);
        let place = usize::from(block[2 + part]) | high << 8;
        shifted(numbers, scale, IQ1.point(place), both & 0x8000 != 0);
    }
}

/// `d·(2s + 1)`: for each 8 elements the lower bits of a place; three upper bits below one of the
/// shift; scales of three bits for each 16 elements, four in the lower bits of a word each of
/// which has four bits of `d` in its upper ones.
pub(in crate::gguf) fn iq1_m(block: &[u8], numbers: &mut [f32]) {
    let word = |place: usize| pair_at(block, 48 + 2 * place);
    let bits = (0..4).fold(0, |bits, place| bits | (word(place) >> 12) << (4 * place));
    let d = f16::from_bits(bits).to_f32();
    for (part, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let group = part / 2;
        let scale = word(group / 4) >> (3 * (group % 4)) & 7;
        let scale = d * (2.0 * f32::from(scale) + 1.0);
        let high = nibble(&block[32..], part);
        let place = usize::from(block[part]) | usize::from(high & 7) << 8;
        shifted(numbers, scale, IQ1.point(place), high & 8 != 0);
    }
}
