//! One operation on described inputs, as data.

use crate::tolerance::Tolerance;
use mlx_oxide_ir::{ArrayType, Dtype, Op, Shape};

/// Which values an input holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Spread evenly over a range, both parts of a complex number each for itself; integers
    /// include both ends, unsigned ones begin at zero.
    Between(f64, f64),
    /// As [`Values::Between`], no two alike and in no order: extremes and orders are unique.
    Distinct(f64, f64),
    /// As [`Values::Between`], in ascending row-major order.
    Ascending(f64, f64),
    /// First every edge value of the dtype (NaN, infinities, zeros, subnormals, the ends of the
    /// range), such that two inputs meet in every combination; then [`Values::Between`].
    Edges(f64, f64),
    /// The edge values of moderate size: without the greatest numbers of the dtype.
    ModerateEdges(f64, f64),
    /// Positions on an axis of this size, negative ones too where the dtype has them.
    Indices(usize),
    /// These numbers in turn.
    Exactly(Vec<f64>),
}

/// How the elements of an input lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Row-major without gaps.
    Contiguous,
    /// As [`Arrangement::Contiguous`], and the operation may reuse the memory.
    Donated,
    /// The first axis innermost.
    Transposed,
    /// Every second element along the last axis, from an offset.
    Sliced,
    /// Backwards along every axis.
    Reversed,
    /// The first axis longer than 1 stretched, with stride zero.
    Broadcast,
}

impl Arrangement {
    /// Every arrangement.
    pub const ALL: [Arrangement; 6] = [
        Arrangement::Contiguous,
        Arrangement::Donated,
        Arrangement::Transposed,
        Arrangement::Sliced,
        Arrangement::Reversed,
        Arrangement::Broadcast,
    ];
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Sizes along the axes.
    pub shape: Shape,
    /// Element type.
    pub dtype: Dtype,
    /// Which values.
    pub values: Values,
    /// How they lie in memory.
    pub arrangement: Arrangement,
}

impl InputSpec {
    /// A contiguous input.
    pub fn new(shape: impl Into<Shape>, dtype: Dtype, values: Values) -> Self {
        InputSpec {
            shape: shape.into(),
            dtype,
            values,
            arrangement: Arrangement::Contiguous,
        }
    }

    /// Shape and dtype.
    pub fn array_type(&self) -> ArrayType {
        ArrayType::new(self.shape.clone(), self.dtype)
    }
}

/// When two results of an operation count as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Element by element.
    Elements,
    /// The same elements along `axis`, ordered around position `kth` alone.
    Partition {
        /// The axis.
        axis: usize,
        /// The position.
        kth: usize,
    },
    /// Numbers along the last axis, and what goes with each as the columns of the second output,
    /// in any common order.
    AnyOrder,
    /// Positions along `axis` that partition input 0 around position `kth`.
    PartitionPositions {
        /// The axis.
        axis: usize,
        /// The position.
        kth: usize,
    },
}

/// An operation on inputs.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is called in messages.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// Its inputs.
    pub inputs: Vec<InputSpec>,
    /// How near results must be.
    pub tolerance: Tolerance,
    /// When results count as the same.
    pub agreement: Agreement,
    /// Whether the derivative by every inexact input that is not held can be checked against
    /// differences here, and its second derivative by differences of the first.
    pub differentiable: bool,
    /// Inexact inputs that derivatives are not taken by.
    pub held: Vec<usize>,
    /// Whether the operation reads one triangle of a Hermitian input 0: transforms are then
    /// checked of the operation after `(A + Aᴴ)/2`, since a derivative by one of two equal
    /// elements is a convention.
    pub hermitian: bool,
}

impl Sample {
    /// A sample that must agree exactly and whose derivatives are not checked.
    pub fn new(label: &str, op: Op, inputs: Vec<InputSpec>) -> Self {
        let dtype = match inputs.first() {
            Some(input) => format!(" {}", input.dtype),
            None => String::new(),
        };
        Sample {
            name: format!("{}{dtype} {label}", op.name()),
            op,
            inputs,
            tolerance: Tolerance::EXACT,
            agreement: Agreement::Elements,
            differentiable: false,
            held: Vec::new(),
            hermitian: false,
        }
    }

    /// The same with this tolerance.
    pub fn within(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The same with this notion of agreement.
    pub fn agreeing(mut self, agreement: Agreement) -> Self {
        self.agreement = agreement;
        self
    }

    /// The same with derivatives to check, if the dtypes are precise enough for that.
    pub fn differentiable(mut self) -> Self {
        self.differentiable = self.has_differences();
        self
    }

    /// The same for Hermitian matrices.
    pub fn hermitian(mut self) -> Self {
        self.hermitian = true;
        self
    }

    /// Differences need precision: no 16-bit floats.
    fn has_differences(&self) -> bool {
        let is_precise =
            |dtype| matches!(dtype, Dtype::Float32 | Dtype::Float64 | Dtype::Complex64);
        let mut inexact = self
            .inputs
            .iter()
            .map(|input| input.dtype)
            .filter(|dtype| dtype.is_inexact())
            .peekable();
        inexact.peek().is_some() && inexact.all(is_precise)
    }

    /// The same with every input laid out in this way.
    pub fn arranged(&self, arrangement: Arrangement) -> Self {
        let mut sample = self.clone();
        sample.name = format!("{} {arrangement:?}", self.name);
        for input in &mut sample.inputs {
            input.arrangement = arrangement;
        }
        sample
    }

    /// The same with every input laid out in another way.
    pub fn mixed(&self) -> Self {
        let mut sample = self.clone();
        sample.name = format!("{} Mixed", self.name);
        let arrangements = [
            Arrangement::Transposed,
            Arrangement::Contiguous,
            Arrangement::Broadcast,
            Arrangement::Sliced,
        ];
        for (input, arrangement) in sample.inputs.iter_mut().zip(arrangements.iter().cycle()) {
            input.arrangement = *arrangement;
        }
        sample
    }

    /// The family that the operation belongs to.
    pub fn family(&self) -> &'static str {
        match self.op {
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
        }
    }
}
