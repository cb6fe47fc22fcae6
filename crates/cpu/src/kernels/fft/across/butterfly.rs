//! Transforms of a few points in registers.

use super::register::{Complex, Register};
use num_complex::Complex32;
use std::array::from_fn;
use std::f32::consts::FRAC_1_SQRT_2;

/// The transform of `R` points; `roots` are the powers `e^(-2πi·k/R)` of an odd `R`.
#[inline(always)]
pub(super) fn butterfly<const R: usize, V: Register>(
    x: [Complex<V>; R],
    roots: &[Complex32],
) -> [Complex<V>; R] {
    match R {
        2 => {
            let y = [x[0].add(x[1]), x[0].sub(x[1])];
            from_fn(|place| y[place])
        }
        4 => {
            let y = four([x[0], x[1], x[2], x[3]]);
            from_fn(|place| y[place])
        }
        8 => {
            let y = eight(from_fn(|place| x[place]));
            from_fn(|place| y[place])
        }
        _ => odd(x, roots),
    }
}

#[inline(always)]
fn four<V: Register>(x: [Complex<V>; 4]) -> [Complex<V>; 4] {
    let (even_sum, even_difference) = (x[0].add(x[2]), x[0].sub(x[2]));
    let (odd_sum, odd_difference) = (x[1].add(x[3]), x[1].sub(x[3]));
    [
        even_sum.add(odd_sum),
        even_difference.sub_turned(odd_difference),
        even_sum.sub(odd_sum),
        even_difference.add_turned(odd_difference),
    ]
}

#[inline(always)]
fn eight<V: Register>(x: [Complex<V>; 8]) -> [Complex<V>; 8] {
    let even = four([x[0], x[2], x[4], x[6]]);
    let odd = four([x[1], x[3], x[5], x[7]]);
    // the eighth roots without the factor √½
    let first = odd[1].sub_turned(odd[1]);
    let third = odd[3].add_turned(odd[3]);
    let (plus, minus) = (FRAC_1_SQRT_2, -FRAC_1_SQRT_2);
    [
        even[0].add(odd[0]),
        first.scale_add(plus, even[1]),
        even[2].sub_turned(odd[2]),
        third.scale_add(minus, even[3]),
        even[0].sub(odd[0]),
        first.scale_add(minus, even[1]),
        even[2].add_turned(odd[2]),
        third.scale_add(plus, even[3]),
    ]
}

/// An odd number of points: the sums and differences of opposite ones are transformed by cosines
/// and sines.
#[inline(always)]
fn odd<const R: usize, V: Register>(x: [Complex<V>; R], roots: &[Complex32]) -> [Complex<V>; R] {
    let roots: [Complex32; R] = from_fn(|place| roots[place]);
    let mut y = x;
    for place in 1..=R / 2 {
        y[0] = y[0].add(x[place].add(x[R - place]));
    }
    for place in 1..=R / 2 {
        let mut even = x[0];
        let mut turned = x[1].sub(x[R - 1]).scale(-roots[place].im);
        for term in 1..=R / 2 {
            let root = roots[place * term % R];
            even = x[term].add(x[R - term]).scale_add(root.re, even);
            if term > 1 {
                turned = x[term].sub(x[R - term]).scale_add(-root.im, turned);
            }
        }
        y[place] = even.sub_turned(turned);
        y[R - place] = even.add_turned(turned);
    }
    y
}
