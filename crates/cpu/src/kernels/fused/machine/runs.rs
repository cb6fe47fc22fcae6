//! Which steps become code together.

use super::line::{is_function, is_integer, is_single};
use crate::kernels::fused::lane::Formula;
use crate::kernels::fused::lower::{Lowered, Step};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, Unary};
use smallvec::SmallVec;
use std::ops::Range;

/// Steps below which the loop of each is as good.
const SHORTEST: usize = 2;

/// The longest ranges of neighbouring steps that code can be made of.
pub(in crate::kernels::fused) fn runs(lowered: &Lowered) -> SmallVec<[Range<usize>; 2]> {
    let steps = &lowered.steps[..];
    let mut found = SmallVec::new();
    let mut start = 0;
    while start < steps.len() {
        let length = steps[start..]
            .iter()
            .take_while(|step| is_simple(step, lowered.isa))
            .count();
        if length >= SHORTEST {
            found.push(start..start + length);
        }
        start += length.max(1);
    }
    found
}

/// Whether code can be made of all steps.
pub(in crate::kernels::fused) fn are_simple(lowered: &Lowered) -> bool {
    let mut steps = lowered.steps.iter();
    steps.all(|step| is_simple(step, lowered.isa))
}

/// Whether the step is a few instructions in single precision, or of truths, or a function that there
/// are enough registers for.
fn is_simple(step: &Step, isa: Isa) -> bool {
    let Some((formula, dtype)) = step.formula else {
        return false;
    };
    match formula {
        Formula::Widen | Formula::Narrow | Formula::Round => true,
        Formula::Cast(to) => is_simple_cast(dtype, to),
        Formula::Unary(op) if dtype == Dtype::Bool => {
            matches!(op, Unary::LogicalNot | Unary::BitwiseInvert)
        }
        Formula::Binary(op) if dtype == Dtype::Bool => is_logical(op),
        // without AVX-512 there are not all ways of comparing integers
        Formula::Binary(op) if is_integer(dtype) => {
            is_simple_of_integers(op) || (isa == Isa::Avx512 && is_comparison(op))
        }
        Formula::Select if is_integer(dtype) => true,
        _of_other_lanes if !is_single(dtype) => false,
        Formula::Unary(op) | Formula::Applied(op, ..) => {
            // with rounding between, there are too few registers to work on several at a time
            let has_registers = isa == Isa::Avx512 && dtype == Dtype::Float32;
            is_simple_unary(op) || (has_registers && is_function(op))
        }
        Formula::Binary(op) => is_simple_binary(op) || is_comparison(op),
        Formula::Rounded(op) | Formula::Elements(op) => is_simple_binary(op),
        Formula::Chain(first, second, _) => is_simple_binary(first) && is_simple_binary(second),
        Formula::WhereNan | Formula::Select => true,
    }
}

fn is_simple_cast(from: Dtype, to: Dtype) -> bool {
    match from {
        Dtype::Bool | Dtype::Int32 => is_single(to),
        _other => is_single(from) && (is_single(to) || to == Dtype::Bool),
    }
}

fn is_logical(op: Binary) -> bool {
    use Binary::{BitwiseAnd, BitwiseOr, BitwiseXor, LogicalAnd, LogicalOr};
    matches!(
        op,
        BitwiseAnd | BitwiseOr | BitwiseXor | LogicalAnd | LogicalOr
    )
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

fn is_simple_of_integers(op: Binary) -> bool {
    use Binary::{Add, BitwiseAnd, BitwiseOr, BitwiseXor, Maximum, Minimum, Multiply, Subtract};
    matches!(
        op,
        Add | Subtract | Multiply | Maximum | Minimum | BitwiseAnd | BitwiseOr | BitwiseXor
    )
}

fn is_comparison(op: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(
        op,
        Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual
    )
}
