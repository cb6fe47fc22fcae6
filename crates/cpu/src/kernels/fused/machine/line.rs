//! Steps as straight-line code: each value is made once, by one item.

use crate::kernels::fused::lane::{After, Formula};
use crate::kernels::fused::lower::{Lowered, Slot, Step};
use mlx_oxide_ir::{Binary, Unary};
use smallvec::SmallVec;
use std::ops::Range;

/// The number of the item that makes a value.
pub(super) type Value = u16;

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
    /// The bits that one has.
    Xor,
    SquareRoot,
    Round(u8),
    /// All bits where it holds, none elsewhere.
    Compare(u8),
    /// The second where the first has all bits, else the third.
    Choose,
}

/// One thing that the code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The neighbours in a slot.
    Load(Slot),
    /// The one element of a slot in every lane.
    Spread(Slot),
    /// The bits in every lane.
    Constant(u32),
    /// Of up to three values; the rest are the first again.
    Compute(Verb, [Value; 3]),
    /// A value becomes neighbours in a slot.
    Store(Value, Slot),
}

/// Straight-line code of some steps.
pub(super) struct Line {
    pub(super) items: SmallVec<[Item; 64]>,
    /// For each item the step that it belongs to.
    pub(super) steps: SmallVec<[u16; 64]>,
}

/// The sign of a number.
const SIGN: u32 = 1 << 31;

/// The way of comparing that holds where one is NaN.
pub(super) const UNORDERED: u8 = 0x03;

/// Other ways of comparing.
mod comparison {
    pub(super) const EQUAL: u8 = 0x00;
    pub(super) const NOT_EQUAL: u8 = 0x04;
    pub(super) const LESS: u8 = 0x11;
    pub(super) const LESS_EQUAL: u8 = 0x12;
    pub(super) const GREATER_EQUAL: u8 = 0x1d;
    pub(super) const GREATER: u8 = 0x1e;
}

/// Ways of rounding to an integer.
mod rounding {
    pub(super) const EVEN: u8 = 0x08;
    pub(super) const DOWN: u8 = 0x09;
    pub(super) const UP: u8 = 0x0a;
}

impl Item {
    /// The values that it takes.
    pub(super) fn values(&self) -> &[Value] {
        match self {
            Item::Load(_) | Item::Spread(_) | Item::Constant(_) => &[],
            Item::Compute(_, values) => values,
            Item::Store(value, _) => std::slice::from_ref(value),
        }
    }

    /// Whether it makes the same value for all elements.
    pub(super) fn is_invariant(&self) -> bool {
        matches!(self, Item::Spread(_) | Item::Constant(_))
    }

    /// A number that no other item has.
    pub(super) fn number(&self) -> u64 {
        match *self {
            Item::Load(slot) => u64::from(slot) << 8,
            Item::Spread(slot) => (u64::from(slot) << 8) | 1,
            Item::Constant(bits) => (u64::from(bits) << 8) | 2,
            Item::Store(value, slot) => (u64::from(value) << 32) | (u64::from(slot) << 8) | 3,
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
        }
    }
}

impl Line {
    /// The code of a range of steps that are simple. What they leave in registers of tiles is stored
    /// there only if later steps read it, which they cannot do with truths: else the step that made
    /// these.
    pub(super) fn new(
        lowered: &Lowered,
        range: Range<usize>,
        single: &dyn Fn(Slot) -> bool,
    ) -> Result<Self, usize> {
        let mut writer = Writer {
            line: Line {
                items: SmallVec::new(),
                steps: SmallVec::new(),
            },
            current: SmallVec::new(),
            single,
            step: 0,
        };
        let steps = &lowered.steps;
        for position in range.clone() {
            let step = &steps[position];
            let Some((formula, _)) = step.formula else {
                return Err(position);
            };
            writer.step = position as u16;
            let value = writer.formula(formula, step.operands).ok_or(position)?;
            writer.set(step.destination, value);
            let within = &steps[position + 1..range.end];
            if within.iter().any(|it| it.destination == step.destination) {
                continue;
            }
            if lowered.is_output(step.destination)
                || is_read_first(&steps[range.end..], step.destination)
            {
                if writer.is_truth(value) {
                    return Err(position);
                }
                writer.push(Item::Store(value, step.destination));
            }
        }
        Ok(writer.line)
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
    /// The slots whose content is a value already.
    current: SmallVec<[(Slot, Value); 16]>,
    single: &'a dyn Fn(Slot) -> bool,
    /// The step that is written.
    step: u16,
}

impl Writer<'_> {
    fn push(&mut self, item: Item) -> Value {
        self.line.items.push(item);
        self.line.steps.push(self.step);
        (self.line.items.len() - 1) as Value
    }

    /// The value of a slot.
    fn read(&mut self, slot: Slot) -> Value {
        let known = self.current.iter().find(|(known, _)| *known == slot);
        match known {
            Some(&(_, value)) => value,
            // each time again: where there are registers to keep it in, it is made once after all
            None if (self.single)(slot) => self.push(Item::Spread(slot)),
            None => {
                let value = self.push(Item::Load(slot));
                self.current.push((slot, value));
                value
            }
        }
    }

    fn set(&mut self, slot: Slot, value: Value) {
        match self.current.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, current)) => *current = value,
            None => self.current.push((slot, value)),
        }
    }

    fn is_truth(&self, value: Value) -> bool {
        matches!(
            self.line.items[value as usize],
            Item::Compute(Verb::Compare(_), _)
        )
    }

    fn one(&mut self, verb: Verb, value: Value) -> Value {
        self.push(Item::Compute(verb, [value; 3]))
    }

    fn two(&mut self, verb: Verb, lhs: Value, rhs: Value) -> Value {
        self.push(Item::Compute(verb, [lhs, rhs, lhs]))
    }

    /// What a step computes of the slots that it reads; none if it is not simple.
    fn formula(&mut self, formula: Formula, [first, second, third]: [Slot; 3]) -> Option<Value> {
        match formula {
            Formula::Unary(op) => {
                let operand = self.read(first);
                self.unary(op, operand)
            }
            Formula::Binary(op) => {
                let (lhs, rhs) = (self.read(first), self.read(second));
                self.binary(op, lhs, rhs)
            }
            Formula::Chain(op, after, swapped) => {
                let (lhs, rhs) = (self.read(first), self.read(second));
                let inner = self.binary(op, lhs, rhs)?;
                let other = self.read(third);
                // sums and products are the same, even of which NaN
                let swapped = swapped && !matches!(after, Binary::Add | Binary::Multiply);
                match swapped {
                    true => self.binary(after, other, inner),
                    false => self.binary(after, inner, other),
                }
            }
            Formula::Applied(op, scaled, after) => {
                let mut operand = self.read(first);
                if scaled {
                    let factor = self.read(second);
                    operand = self.two(Verb::Multiply, operand, factor);
                }
                let value = self.unary(op, operand)?;
                let verb = match after {
                    After::Nothing => return Some(value),
                    After::Add => Verb::Add,
                    After::Multiply => Verb::Multiply,
                };
                let other = self.read(third);
                Some(self.two(verb, value, other))
            }
            Formula::WhereNan => {
                let value = self.read(first);
                let condition = self.two(Verb::Compare(UNORDERED), value, value);
                Some(self.choose(condition, second, third))
            }
            Formula::Select => {
                let condition = self.read(first);
                Some(self.choose(condition, second, third))
            }
        }
    }

    fn choose(&mut self, condition: Value, on_true: Slot, on_false: Slot) -> Value {
        let (on_true, on_false) = (self.read(on_true), self.read(on_false));
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
            _not_simple => return None,
        };
        Some(value)
    }

    fn binary(&mut self, op: Binary, lhs: Value, rhs: Value) -> Option<Value> {
        let verb = match op {
            Binary::Add => Verb::Add,
            Binary::Subtract => Verb::Subtract,
            Binary::Multiply => Verb::Multiply,
            Binary::Divide => Verb::Divide,
            Binary::Maximum => Verb::Maximum,
            Binary::Minimum => Verb::Minimum,
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
