//! Many elements folded into one, in an order that the number of elements alone decides.
//!
//! Elements go to `LANES` accumulators in turn, those of a block of `BLOCK` are joined to the
//! block before, and pieces of [`PIECE`] are joined in pairs, so that the error of a sum grows
//! with the logarithm of the number of terms.

use std::mem::MaybeUninit;

/// Accumulators of four bytes: four registers of AVX-512. There are half as many of eight.
const LANES: usize = 64;
/// Accumulators for short rows, whose lanes take as long to join as the elements to accumulate.
const FEW: usize = 8;
/// Elements from which on rows are worth twice as many accumulators as [`FEW`].
const SOME: usize = 4 * FEW;
/// Elements from which on all accumulators are worth joining.
const MANY: usize = 8 * LANES;
/// Elements that are accumulated before their lanes are joined to the rest.
const BLOCK: usize = 16 * LANES;
/// Elements that are folded without pairing.
pub const PIECE: usize = 16 * BLOCK;
/// The most elements of a part of what is folded: some blocks.
pub const RUN: usize = 4 * BLOCK;
/// Rows that are folded at once into accumulators.
pub const GROUP: usize = 8;

/// What a fold makes of elements. It may hold parameters.
pub trait Fold: Copy {
    /// Elements.
    type In: Copy;
    /// The accumulated value.
    type Acc: Copy;

    /// The value of no elements.
    fn identity(self) -> Self::Acc;
    /// The value of one element.
    fn lift(self, element: Self::In) -> Self::Acc;
    /// Of two values one; associative up to rounding.
    fn combine(self, lhs: Self::Acc, rhs: Self::Acc) -> Self::Acc;
}

/// Values joined in pairs as they come, in logarithmic space.
pub struct Cascade<F: Fold> {
    fold: F,
    /// At level `l`, if bit `l` of the count is set: the value of `2ˡ` pushed values.
    partial: [MaybeUninit<F::Acc>; usize::BITS as usize],
    count: usize,
}

impl<F: Fold> Cascade<F> {
    /// Nothing yet.
    #[inline(always)]
    pub fn new(fold: F) -> Self {
        Cascade {
            fold,
            partial: [const { MaybeUninit::uninit() }; usize::BITS as usize],
            count: 0,
        }
    }

    /// Adds a value.
    #[inline(always)]
    pub fn push(&mut self, mut value: F::Acc) {
        let level = self.count.trailing_ones() as usize;
        for partial in &self.partial[..level] {
            // SAFETY: the count's bits below `level` are set, and so the partial values written
            value = self.fold.combine(unsafe { partial.assume_init() }, value);
        }
        self.partial[level].write(value);
        self.count += 1;
    }

    /// The value of all.
    #[inline(always)]
    pub fn finish(self) -> F::Acc {
        let mut value = None;
        for level in 0..(usize::BITS - self.count.leading_zeros()) as usize {
            if self.count >> level & 1 == 1 {
                // SAFETY: the count's bit is set, and so the partial value written
                let partial = unsafe { self.partial[level].assume_init() };
                value = Some(match value {
                    Some(value) => self.fold.combine(partial, value),
                    None => partial,
                });
            }
        }
        value.unwrap_or(self.fold.identity())
    }
}

/// The value of all elements.
#[inline(always)]
pub fn fold_slice<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    fold_parts(fold, elements.len(), |start, count| {
        &elements[start..start + count]
    })
}

/// The value of `count` elements of which `part` gives so many from a place on, at most
/// [`RUN`] at a time, in order: the same as of all of them in one slice.
#[inline(always)]
pub fn fold_parts<'a, F: Fold>(
    fold: F,
    count: usize,
    mut part: impl FnMut(usize, usize) -> &'a [F::In],
) -> F::Acc
where
    F::In: 'a,
{
    if count < MANY {
        return fold_few(fold, part(0, count));
    }
    // more bytes of accumulators than registers have would go to memory and back
    if size_of::<F::Acc>() <= size_of::<f32>() {
        fold_blocks::<F, LANES>(fold, count, part)
    } else {
        fold_blocks::<F, { LANES / 2 }>(fold, count, part)
    }
}

/// As [`fold_parts`], of at least [`MANY`] elements.
#[inline(always)]
fn fold_blocks<'a, F: Fold, const N: usize>(
    fold: F,
    count: usize,
    mut part: impl FnMut(usize, usize) -> &'a [F::In],
) -> F::Acc
where
    F::In: 'a,
{
    let mut cascade = Cascade::new(fold);
    let mut start = 0;
    while start < count {
        let piece = (PIECE / LANES * N).min(count - start);
        let mut total = [fold.identity(); N];
        let mut taken = 0;
        while taken < piece {
            let length = RUN.min(piece - taken);
            let run = part(start + taken, length);
            let mut add = |lanes: [F::Acc; N]| {
                for (total, lane) in total.iter_mut().zip(&lanes) {
                    *total = fold.combine(*total, *lane);
                }
            };
            if run.len() == RUN {
                for number in 0..RUN / BLOCK {
                    add(accumulate_apart(fold, run, number));
                }
            } else {
                for block in run.chunks(BLOCK / LANES * N) {
                    add(accumulate(fold, [fold.identity(); N], block));
                }
            }
            taken += length;
        }
        let value = join(fold, &mut total);
        if piece == count {
            return value;
        }
        cascade.push(value);
        start += piece;
    }
    cascade.finish()
}

#[inline(always)]
fn fold_few<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    if elements.len() < FEW {
        return fold_in_turn(fold, elements);
    }
    if elements.len() < SOME {
        return fold_lanes::<F, FEW>(fold, elements);
    }
    fold_lanes::<F, { 2 * FEW }>(fold, elements)
}

#[inline(always)]
fn fold_in_turn<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    let mut value = fold.identity();
    for element in elements {
        value = fold.combine(value, fold.lift(*element));
    }
    value
}

/// The last elements, too few for all accumulators, follow one by one: a vector that waits for them
/// to be written singly takes longer.
#[inline(always)]
fn fold_lanes<F: Fold, const N: usize>(fold: F, elements: &[F::In]) -> F::Acc {
    let (whole, rest) = elements.as_chunks::<N>();
    let mut lanes = accumulate_whole(fold, [fold.identity(); N], whole);
    let mut value = join(fold, &mut lanes);
    for element in rest {
        value = fold.combine(value, fold.lift(*element));
    }
    value
}

/// Elements to accumulators in turn.
///
/// No accumulator is chosen by a number that only the running program knows: then all of them
/// stay in registers.
#[inline(always)]
fn accumulate<F: Fold, const N: usize>(
    fold: F,
    mut lanes: [F::Acc; N],
    elements: &[F::In],
) -> [F::Acc; N] {
    let (whole, rest) = elements.as_chunks::<N>();
    lanes = accumulate_whole(fold, lanes, whole);
    if !rest.is_empty() {
        let mut last = [fold.identity(); N];
        for (lane, element) in last.iter_mut().zip(rest) {
            *lane = fold.lift(*element);
        }
        for (lane, last) in lanes.iter_mut().zip(&last) {
            *lane = fold.combine(*lane, *last);
        }
    }
    lanes
}

/// Places of a whole run that are read side by side: each is a page of the memory away from the
/// next, and the processor fetches ahead for all.
const PLACES: usize = 4;

/// One of the [`RUN`]`/`[`BLOCK`] blocks of a whole run to accumulators, each of which takes
/// elements from one place alone.
#[inline(always)]
fn accumulate_apart<F: Fold, const N: usize>(fold: F, run: &[F::In], number: usize) -> [F::Acc; N] {
    let mut lanes = [fold.identity(); N];
    let (distance, length) = (RUN / PLACES, BLOCK / PLACES);
    let places: [&[F::In]; PLACES] =
        std::array::from_fn(|place| &run[place * distance + number * length..][..length]);
    let width = N / PLACES;
    for first in (0..length).step_by(width) {
        for (lanes, place) in lanes.chunks_exact_mut(width).zip(places) {
            for (lane, element) in lanes.iter_mut().zip(&place[first..first + width]) {
                *lane = fold.combine(*lane, fold.lift(*element));
            }
        }
    }
    lanes
}

/// As many elements as there are accumulators at a time.
#[inline(always)]
fn accumulate_whole<F: Fold, const N: usize>(
    fold: F,
    mut lanes: [F::Acc; N],
    chunks: &[[F::In; N]],
) -> [F::Acc; N] {
    for chunk in chunks {
        for (lane, element) in lanes.iter_mut().zip(chunk) {
            *lane = fold.combine(*lane, fold.lift(*element));
        }
    }
    lanes
}

/// Of a power of two of lanes one value, by halves.
#[inline(always)]
fn join<F: Fold, const N: usize>(fold: F, lanes: &mut [F::Acc; N]) -> F::Acc {
    let mut width = N / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        for (low, high) in low.iter_mut().zip(high) {
            *low = fold.combine(*low, *high);
        }
        width /= 2;
    }
    lanes[0]
}

/// Rows that are folded side by side.
const ROWS: usize = 8;

/// Calls `put(number, value)` for `count` rows of `length` elements, which `row` gives by number.
/// The values are those of [`fold_slice`]. Rows of some length are folded side by side if that is
/// worth the code.
#[inline(always)]
pub fn fold_rows<'a, F: Fold>(
    fold: F,
    (length, worth): (usize, bool),
    count: usize,
    row: impl Fn(usize) -> &'a [F::In],
    mut put: impl FnMut(usize, F::Acc),
) where
    F::In: 'a,
{
    if length < FEW {
        // a loop of its own: a row takes less time than the choice among the others
        for number in 0..count {
            put(number, fold_in_turn(fold, &row(number)[..length]));
        }
        return;
    }
    let mut first = 0;
    if worth && (SOME..MANY).contains(&length) {
        while first + ROWS <= count {
            let values = fold_side_by_side(fold, length, |number| row(first + number));
            for (number, value) in values.into_iter().enumerate() {
                put(first + number, value);
            }
            first += ROWS;
        }
    }
    for number in first..count {
        put(number, fold_slice(fold, row(number)));
    }
}

/// As [`fold_lanes`] for several rows, whose lanes are joined together: no register is half empty.
#[inline(always)]
fn fold_side_by_side<'a, F: Fold>(
    fold: F,
    length: usize,
    row: impl Fn(usize) -> &'a [F::In],
) -> [F::Acc; ROWS]
where
    F::In: 'a,
{
    let mut lanes = [[fold.identity(); FEW]; ROWS];
    for (number, lanes) in lanes.iter_mut().enumerate() {
        let (whole, _) = row(number)[..length].as_chunks();
        let wide: [F::Acc; 2 * FEW] = accumulate_whole(fold, [fold.identity(); 2 * FEW], whole);
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value = fold.combine(wide[lane], wide[lane + FEW]);
        }
    }
    let [a, b, c, d, e, f, g, h] = &lanes;
    let fours = [(a, e), (b, f), (c, g), (d, h)].map(|(a, b)| join_halves::<F, 4>(fold, a, b));
    let [a, b, c, d] = &fours;
    let pairs = [(a, c), (b, d)].map(|(a, b)| join_halves::<F, 2>(fold, a, b));
    let mut values = join_halves::<F, 1>(fold, &pairs[0], &pairs[1]);
    for column in length / (2 * FEW) * (2 * FEW)..length {
        for (number, value) in values.iter_mut().enumerate() {
            *value = fold.combine(*value, fold.lift(row(number)[column]));
        }
    }
    values
}

/// Joins the halves of groups of `2 * H` lanes: those of the first vector and of the second in turn.
#[inline(always)]
fn join_halves<F: Fold, const H: usize>(
    fold: F,
    first: &[F::Acc; FEW],
    second: &[F::Acc; FEW],
) -> [F::Acc; FEW] {
    let half = |later: usize| -> [F::Acc; FEW] {
        std::array::from_fn(|lane| {
            let (group, place) = (lane / (2 * H) * (2 * H), lane % (2 * H));
            match place < H {
                true => first[group + later * H + place],
                false => second[group + later * H + place - H],
            }
        })
    };
    let (low, high) = (half(0), half(1));
    std::array::from_fn(|lane| fold.combine(low[lane], high[lane]))
}

/// Folds one row into an accumulator for each column.
#[inline(always)]
pub fn fold_row<F: Fold>(fold: F, columns: &mut [F::Acc], row: &[F::In]) {
    for (column, element) in columns.iter_mut().zip(row) {
        *column = fold.combine(*column, fold.lift(*element));
    }
}

/// Columns whose accumulators stay in registers while rows are folded into them.
const ABREAST: usize = 32;

/// Folds rows one after the other, each as long as there are columns.
#[inline(always)]
pub fn fold_few_rows<F: Fold>(fold: F, columns: &mut [F::Acc], rows: &[&[F::In]]) {
    let (whole, rest) = columns.as_chunks_mut::<ABREAST>();
    let done = whole.len() * ABREAST;
    for (number, chunk) in whole.iter_mut().enumerate() {
        let mut values = *chunk;
        for row in rows {
            fold_row(fold, &mut values, &row[number * ABREAST..][..ABREAST]);
        }
        *chunk = values;
    }
    for row in rows {
        fold_row(fold, rest, &row[done..]);
    }
}

/// Folds a group of rows, each as long as there are columns, in pairs.
#[inline(always)]
pub fn fold_group<F: Fold>(fold: F, columns: &mut [F::Acc], rows: [&[F::In]; GROUP]) {
    let count = columns.len();
    let [a, b, c, d, e, f, g, h] = rows.map(|row| &row[..count]);
    for index in 0..count {
        let pair = |lhs: &[F::In], rhs: &[F::In]| {
            fold.combine(fold.lift(lhs[index]), fold.lift(rhs[index]))
        };
        let low = fold.combine(pair(a, b), pair(c, d));
        let high = fold.combine(pair(e, f), pair(g, h));
        columns[index] = fold.combine(columns[index], fold.combine(low, high));
    }
}

/// Folds accumulators into others.
#[inline(always)]
pub fn fold_columns<F: Fold>(fold: F, columns: &mut [F::Acc], others: &[F::Acc]) {
    for (column, other) in columns.iter_mut().zip(others) {
        *column = fold.combine(*column, *other);
    }
}
