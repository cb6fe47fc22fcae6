//! The contraction of two terms.

use super::{Label, Term, sum_out};
use crate::array::Array;
use crate::ops::{binary, contract, view};
use mlx_oxide_ir::{Axes, Result, Shape};

/// The product of two terms, summed over the labels that are not kept.
pub(super) fn product(a: &Term, b: &Term, kept: &dyn Fn(&Label) -> bool) -> Result<Term> {
    let a = sum_out(copy(a), &|label| kept(label) || b.labels.contains(label))?;
    let b = sum_out(copy(b), &|label| kept(label) || a.labels.contains(label))?;
    let groups = Groups::of(&a, &b, kept);
    if groups.summed.is_empty() {
        elementwise(&a, &b, groups)
    } else {
        matrices(&a, &b, groups)
    }
}

fn copy(term: &Term) -> Term {
    Term {
        array: term.array.clone(),
        labels: term.labels.clone(),
    }
}

/// What becomes of the labels of two terms.
struct Groups {
    /// In both and in the result.
    shared: Vec<Label>,
    /// In both and summed.
    summed: Vec<Label>,
    /// In the left term alone.
    left: Vec<Label>,
    /// In the right term alone.
    right: Vec<Label>,
}

impl Groups {
    fn of(a: &Term, b: &Term, kept: &dyn Fn(&Label) -> bool) -> Self {
        let pick = |term: &Term, wanted: &dyn Fn(&Label) -> bool| {
            term.labels
                .iter()
                .copied()
                .filter(|label| wanted(label))
                .collect()
        };
        Groups {
            shared: pick(a, &|label| b.labels.contains(label) && kept(label)),
            summed: pick(a, &|label| b.labels.contains(label) && !kept(label)),
            left: pick(a, &|label| !b.labels.contains(label)),
            right: pick(b, &|label| !a.labels.contains(label)),
        }
    }
}

fn size_of(term: &Term, label: &Label) -> usize {
    let axis = term.labels.iter().position(|own| own == label);
    axis.map_or(1, |axis| term.array.shape()[axis])
}

/// The axes of a term in the order of `labels`, all of which it has.
fn permute(term: &Term, labels: &[Label]) -> Result<Array> {
    let order: Axes = labels
        .iter()
        .filter_map(|label| term.labels.iter().position(|own| own == label))
        .collect();
    view::permute(&term.array, order)
}

/// No label is summed: a broadcast product, which takes every dtype.
fn elementwise(a: &Term, b: &Term, groups: Groups) -> Result<Term> {
    let labels = [groups.shared, groups.left, groups.right].concat();
    let aligned = |term: &Term| {
        let own: Vec<Label> = labels
            .iter()
            .copied()
            .filter(|label| term.labels.contains(label))
            .collect();
        let shape: Shape = labels.iter().map(|label| size_of(term, label)).collect();
        view::reshape_to(&permute(term, &own)?, shape)
    };
    Ok(Term {
        array: binary::multiply(&aligned(a)?, &aligned(b)?)?,
        labels,
    })
}

/// Labels are summed: a batch of matrix products.
fn matrices(a: &Term, b: &Term, groups: Groups) -> Result<Term> {
    let size = |label: &Label| match size_of(a, label) {
        1 => size_of(b, label),
        size => size,
    };
    let sizes = |labels: &[Label]| labels.iter().map(size).collect::<Vec<usize>>();
    let (shared, summed) = (sizes(&groups.shared), sizes(&groups.summed));
    let (left, right) = (sizes(&groups.left), sizes(&groups.right));
    // every size of one is stretched, so that axes can be joined
    let stretched = |term: &Term, labels: &[Label], shape: &[usize], joined: [usize; 2]| {
        let full: Shape = shape.iter().copied().collect();
        let array = view::stretch_to(&permute(term, labels)?, full)?;
        let batch: Shape = shared.iter().copied().chain(joined).collect();
        view::reshape_to(&array, batch)
    };
    let extent = |sizes: &[usize]| sizes.iter().product::<usize>();
    let lhs = stretched(
        a,
        &[&groups.shared[..], &groups.left, &groups.summed].concat(),
        &[&shared[..], &left, &summed].concat(),
        [extent(&left), extent(&summed)],
    )?;
    let rhs = stretched(
        b,
        &[&groups.shared[..], &groups.summed, &groups.right].concat(),
        &[&shared[..], &summed, &right].concat(),
        [extent(&summed), extent(&right)],
    )?;
    let product = contract::matmul(&lhs, &rhs)?;
    let shape: Shape = [shared, left, right].concat().into_iter().collect();
    Ok(Term {
        array: view::reshape_to(&product, shape)?,
        labels: [groups.shared, groups.left, groups.right].concat(),
    })
}
