//! Instructions for what is computed of registers.

use super::{Emitter, MASK, SCRATCH, Shift};
use crate::kernels::fused::machine::item::{UNORDERED, Verb};
use iced_x86::{Code, Instruction, Register};

impl Emitter<'_> {
    /// Puts what the verb makes of the operands into a register.
    pub(super) fn compute(
        &mut self,
        verb: Verb,
        to: Register,
        operands: [Register; 3],
    ) -> Option<()> {
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
            Verb::And | Verb::Or | Verb::Xor => self.of_bits(verb)?,
            Verb::AddInteger | Verb::SubtractInteger | Verb::MultiplyInteger => {
                self.of_bits(verb)?
            }
            Verb::MinimumInteger | Verb::MinimumUnsigned => self.of_bits(verb)?,
            Verb::MaximumInteger | Verb::MaximumUnsigned => self.of_bits(verb)?,
            Verb::CompareInteger(how) => {
                let code = Code::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8;
                return self.compare_integers(code, how, to, first, second);
            }
            Verb::CompareUnsigned(how) => {
                let code = Code::EVEX_Vpcmpud_kr_k1_zmm_zmmm512b32_imm8;
                return self.compare_integers(code, how, to, first, second);
            }
            Verb::ShiftRight(places) => return self.shift(Shift::Right, to, first, places),
            Verb::ShiftLeft(places) => return self.shift(Shift::Left, to, first, places),
            Verb::MultiplyAdd => return self.multiply_add(to, operands),
            Verb::Least => code(
                Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae,
                Code::VEX_Vminps_ymm_ymm_ymmm256,
            ),
            Verb::Greatest => code(
                Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae,
                Code::VEX_Vmaxps_ymm_ymm_ymmm256,
            ),
            Verb::Narrow(form) => return self.narrow(form, to, first),
            Verb::Widen => return self.widen(to, first),
            Verb::FromInteger => {
                let code = code(
                    Code::EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er,
                    Code::VEX_Vcvtdq2ps_ymm_ymmm256,
                );
                return self.put(Instruction::with2(code, to, first));
            }
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

    /// The sum takes the place of one of the operands, or of a copy of the last.
    fn multiply_add(&mut self, to: Register, [first, second, third]: [Register; 3]) -> Option<()> {
        let code = |wide, narrow| if self.wide { wide } else { narrow };
        let product = code(
            Code::EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er,
            Code::VEX_Vfmadd213ps_ymm_ymm_ymmm256,
        );
        let sum = code(
            Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
            Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256,
        );
        let copy = code(
            Code::EVEX_Vmovaps_zmm_k1z_zmmm512,
            Code::VEX_Vmovaps_ymm_ymmm256,
        );
        if to == first {
            return self.put(Instruction::with3(product, to, second, third));
        }
        if to == second {
            return self.put(Instruction::with3(product, to, first, third));
        }
        if to != third {
            self.put(Instruction::with2(copy, to, third))?;
        }
        self.put(Instruction::with3(sum, to, first, second))
    }

    /// The instruction for bits of two registers, if the verb is for these.
    fn of_bits(&self, verb: Verb) -> Option<Code> {
        let (wide, narrow) = match verb {
            Verb::And => (
                Code::EVEX_Vandps_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vandps_ymm_ymm_ymmm256,
            ),
            Verb::Xor => (
                Code::EVEX_Vxorps_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vxorps_ymm_ymm_ymmm256,
            ),
            Verb::Or => (
                Code::EVEX_Vorps_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vorps_ymm_ymm_ymmm256,
            ),
            Verb::AddInteger => (
                Code::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpaddd_ymm_ymm_ymmm256,
            ),
            Verb::SubtractInteger => (
                Code::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpsubd_ymm_ymm_ymmm256,
            ),
            Verb::MultiplyInteger => (
                Code::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpmulld_ymm_ymm_ymmm256,
            ),
            Verb::MaximumInteger => (
                Code::EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpmaxsd_ymm_ymm_ymmm256,
            ),
            Verb::MaximumUnsigned => (
                Code::EVEX_Vpmaxud_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpmaxud_ymm_ymm_ymmm256,
            ),
            Verb::MinimumInteger => (
                Code::EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpminsd_ymm_ymm_ymmm256,
            ),
            Verb::MinimumUnsigned => (
                Code::EVEX_Vpminud_zmm_k1z_zmm_zmmm512b32,
                Code::VEX_Vpminud_ymm_ymm_ymmm256,
            ),
            _of_numbers => return None,
        };
        Some(if self.wide { wide } else { narrow })
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

    /// By an instruction that AVX-512 alone has.
    fn compare_integers(
        &mut self,
        code: Code,
        how: u8,
        to: Register,
        lhs: Register,
        rhs: Register,
    ) -> Option<()> {
        if !self.wide {
            return None;
        }
        self.put(Instruction::with4(code, MASK, lhs, rhs, u32::from(how)))?;
        self.put(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, to, MASK))
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
