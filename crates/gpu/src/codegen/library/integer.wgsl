// Functions of integers. `T` stands for the register type; division rounds down and by
// zero gives zero; a negative power is zero too.

fn divide_T(a: T, b: T) -> T {
    if (b == T(0)) { return T(0); }
    if (b < T(0) && ~b == T(0)) { return T(0) - a; }
    let quotient = a / b;
    if (quotient * b != a && (a < T(0)) != (b < T(0))) { return quotient - T(1); }
    return quotient;
}

fn remainder_T(a: T, b: T) -> T {
    if (b == T(0)) { return T(0); }
    if (b < T(0) && ~b == T(0)) { return T(0); }
    let rest = a % b;
    if (rest != T(0) && ((rest < T(0)) != (b < T(0)))) { return rest + b; }
    return rest;
}

fn power_T(a: T, b: T) -> T {
    if (b < T(0)) { return T(0); }
    var result = T(1);
    var base = a;
    var left = b;
    for (var turn = 0; turn < 64; turn++) {
        if (left == T(0)) { break; }
        if ((left & T(1)) != T(0)) { result = result * base; }
        base = base * base;
        left = left >> 1u;
    }
    return result;
}

fn sign_T(a: T) -> T {
    return select(select(T(0), T(1), a > T(0)), T(0) - T(1), a < T(0));
}

fn absolute_T(a: T) -> T { return select(a, T(0) - a, a < T(0)); }
