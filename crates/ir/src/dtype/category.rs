//! Categories of dtypes and their order.

use super::Dtype;

/// A set of dtypes; the sets form a tree with [`DtypeCategory::Generic`] at its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtypeCategory {
    /// Complex numbers.
    ComplexFloating,
    /// Real floating-point numbers.
    Floating,
    /// Floating or complex.
    Inexact,
    /// Signed integers.
    SignedInteger,
    /// Unsigned integers.
    UnsignedInteger,
    /// Integers of either sign.
    Integer,
    /// Every number: not `bool`.
    Number,
    /// Everything.
    Generic,
}

impl DtypeCategory {
    /// The narrowest category that holds `dtype`.
    pub fn of(dtype: Dtype) -> Self {
        if dtype.is_complex() {
            DtypeCategory::ComplexFloating
        } else if dtype.is_floating() {
            DtypeCategory::Floating
        } else if dtype.is_signed_integer() {
            DtypeCategory::SignedInteger
        } else if dtype.is_unsigned_integer() {
            DtypeCategory::UnsignedInteger
        } else {
            DtypeCategory::Generic
        }
    }

    /// The next wider category; none for the widest.
    pub fn parent(self) -> Option<Self> {
        match self {
            DtypeCategory::ComplexFloating | DtypeCategory::Floating => {
                Some(DtypeCategory::Inexact)
            }
            DtypeCategory::SignedInteger | DtypeCategory::UnsignedInteger => {
                Some(DtypeCategory::Integer)
            }
            DtypeCategory::Inexact | DtypeCategory::Integer => Some(DtypeCategory::Number),
            DtypeCategory::Number => Some(DtypeCategory::Generic),
            DtypeCategory::Generic => None,
        }
    }

    /// Whether every dtype of `self` is in `other`.
    pub fn is_within(self, other: Self) -> bool {
        let mut category = Some(self);
        while let Some(current) = category {
            if current == other {
                return true;
            }
            category = current.parent();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bool_is_no_number() {
        assert!(!DtypeCategory::of(Dtype::Bool).is_within(DtypeCategory::Number));
        assert!(DtypeCategory::of(Dtype::Bfloat16).is_within(DtypeCategory::Inexact));
    }
}
