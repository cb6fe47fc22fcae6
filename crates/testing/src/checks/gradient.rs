//! `vjp` against differences.

use super::{Point, all_coordinates, inner};
use crate::coordinates::direction;
use crate::differences::{Step, along};
use crate::graph;
use crate::sample::Sample;
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Dtype, Op, Result, View};

/// With more coordinates than this, some directions stand for all.
const MOST_COORDINATES: usize = 96;

/// For every coordinate of every variable: the product of a drawn cotangent with the difference
/// quotient is what `vjp` gives there.
pub fn gradient(sample: &Sample) -> Result<Outcome, Failure> {
    if !sample.differentiable {
        return Ok(Outcome::Skipped("not differentiable"));
    }
    let Some(dtype) = graph::difference_dtype(sample)? else {
        return Ok(Outcome::Skipped("compared with double precision instead"));
    };
    let point = Point::new(sample)?;
    let cotangents = point.cotangents(1)?;
    let pulled = all_coordinates(&point.pull(&point.values(), &cotangents)?)?;
    let cotangents = all_coordinates(&cotangents)?;
    let step = Step::of(dtype);
    for directions in directions(&pulled) {
        let quotient = along(
            &|values| point.apply(values),
            &point.values(),
            &directions,
            step,
        )?;
        let (expected, size) = inner(&cotangents, &quotient);
        let (found, other) = inner(&directions, &pulled);
        if !near(found, expected, step.tolerance * (0.1 + size + other)) {
            let place = position(&directions);
            return Err(Failure(format!(
                "the gradient {place} is {found:.9} instead of {expected:.9}"
            )));
        }
    }
    Ok(Outcome::Passed)
}

/// The gradient in single precision is near that in double.
pub fn single_precision_gradient(sample: &Sample) -> Result<Outcome, Failure> {
    if !sample.differentiable || graph::coarsest(sample)? != Some(Dtype::Float32) {
        return Ok(Outcome::Skipped("not single precision"));
    }
    if graph::difference_dtype(sample)?.is_some() {
        return Ok(Outcome::Skipped("compared with differences"));
    }
    if matches!(sample.op, Op::Cast(_) | Op::View(View::Bitcast(_))) {
        return Ok(Outcome::Skipped("a conversion, of its own precision"));
    }
    let single = Point::new(sample)?;
    let cotangents = single.cotangents(1)?;
    let found = all_coordinates(&single.pull(&single.values(), &cotangents)?)?;
    let double = Point::at(sample, widened(sample, &single.inputs)?)?;
    let cotangents: Vec<Array> = cotangents.iter().map(wide).collect::<Result<_>>()?;
    let expected = all_coordinates(&double.pull(&double.values(), &cotangents)?)?;
    for (found, expected) in found.iter().zip(&expected) {
        let scale = expected
            .iter()
            .fold(1.0f64, |scale, number| scale.max(number.abs()));
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            if !near(*found, *expected, 3e-5 * scale) {
                return Err(Failure(format!(
                    "coordinate {place} of the gradient is {found} instead of {expected}"
                )));
            }
        }
    }
    Ok(Outcome::Passed)
}

fn widened(sample: &Sample, inputs: &[Array]) -> Result<Vec<Array>> {
    let places = inputs.iter().enumerate();
    places
        .map(|(place, input)| match sample.held.contains(&place) {
            true => Ok(input.clone()),
            false => wide(input),
        })
        .collect()
}

fn wide(array: &Array) -> Result<Array> {
    match array.dtype() {
        Dtype::Float32 => ops::astype(array, Dtype::Float64),
        _ => Ok(array.clone()),
    }
}

/// The unit vectors, or some drawn vectors if those are many.
fn directions(like: &[Vec<f64>]) -> Vec<Vec<Vec<f64>>> {
    let zeros = || like.iter().map(|numbers| vec![0.0; numbers.len()]);
    let total: usize = like.iter().map(Vec::len).sum();
    if total > MOST_COORDINATES {
        let drawn = |seed: u64| {
            let numbered = like.iter().zip(seed..);
            numbered
                .map(|(numbers, seed)| direction(numbers.len(), seed))
                .collect()
        };
        return (0..8).map(|number| drawn(100 + 10 * number)).collect();
    }
    let places = like
        .iter()
        .enumerate()
        .flat_map(|(input, numbers)| (0..numbers.len()).map(move |place| (input, place)));
    places
        .map(|(input, place)| {
            let mut unit: Vec<Vec<f64>> = zeros().collect();
            unit[input][place] = 1.0;
            unit
        })
        .collect()
}

fn position(directions: &[Vec<f64>]) -> String {
    let numbered = directions.iter().enumerate();
    let mut places = numbered.flat_map(|(input, numbers)| {
        let nonzero = numbers
            .iter()
            .enumerate()
            .filter(|(_, number)| **number != 0.0);
        nonzero.map(move |(place, _)| (input, place))
    });
    match (places.next(), places.next()) {
        (Some((input, place)), None) => format!("by coordinate {place} of variable {input}"),
        _ => "along a drawn direction".to_owned(),
    }
}

fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_coordinates_are_taken_one_by_one() {
        let all = directions(&[vec![0.0; 2], vec![0.0; 3]]);
        assert_eq!(all.len(), 5);
        assert_eq!(position(&all[3]), "by coordinate 1 of variable 1");
        assert_eq!(directions(&[vec![0.0; 500]]).len(), 8);
    }

    #[test]
    fn not_a_number_is_near_nothing() {
        assert!(!near(f64::NAN, 1.0, 1.0));
        assert!(near(1.5, 1.0, 0.5));
    }
}
