//! Code that is ready to run.

use super::emit::Emitted;
use crate::simd::Isa;
use mlx_oxide_runtime::Executable;

/// See [`super::emit`].
type Function = unsafe extern "C" fn(*const *mut u8, usize, usize);

/// See [`super::emit::rows`].
type RowsFunction = unsafe extern "C" fn(*const *mut u8, *const isize, usize, usize, usize);

/// Masks of eight lanes: those from `8 - n` on have the first `n`.
static LANES: [u32; 16] = {
    let mut lanes = [0; 16];
    let mut lane = 0;
    while lane < 8 {
        lanes[lane] = u32::MAX;
        lane += 1;
    }
    lanes
};

/// The code of a run of steps.
pub(in crate::kernels::fused) struct Code {
    /// Keeps the functions where they are.
    _pages: Executable,
    /// A loop over so many elements at a time, if that is more than a register has.
    several: Option<(Function, usize)>,
    whole: Function,
    rest: Function,
    /// A loop over rows, if there is one.
    rows: Option<RowsFunction>,
    /// Whether the one for the rest is a loop over single elements.
    one_by_one: bool,
    isa: Isa,
}

impl Code {
    /// The code in `pages`, which were made from it.
    pub(super) fn new(emitted: &Emitted, pages: Executable, isa: Isa) -> Self {
        let function = |place: usize| {
            let start = pages.start().wrapping_add(place);
            // SAFETY: a function of this type begins there
            unsafe { std::mem::transmute::<*const u8, Function>(start) }
        };
        let several = emitted.several;
        let rows = emitted.rows.map(|place| {
            let start = pages.start().wrapping_add(place);
            // SAFETY: a function of this type begins there
            unsafe { std::mem::transmute::<*const u8, RowsFunction>(start) }
        });
        Code {
            several: several.map(|(place, parts)| (function(place), parts * lanes(isa))),
            whole: function(emitted.whole),
            rest: function(emitted.rest),
            rows,
            _pages: pages,
            one_by_one: emitted.one_by_one,
            isa,
        }
    }

    /// Whether there is a loop over rows.
    pub(in crate::kernels::fused) fn has_rows(&self) -> bool {
        self.rows.is_some()
    }

    /// Runs the steps for rows, if there is a loop over them.
    ///
    /// # Safety
    /// As [`Self::run`], for every row.
    pub(in crate::kernels::fused) unsafe fn run_rows(&self, rows: CodeRows<'_>) {
        debug_assert!(rows.count > 0 && rows.slots.len() == rows.strides.len());
        let CodeRows {
            slots,
            strides,
            length,
            count,
        } = rows;
        let rest = length % lanes(self.isa);
        if let Some(run) = self.rows {
            let (slots, strides) = (slots.as_ptr(), strides.as_ptr());
            // SAFETY: the caller's promise; other lanes do not exist
            unsafe { run(slots, strides, length - rest, count, (1 << rest) - 1) };
        }
    }

    /// Runs the steps for `count` elements of tiles.
    ///
    /// # Safety
    /// The machine has the instruction set. The slots of the program are valid: those that the steps
    /// read or write for so many elements or, where the code was made so, one; and a slot that is
    /// written is apart from all others, or the same as one that is not read afterwards.
    #[inline]
    pub(in crate::kernels::fused) unsafe fn run(&self, slots: &[*mut u8], count: usize) {
        let rest = count % lanes(self.isa);
        let (mut start, end) = (0, count - rest);
        if let Some((several, elements)) = self.several
            && count >= elements
        {
            start = count - count % elements;
            // SAFETY: the caller's promise
            unsafe { several(slots.as_ptr(), 0, start) };
        }
        if start < end {
            // SAFETY: the caller's promise
            unsafe { (self.whole)(slots.as_ptr(), start, end) };
        }
        if rest > 0 {
            let existing = match self.isa {
                Isa::Avx512 => (1 << rest) - 1,
                Isa::Avx2 | Isa::Baseline if self.one_by_one => count,
                Isa::Avx2 | Isa::Baseline => LANES[8 - rest..].as_ptr() as usize,
            };
            // SAFETY: the caller's promise; other lanes do not exist
            unsafe { (self.rest)(slots.as_ptr(), end, existing) };
        }
    }
}

/// Rows of elements that the steps are run for.
#[derive(Clone, Copy)]
pub(in crate::kernels::fused) struct CodeRows<'a> {
    /// The first row of each slot: its elements, or the one.
    pub(in crate::kernels::fused) slots: &'a [*mut u8],
    /// Bytes from row to row, for each slot.
    pub(in crate::kernels::fused) strides: &'a [isize],
    /// Elements of a row.
    pub(in crate::kernels::fused) length: usize,
    /// How many there are: one at least.
    pub(in crate::kernels::fused) count: usize,
}

/// The elements of a register.
const fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 16,
        Isa::Avx2 | Isa::Baseline => 8,
    }
}
