//! `vmap` against a loop.

use crate::backend::Evaluated;
use crate::compare::compare;
use crate::coordinates::mix;
use crate::graph;
use crate::sample::{Agreement, Sample};
use crate::trials::{Failure, Outcome};
use mlx_oxide_core::graph::{Graph, Step};
use mlx_oxide_core::{Array, ops, transforms};
use mlx_oxide_ir::{ArrayType, Dtype, Op, Result};

/// Slices of a mapped input.
pub(super) const SIZE: usize = 3;
/// Samples with more elements have the same rule as smaller ones.
const MOST_ELEMENTS: usize = 700;
/// Of more combinations of axes than this some are drawn.
const MOST_COMBINATIONS: usize = 24;

/// `vmap` of the operation gives, slice by slice, what the operation gives for each slice, for
/// every set of mapped inputs and every axis, counted from either end.
pub fn batching(sample: &Sample) -> Result<Outcome, Failure> {
    if let Some(reason) = unsuitable(sample) {
        return Ok(Outcome::Skipped(reason));
    }
    let slices = graph::slices(sample, SIZE)?;
    for (number, axes) in combinations(sample).into_iter().enumerate() {
        let out_axis = [0, -1][number % 2];
        let mapped = mapped(&slices, &axes)?;
        let found = transforms::vmap_with(graph::function(sample), &mapped, &axes, |outputs| {
            vec![Some(out_axis); outputs]
        });
        let found = found.map_err(|error| Failure(format!("over {axes:?}: {error}")))?;
        for slice in 0..SIZE {
            let arguments = arguments(&slices, &axes, slice);
            let expected = evaluated(graph::function(sample)(&arguments)?)?;
            let found: Vec<Array> = found
                .iter()
                .map(|output| ops::take(output, &Array::scalar(slice as i32)?, out_axis))
                .collect::<Result<_>>()?;
            compare(&sliced(sample), &evaluated(found)?, &expected).map_err(|mismatch| {
                Failure(format!("over {axes:?}, slice {slice}: {}", mismatch.detail))
            })?;
        }
    }
    Ok(Outcome::Passed)
}

/// Whether `vmap` over these axes computes the operation slice by slice: its graph then has it
/// more than once.
///
/// # Errors
/// Those of the rule.
pub fn loops(sample: &Sample, axes: &[Option<i64>]) -> Result<bool> {
    let mapped = mapped(&graph::slices(sample, SIZE)?, axes)?;
    let types: Vec<ArrayType> = mapped.iter().map(|it| it.array_type().clone()).collect();
    let function = |inputs: &[Array]| transforms::vmap(graph::function(sample), inputs, axes, &[]);
    let traced = Graph::trace(function, &types)?;
    let same = |step: &&Step| step.op.name() == sample.op.name();
    Ok(traced.steps.iter().filter(same).count() >= SIZE)
}

/// The samples that [`batching`] looks at.
pub fn is_suitable(sample: &Sample) -> bool {
    unsuitable(sample).is_none()
}

fn unsuitable(sample: &Sample) -> Option<&'static str> {
    let elements: usize = sample.inputs.iter().map(|input| input.shape.size()).sum();
    match sample.op {
        Op::Fused(_) | Op::FusedReduce(_) => Some("fused programs are made after transforms"),
        _ if sample.inputs.is_empty() => Some("no inputs"),
        _ if elements > MOST_ELEMENTS => Some("a larger sample of the same rule"),
        _ => None,
    }
}

/// Rules move what they are given alike in every dtype: those that kernels treat alike are mapped
/// over the first axes alone.
fn has_all_combinations(sample: &Sample) -> bool {
    matches!(
        sample.inputs[0].dtype,
        Dtype::Float32 | Dtype::Complex64 | Dtype::Int32 | Dtype::Bool
    )
}

/// For each input every axis, counted from the front, or none; counted from the end for every
/// second input and combination.
fn combinations(sample: &Sample) -> Vec<Vec<Option<i64>>> {
    let first: Vec<Option<i64>> = vec![Some(0); sample.inputs.len()];
    if !has_all_combinations(sample) {
        return vec![first];
    }
    let mut all: Vec<Vec<Option<i64>>> = vec![Vec::new()];
    for input in &sample.inputs {
        let ndim = input.shape.ndim() as i64;
        let choices = std::iter::once(None).chain((-ndim - 1..=ndim).map(Some));
        let choices: Vec<Option<i64>> = choices.collect();
        let extended = all.iter().flat_map(|axes| {
            let extend = |choice: &Option<i64>| [axes.as_slice(), &[*choice]].concat();
            choices.iter().map(extend).collect::<Vec<_>>()
        });
        all = extended.collect();
    }
    all.retain(|axes| axes.iter().any(Option::is_some));
    if all.len() <= MOST_COMBINATIONS {
        return all;
    }
    let mut chosen = each_set(sample);
    let drawn = (0..).map(|number| all[mix(number) as usize % all.len()].clone());
    let missing = MOST_COMBINATIONS.saturating_sub(chosen.len());
    chosen.extend(drawn.take(missing));
    chosen
}

/// Every set of mapped inputs once, over drawn axes; of many inputs, each alone and all.
pub fn each_set(sample: &Sample) -> Vec<Vec<Option<i64>>> {
    let count = sample.inputs.len();
    let sets: Vec<u32> = match count {
        0..=4 => (1..1 << count).collect(),
        _ => (0..count)
            .map(|input| 1 << input)
            .chain([(1 << count) - 1])
            .collect(),
    };
    let axis = |set: u32, input: usize| {
        let ndim = sample.inputs[input].shape.ndim() as i64;
        let drawn = mix(u64::from(set) * 31 + input as u64) % (2 * ndim as u64 + 2);
        (set >> input & 1 == 1).then_some(drawn as i64 - ndim - 1)
    };
    sets.into_iter()
        .map(|set| (0..count).map(|input| axis(set, input)).collect())
        .collect()
}

/// The inputs with mapped axes.
pub(super) fn mapped(slices: &[Vec<Array>], axes: &[Option<i64>]) -> Result<Vec<Array>> {
    let pairs = slices.iter().zip(axes);
    pairs
        .map(|(slices, axis)| match axis {
            None => Ok(slices[0].clone()),
            Some(axis) => ops::stack(&slices.iter().collect::<Vec<_>>(), *axis),
        })
        .collect()
}

/// The inputs of one slice.
pub(super) fn arguments(slices: &[Vec<Array>], axes: &[Option<i64>], slice: usize) -> Vec<Array> {
    let pairs = slices.iter().zip(axes);
    pairs
        .map(|(slices, axis)| slices[axis.map_or(0, |_| slice)].clone())
        .collect()
}

fn evaluated(arrays: Vec<Array>) -> Result<Vec<Evaluated>> {
    let evaluate = |array: &Array| {
        Ok(Evaluated {
            array_type: array.array_type().clone(),
            elements: array.to_scalars()?,
        })
    };
    arrays.iter().map(evaluate).collect()
}

/// The sample as it judges a slice, whose operand is not the sample's own: positions must be the
/// very same.
fn sliced(sample: &Sample) -> Sample {
    let mut sample = sample.clone();
    if let Agreement::PartitionPositions { .. } = sample.agreement {
        sample.agreement = Agreement::Elements;
    }
    sample
}
