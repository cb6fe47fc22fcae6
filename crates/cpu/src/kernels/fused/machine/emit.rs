//! Straight-line code as bytes: a loop over whole registers, and the same once for fewer elements.
//!
//! Both are functions of the slots' pointers, of the first byte, and of a third argument: the byte
//! after the last for the loop; which lanes exist for the other, as bits for AVX-512 and as the
//! address of eight masks for AVX2. Lanes that do not exist are neither read nor written.

use super::line::{Item, Line, UNORDERED, Value, Verb};
use super::registers::{self, Registers};
use crate::kernels::fused::lower::Slot;
use iced_x86::{Code, Encoder, Instruction, MemoryOperand, Register};
use smallvec::SmallVec;

/// The first register of AVX2 that holds no value: it is for steps in between.
pub(super) const SCRATCH: registers::Register = 14;
/// The register of AVX2 that holds the mask of lanes.
const LANES: registers::Register = 15;

/// The pointers of all slots.
const SLOTS: Register = Register::RDI;
/// The first byte, then the one that the loop has come to.
const PLACE: Register = Register::RSI;
/// The third argument.
const LAST: Register = Register::RDX;
/// For steps in between.
const WITHIN: Register = Register::RAX;
/// Where pointers of slots stay. Those after the first [`GIVEN`] are the caller's.
const POINTERS: [Register; 10] = [
    Register::RCX,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
const GIVEN: usize = 5;
/// Masks of AVX-512: of lanes, and for steps in between.
const LANES_MASK: Register = Register::K1;
const MASK: Register = Register::K2;

/// Machine code.
pub(super) struct Emitted {
    pub(super) bytes: Vec<u8>,
    /// Where the function for fewer elements begins; the loop is at the beginning.
    pub(super) rest: usize,
}

/// Encodes the code with registers of 64 bytes if `wide`, else of 32; none if something has no
/// encoding.
pub(super) fn emit(line: &Line, registers: &Registers, wide: bool) -> Option<Emitted> {
    let mut emitter = Emitter {
        encoder: Encoder::try_with_capacity(64, 16 * line.items.len() + 256).ok()?,
        length: 0,
        line,
        registers,
        pointers: SmallVec::new(),
        wide,
        masked: false,
    };
    emitter.choose_pointers();
    emitter.function(false)?;
    let rest = emitter.length as usize;
    emitter.function(true)?;
    Some(Emitted {
        bytes: emitter.encoder.take_buffer(),
        rest,
    })
}

struct Emitter<'a> {
    encoder: Encoder,
    length: u64,
    line: &'a Line,
    registers: &'a Registers,
    /// The slots whose pointers stay in registers.
    pointers: SmallVec<[(Slot, Register); 10]>,
    wide: bool,
    /// Whether only some lanes exist.
    masked: bool,
}

impl Emitter<'_> {
    fn put(&mut self, instruction: Result<Instruction, iced_x86::IcedError>) -> Option<()> {
        let instruction = instruction.ok()?;
        self.length += self.encoder.encode(&instruction, self.length).ok()? as u64;
        Some(())
    }

    fn vector(&self, number: registers::Register) -> Register {
        let first = if self.wide {
            Register::ZMM0
        } else {
            Register::YMM0
        };
        first + u32::from(number)
    }

    fn value(&self, value: Value) -> Register {
        self.vector(self.registers.of[value as usize])
    }

    /// Gives the slots that the loop reads or writes registers for their pointers.
    fn choose_pointers(&mut self) {
        for item in &self.line.items {
            let (Item::Load(slot) | Item::Spread(slot) | Item::Store(_, slot)) = *item else {
                continue;
            };
            let known = self.pointers.iter().any(|(known, _)| *known == slot);
            if !known && !self.registers.is_kept(item) && self.pointers.len() < POINTERS.len() {
                self.pointers.push((slot, POINTERS[self.pointers.len()]));
            }
        }
    }

    fn function(&mut self, masked: bool) -> Option<()> {
        self.masked = masked;
        let mut pointers = std::mem::take(&mut self.pointers);
        let saved: SmallVec<[Register; 5]> = pointers
            .iter()
            .skip(GIVEN)
            .map(|(_, register)| *register)
            .collect();
        for &register in &saved {
            self.put(Instruction::with1(Code::Push_r64, register))?;
        }
        for &(slot, register) in &pointers {
            self.pointer(slot, register)?;
        }
        std::mem::swap(&mut self.pointers, &mut pointers);
        let registers = self.registers;
        for (item, register) in &registers.kept {
            self.invariant(*item, self.vector(*register))?;
        }
        if masked {
            self.lanes()?;
        }
        let start = self.length;
        let line = self.line;
        for (number, item) in line.items.iter().enumerate() {
            self.item(number, item)?;
        }
        if !masked {
            let bytes = if self.wide { 64 } else { 32 };
            self.put(Instruction::with2(Code::Add_rm64_imm8, PLACE, bytes))?;
            self.put(Instruction::with2(Code::Cmp_r64_rm64, PLACE, LAST))?;
            self.put(Instruction::with_branch(Code::Jb_rel32_64, start))?;
        }
        for &register in saved.iter().rev() {
            self.put(Instruction::with1(Code::Pop_r64, register))?;
        }
        self.put(Ok(Instruction::with(Code::VEX_Vzeroupper)))?;
        self.put(Ok(Instruction::with(Code::Retnq)))
    }

    /// Loads the pointer of a slot.
    fn pointer(&mut self, slot: Slot, register: Register) -> Option<()> {
        let place = MemoryOperand::with_base_displ(SLOTS, 8 * i64::from(slot));
        self.put(Instruction::with2(Code::Mov_r64_rm64, register, place))
    }

    /// The pointer of a slot in a register.
    fn found(&mut self, slot: Slot) -> Option<Register> {
        let known = self.pointers.iter().find(|(known, _)| *known == slot);
        if let Some((_, register)) = known {
            return Some(*register);
        }
        self.pointer(slot, WITHIN)?;
        Some(WITHIN)
    }

    /// Loads the mask of lanes.
    fn lanes(&mut self) -> Option<()> {
        if self.wide {
            return self.put(Instruction::with2(
                Code::VEX_Kmovw_kr_r32,
                LANES_MASK,
                Register::EDX,
            ));
        }
        let (mask, place) = (self.vector(LANES), MemoryOperand::with_base(LAST));
        self.put(Instruction::with2(
            Code::VEX_Vmovups_ymm_ymmm256,
            mask,
            place,
        ))
    }

    fn item(&mut self, number: usize, item: &Item) -> Option<()> {
        match *item {
            Item::Load(slot) => self.load(slot, self.value(number as Value)),
            Item::Store(value, slot) => self.store(self.value(value), slot),
            Item::Spread(_) | Item::Constant(_) => match self.registers.is_kept(item) {
                true => Some(()),
                false => self.invariant(*item, self.value(number as Value)),
            },
            Item::Compute(verb, values) => {
                let operands = values.map(|value| self.value(value));
                self.compute(verb, self.value(number as Value), operands)
            }
        }
    }

    /// Fills all lanes.
    fn invariant(&mut self, item: Item, to: Register) -> Option<()> {
        let Item::Constant(bits) = item else {
            let Item::Spread(slot) = item else {
                return None;
            };
            let place = MemoryOperand::with_base(self.found(slot)?);
            let code = match self.wide {
                true => Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
                false => Code::VEX_Vbroadcastss_ymm_m32,
            };
            return self.put(Instruction::with2(code, to, place));
        };
        self.put(Instruction::with2(Code::Mov_r32_imm32, Register::EAX, bits))?;
        if self.wide {
            let code = Code::EVEX_Vpbroadcastd_zmm_k1z_r32;
            return self.put(Instruction::with2(code, to, Register::EAX));
        }
        let low = Register::XMM0 + (to as u32 - Register::YMM0 as u32);
        self.put(Instruction::with2(
            Code::VEX_Vmovd_xmm_rm32,
            low,
            Register::EAX,
        ))?;
        self.put(Instruction::with2(Code::VEX_Vbroadcastss_ymm_xmm, to, low))
    }

    fn load(&mut self, slot: Slot, to: Register) -> Option<()> {
        let place = MemoryOperand::with_base_index(self.found(slot)?, PLACE);
        let lanes = self.vector(LANES);
        match (self.wide, self.masked) {
            (true, masked) => {
                let load = Instruction::with2(Code::EVEX_Vmovups_zmm_k1z_zmmm512, to, place);
                self.put(load.map(|mut load| {
                    if masked {
                        load.set_op_mask(LANES_MASK);
                        load.set_zeroing_masking(true);
                    }
                    load
                }))
            }
            (false, false) => {
                self.put(Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, to, place))
            }
            (false, true) => {
                let code = Code::VEX_Vmaskmovps_ymm_ymm_m256;
                self.put(Instruction::with3(code, to, lanes, place))
            }
        }
    }

    fn store(&mut self, from: Register, slot: Slot) -> Option<()> {
        let place = MemoryOperand::with_base_index(self.found(slot)?, PLACE);
        let lanes = self.vector(LANES);
        match (self.wide, self.masked) {
            (true, masked) => {
                let store = Instruction::with2(Code::EVEX_Vmovups_zmmm512_k1z_zmm, place, from);
                self.put(store.map(|mut store| {
                    if masked {
                        store.set_op_mask(LANES_MASK);
                    }
                    store
                }))
            }
            (false, false) => self.put(Instruction::with2(
                Code::VEX_Vmovups_ymmm256_ymm,
                place,
                from,
            )),
            (false, true) => {
                let code = Code::VEX_Vmaskmovps_m256_ymm_ymm;
                self.put(Instruction::with3(code, place, lanes, from))
            }
        }
    }

    fn compute(&mut self, verb: Verb, to: Register, operands: [Register; 3]) -> Option<()> {
        let [first, second, third] = operands;
        let code = |wide, narrow| if self.wide { wide } else { narrow };
        let code = match verb {
            Verb::Add => code(
                Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
                Code::VEX_Vaddps_ymm_ymm_ymmm256,
            ),
            Verb::Subtract => code(
                Code::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er,
                Code::VEX_Vsubps_ymm_ymm_ymmm256,
            ),
            Verb::Multiply => code(
                Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er,
                Code::VEX_Vmulps_ymm_ymm_ymmm256,
            ),
            Verb::Divide => code(
                Code::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er,
                Code::VEX_Vdivps_ymm_ymm_ymmm256,
            ),
            Verb::And => code(
                Code::EVEX_Vandps_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vandps_ymm_ymm_ymmm256,
            ),
            Verb::Xor => code(
                Code::EVEX_Vxorps_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vxorps_ymm_ymm_ymmm256,
            ),
            Verb::Maximum => {
                let code = code(
                    Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae,
                    Code::VEX_Vmaxps_ymm_ymm_ymmm256,
                );
                return self.extreme(code, to, first, second);
            }
            Verb::Minimum => {
                let code = code(
                    Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae,
                    Code::VEX_Vminps_ymm_ymm_ymmm256,
                );
                return self.extreme(code, to, first, second);
            }
            Verb::SquareRoot => {
                let code = code(
                    Code::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er,
                    Code::VEX_Vsqrtps_ymm_ymmm256,
                );
                return self.put(Instruction::with2(code, to, first));
            }
            Verb::Round(how) => {
                let code = code(
                    Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae,
                    Code::VEX_Vroundps_ymm_ymmm256_imm8,
                );
                return self.put(Instruction::with3(code, to, first, u32::from(how)));
            }
            Verb::Compare(how) => return self.compare(how, to, first, second),
            Verb::Choose => return self.choose(to, first, second, third),
        };
        self.put(Instruction::with3(code, to, first, second))
    }

    /// The processor's extreme is the second operand where one is NaN: the first where that is.
    fn extreme(
        &mut self,
        code: Code,
        to: Register,
        first: Register,
        second: Register,
    ) -> Option<()> {
        if self.wide {
            self.put(Instruction::with3(code, to, first, second))?;
            self.mask(UNORDERED, first, first)?;
            let moving = Instruction::with2(Code::EVEX_Vmovaps_zmm_k1z_zmmm512, to, first);
            return self.put(moving.map(|mut moving| {
                moving.set_op_mask(MASK);
                moving
            }));
        }
        let extreme = self.vector(SCRATCH);
        self.compare(UNORDERED, to, first, first)?;
        self.put(Instruction::with3(code, extreme, first, second))?;
        self.choose(to, to, first, extreme)
    }

    /// Sets [`MASK`] where the comparison holds.
    fn mask(&mut self, how: u8, lhs: Register, rhs: Register) -> Option<()> {
        let code = Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae;
        self.put(Instruction::with4(code, MASK, lhs, rhs, u32::from(how)))
    }

    fn compare(&mut self, how: u8, to: Register, lhs: Register, rhs: Register) -> Option<()> {
        if self.wide {
            self.mask(how, lhs, rhs)?;
            return self.put(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, to, MASK));
        }
        let code = Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8;
        self.put(Instruction::with4(code, to, lhs, rhs, u32::from(how)))
    }

    fn choose(
        &mut self,
        to: Register,
        condition: Register,
        on_true: Register,
        on_false: Register,
    ) -> Option<()> {
        if self.wide {
            self.put(Instruction::with2(
                Code::EVEX_Vpmovd2m_kr_zmm,
                MASK,
                condition,
            ))?;
            let code = Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
            let choosing = Instruction::with3(code, to, on_false, on_true);
            return self.put(choosing.map(|mut choosing| {
                choosing.set_op_mask(MASK);
                choosing
            }));
        }
        let code = Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm;
        self.put(Instruction::with4(code, to, on_false, on_true, condition))
    }
}
