//! The loop of convolutions whose channels are each convolved alone.

use super::kernel::store;
use crate::gemm::vector::{Vector, prefetch};

/// Places side by side whose channels are each convolved alone.
#[derive(Clone, Copy)]
pub(super) struct Channels<T> {
    /// Rows of taps.
    pub(super) rows: usize,
    /// For each row where its input and its weight are.
    pub(super) table: *const (*const T, *const T),
    /// Elements from there to the first place's first tap.
    pub(super) input: isize,
    /// Elements from there to the first tap.
    pub(super) weight: isize,
    /// Taps of a row.
    pub(super) taps: usize,
    /// Elements of the input from one tap to the next.
    pub(super) input_step: isize,
    /// Elements of the weight from one tap to the next.
    pub(super) weight_step: isize,
    /// Places.
    pub(super) places: usize,
    /// Elements of the input from one place to the next.
    pub(super) place_step: isize,
    /// The first place's sums.
    pub(super) output: *mut T,
    /// Elements to the next place's.
    pub(super) output_step: usize,
    /// Channels.
    pub(super) columns: usize,
    /// Whether to add to the output.
    pub(super) accumulate: bool,
    /// Whether sums pass by the caches: they are not added, and those of two vectors are aligned.
    pub(super) streamed: bool,
}

/// Places whose sums are in registers together.
const TOGETHER: usize = 4;
/// Vectors of a place whose sums are.
const VECTORS: usize = 2;
/// Places that meet the weight of some channels one after the other, so that it is read less often.
const TURN: usize = 16;
/// Taps from which that pays.
const MANY_TAPS: usize = 16;
/// Bytes of a place's channels up to which it does: lines of the cache that lie further apart push
/// each other out.
const NEAR: usize = 1 << 10;

/// # Safety
/// As for [`super::kernel::Loop`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn channels<V: Vector>(operand: &Channels<V::Element>)
where
    V::Element: Default,
{
    let width = VECTORS * V::LANES;
    let whole = operand.columns / width * width;
    let near = operand.columns * size_of::<V::Element>() <= NEAR;
    let turn = match operand.rows * operand.taps {
        MANY_TAPS.. if near => TURN,
        _ => TOGETHER,
    };
    for first in (0..operand.places).step_by(turn) {
        let turn = Turn {
            operand,
            first,
            count: turn.min(operand.places - first),
            ahead: ahead(operand, turn),
        };
        // SAFETY: by the caller's promise; the masks have the channels that are left
        unsafe {
            let all = V::mask(V::LANES);
            for channel in (0..whole).step_by(width) {
                turn.blocks::<V, VECTORS, true>(channel, all);
            }
            for channel in (whole..operand.columns).step_by(V::LANES) {
                turn.blocks::<V, 1, false>(channel, V::mask(operand.columns - channel));
            }
        }
    }
}

/// What the first place's last tap reads of the last row so many places further on: it lies in no
/// order that the processor would foresee.
#[inline(always)]
fn ahead<T>(operand: &Channels<T>, places: usize) -> *const T {
    if operand.rows == 0 {
        return std::ptr::null();
    }
    // SAFETY: by the promise of `Loop`, the table has all rows
    let (start, _) = unsafe { operand.table.add(operand.rows - 1).read() };
    let taps = operand.taps.max(1) as isize - 1;
    let further = taps * operand.input_step + places as isize * operand.place_step;
    start.wrapping_offset(operand.input + further)
}

/// Some places, whose channels take turns.
struct Turn<'a, T> {
    operand: &'a Channels<T>,
    first: usize,
    count: usize,
    /// What the places of the next turn read, counted from the first place of all.
    ahead: *const T,
}

impl<T: Copy + Default> Turn<'_, T> {
    /// Some channels of all places. All lanes exist if `WHOLE`.
    ///
    /// # Safety
    /// As for [`channels`].
    #[inline(always)]
    unsafe fn blocks<V: Vector<Element = T>, const VECTORS: usize, const WHOLE: bool>(
        &self,
        channel: usize,
        mask: V::Mask,
    ) {
        let end = self.first + self.count;
        let whole = end - self.count % TOGETHER;
        // SAFETY: the caller's promise is the same
        unsafe {
            for place in (self.first..whole).step_by(TOGETHER) {
                self.block::<V, TOGETHER, VECTORS, WHOLE>(place, channel, mask);
            }
            match end - whole {
                3 => self.block::<V, 3, VECTORS, WHOLE>(whole, channel, mask),
                2 => self.block::<V, 2, VECTORS, WHOLE>(whole, channel, mask),
                1 => self.block::<V, 1, VECTORS, WHOLE>(whole, channel, mask),
                _ => (),
            }
        }
    }

    /// # Safety
    /// As for [`channels`]; the places exist.
    #[inline(always)]
    unsafe fn block<
        V: Vector<Element = T>,
        const PLACES: usize,
        const VECTORS: usize,
        const WHOLE: bool,
    >(
        &self,
        place: usize,
        channel: usize,
        mask: V::Mask,
    ) {
        let operand = self.operand;
        let offset = place as isize * operand.place_step;
        let (input, ahead) = (operand.input + offset, self.ahead.wrapping_offset(offset));
        let output = operand
            .output
            .wrapping_add(place * operand.output_step + channel);
        for place in 0..PLACES {
            let place = place as isize * operand.place_step;
            prefetch(ahead.wrapping_offset(place).wrapping_add(channel));
        }
        let shared = operand.taps == 3 && operand.place_step == operand.input_step;
        // SAFETY: by the caller's promise
        unsafe {
            let sums = match shared && WHOLE {
                true => sums_of_three::<V, PLACES, VECTORS>(operand, input, channel),
                false => sums::<V, PLACES, VECTORS, WHOLE>(operand, input, channel, mask),
            };
            for (place, sums) in sums.iter().enumerate() {
                let to = output.wrapping_add(place * operand.output_step);
                if WHOLE && operand.streamed {
                    for (index, sum) in sums.iter().enumerate() {
                        sum.store_past(to.wrapping_add(index * V::LANES));
                    }
                } else {
                    store(sums, to, mask, operand.accumulate);
                }
            }
        }
    }
}

/// Sums over any taps. All lanes exist if `WHOLE`.
///
/// # Safety
/// As for [`channels`]; the places and channels exist.
#[inline(always)]
unsafe fn sums<V: Vector, const PLACES: usize, const VECTORS: usize, const WHOLE: bool>(
    operand: &Channels<V::Element>,
    input: isize,
    channel: usize,
    mask: V::Mask,
) -> [[V; VECTORS]; PLACES]
where
    V::Element: Default,
{
    // SAFETY: by the caller's promise
    unsafe {
        let load = |from: *const V::Element| match WHOLE {
            true => V::load(from),
            false => V::load_part(from, mask),
        };
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; PLACES];
        for row in 0..operand.rows {
            let (from, by) = operand.table.wrapping_add(row).read();
            let mut from = from.wrapping_offset(input).wrapping_add(channel);
            let mut by = by.wrapping_offset(operand.weight).wrapping_add(channel);
            for _ in 0..operand.taps {
                let mut factors = sums[0];
                for (index, factor) in factors.iter_mut().enumerate() {
                    *factor = load(by.wrapping_add(index * V::LANES));
                }
                for (place, sums) in sums.iter_mut().enumerate() {
                    let from = from.wrapping_offset(place as isize * operand.place_step);
                    for (index, (sum, factor)) in sums.iter_mut().zip(&factors).enumerate() {
                        let element = load(from.wrapping_add(index * V::LANES));
                        *sum = element.multiply_add(*factor, *sum);
                    }
                }
                from = from.wrapping_offset(operand.input_step);
                by = by.wrapping_offset(operand.weight_step);
            }
        }
        sums
    }
}

/// Sums over three taps, of which neighbouring places share what they read.
///
/// # Safety
/// As for [`channels`]; places are a tap apart, and all lanes exist.
#[inline(always)]
unsafe fn sums_of_three<V: Vector, const PLACES: usize, const VECTORS: usize>(
    operand: &Channels<V::Element>,
    input: isize,
    channel: usize,
) -> [[V; VECTORS]; PLACES]
where
    V::Element: Default,
{
    // SAFETY: by the caller's promise
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; PLACES];
        for row in 0..operand.rows {
            let (from, by) = operand.table.wrapping_add(row).read();
            let from = from.wrapping_offset(input).wrapping_add(channel);
            let by = by.wrapping_offset(operand.weight).wrapping_add(channel);
            let mut factors = [sums[0]; 3];
            for (tap, factors) in factors.iter_mut().enumerate() {
                let by = by.wrapping_offset(tap as isize * operand.weight_step);
                for (index, factor) in factors.iter_mut().enumerate() {
                    *factor = V::load(by.wrapping_add(index * V::LANES));
                }
            }
            for step in 0..PLACES + 2 {
                let from = from.wrapping_offset(step as isize * operand.input_step);
                let mut elements = sums[0];
                for (index, element) in elements.iter_mut().enumerate() {
                    *element = V::load(from.wrapping_add(index * V::LANES));
                }
                for (tap, factors) in factors.iter().enumerate() {
                    let Some(sums) = step.checked_sub(tap).and_then(|place| sums.get_mut(place))
                    else {
                        continue;
                    };
                    for (sum, (element, factor)) in
                        sums.iter_mut().zip(elements.iter().zip(factors))
                    {
                        *sum = element.multiply_add(*factor, *sum);
                    }
                }
            }
        }
        sums
    }
}
