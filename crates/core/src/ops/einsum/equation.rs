//! Reading subscripts.

use super::Label;
use crate::array::Array;
use mlx_oxide_ir::{Error, Result};
use std::collections::BTreeMap;

/// First of the characters that stand for axes of ellipses, from the last axis to the first.
const FIRST_ELLIPSIS_AXIS: u32 = 0xE000;

/// Subscripts that fit their operands, ellipses spelled out.
pub(super) struct Equation {
    /// Labels of each operand's axes.
    pub(super) inputs: Vec<Vec<Label>>,
    /// Labels of the result's axes.
    pub(super) output: Vec<Label>,
    /// Size of each label.
    pub(super) sizes: BTreeMap<Label, usize>,
    /// The subscripts as written.
    pub(super) text: String,
}

pub(super) fn no_operands() -> Error {
    Error::InputCount {
        op: "einsum",
        expected: 1,
        found: 0,
    }
}

fn malformed(value: impl Into<String>, expected: &'static str) -> Error {
    Error::InvalidArgument {
        op: "einsum",
        argument: "subscripts",
        value: value.into(),
        expected,
    }
}

impl Equation {
    pub(super) fn parse(subscripts: &str, operands: &[&Array]) -> Result<Self> {
        if operands.is_empty() {
            return Err(no_operands());
        }
        let plain: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match plain.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (plain.as_str(), None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != operands.len() {
            return Err(Error::InputCount {
                op: "einsum",
                expected: terms.len(),
                found: operands.len(),
            });
        }
        let inputs: Vec<Vec<Label>> = terms
            .iter()
            .zip(operands)
            .map(|(term, operand)| input_labels(term, operand))
            .collect::<Result<_>>()?;
        let sizes = sizes(&inputs, operands)?;
        let output = match right {
            Some(right) => explicit_output(right, &inputs)?,
            None => implicit_output(&inputs),
        };
        Ok(Equation {
            inputs,
            output,
            sizes,
            text: subscripts.to_owned(),
        })
    }
}

/// The labels of a term, in which an ellipsis has `ellipsis` axes.
fn labels(term: &str, ellipsis: usize) -> Result<Vec<Label>> {
    let mut labels = Vec::new();
    let mut parts = term.split("...");
    let letters = |part: &str, labels: &mut Vec<Label>| {
        for character in part.chars() {
            if !character.is_ascii_alphabetic() {
                return Err(malformed(
                    term,
                    "letters and at most one ellipsis for each operand",
                ));
            }
            labels.push(character);
        }
        Ok(())
    };
    letters(parts.next().unwrap_or(""), &mut labels)?;
    let Some(after) = parts.next() else {
        return Ok(labels);
    };
    for axis in (0..ellipsis as u32).rev() {
        labels.extend(char::from_u32(FIRST_ELLIPSIS_AXIS + axis));
    }
    letters(after, &mut labels)?;
    match parts.next() {
        None => Ok(labels),
        Some(_) => Err(malformed(term, "at most one ellipsis for each operand")),
    }
}

fn input_labels(term: &str, operand: &Array) -> Result<Vec<Label>> {
    let named = labels(term, 0)?.len();
    let fits = match term.contains("...") {
        true => named <= operand.ndim(),
        false => named == operand.ndim(),
    };
    if !fits {
        return Err(Error::ShapeUnsuitable {
            op: "einsum",
            rule: "each operand must have one axis for each of its subscripts",
            shape: operand.shape().clone(),
        });
    }
    labels(term, operand.ndim() - named)
}

fn sizes(inputs: &[Vec<Label>], operands: &[&Array]) -> Result<BTreeMap<Label, usize>> {
    let mut sizes = BTreeMap::new();
    for (labels, operand) in inputs.iter().zip(operands) {
        let mut own = BTreeMap::new();
        for (label, &size) in labels.iter().zip(operand.shape().iter()) {
            let known = sizes.entry(*label).or_insert(size);
            let repeated = own.insert(*label, size).is_some_and(|other| other != size);
            if repeated || (*known != size && *known != 1 && size != 1) {
                return Err(Error::ShapeUnsuitable {
                    op: "einsum",
                    rule: "the sizes of one subscript must agree",
                    shape: operand.shape().clone(),
                });
            }
            if *known == 1 {
                *known = size;
            }
        }
    }
    Ok(sizes)
}

fn explicit_output(right: &str, inputs: &[Vec<Label>]) -> Result<Vec<Label>> {
    let ellipsis = inputs
        .iter()
        .map(|labels| labels.iter().filter(|label| !label.is_ascii()).count())
        .max()
        .unwrap_or(0);
    let output = labels(right, ellipsis)?;
    for (place, label) in output.iter().enumerate() {
        if output[..place].contains(label) {
            return Err(malformed(right, "an output without repeated subscripts"));
        }
        if !inputs.iter().any(|labels| labels.contains(label)) {
            return Err(malformed(
                right,
                "an output of subscripts that operands have",
            ));
        }
    }
    Ok(output)
}

fn implicit_output(inputs: &[Vec<Label>]) -> Vec<Label> {
    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    for label in inputs.iter().flatten() {
        *counts.entry(*label).or_insert(0) += 1;
    }
    let mut ellipsis: Vec<Label> = counts.keys().copied().filter(|l| !l.is_ascii()).collect();
    ellipsis.reverse();
    let once = counts
        .iter()
        .filter(|(label, count)| label.is_ascii() && **count == 1);
    ellipsis
        .into_iter()
        .chain(once.map(|(label, _)| *label))
        .collect()
}
