//! Elementwise operations of two operands.

use super::unary::{self, astype};
use super::view::stretch_to;
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Binary, Dtype, Error, Op, Result, Shape, binary_table, promote_operands};

macro_rules! define {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        $(
            #[doc = $formula]
            ///
            /// Elementwise; operands promote to one dtype and broadcast to one shape. See
            /// [`Binary`] for the dtypes.
            ///
            /// # Errors
            /// Shapes that do not broadcast; a dtype outside the operation's domain.
            pub fn $name(a: &Array, b: &Array) -> Result<Array> {
                apply(Binary::$variant, a, b)
            }
        )*

        impl Array {
            $(
                #[doc = $formula]
                pub fn $name(&self, other: &Array) -> Result<Array> {
                    apply(Binary::$variant, self, other)
                }
            )*
        }
    };
}
binary_table!(define);

/// The public function of a binary operation.
pub fn apply(binary: Binary, a: &Array, b: &Array) -> Result<Array> {
    if binary == Binary::Power
        && let Some(power) = power_of_few_factors(a, b)
    {
        return power;
    }
    let mut dtype = promote_operands(binary.domain(), a.dtype(), b.dtype());
    if dtype == Dtype::Bool && matches!(binary, Binary::LeftShift | Binary::RightShift) {
        dtype = Dtype::Uint8; // a bool has no bits to shift
    }
    if a.dtype() == dtype && b.dtype() == dtype && a.shape() == b.shape() {
        return Array::apply(Op::Binary(binary), &[a, b]);
    }
    shapeless::call(
        || Call::Binary(binary),
        &[a, b],
        || {
            if !binary.domain().contains(dtype) {
                return Err(Error::DtypeUnsupported {
                    op: binary.name(),
                    dtype,
                    expected: binary.domain().describe(),
                });
            }
            let shape = broadcast_shapes(binary.name(), a.shape(), b.shape())?;
            let a = convert(a, dtype, &shape)?;
            let b = convert(b, dtype, &shape)?;
            Array::apply(Op::Binary(binary), &[&a, &b])
        },
    )
}

/// `a²` and `a³` as products, which take a twentieth of the time of a power of any exponent. Products
/// of three are made in single precision for 16-bit floats, where the first would be rounded.
fn power_of_few_factors(a: &Array, exponent: &Array) -> Option<Result<Array>> {
    let promoted = promote_operands(Binary::Power.domain(), a.dtype(), exponent.dtype());
    if exponent.ndim() > 0
        || exponent.is_traced()
        || promoted != a.dtype()
        || promoted == Dtype::Bool
    {
        return None;
    }
    // reading what is on a device would wait for it
    exponent.stored().filter(|it| it.buffer.is_on_host())?;
    let exponent = exponent.known_scalar()?.to_f64();
    let is_half = matches!(a.dtype(), Dtype::Float16 | Dtype::Bfloat16);
    if exponent == 2.0 {
        Some(unary::square(a))
    } else if exponent == 3.0 && is_half {
        let cube =
            astype(a, Dtype::Float32).and_then(|wide| multiply(&unary::square(&wide)?, &wide));
        Some(cube.and_then(|cube| astype(&cube, a.dtype())))
    } else if exponent == 3.0 && !a.dtype().is_complex() {
        Some(unary::square(a).and_then(|square| multiply(&square, a)))
    } else {
        None
    }
}

/// The array cast and stretched; the cast comes first, on fewer elements.
pub(crate) fn convert(a: &Array, dtype: Dtype, shape: &Shape) -> Result<Array> {
    let cast = astype(a, dtype)?;
    if cast.shape() == shape {
        Ok(cast)
    } else {
        stretch_to(&cast, shape.clone())
    }
}

/// Quotient and remainder: `floor_divide(a, b)` and `remainder(a, b)`.
pub fn divmod(a: &Array, b: &Array) -> Result<(Array, Array)> {
    Ok((floor_divide(a, b)?, remainder(a, b)?))
}

/// Whether exactly one of `a` and `b` is nonzero.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn logical_xor(a: &Array, b: &Array) -> Result<Array> {
    not_equal(&astype(a, Dtype::Bool)?, &astype(b, Dtype::Bool)?)
}
