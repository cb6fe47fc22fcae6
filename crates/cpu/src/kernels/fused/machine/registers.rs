//! Which register of the processor each value lives in, by linear scan.

use super::item::{Item, Verb};
use super::line::Line;
use crate::simd::Isa;
use smallvec::{SmallVec, smallvec};

/// A vector register's number.
pub(super) type Register = u8;

/// Where values live.
pub(super) struct Registers {
    /// For each item the register of its value; of no meaning for items without one.
    pub(super) of: SmallVec<[Register; 64]>,
    /// Values that are made once, before the loop, and the registers that nothing else has.
    pub(super) kept: SmallVec<[(Item, Register); 8]>,
}

/// How many registers values may live in. The code has the others for itself.
const fn available(isa: Isa) -> u32 {
    match isa {
        Isa::Avx512 => 32,
        Isa::Avx2 | Isa::Baseline => super::emit::SCRATCH as u32,
    }
}

impl Registers {
    /// Finds registers for all values, or else the step whose values are too many.
    pub(super) fn new(line: &Line, isa: Isa) -> Result<Self, usize> {
        let available = available(isa);
        let mut free = u32::MAX >> (32 - available);
        let mut of: SmallVec<[Register; 64]> = smallvec![0; line.items.len()];
        let last_use = last_uses(line);
        let mut most = 0;
        for (number, item) in line.items.iter().enumerate() {
            let ends = item
                .values()
                .iter()
                .filter(|&&value| last_use[value as usize] == number);
            let freed = ends.fold(0, |freed, &value| freed | (1 << of[value as usize]));
            // the result may be written before all operands have been read
            let apart = matches!(item, Item::Compute(Verb::Maximum | Verb::Minimum, _));
            if !apart {
                free |= freed;
            }
            if !matches!(item, Item::Store(..)) {
                if free == 0 {
                    return Err(line.steps[number] as usize);
                }
                // that of an operand if there is one: some instructions write to one of theirs
                let own = free & freed;
                let register = if own != 0 { own } else { free }.trailing_zeros();
                of[number] = register as Register;
                most = most.max(register + 1);
                if last_use[number] > number {
                    free &= !(1 << register);
                }
            }
            if apart {
                free |= freed;
            }
        }
        let mut registers = Registers {
            of,
            kept: SmallVec::new(),
        };
        registers.keep(line, most..available);
        Ok(registers)
    }

    /// Gives what is the same for all elements registers of its own, as far as there are any: first
    /// what is used most.
    fn keep(&mut self, line: &Line, left: std::ops::Range<u32>) {
        let mut uses: SmallVec<[(Item, usize); 16]> = SmallVec::new();
        for item in line.items.iter().filter(|item| item.is_invariant()) {
            match uses.iter_mut().find(|(known, _)| known == item) {
                Some((_, uses)) => *uses += 1,
                None => uses.push((*item, 1)),
            }
        }
        // reciprocals take longest to make
        let is_other = |item: &Item| !matches!(item, Item::Reciprocal(..));
        uses.sort_by_key(|(item, uses)| (is_other(item), std::cmp::Reverse(*uses)));
        let items = uses.into_iter().map(|(item, _)| item);
        self.kept = items
            .zip(left.map(|register| register as Register))
            .collect();
        for (item, of) in line.items.iter().zip(&mut self.of) {
            if let Some((_, register)) = self.kept.iter().find(|(kept, _)| kept == item) {
                *of = *register;
            }
        }
    }

    /// Whether the item is made before the loop.
    pub(super) fn is_kept(&self, item: &Item) -> bool {
        self.kept.iter().any(|(kept, _)| kept == item)
    }
}

/// For each value the last item that takes it; itself if none does.
fn last_uses(line: &Line) -> SmallVec<[usize; 64]> {
    let mut last: SmallVec<[usize; 64]> = (0..line.items.len()).collect();
    for (number, item) in line.items.iter().enumerate() {
        for &value in item.values() {
            last[value as usize] = number;
        }
    }
    last
}
