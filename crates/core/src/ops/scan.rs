//! Cumulative operations.

use super::{unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::{Op, Result, Scan, ScanKind, normalize_axis};

pub(crate) fn scan(
    a: &Array,
    kind: ScanKind,
    axis: Option<i64>,
    reverse: bool,
    inclusive: bool,
) -> Result<Array> {
    shapeless::call(
        || Call::Scan {
            kind,
            axis,
            reverse,
            inclusive,
        },
        &[a],
        || {
            let Some(axis) = axis else {
                let flat = view::reshape_to(a, [a.size()])?;
                return scan(&flat, kind, Some(0), reverse, inclusive);
            };
            let op = Scan {
                kind,
                axis: 0,
                reverse,
                inclusive,
            }
            .name();
            let axis = normalize_axis(op, axis, a.ndim())?;
            Array::apply(
                Op::Scan(Scan {
                    kind,
                    axis,
                    reverse,
                    inclusive,
                }),
                &[a],
            )
        },
    )
}

macro_rules! scans {
    ($($name:ident $kind:ident $formula:literal;)*) => {$(
        #[doc = $formula]
        ///
        /// Along an axis, or of the flat array; from the end if `reverse`; element `i` itself
        /// takes part in result `i` if `inclusive`.
        pub fn $name(
            a: &Array,
            axis: Option<i64>,
            reverse: bool,
            inclusive: bool,
        ) -> Result<Array> {
            scan(a, ScanKind::$kind, axis, reverse, inclusive)
        }
    )*};
}
scans! {
    cumsum Sum "Sums of the elements so far.";
    cumprod Prod "Products of the elements so far.";
    cummax Max "The greatest element so far.";
    cummin Min "The least element so far.";
}

/// `ln Σ eˣ` of the elements so far; see [`cumsum`].
pub fn logcumsumexp(a: &Array, axis: Option<i64>, reverse: bool, inclusive: bool) -> Result<Array> {
    let real = unary::astype(a, a.dtype().at_least_float())?;
    scan(&real, ScanKind::LogAddExp, axis, reverse, inclusive)
}
