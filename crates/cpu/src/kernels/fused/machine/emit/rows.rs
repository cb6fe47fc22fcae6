//! A loop over rows, with the loop over the elements of each within: rows that are too short to be
//! worth a call.
//!
//! It is a function of the slots' pointers, of the bytes from row to row for each slot, of the elements
//! of a row that fill registers, of how many rows there are, and of the lanes that the others of a row
//! take, as bits for AVX-512. There is at least one row.

use super::{Emitter, GIVEN, LANES_MASK, LAST, Lanes, PLACE, POINTERS, WITHIN};
use crate::kernels::fused::machine::item::Item;
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// The bytes from row to row for each slot: the second argument.
const STRIDES: Register = Register::RBP;
/// The rows that are left, once the pointers of slots are known.
const LEFT: Register = Register::RDI;

impl Emitter<'_> {
    /// Whether there are registers for the pointers of all slots.
    pub(super) fn can_run_rows(&self) -> bool {
        self.wide && self.slots().len() <= POINTERS.len()
    }

    pub(super) fn rows(&mut self) -> Option<()> {
        self.pointers = self.slots().into_iter().zip(POINTERS).collect();
        let saved = POINTERS.iter().take(self.pointers.len()).skip(GIVEN);
        for register in std::iter::once(&STRIDES).chain(saved.clone()) {
            self.put(Instruction::with1(Code::Push_r64, *register))?;
        }
        self.rows_begin()?;
        let row = self.length;
        self.keep(|item| matches!(item, Item::Spread(..)))?;
        self.elements_of_row()?;
        self.advance()?;
        self.put(Instruction::with2(Code::Sub_rm64_imm8, LEFT, 1))?;
        self.put(Instruction::with_branch(Code::Jne_rel32_64, row))?;
        for register in saved.rev().chain(std::iter::once(&STRIDES)) {
            self.put(Instruction::with1(Code::Pop_r64, *register))?;
        }
        self.put(Ok(Instruction::with(Code::VEX_Vzeroupper)))?;
        self.put(Ok(Instruction::with(Code::Retnq)))
    }

    /// Puts the arguments where they stay, and makes what is the same for all rows.
    fn rows_begin(&mut self) -> Option<()> {
        let mut copy = |to, from| self.put(Instruction::with2(Code::Mov_r64_rm64, to, from));
        copy(STRIDES, Register::RSI)?;
        copy(WITHIN, Register::RCX)?;
        let lanes = Instruction::with2(Code::VEX_Kmovw_kr_r32, LANES_MASK, Register::R8D);
        self.put(lanes)?;
        for (slot, register) in self.pointers.clone() {
            self.pointer(slot, register)?;
        }
        self.put(Instruction::with2(Code::Mov_r64_rm64, LEFT, WITHIN))?;
        self.keep(|item| !matches!(item, Item::Spread(..)))
    }

    /// Makes those kept values that are chosen.
    fn keep(&mut self, is_chosen: impl Fn(&Item) -> bool) -> Option<()> {
        let kept = self.registers.kept.iter();
        for (item, register) in kept.filter(|(item, _)| is_chosen(item)) {
            self.invariant(*item, self.vector(*register))?;
        }
        Some(())
    }

    /// Whole registers one after the other, then the lanes that are left.
    fn elements_of_row(&mut self) -> Option<()> {
        let place = Register::ESI;
        self.put(Instruction::with2(Code::Xor_r32_rm32, place, place))?;
        self.put(Instruction::with2(Code::Test_rm64_r64, LAST, LAST))?;
        let without_whole = self.branch(Code::Je_rel32_64)?;
        let start = self.length;
        self.lanes = Lanes::All;
        self.items()?;
        let elements = self.elements();
        self.put(Instruction::with2(Code::Add_rm64_imm8, PLACE, elements))?;
        self.put(Instruction::with2(Code::Cmp_r64_rm64, PLACE, LAST))?;
        self.put(Instruction::with_branch(Code::Jb_rel32_64, start))?;
        self.land(without_whole);
        let lanes = LANES_MASK;
        self.put(Instruction::with2(Code::VEX_Kortestw_kr_kr, lanes, lanes))?;
        let without_rest = self.branch(Code::Je_rel32_64)?;
        self.lanes = Lanes::Masked;
        self.items()?;
        self.land(without_rest);
        Some(())
    }

    /// Moves all pointers to the next row.
    fn advance(&mut self) -> Option<()> {
        for (slot, register) in self.pointers.clone() {
            let bytes = MemoryOperand::with_base_displ(STRIDES, 8 * i64::from(slot));
            self.put(Instruction::with2(Code::Add_r64_rm64, register, bytes))?;
        }
        Some(())
    }

    /// A branch ahead, and where it ends; [`Self::land`] says where it leads.
    fn branch(&mut self, code: Code) -> Option<usize> {
        self.put(Instruction::with_branch(code, self.length))?;
        Some(self.length as usize)
    }

    /// Has the branch that ends at `end` lead here.
    fn land(&mut self, end: usize) {
        let distance = (self.length as usize - end) as i32;
        let mut bytes = self.encoder.take_buffer();
        bytes[end - 4..end].copy_from_slice(&distance.to_le_bytes());
        self.encoder.set_buffer(bytes);
    }
}
