//! Elementwise operations of one operand.

use super::domain::Domain;
use crate::dtype::Dtype;
use serde::{Deserialize, Serialize};

/// Calls a macro with every unary operation: variant, public name, domain, output, formula.
///
/// The enum, its names, the public functions and methods of the Rust crate and the Python
/// module are all made from this one table: `unary_table!(m)` expands to
/// `m! { Abs abs Any Real "|x|"; … }`.
#[macro_export]
macro_rules! unary_table {
    ($callback:ident) => {
        $callback! {
            Abs abs Any Magnitude "The absolute value `|x|`; the modulus of a complex number.";
            Negative negative Any Same "The negative `-x`.";
            Sign sign Any Same "`-1`, `0` or `1` by the sign of `x`; `x/|x|` of a complex number; NaN stays NaN.";
            Square square Any Same "The square `x²`.";
            Exp exp Inexact Same "The exponential `eˣ`.";
            Expm1 expm1 Floating Same "`eˣ - 1`, exact near zero.";
            Log log Inexact Same "The natural logarithm `ln x`.";
            Log2 log2 Inexact Same "The logarithm to base two.";
            Log10 log10 Inexact Same "The logarithm to base ten.";
            Log1p log1p Inexact Same "`ln(1 + x)`, exact near zero.";
            Sqrt sqrt Inexact Same "The square root `√x`.";
            Rsqrt rsqrt Inexact Same "The reciprocal square root `1/√x`.";
            Sin sin Inexact Same "The sine of an angle in radians.";
            Cos cos Inexact Same "The cosine of an angle in radians.";
            Tan tan Inexact Same "The tangent of an angle in radians.";
            Arcsin arcsin Inexact Same "The inverse sine, in radians.";
            Arccos arccos Inexact Same "The inverse cosine, in radians.";
            Arctan arctan Inexact Same "The inverse tangent, in radians.";
            Sinh sinh Inexact Same "The hyperbolic sine `(eˣ - e⁻ˣ)/2`.";
            Cosh cosh Inexact Same "The hyperbolic cosine `(eˣ + e⁻ˣ)/2`.";
            Tanh tanh Inexact Same "The hyperbolic tangent.";
            Arcsinh arcsinh Inexact Same "The inverse hyperbolic sine.";
            Arccosh arccosh Inexact Same "The inverse hyperbolic cosine.";
            Arctanh arctanh Inexact Same "The inverse hyperbolic tangent.";
            Sigmoid sigmoid Floating Same "The logistic function `1/(1 + e⁻ˣ)`.";
            Erf erf Floating Same "The error function `2/√π ∫₀ˣ e^(-t²) dt`.";
            Erfinv erfinv Floating Same "The inverse of the error function.";
            Ceil ceil Real Same "The least integer not below `x`.";
            Floor floor Real Same "The greatest integer not above `x`.";
            RoundEven round_even Any Same "The nearest integer, ties to even.";
            LogicalNot logical_not Bool Same "`not x`.";
            BitwiseInvert bitwise_invert Bits Same "Every bit inverted; `not x` of a bool.";
            Conjugate conjugate Any Same "The complex conjugate.";
            Real real Any Magnitude "The real part.";
            Imag imag Any Magnitude "The imaginary part; zero of a real number.";
        }
    };
}

/// How the output dtype follows from the input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Same,
    Magnitude,
}

macro_rules! define {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        /// An elementwise operation of one operand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Unary { $(#[doc = $formula] $variant,)* }

        impl Unary {
            /// Every unary operation.
            pub const ALL: &'static [Unary] = &[$(Unary::$variant),*];

            /// Its public name.
            pub const fn name(self) -> &'static str {
                match self { $(Unary::$variant => stringify!($name)),* }
            }

            /// The dtypes that it is defined on.
            pub const fn domain(self) -> Domain {
                match self { $(Unary::$variant => Domain::$domain),* }
            }

            const fn output(self) -> Output {
                match self { $(Unary::$variant => Output::$output),* }
            }
        }
    };
}
unary_table!(define);

impl Unary {
    /// The dtype of the result for an operand in the domain.
    pub const fn result_dtype(self, operand: Dtype) -> Dtype {
        match (self.output(), operand) {
            (Output::Magnitude, Dtype::Complex64) => Dtype::Float32,
            (Output::Magnitude | Output::Same, dtype) => dtype,
        }
    }
}
