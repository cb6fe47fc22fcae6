//! Reading and writing elements. 8- and 16-bit elements are packed in words.

use mlx_oxide_ir::Dtype;

/// The element type of a binding.
pub(super) fn element_type(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool
        | Dtype::Uint8
        | Dtype::Uint16
        | Dtype::Int8
        | Dtype::Int16
        | Dtype::Float16
        | Dtype::Bfloat16
        | Dtype::Uint32 => "u32",
        Dtype::Int32 => "i32",
        Dtype::Float32 => "f32",
        Dtype::Uint64 => "u64",
        Dtype::Int64 => "i64",
        Dtype::Float64 => "f64",
        Dtype::Complex64 => "vec2<f32>",
    }
}

/// The element of binding `name` at `place`, as a register.
pub(super) fn load(name: &str, dtype: Dtype) -> String {
    let (word, shift, width) = position(dtype);
    let bits = format!("extractBits({name}[{word}], {shift}, {width}u)");
    match dtype {
        Dtype::Bool => format!("{bits} != 0u"),
        Dtype::Uint8 | Dtype::Uint16 => bits,
        Dtype::Int8 | Dtype::Int16 => {
            format!("extractBits(bitcast<i32>({name}[{word}]), {shift}, {width}u)")
        }
        Dtype::Float16 => format!("f16_value({bits})"),
        Dtype::Bfloat16 => format!("bf16_value({bits})"),
        Dtype::Uint32
        | Dtype::Uint64
        | Dtype::Int32
        | Dtype::Int64
        | Dtype::Float32
        | Dtype::Float64
        | Dtype::Complex64 => format!("{name}[place]"),
    }
}

/// A statement that writes register `value` to `place`; narrow elements by atomic operations,
/// so that neighbours may be written at the same time.
pub(super) fn store(name: &str, dtype: Dtype) -> String {
    if dtype.size() >= 4 {
        return format!("{name}[place] = value;");
    }
    let (word, shift, width) = position(dtype);
    let mask = (1u64 << width) - 1;
    let bits = encode(dtype, "value");
    format!(
        "let shift = {shift}; \
         atomicAnd(&{name}[{word}], ~({mask}u << shift)); \
         atomicOr(&{name}[{word}], ({bits}) << shift);"
    )
}

/// The bits of a narrow register.
pub(crate) fn encode(dtype: Dtype, value: &str) -> String {
    match dtype {
        Dtype::Bool => format!("select(0u, 1u, {value})"),
        Dtype::Uint8 => format!("({value} & 255u)"),
        Dtype::Uint16 => format!("({value} & 65535u)"),
        Dtype::Int8 => format!("(bitcast<u32>({value}) & 255u)"),
        Dtype::Int16 => format!("(bitcast<u32>({value}) & 65535u)"),
        Dtype::Float16 => format!("f16_bits({value})"),
        Dtype::Bfloat16 => format!("bf16_bits({value})"),
        Dtype::Uint32
        | Dtype::Uint64
        | Dtype::Int32
        | Dtype::Int64
        | Dtype::Float32
        | Dtype::Float64
        | Dtype::Complex64 => value.to_owned(),
    }
}

/// The register that narrow bits stand for; the inverse of [`encode`].
pub(crate) fn decode(dtype: Dtype, bits: &str) -> String {
    match dtype {
        Dtype::Bool => format!("({bits} != 0u)"),
        Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 => bits.to_owned(),
        Dtype::Int8 => format!("extractBits(bitcast<i32>({bits}), 0u, 8u)"),
        Dtype::Int16 => format!("extractBits(bitcast<i32>({bits}), 0u, 16u)"),
        Dtype::Int32 => format!("bitcast<i32>({bits})"),
        Dtype::Float32 => format!("bitcast<f32>({bits})"),
        Dtype::Float16 => format!("f16_value({bits})"),
        Dtype::Bfloat16 => format!("bf16_value({bits})"),
        Dtype::Uint64 | Dtype::Int64 | Dtype::Float64 | Dtype::Complex64 => bits.to_owned(),
    }
}

/// Word, bit in it and width of the element at `place`.
fn position(dtype: Dtype) -> (&'static str, &'static str, u32) {
    if dtype.size() == 1 {
        ("place >> 2u", "(place & 3u) << 3u", 8)
    } else {
        ("place >> 1u", "(place & 1u) << 4u", 16)
    }
}
