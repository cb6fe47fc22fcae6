//! Which steps become code together.

use crate::kernels::fused::lane::Formula;
use crate::kernels::fused::lower::{Lowered, Step};
use mlx_oxide_ir::{Binary, Dtype, Unary};
use smallvec::SmallVec;
use std::ops::Range;

/// Steps below which the loop of each is as good.
const SHORTEST: usize = 2;

/// The longest ranges of neighbouring steps that code can be made of.
pub(in crate::kernels::fused) fn runs(lowered: &Lowered) -> SmallVec<[Range<usize>; 2]> {
    let steps = &lowered.steps[..];
    let mut simple: SmallVec<[bool; 16]> = steps.iter().map(is_simple).collect();
    // a comparison without its selections leaves others without their comparison
    while let Some(step) =
        (0..steps.len()).find(|&step| simple[step] && !is_closed(step, &simple, lowered))
    {
        simple[step] = false;
    }
    let mut found = SmallVec::new();
    let mut start = 0;
    while start < steps.len() {
        let length = simple[start..].iter().take_while(|simple| **simple).count();
        if length >= SHORTEST {
            found.push(start..start + length);
        }
        start += length.max(1);
    }
    found
}

/// Whether the step is a few instructions in single precision.
fn is_simple(step: &Step) -> bool {
    match step.formula {
        Some((formula, Dtype::Float32)) => match formula {
            Formula::Unary(op) | Formula::Applied(op, ..) => is_simple_unary(op),
            Formula::Binary(op) => is_simple_binary(op) || is_comparison(op),
            Formula::Chain(first, second, _) => is_simple_binary(first) && is_simple_binary(second),
            Formula::WhereNan | Formula::Select => true,
        },
        _other => false,
    }
}

fn is_simple_unary(op: Unary) -> bool {
    use Unary::{Abs, Ceil, Floor, Negative, RoundEven, Rsqrt, Sqrt, Square};
    matches!(
        op,
        Abs | Negative | Square | Sqrt | Rsqrt | Ceil | Floor | RoundEven
    )
}

fn is_simple_binary(op: Binary) -> bool {
    use Binary::{Add, Divide, FloorDivide, Maximum, Minimum, Multiply, Subtract};
    matches!(
        op,
        Add | Subtract | Multiply | Divide | FloorDivide | Maximum | Minimum
    )
}

fn is_comparison(op: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(
        op,
        Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual
    )
}

/// Whether the step compares.
fn compares(step: &Step) -> bool {
    matches!(step.formula, Some((Formula::Binary(op), _)) if is_comparison(op))
}

/// Whether the step selects.
fn selects(step: &Step) -> bool {
    matches!(step.formula, Some((Formula::Select, _)))
}

/// Whether the truths that the step makes or takes stay within its run, where they are not bytes.
fn is_closed(step: usize, simple: &[bool], lowered: &Lowered) -> bool {
    let steps = &lowered.steps[..];
    let together = |other: usize| {
        simple[step.min(other)..step.max(other)]
            .iter()
            .all(|it| *it)
    };
    if compares(&steps[step]) {
        let truths = steps[step].destination;
        if lowered.is_output(truths) {
            return false;
        }
        for (later, taking) in steps.iter().enumerate().skip(step + 1) {
            let [condition, chosen, other] = taking.operands;
            let takes = condition == truths && selects(taking) && simple[later] && together(later);
            if [chosen, other].contains(&truths) || (condition == truths && !takes) {
                return false;
            }
            if taking.destination == truths {
                break;
            }
        }
        return true;
    }
    if selects(&steps[step]) {
        let condition = steps[step].operands[0];
        let maker = (0..step).rfind(|&maker| steps[maker].destination == condition);
        return maker
            .is_some_and(|maker| compares(&steps[maker]) && simple[maker] && together(maker));
    }
    true
}
