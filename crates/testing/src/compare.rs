//! Two results side by side.

use crate::arrange::elements;
use crate::backend::Evaluated;
use crate::sample::{Agreement, Sample};
use crate::tolerance::{Tolerance, epsilon};
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Scalar};
use std::cmp::Ordering;
use std::fmt;

/// Where two results differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The sample's name.
    pub sample: String,
    /// What differs.
    pub detail: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.sample, self.detail)
    }
}

/// Compares the results of a sample as its agreement and tolerance say.
pub fn compare(
    sample: &Sample,
    found: &[Evaluated],
    expected: &[Evaluated],
) -> Result<(), Mismatch> {
    let mismatch = |detail| Mismatch {
        sample: sample.name.clone(),
        detail,
    };
    if found.len() != expected.len() {
        return Err(mismatch(format!("{} outputs", found.len())));
    }
    let reordered;
    let found = match sample.agreement {
        Agreement::AnyOrder => {
            reordered = in_order_of(found, expected);
            &reordered[..]
        }
        Agreement::Elements
        | Agreement::Partition { .. }
        | Agreement::PartitionPositions { .. } => found,
    };
    for (found, expected) in found.iter().zip(expected) {
        if found.array_type != expected.array_type {
            return Err(mismatch(format!(
                "type {:?} instead of {:?}",
                found.array_type, expected.array_type
            )));
        }
        match sample.agreement {
            Agreement::Elements | Agreement::AnyOrder => {
                by_element(found, expected, sample.tolerance)
            }
            Agreement::Partition { axis, kth } => by_partition(found, expected, axis, kth),
            Agreement::PartitionPositions { axis, kth } => by_positions(sample, found, axis, kth),
        }
        .map_err(mismatch)?;
    }
    Ok(())
}

/// The numbers of the first output each at the place of the nearest one expected, the columns of
/// the second output with them.
fn in_order_of(found: &[Evaluated], expected: &[Evaluated]) -> Vec<Evaluated> {
    let mut ordered = found.to_vec();
    let size = expected[0].array_type.shape.last().copied().unwrap_or(0);
    if size == 0 || found[0].elements.len() != expected[0].elements.len() {
        return ordered;
    }
    for first in (0..found[0].elements.len()).step_by(size) {
        let mut left: Vec<usize> = (0..size).collect();
        for place in 0..size {
            let wanted = expected[0].elements[first + place].to_complex();
            let distance = |source: &usize| {
                (found[0].elements[first + source].to_complex() - wanted).norm_sqr()
            };
            let nearest = (0..left.len())
                .min_by(|&a, &b| distance(&left[a]).total_cmp(&distance(&left[b])))
                .unwrap_or(0);
            let source = left.swap_remove(nearest);
            ordered[0].elements[first + place] = found[0].elements[first + source];
            if let (Some(columns), Some(target)) = (found.get(1), ordered.get_mut(1)) {
                for row in first..first + size {
                    target.elements[row * size + place] = columns.elements[row * size + source];
                }
            }
        }
    }
    ordered
}

fn by_element(found: &Evaluated, expected: &Evaluated, tolerance: Tolerance) -> Result<(), String> {
    let pairs = found.elements.iter().zip(&expected.elements);
    let differing: Vec<usize> = pairs
        .enumerate()
        .filter(|(_, (found, expected))| !agree(**found, **expected, tolerance))
        .map(|(place, _)| place)
        .collect();
    let Some(&first) = differing.first() else {
        return Ok(());
    };
    let (left, right) = (found.elements[first], expected.elements[first]);
    let steps = match distance(left, right) {
        Some(steps) => format!(", {steps} representable steps away"),
        None => String::new(),
    };
    Err(format!(
        "element {:?} is {left:?} instead of {right:?}{steps}; {} of {} elements differ by more than {tolerance:?}",
        position(first, &found.array_type),
        differing.len(),
        found.elements.len(),
    ))
}

fn position(mut place: usize, array_type: &ArrayType) -> Vec<usize> {
    let mut position = vec![0; array_type.shape.ndim()];
    for axis in (0..position.len()).rev() {
        position[axis] = place % array_type.shape[axis];
        place /= array_type.shape[axis];
    }
    position
}

/// Whether one element is as good as the other.
pub fn agree(found: Scalar, expected: Scalar, tolerance: Tolerance) -> bool {
    let dtype = expected.dtype();
    if !dtype.is_inexact() {
        return found.bits() == expected.bits();
    }
    if dtype.is_complex() {
        return agree_as_complex(found, expected, tolerance);
    }
    let (left, right) = (found.to_f64(), expected.to_f64());
    if left.is_nan() || right.is_nan() {
        return left.is_nan() && right.is_nan();
    }
    left == right
        || distance(found, expected).is_some_and(|steps| steps <= tolerance.steps)
        || (left - right).abs() <= tolerance.absolute + tolerance.relative * right.abs()
}

fn agree_as_complex(found: Scalar, expected: Scalar, tolerance: Tolerance) -> bool {
    let (left, right) = (found.to_complex(), expected.to_complex());
    let relative = tolerance.relative + tolerance.steps as f64 * epsilon(Dtype::Complex64);
    let parts = [(left.re, right.re), (left.im, right.im)];
    let parts = parts.map(|(left, right)| (f64::from(left), f64::from(right)));
    if parts.iter().all(|(l, r)| l.is_finite() && r.is_finite()) {
        let difference = (parts[0].0 - parts[0].1).hypot(parts[1].0 - parts[1].1);
        return difference <= tolerance.absolute + relative * parts[0].1.hypot(parts[1].1);
    }
    // beside an infinity or NaN each part stands for itself
    parts.iter().all(|&(left, right)| {
        left == right
            || (left.is_nan() && right.is_nan())
            || (left - right).abs() <= tolerance.absolute + relative * right.abs()
                && right.is_finite()
    })
}

/// Representable numbers from one real floating element to the other; none for NaN and for
/// other dtypes.
fn distance(left: Scalar, right: Scalar) -> Option<u64> {
    let floating = left.dtype().is_floating();
    let numbers = !left.to_f64().is_nan() && !right.to_f64().is_nan();
    (floating && numbers).then(|| rank(left).abs_diff(rank(right)))
}

/// The number's place among all of its dtype, zero at zero.
fn rank(element: Scalar) -> i64 {
    let sign = 1u64 << (8 * element.dtype().size() - 1);
    let magnitude = (element.bits() & (sign - 1)) as i64;
    if element.bits() & sign == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// By value, the real part first, what is no number last.
fn order(left: Scalar, right: Scalar) -> Ordering {
    if left.dtype() == Dtype::Uint64 {
        return left.bits().cmp(&right.bits());
    }
    if !left.dtype().is_inexact() {
        return left.to_i64().cmp(&right.to_i64());
    }
    let (a, b) = (left.to_complex(), right.to_complex());
    let nan = |scalar: Scalar| scalar.to_f64().is_nan() || scalar.to_complex().im.is_nan();
    match (nan(left), nan(right)) {
        (false, false) => left
            .to_f64()
            .partial_cmp(&right.to_f64())
            .unwrap_or(Ordering::Equal)
            .then(a.im.partial_cmp(&b.im).unwrap_or(Ordering::Equal)),
        (left, right) => left.cmp(&right),
    }
}

/// The elements along an axis, a list for each position along the others.
fn lanes(array_type: &ArrayType, axis: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..array_type.shape.ndim()).collect();
    order.remove(axis);
    order.push(axis);
    let layout = Layout::contiguous(array_type.shape.clone()).permute(&order);
    let places: Vec<usize> = layout.places().collect();
    let chunks = places.chunks(array_type.shape[axis].max(1));
    chunks.map(<[usize]>::to_vec).collect()
}

fn is_partition(lane: &[Scalar], kth: usize) -> bool {
    let pivot = lane[kth];
    lane[..kth].iter().all(|e| order(*e, pivot).is_le())
        && lane[kth..].iter().all(|e| order(*e, pivot).is_ge())
}

fn by_partition(
    found: &Evaluated,
    expected: &Evaluated,
    axis: usize,
    kth: usize,
) -> Result<(), String> {
    for places in lanes(&found.array_type, axis) {
        let mut lane: Vec<Scalar> = places.iter().map(|&p| found.elements[p]).collect();
        if !is_partition(&lane, kth) {
            return Err(format!("{lane:?} is not parted at {kth}"));
        }
        let mut elements: Vec<Scalar> = places.iter().map(|&p| expected.elements[p]).collect();
        lane.sort_by_key(|element| element.bits());
        elements.sort_by_key(|element| element.bits());
        if lane != elements {
            return Err(format!("{lane:?} are not the elements {elements:?}"));
        }
    }
    Ok(())
}

fn by_positions(sample: &Sample, found: &Evaluated, axis: usize, kth: usize) -> Result<(), String> {
    let operand = elements(&sample.inputs[0], 0);
    for places in lanes(&found.array_type, axis) {
        let positions: Vec<usize> = places
            .iter()
            .map(|&place| found.elements[place].bits() as usize)
            .collect();
        let mut seen = positions.clone();
        seen.sort_unstable();
        if seen != (0..places.len()).collect::<Vec<_>>() {
            return Err(format!("{positions:?} is no permutation"));
        }
        let lane: Vec<Scalar> = positions.iter().map(|&p| operand[places[p]]).collect();
        if !is_partition(&lane, kth) {
            return Err(format!("{positions:?} do not part {lane:?} at {kth}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(value: f64) -> Scalar {
        Scalar::new(value, Dtype::Float32)
    }

    #[test]
    fn steps_are_counted_across_zero() {
        let least = f64::from(f32::from_bits(1));
        assert_eq!(distance(single(least), single(-least)), Some(2));
        assert_eq!(distance(single(1.0), single(1.0 - 2f64.powi(-24))), Some(1));
        assert_eq!(distance(single(1.0), single(f64::NAN)), None);
    }

    #[test]
    fn tolerance_is_kept() {
        let next = single(1.0 + 2f64.powi(-23));
        assert!(!agree(next, single(1.0), Tolerance::EXACT));
        assert!(agree(next, single(1.0), Tolerance::steps(1)));
        assert!(agree(single(-0.0), single(0.0), Tolerance::EXACT));
        assert!(agree(single(f64::NAN), single(f64::NAN), Tolerance::EXACT));
        assert!(!agree(single(f64::NAN), single(1.0), Tolerance::steps(9)));
        assert!(!agree(
            single(f64::INFINITY),
            single(1.0),
            Tolerance::stages(Dtype::Float32, 1e3, 1.0)
        ));
    }

    #[test]
    fn complex_numbers_are_compared_by_their_distance() {
        let number =
            |re, im| Scalar::from_complex(num_complex::Complex32::new(re, im), Dtype::Complex64);
        let tolerance = Tolerance::steps(4);
        assert!(agree(number(1e4, 1e-3), number(1e4, 2e-3), tolerance));
        assert!(!agree(number(1e-3, 1e-3), number(1e-3, 2e-3), tolerance));
        assert!(agree(
            number(f32::INFINITY, f32::NAN),
            number(f32::INFINITY, f32::NAN),
            tolerance
        ));
        let (near, far) = (1.0 + f32::EPSILON, 1.1);
        assert!(agree(
            number(f32::INFINITY, near),
            number(f32::INFINITY, 1.0),
            tolerance
        ));
        assert!(!agree(
            number(f32::INFINITY, far),
            number(f32::INFINITY, 1.0),
            tolerance
        ));
    }

    #[test]
    fn columns_move_with_their_numbers() {
        let output = |shape: &[usize], numbers: &[f64]| Evaluated {
            array_type: ArrayType::new(shape, Dtype::Float32),
            elements: numbers.iter().map(|n| single(*n)).collect(),
        };
        let found = [output(&[2], &[5., 3.]), output(&[2, 2], &[1., 2., 3., 4.])];
        let expected = [output(&[2], &[3., 5.]), output(&[2, 2], &[2., 1., 4., 3.])];
        let ordered = in_order_of(&found, &expected);
        assert_eq!(ordered[0].elements, expected[0].elements);
        assert_eq!(ordered[1].elements, expected[1].elements);
    }

    #[test]
    fn partitions_need_the_pivot_in_its_place() {
        let lane = |numbers: &[f64]| numbers.iter().map(|n| single(*n)).collect::<Vec<_>>();
        assert!(is_partition(&lane(&[2., 1., 3., f64::NAN, 4.]), 2));
        assert!(!is_partition(&lane(&[4., 1., 3., f64::NAN, 2.]), 2));
    }
}
