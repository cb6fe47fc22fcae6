//! Selection, conversion and fused programs.

use super::{FLOATING, between, distinct, exactly};
use crate::sample::{InputSpec, Sample, Values};
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{
    Binary, Dtype, Instruction, Op, Reduce, ReduceKind, ReducedProgram, ScalarOp, ScalarProgram,
    Unary, ValueIndex,
};
use std::sync::Arc;

pub(super) fn samples() -> Vec<Sample> {
    let select = Dtype::ALL.iter().flat_map(|&dtype| select(dtype));
    let cast = Dtype::ALL
        .iter()
        .flat_map(|&from| Dtype::ALL.iter().flat_map(move |&to| cast(from, to)));
    let fused = FLOATING.iter().flat_map(|&dtype| fused(dtype));
    let reduced = Dtype::ALL.iter().flat_map(|&dtype| reduced(dtype));
    let all = select.chain(cast).chain(fused).chain(typed());
    all.chain(reduced).collect()
}

fn select(dtype: Dtype) -> Vec<Sample> {
    let of = |label: &str, shape: &[usize], values: Values| {
        let condition = between(shape, Dtype::Bool, 0.0, 1.0);
        let on_true = InputSpec::new(shape, dtype, values.clone());
        let on_false = InputSpec::new(shape, dtype, values);
        let mut sample = Sample::new(label, Op::Select, vec![condition, on_true, on_false]);
        sample.name = format!("where {dtype} {label}");
        sample
    };
    vec![
        of("inside", &[2, 3, 7], Values::Between(-9.0, 9.0)).differentiable(),
        of("scalar", &[], Values::Between(-9.0, 9.0)).differentiable(),
        of("empty", &[3, 0], Values::Between(-9.0, 9.0)).differentiable(),
        of("edges", &[1031], Values::Edges(-9.0, 9.0)),
    ]
}

fn cast(from: Dtype, to: Dtype) -> Vec<Sample> {
    // what a float beyond the integers becomes differs between processors
    let within = from.is_inexact() && to.is_integer();
    let low = if to.is_unsigned_integer() && within {
        0.0
    } else {
        -99.0
    };
    let sample = |label: &str, input| {
        let label = format!("to {to} {label}");
        Sample::new(&label, Op::Cast(to), vec![input])
    };
    let inside = sample("inside", between([2, 3, 7], from, low, 99.0));
    let long = if within {
        between([1031], from, low, 99.0)
    } else {
        InputSpec::new([1031], from, Values::Edges(low, 99.0))
    };
    let both = from.is_inexact() && to.is_inexact() && to.size() >= 4;
    vec![
        if both {
            inside.differentiable()
        } else {
            inside
        },
        sample("scalar", between([], from, low, 99.0)),
        sample("edges", long),
    ]
}

/// Writes a program step by step.
struct Writer(ScalarProgram);

impl Writer {
    fn new(inputs: &[Dtype]) -> Self {
        Writer(ScalarProgram {
            inputs: inputs.to_vec(),
            instructions: Vec::new(),
            outputs: Vec::new(),
        })
    }

    fn push(&mut self, op: ScalarOp, operands: &[ValueIndex], dtype: Dtype) -> ValueIndex {
        self.0.instructions.push(Instruction {
            op,
            operands: operands.into(),
            dtype,
        });
        self.0.result_of(self.0.instructions.len() - 1)
    }

    fn unary(&mut self, op: Unary, operand: ValueIndex) -> ValueIndex {
        let dtype = op.result_dtype(self.0.dtype(operand));
        self.push(ScalarOp::Unary(op), &[operand], dtype)
    }

    fn binary(&mut self, op: Binary, lhs: ValueIndex, rhs: ValueIndex) -> ValueIndex {
        let dtype = op.result_dtype(self.0.dtype(lhs));
        self.push(ScalarOp::Binary(op), &[lhs, rhs], dtype)
    }

    fn select(&mut self, condition: ValueIndex, yes: ValueIndex, no: ValueIndex) -> ValueIndex {
        let dtype = self.0.dtype(yes);
        self.push(ScalarOp::Select, &[condition, yes, no], dtype)
    }

    fn cast(&mut self, operand: ValueIndex, dtype: Dtype) -> ValueIndex {
        self.push(ScalarOp::Cast, &[operand], dtype)
    }

    fn finish(mut self, outputs: &[ValueIndex]) -> Op {
        self.0.outputs = outputs.to_vec();
        Op::Fused(Arc::new(self.0))
    }
}

/// Chains of exactly rounded steps must agree exactly: nothing is contracted, and every step
/// rounds to its own dtype.
fn fused(dtype: Dtype) -> Vec<Sample> {
    let mut writer = Writer::new(&[dtype; 3]);
    let product = writer.binary(Binary::Multiply, 0, 1);
    let sum = writer.binary(Binary::Add, product, 2);
    let square = writer.unary(Unary::Square, sum);
    let quotient = writer.binary(Binary::Divide, square, 1);
    let arithmetic = writer.finish(&[sum, quotient]);

    let mut writer = Writer::new(&[dtype; 2]);
    let power = writer.unary(Unary::Exp, 0);
    let sigmoid = writer.unary(Unary::Sigmoid, 1);
    let product = writer.binary(Binary::Multiply, power, sigmoid);
    let functions = writer.finish(&[product]);

    let shapes: [&[usize]; 4] = [&[2, 3, 7], &[], &[0], &[1031]];
    let mut samples = Vec::new();
    for shape in shapes {
        let inputs = |count: usize| vec![distinct(shape, dtype, 0.5, 2.0); count];
        samples.push(Sample::new(
            &format!("arithmetic {shape:?}"),
            arithmetic.clone(),
            inputs(3),
        ));
        let functions = Sample::new(
            &format!("functions {shape:?}"),
            functions.clone(),
            inputs(2),
        );
        // a 16-bit factor one step off is one or two off in the product
        let steps = if dtype.size() == 2 { 3 } else { 10 };
        samples.push(functions.within(Tolerance::steps(steps)));
    }
    samples
}

/// Programs of several dtypes.
fn typed() -> Vec<Sample> {
    let mut writer = Writer::new(&[Dtype::Int32, Dtype::Float32, Dtype::Bfloat16]);
    let count = writer.cast(0, Dtype::Float32);
    let less = writer.binary(Binary::Less, count, 1);
    let wide = writer.cast(2, Dtype::Float32);
    let chosen = writer.select(less, wide, count);
    let narrow = writer.cast(chosen, Dtype::Float16);
    let not = writer.unary(Unary::LogicalNot, less);
    let mixed = writer.finish(&[narrow, not, chosen]);

    let mut writer = Writer::new(&[Dtype::Complex64, Dtype::Complex64]);
    let sum = writer.binary(Binary::Add, 0, 1);
    let conjugate = writer.unary(Unary::Conjugate, sum);
    let part = writer.unary(Unary::Imag, conjugate);
    let doubled = writer.binary(Binary::Add, part, part);
    let complex = writer.finish(&[conjugate, doubled]);

    let mut writer = Writer::new(&[Dtype::Uint8, Dtype::Uint8]);
    let wrapped = writer.binary(Binary::Multiply, 0, 1);
    let shifted = writer.binary(Binary::RightShift, wrapped, 1);
    let wide = writer.cast(shifted, Dtype::Int64);
    let negative = writer.unary(Unary::Negative, wide);
    let integers = writer.finish(&[wrapped, negative]);

    let shapes: [&[usize]; 3] = [&[3, 5, 4], &[0, 2], &[1031]];
    let mut samples = Vec::new();
    for shape in shapes {
        let label = |kind: &str| format!("{kind} {shape:?}");
        let inputs = vec![
            between(shape, Dtype::Int32, -9.0, 9.0),
            between(shape, Dtype::Float32, -9.0, 9.0),
            between(shape, Dtype::Bfloat16, -9.0, 9.0),
        ];
        samples.push(Sample::new(&label("mixed"), mixed.clone(), inputs));
        let inputs = vec![between(shape, Dtype::Complex64, -9.0, 9.0); 2];
        samples.push(Sample::new(&label("complex"), complex.clone(), inputs));
        let inputs = vec![
            between(shape, Dtype::Uint8, 0.0, 255.0),
            exactly(shape, Dtype::Uint8, &[0.0, 1.0, 3.0, 7.0, 8.0, 200.0]),
        ];
        samples.push(Sample::new(&label("integers"), integers.clone(), inputs));
    }
    samples
}

/// Programs with a reduction of one value, alone and beside outputs that are needed whole; of small
/// integers, whose sums are exact.
fn reduced(dtype: Dtype) -> Vec<Sample> {
    let places: [(&[usize], &[usize]); 6] = [
        (&[1031], &[0]),
        (&[40, 70], &[0]),
        (&[40, 70], &[0, 1]),
        (&[3, 5, 66], &[0, 1]),
        (&[3, 70, 5], &[1]),
        (&[0, 3], &[0]),
    ];
    let kinds = [
        ReduceKind::Sum,
        ReduceKind::Max,
        ReduceKind::Any,
        ReduceKind::Prod,
    ];
    let mut samples = Vec::new();
    for (kind, (shape, axes)) in kinds
        .iter()
        .flat_map(|kind| places.map(|place| (*kind, place)))
    {
        if kind == ReduceKind::Max && shape.contains(&0) {
            continue; // no extreme of nothing
        }
        for whole in [false, true] {
            let (op, label) = of_sum(dtype, kind, axes, whole);
            let numbers: &[f64] = match kind {
                ReduceKind::Prod => &[1.0, 0.0, 1.0, 0.0, 0.0],
                _ => &[1.0, 3.0, 0.0, 2.0, 1.0, 0.0, 0.0],
            };
            let inputs = vec![
                exactly(shape, dtype, numbers),
                exactly(shape, dtype, &[0.0, 1.0, 0.0]),
            ];
            samples.push(Sample::new(
                &format!("{label} {dtype} {shape:?}"),
                op,
                inputs,
            ));
        }
    }
    samples
}

/// A reduction of the larger of two operands, which is an output itself if `whole`.
fn of_sum(dtype: Dtype, kind: ReduceKind, axes: &[usize], whole: bool) -> (Op, String) {
    let mut writer = Writer::new(&[dtype; 2]);
    let greater = writer.binary(Binary::Maximum, 0, 1);
    let value = writer.binary(Binary::Minimum, greater, 0);
    if whole {
        writer.0.outputs = vec![value, greater];
    }
    let reduced = ReducedProgram {
        program: writer.0,
        value,
        reduce: Reduce {
            kind,
            axes: axes.into(),
        },
    };
    let label = format!("{kind:?} over {axes:?} whole {whole}");
    (Op::FusedReduce(Arc::new(reduced)), label)
}
