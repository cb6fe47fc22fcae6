//! The loop of convolutions whose channels are each convolved alone.

use super::kernel::store;
#[cfg(target_arch = "x86_64")]
use crate::gemm::vector::Spread;
use crate::gemm::vector::{Vector, prefetch};

/// A row of taps.
#[derive(Clone, Copy)]
pub(super) struct Row<T> {
    pub(super) input: *const T,
    pub(super) weight: *const T,
    /// The channel of each group that all of its features meet, if groups have several.
    pub(super) channel: usize,
}

/// Places side by side whose channels are each convolved alone.
#[derive(Clone, Copy)]
pub(super) struct Channels<T> {
    /// Rows of taps.
    pub(super) rows: usize,
    pub(super) table: *const Row<T>,
    /// Channels of a group.
    pub(super) group: usize,
    /// Elements from a row's input to the first place's first tap.
    pub(super) input: isize,
    /// Elements from its weight to the first tap.
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

impl<T: Copy> Channels<T> {
    /// How a row of taps is read, and where it begins in the input and in the weight.
    ///
    /// # Safety
    /// The table has the row; otherwise as for [`Vector`].
    #[inline(always)]
    unsafe fn row<V: Vector<Element = T>, R: Reader<V>>(
        &self,
        row: usize,
        input: isize,
        channel: usize,
    ) -> (R, *const T, *const T) {
        // SAFETY: by the caller's promise
        let (row, reader) = unsafe {
            let row = self.table.wrapping_add(row).read();
            (row, R::new(row.channel, self.group))
        };
        let from = row.input.wrapping_offset(input).wrapping_add(channel);
        let by = row
            .weight
            .wrapping_offset(self.weight)
            .wrapping_add(channel);
        (reader, from, by)
    }
}

/// Places whose sums are in registers together.
const TOGETHER: usize = 4;
/// Vectors of a place that are where it has no neighbours with the same taps, since each sum waits
/// for itself.
const SINGLE: usize = 4;
/// Places that meet the weight of some channels one after the other, so that it is read less often.
const TURN: usize = 16;
/// Taps from which that pays.
const MANY_TAPS: usize = 16;
/// Bytes of a place's channels up to which it does: lines of the cache that lie further apart push
/// each other out.
const NEAR: usize = 1 << 10;

/// How the elements of a row of taps are read.
pub(super) trait Reader<V: Vector>: Copy {
    /// For a channel of groups of so many.
    ///
    /// # Safety
    /// As for [`Vector`].
    unsafe fn new(channel: usize, group: usize) -> Self;
    /// Elements side by side: all that there are if `WHOLE`, else those of the mask.
    ///
    /// # Safety
    /// As for [`Vector`].
    unsafe fn load<const WHOLE: bool>(self, from: *const V::Element, mask: V::Mask) -> V;
}

/// Each channel meets a feature of its own.
#[derive(Clone, Copy)]
pub(super) struct Own;

impl<V: Vector> Reader<V> for Own {
    #[inline(always)]
    unsafe fn new(_: usize, _: usize) -> Self {
        Own
    }
    #[inline(always)]
    unsafe fn load<const WHOLE: bool>(self, from: *const V::Element, mask: V::Mask) -> V {
        // SAFETY: by the caller's promise
        unsafe {
            match WHOLE {
                true => V::load(from),
                false => V::load_part(from, mask),
            }
        }
    }
}

/// One channel of each group meets all features of the group, which has as many.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Shared<P>(P);

#[cfg(target_arch = "x86_64")]
impl<V: Spread> Reader<V> for Shared<V::Places> {
    #[inline(always)]
    unsafe fn new(channel: usize, group: usize) -> Self {
        // SAFETY: by the caller's promise
        Shared(unsafe { V::places(channel, group) })
    }
    #[inline(always)]
    unsafe fn load<const WHOLE: bool>(self, from: *const V::Element, mask: V::Mask) -> V {
        // SAFETY: by the caller's promise; the mask has whole groups
        unsafe {
            let elements: V = Own.load::<WHOLE>(from, mask);
            elements.spread(self.0)
        }
    }
}

/// # Safety
/// As for [`super::kernel::Loop`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn channels<V: Vector, R: Reader<V>, const VECTORS: usize>(
    operand: &Channels<V::Element>,
) where
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
            let alone = match operand.places {
                1 => operand.columns / (SINGLE * V::LANES) * (SINGLE * V::LANES),
                _ => 0,
            };
            for channel in (0..alone).step_by(SINGLE * V::LANES) {
                turn.block::<V, R, 1, SINGLE, true>(first, channel, all);
            }
            for channel in (alone..whole).step_by(width) {
                turn.blocks::<V, R, VECTORS, true>(channel, all);
            }
            for channel in (whole..operand.columns).step_by(V::LANES) {
                turn.blocks::<V, R, 1, false>(channel, V::mask(operand.columns - channel));
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
    let start = unsafe { operand.table.add(operand.rows - 1).read() }.input;
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
    unsafe fn blocks<
        V: Vector<Element = T>,
        R: Reader<V>,
        const VECTORS: usize,
        const WHOLE: bool,
    >(
        &self,
        channel: usize,
        mask: V::Mask,
    ) {
        let end = self.first + self.count;
        let whole = end - self.count % TOGETHER;
        // SAFETY: the caller's promise is the same
        unsafe {
            for place in (self.first..whole).step_by(TOGETHER) {
                self.block::<V, R, TOGETHER, VECTORS, WHOLE>(place, channel, mask);
            }
            match end - whole {
                3 => self.block::<V, R, 3, VECTORS, WHOLE>(whole, channel, mask),
                2 => self.block::<V, R, 2, VECTORS, WHOLE>(whole, channel, mask),
                1 => self.block::<V, R, 1, VECTORS, WHOLE>(whole, channel, mask),
                _ => (),
            }
        }
    }

    /// # Safety
    /// As for [`channels`]; the places exist.
    #[inline(always)]
    unsafe fn block<
        V: Vector<Element = T>,
        R: Reader<V>,
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
        let neighbours = operand.place_step == operand.input_step && PLACES > 1;
        // SAFETY: by the caller's promise
        unsafe {
            let sums = match (neighbours && WHOLE, operand.taps) {
                (true, 3) => sums_of_three::<V, R, PLACES, VECTORS>(operand, input, channel),
                (true, 1..) => sums_of_neighbours::<V, R, PLACES, VECTORS>(operand, input, channel),
                _ => sums::<V, R, PLACES, VECTORS, WHOLE>(operand, input, channel, mask),
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
unsafe fn sums<
    V: Vector,
    R: Reader<V>,
    const PLACES: usize,
    const VECTORS: usize,
    const WHOLE: bool,
>(
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
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; PLACES];
        for row in 0..operand.rows {
            let (reader, mut from, mut by) = operand.row::<V, R>(row, input, channel);
            for _ in 0..operand.taps {
                let mut factors = sums[0];
                for (index, factor) in factors.iter_mut().enumerate() {
                    *factor = Own.load::<WHOLE>(by.wrapping_add(index * V::LANES), mask);
                }
                for (place, sums) in sums.iter_mut().enumerate() {
                    let from = from.wrapping_offset(place as isize * operand.place_step);
                    for (index, (sum, factor)) in sums.iter_mut().zip(&factors).enumerate() {
                        let element = from.wrapping_add(index * V::LANES);
                        let element = reader.load::<WHOLE>(element, mask);
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
unsafe fn sums_of_three<V: Vector, R: Reader<V>, const PLACES: usize, const VECTORS: usize>(
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
            let (reader, from, by) = operand.row::<V, R>(row, input, channel);
            let mut factors = [sums[0]; 3];
            for (tap, factors) in factors.iter_mut().enumerate() {
                let by = by.wrapping_offset(tap as isize * operand.weight_step);
                *factors = load_all(Own, by);
            }
            for step in 0..PLACES + 2 {
                let from = from.wrapping_offset(step as isize * operand.input_step);
                let elements: [V; VECTORS] = load_all(reader, from);
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

/// Sums over taps of which neighbouring places share what they read.
///
/// # Safety
/// As for [`channels`]; places are a tap apart, all lanes exist, and there are taps.
#[inline(always)]
unsafe fn sums_of_neighbours<V: Vector, R: Reader<V>, const PLACES: usize, const VECTORS: usize>(
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
            let (reader, mut from, mut by) = operand.row::<V, R>(row, input, channel);
            // what all places but the last read of the first tap
            let mut elements = sums;
            for elements in elements.iter_mut().skip(1) {
                *elements = load_all(reader, from);
                from = from.wrapping_offset(operand.input_step);
            }
            for _ in 0..operand.taps {
                for place in 1..PLACES {
                    elements[place - 1] = elements[place];
                }
                elements[PLACES - 1] = load_all(reader, from);
                let factors: [V; VECTORS] = load_all(Own, by);
                for (sums, elements) in sums.iter_mut().zip(&elements) {
                    for (sum, (element, factor)) in
                        sums.iter_mut().zip(elements.iter().zip(&factors))
                    {
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

/// Vectors side by side, all of whose lanes exist.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
unsafe fn load_all<V: Vector, R: Reader<V>, const VECTORS: usize>(
    reader: R,
    from: *const V::Element,
) -> [V; VECTORS] {
    // SAFETY: by the caller's promise
    unsafe {
        let all = V::mask(V::LANES);
        let mut vectors = [reader.load::<true>(from, all); VECTORS];
        for (index, vector) in vectors.iter_mut().enumerate().skip(1) {
            *vector = reader.load::<true>(from.wrapping_add(index * V::LANES), all);
        }
        vectors
    }
}
