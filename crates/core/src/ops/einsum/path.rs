//! The order of contractions.

use super::Label;
use super::equation::Equation;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// In which order terms are contracted, and what that costs beside all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Numbers of the terms that each step takes from the list; the result goes to its end.
    pub steps: Vec<Vec<usize>>,
    text: String,
    naive: Cost,
    optimized: Cost,
}

/// What contractions cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// The most labels in one step.
    scaling: usize,
    /// Multiplications and additions.
    operations: u128,
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  Complete contraction:  {}", self.text)?;
        writeln!(formatter, "         Naive scaling:  {}", self.naive.scaling)?;
        writeln!(
            formatter,
            "     Optimized scaling:  {}",
            self.optimized.scaling
        )?;
        writeln!(
            formatter,
            "      Naive FLOP count:  {}",
            self.naive.operations
        )?;
        writeln!(
            formatter,
            "  Optimized FLOP count:  {}",
            self.optimized.operations
        )
    }
}

type Labels = BTreeSet<Label>;

struct Candidate {
    pair: (usize, usize),
    result: Labels,
    union: Labels,
    /// Elements that the list of terms loses by this step.
    freed: i128,
    cost: u128,
}

/// Contracts, each time, the two terms that free the most elements, the cheaper of equals;
/// everything at once where that is no better.
pub(super) fn greedy(equation: &Equation) -> Path {
    let output: Labels = equation.output.iter().copied().collect();
    let mut terms: Vec<Labels> = equation
        .inputs
        .iter()
        .map(|labels| labels.iter().copied().collect())
        .collect();
    let all: Labels = terms.iter().flatten().copied().collect();
    let naive = Cost {
        scaling: all.len(),
        operations: operations(&equation.sizes, &all, all.len() > output.len(), terms.len()),
    };
    let whole = Path {
        steps: vec![(0..terms.len()).collect()],
        text: equation.text.clone(),
        naive,
        optimized: naive,
    };
    if terms.len() <= 2 {
        return whole;
    }
    let mut steps = Vec::new();
    let mut optimized = Cost {
        scaling: 0,
        operations: 0,
    };
    while terms.len() > 1 {
        let Some(best) = best_pair(&equation.sizes, &terms, &output) else {
            break;
        };
        optimized.scaling = optimized.scaling.max(best.union.len());
        optimized.operations = optimized.operations.saturating_add(best.cost);
        let (first, second) = best.pair;
        terms.remove(second);
        terms.remove(first);
        terms.push(best.result);
        steps.push(vec![first, second]);
    }
    if optimized.operations > naive.operations {
        return whole;
    }
    Path {
        steps,
        optimized,
        ..whole
    }
}

fn best_pair(
    sizes: &BTreeMap<Label, usize>,
    terms: &[Labels],
    output: &Labels,
) -> Option<Candidate> {
    let pairs = (0..terms.len()).flat_map(|i| (i + 1..terms.len()).map(move |j| (i, j)));
    let (joined, apart): (Vec<_>, Vec<_>) =
        pairs.partition(|&(i, j)| !terms[i].is_disjoint(&terms[j]));
    let pairs = if joined.is_empty() { apart } else { joined };
    pairs
        .into_iter()
        .map(|pair| candidate(sizes, terms, output, pair))
        .min_by_key(|candidate| (-candidate.freed, candidate.cost))
}

fn candidate(
    sizes: &BTreeMap<Label, usize>,
    terms: &[Labels],
    output: &Labels,
    (first, second): (usize, usize),
) -> Candidate {
    let union: Labels = terms[first].union(&terms[second]).copied().collect();
    let needed = |label: &Label| {
        let elsewhere = terms.iter().enumerate();
        output.contains(label)
            || elsewhere
                .filter(|(number, _)| *number != first && *number != second)
                .any(|(_, labels)| labels.contains(label))
    };
    let result: Labels = union
        .iter()
        .copied()
        .filter(|label| needed(label))
        .collect();
    let elements = |labels: &Labels| i128::try_from(elements(sizes, labels)).unwrap_or(i128::MAX);
    let freed = elements(&terms[first])
        .saturating_add(elements(&terms[second]))
        .saturating_sub(elements(&result));
    let cost = operations(sizes, &union, union.len() > result.len(), 2);
    Candidate {
        pair: (first, second),
        result,
        union,
        freed,
        cost,
    }
}

fn elements(sizes: &BTreeMap<Label, usize>, labels: &Labels) -> u128 {
    labels.iter().fold(1u128, |product, label| {
        product.saturating_mul(sizes.get(label).copied().unwrap_or(1) as u128)
    })
}

/// One multiplication for each term but the first, and an addition where labels are summed.
fn operations(sizes: &BTreeMap<Label, usize>, labels: &Labels, summed: bool, terms: usize) -> u128 {
    let each = (terms.max(2) - 1) as u128 + u128::from(summed);
    elements(sizes, labels).saturating_mul(each)
}
