//! The values of an input: the same on every machine and in every run.

use crate::sample::Values;
use mlx_oxide_ir::{Dtype, Scalar};
use num_complex::Complex32;

/// The elements of input number `input` with `count` elements.
pub fn generate(values: &Values, dtype: Dtype, count: usize, input: usize) -> Vec<Scalar> {
    let range = |low, high| Range { low, high, dtype };
    let draw = |low, high| {
        let drawn = (0..count).map(|place| range(low, high).draw(input, place));
        drawn.collect::<Vec<_>>()
    };
    match values {
        Values::Between(low, high) => draw(*low, *high),
        Values::Distinct(low, high) => {
            let order = shuffled(count, input);
            let place = |rank: &usize| range(*low, *high).at(*rank, count);
            order.iter().map(place).collect()
        }
        Values::Ascending(low, high) => (0..count)
            .map(|rank| range(*low, *high).at(rank, count))
            .collect(),
        Values::Edges(low, high) => with_edges(&edges(dtype), draw(*low, *high), input),
        Values::ModerateEdges(low, high) => {
            let mut moderate = edges(dtype);
            moderate.retain(|edge| !edge.to_f64().is_finite() || edge.to_f64().abs() < 1e3);
            with_edges(&moderate, draw(*low, *high), input)
        }
        Values::Indices(size) => (0..count)
            .map(|place| index(*size, dtype, input, place))
            .collect(),
        Values::Exactly(numbers) => (0..count)
            .map(|place| Scalar::new(numbers[place % numbers.len()], dtype))
            .collect(),
    }
}

/// Numbers of a dtype between two ends.
struct Range {
    low: f64,
    high: f64,
    dtype: Dtype,
}

impl Range {
    fn draw(&self, input: usize, place: usize) -> Scalar {
        let number = |part: usize| self.number(fraction(input, 2 * place + part));
        if self.dtype == Dtype::Bool {
            Scalar::from_integer((fraction(input, 2 * place) < 0.5).into(), Dtype::Bool)
        } else if self.dtype.is_complex() {
            let value = Complex32::new(number(0) as f32, number(1) as f32);
            Scalar::from_complex(value, self.dtype)
        } else if self.dtype.is_integer() {
            Scalar::from_integer(number(0) as i64, self.dtype)
        } else {
            Scalar::new(number(0), self.dtype)
        }
    }

    /// The number a fraction of the way from the low to the high end; of integers, one of those
    /// from end to end.
    fn number(&self, fraction: f64) -> f64 {
        if !self.dtype.is_integer() {
            return self.low + (self.high - self.low) * fraction;
        }
        let signed = self.dtype.is_signed_integer();
        let low = if signed { self.low } else { self.low.max(0.0) }.ceil();
        (low + (self.high.floor() - low + 1.0) * fraction).floor()
    }

    /// Number `rank` of `count` in ascending order; integers are neighbours.
    fn at(&self, rank: usize, count: usize) -> Scalar {
        if self.dtype.is_integer() || self.dtype == Dtype::Bool {
            let low = if self.dtype.is_signed_integer() {
                self.low as i64
            } else {
                0
            };
            return Scalar::from_integer(low + rank as i64, self.dtype);
        }
        let value = self.low + (self.high - self.low) * (rank as f64 + 0.5) / count as f64;
        let other = Complex32::new(value as f32, (self.high - value) as f32);
        if self.dtype.is_complex() {
            Scalar::from_complex(other, self.dtype)
        } else {
            Scalar::new(value, self.dtype)
        }
    }
}

/// A fraction in `0..1` that the input and the place alone decide: SplitMix64 (Steele, Lea &
/// Flood 2014) of both.
fn fraction(input: usize, place: usize) -> f64 {
    (mix(input, place) >> 11) as f64 / (1u64 << 53) as f64
}

fn mix(input: usize, place: usize) -> u64 {
    let counter = (input as u64 + 1) << 40 | place as u64;
    let mut bits = counter.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn shuffled(count: usize, input: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&rank| mix(input, rank));
    order
}

fn index(size: usize, dtype: Dtype, input: usize, place: usize) -> Scalar {
    let bits = mix(input, place);
    let position = (bits % size.max(1) as u64) as i64;
    let from_end = dtype.is_signed_integer() && bits >> 63 == 1;
    let shift = if from_end { size as i64 } else { 0 };
    Scalar::from_integer(position - shift, dtype)
}

/// The edges first: input 0 steps through them, input 1 holds each for a whole round of input
/// 0, and so on, so that each meets each if there is room.
fn with_edges(edges: &[Scalar], mut drawn: Vec<Scalar>, input: usize) -> Vec<Scalar> {
    let round = edges.len().pow(input.min(2) as u32);
    for (place, element) in drawn.iter_mut().enumerate() {
        if place < edges.len() * edges.len() {
            *element = edges[place / round % edges.len()];
        }
    }
    drawn
}

/// The values at which operations err.
fn edges(dtype: Dtype) -> Vec<Scalar> {
    let reals = |numbers: &[f64]| numbers.iter().map(|n| Scalar::new(*n, dtype)).collect();
    let integers = |numbers: &[i64]| {
        let scalars = numbers.iter().map(|n| Scalar::from_integer(*n, dtype));
        scalars.collect::<Vec<_>>()
    };
    match dtype {
        Dtype::Bool => integers(&[0, 1]),
        Dtype::Complex64 => complex_edges(),
        dtype if dtype.is_floating() => {
            let (least, normal, greatest) = extent(dtype);
            reals(&[
                0.0,
                -0.0,
                1.0,
                -1.0,
                0.5,
                -0.5,
                1.5,
                2.5,
                -2.5,
                7.0,
                -3.0,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NAN,
                least,
                -least,
                normal,
                greatest,
                -greatest,
            ])
        }
        dtype => {
            let bits = 8 * dtype.size() as u32;
            let (low, high) = if dtype.is_signed_integer() {
                (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))
            } else {
                (0, -1) // wraps to the greatest
            };
            integers(&[
                0,
                1,
                -1,
                2,
                3,
                -3,
                7,
                low,
                low + 1,
                high,
                high - 1,
                i64::from(bits) - 1,
                i64::from(bits),
                i64::from(bits) + 1,
            ])
        }
    }
}

/// Points on the axes and off them, with zeros of both signs, which choose the side of a cut.
fn complex_edges() -> Vec<Scalar> {
    let parts = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0];
    let points = parts
        .iter()
        .flat_map(|re| parts.iter().map(move |im| (*re, *im)));
    points
        .map(|(re, im)| Scalar::from_complex(Complex32::new(re, im), Dtype::Complex64))
        .collect()
}

/// The least subnormal, the least normal and the greatest number of a floating dtype.
fn extent(dtype: Dtype) -> (f64, f64, f64) {
    match dtype {
        Dtype::Float16 => (2f64.powi(-24), 2f64.powi(-14), half::f16::MAX.to_f64()),
        Dtype::Bfloat16 => (2f64.powi(-133), 2f64.powi(-126), half::bf16::MAX.to_f64()),
        Dtype::Float64 => (f64::from_bits(1), f64::MIN_POSITIVE, f64::MAX),
        _ => (
            f64::from(f32::from_bits(1)),
            f64::from(f32::MIN_POSITIVE),
            f64::from(f32::MAX),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_range() {
        for dtype in Dtype::ALL {
            for value in generate(&Values::Between(-3.0, 5.0), dtype, 200, 0) {
                assert!((-3.0..=5.0).contains(&value.to_f64()), "{value:?}");
            }
        }
        let bytes = generate(&Values::Between(-3.0, 5.0), Dtype::Int8, 200, 1);
        assert!(bytes.iter().any(|value| value.to_i64() == 5));
        assert!(bytes.iter().any(|value| value.to_i64() == -3));
    }

    #[test]
    fn distinct_values_are_distinct_and_unordered() {
        let values = generate(&Values::Distinct(-1.0, 1.0), Dtype::Float32, 50, 0);
        let numbers: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
        let mut sorted = numbers.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
        assert_ne!(numbers, sorted);
    }

    #[test]
    fn edges_of_two_inputs_meet_in_every_combination() {
        for dtype in Dtype::ALL {
            let count = edges(dtype).len().pow(2);
            let pairs: std::collections::HashSet<(u64, u64)> = {
                let draw = |input| generate(&Values::Edges(0.0, 1.0), dtype, count, input);
                let pairs = draw(0).into_iter().zip(draw(1));
                pairs.map(|(lhs, rhs)| (lhs.bits(), rhs.bits())).collect()
            };
            let distinct: std::collections::HashSet<u64> =
                edges(dtype).iter().map(|edge| edge.bits()).collect();
            assert_eq!(pairs.len(), distinct.len().pow(2), "{dtype}");
        }
    }

    #[test]
    fn indices_are_valid_from_either_end() {
        let drawn = generate(&Values::Indices(4), Dtype::Int32, 100, 2);
        assert!(drawn.iter().all(|index| (-4..4).contains(&index.to_i64())));
        assert!(drawn.iter().any(|index| index.to_i64() < 0));
        let unsigned = generate(&Values::Indices(4), Dtype::Uint64, 100, 2);
        assert!(unsigned.iter().all(|index| index.bits() < 4));
    }
}
