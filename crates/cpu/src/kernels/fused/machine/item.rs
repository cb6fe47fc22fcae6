//! What straight-line code consists of.

use crate::kernels::fused::lane::Formula;
use crate::kernels::fused::lower::Slot;
use mlx_oxide_ir::Dtype;

/// The way of comparing that holds where one is NaN.
pub(super) const UNORDERED: u8 = 0x03;

/// The number of the item that makes a value.
pub(super) type Value = u16;

/// How values lie in memory. Between loading and storing all have four bytes, in single precision or as
/// integers; those of 16-bit floats are rounded to these, and truths are all bits or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    Float16,
    Bfloat16,
    /// Bytes; zero is false.
    Truth,
}

/// What is computed of values. Rounding and comparing have the processor's numbers for how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// The first if it is greater or NaN, else the second.
    Maximum,
    /// The first if it is less or NaN, else the second.
    Minimum,
    /// The bits that both have.
    And,
    /// The bits that either has.
    Or,
    /// The bits that one has.
    Xor,
    /// The sum of the bits as integers.
    AddInteger,
    /// The difference of the bits as integers.
    SubtractInteger,
    /// The product of the bits as integers, modulo 2³².
    MultiplyInteger,
    /// The less of the bits as integers with a sign.
    MinimumInteger,
    /// The less of the bits as integers without a sign.
    MinimumUnsigned,
    /// The greater of the bits as integers with a sign.
    MaximumInteger,
    /// The greater of the bits as integers without a sign.
    MaximumUnsigned,
    /// The bits moved down by so many places.
    ShiftRight(u8),
    /// The bits moved up by so many places.
    ShiftLeft(u8),
    /// The product of the first two and the third, rounded once.
    MultiplyAdd,
    /// The first if it is less, else the second.
    Least,
    /// The first if it is greater, else the second.
    Greatest,
    /// The number that the bits are as an integer.
    FromInteger,
    /// As a form of less than four bytes in the first bytes of the register, to be stored so, or
    /// for [`Verb::Widen`]. Values of `bfloat16` lose what is below.
    Narrow(Form),
    /// Of `float16` in the first bytes.
    Widen,
    SquareRoot,
    Round(u8),
    /// All bits where it holds, none elsewhere.
    Compare(u8),
    /// As [`Verb::Compare`], of integers with a sign.
    CompareInteger(u8),
    /// As [`Verb::Compare`], of integers without a sign.
    CompareUnsigned(u8),
    /// The second where the first has all bits, else the third.
    Choose,
}

/// One thing that the code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The neighbours in a slot.
    Load(Slot, Form),
    /// The one element of a slot in every lane.
    Spread(Slot, Form),
    /// One divided by the one element of a slot, in every lane.
    Reciprocal(Slot, Form),
    /// The bits in every lane.
    Constant(u32),
    /// Of up to three values; the rest are the first again.
    Compute(Verb, [Value; 3]),
    /// A value becomes neighbours in a slot; it has been made narrow.
    Store(Value, Slot, Form),
}

impl Form {
    /// Bytes of an element.
    pub(super) const fn bytes(self) -> u32 {
        match self {
            Form::Single => 4,
            Form::Float16 | Form::Bfloat16 => 2,
            Form::Truth => 1,
        }
    }

    /// That of elements of a 16-bit float.
    pub(super) fn of_half(dtype: Dtype) -> Self {
        match dtype {
            Dtype::Float16 => Form::Float16,
            _bfloat16 => Form::Bfloat16,
        }
    }

    /// That in which the result of a step lies.
    pub(super) fn of_result(formula: Formula, dtype: Dtype) -> Self {
        match formula {
            Formula::Narrow | Formula::Elements(_) => Form::of_half(dtype),
            Formula::Binary(op) if op.result_dtype(dtype) == Dtype::Bool => Form::Truth,
            Formula::Unary(_) if dtype == Dtype::Bool => Form::Truth,
            Formula::Cast(Dtype::Bool) => Form::Truth,
            _lanes => Form::Single,
        }
    }
}

impl Item {
    /// The values that it takes.
    pub(super) fn values(&self) -> &[Value] {
        match self {
            Item::Load(..) | Item::Spread(..) | Item::Reciprocal(..) | Item::Constant(_) => &[],
            Item::Compute(_, values) => values,
            Item::Store(value, ..) => std::slice::from_ref(value),
        }
    }

    /// The slot that it reads or writes.
    pub(super) fn slot(&self) -> Option<Slot> {
        match *self {
            Item::Load(slot, _) | Item::Store(_, slot, _) => Some(slot),
            Item::Spread(slot, _) | Item::Reciprocal(slot, _) => Some(slot),
            Item::Constant(_) | Item::Compute(..) => None,
        }
    }

    /// Whether it makes the same value for all elements.
    pub(super) fn is_invariant(&self) -> bool {
        matches!(
            self,
            Item::Spread(..) | Item::Reciprocal(..) | Item::Constant(_)
        )
    }

    /// A number that no other item has.
    pub(super) fn number(&self) -> u64 {
        let in_memory = |slot: Slot, form: Form| (form as u64) << 24 | u64::from(slot) << 8;
        match *self {
            Item::Load(slot, form) => in_memory(slot, form),
            Item::Spread(slot, form) => in_memory(slot, form) | 1,
            Item::Reciprocal(slot, form) => in_memory(slot, form) | 24,
            Item::Constant(bits) => (u64::from(bits) << 8) | 2,
            Item::Store(value, slot, form) => (u64::from(value) << 32) | in_memory(slot, form) | 3,
            Item::Compute(verb, [first, second, third]) => {
                let values = [first, second, third].map(u64::from);
                (values[0] << 48) | (values[1] << 32) | (values[2] << 16) | verb.number()
            }
        }
    }
}

impl Verb {
    /// A number that no other verb has, above those that tell other items apart.
    fn number(self) -> u64 {
        match self {
            Verb::Add => 4,
            Verb::Subtract => 5,
            Verb::Multiply => 6,
            Verb::Divide => 7,
            Verb::Maximum => 8,
            Verb::Minimum => 9,
            Verb::And => 10,
            Verb::Xor => 11,
            Verb::SquareRoot => 12,
            Verb::Choose => 13,
            Verb::Round(how) => 14 | (u64::from(how) << 8),
            Verb::Compare(how) => 15 | (u64::from(how) << 8),
            Verb::Or => 16,
            Verb::AddInteger => 17,
            Verb::ShiftRight(places) => 18 | (u64::from(places) << 8),
            Verb::FromInteger => 19,
            Verb::Narrow(form) => 20 | ((form as u64) << 8),
            Verb::Widen => 21,
            Verb::MinimumInteger => 22,
            Verb::MinimumUnsigned => 23,
            Verb::MultiplyAdd => 25,
            Verb::Least => 26,
            Verb::SubtractInteger => 29,
            Verb::MultiplyInteger => 30,
            Verb::MaximumInteger => 31,
            Verb::MaximumUnsigned => 32,
            Verb::CompareInteger(how) => 33 | (u64::from(how) << 8),
            Verb::CompareUnsigned(how) => 34 | (u64::from(how) << 8),
            Verb::Greatest => 27,
            Verb::ShiftLeft(places) => 28 | (u64::from(places) << 8),
        }
    }
}
