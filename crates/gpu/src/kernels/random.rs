//! Random bits by Threefry-2×32 (Salmon et al. 2011): every element is computed from its own
//! counter, bit for bit as everywhere else.

use super::operand::Place;
use super::{Kernel, KernelSource, WORKGROUP, packing};
use crate::codegen::{KernelText, Steps, index_parameters, places};
use crate::dispatch::Context;
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Dtype, Random, Result};
use mlx_oxide_runtime::{Call, Results};
use smallvec::{SmallVec, smallvec};

/// Bits for keys that lie along `rank` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RandomKernel {
    dtype: Dtype,
    rank: usize,
}

const THREEFRY: &str =
    "fn rotate(x: u32, bits: u32) -> u32 { return (x << bits) | (x >> (32u - bits)); }
fn four_rounds(x: vec2<u32>, turns: vec4<u32>) -> vec2<u32> {
    var v = x;
    for (var round_number = 0u; round_number < 4u; round_number++) {
        v.x = v.x + v.y;
        v.y = rotate(v.y, turns[round_number]) ^ v.x;
    }
    return v;
}
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    let third = key.x ^ key.y ^ 0x1bd11bdau;
    let even = vec4<u32>(13u, 15u, 26u, 6u);
    let odd = vec4<u32>(17u, 29u, 16u, 24u);
    var v = four_rounds(counter + key, even) + vec2<u32>(key.y, third + 1u);
    v = four_rounds(v, odd) + vec2<u32>(third, key.x + 2u);
    v = four_rounds(v, even) + vec2<u32>(key.x, key.y + 3u);
    v = four_rounds(v, odd) + vec2<u32>(key.y, third + 4u);
    v = four_rounds(v, even) + vec2<u32>(third, key.x + 5u);
    return v;
}
// Word number `word` of the `words` that a key gives: the first half are first outputs, the
// second half second outputs of the same counters; the middle one of an odd number stands alone.
fn random_word(key: vec2<u32>, word: u32, words: u32) -> u32 {
    let half = words / 2u;
    let odd = words & 1u;
    if (word < half) { return threefry(key, vec2<u32>(word, word + half + odd)).x; }
    if (odd == 1u && word == half) { return threefry(key, vec2<u32>(half, 0u)).x; }
    return threefry(key, vec2<u32>(word - half - odd, word)).y;
}";

impl KernelSource for RandomKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(Dtype::Uint32);
        text.global(THREEFRY);
        let per_word = 4 / self.dtype.size();
        packing::write_outputs(&mut text, &[self.dtype], |text| {
            text.parameters(&["per_key", "words", "key_step"]);
            index_parameters(text, "key", self.rank);
            let operand = [("key".to_owned(), Steps::Strided)];
            let place = places(text, "key", self.rank, "key_number", &operand);
            format!(
                "let key_number = number / parameters.per_key;\n\
                 let element = number % parameters.per_key;\n\
                 {place}\
                 let key = vec2<u32>(load_input0(key_place), load_input0(key_place + parameters.key_step));\n\
                 let word = random_word(key, element / {per_word}u, parameters.words);\n\
                 let result0 = word >> ((element % {per_word}u) * {}u);",
                8 * self.dtype.size() % 32
            )
        });
        text
    }
}

pub(super) fn supports(op: &Random, _inputs: &[&ArrayType]) -> bool {
    match op {
        Random::Bits { .. } => true,
    }
}

pub(super) fn run(op: &Random, call: &Call<'_>) -> Result<Results> {
    let Random::Bits { shape, width } = op;
    let context = Context::get()?;
    let keys = Place::of(context, &call.inputs[0])?;
    let output = Place::fresh(context, &call.outputs[0])?;
    let count = output.layout.size();
    if count == 0 {
        return Ok(smallvec![output.stored()]);
    }
    let last = keys.layout.shape.ndim() - 1;
    let loops = collapse(&keys.layout.shape[..last], &[&keys.layout.strides[..last]]);
    let window = keys.window();
    let per_key = shape.size();
    let mut parameters: SmallVec<[u32; 32]> = smallvec![
        count as u32,
        0,
        per_key as u32,
        (per_key * usize::from(*width)).div_ceil(4) as u32,
        keys.stride(last),
    ];
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    parameters.push(window.offset);
    parameters.extend(loops.strides[0].iter().map(|stride| *stride as u32));
    let kernel = Kernel::Random(RandomKernel {
        dtype: output.dtype,
        rank: loops.shape.len(),
    });
    let bindings = [window.binding(&keys.memory)?, output.memory.binding()?];
    let lanes = packing::lanes(&[output.dtype]) as usize;
    let groups = (count.div_ceil(lanes) as u32).div_ceil(WORKGROUP);
    context.dispatch(&kernel, &parameters, &bindings, groups)?;
    Ok(smallvec![output.stored()])
}
