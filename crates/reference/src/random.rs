//! Random bits by Threefry-2×32 (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy
//! as 1, 2, 3*, 2011).

use crate::elements::Elements;
use mlx_oxide_ir::{Random, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn run(random: &Random, call: &Call<'_>) -> Result<Results> {
    let Random::Bits { shape, width } = random;
    let keys = Elements::read(&call.inputs[0])?;
    let mut output = Elements::zeroed(&call.outputs[0]);
    let (count, width) = (shape.size(), usize::from(*width));
    for number in 0..keys.len() / 2 {
        let half = |place| keys.get(place).integer() as u32;
        let key = [half(2 * number), half(2 * number + 1)];
        let words = words(key, (count * width).div_ceil(4));
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        for element in 0..count {
            let mut drawn = [0; 4];
            drawn[..width].copy_from_slice(&bytes[element * width..(element + 1) * width]);
            let value = crate::value::Value::Integer(u32::from_le_bytes(drawn).into());
            output.set(number * count + element, value);
        }
    }
    output.finish(random.name())
}

/// The first `count` words of a key. The counter pairs word `i` of the first half with word
/// `i + ⌈count/2⌉` of the second; an odd count leaves one word in the middle, paired with zero.
fn words(key: [u32; 2], count: usize) -> Vec<u32> {
    let half = count / 2;
    let second = count.div_ceil(2);
    let mut words = vec![0; count];
    for first in 0..half {
        let pair = threefry(key, [first as u32, (first + second) as u32]);
        words[first] = pair[0];
        words[first + second] = pair[1];
    }
    if count % 2 == 1 {
        words[half] = threefry(key, [half as u32, 0])[0];
    }
    words
}

/// Five times four rounds, a word of the extended key added after each four.
fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    const PARITY: u32 = 0x1BD1_1BDA;
    let extended = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
    let mut state = [
        counter[0].wrapping_add(key[0]),
        counter[1].wrapping_add(key[1]),
    ];
    for round in 0..5 {
        for rotation in ROTATIONS[round % 2] {
            state[0] = state[0].wrapping_add(state[1]);
            state[1] = state[1].rotate_left(rotation) ^ state[0];
        }
        state[0] = state[0].wrapping_add(extended[(round + 1) % 3]);
        state[1] = state[1]
            .wrapping_add(extended[(round + 2) % 3])
            .wrapping_add(round as u32 + 1);
    }
    state
}
