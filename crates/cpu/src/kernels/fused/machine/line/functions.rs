//! Functions by their formulas, step by step as [`single`] has them, so that they have its bits.
//!
//! Coefficients are constants like any other: those that there are no registers for are loaded where
//! they are needed, for several registers of elements at a time.

use super::{Ends, SIGN, Writer};
use crate::kernels::fused::machine::item::{Item, Value, Verb};
use crate::simd::math::single::{self, ERF, EXP, LN2_HIGH, LN2_LOW, ROUNDER};
use mlx_oxide_ir::Unary;
use std::f32::consts::LOG2_E;

/// Whether there is a formula here.
pub(in crate::kernels::fused::machine) fn is_function(op: Unary) -> bool {
    matches!(op, Unary::Exp | Unary::Sigmoid | Unary::Tanh | Unary::Erf)
}

impl Writer<'_> {
    /// The function of a value, of whose NaN it keeps the bits; none if there is no formula.
    pub(super) fn function(&mut self, op: Unary, x: Value) -> Option<Value> {
        let value = match op {
            Unary::Exp => self.exp(x),
            Unary::Sigmoid => self.sigmoid(x),
            Unary::Tanh => self.tanh(x),
            Unary::Erf => self.erf(x),
            _without_formula => return None,
        };
        self.ends[value as usize] = self.ends[x as usize].clamp(Ends::Quiet, Ends::ZeroInNan);
        Some(value)
    }

    fn number(&mut self, number: f32) -> Value {
        self.push(Item::Constant(number.to_bits()))
    }

    /// `a·b + c`, rounded once.
    fn fused(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.push(Item::Compute(Verb::MultiplyAdd, [a, b, c]))
    }

    /// `value` if it is not greater, or NaN.
    fn at_most(&mut self, most: f32, value: Value) -> Value {
        let most = self.number(most);
        self.two(Verb::Least, most, value)
    }

    /// `value` if it is not less, or NaN.
    fn at_least(&mut self, least: f32, value: Value) -> Value {
        let least = self.number(least);
        self.two(Verb::Greatest, least, value)
    }

    /// See [`single`]'s function of this name.
    fn power_of_two(&mut self, rounded: Value) -> Value {
        let exponent = self.one(Verb::ShiftLeft(23), rounded);
        let bias = self.push(Item::Constant(127 << 23));
        self.two(Verb::AddInteger, exponent, bias)
    }

    /// The integer next to a product, by adding a number and subtracting it again.
    fn nearest(&mut self, x: Value, factor: f32) -> Value {
        let (factor, rounder) = (self.number(factor), self.number(ROUNDER));
        let sum = self.fused(x, factor, rounder);
        self.two(Verb::Subtract, sum, rounder)
    }

    /// `x - n·ln2`.
    fn without_powers(&mut self, n: Value, x: Value) -> Value {
        let high = self.number(-LN2_HIGH);
        let rest = self.fused(n, high, x);
        let low = self.number(-LN2_LOW);
        self.fused(n, low, rest)
    }

    /// `eʳ - 1`.
    fn power_less_one(&mut self, r: Value) -> Value {
        let square = self.two(Verb::Multiply, r, r);
        let mut sum = self.number(EXP[EXP.len() - 1]);
        for coefficient in EXP.iter().rev().skip(1) {
            let coefficient = self.number(*coefficient);
            sum = self.fused(sum, r, coefficient);
        }
        self.fused(square, sum, r)
    }

    /// A value that is not negative, with the sign of another.
    fn signed(&mut self, value: Value, other: Value) -> Value {
        let sign = self.push(Item::Constant(SIGN));
        let sign = self.two(Verb::And, other, sign);
        self.two(Verb::Or, value, sign)
    }

    fn magnitude(&mut self, x: Value) -> Value {
        let rest = self.push(Item::Constant(!SIGN));
        self.two(Verb::And, x, rest)
    }

    fn exp(&mut self, x: Value) -> Value {
        let clamped = self.at_most(89.0, x);
        let clamped = self.at_least(-104.0, clamped);
        let n = self.nearest(clamped, LOG2_E);
        let r = self.without_powers(n, clamped);
        let power = self.power_less_one(r);
        let one = self.number(1.0);
        let power = self.two(Verb::Add, power, one);
        let (factor, rounder) = (self.number(0.5), self.number(ROUNDER));
        let half = self.fused(n, factor, rounder);
        let whole = self.two(Verb::Subtract, half, rounder);
        let rest = self.two(Verb::Subtract, n, whole);
        let rest = self.two(Verb::Add, rest, rounder);
        let scale = self.power_of_two(half);
        let power = self.two(Verb::Multiply, power, scale);
        let scale = self.power_of_two(rest);
        self.two(Verb::Multiply, power, scale)
    }

    fn sigmoid(&mut self, x: Value) -> Value {
        let clamped = self.at_least(-104.0, x);
        let clamped = self.at_most(40.0, clamped);
        let n = self.nearest(clamped, -LOG2_E);
        let sign = self.push(Item::Constant(SIGN));
        let opposite = self.two(Verb::Xor, clamped, sign);
        let r = self.without_powers(n, opposite);
        let power = self.power_less_one(r);
        let bias = self.number(64.0);
        let rest = self.two(Verb::Subtract, n, bias);
        let rounder = self.number(ROUNDER);
        let rest = self.two(Verb::Add, rest, rounder);
        let scale = self.power_of_two(rest);
        let small = self.number(single::SIGMOID_SCALE);
        let sum = self.two(Verb::Add, scale, small);
        let more = self.two(Verb::Subtract, sum, scale);
        let lost = self.two(Verb::Subtract, small, more);
        let divisor = self.fused(power, scale, lost);
        let divisor = self.two(Verb::Add, divisor, sum);
        self.two(Verb::Divide, small, divisor)
    }

    fn tanh(&mut self, x: Value) -> Value {
        let magnitude = self.magnitude(x);
        let clamped = self.at_most(10.0, magnitude);
        let n = self.nearest(clamped, -2.0 * LOG2_E);
        let factor = self.number(-2.0);
        let doubled = self.two(Verb::Multiply, clamped, factor);
        let r = self.without_powers(n, doubled);
        let power = self.power_less_one(r);
        let rounder = self.number(ROUNDER);
        let rest = self.two(Verb::Add, n, rounder);
        let scale = self.power_of_two(rest);
        let one = self.number(1.0);
        let less = self.two(Verb::Subtract, one, scale);
        let more = self.two(Verb::Add, one, scale);
        let denominator = self.fused(power, scale, more);
        let sign = self.push(Item::Constant(SIGN));
        let opposite = self.two(Verb::Xor, scale, sign);
        let numerator = self.fused(power, opposite, less);
        let value = self.two(Verb::Divide, numerator, denominator);
        self.signed(value, x)
    }

    fn erf(&mut self, x: Value) -> Value {
        let magnitude = self.magnitude(x);
        let magnitude = self.at_most(single::ERF_MOST, magnitude);
        let square = self.two(Verb::Multiply, magnitude, magnitude);
        let fourth = self.two(Verb::Multiply, square, square);
        let last = self.four(magnitude, square, 8);
        let next = self.four(magnitude, square, 4);
        let sum = self.fused(last, fourth, next);
        let first = self.four(magnitude, square, 0);
        let sum = self.fused(sum, fourth, first);
        let v = self.fused(square, sum, magnitude);
        let factor = self.number(single::ERF_SQUARE);
        let linear = self.number(single::ERF_LINEAR);
        let slope = self.fused(v, factor, linear);
        let value = self.fused(v, slope, v);
        self.signed(value, x)
    }

    /// Four terms of the polynomial for [`Self::erf`] from a number on.
    fn four(&mut self, x: Value, square: Value, first: usize) -> Value {
        let [last, other] = [first + 2, first].map(|place| {
            let (factor, term) = (self.number(ERF[place + 1]), self.number(ERF[place]));
            self.fused(factor, x, term)
        });
        self.fused(last, square, other)
    }
}
