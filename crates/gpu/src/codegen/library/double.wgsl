// Functions of 64-bit floats; no driver that has them compiles with arithmetic that assumes
// there is no NaN. `!=` is false for NaN on some drivers, so `==` is negated instead.

fn maximum_double(a: f64, b: f64) -> f64 {
    if (!(a == a)) { return a; }
    if (!(b == b)) { return b; }
    return select(a, b, b > a);
}

fn minimum_double(a: f64, b: f64) -> f64 {
    if (!(a == a)) { return a; }
    if (!(b == b)) { return b; }
    return select(a, b, b < a);
}

fn sign_double(a: f64) -> f64 {
    return select(select(a, f64(1.0), a > f64(0.0)), f64(-1.0), a < f64(0.0));
}

// Drivers differ in which way `round` of an f64 takes halves: lavapipe takes 1.5 to 1 where the
// processor has no AVX-512. Beyond 2^52 all numbers are whole; infinities and NaN stay.
fn round_double(a: f64) -> f64 {
    if !(abs(a) < f64(4503599627370496.0)) { return a; }
    let below = floor(a);
    let rest = a - below;
    let odd = below - f64(2.0) * floor(below * f64(0.5));
    let up = rest > f64(0.5) || (rest == f64(0.5) && odd != f64(0.0));
    let whole = select(below, below + f64(1.0), up);
    return select(whole, a * f64(0.0), whole == f64(0.0));
}
