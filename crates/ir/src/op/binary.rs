//! Elementwise operations of two operands.

use super::domain::Domain;
use crate::dtype::Dtype;
use serde::{Deserialize, Serialize};

/// Calls a macro with every binary operation: variant, public name, domain, output, formula.
///
/// `binary_table!(m)` expands to `m! { Add add Any Same "a + b"; … }`; see [`crate::unary_table`].
#[macro_export]
macro_rules! binary_table {
    ($callback:ident) => {
        $callback! {
            Add add Any Same "The sum `a + b`; `or` of bools.";
            Subtract subtract Any Same "The difference `a - b`.";
            Multiply multiply Any Same "The product `a·b`; `and` of bools.";
            Divide divide Inexact Same "The quotient `a/b`.";
            Remainder remainder Real Same "The remainder of `a/b` with the sign of `b`; 0 where an integer is divided by zero.";
            FloorDivide floor_divide Real Same "`⌊a/b⌋`; 0 where an integer is divided by zero.";
            Power power Any Same "The power `aᵇ`.";
            Maximum maximum Any Same "The greater of both; NaN if either is.";
            Minimum minimum Any Same "The lesser of both; NaN if either is.";
            LogAddExp logaddexp Inexact Same "`ln(eᵃ + eᵇ)` without overflow.";
            Arctan2 arctan2 Floating Same "The angle of the point `(b, a)`, in radians.";
            Equal equal Any Bool "`a = b`.";
            NotEqual not_equal Any Bool "`a ≠ b`.";
            Less less Any Bool "`a < b`.";
            LessEqual less_equal Any Bool "`a ≤ b`.";
            Greater greater Any Bool "`a > b`.";
            GreaterEqual greater_equal Any Bool "`a ≥ b`.";
            LogicalAnd logical_and Bool Same "`a and b`.";
            LogicalOr logical_or Bool Same "`a or b`.";
            BitwiseAnd bitwise_and Bits Same "Bitwise `and`.";
            BitwiseOr bitwise_or Bits Same "Bitwise `or`.";
            BitwiseXor bitwise_xor Bits Same "Bitwise exclusive `or`.";
            LeftShift left_shift Bits Same "`a·2ᵇ`, bits shifted out lost.";
            RightShift right_shift Bits Same "`⌊a/2ᵇ⌋`.";
        }
    };
}

/// How the output dtype follows from the operands'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Same,
    Bool,
}

macro_rules! define {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        /// An elementwise operation of two operands of one dtype.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Binary { $(#[doc = $formula] $variant,)* }

        impl Binary {
            /// Every binary operation.
            pub const ALL: &'static [Binary] = &[$(Binary::$variant),*];

            /// Its public name.
            pub const fn name(self) -> &'static str {
                match self { $(Binary::$variant => stringify!($name)),* }
            }

            /// The dtypes that it is defined on.
            pub const fn domain(self) -> Domain {
                match self { $(Binary::$variant => Domain::$domain),* }
            }

            const fn output(self) -> Output {
                match self { $(Binary::$variant => Output::$output),* }
            }
        }
    };
}
binary_table!(define);

impl Binary {
    /// The dtype of the result for operands of `dtype`.
    pub const fn result_dtype(self, dtype: Dtype) -> Dtype {
        match self.output() {
            Output::Same => dtype,
            Output::Bool => Dtype::Bool,
        }
    }
}
