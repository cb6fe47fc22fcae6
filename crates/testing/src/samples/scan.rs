//! Cumulative operations.

use crate::sample::{InputSpec, Sample, Values};
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Dtype, Op, Scan, ScanKind};

const KINDS: [ScanKind; 5] = [
    ScanKind::Sum,
    ScanKind::Prod,
    ScanKind::Max,
    ScanKind::Min,
    ScanKind::LogAddExp,
];

pub(super) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for dtype in Dtype::ALL {
        for kind in KINDS {
            if kind != ScanKind::LogAddExp || dtype.is_inexact() {
                samples.extend(of(kind, dtype));
            }
        }
    }
    samples
}

fn of(kind: ScanKind, dtype: Dtype) -> Vec<Sample> {
    let mut samples = Vec::new();
    for reverse in [false, true] {
        for inclusive in [false, true] {
            let scan = |axis| Scan {
                kind,
                axis,
                reverse,
                inclusive,
            };
            for axis in 0..3 {
                samples.push(at(scan(axis), dtype, &[3, 7, 2]));
            }
            samples.push(at(scan(0), dtype, &[519]));
            samples.push(at(scan(0), dtype, &[2, 0]));
            if dtype.is_floating() {
                samples.push(edges(scan(1), dtype));
            }
        }
    }
    samples
}

fn label(scan: Scan, what: &str) -> String {
    let direction = if scan.reverse { "backward" } else { "forward" };
    let first = if scan.inclusive {
        "inclusive"
    } else {
        "exclusive"
    };
    format!("{what} along {} {direction} {first}", scan.axis)
}

fn at(scan: Scan, dtype: Dtype, shape: &[usize]) -> Sample {
    let values = match scan.kind {
        ScanKind::Sum | ScanKind::LogAddExp => Values::Between(-2.0, 2.0),
        // near 1, that products of many neither vanish nor overflow
        ScanKind::Prod if dtype.is_inexact() => Values::Distinct(0.9, 1.1),
        ScanKind::Prod => Values::Between(-3.0, 3.0),
        ScanKind::Max | ScanKind::Min => Values::Distinct(-2.0, 2.0),
    };
    let input = InputSpec::new(shape, dtype, values);
    let sample = Sample::new(
        &label(scan, &format!("{shape:?}")),
        Op::Scan(scan),
        vec![input],
    )
    .within(tolerance(scan.kind, dtype, shape[scan.axis]));
    match scan.kind {
        _ if shape.len() == 1 => sample, // differences would be slow
        ScanKind::Sum | ScanKind::Prod | ScanKind::LogAddExp => sample.differentiable(),
        ScanKind::Max | ScanKind::Min => sample.differentiable(),
    }
}

fn tolerance(kind: ScanKind, dtype: Dtype, terms: usize) -> Tolerance {
    match kind {
        ScanKind::Sum => Tolerance::sum(dtype, terms, 2.0),
        ScanKind::Prod if dtype.is_complex() => Tolerance::stages(dtype, terms as f64, 0.0),
        // the products stay below ten
        ScanKind::Prod => Tolerance::sum(dtype, terms, 10.0),
        ScanKind::Max | ScanKind::Min => Tolerance::EXACT,
        // every stage rounds a result of up to 2 + ln(terms)
        ScanKind::LogAddExp => Tolerance::sum(dtype, terms, 10.0),
    }
}

fn edges(scan: Scan, dtype: Dtype) -> Sample {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let rows = [
        [1.0, nan, 2.0, -1.0],
        [1.0, inf, 2.0, inf],
        [-inf, -inf, 1.0, -inf],
        [0.5, -inf, inf, 1.0],
        [0.0, -0.0, 0.0, -0.0],
    ];
    let input = InputSpec::new([5, 4], dtype, Values::Exactly(rows.concat()));
    Sample::new(&label(scan, "edges"), Op::Scan(scan), vec![input])
        .within(tolerance(scan.kind, dtype, 4))
}
