// Functions of 32-bit floats. Tests for NaN look at the bits, because some drivers compile with
// arithmetic that assumes there is none. The polynomials are those of Cephes (Moshier), of
// Giles (inverse error function) and of minimax fits of the error function.

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn is_infinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }

fn is_negative(x: f32) -> bool { return (bitcast<u32>(x) >> 31u) != 0u; }

fn quiet_nan() -> f32 { var bits = 0x7fc00000u; return bitcast<f32>(bits); }

fn infinity() -> f32 { var bits = 0x7f800000u; return bitcast<f32>(bits); }

fn with_sign(magnitude: f32, sign: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(magnitude) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));
}

fn negated(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ 0x80000000u); }

fn magnitude_of(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0x7fffffffu); }

fn sign_of(x: f32) -> f32 {
    if (is_nan(x) || !is_nonzero(x)) { return x; }
    return with_sign(1.0, x);
}

fn equal_real(a: f32, b: f32) -> bool { return a == b && !is_nan(a) && !is_nan(b); }

fn less_real(a: f32, b: f32) -> bool { return a < b && !is_nan(a) && !is_nan(b); }

fn less_equal_real(a: f32, b: f32) -> bool { return a <= b && !is_nan(a) && !is_nan(b); }

fn maximum_real(a: f32, b: f32) -> f32 {
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    return select(a, b, b > a);
}

fn minimum_real(a: f32, b: f32) -> f32 {
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    return select(a, b, b < a);
}

fn power_of_two(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

// `x·2ᵏ` for k from -252 to 254, in two steps because the factor may not be a float.
fn scaled(x: f32, k: i32) -> f32 {
    let half = k / 2;
    return x * power_of_two(half) * power_of_two(k - half);
}

// The number itself, which compilers cannot know: they would join the steps of a reduction whose
// parts are apart because together they need more digits.
fn kept(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ parameters.zero); }

// `eˣ - 1 - x` for |x| ≤ 0.35.
fn exp_tail(x: f32) -> f32 {
    var y = 1.9875691500e-4;
    y = fma(y, x, 1.3981999507e-3);
    y = fma(y, x, 8.3334519073e-3);
    y = fma(y, x, 4.1665795894e-2);
    y = fma(y, x, 1.6666665459e-1);
    y = fma(y, x, 5.0000001201e-1);
    return y * x * x;
}

fn exp_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (x > 88.722839) { return infinity(); }
    if (x < -103.97208) { return 0.0; }
    let k = floor(fma(x, 1.44269504088896341, 0.5));
    let r = fma(k, 2.12194440e-4, kept(fma(k, -0.693359375, x)));
    return scaled(exp_tail(r) + r + 1.0, i32(k));
}

fn expm1_real(x: f32) -> f32 {
    if (abs(x) < 0.35) { return x + exp_tail(x); }
    return exp_real(x) - 1.0;
}

// `ln(1 + m) - m` for m from -0.293 to 0.415.
fn log_tail(m: f32) -> f32 {
    let z = m * m;
    var y = 7.0376836292e-2;
    y = fma(y, m, -1.1514610310e-1);
    y = fma(y, m, 1.1676998740e-1);
    y = fma(y, m, -1.2420140846e-1);
    y = fma(y, m, 1.4249322787e-1);
    y = fma(y, m, -1.6668057665e-1);
    y = fma(y, m, 2.0000714765e-1);
    y = fma(y, m, -2.4999993993e-1);
    y = fma(y, m, 3.3333331174e-1);
    return fma(-0.5, z, y * m * z);
}

// x as `(1 + m)·2ᵉ` with m from -0.293 to 0.415; x is positive and finite.
fn log_split(x: f32) -> vec2<f32> {
    var bits = bitcast<u32>(x);
    var exponent = 0;
    if (bits < 0x00800000u) {
        bits = bitcast<u32>(f32(bits));
        exponent = -149;
    }
    exponent = exponent + i32(bits >> 23u) - 126;
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
    if (m < 0.707106781186547524) {
        exponent = exponent - 1;
        m = m + m;
    }
    return vec2<f32>(f32(exponent), m - 1.0);
}

// Whether the logarithm is not finite, and what it is then.
fn log_special(x: f32) -> bool { return is_nan(x) || is_infinite(x) || is_negative(x) || !is_nonzero(x); }

fn log_special_value(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (!is_nonzero(x)) { return negated(infinity()); }
    if (is_negative(x)) { return quiet_nan(); }
    return x;
}

fn log_real(x: f32) -> f32 {
    if (log_special(x)) { return log_special_value(x); }
    let parts = log_split(x);
    let tail = fma(parts.x, -2.12194440e-4, log_tail(parts.y));
    return fma(parts.x, 0.693359375, kept(parts.y + tail));
}

fn log2_real(x: f32) -> f32 {
    if (log_special(x)) { return log_special_value(x); }
    let parts = log_split(x);
    return fma(parts.y + log_tail(parts.y), 1.44269504088896341, parts.x);
}

fn log10_real(x: f32) -> f32 {
    if (log_special(x)) { return log_special_value(x); }
    let parts = log_split(x);
    let low = fma(parts.x, 4.605038981195214e-6, (parts.y + log_tail(parts.y)) * 0.434294481903251828);
    return fma(parts.x, 0.301025390625, kept(low));
}

fn log1p_real(x: f32) -> f32 {
    if (x > -0.29 && x < 0.41) { return x + log_tail(x); }
    if (is_infinite(x)) { return select(x, quiet_nan(), is_negative(x)); }
    return log_real(1.0 + x);
}

fn multiply_high(a: u32, b: u32) -> u32 {
    let low_a = a & 0xffffu;
    let high_a = a >> 16u;
    let low_b = b & 0xffffu;
    let high_b = b >> 16u;
    let middle = high_a * low_b + ((low_a * low_b) >> 16u);
    let other = low_a * high_b + (middle & 0xffffu);
    return high_a * high_b + (middle >> 16u) + (other >> 16u);
}

fn two_over_pi(word: u32) -> u32 {
    // 1/(2π) to 192 bits
    switch (word) {
        case 0u: { return 0x28be60dbu; }
        case 1u: { return 0x9391054au; }
        case 2u: { return 0x7f09d5f4u; }
        case 3u: { return 0x7d4d3770u; }
        case 4u: { return 0x36d8a566u; }
        default: { return 0x4f10e410u; }
    }
}

// A large angle's octant-free rest and quadrant, by multiplying with 1/(2π) in fixed point
// (Payne and Hanek 1983).
fn reduce_large_angle(x: f32) -> vec2<f32> {
    let bits = bitcast<u32>(x);
    let mantissa = ((bits & 0x7fffffu) | 0x800000u) << 8u;
    let exponent = ((bits >> 23u) & 255u) - 126u;
    let word = exponent >> 5u;
    let shift = exponent & 31u;
    var high = 0u;
    if (word > 0u) { high = two_over_pi(word - 1u); }
    var middle = two_over_pi(word);
    var low = two_over_pi(word + 1u);
    if (shift > 0u) {
        let last = two_over_pi(word + 2u);
        high = (high << shift) | (middle >> (32u - shift));
        middle = (middle << shift) | (low >> (32u - shift));
        low = (low << shift) | (last >> (32u - shift));
    }
    let from_low = multiply_high(mantissa, low);
    let product_low = mantissa * middle + from_low;
    let carry = select(0u, 1u, product_low < from_low);
    var product_high = multiply_high(mantissa, middle) + carry + mantissa * high;
    var quadrant = product_high >> 30u;
    product_high = product_high & 0x3fffffffu;
    var rest = f32(product_high) * 4294967296.0 + f32(product_low);
    if ((product_high & 0x20000000u) != 0u) {
        quadrant = quadrant + 1u;
        // the distance up to the next quadrant, exactly
        let flipped_low = 0u - product_low;
        let borrow = select(0u, 1u, product_low != 0u);
        let flipped_high = 0x40000000u - product_high - borrow;
        rest = -(f32(flipped_high) * 4294967296.0 + f32(flipped_low));
    }
    let angle = rest * 3.4061215800304e-19;
    if (is_negative(x)) { return vec2<f32>(-angle, f32((4u - (quadrant & 3u)) & 3u)); }
    return vec2<f32>(angle, f32(quadrant & 3u));
}

// The rest from -π/4 to π/4 and the quadrant of a finite angle.
fn reduce_angle(x: f32) -> vec2<f32> {
    if (abs(x) > 8192.0) { return reduce_large_angle(x); }
    let k = round(x * 0.636619772367581343);
    var r = kept(fma(k, -1.5703125, x));
    r = kept(fma(k, -4.837512969970703e-4, r));
    r = fma(k, -7.54978995489188e-8, r);
    return vec2<f32>(r, f32(i32(k) & 3));
}

fn sin_kernel(r: f32) -> f32 {
    let z = r * r;
    return fma(fma(fma(-1.9515295891e-4, z, 8.3321608736e-3), z, -1.6666654611e-1) * z, r, r);
}

fn cos_kernel(r: f32) -> f32 {
    let z = r * r;
    let tail = fma(fma(2.443315711809948e-5, z, -1.388731625493765e-3), z, 4.166664568298827e-2);
    return fma(tail * z, z, fma(-0.5, z, 1.0));
}

fn sin_real(x: f32) -> f32 {
    if (is_nan(x) || is_infinite(x)) { return quiet_nan(); }
    let parts = reduce_angle(x);
    let quadrant = u32(parts.y);
    var y = 0.0;
    if ((quadrant & 1u) == 0u) { y = sin_kernel(parts.x); } else { y = cos_kernel(parts.x); }
    return select(y, negated(y), quadrant >= 2u);
}

fn cos_real(x: f32) -> f32 {
    if (is_nan(x) || is_infinite(x)) { return quiet_nan(); }
    let parts = reduce_angle(x);
    let quadrant = u32(parts.y);
    var y = 0.0;
    if ((quadrant & 1u) == 0u) { y = cos_kernel(parts.x); } else { y = sin_kernel(parts.x); }
    return select(y, negated(y), quadrant == 1u || quadrant == 2u);
}

fn tan_real(x: f32) -> f32 {
    if (is_nan(x) || is_infinite(x)) { return quiet_nan(); }
    let parts = reduce_angle(x);
    let sine = sin_kernel(parts.x);
    let cosine = cos_kernel(parts.x);
    if ((u32(parts.y) & 1u) == 0u) { return sine / cosine; }
    return negated(cosine / sine);
}

fn arcsin_kernel(x: f32, z: f32) -> f32 {
    var y = 4.2163199048e-2;
    y = fma(y, z, 2.4181311049e-2);
    y = fma(y, z, 4.5470025998e-2);
    y = fma(y, z, 7.4953002686e-2);
    y = fma(y, z, 1.6666752422e-1);
    return fma(y * z, x, x);
}

fn arcsin_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a > 1.0) { return quiet_nan(); }
    if (a <= 0.5) { return arcsin_kernel(x, x * x); }
    let z = 0.5 * (1.0 - a);
    return with_sign(fma(-2.0, arcsin_kernel(sqrt(z), z), 1.57079632679489662), x);
}

fn arccos_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (abs(x) > 1.0) { return quiet_nan(); }
    if (x < -0.5) {
        let z = 0.5 * (1.0 + x);
        return fma(-2.0, arcsin_kernel(sqrt(z), z), 3.14159265358979324);
    }
    if (x > 0.5) {
        let z = 0.5 * (1.0 - x);
        return 2.0 * arcsin_kernel(sqrt(z), z);
    }
    return 1.57079632679489662 - arcsin_kernel(x, x * x);
}

fn arctan_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    var base = 0.0;
    var t = a;
    if (is_infinite(x)) {
        return with_sign(1.57079632679489662, x);
    } else if (a > 2.414213562373095) {
        base = 1.57079632679489662;
        t = -1.0 / a;
    } else if (a > 0.4142135623730950) {
        base = 0.785398163397448310;
        t = (a - 1.0) / (a + 1.0);
    }
    let z = t * t;
    let tail = fma(fma(fma(8.05374449538e-2, z, -1.38776856032e-1), z, 1.99777106478e-1), z, -3.33329491539e-1);
    return with_sign(base + fma(tail * z, t, t), x);
}

fn arctan2_real(y: f32, x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (is_nan(y)) { return y; }
    var angle = 0.0;
    if (is_infinite(x) && is_infinite(y)) {
        angle = 0.785398163397448310;
    } else if (!is_nonzero(y)) {
        angle = 0.0;
    } else if (!is_nonzero(x) || is_infinite(y)) {
        angle = 1.57079632679489662;
    } else {
        angle = arctan_real(abs(y) / abs(x));
    }
    if (is_negative(x)) { angle = 3.14159265358979324 - angle; }
    return with_sign(angle, y);
}

fn sinh_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a < 1.0) {
        let z = x * x;
        return fma(fma(fma(2.03721912945e-4, z, 8.33028376239e-3), z, 1.66667160211e-1) * z, x, x);
    }
    if (a < 88.0) {
        let e = exp_real(a);
        return with_sign(0.5 * e - 0.5 / e, x);
    }
    let root = exp_real(0.5 * a);
    return with_sign(0.5 * root * root, x);
}

fn cosh_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a < 88.0) {
        let e = exp_real(a);
        return fma(0.5, e, 0.5 / e);
    }
    let root = exp_real(0.5 * a);
    return 0.5 * root * root;
}

fn tanh_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a >= 10.0) { return with_sign(1.0, x); }
    if (a >= 0.625) { return with_sign(1.0 - 2.0 / (exp_real(a + a) + 1.0), x); }
    let z = x * x;
    var y = -5.70498872745e-3;
    y = fma(y, z, 2.06390887954e-2);
    y = fma(y, z, -5.37397155531e-2);
    y = fma(y, z, 1.33314422036e-1);
    y = fma(y, z, -3.33332819422e-1);
    return fma(y * z, x, x);
}

fn arcsinh_real(x: f32) -> f32 {
    if (is_nan(x) || is_infinite(x)) { return x; }
    let a = abs(x);
    if (a < 0.5) {
        let z = x * x;
        let tail = fma(fma(fma(2.0122003309e-2, z, -4.2699340972e-2), z, 7.4847586088e-2), z, -1.6666288134e-1);
        return fma(tail * z, x, x);
    }
    if (a > 1500.0) { return with_sign(log_real(a) + 0.693147180559945309, x); }
    return with_sign(log_real(a + sqrt(fma(a, a, 1.0))), x);
}

fn arccosh_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (x < 1.0) { return quiet_nan(); }
    if (is_infinite(x)) { return x; }
    if (x > 1500.0) { return log_real(x) + 0.693147180559945309; }
    let z = x - 1.0;
    if (z < 0.5) {
        var y = 1.7596881071e-3;
        y = fma(y, z, -7.5272886713e-3);
        y = fma(y, z, 2.6454905019e-2);
        y = fma(y, z, -1.1784741703e-1);
        y = fma(y, z, 1.4142135263e0);
        return y * sqrt(z);
    }
    return log_real(x + sqrt(z * (x + 1.0)));
}

fn arctanh_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a > 1.0) { return quiet_nan(); }
    if (a == 1.0) { return with_sign(infinity(), x); }
    if (a < 0.5) {
        let z = x * x;
        var y = 1.81740078349e-1;
        y = fma(y, z, 8.24370301058e-2);
        y = fma(y, z, 1.46691431730e-1);
        y = fma(y, z, 1.99782164500e-1);
        y = fma(y, z, 3.33337300303e-1);
        return fma(y * z, x, x);
    }
    return 0.5 * log_real((1.0 + x) / (1.0 - x));
}

fn sigmoid_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let e = exp_real(-abs(x));
    return select(1.0, e, is_negative(x)) / (1.0 + e);
}

fn erf_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let t = abs(x);
    let s = x * x;
    if (t > 4.0) { return with_sign(1.0, x); }
    if (t > 0.927734375) {
        var r = fma(-1.72853470e-5, t, 3.83197126e-4);
        let u = fma(-3.88396438e-3, t, 2.42546219e-2);
        r = fma(r, s, u);
        r = fma(r, t, -1.06777877e-1);
        r = fma(r, t, -6.34846687e-1);
        r = fma(r, t, -1.28717512e-1);
        r = fma(r, t, -t);
        return with_sign(1.0 - exp_real(r), x);
    }
    var r = -5.96761703e-4;
    r = fma(r, s, 4.99119423e-3);
    r = fma(r, s, -2.67681349e-2);
    r = fma(r, s, 1.12819925e-1);
    r = fma(r, s, -3.76125336e-1);
    r = fma(r, s, 1.28379166e-1);
    return fma(r, x, x);
}

fn erfinv_real(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (abs(x) > 1.0) { return quiet_nan(); }
    if (abs(x) == 1.0) { return with_sign(infinity(), x); }
    var w = -log_real((1.0 - x) * (1.0 + x));
    var p = 0.0;
    if (w < 5.0) {
        w = w - 2.5;
        p = 2.81022636e-08;
        p = fma(p, w, 3.43273939e-07);
        p = fma(p, w, -3.5233877e-06);
        p = fma(p, w, -4.39150654e-06);
        p = fma(p, w, 0.00021858087);
        p = fma(p, w, -0.00125372503);
        p = fma(p, w, -0.00417768164);
        p = fma(p, w, 0.246640727);
        p = fma(p, w, 1.50140941);
    } else {
        w = sqrt(w) - 3.0;
        p = -0.000200214257;
        p = fma(p, w, 0.000100950558);
        p = fma(p, w, 0.00134934322);
        p = fma(p, w, -0.00367342844);
        p = fma(p, w, 0.00573950773);
        p = fma(p, w, -0.0076224613);
        p = fma(p, w, 0.00943887047);
        p = fma(p, w, 1.00167406);
        p = fma(p, w, 2.83297682);
    }
    return p * x;
}

// The exact rest of truncated division: eight bits of the quotient at a time.
fn truncated_remainder(a: f32, b: f32) -> f32 {
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    if (is_infinite(a) || !is_nonzero(b)) { return quiet_nan(); }
    if (is_infinite(b) || abs(a) < abs(b)) { return a; }
    let bits_a = bitcast<u32>(a) & 0x7fffffffu;
    let bits_b = bitcast<u32>(b) & 0x7fffffffu;
    var exponent_a = i32(bits_a >> 23u);
    var exponent_b = i32(bits_b >> 23u);
    var rest = bits_a & 0x7fffffu;
    var divisor = bits_b & 0x7fffffu;
    if (exponent_a == 0) { exponent_a = 1; } else { rest = rest | 0x800000u; }
    if (exponent_b == 0) { exponent_b = 1; } else { divisor = divisor | 0x800000u; }
    var steps = exponent_a - exponent_b;
    rest = rest % divisor;
    for (var turn = 0; turn < 36; turn++) {
        if (steps <= 0) { break; }
        let shift = min(steps, 8);
        rest = (rest << u32(shift)) % divisor;
        steps = steps - shift;
    }
    if (rest == 0u) { return with_sign(0.0, a); }
    let lead = i32(firstLeadingBit(rest));
    var magnitude = rest;
    let exponent = exponent_b - (23 - lead);
    if (exponent > 0) {
        magnitude = ((rest << u32(23 - lead)) & 0x7fffffu) | (u32(exponent) << 23u);
    } else {
        magnitude = rest << u32(exponent_b - 1);
    }
    return with_sign(bitcast<f32>(magnitude), a);
}

fn remainder_real(a: f32, b: f32) -> f32 {
    let rest = truncated_remainder(a, b);
    if (is_nonzero(rest) && !is_nan(rest) && is_negative(rest) != is_negative(b)) { return rest + b; }
    return rest;
}

fn logaddexp_real(a: f32, b: f32) -> f32 {
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    let high = max(a, b);
    if (is_infinite(a) || is_infinite(b)) { return high; }
    return high + log1p_real(exp_real(-abs(a - b)));
}

fn is_odd_integer(x: f32) -> bool {
    return abs(x) < 16777216.0 && floor(x) == x && (i32(x) & 1) != 0;
}

// `aᵇ` of a positive finite a: the exponent of a and its mantissa apart, so that large results
// keep their digits.
fn power_positive(a: f32, b: f32) -> f32 {
    let parts = log_split(a);
    let tail = log_tail(parts.y);
    // log2(1 + m) as a sum of two floats, the first of 12 bits
    let high = bitcast<f32>(bitcast<u32>(parts.y) & 0xfffff000u);
    let exact = high * 1.4423828125;
    let inexact = fma(high, 3.12228388963e-4, ((parts.y - high) + tail) * 1.44269504088896341);
    let log_high = bitcast<f32>(bitcast<u32>(exact + inexact) & 0xfffff000u);
    let log_low = kept(exact - log_high) + inexact;
    // the product with b, the large parts exactly
    let b_high = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
    let b_low = b - b_high;
    let whole = parts.x * b_high;
    let main_part = log_high * b_high;
    let rest = fma(parts.x, b_low, fma(log_high, b_low, log_low * b));
    let sum = kept(whole + main_part) + rest;
    if (sum >= 129.0) { return infinity(); }
    if (sum < -151.0) { return 0.0; }
    let k = round(sum);
    let fraction = kept(kept(whole - k) + main_part) + rest;
    let r = fraction * 0.693147180559945309;
    return scaled(exp_tail(r) + r + 1.0, i32(k));
}

fn power_real(a: f32, b: f32) -> f32 {
    if (!is_nonzero(b) || (a == 1.0 && !is_nan(a))) { return 1.0; }
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    let odd = is_odd_integer(b);
    let size = magnitude_of(a);
    let flips = is_negative(a) && odd;
    if (is_infinite(b)) {
        if (size == 1.0) { return 1.0; }
        return select(0.0, infinity(), (size > 1.0) != is_negative(b));
    }
    if (!is_nonzero(a) || is_infinite(a)) {
        let vanishes = is_infinite(a) == is_negative(b);
        let result = select(infinity(), 0.0, vanishes);
        return select(result, negated(result), flips);
    }
    if (is_negative(a) && floor(b) != b) { return quiet_nan(); }
    let result = small_power(size, b);
    return select(result, negated(result), flips);
}

fn small_power(a: f32, b: f32) -> f32 {
    if (b == 1.0) { return a; }
    if (b == 2.0) { return a * a; }
    if (b == 3.0) { return a * a * a; }
    if (b == 0.5) { return sqrt(a); }
    if (b == -1.0) { return 1.0 / a; }
    return power_positive(a, b);
}
