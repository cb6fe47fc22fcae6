//! Einstein summation: products of arrays by named axes, contracted two at a time.

mod equation;
mod pair;
mod path;

pub use path::Path;

use super::{diagonal, reduce, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use equation::Equation;
use mlx_oxide_ir::{Axes, Result};

/// A name of an axis: a letter, or a private character for an axis of an ellipsis.
type Label = char;

/// An array with named axes.
struct Term {
    array: Array,
    labels: Vec<Label>,
}

/// The sum of products that `subscripts` describes: `"ij,jk->ik"` is the product of matrices.
///
/// Without an arrow the result has the axes of the ellipsis, then the labels that occur once, in
/// alphabetical order. Sizes of one label must agree or be one. Contractions of two arrays are
/// matrix products and take their dtypes.
///
/// # Errors
/// Malformed subscripts, or some that do not fit the operands.
pub fn einsum(subscripts: &str, operands: &[&Array]) -> Result<Array> {
    shapeless::call(
        || Call::Einsum(subscripts.to_owned()),
        operands,
        || {
            let equation = Equation::parse(subscripts, operands)?;
            let mut terms: Vec<Term> = operands
                .iter()
                .zip(&equation.inputs)
                .map(|(array, labels)| take_diagonals(array, labels))
                .collect::<Result<_>>()?;
            for step in path::greedy(&equation).steps {
                contract(&equation, &mut terms, &step)?;
            }
            match terms.pop() {
                Some(term) => arrange(term, &equation.output),
                None => Err(equation::no_operands()),
            }
        },
    )
}

/// The order in which [`einsum`] contracts, and what it costs.
pub fn einsum_path(subscripts: &str, operands: &[&Array]) -> Result<Path> {
    Ok(path::greedy(&Equation::parse(subscripts, operands)?))
}

/// Contracts the terms of one step, in order of their numbers, and puts the result last.
fn contract(equation: &Equation, terms: &mut Vec<Term>, step: &[usize]) -> Result<()> {
    let mut taken: Vec<Term> = Vec::new();
    for number in step.iter().rev() {
        taken.insert(0, terms.remove(*number));
    }
    let mut remaining = taken.into_iter();
    let Some(mut result) = remaining.next() else {
        return Ok(());
    };
    while let Some(next) = remaining.next() {
        let kept = |label: &Label| {
            equation.output.contains(label)
                || remaining
                    .as_slice()
                    .iter()
                    .any(|term| term.labels.contains(label))
                || terms.iter().any(|term| term.labels.contains(label))
        };
        result = pair::product(&result, &next, &kept)?;
    }
    terms.push(result);
    Ok(())
}

/// Repeated labels of one operand name its diagonal.
fn take_diagonals(array: &Array, labels: &[Label]) -> Result<Term> {
    let mut term = Term {
        array: array.clone(),
        labels: labels.to_vec(),
    };
    while let Some((first, second)) = repeated(&term.labels) {
        let label = term.labels.remove(second);
        term.labels.remove(first);
        term.labels.push(label);
        term.array = diagonal::diagonal(&term.array, 0, first as i64, second as i64)?;
    }
    Ok(term)
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    labels.iter().enumerate().find_map(|(second, label)| {
        let first = labels[..second].iter().position(|other| other == label)?;
        Some((first, second))
    })
}

/// The last term with its axes summed and ordered as the output has them.
fn arrange(term: Term, output: &[Label]) -> Result<Array> {
    let term = sum_out(term, &|label| output.contains(label))?;
    let order: Axes = output
        .iter()
        .filter_map(|label| term.labels.iter().position(|own| own == label))
        .collect();
    view::permute(&term.array, order)
}

/// The term summed over the labels that are not kept.
fn sum_out(term: Term, kept: &dyn Fn(&Label) -> bool) -> Result<Term> {
    let axes: Vec<i64> = (0..term.labels.len())
        .filter(|axis| !kept(&term.labels[*axis]))
        .map(|axis| axis as i64)
        .collect();
    if axes.is_empty() {
        return Ok(term);
    }
    Ok(Term {
        array: reduce::sum(&term.array, Some(&axes), false)?,
        labels: term
            .labels
            .into_iter()
            .filter(|label| kept(label))
            .collect(),
    })
}
