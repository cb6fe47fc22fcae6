//! Machine code for runs of simple steps.
//!
//! A step of a program loads a register of the processor, computes once and stores it again. Steps of
//! single precision and of 16-bit floats that are an instruction or two each, and follow one another,
//! become one loop instead, whose code is made at run time: what lies between them never leaves the
//! processor's registers. [`runs`] finds such steps, [`line`] puts them into straight-line code of [`item`]s,
//! [`registers`] says where its values live, [`several`] has more than one register of elements worked
//! on in turn, [`emit`] encodes it, [`cache`] keeps it. Everything rounds as the steps' own loops do, so
//! the results have the same bits (docs/adr/0017-machine-code-for-chains.md).

mod cache;
mod code;
mod emit;
mod item;
mod line;
mod registers;
mod runs;
mod several;
mod single;

#[cfg(test)]
mod tests;

pub(super) use code::{Code, CodeRows};
pub(super) use runs::{are_simple, runs};
pub(super) use single::Single;

use super::lower::{Lowered, Slot};
use crate::simd::Isa;
use cache::Cache;
use line::Line;
use mlx_oxide_runtime::Executable;
use registers::Registers;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// The environment variable that has every step run by its own loop if it is `0`.
pub(crate) const VARIABLE: &str = "MLX_OXIDE_MACHINE_CODE";
/// Elements below which finding the code takes longer than it saves.
const LEAST: usize = 8 << 10;
/// Steps that one code has at most.
const LONGEST: usize = 256;

static CACHE: Cache = Cache::new(Executable::new);

/// Whether code may be made: in memory of a system that has a way, and unless somebody objects.
fn is_wanted() -> bool {
    static WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var(VARIABLE).as_deref() != Ok("0"));
    cfg!(unix) && *WANTED
}

/// The runs of steps that are worth code where a program runs over so many elements.
pub(super) fn worthwhile(lowered: &Lowered, elements: usize) -> SmallVec<[Range<usize>; 2]> {
    match elements >= LEAST && lowered.isa != Isa::Baseline && is_wanted() {
        true => runs(lowered),
        false => SmallVec::new(),
    }
}

/// Whether all steps may be one loop over rows where a program runs over so many elements.
pub(super) fn may_go_by_rows(lowered: &Lowered, elements: usize) -> bool {
    elements >= LEAST && lowered.isa == Isa::Avx512 && is_wanted() && are_simple(lowered)
}

/// That loop's code; none if there is none yet or never. Slots that are `single` hold one element a
/// row.
pub(super) fn by_rows(
    lowered: &Lowered,
    single: &dyn Fn(Slot) -> Option<Single>,
    elements: usize,
) -> Option<Arc<Code>> {
    let codes = assemble(lowered, 0..lowered.steps.len(), single, elements)?;
    match &codes[..] {
        [code] if code.has_rows() => Some(code.clone()),
        _several => None,
    }
}

/// The code of a run of steps over so many elements, as one loop or, where registers do not suffice,
/// several; none if there is none yet or never. Slots that are `single` hold one element.
pub(super) fn assemble(
    lowered: &Lowered,
    run: Range<usize>,
    single: &dyn Fn(Slot) -> Option<Single>,
    elements: usize,
) -> Option<SmallVec<[Arc<Code>; 1]>> {
    assemble_in(&CACHE, lowered, run, single, elements)
}

fn assemble_in(
    cache: &Cache,
    lowered: &Lowered,
    run: Range<usize>,
    single: &dyn Fn(Slot) -> Option<Single>,
    elements: usize,
) -> Option<SmallVec<[Arc<Code>; 1]>> {
    let mut codes = SmallVec::new();
    let (mut start, mut end) = (run.start, run.end.min(run.start + LONGEST));
    while start < run.end {
        let line = Line::new(lowered, start..end, single);
        let code = line.and_then(|line| Ok((Registers::new(&line, lowered.isa)?, line)));
        match code {
            Ok((registers, line)) => {
                codes.push(cache.find(&line, &registers, lowered.isa, elements)?);
                (start, end) = (end, run.end.min(end + LONGEST));
            }
            // what comes before that step can be code
            Err(step) if step > start => end = step,
            Err(_) => return None,
        }
    }
    Some(codes)
}
