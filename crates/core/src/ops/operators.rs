//! Rust's operators on references and on results: `((&a + &b)? * &c)?`.

use super::binary;
use super::unary;
use crate::array::Array;
use mlx_oxide_ir::{Result, Scalar};

macro_rules! operators {
    ($($operator:ident $method:ident $function:path;)*) => {$(
        impl std::ops::$operator<&Array> for &Array {
            type Output = Result<Array>;
            fn $method(self, other: &Array) -> Result<Array> {
                $function(self, other)
            }
        }

        impl std::ops::$operator<&Array> for Array {
            type Output = Result<Array>;
            fn $method(self, other: &Array) -> Result<Array> {
                $function(&self, other)
            }
        }

        /// The number takes the array's dtype, as a Python scalar does.
        impl std::ops::$operator<f64> for &Array {
            type Output = Result<Array>;
            fn $method(self, other: f64) -> Result<Array> {
                $function(self, &weak(self, other)?)
            }
        }

        /// The number takes the array's dtype, as a Python scalar does.
        impl std::ops::$operator<f64> for Array {
            type Output = Result<Array>;
            fn $method(self, other: f64) -> Result<Array> {
                $function(&self, &weak(&self, other)?)
            }
        }

        /// The number takes the array's dtype, as a Python scalar does.
        impl std::ops::$operator<&Array> for f64 {
            type Output = Result<Array>;
            fn $method(self, other: &Array) -> Result<Array> {
                $function(&weak(other, self)?, other)
            }
        }
    )*};
}
operators! {
    Add add binary::add;
    Sub sub binary::subtract;
    Mul mul binary::multiply;
    Div div binary::divide;
    Rem rem binary::remainder;
}

impl std::ops::Neg for &Array {
    type Output = Result<Array>;
    fn neg(self) -> Result<Array> {
        unary::negative(self)
    }
}

/// A number as an array that promotes to `other`'s dtype if that is inexact, else to `float32`.
fn weak(other: &Array, value: f64) -> Result<Array> {
    Array::from_scalar(Scalar::new(value, other.dtype().at_least_float()))
}
