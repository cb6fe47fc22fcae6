//! Random numbers: a counter-based generator with explicit keys, and a global key sequence for
//! calls without one. The same key gives the same numbers on every device.
//!
//! Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".

mod continuous;
mod few;
mod jointly_normal;

pub use continuous::{laplace, truncated_normal};
pub use jointly_normal::multivariate_normal;

use super::{binary, index, join, sort, unary, view};
use crate::array::Array;
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Dtype, Error, Op, Random, Result, Scalar, Shape};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::f64::consts::SQRT_2;

static SEQUENCE: Mutex<Option<Array>> = Mutex::new(None);

thread_local! {
    /// The key of a trace under way on this thread.
    static TRACED: RefCell<Option<Array>> = const { RefCell::new(None) };
}

/// The key of a seed.
pub fn key(seed: u64) -> Result<Array> {
    Array::from_slice(&[(seed >> 32) as u32, seed as u32], [2])
}

/// Starts the global key sequence anew.
pub fn seed(seed: u64) -> Result<()> {
    *SEQUENCE.lock() = Some(key(seed)?);
    Ok(())
}

/// The next key of the global sequence.
pub fn next_key() -> Result<Array> {
    let mut key = None;
    advance(|current| {
        let (following, taken) = split_two(current)?;
        key = Some(taken);
        Ok(following)
    })?;
    key.ok_or(Error::Internal {
        op: "random",
        detail: "no key".to_owned(),
    })
}

/// Puts the key that `step` makes of the current one in its place; on a failure the current one
/// stays. Inside a trace that follows the sequence it is the trace's.
pub(crate) fn advance(step: impl FnOnce(&Array) -> Result<Array>) -> Result<()> {
    if let Some(current) = TRACED.with_borrow(Clone::clone) {
        let following = step(&current)?;
        TRACED.set(Some(following));
        return Ok(());
    }
    let mut sequence = SEQUENCE.lock();
    let current = match &*sequence {
        Some(key) => key.clone(),
        None => key(std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64))?,
    };
    *sequence = Some(step(&current)?);
    Ok(())
}

/// Runs a function in which this thread's sequence begins with `key`; returns the key that
/// follows too, if the function took some.
pub(crate) fn with_sequence<T>(
    key: Array,
    function: impl FnOnce() -> Result<T>,
) -> Result<(T, Option<Array>)> {
    let outer = Outer(TRACED.replace(Some(key.clone())));
    let result = function()?;
    let following = TRACED.take().filter(|following| !following.is_same(&key));
    drop(outer);
    Ok((result, following))
}

/// Puts the sequence of a trace around this one back.
struct Outer(Option<Array>);

impl Drop for Outer {
    fn drop(&mut self) {
        TRACED.set(self.0.take());
    }
}

fn key_or_next(key: Option<&Array>) -> Result<Array> {
    match key {
        Some(key) => Ok(key.clone()),
        None => next_key(),
    }
}

/// `count` keys out of one.
pub fn split(key: &Array, count: usize) -> Result<Array> {
    bits([count, 2], 4, Some(key))
}

/// Two keys out of one, at once if that one is known.
pub fn split_two(key: &Array) -> Result<(Array, Array)> {
    if let Some(words) = few::bits(&[2, 2].into(), key) {
        let key = |words: &[u32]| Array::from_slice(words, [2]);
        return Ok((key(&words[..2])?, key(&words[2..])?));
    }
    let keys = split(key, 2)?;
    let row = |row| view::reshape_to(&view::slice_axis(&keys, 0, row, row + 1)?, [2]);
    Ok((row(0)?, row(1)?))
}

/// Uniform bits: unsigned integers of `width` bytes (1, 2 or 4).
pub fn bits(shape: impl Into<Shape>, width: u8, key: Option<&Array>) -> Result<Array> {
    let key = key_or_next(key)?;
    if key.dtype() != Dtype::Uint32 || **key.shape() != [2] {
        return Err(Error::InvalidArgument {
            op: "random",
            argument: "key",
            value: format!("{} of shape {}", key.dtype(), key.shape()),
            expected: "a uint32 array of shape (2,), as random.key makes it",
        });
    }
    let shape = shape.into();
    if width == 4
        && let Some(words) = few::bits(&shape, &key)
    {
        return Array::from_slice(&words, shape);
    }
    Array::apply(Op::Random(Random::Bits { shape, width }), &[&key])
}

fn check_floating(op: &'static str, dtype: Dtype) -> Result<()> {
    if dtype.is_floating() {
        return Ok(());
    }
    Err(Error::DtypeUnsupported {
        op,
        dtype,
        expected: "a real floating dtype",
    })
}

/// Uniform numbers in `[low, high)`; the bounds broadcast to the shape.
pub fn uniform(
    low: &Array,
    high: &Array,
    shape: impl Into<Shape>,
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    check_floating("uniform", dtype)?;
    let shape = shape.into();
    let low = cast(low, dtype)?;
    let high = cast(high, dtype)?;
    let bounds = broadcast_shapes("uniform", low.shape(), high.shape())?;
    check_broadcast("uniform", &bounds, &shape)?;
    let range = difference(&high, &low)?;
    let bounds = (number(&low), number(&range));
    let key = key_or_next(key)?;
    if let (Some(low), Some(range), Dtype::Float32) = (bounds.0, bounds.1, dtype)
        && let Some(numbers) = few::uniform(low as f32, range as f32, &shape, &key)
    {
        return Array::from_slice(&numbers, shape);
    }
    let unit = unit_interval(shape, dtype, &key)?;
    if bounds == (Some(0.0), Some(1.0)) {
        return Ok(unit);
    }
    binary::add(&binary::multiply(&range, &unit)?, &low)
}

/// The value of a scalar that is known.
fn number(scalar: &Array) -> Option<f64> {
    let known = scalar.ndim() == 0 && scalar.is_known();
    known
        .then(|| scalar.to_scalar().ok())
        .flatten()
        .map(Scalar::to_f64)
}

/// Integers up to here are numbers of double precision too.
const EXACT: f64 = (1u64 << 53) as f64;

/// As [`unary::astype`], at once of a known scalar.
fn cast(scalar: &Array, dtype: Dtype) -> Result<Array> {
    match number(scalar) {
        Some(value) if dtype.is_floating() && value.abs() <= EXACT => {
            Array::from_scalar(Scalar::new(value, dtype))
        }
        _computed => unary::astype(scalar, dtype),
    }
}

/// `a - b`, at once of known scalars in single precision.
fn difference(a: &Array, b: &Array) -> Result<Array> {
    match (number(a), number(b)) {
        (Some(lhs), Some(rhs)) if [a, b].iter().all(|it| it.dtype() == Dtype::Float32) => {
            Array::scalar(lhs as f32 - rhs as f32)
        }
        _computed => binary::subtract(a, b),
    }
}

/// Uniform numbers in `[0, 1)`, as 32 bits over `2³² - 1`, below one in the dtype.
fn unit_interval(shape: Shape, dtype: Dtype, key: &Array) -> Result<Array> {
    let drawn = unary::astype(&bits(shape, 4, Some(key))?, Dtype::Float32)?;
    let most = unary::scalar_like(&drawn, f64::from(u32::MAX as f32))?;
    let below_one = match dtype {
        Dtype::Float16 => 0.999_511_72,
        Dtype::Bfloat16 => 0.996_093_75,
        _ => f64::from(1.0f32.next_down()),
    };
    let quotient = binary::divide(&drawn, &most)?;
    unary::astype(
        &binary::minimum(&quotient, &unary::scalar_like(&quotient, below_one)?)?,
        dtype,
    )
}

/// Normal numbers of mean `loc` (zero) and standard deviation `scale` (one), by the inverse
/// error function; of complex numbers, half the variance is in each part.
///
/// # Errors
/// A dtype that is neither floating nor complex; `loc` or `scale` that do not broadcast to `shape`.
pub fn normal(
    shape: impl Into<Shape>,
    dtype: Dtype,
    loc: Option<&Array>,
    scale: Option<&Array>,
    key: Option<&Array>,
) -> Result<Array> {
    if dtype != Dtype::Complex64 {
        check_floating("normal", dtype)?;
    }
    let shape = shape.into();
    let key = &key_or_next(key)?;
    if let (Dtype::Float32, None, None) = (dtype, loc, scale)
        && let Some(mut numbers) = few::root_of_uniform(&shape, key)
    {
        numbers.iter_mut().for_each(|it| *it *= SQRT_2 as f32);
        return Array::from_slice(&numbers, shape);
    }
    let standard = if dtype == Dtype::Complex64 {
        let mut parts = shape.clone();
        parts.push(2);
        let pairs = view::view(&root_of_uniform(parts, key)?, dtype)?;
        view::reshape_to(&pairs, shape)?
    } else {
        // numbers of 16 bits come from 32, or the tails would be cut off
        unary::astype(&root_of_uniform(shape, key)?, dtype)?
    };
    let spread = match (dtype, scale) {
        (Dtype::Complex64, scale) => scale.cloned(),
        (_, None) => Some(unary::scalar_like(&standard, SQRT_2)?),
        (_, Some(scale)) => {
            let scale = unary::astype(scale, dtype)?;
            Some(binary::multiply(
                &unary::scalar_like(&standard, SQRT_2)?,
                &scale,
            )?)
        }
    };
    let mut samples = match spread {
        Some(spread) => binary::multiply(&unary::astype(&spread, dtype)?, &standard)?,
        None => standard,
    };
    if let Some(loc) = loc {
        samples = binary::add(&unary::astype(loc, dtype)?, &samples)?;
    }
    Ok(samples)
}

/// `erf⁻¹` of uniform `f32` numbers between -1 and 1, neither of them included.
fn root_of_uniform(shape: Shape, key: &Array) -> Result<Array> {
    if let Some(numbers) = few::root_of_uniform(&shape, key) {
        return Array::from_slice(&numbers, shape);
    }
    let low = Array::scalar((-1.0f32).next_up())?;
    let high = Array::scalar(1.0f32)?;
    unary::erfinv(&uniform(&low, &high, shape, Dtype::Float32, Some(key))?)
}

/// Parameters of a shape must broadcast to that of the numbers.
fn check_broadcast(op: &'static str, parameters: &Shape, shape: &Shape) -> Result<()> {
    match broadcast_shapes(op, shape, parameters)? == *shape {
        true => Ok(()),
        false => Err(Error::BroadcastMismatch {
            op,
            lhs: parameters.clone(),
            rhs: shape.clone(),
        }),
    }
}

/// Uniform integers in `[low, high)`.
pub fn randint(
    low: &Array,
    high: &Array,
    shape: impl Into<Shape>,
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    if dtype.is_inexact() {
        return Err(Error::DtypeUnsupported {
            op: "randint",
            dtype,
            expected: "an integer dtype",
        });
    }
    let shape = shape.into();
    let key = &key_or_next(key)?;
    let bounds = (integer(high), integer(low));
    if let (Some(high), Some(low), Dtype::Int32) = (bounds.0, bounds.1, dtype)
        && let Some(numbers) = few::randint(low, high, &shape, key)
    {
        return Array::from_slice(&numbers, shape);
    }
    let drawn = uniform(low, high, shape, Dtype::Float32, Some(key))?;
    // rounding may have brought a number onto a bound
    let drawn = unary::astype(&unary::floor(&drawn)?, dtype)?;
    let (most, low) = match bounds {
        (Some(high), Some(low)) => {
            let bound = |value| Array::from_scalar(Scalar::from_integer(value, dtype));
            (bound(high - 1)?, bound(low)?)
        }
        // a fraction is cut off last, so that numbers below 0.5 may be 0 or less
        _computed => {
            let most = binary::subtract(high, &unary::scalar_like(high, 1.0)?)?;
            (unary::astype(&most, dtype)?, unary::astype(low, dtype)?)
        }
    };
    binary::maximum(&binary::minimum(&drawn, &most)?, &low)
}

/// The value of a known scalar of 32 bits with a sign, the next lower of which is one too.
fn integer(scalar: &Array) -> Option<i64> {
    let value = number(scalar).filter(|_| scalar.dtype() == Dtype::Int32)?;
    (value > f64::from(i32::MIN)).then_some(value as i64)
}

/// `true` with probability `p`, which broadcasts to the shape.
pub fn bernoulli(p: &Array, shape: impl Into<Shape>, key: Option<&Array>) -> Result<Array> {
    let shape = shape.into();
    check_broadcast("bernoulli", p.shape(), &shape)?;
    let drawn = unary::astype(&bits(shape, 4, key)?, Dtype::Float32)?;
    let most = unary::scalar_like(&drawn, f64::from(u32::MAX as f32))?;
    let p = unary::astype(p, Dtype::Float32)?;
    binary::less(&drawn, &binary::multiply(&p, &most)?)
}

/// The numbers `0..count` in random order.
pub fn permutation(count: usize, key: Option<&Array>) -> Result<Array> {
    sort::argsort(&bits([count], 4, key)?, Some(0))
}

/// The slices of an array along an axis in random order.
pub fn permute(a: &Array, axis: i64, key: Option<&Array>) -> Result<Array> {
    let normal = mlx_oxide_ir::normalize_axis("permutation", axis, a.ndim())?;
    index::take(a, &permutation(a.shape()[normal], key)?, axis)
}

/// Numbers of the standard Gumbel distribution, `-ln(-ln u)`.
pub fn gumbel(shape: impl Into<Shape>, dtype: Dtype, key: Option<&Array>) -> Result<Array> {
    let zero = Array::from_scalar(Scalar::new(0.0, dtype))?;
    let drawn = uniform(&zero, &unary::scalar_like(&zero, 1.0)?, shape, dtype, key)?;
    unary::negative(&unary::log(&unary::negative(&unary::log(&drawn)?)?)?)
}

/// How many indices [`categorical`] draws.
#[derive(Clone, Debug)]
pub enum Draws {
    /// One for each distribution.
    One,
    /// Several for each distribution, along a new last axis.
    Each(usize),
    /// A shape that the shape of the distributions broadcasts to.
    Shaped(Shape),
}

/// `uint32` indices drawn from distributions of unnormalised log-probabilities along an axis.
///
/// Several draws from one distribution invert its cumulative sum; otherwise the greatest of
/// Gumbel noise added to the logits is taken, which gives the same distribution.
///
/// # Errors
/// An axis out of bounds; a shape that the distributions' shape does not broadcast to.
pub fn categorical(logits: &Array, axis: i64, draws: Draws, key: Option<&Array>) -> Result<Array> {
    let axis = mlx_oxide_ir::normalize_axis("categorical", axis, logits.ndim())?;
    let mut reduced = logits.shape().clone();
    let classes = reduced.remove(axis);
    let shape = match &draws {
        Draws::One => reduced.clone(),
        Draws::Each(count) => {
            let mut shape = reduced.clone();
            shape.push(*count);
            shape
        }
        Draws::Shaped(shape) => {
            if broadcast_shapes("categorical", shape, &reduced)? != *shape {
                return Err(Error::BroadcastMismatch {
                    op: "categorical",
                    lhs: reduced,
                    rhs: shape.clone(),
                });
            }
            shape.clone()
        }
    };
    if classes == logits.size() && shape.ndim() > 0 {
        return by_inversion(logits, shape, key);
    }
    let (logits, noise, axis) = match draws {
        Draws::One => (logits.clone(), logits.shape().clone(), axis as i64),
        Draws::Each(count) => {
            let mut noise = logits.shape().clone();
            noise.push(count);
            (view::expand_dims(logits, &[-1])?, noise, axis as i64)
        }
        Draws::Shaped(mut shape) => {
            let from_end = logits.ndim() - axis;
            let place = shape.ndim() + 1 - from_end;
            shape.insert(place, classes);
            (logits.clone(), shape, place as i64)
        }
    };
    let noise = gumbel(noise, Dtype::Float32, key)?;
    super::reduce::argmax(&binary::add(&logits, &noise)?, Some(axis), false)
}

/// Draws from one distribution: where a uniform number lies among the cumulative sums.
fn by_inversion(logits: &Array, shape: Shape, key: Option<&Array>) -> Result<Array> {
    let logits = unary::astype(&view::flatten(logits, 0, -1)?, Dtype::Float32)?;
    let greatest = super::reduce::max(&logits, None, false)?;
    let weights = unary::exp(&binary::subtract(&logits, &greatest)?)?;
    let sums = super::scan::cumsum(&weights, Some(0), false, true)?;
    let total = view::slice_axis(&sums, 0, sums.size().saturating_sub(1), sums.size())?;
    let total = view::reshape_to(&total, Shape::scalar())?;
    let (zero, one) = (Array::scalar(0.0f32)?, Array::scalar(1.0f32)?);
    let drawn = uniform(&zero, &one, shape, Dtype::Float32, key)?;
    sort::searchsorted(&sums, &binary::multiply(&drawn, &total)?, true)
}

/// Keys of independent streams for each element of a list.
pub fn split_many(key: &Array, count: usize) -> Result<Vec<Array>> {
    let keys = split(key, count)?;
    join::split(&keys, count, 0)?
        .iter()
        .map(|key| view::reshape_to(key, [2]))
        .collect()
}
