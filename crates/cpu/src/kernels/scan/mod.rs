//! Cumulative operations: along the last axis row by row ([`along`]), along others with an
//! accumulator for each column ([`across`]).

mod across;
mod along;
mod kinds;
mod relay;
#[cfg(test)]
mod tests;

use super::declined;
use super::reduce::kinds::{Max, Min, Prod, Sum};
use crate::simd::Isa;
use crate::{with_element, with_float};
use kinds::{ComplexLogSum, Count, LogSum, Running};
use mlx_oxide_ir::{ArrayType, Dtype, Result, Scan, ScanKind};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;

pub(crate) fn supports(_op: &Scan, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &Scan, call: &Call<'_>) -> Result<Results> {
    run_with(op, call, Isa::best())
}

/// Runs the call on an instruction set.
fn run_with(op: &Scan, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    match op.kind {
        ScanKind::Sum if dtype == Dtype::Bool => scan::<Count>(op, call, isa),
        ScanKind::Sum => with_element!(dtype, T => scan::<Sum<T>>(op, call, isa)),
        ScanKind::Prod => with_element!(dtype, T => scan::<Prod<T>>(op, call, isa)),
        ScanKind::Max => with_element!(dtype, T => scan::<Max<T>>(op, call, isa)),
        ScanKind::Min => with_element!(dtype, T => scan::<Min<T>>(op, call, isa)),
        ScanKind::LogAddExp if dtype.is_complex() => scan::<ComplexLogSum>(op, call, isa),
        ScanKind::LogAddExp => {
            with_float!(dtype, T => scan::<LogSum<T>>(op, call, isa), Err(declined(call)))
        }
    }
}

fn scan<F: Running>(op: &Scan, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let output = &call.outputs[0];
    debug_assert_eq!(output.dtype.size(), size_of::<F::Out>());
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    if output.size() > 0 {
        let results = buffer.host_ptr()?.as_ptr().cast::<F::Out>();
        let after: usize = output.shape[op.axis + 1..].iter().product();
        if after == 1 {
            along::run::<F>(op, &call.inputs[0], results, isa)?;
        } else {
            across::run::<F>(op, &call.inputs[0], results, isa)?;
        }
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}
