//! The processor's matrix unit (AMX): tiles of 16 rows of 64 bytes, `f32` sums of products of
//! pairs of `bf16`. Subnormal numbers count as zero in it.

use super::unit::{SIDE, Sums, Unit};
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __get_cpuid_max, _xgetbv};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Bytes of a row of a tile.
const ROW_BYTES: u8 = 64;
/// Registers that are configured, which are all.
const REGISTERS: usize = 8;

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && has_tiles() && is_permitted())
}

fn has_instructions() -> bool {
    let (bf16, tile) = (1 << 22, 1 << 24);
    let leaf = __cpuid_count(7, 0);
    let saves =
        std::arch::is_x86_feature_detected!("xsave") && __cpuid_count(1, 0).ecx & (1 << 27) != 0;
    if !saves || leaf.edx & bf16 == 0 || leaf.edx & tile == 0 {
        return false;
    }
    // SAFETY: the processor has the instruction and the system has enabled it
    let enabled = unsafe { xgetbv() };
    enabled & (0b11 << 17) == 0b11 << 17
}

/// Whether the first palette has registers of whole tiles: a wrong configuration is a fault.
fn has_tiles() -> bool {
    const PALETTES: u32 = 0x1d;
    if __get_cpuid_max(0).0 < PALETTES {
        return false;
    }
    let palette = __cpuid_count(PALETTES, 1);
    let (row_bytes, registers) = (palette.ebx & 0xffff, palette.ebx >> 16);
    row_bytes >= ROW_BYTES.into()
        && registers >= REGISTERS as u32
        && palette.ecx & 0xffff >= SIDE as u32
}

#[target_feature(enable = "xsave")]
fn xgetbv() -> u64 {
    // SAFETY: register 0 always exists
    unsafe { _xgetbv(0) }
}

/// Linux gives the unit's registers to processes that ask for them: to all threads, and to children
/// until they run another program. It refuses, with a negative number, if a thread's stack for
/// signals has no room for the registers, or if it does not know the request.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call changes nothing but the process's permissions; registers are declared
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

#[repr(C, align(64))]
struct Configuration([u8; 64]);

/// The unit, on the thread that configured it.
pub(super) struct Amx(PhantomData<*const ()>);

impl Unit for Amx {
    unsafe fn configure() -> Self {
        let mut bytes = [0; 64];
        bytes[0] = 1; // the palette of whole tiles
        for register in 0..REGISTERS {
            bytes[16 + 2 * register] = ROW_BYTES; // the low half of 16 bits
            bytes[48 + register] = SIDE as u8;
        }
        let configuration = Configuration(bytes);
        // SAFETY: by the caller's promise; the configuration has 64 bytes
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly));
        }
        Amx(PhantomData)
    }

    unsafe fn multiply(
        &self,
        count: usize,
        lhs: [*const u16; 2],
        rhs: [*const u16; 2],
        sums: &mut Sums,
    ) {
        let start = sums.as_mut_ptr();
        let below = start.wrapping_add(2 * SIDE * SIDE);
        // SAFETY: by the caller's promise; a register is declared wherever it is written
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{upper} + {row}*1]",
                "tileloadd tmm6, [{left} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {row}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {row}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {upper}, 1024",
                "add {lower}, 1024",
                "add {left}, 1024",
                "add {right}, 1024",
                "dec {count}",
                "jnz 2b",
                "tilestored [{start} + {sum_row}*1], tmm0",
                "tilestored [{start} + {sum_row}*1 + 64], tmm1",
                "tilestored [{below} + {sum_row}*1], tmm2",
                "tilestored [{below} + {sum_row}*1 + 64], tmm3",
                upper = inout(reg) lhs[0] => _,
                lower = inout(reg) lhs[1] => _,
                left = inout(reg) rhs[0] => _,
                right = inout(reg) rhs[1] => _,
                count = inout(reg) count => _,
                row = in(reg) 64usize,
                start = in(reg) start,
                below = in(reg) below,
                sum_row = in(reg) 2 * SIDE * size_of::<f32>(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Amx {
    fn drop(&mut self) {
        // SAFETY: `configure` ran on this thread, since `Amx` is not `Send`
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
