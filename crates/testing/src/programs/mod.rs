//! Random functions of arrays: what transforms promise of every function, they promise of these.
//!
//! A [`Program`] is a list of public operations on earlier values. [`Program::random`] draws one
//! whose operations all fit their operands' types; printed, it says how to run it again.

mod draw;
mod elementwise;
mod flow;
mod shaping;
mod sums;
mod verify;

pub use draw::Numbers;
pub use verify::{verify, verify_program};

use crate::coordinates::from_scalars;
use draw::Draw;
use mlx_oxide_core::{Array, ops, transforms};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{ArrayType, Dtype, Result, Scalar};
use std::fmt;

/// One operation that programs are made of.
struct Kind {
    name: &'static str,
    /// Chooses operands and parameters; none if no value suits.
    draw: fn(&mut Draw<'_>) -> Option<()>,
    apply: fn(&[Array], &[i64]) -> Result<Array>,
}

/// One step of a program.
struct Step {
    kind: &'static Kind,
    /// Earlier values: the inputs, then the results of the steps.
    operands: Vec<usize>,
    numbers: Vec<i64>,
    array_type: ArrayType,
}

/// How an input lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Dense,
    /// The axes in opposite order.
    Transposed,
    /// Every other element of a larger array.
    Strided,
    /// From the last to the first.
    Reversed,
    /// One slice, stretched.
    Stretched,
}

/// A random function and its inputs.
pub struct Program {
    seed: u64,
    inputs: Vec<(ArrayType, Lie)>,
    steps: Vec<Step>,
}

const DTYPES: [Dtype; 16] = [
    Dtype::Float32,
    Dtype::Float32,
    Dtype::Float32,
    Dtype::Float32,
    Dtype::Float16,
    Dtype::Bfloat16,
    Dtype::Float64,
    Dtype::Complex64,
    Dtype::Int32,
    Dtype::Int64,
    Dtype::Int8,
    Dtype::Int16,
    Dtype::Uint8,
    Dtype::Uint32,
    Dtype::Uint64,
    Dtype::Bool,
];

fn kinds() -> impl Iterator<Item = &'static Kind> {
    let all = [elementwise::KINDS, shaping::KINDS, sums::KINDS, flow::KINDS];
    all.into_iter().flatten()
}

impl Program {
    /// The program that a seed decides: 5 to 40 operations.
    ///
    /// # Errors
    /// An operation that refuses operands which suit it.
    pub fn random(seed: u64) -> Result<Program> {
        let mut numbers = Numbers::new(seed);
        let inputs = inputs(&mut numbers);
        let mut types: Vec<ArrayType> = inputs.iter().map(|input| input.0.clone()).collect();
        let kinds: Vec<&'static Kind> = kinds().collect();
        let length = 5 + numbers.below(36);
        let mut steps: Vec<Step> = Vec::with_capacity(length);
        while steps.len() < length {
            let kind = kinds[numbers.below(kinds.len())];
            let mut draw = Draw::new(&mut numbers, &types);
            if (kind.draw)(&mut draw).is_none() {
                continue;
            }
            let (operands, parameters) = draw.finish();
            let given: Vec<Array> = operands
                .iter()
                .map(|operand| ops::zeros(types[*operand].shape.clone(), types[*operand].dtype))
                .collect::<Result<_>>()?;
            let array_type = (kind.apply)(&given, &parameters)?.array_type().clone();
            if array_type.shape.size() > draw::MOST_ELEMENTS || array_type.shape.ndim() > 5 {
                continue;
            }
            types.push(array_type.clone());
            steps.push(Step {
                kind,
                operands,
                numbers: parameters,
                array_type,
            });
        }
        Ok(Program {
            seed,
            inputs,
            steps,
        })
    }

    /// Arrays for its inputs, evaluated, some of them views.
    ///
    /// # Errors
    /// None are expected.
    pub fn inputs(&self) -> Result<Vec<Array>> {
        let mut numbers = Numbers::new(!self.seed);
        let inputs = self.inputs.iter();
        inputs
            .map(|(array_type, lie)| {
                let array = lay(array_type, *lie, &mut numbers)?;
                array.eval()?;
                Ok(array)
            })
            .collect()
    }

    /// The inputs that gradients may be taken by.
    pub fn variables(&self) -> Vec<usize> {
        let inputs = 0..self.inputs.len();
        inputs
            .filter(|input| self.inputs[*input].0.dtype.is_inexact())
            .collect()
    }

    /// The least precise dtype that it computes with.
    pub fn coarsest(&self) -> Dtype {
        let inputs = self.inputs.iter().map(|input| input.0.dtype);
        let all = inputs.chain(self.steps.iter().map(|step| step.array_type.dtype));
        let epsilon = crate::tolerance::epsilon;
        all.max_by(|a, b| epsilon(*a).total_cmp(&epsilon(*b)))
            .unwrap_or(Dtype::Float32)
    }

    /// Its outputs: the results that no step takes.
    ///
    /// # Errors
    /// Those of the operations, which all suit their operands.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let mut values = inputs.to_vec();
        for step in &self.steps {
            let operands: Vec<Array> = step.operands.iter().map(|v| values[*v].clone()).collect();
            values.push((step.kind.apply)(&operands, &step.numbers)?);
        }
        let is_taken = |value: usize| self.steps.iter().any(|it| it.operands.contains(&value));
        let results = inputs.len()..values.len();
        Ok(results
            .filter(|value| !is_taken(*value))
            .map(|value| values[value].clone())
            .collect())
    }

    /// One number from `outputs`, which all inexact ones take part in.
    ///
    /// # Errors
    /// None are expected.
    pub fn loss(outputs: &[Array]) -> Result<Array> {
        let mut total = Array::scalar(0.0f32)?;
        for output in outputs {
            let mut parts = vec![output.clone()];
            if output.dtype().is_complex() {
                parts = vec![ops::real(output)?, ops::imag(output)?];
            }
            for part in parts.iter().filter(|part| part.dtype().is_inexact()) {
                let bounded = ops::sin(&ops::astype(part, Dtype::Float32)?)?;
                total = ops::add(&total, &ops::sum(&bounded, None, false)?)?;
            }
        }
        Ok(total)
    }

    /// The gradient of the loss by all [`variables`](Program::variables).
    ///
    /// # Errors
    /// None are expected.
    pub fn gradient(
        &self,
        run: impl Fn(&[Array]) -> Result<Vec<Array>>,
        inputs: &[Array],
    ) -> Result<Vec<Array>> {
        let loss = |inputs: &[Array]| Ok(vec![Self::loss(&run(inputs)?)?]);
        transforms::grad(loss, inputs, &self.variables())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "MLX_OXIDE_COMPILED_GRAPHS_SEED={}", self.seed)?;
        for (place, (array_type, lie)) in self.inputs.iter().enumerate() {
            writeln!(formatter, "  v{place}: {array_type:?} {lie:?}")?;
        }
        for (place, step) in self.steps.iter().enumerate() {
            let place = place + self.inputs.len();
            let operands: Vec<String> = step.operands.iter().map(|v| format!("v{v}")).collect();
            writeln!(
                formatter,
                "  v{place} = {}({}; {:?}): {:?}",
                step.kind.name,
                operands.join(", "),
                step.numbers,
                step.array_type,
            )?;
        }
        write!(formatter, "  returns what no step takes")
    }
}

/// Two to four inputs whose shapes broadcast more often than not; the first is single precision,
/// so that there always is a gradient.
fn inputs(numbers: &mut Numbers) -> Vec<(ArrayType, Lie)> {
    let extents: Vec<usize> = (0..3).map(|_| 1 + numbers.below(5)).collect();
    let count = 2 + numbers.below(3);
    (0..count)
        .map(|place| {
            let ndim = numbers.below(4);
            let mut shape = extents[3 - ndim..].to_vec();
            for extent in &mut shape {
                match numbers.below(24) {
                    0..4 => *extent = 1,
                    4 => *extent = 0,
                    _ => {}
                }
            }
            let dtype = DTYPES[if place == 0 {
                0
            } else {
                numbers.below(DTYPES.len())
            }];
            let lies = [
                Lie::Dense,
                Lie::Dense,
                Lie::Transposed,
                Lie::Strided,
                Lie::Reversed,
                Lie::Stretched,
            ];
            (
                ArrayType::new(shape, dtype),
                lies[numbers.below(lies.len())],
            )
        })
        .collect()
}

/// An array of a type that lies in memory in some way.
fn lay(array_type: &ArrayType, lie: Lie, numbers: &mut Numbers) -> Result<Array> {
    let shape = array_type.shape.to_vec();
    let filled = |shape: Vec<usize>, numbers: &mut Numbers| {
        let array_type = ArrayType::new(shape, array_type.dtype);
        let elements: Vec<Scalar> = (0..array_type.shape.size())
            .map(|_| element(array_type.dtype, numbers))
            .collect();
        from_scalars(&elements, &array_type)
    };
    let Some(last) = shape.len().checked_sub(1) else {
        return filled(shape, numbers);
    };
    match lie {
        Lie::Dense => filled(shape, numbers),
        Lie::Transposed => {
            let turned = shape.iter().rev().copied().collect();
            ops::transpose(&filled(turned, numbers)?, &[])
        }
        Lie::Strided => {
            let mut wide = shape.clone();
            wide[last] = 2 * wide[last] + 1;
            let mut ranges: Vec<SliceRange> = shape
                .iter()
                .map(|extent| SliceRange::full(*extent))
                .collect();
            ranges[last].start = 1;
            ranges[last].step = 2;
            ops::slice(&filled(wide, numbers)?, &ranges)
        }
        Lie::Reversed => ops::flip(&filled(shape, numbers)?, &[0]),
        Lie::Stretched => {
            let mut narrow = shape.clone();
            narrow[last] = narrow[last].min(1);
            ops::broadcast_to(&filled(narrow, numbers)?, shape)
        }
    }
}

fn element(dtype: Dtype, numbers: &mut Numbers) -> Scalar {
    let number = 1.5 * numbers.uniform();
    match dtype {
        Dtype::Bool => Scalar::new(f64::from(u8::from(number > 0.0)), dtype),
        dtype if dtype.is_unsigned_integer() => Scalar::new((number.abs() * 6.0).floor(), dtype),
        dtype if dtype.is_integer() => Scalar::new((number * 6.0).floor(), dtype),
        dtype if dtype.is_complex() => {
            let imaginary = 1.5 * numbers.uniform();
            let value = num_complex::Complex32::new(number as f32, imaginary as f32);
            Scalar::from_complex(value, dtype)
        }
        dtype => Scalar::new(number, dtype),
    }
}
