//! Packed matrices and numbers of eight bits.

use super::{binary, contract, create, index, unary, view};
use crate::array::Array;
use mlx_oxide_ir::float8::{E2M1_MAX, E4M3_MAX};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{
    Dtype, Error, Op, Packing, QuantizationMode, Quantized, Result, Shape, result_type,
};

/// A packed matrix `(…, rows, columns)`.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Its elements, `(…, rows, columns·bits/32)` in `uint32`.
    pub words: Array,
    /// A scale for each group, `(…, rows, columns/group_size)`.
    pub scales: Array,
    /// A bias for each group, in mode affine.
    pub biases: Option<Array>,
}

impl Packed {
    fn map(&self, change: impl Fn(&Array) -> Result<Array>) -> Result<Packed> {
        Ok(Packed {
            words: change(&self.words)?,
            scales: change(&self.scales)?,
            biases: self.biases.as_ref().map(change).transpose()?,
        })
    }

    fn parts(&self) -> impl Iterator<Item = &Array> {
        [&self.words, &self.scales].into_iter().chain(&self.biases)
    }

    /// The leading axes; those of the words stand for all.
    fn leading(&self) -> &[usize] {
        let shape = self.words.shape();
        &shape[..shape.ndim().saturating_sub(2)]
    }

    /// The same with scales and biases of one floating dtype, `other` taken into account.
    fn promoted(
        &self,
        op: &'static str,
        packing: &Packing,
        other: Option<Dtype>,
    ) -> Result<(Packed, Option<Dtype>)> {
        let argument = |value: &str, expected| Error::InvalidArgument {
            op,
            argument: "biases",
            value: value.to_owned(),
            expected,
        };
        let biases = match (&self.biases, packing.has_biases()) {
            (Some(biases), true) => biases,
            (None, false) => return Ok((self.clone(), None)),
            (None, true) => return Err(argument("absent", "an array in mode affine")),
            (Some(_), false) => return Err(argument("an array", "none but in mode affine")),
        };
        let mut dtype = result_type(self.scales.dtype(), biases.dtype());
        if !dtype.is_floating() {
            return Err(Error::DtypeUnsupported {
                op,
                dtype,
                expected: "a real floating dtype for scales and biases",
            });
        }
        if let Some(other) = other {
            dtype = result_type(dtype, other);
        }
        let packed = Packed {
            words: self.words.clone(),
            scales: unary::astype(&self.scales, dtype)?,
            biases: Some(unary::astype(biases, dtype)?),
        };
        Ok((packed, Some(dtype)))
    }
}

fn scalar_input(
    op: &'static str,
    packing: &Packing,
    scale: Option<&Array>,
) -> Result<Option<Array>> {
    let Some(scale) = scale else {
        return Ok(None);
    };
    if packing.mode != QuantizationMode::Nvfp4 {
        return Err(Error::InvalidArgument {
            op,
            argument: "global_scale",
            value: "an array".to_owned(),
            expected: "none but in mode nvfp4",
        });
    }
    unary::astype(scale, Dtype::Float32).map(Some)
}

/// The matrix packed: groups of neighbours in a row share a scale and, in mode affine, a bias;
/// see [`Quantized::Quantize`] for the steps.
///
/// # Errors
/// Fewer than two axes; a last axis that is no multiple of the group size; a dtype other than
/// `float16`, `bfloat16` and `float32`; a global scale in another mode than nvfp4.
///
/// # Gradient
/// None: elements are rounded.
pub fn quantize(w: &Array, packing: Packing, global_scale: Option<&Array>) -> Result<Packed> {
    let scale = scalar_input("quantize", &packing, global_scale)?;
    let op = Quantized::Quantize {
        packing,
        global: scale.is_some(),
    };
    let inputs: Vec<&Array> = std::iter::once(w).chain(&scale).collect();
    let mut outputs = Array::apply_all(Op::Quantized(op), &inputs)?.into_iter();
    match (outputs.next(), outputs.next()) {
        (Some(words), Some(scales)) => Ok(Packed {
            words,
            scales,
            biases: outputs.next(),
        }),
        _ => Err(Error::Internal {
            op: "quantize",
            detail: "an output is missing".to_owned(),
        }),
    }
}

/// The numbers of a packed matrix, `scale·q + bias`, each step rounded to the dtype of scales and
/// biases in mode affine, else to the result's. The result's dtype is `dtype` or, if there is
/// none, that of scales and biases, `bfloat16` where those are no floats, `float32` where there is
/// a global scale.
///
/// # Errors
/// Words that are not `uint32`; scales or biases that do not fit them.
///
/// # Gradient
/// With respect to scales and biases in mode affine.
pub fn dequantize(
    packed: &Packed,
    packing: Packing,
    global_scale: Option<&Array>,
    dtype: Option<Dtype>,
) -> Result<Array> {
    const OP: &str = "dequantize";
    if let Some(dtype) = dtype.filter(|dtype| !dtype.is_floating()) {
        return Err(Error::DtypeUnsupported {
            op: OP,
            dtype,
            expected: "a real floating dtype",
        });
    }
    let (packed, own) = packed.promoted(OP, &packing, None)?;
    let scale = scalar_input(OP, &packing, global_scale)?;
    let default = if scale.is_some() {
        Dtype::Float32
    } else {
        Dtype::Bfloat16
    };
    let wanted = dtype.or(own).unwrap_or(default);
    // no format has more bits than single precision
    let computed = own.unwrap_or(match wanted {
        Dtype::Float64 => Dtype::Float32,
        wanted => wanted,
    });
    let op = Quantized::Dequantize {
        packing,
        dtype: computed,
        global: scale.is_some(),
    };
    let inputs: Vec<&Array> = packed.parts().chain(&scale).collect();
    unary::astype(&Array::apply(Op::Quantized(op), &inputs)?, wanted)
}

/// `x × wᵀ`, or `x × w` without `transpose`, with packed `w`. Leading axes broadcast; a vector is
/// a row whose axis is dropped from the result.
///
/// # Errors
/// Inner sizes that differ; scales or biases that do not fit the words; dtypes that are no floats
/// or have more than 32 bits.
///
/// # Gradient
/// With respect to `x` and, in mode affine, scales and biases.
pub fn quantized_matmul(
    x: &Array,
    packed: &Packed,
    transpose: bool,
    packing: Packing,
) -> Result<Array> {
    product("quantized_matmul", x, packed, transpose, packing)
}

fn product(
    op: &'static str,
    x: &Array,
    packed: &Packed,
    transpose: bool,
    packing: Packing,
) -> Result<Array> {
    let (packed, dtype) = packed.promoted(op, &packing, Some(x.dtype()))?;
    let x = unary::astype(x, dtype.unwrap_or(x.dtype()))?;
    if x.ndim() == 0 {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "a scalar is no matrix",
            shape: x.shape().clone(),
        });
    }
    if x.ndim() == 1 {
        let row = view::expand_dims(&x, &[0])?;
        let product = product(op, &row, &packed, transpose, packing)?;
        return view::squeeze(&product, Some(&[-2]));
    }
    let operation = Op::Quantized(Quantized::Matmul { packing, transpose });
    let apply = |x: &Array, packed: &Packed| {
        let inputs: Vec<&Array> = std::iter::once(x).chain(packed.parts()).collect();
        Array::apply(operation.clone(), &inputs)
    };
    let leading = Shape::from(&x.shape()[..x.ndim() - 2]);
    if packed.leading() == &leading[..] {
        return apply(&x, &packed);
    }
    if packed.words.ndim() == 2 {
        // all matrices of x meet the same one: their rows are those of one matrix
        let mut shape = x.shape().clone();
        let inner = shape[shape.ndim() - 1];
        let rows: usize = shape[..shape.ndim() - 1].iter().product();
        let product = apply(&view::reshape_to(&x, [rows, inner])?, &packed)?;
        let last = shape.ndim() - 1;
        shape[last] = product.shape()[1];
        return view::reshape_to(&product, shape);
    }
    let common = broadcast_shapes(op, &leading, &Shape::from(packed.leading()))?;
    let stretch = |array: &Array| {
        let matrix = &array.shape()[array.ndim().saturating_sub(2)..];
        let shape: Shape = common.iter().chain(matrix).copied().collect();
        view::stretch_to(array, shape)
    };
    apply(&stretch(&x)?, &packed.map(stretch)?)
}

/// [`quantized_matmul`] of the matrices that indices pick from the leading axes of `x` and `w`,
/// counted in row-major order; what is not given picks each in order. The indices broadcast. A
/// global scale, as that of [`quantize`], scales the product.
///
/// # Errors
/// As [`quantized_matmul`]; indices that are no integers.
///
/// # Gradient
/// As [`quantized_matmul`].
pub fn gather_qmm(
    x: &Array,
    packed: &Packed,
    (lhs_indices, rhs_indices): (Option<&Array>, Option<&Array>),
    transpose: bool,
    packing: Packing,
    global_scale: Option<&Array>,
    sorted: bool,
) -> Result<Array> {
    const OP: &str = "gather_qmm";
    let global = scalar_input(OP, &packing, global_scale)?;
    let (packed, dtype) = packed.promoted(OP, &packing, Some(x.dtype()))?;
    let x = unary::astype(x, dtype.unwrap_or(x.dtype()))?;
    if x.ndim() < 2 {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "x must have at least two axes",
            shape: x.shape().clone(),
        });
    }
    let leading = &x.shape()[..x.ndim() - 2];
    let (lhs, rhs) = indices(OP, (lhs_indices, leading), (rhs_indices, packed.leading()))?;
    let op = Quantized::GatherMatmul {
        packing,
        transpose,
        sorted,
    };
    let inputs: Vec<&Array> = std::iter::once(&x)
        .chain(packed.parts())
        .chain([&lhs, &rhs])
        .collect();
    scaled(&Array::apply(Op::Quantized(op), &inputs)?, global.as_ref())
}

/// Indices of both sides in one shape; those that are not given count the leading axes.
fn indices(
    op: &'static str,
    lhs: (Option<&Array>, &[usize]),
    rhs: (Option<&Array>, &[usize]),
) -> Result<(Array, Array)> {
    let given = |(indices, leading): (Option<&Array>, &[usize])| match indices {
        Some(indices) if !indices.dtype().is_integer() => Err(Error::DtypeUnsupported {
            op,
            dtype: indices.dtype(),
            expected: "an integer dtype for indices",
        }),
        Some(indices) => unary::astype(indices, Dtype::Uint32),
        None => {
            let count: usize = leading.iter().product();
            let all = create::arange(0.0, count as f64, 1.0, Dtype::Uint32)?;
            view::reshape_to(&all, leading)
        }
    };
    let (lhs, rhs) = (given(lhs)?, given(rhs)?);
    let shape = broadcast_shapes(op, lhs.shape(), rhs.shape())?;
    Ok((
        view::stretch_to(&lhs, shape.clone())?,
        view::stretch_to(&rhs, shape)?,
    ))
}

/// What may stand for the second operand of [`qqmm`].
fn second(op: &'static str, w: &Array, scales: Option<&Array>) -> Result<Option<Packed>> {
    if w.dtype().is_floating() {
        return Ok(None);
    }
    match scales {
        Some(scales) => Ok(Some(Packed {
            words: w.clone(),
            scales: scales.clone(),
            biases: None,
        })),
        None => Err(Error::InvalidArgument {
            op,
            argument: "scales",
            value: "absent".to_owned(),
            expected: "an array, when the second operand is quantized",
        }),
    }
}

/// Moved to the numbers that a packing has.
fn requantized(x: &Array, packing: Packing, global: Option<&Array>) -> Result<Array> {
    let op = Quantized::Requantize {
        packing,
        global: global.is_some(),
    };
    let inputs: Vec<&Array> = std::iter::once(x).chain(global).collect();
    Array::apply(Op::Quantized(op), &inputs)
}

/// What [`qqmm`] and [`gather_qqmm`] check and share: `x` of the packing's numbers, the second
/// operand and the factor that a global scale of packed weights is.
struct BothQuantized {
    x: Array,
    second: Second,
}

enum Second {
    /// Numbers.
    Dense(Array),
    /// Packed, and a factor for the product.
    Packed(Packed, Option<Array>),
}

impl BothQuantized {
    fn new(
        op: &'static str,
        x: &Array,
        w: &Array,
        scales: Option<&Array>,
        packing: Packing,
        (global_x, global_w): (Option<&Array>, Option<&Array>),
    ) -> Result<Self> {
        let unsupported = |dtype| Error::DtypeUnsupported {
            op,
            dtype,
            expected: "float16, bfloat16 or float32",
        };
        if !x.dtype().is_floating() || x.dtype() == Dtype::Float64 {
            return Err(unsupported(x.dtype()));
        }
        if packing.has_biases() {
            return Err(Error::InvalidArgument {
                op,
                argument: "mode",
                value: "\"affine\"".to_owned(),
                expected: "\"mxfp4\", \"mxfp8\" or \"nvfp4\"",
            });
        }
        if global_x.is_some() != global_w.is_some() {
            return Err(Error::InvalidArgument {
                op,
                argument: "global_scale_x, global_scale_w",
                value: "one of them".to_owned(),
                expected: "both or neither",
            });
        }
        let (global_x, global_w) = (
            scalar_input(op, &packing, global_x)?,
            scalar_input(op, &packing, global_w)?,
        );
        let second = match second(op, w, scales)? {
            Some(packed) => Second::Packed(packed, global_w),
            None => {
                let numbers = requantized(w, packing, global_w.as_ref())?;
                Second::Dense(unary::astype(&numbers, x.dtype())?)
            }
        };
        Ok(BothQuantized {
            x: requantized_rows(x, packing, global_x.as_ref())?,
            second,
        })
    }
}

fn requantized_rows(x: &Array, packing: Packing, global: Option<&Array>) -> Result<Array> {
    if x.ndim() != 1 {
        return requantized(x, packing, global);
    }
    let row = requantized(&view::expand_dims(x, &[0])?, packing, global)?;
    view::squeeze(&row, Some(&[0]))
}

/// The product times what a global scale stands for.
fn scaled(product: &Array, global: Option<&Array>) -> Result<Array> {
    let Some(global) = global else {
        return Ok(product.clone());
    };
    let reach = f64::from(E4M3_MAX * E2M1_MAX);
    let factor = binary::divide(global, &unary::scalar_like(global, reach)?)?;
    let factor = view::reshape_to(&factor, Shape::from([]))?;
    unary::astype(&binary::multiply(product, &factor)?, product.dtype())
}

/// `x × wᵀ` of which both operands have the packing's numbers: `x` is moved to them, and so is `w`
/// unless it is packed already. Global scales are the greatest moduli of the whole operands.
///
/// # Errors
/// Mode affine; one global scale of two; packed `w` without scales; dtypes of `x` other than
/// `float16`, `bfloat16` and `float32`.
///
/// # Gradient
/// With respect to `x` and `w` if that is not packed, as if neither were rounded.
pub fn qqmm(
    x: &Array,
    w: &Array,
    scales: Option<&Array>,
    packing: Packing,
    globals: (Option<&Array>, Option<&Array>),
) -> Result<Array> {
    const OP: &str = "qqmm";
    let both = BothQuantized::new(OP, x, w, scales, packing, globals)?;
    match &both.second {
        Second::Dense(w) => contract::matmul(&both.x, &view::swapaxes(w, -1, -2)?),
        Second::Packed(packed, global) => {
            let product = product(OP, &both.x, packed, true, packing)?;
            scaled(&product, global.as_ref())
        }
    }
}

/// [`qqmm`] of the matrices that indices pick, as in [`gather_qmm`].
///
/// # Errors
/// As [`qqmm`] and [`gather_qmm`].
///
/// # Gradient
/// As [`qqmm`].
pub fn gather_qqmm(
    x: &Array,
    w: &Array,
    scales: Option<&Array>,
    picks: (Option<&Array>, Option<&Array>),
    packing: Packing,
    globals: (Option<&Array>, Option<&Array>),
    sorted: bool,
) -> Result<Array> {
    const OP: &str = "gather_qqmm";
    let both = BothQuantized::new(OP, x, w, scales, packing, globals)?;
    match &both.second {
        Second::Packed(packed, global) => gather_qmm(
            &both.x,
            packed,
            picks,
            true,
            packing,
            global.as_ref(),
            sorted,
        ),
        Second::Dense(w) => {
            let leading = |array: &Array| {
                let shape = array.shape();
                Shape::from(&shape[..shape.ndim().saturating_sub(2)])
            };
            let (left, right) = (leading(&both.x), leading(w));
            let (lhs, rhs) = indices(OP, (picks.0, &left), (picks.1, &right))?;
            let pick = |array: &Array, count: &Shape, indices: &Array| {
                let matrix = &array.shape()[count.ndim()..];
                let shape: Shape = std::iter::once(&count.size())
                    .chain(matrix)
                    .copied()
                    .collect();
                index::take(&view::reshape_to(array, shape)?, indices, 0)
            };
            let picked = pick(w, &right, &rhs)?;
            contract::matmul(
                &pick(&both.x, &left, &lhs)?,
                &view::swapaxes(&picked, -1, -2)?,
            )
        }
    }
}

/// The bits of the nearest E4M3 numbers, ties to even, as `uint8`; what is greater than 448 in
/// modulus becomes 448 with its sign, and so does NaN.
///
/// # Errors
/// Dtypes that are not real floats.
///
/// # Gradient
/// None.
pub fn to_fp8(x: &Array) -> Result<Array> {
    Array::apply(Op::Quantized(Quantized::ToFp8), &[x])
}

/// The numbers of E4M3 bits.
///
/// # Errors
/// An input that is not `uint8`; a `dtype` that is not a real float.
pub fn from_fp8(x: &Array, dtype: Dtype) -> Result<Array> {
    Array::apply(Op::Quantized(Quantized::FromFp8 { dtype }), &[x])
}
