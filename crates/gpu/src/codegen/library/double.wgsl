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
