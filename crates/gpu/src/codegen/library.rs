//! The functions that generated kernels call, and which of them a kernel needs.

use std::sync::LazyLock;

struct Function {
    name: String,
    text: String,
}

static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let fixed = [
        include_str!("library/convert.wgsl"),
        include_str!("library/real.wgsl"),
        include_str!("library/complex.wgsl"),
        include_str!("library/double.wgsl"),
    ];
    let mut functions: Vec<Function> = fixed.into_iter().flat_map(split).collect();
    for name in ["i32", "u32", "i64", "u64"] {
        let text = include_str!("library/integer.wgsl");
        functions.extend(split(&instantiate(text, name)));
    }
    functions
});

/// The text with the register type `T` replaced.
fn instantiate(text: &str, name: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut previous = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        let ends_word = !next.is_alphanumeric() && next != '_';
        if character == 'T' && ends_word && !previous.is_alphanumeric() {
            output.push_str(name);
        } else {
            output.push(character);
        }
        previous = character;
    }
    output
}

fn split(text: &str) -> Vec<Function> {
    text.split("\nfn ")
        .skip(1)
        .map(|part| {
            let name = part.split('(').next().unwrap_or(part).to_owned();
            // a comment at the end belongs to the next function
            let end = part.rfind('}').map_or(part.len(), |place| place + 1);
            Function {
                name,
                text: format!("fn {}\n", &part[..end]),
            }
        })
        .collect()
}

/// The functions that `text` calls, and those that they call.
pub(super) fn called_by(text: &str) -> String {
    let mut wanted = vec![false; FUNCTIONS.len()];
    let mut texts = vec![text];
    while let Some(text) = texts.pop() {
        for (function, wanted) in FUNCTIONS.iter().zip(&mut wanted) {
            if !*wanted && calls(text, &function.name) {
                *wanted = true;
                texts.push(&function.text);
            }
        }
    }
    FUNCTIONS
        .iter()
        .zip(&wanted)
        .filter(|(_, wanted)| **wanted)
        .map(|(function, _)| function.text.as_str())
        .collect()
}

fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + name.len()..].chars().next();
        after == Some('(') && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_takes_along_what_its_functions_call() {
        let text = called_by("let y = sigmoid_real(x);");
        assert!(text.contains("fn exp_real(") && text.contains("fn scaled("));
        assert!(!text.contains("fn sin_real("));
    }

    #[test]
    fn integer_functions_exist_for_each_width() {
        let text = called_by("divide_i64(a, b) + power_u32(c, d)");
        assert!(text.contains("fn divide_i64(a: i64, b: i64) -> i64"));
        assert!(text.contains("fn power_u32(a: u32"));
    }
}
