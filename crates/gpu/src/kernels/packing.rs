//! Outputs in row-major order of which one invocation writes whole words.

use crate::codegen::{KernelText, Ownership, encode};
use mlx_oxide_ir::Dtype;

/// Elements that one invocation computes: as many as the narrowest output has in a word.
pub(super) fn lanes(outputs: &[Dtype]) -> u32 {
    outputs
        .iter()
        .map(|dtype| (4 / dtype.size()).max(1) as u32)
        .max()
        .unwrap_or(1)
}

/// Adds outputs whose elements are computed by `body` for element `number`, as `result{n}`.
///
/// The parameter `count` is the number of elements; the parameters `start{n}` say where in the
/// outputs element zero goes and are multiples of four.
pub(super) fn write_outputs(
    text: &mut KernelText,
    outputs: &[Dtype],
    body: impl FnOnce(&mut KernelText) -> String,
) {
    let lanes = lanes(outputs);
    let count = text.parameter("count");
    for (number, dtype) in outputs.iter().enumerate() {
        text.output(*dtype, Ownership::Words);
        text.parameter(format!("start{number}"));
    }
    let body = body(text);
    text.line(format!("let first = thread * {lanes}u;"));
    text.leave_if(&format!("first >= {count}"));
    for (number, words) in packed_words(outputs, lanes) {
        text.line(format!("var words{number}: array<u32, {words}>;"));
    }
    text.line(format!(
        "for (var lane = 0u; lane < {lanes}u; lane++) {{\n\
         let number = first + lane;\n\
         if (number >= {count}) {{ break; }}"
    ));
    text.line(body);
    for (number, dtype) in outputs.iter().enumerate() {
        let result = format!("result{number}");
        if dtype.size() < 4 {
            let per_word = 4 / dtype.size();
            let bits = encode(*dtype, &result);
            text.line(format!(
                "words{number}[lane / {per_word}u] |= ({bits}) << ((lane % {per_word}u) * {}u);",
                8 * dtype.size()
            ));
        } else {
            text.line(format!(
                "store_output{number}(parameters.start{number} + number, {result});"
            ));
        }
    }
    text.line("}");
    for (number, words) in packed_words(outputs, lanes) {
        let per_word = 4 / outputs[number].size();
        text.line(format!(
            "for (var word = 0u; word < {words}u; word++) {{\n\
             if (first + word * {per_word}u >= {count}) {{ break; }}\n\
             output{number}[(parameters.start{number} + first) / {per_word}u + word] = words{number}[word];\n\
             }}"
        ));
    }
}

/// Outputs narrower than a word, and how many words of them one invocation writes.
fn packed_words(outputs: &[Dtype], lanes: u32) -> impl Iterator<Item = (usize, u32)> {
    outputs
        .iter()
        .enumerate()
        .filter(|(_, dtype)| dtype.size() < 4)
        .map(move |(number, dtype)| (number, lanes * dtype.size() as u32 / 4))
}
