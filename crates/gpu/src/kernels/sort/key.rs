//! Unsigned keys in the order of the elements: NaN last, both zeros equal.

use crate::codegen::{KernelText, Register, raw};
use mlx_oxide_ir::Dtype;

/// Dtype as which elements are read to make keys: 64-bit ones as two words, so that no device
/// needs 64-bit arithmetic.
pub(super) fn read_as(dtype: Dtype) -> Dtype {
    if dtype.size() == 8 { raw(dtype) } else { dtype }
}

/// Declares `key_of(value)`, the high and low word of an element's key.
pub(super) fn declare(text: &mut KernelText, dtype: Dtype) {
    let value = Register::of(read_as(dtype)).name();
    text.global(
        "fn key_of_float(value: f32) -> u32 {\n\
         let bits = bitcast<u32>(value);\n\
         if (is_nan(value)) { return 0xffffffffu; }\n\
         if (!is_nonzero(value)) { return 0x80000000u; }\n\
         return select(bits ^ 0x80000000u, ~bits, is_negative(value));\n\
         }",
    );
    let wide = "let low = bitcast<u32>(value.x); let high = bitcast<u32>(value.y);";
    let body = match Register::of(dtype) {
        Register::Bool => "return vec2<u32>(select(0u, 1u, value), 0u);".to_owned(),
        Register::Uint => "return vec2<u32>(value, 0u);".to_owned(),
        Register::Int => "return vec2<u32>(bitcast<u32>(value) ^ 0x80000000u, 0u);".to_owned(),
        Register::Float => "return vec2<u32>(key_of_float(value), 0u);".to_owned(),
        Register::WideUint => format!("{wide} return vec2<u32>(high, low);"),
        Register::WideInt => format!("{wide} return vec2<u32>(high ^ 0x80000000u, low);"),
        Register::Double => format!(
            "{wide}\n\
             let magnitude = high & 0x7fffffffu;\n\
             if (magnitude > 0x7ff00000u || (magnitude == 0x7ff00000u && low != 0u)) {{ return vec2<u32>(0xffffffffu, 0xffffffffu); }}\n\
             if (magnitude == 0u && low == 0u) {{ return vec2<u32>(0x80000000u, 0u); }}\n\
             if ((high >> 31u) != 0u) {{ return vec2<u32>(~high, ~low); }}\n\
             return vec2<u32>(high ^ 0x80000000u, low);"
        ),
        Register::Complex => {
            "if (complex_is_nan(value)) { return vec2<u32>(0xffffffffu, 0xffffffffu); }\n\
             return vec2<u32>(key_of_float(value.x), key_of_float(value.y));"
                .to_owned()
        }
    };
    text.global(&format!(
        "fn key_of(value: {value}) -> vec2<u32> {{ {body} }}"
    ));
}
