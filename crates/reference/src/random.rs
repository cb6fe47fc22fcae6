//! Random bits: the words of keys, cut into elements.

use crate::elements::Elements;
use mlx_oxide_ir::random::words;
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
