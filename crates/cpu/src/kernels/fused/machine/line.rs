//! Steps as straight-line code: each value is made once, by one item.

use super::item::{Form, Item, UNORDERED, Value, Verb};
use super::single::Single;
use crate::kernels::fused::lane::{self, After, Formula};
use crate::kernels::fused::lower::{Lowered, Slot, Step};
use mlx_oxide_ir::{Binary, Dtype, Unary};
use smallvec::SmallVec;
use std::ops::Range;

mod functions;

pub(super) use functions::is_function;

/// Straight-line code of some steps.
pub(super) struct Line {
    pub(super) items: SmallVec<[Item; 64]>,
    /// For each item the step that it belongs to.
    pub(super) steps: SmallVec<[u16; 64]>,
    /// For each item which register of elements it works on, of several at a time.
    pub(super) parts: SmallVec<[u8; 64]>,
}

/// The sign of a number.
const SIGN: u32 = 1 << 31;

/// Ways of comparing, beside [`UNORDERED`].
mod comparison {
    pub(super) const EQUAL: u8 = 0x00;
    pub(super) const NOT_EQUAL: u8 = 0x04;
    pub(super) const LESS: u8 = 0x11;
    pub(super) const LESS_EQUAL: u8 = 0x12;
    pub(super) const GREATER_EQUAL: u8 = 0x1d;
    pub(super) const GREATER: u8 = 0x1e;
}

/// Ways of comparing integers.
mod order {
    pub(super) const EQUAL: u8 = 0;
    pub(super) const LESS: u8 = 1;
    pub(super) const LESS_EQUAL: u8 = 2;
    pub(super) const NOT_EQUAL: u8 = 4;
    pub(super) const GREATER_EQUAL: u8 = 5;
    pub(super) const GREATER: u8 = 6;
}

/// Ways of rounding to an integer.
mod rounding {
    pub(super) const EVEN: u8 = 0x08;
    pub(super) const DOWN: u8 = 0x09;
    pub(super) const UP: u8 = 0x0a;
}

/// What is known of the last 16 bits of values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    /// They are any.
    Any,
    /// They are any, but NaN is quiet.
    Quiet,
    /// They are zero in NaN.
    ZeroInNan,
    /// They are zero: the values are of `bfloat16`.
    Zero,
}

impl Line {
    /// The code of a range of steps that are simple, or else the step that cannot be in it. What they
    /// leave in registers of tiles is stored there only if later steps read it.
    pub(super) fn new(
        lowered: &Lowered,
        range: Range<usize>,
        single: &dyn Fn(Slot) -> Option<Single>,
    ) -> Result<Self, usize> {
        let mut writer = Writer {
            line: Line {
                items: SmallVec::new(),
                steps: SmallVec::new(),
                parts: SmallVec::new(),
            },
            ends: SmallVec::new(),
            current: SmallVec::new(),
            before: &lowered.steps[..range.start],
            once: &lowered.once,
            single,
            step: 0,
        };
        let steps = &lowered.steps;
        for position in range.clone() {
            let step = &steps[position];
            let Some((formula, dtype)) = step.formula else {
                return Err(position);
            };
            writer.step = position as u16;
            let value = writer
                .formula(formula, dtype, step.operands)
                .ok_or(position)?;
            writer.set(step.destination, value);
            let within = &steps[position + 1..range.end];
            if within.iter().any(|it| it.destination == step.destination) {
                continue;
            }
            if lowered.is_output(step.destination)
                || is_read_first(&steps[range.end..], step.destination)
            {
                let form = Form::of_result(formula, dtype);
                if writer.is_loaded_otherwise(step.destination, form) {
                    return Err(position);
                }
                writer.store(value, step.destination, form);
            }
        }
        Ok(writer.line)
    }

    /// Whether values wait for many before them: where they are rounded to 16 bits, and in functions.
    pub(super) fn is_slow(&self) -> bool {
        let is_rounding = |verb| matches!(verb, Verb::AddInteger | Verb::Narrow(Form::Float16));
        let mut items = self.items.iter();
        items.any(|item| matches!(*item, Item::Compute(verb, _) if is_rounding(verb)))
    }

    /// Whether something is narrower in memory than single precision.
    pub(super) fn has_narrow(&self) -> bool {
        self.items.iter().any(|item| match *item {
            Item::Load(_, form) | Item::Store(_, _, form) => form != Form::Single,
            Item::Spread(..) | Item::Reciprocal(..) => false,
            Item::Constant(_) | Item::Compute(..) => false,
        })
    }
}

/// Whether steps read a slot before they write it.
fn is_read_first(steps: &[Step], slot: Slot) -> bool {
    for step in steps {
        if step.operands.contains(&slot) {
            return true;
        }
        if step.destination == slot {
            return false;
        }
    }
    false
}

struct Writer<'a> {
    line: Line,
    /// For each item those of its value.
    ends: SmallVec<[Ends; 64]>,
    /// The slots whose content is a value already.
    current: SmallVec<[(Slot, Value); 16]>,
    /// The steps before.
    before: &'a [Step],
    /// Steps that widen one element for all tiles.
    once: &'a [Step],
    single: &'a dyn Fn(Slot) -> Option<Single>,
    /// The step that is written.
    step: u16,
}

impl Writer<'_> {
    fn push(&mut self, item: Item) -> Value {
        self.ends.push(self.ends_of(&item));
        self.line.items.push(item);
        self.line.steps.push(self.step);
        self.line.parts.push(0);
        (self.line.items.len() - 1) as Value
    }

    /// What is known of the last bits of the value that an item makes.
    fn ends_of(&self, item: &Item) -> Ends {
        let ends = |value: &Value| self.ends[*value as usize];
        let least = |values: &[Value]| values.iter().map(ends).min().unwrap_or(Ends::Any);
        match *item {
            Item::Load(_, form) | Item::Spread(_, form) => match form {
                Form::Bfloat16 => Ends::Zero,
                Form::Single | Form::Float16 | Form::Truth => Ends::Any,
            },
            Item::Reciprocal(..) => Ends::ZeroInNan, // it is a number
            Item::Constant(bits) => match bits & 0xffff {
                0 => Ends::Zero,
                _others => Ends::Any,
            },
            Item::Store(..) => Ends::Any,
            Item::Compute(verb, values) => match verb {
                // of operands that are NaN they give one, made quiet, of others one that ends with zeros
                Verb::Add
                | Verb::Subtract
                | Verb::Multiply
                | Verb::Divide
                | Verb::SquareRoot
                | Verb::MultiplyAdd => least(&values).clamp(Ends::Quiet, Ends::ZeroInNan),
                Verb::Least | Verb::Greatest => least(&values),
                Verb::Maximum | Verb::Minimum | Verb::Xor | Verb::Or | Verb::Round(_) => {
                    least(&values)
                }
                Verb::And => values.iter().map(ends).max().unwrap_or(Ends::Any),
                Verb::Choose => least(&values[1..]),
                Verb::AddInteger | Verb::ShiftRight(_) | Verb::ShiftLeft(_) => Ends::Any,
                Verb::FromInteger | Verb::SubtractInteger | Verb::MultiplyInteger => Ends::Any,
                Verb::MaximumInteger | Verb::MaximumUnsigned => Ends::Any,
                Verb::CompareInteger(_) | Verb::CompareUnsigned(_) => Ends::Any,
                Verb::MinimumInteger | Verb::MinimumUnsigned => least(&values),
                Verb::Narrow(_) | Verb::Widen | Verb::Compare(_) => Ends::Any,
            },
        }
    }

    /// The value of a slot.
    fn read(&mut self, slot: Slot, form: Form) -> Value {
        if let Some(&(_, value)) = self.current.iter().find(|(known, _)| *known == slot) {
            return value;
        }
        // each time again: where there are registers to keep it in, it is made once after all
        if let Some(step) = self.once.iter().find(|step| step.destination == slot)
            && let Some((Formula::Widen, dtype)) = step.formula
        {
            return self.push(Item::Spread(step.operands[0], Form::of_half(dtype)));
        }
        if (self.single)(slot).is_some() {
            return self.push(Item::Spread(slot, form));
        }
        let value = self.push(Item::Load(slot, form));
        if let Some(ends) = self.computed_ends(slot) {
            self.ends[value as usize] = self.ends[value as usize].max(ends);
        }
        self.current.push((slot, value));
        value
    }

    /// What is known of a slot whose content is that of a function, of which no NaN comes as it went.
    fn computed_ends(&self, slot: Slot) -> Option<Ends> {
        let maker = self.before.iter().rfind(|step| step.destination == slot);
        match maker?.formula? {
            // what they make of NaN has its bits, but for the one that says that it is quiet
            (Formula::Unary(op), Dtype::Bfloat16) if is_function(op) => Some(Ends::ZeroInNan),
            (Formula::Unary(op), dtype) if is_single(dtype) && !lane::keeps_rounding(op) => {
                Some(Ends::Quiet)
            }
            _other => None,
        }
    }

    /// The value of a slot with lanes in single precision.
    fn lanes(&mut self, slot: Slot) -> Value {
        self.read(slot, Form::Single)
    }

    fn set(&mut self, slot: Slot, value: Value) {
        match self.current.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, current)) => *current = value,
            None => self.current.push((slot, value)),
        }
    }

    /// Whether elements of another form are loaded from a slot: those of later turns of the loop would
    /// be overwritten.
    fn is_loaded_otherwise(&self, slot: Slot, form: Form) -> bool {
        let mut items = self.line.items.iter();
        items.any(|item| matches!(*item, Item::Load(from, other) if from == slot && other != form))
    }

    fn store(&mut self, value: Value, slot: Slot, form: Form) {
        let value = match form {
            Form::Single => value,
            Form::Float16 | Form::Truth => self.one(Verb::Narrow(form), value),
            Form::Bfloat16 => {
                let rounded = self.rounded_up(value);
                self.one(Verb::Narrow(form), rounded)
            }
        };
        self.push(Item::Store(value, slot, form));
    }

    fn one(&mut self, verb: Verb, value: Value) -> Value {
        self.push(Item::Compute(verb, [value; 3]))
    }

    fn two(&mut self, verb: Verb, lhs: Value, rhs: Value) -> Value {
        self.push(Item::Compute(verb, [lhs, rhs, lhs]))
    }

    /// The nearest value of a 16-bit float.
    fn round(&mut self, value: Value, dtype: Dtype) -> Value {
        if Form::of_half(dtype) == Form::Float16 {
            let narrow = self.one(Verb::Narrow(Form::Float16), value);
            return self.one(Verb::Widen, narrow);
        }
        if self.ends[value as usize] == Ends::Zero {
            return value;
        }
        let rounded = self.rounded_up(value);
        let kept = self.push(Item::Constant(0xffff_0000));
        self.two(Verb::And, rounded, kept)
    }

    /// A value that is cut off to the nearest one of `bfloat16`, as `round_to_bf16` makes it. What is
    /// added must not carry into what NaN has above.
    fn rounded_up(&mut self, value: Value) -> Value {
        match self.ends[value as usize] {
            Ends::Zero => value,
            Ends::ZeroInNan => self.added_up(value),
            Ends::Quiet => {
                let least = self.push(Item::Constant(0xffff_0000));
                let value = self.two(Verb::MinimumUnsigned, value, least);
                let most = self.push(Item::Constant(0x7fff_0000));
                let value = self.two(Verb::MinimumInteger, value, most);
                self.added_up(value)
            }
            Ends::Any => {
                let rounded = self.added_up(value);
                let quiet = self.push(Item::Constant(0x0040_0000));
                let quiet = self.two(Verb::Or, value, quiet);
                let is_nan = self.two(Verb::Compare(UNORDERED), value, value);
                self.push(Item::Compute(Verb::Choose, [is_nan, quiet, rounded]))
            }
        }
    }

    /// A bit less than half of the last place of `bfloat16` added, or half where that is odd.
    fn added_up(&mut self, value: Value) -> Value {
        let last = self.one(Verb::ShiftRight(16), value);
        let one = self.push(Item::Constant(1));
        let odd = self.two(Verb::And, last, one);
        let below_half = self.push(Item::Constant(0x7fff));
        let moved = self.two(Verb::AddInteger, value, below_half); // meanwhile
        self.two(Verb::AddInteger, moved, odd)
    }

    /// What a step computes of the slots that it reads; none if it is not simple.
    fn formula(
        &mut self,
        formula: Formula,
        dtype: Dtype,
        [first, second, third]: [Slot; 3],
    ) -> Option<Value> {
        match formula {
            Formula::Elements(op) => {
                let form = Form::of_half(dtype);
                let (lhs, rhs) = (self.read(first, form), self.read(second, form));
                self.binary(op, dtype, lhs, rhs)
            }
            Formula::Unary(op) if dtype == Dtype::Bool => {
                let operand = self.read(first, Form::Truth);
                self.opposite(op, operand)
            }
            Formula::Binary(op) if dtype == Dtype::Bool => {
                let (lhs, rhs) = (
                    self.read(first, Form::Truth),
                    self.read(second, Form::Truth),
                );
                self.logic(op, lhs, rhs)
            }
            Formula::Binary(op) if is_integer(dtype) => {
                let (lhs, rhs) = (self.lanes(first), self.lanes(second));
                self.integers(op, dtype, lhs, rhs)
            }
            Formula::Unary(op) => {
                let operand = self.lanes(first);
                self.unary(op, operand)
            }
            Formula::Binary(op) => {
                let (lhs, rhs) = (self.lanes(first), self.lanes(second));
                self.binary(op, dtype, lhs, rhs)
            }
            Formula::Rounded(op) => {
                let (lhs, rhs) = (self.lanes(first), self.lanes(second));
                let value = self.binary(op, dtype, lhs, rhs)?;
                Some(self.round(value, dtype))
            }
            Formula::Chain(op, after, swapped) => {
                self.chain(op, after, swapped, [first, second, third])
            }
            Formula::Applied(op, scaled, after) => {
                self.applied(op, scaled, after, [first, second, third])
            }
            Formula::WhereNan => {
                let value = self.lanes(first);
                let condition = self.two(Verb::Compare(UNORDERED), value, value);
                Some(self.choose(condition, second, third))
            }
            Formula::Select => {
                let condition = self.read(first, Form::Truth);
                Some(self.choose(condition, second, third))
            }
            Formula::Widen => Some(self.read(first, Form::of_half(dtype))),
            Formula::Narrow => Some(self.lanes(first)),
            Formula::Round => {
                let value = self.lanes(first);
                Some(self.round(value, dtype))
            }
            Formula::Cast(to) => self.cast(dtype, to, first),
        }
    }

    /// See [`lane::chain`].
    fn chain(
        &mut self,
        op: Binary,
        after: Binary,
        swapped: bool,
        [first, second, third]: [Slot; 3],
    ) -> Option<Value> {
        let (lhs, rhs) = (self.lanes(first), self.lanes(second));
        let inner = self.binary(op, Dtype::Float32, lhs, rhs)?;
        let other = self.lanes(third);
        // sums and products are the same, even of which NaN
        let swapped = swapped && !matches!(after, Binary::Add | Binary::Multiply);
        match swapped {
            true => self.binary(after, Dtype::Float32, other, inner),
            false => self.binary(after, Dtype::Float32, inner, other),
        }
    }

    /// See [`lane::applied`].
    fn applied(
        &mut self,
        op: Unary,
        scaled: bool,
        after: After,
        [first, second, third]: [Slot; 3],
    ) -> Option<Value> {
        let mut operand = self.lanes(first);
        if scaled {
            let factor = self.lanes(second);
            operand = self.two(Verb::Multiply, operand, factor);
        }
        let value = self.unary(op, operand)?;
        let verb = match after {
            After::Nothing => return Some(value),
            After::Add => Verb::Add,
            After::Multiply => Verb::Multiply,
        };
        let other = self.lanes(third);
        Some(self.two(verb, value, other))
    }

    /// A conversion between lanes; what becomes of a 16-bit float is rounded by a later step.
    fn cast(&mut self, from: Dtype, to: Dtype, slot: Slot) -> Option<Value> {
        let value = match from {
            Dtype::Bool if is_single(to) => {
                let truth = self.read(slot, Form::Truth);
                let one = self.push(Item::Constant(1f32.to_bits()));
                self.two(Verb::And, truth, one)
            }
            Dtype::Int32 if is_single(to) => {
                let integer = self.lanes(slot);
                self.one(Verb::FromInteger, integer)
            }
            _ if is_single(from) && is_single(to) => self.lanes(slot),
            _ if is_single(from) && to == Dtype::Bool => {
                let value = self.lanes(slot);
                let zero = self.push(Item::Constant(0));
                self.two(Verb::Compare(comparison::NOT_EQUAL), value, zero)
            }
            _not_simple => return None,
        };
        Some(value)
    }

    fn opposite(&mut self, op: Unary, truth: Value) -> Option<Value> {
        if !matches!(op, Unary::LogicalNot | Unary::BitwiseInvert) {
            return None;
        }
        let all = self.push(Item::Constant(u32::MAX));
        Some(self.two(Verb::Xor, truth, all))
    }

    fn logic(&mut self, op: Binary, lhs: Value, rhs: Value) -> Option<Value> {
        let verb = match op {
            Binary::LogicalAnd | Binary::BitwiseAnd => Verb::And,
            Binary::LogicalOr | Binary::BitwiseOr => Verb::Or,
            Binary::BitwiseXor => Verb::Xor,
            _not_simple => return None,
        };
        Some(self.two(verb, lhs, rhs))
    }

    fn integers(&mut self, op: Binary, dtype: Dtype, lhs: Value, rhs: Value) -> Option<Value> {
        let by_sign = |with, without| match dtype {
            Dtype::Int32 => with,
            _unsigned => without,
        };
        let comparison = |how| by_sign(Verb::CompareInteger(how), Verb::CompareUnsigned(how));
        let verb = match op {
            Binary::Add => Verb::AddInteger,
            Binary::Subtract => Verb::SubtractInteger,
            Binary::Multiply => Verb::MultiplyInteger,
            Binary::Maximum => by_sign(Verb::MaximumInteger, Verb::MaximumUnsigned),
            Binary::Minimum => by_sign(Verb::MinimumInteger, Verb::MinimumUnsigned),
            Binary::BitwiseAnd => Verb::And,
            Binary::BitwiseOr => Verb::Or,
            Binary::BitwiseXor => Verb::Xor,
            Binary::Equal => comparison(order::EQUAL),
            Binary::NotEqual => comparison(order::NOT_EQUAL),
            Binary::Less => comparison(order::LESS),
            Binary::LessEqual => comparison(order::LESS_EQUAL),
            Binary::Greater => comparison(order::GREATER),
            Binary::GreaterEqual => comparison(order::GREATER_EQUAL),
            _not_simple => return None,
        };
        Some(self.two(verb, lhs, rhs))
    }

    fn choose(&mut self, condition: Value, on_true: Slot, on_false: Slot) -> Value {
        let (on_true, on_false) = (self.lanes(on_true), self.lanes(on_false));
        self.push(Item::Compute(Verb::Choose, [condition, on_true, on_false]))
    }

    fn unary(&mut self, op: Unary, operand: Value) -> Option<Value> {
        let value = match op {
            Unary::Abs => {
                let rest = self.push(Item::Constant(!SIGN));
                self.two(Verb::And, operand, rest)
            }
            Unary::Negative => {
                let sign = self.push(Item::Constant(SIGN));
                self.two(Verb::Xor, operand, sign)
            }
            Unary::Square => self.two(Verb::Multiply, operand, operand),
            Unary::Sqrt => self.one(Verb::SquareRoot, operand),
            Unary::Rsqrt => {
                let root = self.one(Verb::SquareRoot, operand);
                let one = self.push(Item::Constant(1f32.to_bits()));
                self.two(Verb::Divide, one, root)
            }
            Unary::Ceil => self.one(Verb::Round(rounding::UP), operand),
            Unary::Floor => self.one(Verb::Round(rounding::DOWN), operand),
            Unary::RoundEven => self.one(Verb::Round(rounding::EVEN), operand),
            _not_simple => return self.function(op, operand),
        };
        Some(value)
    }

    /// The quotient of lanes of a dtype, to which it will be rounded: by way of the reciprocal if that
    /// comes to the same.
    fn quotient(&mut self, dtype: Dtype, lhs: Value, rhs: Value) -> Value {
        if let Item::Spread(slot, form) = self.line.items[rhs as usize] {
            let multiplies = match (self.single)(slot) {
                Some(Single::Power) => true,
                Some(Single::Divisor) => lane::is_half(dtype),
                Some(Single::Element | Single::Zero | Single::Number) | None => false,
            };
            if multiplies {
                self.forget(rhs, lhs);
                let reciprocal = self.push(Item::Reciprocal(slot, form));
                return self.two(Verb::Multiply, lhs, reciprocal);
            }
        }
        self.two(Verb::Divide, lhs, rhs)
    }

    /// Removes the value that was read last if nothing takes it, not even `other` or a later step.
    fn forget(&mut self, value: Value, other: Value) {
        let is_last = value as usize + 1 == self.line.items.len();
        let is_current = self.current.iter().any(|(_, current)| *current == value);
        if is_last && !is_current && value != other {
            self.line.items.pop();
            self.line.steps.pop();
            self.line.parts.pop();
            self.ends.pop();
        }
    }

    /// What is known of a value that is one element.
    fn known(&self, value: Value) -> Option<Single> {
        match self.line.items[value as usize] {
            Item::Spread(slot, _) => (self.single)(slot),
            _other => None,
        }
    }

    /// The extreme of two values: by one instruction if one of them is known not to be NaN, which
    /// gives the second if they are equal or any is NaN.
    fn extreme(&mut self, general: Verb, simple: Verb, lhs: Value, rhs: Value) -> Value {
        if matches!(self.known(lhs), Some(known) if known != Single::Element) {
            return self.two(simple, lhs, rhs);
        }
        match self.known(rhs) {
            Some(Single::Number | Single::Divisor | Single::Power) => self.two(simple, rhs, lhs),
            Some(Single::Zero) => {
                let value = self.two(simple, rhs, lhs);
                let sum = self.two(Verb::Add, value, rhs); // without the sign of zero
                self.ends[sum as usize] = self.ends[value as usize];
                sum
            }
            Some(Single::Element) | None => self.two(general, lhs, rhs),
        }
    }

    fn binary(&mut self, op: Binary, dtype: Dtype, lhs: Value, rhs: Value) -> Option<Value> {
        let verb = match op {
            Binary::Add => Verb::Add,
            Binary::Subtract => Verb::Subtract,
            Binary::Multiply => Verb::Multiply,
            Binary::Divide => return Some(self.quotient(dtype, lhs, rhs)),
            Binary::Maximum => {
                return Some(self.extreme(Verb::Maximum, Verb::Greatest, lhs, rhs));
            }
            Binary::Minimum => return Some(self.extreme(Verb::Minimum, Verb::Least, lhs, rhs)),
            Binary::FloorDivide => {
                let quotient = self.two(Verb::Divide, lhs, rhs);
                return Some(self.one(Verb::Round(rounding::DOWN), quotient));
            }
            Binary::Equal => Verb::Compare(comparison::EQUAL),
            Binary::NotEqual => Verb::Compare(comparison::NOT_EQUAL),
            Binary::Less => Verb::Compare(comparison::LESS),
            Binary::LessEqual => Verb::Compare(comparison::LESS_EQUAL),
            Binary::Greater => Verb::Compare(comparison::GREATER),
            Binary::GreaterEqual => Verb::Compare(comparison::GREATER_EQUAL),
            _not_simple => return None,
        };
        Some(self.two(verb, lhs, rhs))
    }
}

/// Whether lanes of the dtype are integers as wide as those in single precision.
pub(super) fn is_integer(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Int32 | Dtype::Uint32)
}

/// Whether lanes of the dtype are in single precision.
pub(super) fn is_single(dtype: Dtype) -> bool {
    dtype == Dtype::Float32 || lane::is_half(dtype)
}
