//! Code that works on several registers of elements at a time.
//!
//! Rounding to 16 bits makes chains long, and so do functions: of one register of elements the processor waits more than
//! it computes, and the next comes too late to fill the gaps. So each thing is done for several in
//! turn, as far as the registers suffice.

use super::item::{Item, Value};
use super::line::Line;
use super::registers::Registers;
use crate::simd::Isa;
use smallvec::SmallVec;

/// How many at a time, the best first.
const PARTS: [u8; 4] = [6, 4, 3, 2];
/// Of so many items one may be made again in every turn of the loop, though it is always the same.
const FEW: usize = 10;
/// Items below which the processor finds enough to do by itself.
const LONG: usize = 12;

/// The code for the most elements at a time that there are registers for, and how many registers of
/// elements these are; none if one is as good.
pub(super) fn several(line: &Line, isa: Isa) -> Option<(Line, Registers, u8)> {
    if !line.is_slow() || line.items.len() < LONG {
        return None;
    }
    PARTS.into_iter().find_map(|parts| {
        let line = repeated(line, parts);
        let registers = Registers::new(&line, isa).ok()?;
        let again = line.items.iter();
        let again = again.filter(|item| item.is_invariant() && !registers.is_kept(item));
        // making a reciprocal takes as long as dividing
        let slow = again
            .clone()
            .any(|item| matches!(item, Item::Reciprocal(..)));
        let fit = !slow && again.count() * FEW <= line.items.len();
        fit.then_some((line, registers, parts))
    })
}

/// Each item for so many registers of elements in turn; what is the same for all elements once.
fn repeated(line: &Line, parts: u8) -> Line {
    let mut several = Line {
        items: SmallVec::new(),
        steps: SmallVec::new(),
        parts: SmallVec::new(),
    };
    let mut made: SmallVec<[[Value; PARTS[0] as usize]; 64]> = SmallVec::new();
    for (item, step) in line.items.iter().zip(&line.steps) {
        let mut values = [0; PARTS[0] as usize];
        for part in 0..parts {
            let of_part = |value: Value| made[value as usize][part as usize];
            let item = match *item {
                Item::Compute(verb, values) => Item::Compute(verb, values.map(of_part)),
                Item::Store(value, slot, form) => Item::Store(of_part(value), slot, form),
                Item::Load(..) | Item::Spread(..) | Item::Reciprocal(..) | Item::Constant(_) => {
                    *item
                }
            };
            let value = match item.is_invariant() && part > 0 {
                true => values[0],
                false => {
                    several.items.push(item);
                    several.steps.push(*step);
                    several.parts.push(part);
                    (several.items.len() - 1) as Value
                }
            };
            values[part as usize] = value;
        }
        made.push(values);
    }
    several
}
