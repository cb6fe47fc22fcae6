//! Which dtypes an elementwise operation takes and what it gives.

use crate::dtype::{Dtype, result_type};

/// The dtypes that an elementwise primitive is defined on. Public functions first cast to
/// [`Domain::promote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Every dtype, kept.
    Any,
    /// Floating and complex; integers and bool become `float32`.
    Inexact,
    /// Floating; integers and bool become `float32`, complex is an error.
    Floating,
    /// Integers and floating, kept; complex is an error.
    Real,
    /// Integers and bool.
    Bits,
    /// Bool; everything else becomes `value != 0`.
    Bool,
}

impl Domain {
    /// The dtype that the primitive works in when the operands promote to `dtype`.
    pub fn promote(self, dtype: Dtype) -> Dtype {
        match self {
            Domain::Any | Domain::Real | Domain::Bits => dtype,
            Domain::Inexact | Domain::Floating => dtype.at_least_float(),
            Domain::Bool => Dtype::Bool,
        }
    }

    /// Whether the primitive is defined on `dtype`.
    pub fn contains(self, dtype: Dtype) -> bool {
        match self {
            Domain::Any => true,
            Domain::Inexact => dtype.is_inexact(),
            Domain::Floating => dtype.is_floating(),
            Domain::Real => !dtype.is_complex(),
            Domain::Bits => !dtype.is_inexact(),
            Domain::Bool => dtype == Dtype::Bool,
        }
    }

    /// In words, for error messages.
    pub fn describe(self) -> &'static str {
        match self {
            Domain::Any => "any dtype",
            Domain::Inexact => "a floating or complex dtype",
            Domain::Floating => "a real floating dtype",
            Domain::Real => "a real dtype",
            Domain::Bits => "an integer or bool dtype",
            Domain::Bool => "bool",
        }
    }
}

/// The dtype that two operands and a domain lead to.
pub fn promote_operands(domain: Domain, lhs: Dtype, rhs: Dtype) -> Dtype {
    domain.promote(result_type(lhs, rhs))
}
