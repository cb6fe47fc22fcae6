//! Every variant of every family has a sample.

use mlx_oxide_ir::{
    Binary, Combine, Contract, Extreme, Fast, Fft, Index, Linalg, Op, Quantized, Random,
    ReduceKind, ScanKind, SingularVectors, Sort, Source, Unary, View,
};
use mlx_oxide_testing::{Sample, samples};
use std::collections::BTreeSet;

/// A name for each variant and the list of all names, from one list that the compiler keeps
/// complete: `names! { name LIST Type { Pattern => "name", … } }` makes the function `name` by one
/// match and the constant `LIST`.
macro_rules! names {
    ($function:ident $list:ident $type:ty { $($pattern:pat => $name:literal,)* }) => {
        fn $function(variant: &$type) -> &'static str {
            match variant { $($pattern => $name),* }
        }
        const $list: &[&str] = &[$($name),*];
    };
}

names! { source SOURCES Source {
    Source::Full { .. } => "full",
    Source::Arange { .. } => "arange",
    Source::Placeholder(_) => "placeholder",
}}

names! { view VIEWS View {
    View::Reshape(_) => "reshape",
    View::Permute(_) => "permute",
    View::Broadcast(_) => "broadcast",
    View::Slice(_) => "slice",
    View::Bitcast(_) => "bitcast",
    View::AsStrided(_) => "as_strided",
    View::StopGradient => "stop_gradient",
    View::Contiguous => "contiguous",
}}

names! { index INDICES Index {
    Index::Concatenate { .. } => "concatenate",
    Index::Pad(_) => "pad",
    Index::SliceUpdate { .. } => "slice_update",
    Index::DynamicSlice { .. } => "dynamic_slice",
    Index::DynamicSliceUpdate { .. } => "dynamic_slice_update",
    Index::Gather { .. } => "gather",
    Index::Scatter { .. } => "scatter",
    Index::TakeAlongAxis { .. } => "take_along_axis",
    Index::ScatterAlongAxis { .. } => "scatter_along_axis",
}}

names! { combine COMBINATIONS Combine {
    Combine::Replace => "replace",
    Combine::Add => "add",
    Combine::Multiply => "multiply",
    Combine::Maximum => "maximum",
    Combine::Minimum => "minimum",
}}

names! { reduce REDUCTIONS ReduceKind {
    ReduceKind::Sum => "sum",
    ReduceKind::Prod => "prod",
    ReduceKind::Max => "max",
    ReduceKind::Min => "min",
    ReduceKind::All => "all",
    ReduceKind::Any => "any",
    ReduceKind::LogSumExp => "logsumexp",
}}

names! { extreme EXTREMES Extreme {
    Extreme::Max => "max",
    Extreme::Min => "min",
}}

names! { scan SCANS ScanKind {
    ScanKind::Sum => "sum",
    ScanKind::Prod => "prod",
    ScanKind::Max => "max",
    ScanKind::Min => "min",
    ScanKind::LogAddExp => "logaddexp",
}}

names! { sort SORTS Sort {
    Sort::Sort { .. } => "sort",
    Sort::Argsort { .. } => "argsort",
    Sort::Partition { .. } => "partition",
    Sort::Argpartition { .. } => "argpartition",
    Sort::Searchsorted { .. } => "searchsorted",
}}

names! { contract CONTRACTIONS Contract {
    Contract::Matmul => "matmul",
    Contract::Addmm { .. } => "addmm",
    Contract::GatherMatmul { .. } => "gather_matmul",
    Contract::Convolution(_) => "convolution",
}}

names! { fft FOURIER Fft {
    Fft::Forward { .. } => "forward",
    Fft::Inverse { .. } => "inverse",
    Fft::RealForward { .. } => "real_forward",
    Fft::RealInverse { .. } => "real_inverse",
}}

names! { linalg ALGEBRA Linalg {
    Linalg::Cholesky { upper: false } => "cholesky",
    Linalg::Cholesky { upper: true } => "cholesky_upper",
    Linalg::Lu => "lu",
    Linalg::Qr => "qr",
    Linalg::Svd { vectors: SingularVectors::None } => "svd_values",
    Linalg::Svd { vectors: SingularVectors::Thin } => "svd_thin",
    Linalg::Svd { vectors: SingularVectors::Full } => "svd_full",
    Linalg::PseudoInverse { .. } => "pseudo_inverse",
    Linalg::Eigh { vectors: false, .. } => "eigh_values",
    Linalg::Eigh { vectors: true, .. } => "eigh",
    Linalg::Eig { vectors: false } => "eig_values",
    Linalg::Eig { vectors: true } => "eig",
    Linalg::Inverse => "inverse",
    Linalg::Solve => "solve",
    Linalg::SolveTriangular { upper: false, .. } => "solve_lower",
    Linalg::SolveTriangular { upper: true, .. } => "solve_upper",
    Linalg::Determinant => "determinant",
    Linalg::LogDeterminant => "log_determinant",
    Linalg::LuFactors => "lu_factors",
}}

names! { random RANDOMS Random {
    Random::Bits { .. } => "bits",
}}

names! { fast FASTS Fast {
    Fast::Softmax { .. } => "softmax",
    Fast::RmsNorm { .. } => "rms_norm",
    Fast::LayerNorm { .. } => "layer_norm",
    Fast::Rope { .. } => "rope",
    Fast::Attention { .. } => "attention",
    Fast::NormGradient { .. } => "norm_gradient",
    Fast::Recurrent { .. } => "recurrent",
}}

names! { quantized QUANTIZED Quantized {
    Quantized::Quantize { .. } => "quantize",
    Quantized::Dequantize { .. } => "dequantize",
    Quantized::Requantize { .. } => "requantize",
    Quantized::Matmul { .. } => "matmul",
    Quantized::GatherMatmul { .. } => "gather_matmul",
    Quantized::ToFp8 => "to_fp8",
    Quantized::FromFp8 { .. } => "from_fp8",
}}

names! { family FAMILIES Op {
    Op::Source(_) => "source",
    Op::Unary(_) => "unary",
    Op::Binary(_) => "binary",
    Op::Select => "select",
    Op::Cast(_) => "cast",
    Op::View(_) => "view",
    Op::Index(_) => "index",
    Op::Reduce(_) => "reduce",
    Op::ArgReduce(_) => "arg_reduce",
    Op::Scan(_) => "scan",
    Op::Sort(_) => "sort",
    Op::Contract(_) => "contract",
    Op::Fft(_) => "fft",
    Op::Linalg(_) => "linalg",
    Op::Random(_) => "random",
    Op::Fast(_) => "fast",
    Op::Quantized(_) => "quantized",
    Op::Fused(_) => "fused",
    Op::FusedReduce(_) => "fused_reduce",
    Op::Custom(_) => "custom",
}}

/// Fails unless the names that `name` finds in the samples are exactly those listed.
fn covered(listed: &[&'static str], name: impl Fn(&Op) -> Option<&'static str>) {
    let found: BTreeSet<_> = samples().iter().filter_map(|s| name(&s.op)).collect();
    assert_eq!(found, listed.iter().copied().collect());
}

#[test]
fn every_family_has_a_sample() {
    covered(FAMILIES, |op| Some(family(op)));
    for sample in samples() {
        assert_eq!(sample.family(), family(&sample.op));
    }
}

#[test]
fn every_elementwise_operation_has_a_sample() {
    let unary: Vec<_> = Unary::ALL.iter().map(|unary| unary.name()).collect();
    covered(&unary, |op| match op {
        Op::Unary(unary) => Some(unary.name()),
        _ => None,
    });
    let binary: Vec<_> = Binary::ALL.iter().map(|binary| binary.name()).collect();
    covered(&binary, |op| match op {
        Op::Binary(binary) => Some(binary.name()),
        _ => None,
    });
}

#[test]
fn every_source_but_the_valueless_has_a_sample() {
    let valued: Vec<_> = SOURCES
        .iter()
        .copied()
        .filter(|n| *n != "placeholder")
        .collect();
    covered(&valued, |op| match op {
        Op::Source(op) => Some(source(op)),
        _ => None,
    });
}

#[test]
fn every_movement_has_a_sample() {
    covered(VIEWS, |op| match op {
        Op::View(op) => Some(view(op)),
        _ => None,
    });
    covered(INDICES, |op| match op {
        Op::Index(op) => Some(index(op)),
        _ => None,
    });
    for scattering in ["slice_update", "scatter", "scatter_along_axis"] {
        covered(COMBINATIONS, |op| match op {
            Op::Index(op) if index(op) == scattering => match op {
                Index::SliceUpdate { combine: how, .. }
                | Index::Scatter { combine: how, .. }
                | Index::ScatterAlongAxis { combine: how, .. } => Some(combine(how)),
                _ => None,
            },
            _ => None,
        });
    }
}

#[test]
fn every_accumulation_has_a_sample() {
    covered(REDUCTIONS, |op| match op {
        Op::Reduce(op) => Some(reduce(&op.kind)),
        _ => None,
    });
    covered(EXTREMES, |op| match op {
        Op::ArgReduce(op) => Some(extreme(&op.extreme)),
        _ => None,
    });
    covered(SCANS, |op| match op {
        Op::Scan(op) => Some(scan(&op.kind)),
        _ => None,
    });
}

#[test]
fn every_other_operation_has_a_sample() {
    covered(SORTS, |op| match op {
        Op::Sort(op) => Some(sort(op)),
        _ => None,
    });
    covered(CONTRACTIONS, |op| match op {
        Op::Contract(op) => Some(contract(op)),
        _ => None,
    });
    covered(FOURIER, |op| match op {
        Op::Fft(op) => Some(fft(op)),
        _ => None,
    });
    covered(ALGEBRA, |op| match op {
        Op::Linalg(op) => Some(linalg(op)),
        _ => None,
    });
    covered(QUANTIZED, |op| match op {
        Op::Quantized(op) => Some(quantized(op)),
        _ => None,
    });
    covered(RANDOMS, |op| match op {
        Op::Random(op) => Some(random(op)),
        _ => None,
    });
    covered(FASTS, |op| match op {
        Op::Fast(op) => Some(fast(op)),
        _ => None,
    });
}

#[test]
fn names_are_unique_and_derivatives_have_inputs() {
    let all = samples();
    let names: BTreeSet<&str> = all.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    let inexact = |sample: &Sample| sample.inputs.iter().any(|input| input.dtype.is_inexact());
    assert!(
        all.iter()
            .all(|sample| !sample.differentiable || inexact(sample))
    );
    assert!(all.iter().filter(|sample| sample.differentiable).count() > 400);
}
