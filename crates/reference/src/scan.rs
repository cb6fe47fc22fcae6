//! Cumulative operations along one axis.

use crate::binary;
use crate::elements::{Elements, lanes};
use crate::reduce::integer_as;
use crate::value::Value;
use mlx_oxide_ir::{Binary, Dtype, Result, Scan, ScanKind};
use mlx_oxide_runtime::{Call, Results};
use num_complex::Complex64;

pub(crate) fn run(scan: &Scan, call: &Call<'_>) -> Result<Results> {
    let operand = Elements::read(&call.inputs[0])?;
    let dtype = operand.dtype();
    let mut output = Elements::zeroed(&call.outputs[0]);
    for mut places in lanes(operand.shape(), scan.axis) {
        if scan.reverse {
            places.reverse();
        }
        let mut accumulated = identity(scan.kind, dtype);
        for place in places {
            let before = accumulated;
            accumulated = binary::apply(
                combination(scan.kind),
                accumulated,
                operand.get(place),
                dtype,
            );
            output.set(place, if scan.inclusive { accumulated } else { before });
        }
    }
    output.finish(scan.name())
}

fn combination(kind: ScanKind) -> Binary {
    match kind {
        ScanKind::Sum => Binary::Add,
        ScanKind::Prod => Binary::Multiply,
        ScanKind::Max => Binary::Maximum,
        ScanKind::Min => Binary::Minimum,
        ScanKind::LogAddExp => Binary::LogAddExp,
    }
}

/// What the first exclusive result is: combined with an element, it leaves the element.
fn identity(kind: ScanKind, dtype: Dtype) -> Value {
    match kind {
        ScanKind::Sum => integer_as(0, dtype),
        ScanKind::Prod => integer_as(1, dtype),
        ScanKind::Max => extreme(f64::NEG_INFINITY, least_integer(dtype), dtype),
        ScanKind::Min => extreme(f64::INFINITY, greatest_integer(dtype), dtype),
        ScanKind::LogAddExp if dtype.is_complex() => {
            Value::Complex(Complex64::new(f64::NEG_INFINITY, 0.0))
        }
        ScanKind::LogAddExp => Value::Real(f64::NEG_INFINITY),
    }
}

fn extreme(infinity: f64, integer: i128, dtype: Dtype) -> Value {
    if dtype.is_complex() {
        Value::Complex(Complex64::new(infinity, infinity))
    } else if dtype.is_floating() {
        Value::Real(infinity)
    } else {
        Value::Integer(integer)
    }
}

fn least_integer(dtype: Dtype) -> i128 {
    if dtype.is_signed_integer() {
        -1 << (8 * dtype.size() - 1)
    } else {
        0
    }
}

fn greatest_integer(dtype: Dtype) -> i128 {
    match dtype {
        Dtype::Bool => 1,
        dtype if dtype.is_signed_integer() => (1 << (8 * dtype.size() - 1)) - 1,
        dtype => (1 << (8 * dtype.size())) - 1,
    }
}
