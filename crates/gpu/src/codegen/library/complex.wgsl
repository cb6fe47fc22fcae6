// Functions of complex numbers.

fn complex_multiply(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

fn complex_divide(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    // scaled by the divisor's exponent, so that its square neither overflows nor vanishes
    let size = max(abs(b.x), abs(b.y));
    var factor = 1.0;
    if (is_nonzero(size) && !is_nan(size) && !is_infinite(size)) {
        factor = power_of_two(clamp(127 - i32(bitcast<u32>(size) >> 23u), -126, 126));
    }
    let c = b * factor;
    let norm = c.x * c.x + c.y * c.y;
    return vec2<f32>(a.x * c.x + a.y * c.y, a.y * c.x - a.x * c.y) / norm * factor;
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
    if (!is_nonzero(a.x) && !is_nonzero(a.y)) { return vec2<f32>(0.0, 0.0); }
    return complex_exp(complex_multiply(b, complex_log(a)));
}

fn complex_log1p(a: vec2<f32>) -> vec2<f32> { return complex_log(vec2<f32>(a.x + 1.0, a.y)); }
