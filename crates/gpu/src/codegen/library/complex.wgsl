// Functions of complex numbers.

fn complex_multiply(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// The exponent of the greater part, or 0 where it cannot be taken out.
fn complex_exponent(a: vec2<f32>) -> i32 {
    let size = max(bitcast<u32>(a.x) & 0x7fffffffu, bitcast<u32>(a.y) & 0x7fffffffu);
    if (size >= 0x7f800000u || size == 0u) { return 0; }
    return i32(size >> 23u) - 127;
}

fn complex_scaled(a: vec2<f32>, k: i32) -> vec2<f32> { return vec2<f32>(scaled(a.x, k), scaled(a.y, k)); }

fn over_zero(x: f32) -> f32 {
    if (is_nan(x) || !is_nonzero(x)) { return quiet_nan(); }
    return with_sign(infinity(), x);
}

// By Smith's method (1962), both operands brought to the size of 1 first.
fn complex_divide(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    let from_a = complex_exponent(a);
    let from_b = complex_exponent(b);
    let c = complex_scaled(a, -from_a);
    let d = complex_scaled(b, -from_b);
    var quotient = vec2<f32>(0.0, 0.0);
    if (is_nan(d.x) || is_nan(d.y)) { return vec2<f32>(quiet_nan(), quiet_nan()); }
    if (abs(d.x) >= abs(d.y)) {
        if (!is_nonzero(d.x) && !is_nonzero(d.y)) { return vec2<f32>(over_zero(a.x), over_zero(a.y)); }
        let ratio = d.y / d.x;
        let divisor = d.x + d.y * ratio;
        quotient = vec2<f32>(c.x + c.y * ratio, c.y - c.x * ratio) / divisor;
    } else {
        let ratio = d.x / d.y;
        let divisor = d.x * ratio + d.y;
        quotient = vec2<f32>(c.x * ratio + c.y, c.y * ratio - c.x) / divisor;
    }
    return complex_scaled(quotient, from_a - from_b);
}

fn complex_abs(a: vec2<f32>) -> f32 {
    if (is_infinite(a.x) || is_infinite(a.y)) { return infinity(); }
    let high = max(magnitude_of(a.x), magnitude_of(a.y));
    let low = min(magnitude_of(a.x), magnitude_of(a.y));
    if (is_nan(a.x)) { return a.x; }
    if (is_nan(a.y)) { return a.y; }
    if (!is_nonzero(high)) { return 0.0; }
    let ratio = low / high;
    return high * sqrt(fma(ratio, ratio, 1.0));
}

fn complex_equal(a: vec2<f32>, b: vec2<f32>) -> bool {
    return equal_real(a.x, b.x) && equal_real(a.y, b.y);
}

fn complex_less(a: vec2<f32>, b: vec2<f32>) -> bool {
    if (complex_is_nan(a) || complex_is_nan(b)) { return false; }
    return a.x < b.x || (a.x == b.x && a.y < b.y);
}

fn complex_less_equal(a: vec2<f32>, b: vec2<f32>) -> bool {
    if (complex_is_nan(a) || complex_is_nan(b)) { return false; }
    return a.x < b.x || (a.x == b.x && a.y <= b.y);
}

fn complex_is_nan(a: vec2<f32>) -> bool { return is_nan(a.x) || is_nan(a.y); }

fn complex_maximum(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    if (complex_is_nan(a)) { return a; }
    if (complex_is_nan(b)) { return b; }
    return select(a, b, complex_less(a, b));
}

fn complex_minimum(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    if (complex_is_nan(a)) { return a; }
    if (complex_is_nan(b)) { return b; }
    return select(a, b, complex_less(b, a));
}

fn complex_sign(a: vec2<f32>) -> vec2<f32> {
    if (!is_nonzero(a.x) && !is_nonzero(a.y)) { return a; }
    return a / complex_abs(a);
}

fn complex_exp(a: vec2<f32>) -> vec2<f32> {
    let size = exp_real(a.x);
    if (!is_nonzero(a.y)) { return vec2<f32>(size, a.y); }
    if (!is_nonzero(size) && (is_nan(a.y) || is_infinite(a.y))) { return vec2<f32>(0.0, 0.0); }
    return vec2<f32>(size * cos_real(a.y), size * sin_real(a.y));
}

fn complex_log(a: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(log_real(complex_abs(a)), arctan2_real(a.y, a.x));
}

fn complex_sqrt(a: vec2<f32>) -> vec2<f32> {
    if (!is_nonzero(a.x) && !is_nonzero(a.y)) { return vec2<f32>(0.0, a.y); }
    let root = sqrt(0.5 * (complex_abs(a) + abs(a.x)));
    let other = abs(a.y) / (2.0 * root);
    if (is_negative(a.x)) { return vec2<f32>(other, with_sign(root, a.y)); }
    return vec2<f32>(root, with_sign(other, a.y));
}

fn complex_rsqrt(a: vec2<f32>) -> vec2<f32> {
    return complex_divide(vec2<f32>(1.0, 0.0), complex_sqrt(a));
}

fn complex_sin(a: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(sin_real(a.x) * cosh_real(a.y), cos_real(a.x) * sinh_real(a.y));
}

fn complex_cos(a: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(cos_real(a.x) * cosh_real(a.y), -sin_real(a.x) * sinh_real(a.y));
}

fn complex_sinh(a: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(sinh_real(a.x) * cos_real(a.y), cosh_real(a.x) * sin_real(a.y));
}

fn complex_cosh(a: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(cosh_real(a.x) * cos_real(a.y), sinh_real(a.x) * sin_real(a.y));
}

fn complex_tanh(a: vec2<f32>) -> vec2<f32> {
    if (abs(a.x) > 20.0) {
        let size = exp_real(-abs(a.x));
        return vec2<f32>(with_sign(1.0, a.x), 4.0 * sin_real(a.y) * cos_real(a.y) * size * size);
    }
    let s = sinh_real(a.x);
    let c = cosh_real(a.x);
    let cosine = cos_real(a.y);
    let norm = fma(s, s, cosine * cosine);
    return vec2<f32>(s * c / norm, sin_real(a.y) * cosine / norm);
}

fn complex_tan(a: vec2<f32>) -> vec2<f32> {
    let turned = complex_tanh(vec2<f32>(-a.y, a.x));
    return vec2<f32>(turned.y, -turned.x);
}

fn complex_power(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    if (!is_nonzero(b.x) && !is_nonzero(b.y)) { return vec2<f32>(1.0, 0.0); }
    if (!is_nonzero(a.x) && !is_nonzero(a.y)) {
        if (less_real(0.0, b.x) && !is_nan(b.y)) { return vec2<f32>(0.0, 0.0); }
        return vec2<f32>(quiet_nan(), quiet_nan());
    }
    return complex_exp(complex_multiply(b, complex_log(a)));
}

fn complex_log1p(a: vec2<f32>) -> vec2<f32> { return complex_log(vec2<f32>(a.x + 1.0, a.y)); }
