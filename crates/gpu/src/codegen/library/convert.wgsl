// Conversions between dtypes and the registers that kernels compute in.

fn f16_value(bits: u32) -> f32 {
    let sign = (bits & 0x8000u) << 16u;
    let magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) {
        return bitcast<f32>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u));
    }
    if (magnitude < 0x0400u) {
        return bitcast<f32>(sign | bitcast<u32>(f32(magnitude) * 5.9604644775390625e-8));
    }
    return bitcast<f32>(sign | ((magnitude << 13u) + 0x38000000u));
}

fn f16_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
    if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
    if (magnitude < 0x38800000u) {
        return sign | u32(round(bitcast<f32>(magnitude) * 16777216.0));
    }
    return sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u);
}

fn round_f16(value: f32) -> f32 { return f16_value(f16_bits(value)); }

fn bf16_value(bits: u32) -> f32 { return bitcast<f32>(bits << 16u); }

fn bf16_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
    return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

fn round_bf16(value: f32) -> f32 { return bf16_value(bf16_bits(value)); }

// The low 32 bits of the 64-bit integer that the value truncates to; NaN gives zero and values
// beyond 64 bits the nearest 64-bit integer.
fn f32_to_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let exponent = i32((bits >> 23u) & 255u) - 150;
    let negative = (bits >> 31u) != 0u;
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    if ((bits & 0x7fffffffu) > 0x7f800000u || exponent < -23) { return 0u; }
    if (exponent >= 40) { return select(0xffffffffu, 0u, negative); }
    var magnitude = 0u;
    if (exponent < 0) {
        magnitude = mantissa >> u32(-exponent);
    } else if (exponent < 32) {
        magnitude = mantissa << u32(exponent);
    }
    return select(magnitude, 0u - magnitude, negative);
}

fn is_nonzero(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) != 0u; }

fn f32_to_i64(value: f32) -> i64 {
    if (is_nan(value)) { return i64(0); }
    if (value >= 9223372036854775808.0) { return ~(i64(1) << 63u); }
    if (value < -9223372036854775808.0) { return i64(1) << 63u; }
    return i64(value);
}

fn f32_to_u64(value: f32) -> u64 {
    if (is_nan(value)) { return u64(0); }
    if (value >= 18446744073709551616.0) { return ~u64(0); }
    if (value < 0.0) { return u64(f32_to_i64(value)); }
    return u64(value);
}

fn f64_to_i64(value: f64) -> i64 {
    if (!(value == value)) { return i64(0); }
    if (value >= f64(9223372036854775808.0)) { return ~(i64(1) << 63u); }
    if (value < f64(-9223372036854775808.0)) { return i64(1) << 63u; }
    return i64(value);
}

fn f64_to_u64(value: f64) -> u64 {
    if (!(value == value)) { return u64(0); }
    if (value >= f64(18446744073709551616.0)) { return ~u64(0); }
    if (value < f64(0.0)) { return u64(f64_to_i64(value)); }
    return u64(value);
}
