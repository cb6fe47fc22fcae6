//! Straight-line code as bytes: a loop over whole registers, and the same once for fewer elements.
//!
//! Both are functions of the slots' pointers, of the number of the first element, and of a third
//! argument: the number after the last for the loop; which lanes exist for the other, as bits for
//! AVX-512 and as the address of eight masks for AVX2. Lanes that do not exist are neither read nor
//! written. AVX2 has masks for whole elements of single precision only: where others are read or
//! written, the other is a loop too, over one element at a time.

use super::item::{Form, Item, Value};
use super::line::Line;
use super::registers::{self, Registers};
use super::several::several;
use crate::kernels::fused::lower::Slot;
use crate::simd::Isa;
use iced_x86::{Code, Encoder, Instruction, MemoryOperand, Register};
use smallvec::SmallVec;

mod compute;
mod rows;

/// The first register of AVX2 that holds no value: it is for steps in between.
pub(super) const SCRATCH: registers::Register = 14;
/// The register of AVX2 that holds the mask of lanes.
const LANES: registers::Register = 15;

/// The pointers of all slots.
const SLOTS: Register = Register::RDI;
/// The number of the first element, then the one that the loop has come to.
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

/// The way of rounding to `float16`: to the nearest, ties to even.
const NEAREST: u32 = 0;

/// Where bits move to.
#[derive(Clone, Copy)]
enum Shift {
    Left,
    Right,
}

/// Machine code.
pub(super) struct Emitted {
    /// Constants, then functions.
    pub(super) bytes: Vec<u8>,
    /// Where the loop begins.
    pub(super) whole: usize,
    /// Where the function for fewer elements begins.
    pub(super) rest: usize,
    /// Whether that is a loop, too.
    pub(super) one_by_one: bool,
    /// Where a loop over several registers at a time begins, and how many these are.
    pub(super) several: Option<(usize, usize)>,
    /// Where the loop over [`rows`] begins.
    pub(super) rows: Option<usize>,
}

/// The lanes of a register that a function works on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lanes {
    All,
    /// Those that exist.
    Masked,
    First,
}

/// Encodes the code; none if something has no encoding.
pub(super) fn emit(line: &Line, registers: &Registers, isa: Isa) -> Option<Emitted> {
    let wide = isa == Isa::Avx512;
    let several = several(line, isa);
    let mut emitter = Emitter {
        encoder: Encoder::try_with_capacity(64, 16 * line.items.len() + 256).ok()?,
        length: 0,
        line,
        registers,
        pointers: SmallVec::new(),
        constants: SmallVec::new(),
        wide,
        lanes: Lanes::All,
        part: 0,
    };
    emitter.write_constants();
    let whole = emitter.length as usize;
    emitter.choose_pointers();
    emitter.function(Lanes::All, 1)?;
    let rest = emitter.length as usize;
    let one_by_one = !wide && line.has_narrow();
    let lanes = match one_by_one {
        true => Lanes::First,
        false => Lanes::Masked,
    };
    emitter.function(lanes, 1)?;
    let rows = emitter.can_run_rows().then_some(emitter.length as usize);
    if rows.is_some() {
        emitter.rows()?;
    }
    let start = emitter.length as usize;
    if let Some((line, registers, parts)) = &several {
        emitter.line = line;
        emitter.registers = registers;
        emitter.choose_pointers();
        emitter.function(Lanes::All, *parts)?;
    }
    Some(Emitted {
        bytes: emitter.encoder.take_buffer(),
        whole,
        rest,
        one_by_one,
        rows,
        several: several
            .as_ref()
            .map(|(.., parts)| (start, usize::from(*parts))),
    })
}

struct Emitter<'a> {
    encoder: Encoder,
    length: u64,
    line: &'a Line,
    registers: &'a Registers,
    /// The slots whose pointers stay in registers.
    pointers: SmallVec<[(Slot, Register); 10]>,
    /// The constants at the beginning.
    constants: SmallVec<[u32; 32]>,
    wide: bool,
    lanes: Lanes,
    /// The register of elements that is worked on, of several at a time.
    part: u8,
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

    /// Puts all constants before the functions, which begin at a line of the cache.
    fn write_constants(&mut self) {
        for item in &self.line.items {
            if let Item::Constant(bits) = *item
                && !self.constants.contains(&bits)
            {
                self.constants.push(bits);
            }
        }
        let bytes = self.constants.iter().flat_map(|bits| bits.to_le_bytes());
        let mut bytes: Vec<u8> = bytes.collect();
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        for byte in &bytes {
            self.encoder.write_u8(*byte);
        }
        self.length = bytes.len() as u64;
    }

    /// Gives the slots that the loop reads or writes registers for their pointers.
    fn choose_pointers(&mut self) {
        self.pointers.clear();
        for item in &self.line.items {
            let Some(slot) = item.slot() else {
                continue;
            };
            let known = self.pointers.iter().any(|(known, _)| *known == slot);
            if !known && !self.registers.is_kept(item) && self.pointers.len() < POINTERS.len() {
                self.pointers.push((slot, POINTERS[self.pointers.len()]));
            }
        }
    }

    /// All slots that are read or written.
    fn slots(&self) -> SmallVec<[Slot; 16]> {
        let mut slots: SmallVec<[Slot; 16]> = SmallVec::new();
        for slot in self.line.items.iter().filter_map(Item::slot) {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        slots
    }

    /// A function that works on so many registers of elements at a time.
    fn function(&mut self, lanes: Lanes, parts: u8) -> Option<()> {
        self.lanes = lanes;
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
        if lanes == Lanes::Masked {
            self.mask_lanes()?;
        }
        let start = self.length;
        self.items()?;
        if lanes != Lanes::Masked {
            let elements = match lanes {
                Lanes::First => 1,
                Lanes::All | Lanes::Masked => u32::from(parts) * self.elements(),
            };
            self.put(Instruction::with2(Code::Add_rm64_imm8, PLACE, elements))?;
            self.put(Instruction::with2(Code::Cmp_r64_rm64, PLACE, LAST))?;
            self.put(Instruction::with_branch(Code::Jb_rel32_64, start))?;
        }
        for &register in saved.iter().rev() {
            self.put(Instruction::with1(Code::Pop_r64, register))?;
        }
        self.put(Ok(Instruction::with(Code::VEX_Vzeroupper)))?;
        self.put(Ok(Instruction::with(Code::Retnq)))
    }

    /// Everything once.
    fn items(&mut self) -> Option<()> {
        let line = self.line;
        for (number, (item, part)) in line.items.iter().zip(&line.parts).enumerate() {
            self.part = *part;
            self.item(number, item)?;
        }
        Some(())
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

    /// Where the neighbours in a slot are.
    fn place(&mut self, slot: Slot, form: Form) -> Option<MemoryOperand> {
        let pointer = self.found(slot)?;
        let bytes = u32::from(self.part) * self.elements() * form.bytes();
        Some(MemoryOperand::with_base_index_scale_displ_size(
            pointer,
            PLACE,
            form.bytes(),
            i64::from(bytes),
            u32::from(bytes > 0),
        ))
    }

    /// The elements of a register.
    fn elements(&self) -> u32 {
        if self.wide { 16 } else { 8 }
    }

    /// Loads the mask of lanes.
    fn mask_lanes(&mut self) -> Option<()> {
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
            Item::Load(slot, form) => self.load(slot, form, self.value(number as Value)),
            Item::Store(value, slot, form) => self.store(self.value(value), slot, form),
            Item::Spread(..) | Item::Reciprocal(..) | Item::Constant(_) => {
                match self.registers.is_kept(item) {
                    true => Some(()),
                    false => self.invariant(*item, self.value(number as Value)),
                }
            }
            Item::Compute(verb, values) => {
                let operands = values.map(|value| self.value(value));
                self.compute(verb, self.value(number as Value), operands)
            }
        }
    }

    /// Fills all lanes.
    fn invariant(&mut self, item: Item, to: Register) -> Option<()> {
        match item {
            Item::Constant(bits) => {
                let number = self.constants.iter().position(|known| *known == bits)?;
                // the encoder makes of the place how far it is from here
                let place = MemoryOperand::with_base_displ(Register::RIP, 4 * number as i64);
                self.spread_single(place, to)
            }
            Item::Spread(slot, form) => self.spread(slot, form, to),
            Item::Reciprocal(slot, form) => {
                self.spread(slot, form, to)?;
                self.invert(to)
            }
            Item::Load(..) | Item::Compute(..) | Item::Store(..) => None,
        }
    }

    /// Fills all lanes with the element of a slot.
    fn spread(&mut self, slot: Slot, form: Form, to: Register) -> Option<()> {
        let place = MemoryOperand::with_base(self.found(slot)?);
        if form == Form::Single {
            return self.spread_single(place, to);
        }
        if form == Form::Truth {
            let bits = Register::EAX;
            self.put(Instruction::with2(Code::Movzx_r32_rm8, bits, place))?;
            // all bits unless it is zero
            self.put(Instruction::with1(Code::Neg_rm32, bits))?;
            self.put(Instruction::with2(Code::Sbb_r32_rm32, bits, bits))?;
            return self.spread_bits(to);
        }
        let code = match self.wide {
            true => Code::EVEX_Vpbroadcastw_zmm_k1z_xmmm16,
            false => Code::VEX_Vpbroadcastw_ymm_xmmm16,
        };
        self.put(Instruction::with2(code, to, place))?;
        match form {
            Form::Float16 => self.widen(to, to),
            // of each two the upper half stays
            Form::Single | Form::Bfloat16 | Form::Truth => self.shift(Shift::Left, to, to, 16),
        }
    }

    /// Fills all lanes with four bytes of memory.
    fn spread_single(&mut self, place: MemoryOperand, to: Register) -> Option<()> {
        let code = match self.wide {
            true => Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            false => Code::VEX_Vbroadcastss_ymm_m32,
        };
        self.put(Instruction::with2(code, to, place))
    }

    /// Fills all lanes with the reciprocal of the first, by way of memory below the stack, which is the
    /// code's own where it runs: no other register need be free.
    fn invert(&mut self, to: Register) -> Option<()> {
        let place = MemoryOperand::with_base_displ(Register::RSP, -8);
        let first = xmm(to);
        let (store, copy, divide, spread) = match self.wide {
            true => (
                Code::EVEX_Vmovss_m32_k1_xmm,
                Code::EVEX_Vmovd_xmm_rm32,
                Code::EVEX_Vdivss_xmm_k1z_xmm_xmmm32_er,
                Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            ),
            false => (
                Code::VEX_Vmovss_m32_xmm,
                Code::VEX_Vmovd_xmm_rm32,
                Code::VEX_Vdivss_xmm_xmm_xmmm32,
                Code::VEX_Vbroadcastss_ymm_xmm,
            ),
        };
        self.put(Instruction::with2(store, place, first))?;
        let (bits, one) = (Register::EAX, 1f32.to_bits());
        self.put(Instruction::with2(Code::Mov_r32_imm32, bits, one))?;
        self.put(Instruction::with2(copy, first, bits))?;
        self.put(Instruction::with3(divide, first, first, place))?;
        self.put(Instruction::with2(spread, to, first))
    }

    /// Fills all lanes with what [`WITHIN`] has.
    fn spread_bits(&mut self, to: Register) -> Option<()> {
        if self.wide {
            let code = Code::EVEX_Vpbroadcastd_zmm_k1z_r32;
            return self.put(Instruction::with2(code, to, Register::EAX));
        }
        let code = Code::VEX_Vmovd_xmm_rm32;
        self.put(Instruction::with2(code, xmm(to), Register::EAX))?;
        let code = Code::VEX_Vbroadcastss_ymm_xmm;
        self.put(Instruction::with2(code, to, xmm(to)))
    }

    fn load(&mut self, slot: Slot, form: Form, to: Register) -> Option<()> {
        let place = self.place(slot, form)?;
        match self.lanes {
            Lanes::First => self.load_first(place, form, to)?,
            Lanes::Masked if !self.wide => {
                let (code, lanes) = (Code::VEX_Vmaskmovps_ymm_ymm_m256, self.vector(LANES));
                return self.put(Instruction::with3(code, to, lanes, place));
            }
            Lanes::All | Lanes::Masked => {
                let code = match (form, self.wide) {
                    (Form::Single, true) => Code::EVEX_Vmovups_zmm_k1z_zmmm512,
                    (Form::Single, false) => Code::VEX_Vmovups_ymm_ymmm256,
                    (Form::Float16, true) => Code::EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae,
                    (Form::Float16, false) => Code::VEX_Vcvtph2ps_ymm_xmmm128,
                    (Form::Bfloat16, true) => Code::EVEX_Vpmovzxwd_zmm_k1z_ymmm256,
                    (Form::Bfloat16, false) => Code::VEX_Vpmovzxwd_ymm_xmmm128,
                    (Form::Truth, true) => Code::EVEX_Vpmovzxbd_zmm_k1z_xmmm128,
                    (Form::Truth, false) => Code::VEX_Vpmovzxbd_ymm_xmmm64,
                };
                let masked = self.lanes == Lanes::Masked;
                self.put(Instruction::with2(code, to, place).map(|mut load| {
                    if masked {
                        load.set_op_mask(LANES_MASK);
                        load.set_zeroing_masking(true);
                    }
                    load
                }))?;
            }
        }
        match form {
            Form::Single | Form::Float16 => Some(()),
            Form::Bfloat16 => self.shift(Shift::Left, to, to, 16),
            Form::Truth => self.truth(to),
        }
    }

    /// Loads the first lane, of a truth or `bfloat16` as an integer.
    fn load_first(&mut self, place: MemoryOperand, form: Form, to: Register) -> Option<()> {
        let code = match form {
            Form::Single => {
                return self.put(Instruction::with2(Code::VEX_Vmovss_xmm_m32, xmm(to), place));
            }
            Form::Float16 | Form::Bfloat16 => Code::Movzx_r32_rm16,
            Form::Truth => Code::Movzx_r32_rm8,
        };
        self.put(Instruction::with2(code, Register::EAX, place))?;
        let code = Code::VEX_Vmovd_xmm_rm32;
        self.put(Instruction::with2(code, xmm(to), Register::EAX))?;
        match form {
            Form::Float16 => self.widen(to, to),
            Form::Single | Form::Bfloat16 | Form::Truth => Some(()),
        }
    }

    /// All bits where the integers are not zero.
    fn truth(&mut self, to: Register) -> Option<()> {
        if self.wide {
            let code = Code::EVEX_Vptestmd_kr_k1_zmm_zmmm512b32;
            self.put(Instruction::with3(code, MASK, to, to))?;
            return self.put(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, to, MASK));
        }
        // they are bytes, so none is negative
        let zero = self.vector(SCRATCH);
        let code = Code::VEX_Vpxor_ymm_ymm_ymmm256;
        self.put(Instruction::with3(code, zero, zero, zero))?;
        let code = Code::VEX_Vpcmpgtd_ymm_ymm_ymmm256;
        self.put(Instruction::with3(code, to, to, zero))
    }

    fn store(&mut self, from: Register, slot: Slot, form: Form) -> Option<()> {
        let place = self.place(slot, form)?;
        if self.lanes == Lanes::First {
            return self.store_first(from, place, form);
        }
        if self.lanes == Lanes::Masked && !self.wide {
            let (code, lanes) = (Code::VEX_Vmaskmovps_m256_ymm_ymm, self.vector(LANES));
            return self.put(Instruction::with3(code, place, lanes, from));
        }
        let (code, from) = match (form, self.wide) {
            (Form::Single, true) => (Code::EVEX_Vmovups_zmmm512_k1z_zmm, from),
            (Form::Single, false) => (Code::VEX_Vmovups_ymmm256_ymm, from),
            (Form::Float16 | Form::Bfloat16, true) => {
                (Code::EVEX_Vmovdqu16_ymmm256_k1z_ymm, ymm(from))
            }
            (Form::Float16 | Form::Bfloat16, false) => (Code::VEX_Vmovdqu_xmmm128_xmm, xmm(from)),
            (Form::Truth, true) => (Code::EVEX_Vmovdqu8_xmmm128_k1z_xmm, xmm(from)),
            (Form::Truth, false) => (Code::VEX_Vmovq_xmmm64_xmm, xmm(from)),
        };
        let masked = self.lanes == Lanes::Masked;
        self.put(Instruction::with2(code, place, from).map(|mut store| {
            if masked {
                store.set_op_mask(LANES_MASK);
            }
            store
        }))
    }

    fn store_first(&mut self, from: Register, place: MemoryOperand, form: Form) -> Option<()> {
        let from = xmm(from);
        self.put(match form {
            Form::Single => Instruction::with2(Code::VEX_Vmovss_m32_xmm, place, from),
            Form::Float16 | Form::Bfloat16 => {
                Instruction::with3(Code::VEX_Vpextrw_r32m16_xmm_imm8, place, from, 0)
            }
            Form::Truth => Instruction::with3(Code::VEX_Vpextrb_r32m8_xmm_imm8, place, from, 0),
        })
    }

    /// See [`Verb::Narrow`].
    fn narrow(&mut self, form: Form, to: Register, from: Register) -> Option<()> {
        match form {
            Form::Single => None,
            Form::Float16 => {
                let (code, to) = match self.wide {
                    true => (Code::EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae, ymm(to)),
                    false => (Code::VEX_Vcvtps2ph_xmmm128_ymm_imm8, xmm(to)),
                };
                self.put(Instruction::with3(code, to, from, NEAREST))
            }
            Form::Bfloat16 => {
                self.shift(Shift::Right, to, from, 16)?;
                if self.wide {
                    let code = Code::EVEX_Vpmovdw_ymmm256_k1z_zmm;
                    return self.put(Instruction::with2(code, ymm(to), to));
                }
                self.words(to)
            }
            Form::Truth => {
                self.shift(Shift::Right, to, from, 31)?;
                if self.wide {
                    let code = Code::EVEX_Vpmovdb_xmmm128_k1z_zmm;
                    return self.put(Instruction::with2(code, xmm(to), to));
                }
                self.words(to)?;
                let code = Code::VEX_Vpackuswb_xmm_xmm_xmmm128;
                self.put(Instruction::with3(code, xmm(to), xmm(to), xmm(to)))
            }
        }
    }

    /// Brings the integers of AVX2's register, which fit in 16 bits, together.
    fn words(&mut self, to: Register) -> Option<()> {
        let above = xmm(self.vector(SCRATCH));
        let code = Code::VEX_Vextracti128_xmmm128_ymm_imm8;
        self.put(Instruction::with3(code, above, to, 1))?;
        let code = Code::VEX_Vpackusdw_xmm_xmm_xmmm128;
        self.put(Instruction::with3(code, xmm(to), xmm(to), above))
    }

    /// See [`Verb::Widen`].
    fn widen(&mut self, to: Register, from: Register) -> Option<()> {
        let (code, from) = match self.wide {
            true => (Code::EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae, ymm(from)),
            false => (Code::VEX_Vcvtph2ps_ymm_xmmm128, xmm(from)),
        };
        self.put(Instruction::with2(code, to, from))
    }

    fn shift(&mut self, way: Shift, to: Register, from: Register, places: u8) -> Option<()> {
        let code = match (way, self.wide) {
            (Shift::Left, true) => Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8,
            (Shift::Left, false) => Code::VEX_Vpslld_ymm_ymm_imm8,
            (Shift::Right, true) => Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8,
            (Shift::Right, false) => Code::VEX_Vpsrld_ymm_ymm_imm8,
        };
        self.put(Instruction::with3(code, to, from, u32::from(places)))
    }
}

/// The first 16 bytes of a register.
fn xmm(register: Register) -> Register {
    Register::XMM0 + number(register)
}

/// The first 32 bytes of a register.
fn ymm(register: Register) -> Register {
    Register::YMM0 + number(register)
}

/// The number of a register of 32 or 64 bytes.
fn number(register: Register) -> u32 {
    let first = if register < Register::ZMM0 {
        Register::YMM0
    } else {
        Register::ZMM0
    };
    register as u32 - first as u32
}
