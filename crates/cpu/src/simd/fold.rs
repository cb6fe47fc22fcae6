//! Many elements folded into one, in an order that the number of elements alone decides.
//!
//! Four vectors of elements are joined in pairs before they go to accumulators, these are joined to
//! those of the block before after sixteen times, and pieces of [`PIECE`] are joined in pairs, so
//! that the error of a sum grows with the logarithm of the number of terms. Few elements go to
//! accumulators one vector at a time, of more than a hundred four.
//!
//! The compiler keeps an array of lanes in registers only where loops over it are plain and nothing
//! else is done with a part of it: hence the small functions of whole arrays, and the walls
//! (`black_box`) between the phases, across which it would move lanes one by one.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// Lanes of short rows, and elements from which on there are lanes.
const FEW: usize = 8;
/// Elements from which on vectors of short rows go to four accumulators.
const SEVERAL: usize = 9 * 2 * FEW;
/// Elements from which on rows are folded by four vectors at a time.
const MANY: usize = 512;
/// Bytes that the values of a block's elements would take: each accumulator takes sixteen times
/// four of them before it is joined to the rest.
const BLOCK: usize = 16 * 4 * 64;
/// Elements that are folded without pairing.
pub const PIECE: usize = 16 << 10;
/// The most elements of a part of what is folded: some blocks.
pub const RUN: usize = 4 << 10;
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

/// Calls `$function::<F, N>` with the number of lanes that suits the accumulators: two registers of
/// AVX2, or one of AVX-512.
macro_rules! by_lanes {
    ($function:ident::<F>($($argument:expr),*)) => {
        match size_of::<F::Acc>() {
            1 => $function::<F, 64>($($argument),*),
            2 => $function::<F, 32>($($argument),*),
            3..=4 => $function::<F, 16>($($argument),*),
            _ => $function::<F, 8>($($argument),*),
        }
    };
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
    if count < FEW {
        return fold_in_turn(fold, part(0, count));
    }
    if count < SEVERAL {
        return fold_short::<F, false>(fold, part(0, count));
    }
    if count < MANY {
        return fold_short::<F, true>(fold, part(0, count));
    }
    by_lanes!(fold_pieces::<F>(fold, count, part))
}

#[inline(always)]
fn fold_in_turn<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    let mut value = fold.identity();
    for element in elements {
        value = fold.combine(value, fold.lift(*element));
    }
    value
}

/// The value of at least [`FEW`] and less than [`MANY`] elements, of at least [`SEVERAL`] if it says
/// so.
#[inline(always)]
fn fold_short<F: Fold, const S: bool>(fold: F, elements: &[F::In]) -> F::Acc {
    let (lanes, rest) = accumulate_short::<F, S>(fold, elements);
    fold.combine(join_four(fold, &lanes), rest)
}

/// The value of four accumulators.
#[inline(always)]
fn join_four<F: Fold>(fold: F, lanes: &[F::Acc; 4]) -> F::Acc {
    let low = fold.combine(lanes[0], lanes[2]);
    fold.combine(low, fold.combine(lanes[1], lanes[3]))
}

/// As many elements as [`fold_short`] takes to accumulators, and the value of the last few.
#[inline(always)]
fn accumulate_short<F: Fold, const S: bool>(fold: F, elements: &[F::In]) -> ([F::Acc; 4], F::Acc) {
    let (whole, mut rest) = elements.as_chunks::<{ 2 * FEW }>();
    let mut lanes = [fold.identity(); FEW];
    if let [first, others @ ..] = whole {
        let mut wide = lifted(fold, first);
        if S {
            wide = accumulate_vectors(fold, wide, others);
        } else {
            for vector in others {
                wide = pair(fold, wide, lifted(fold, vector));
            }
        }
        for (place, lane) in lanes.iter_mut().enumerate() {
            *lane = fold.combine(wide[place], wide[place + FEW]);
        }
        if let Some((vector, others)) = rest.split_first_chunk() {
            lanes = pair(fold, lanes, lifted(fold, vector));
            rest = others;
        }
    } else if let Some((vector, others)) = rest.split_first_chunk() {
        (lanes, rest) = (lifted(fold, vector), others);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let lanes = pair(fold, [a, b, c, d], [e, f, g, h]);
    (lanes, fold_in_turn(fold, rest))
}

/// Vectors to accumulators four at a time, so that none waits for the one before.
#[inline(always)]
fn accumulate_vectors<F: Fold, const N: usize>(
    fold: F,
    mut lanes: [F::Acc; N],
    vectors: &[[F::In; N]],
) -> [F::Acc; N] {
    let (fours, rest) = vectors.as_chunks::<4>();
    let mut sums = [[fold.identity(); N]; 4];
    for four in fours {
        for (sum, vector) in sums.iter_mut().zip(four) {
            *sum = pair(fold, *sum, lifted(fold, vector));
        }
    }
    for vector in rest {
        lanes = pair(fold, lanes, lifted(fold, vector));
    }
    let [a, b, c, d] = sums;
    pair(fold, lanes, pair(fold, pair(fold, a, b), pair(fold, c, d)))
}

/// Elements as values.
#[inline(always)]
fn lifted<F: Fold, const N: usize>(fold: F, elements: &[F::In; N]) -> [F::Acc; N] {
    let mut values = [fold.identity(); N];
    for (value, element) in values.iter_mut().zip(elements) {
        *value = fold.lift(*element);
    }
    values
}

/// As many elements to the first accumulators.
#[inline(always)]
fn some<F: Fold>(fold: F, lanes: &mut [F::Acc], elements: &[F::In]) {
    for (lane, element) in lanes.iter_mut().zip(elements) {
        *lane = fold.combine(*lane, fold.lift(*element));
    }
}

/// As [`fold_parts`], of at least [`MANY`] elements.
#[inline(always)]
fn fold_pieces<'a, F: Fold, const N: usize>(
    fold: F,
    count: usize,
    mut part: impl FnMut(usize, usize) -> &'a [F::In],
) -> F::Acc
where
    F::In: 'a,
{
    let mut cascade = Cascade::new(fold);
    let mut start = 0;
    loop {
        let piece = PIECE.min(count - start);
        let [value] =
            fold_piece::<F, N, 1>(fold, piece, |first, count| [part(start + first, count)]);
        if piece == count {
            return value;
        }
        cascade.push(value);
        start += piece;
        if start == count {
            return cascade.finish();
        }
    }
}

/// The values of `R` times at most [`PIECE`] elements, of which `part` gives so many
/// from a place on, at most [`RUN`] at a time.
#[inline(always)]
fn fold_piece<'a, F: Fold, const N: usize, const R: usize>(
    fold: F,
    count: usize,
    mut part: impl FnMut(usize, usize) -> [&'a [F::In]; R],
) -> [F::Acc; R]
where
    F::In: 'a,
{
    let block = BLOCK / size_of::<F::Acc>().max(1);
    let mut total = [[fold.identity(); N]; R];
    let mut rest = [fold.identity(); R];
    for start in (0..count).step_by(RUN) {
        let length = RUN.min(count - start);
        let runs = part(start, length);
        let mut first = 0;
        while first + N <= length {
            let end = (first + block).min(length / N * N);
            let lanes = accumulate::<F, N, R>(fold, parts(runs, first, end));
            for (total, lanes) in total.iter_mut().zip(lanes) {
                *total = pair(fold, *total, lanes);
            }
            first = end;
        }
        if first < length {
            for (rest, run) in rest.iter_mut().zip(runs) {
                *rest = fold.combine(*rest, fold_in_turn(fold, &run[first..length]));
            }
        }
    }
    pair(fold, join(fold, black_box(total)), rest)
}

/// Elements of `R` slices of one length, a multiple of `N`, to as many times `N` accumulators: four
/// times as many at a time, which are joined in pairs before.
#[inline(always)]
fn accumulate<F: Fold, const N: usize, const R: usize>(
    fold: F,
    slices: [&[F::In]; R],
) -> [[F::Acc; N]; R] {
    let mut lanes = [[fold.identity(); N]; R];
    let length = slices[0].len();
    let mut first = 0;
    while first + 4 * N <= length {
        for (lanes, slice) in lanes.iter_mut().zip(slices) {
            let vectors = slice[first..first + 4 * N].as_chunks::<N>().0;
            let low = lifted_pair(fold, &vectors[0], &vectors[1]);
            let high = lifted_pair(fold, &vectors[2], &vectors[3]);
            *lanes = pair(fold, *lanes, pair(fold, low, high));
        }
        first += 4 * N;
    }
    let mut lanes = black_box(lanes);
    while first < length {
        for (lanes, slice) in lanes.iter_mut().zip(slices) {
            some(fold, lanes, &slice[first..first + N]);
        }
        first += N;
    }
    black_box(lanes)
}

/// Values joined one by one.
#[inline(always)]
fn pair<F: Fold, const N: usize>(fold: F, mut lhs: [F::Acc; N], rhs: [F::Acc; N]) -> [F::Acc; N] {
    for (lhs, rhs) in lhs.iter_mut().zip(&rhs) {
        *lhs = fold.combine(*lhs, *rhs);
    }
    lhs
}

/// As [`pair`], of elements.
#[inline(always)]
fn lifted_pair<F: Fold, const N: usize>(
    fold: F,
    lhs: &[F::In; N],
    rhs: &[F::In; N],
) -> [F::Acc; N] {
    let mut values = [fold.identity(); N];
    for ((value, lhs), rhs) in values.iter_mut().zip(lhs).zip(rhs) {
        *value = fold.combine(fold.lift(*lhs), fold.lift(*rhs));
    }
    values
}

/// A part of each slice.
#[inline(always)]
fn parts<T, const R: usize>(mut slices: [&[T]; R], start: usize, end: usize) -> [&[T]; R] {
    for slice in &mut slices {
        *slice = &slice[start..end];
    }
    slices
}

/// Of each power of two of lanes one value, by halves.
#[inline(always)]
fn join<F: Fold, const N: usize, const R: usize>(
    fold: F,
    mut lanes: [[F::Acc; N]; R],
) -> [F::Acc; R] {
    let mut width = N / 2;
    // vectors of a few bytes are not worth putting together
    let alone = R == 1 || size_of::<F::Acc>() < size_of::<f32>();
    while width >= FEW || (width > 0 && alone) {
        for lanes in &mut lanes {
            let (low, high) = lanes.split_at_mut(width);
            fold_columns(fold, low, &high[..width]);
        }
        width /= 2;
    }
    let mut values = [fold.identity(); R];
    if alone {
        for (value, lanes) in values.iter_mut().zip(&lanes) {
            *value = lanes[0];
        }
        return values;
    }
    // of four rows no register is half empty
    for (values, lanes) in values.chunks_exact_mut(4).zip(lanes.chunks_exact(4)) {
        let first = join_halves::<F, 4>(fold, &lanes[0], &lanes[2]);
        let second = join_halves::<F, 4>(fold, &lanes[1], &lanes[3]);
        let pairs = join_halves::<F, 2>(fold, &first, &second);
        for (row, value) in values.iter_mut().enumerate() {
            *value = fold.combine(pairs[2 * row], pairs[2 * row + 1]);
        }
    }
    values
}

/// Joins the halves of groups of `2 * H` lanes: those of the first vector and of the second in turn.
#[inline(always)]
fn join_halves<F: Fold, const H: usize>(
    fold: F,
    first: &[F::Acc],
    second: &[F::Acc],
) -> [F::Acc; FEW] {
    let (first, second) = (&first[..FEW], &second[..FEW]);
    let mut joined = [fold.identity(); FEW];
    for (lane, value) in joined.iter_mut().enumerate() {
        let (group, place) = (lane / (2 * H) * (2 * H), lane % (2 * H));
        let (from, place) = match place < H {
            true => (first, group + place),
            false => (second, group + place - H),
        };
        *value = fold.combine(from[place], from[place + H]);
    }
    joined
}

/// Rows that are folded side by side. They are far apart, because the processor fetches ahead of
/// several places faster than of one.
const ABREAST: usize = 4;
/// Rows that are taken together.
const ROWS: usize = 16 * ABREAST;

/// Calls `put(number, value)` for `count` rows of `length` elements, at most [`PIECE`], which `row`
/// gives by number, in order. The values are those of [`fold_slice`]. If any order of combining
/// gives the same bits (`exact`), the compiler chooses that of short rows.
#[inline(always)]
pub fn fold_rows<'a, F: Fold>(
    fold: F,
    (length, exact): (usize, bool),
    count: usize,
    row: impl Fn(usize) -> &'a [F::In],
    mut put: impl FnMut(usize, F::Acc),
) where
    F::In: 'a,
{
    debug_assert!(length <= PIECE);
    if length < FEW || (exact && length < MANY) {
        // a loop of its own: a row takes less time than the choice among the others
        for number in 0..count {
            put(number, fold_in_turn(fold, &row(number)[..length]));
        }
        return;
    }
    if length < SEVERAL {
        return fold_short_rows::<F, false>(fold, (length, count), row, put);
    }
    if length < MANY {
        return fold_short_rows::<F, true>(fold, (length, count), row, put);
    }
    by_lanes!(fold_long_rows::<F>(fold, (length, count), row, put))
}

/// As [`fold_rows`], of as many elements as [`fold_short`] takes.
#[inline(always)]
fn fold_short_rows<'a, F: Fold, const S: bool>(
    fold: F,
    (length, count): (usize, usize),
    row: impl Fn(usize) -> &'a [F::In],
    mut put: impl FnMut(usize, F::Acc),
) where
    F::In: 'a,
{
    let mut lanes = [[fold.identity(); 4]; ROWS];
    let mut values = [fold.identity(); ROWS];
    let mut rests = [fold.identity(); ROWS];
    for start in (0..count).step_by(ROWS) {
        let taken = ROWS.min(count - start);
        for number in 0..taken {
            let row = &row(start + number)[..length];
            (lanes[number], rests[number]) = accumulate_short::<F, S>(fold, row);
        }
        // all in one loop, and no register is half empty
        for ((value, lanes), rest) in values.iter_mut().zip(&lanes).zip(&rests).take(taken) {
            *value = fold.combine(join_four(fold, lanes), *rest);
        }
        for (number, value) in values[..taken].iter().enumerate() {
            put(start + number, *value);
        }
    }
}

/// As [`fold_rows`], of at least [`MANY`] elements.
#[inline(always)]
fn fold_long_rows<'a, F: Fold, const N: usize>(
    fold: F,
    (length, count): (usize, usize),
    row: impl Fn(usize) -> &'a [F::In],
    mut put: impl FnMut(usize, F::Acc),
) where
    F::In: 'a,
{
    let mut values = [fold.identity(); ROWS];
    for start in (0..count).step_by(ROWS) {
        let taken = ROWS.min(count - start);
        let apart = taken / ABREAST;
        let mut first = 0;
        while first < taken {
            let abreast = if first < apart { ABREAST } else { 1 };
            let mut rows = [&[][..]; ABREAST];
            for (place, from) in rows[..abreast].iter_mut().enumerate() {
                *from = &row(start + first + place * apart)[..length];
            }
            if abreast == 1 {
                [values[first]] = fold_piece::<F, N, 1>(fold, length, |start, count| {
                    [&rows[0][start..start + count]]
                });
                first += 1;
                continue;
            }
            let four = fold_piece::<F, N, ABREAST>(fold, length, |start, count| {
                parts(rows, start, start + count)
            });
            for (place, value) in four.into_iter().enumerate() {
                values[first + place * apart] = value;
            }
            first += 1;
            if first == apart {
                first = apart * ABREAST;
            }
        }
        for (place, value) in values[..taken].iter().enumerate() {
            put(start + place, *value);
        }
    }
}

/// The longest rows that [`fold_brief_rows`] takes.
pub const BRIEF: usize = 16;
/// Elements of short rows that are taken together.
const NEAR: usize = 1024;

/// Calls `put(number, value)` for rows of `length` elements, one to [`BRIEF`], that follow one
/// another, in order, of a fold to which the order of combining means nothing: windows as long as a
/// row are joined from each element on, of all rows at once.
#[inline(always)]
pub fn fold_brief_rows<F: Fold>(
    fold: F,
    length: usize,
    elements: &[F::In],
    mut put: impl FnMut(usize, F::Acc),
) {
    debug_assert!((1..=BRIEF).contains(&length));
    let together = NEAR / length;
    let mut rooms = [[fold.identity(); NEAR + BRIEF]; 3];
    for (block, elements) in elements.chunks(together * length).enumerate() {
        let [values, window, next] = &mut rooms;
        for (value, element) in values.iter_mut().zip(elements) {
            *value = fold.lift(*element);
        }
        join_windows(fold, (length, elements.len()), values, [window, next]);
        for (number, row) in values[..elements.len()].chunks_exact(length).enumerate() {
            put(block * together + number, row[0]);
        }
    }
}

/// Room for the values of short rows, and for the windows that reach beyond the last of them.
type Near<T> = [T; NEAR + BRIEF];

/// Joins each of the first `count` values with those that follow it, in all as many as `length`.
#[inline(always)]
fn join_windows<F: Fold>(
    fold: F,
    (length, count): (usize, usize),
    values: &mut Near<F::Acc>,
    [mut window, mut next]: [&mut Near<F::Acc>; 2],
) {
    window.copy_from_slice(values);
    // of windows of powers of two, of which the length is the sum
    let (mut size, mut done) = (1, length % 2);
    while 2 * size <= length {
        let end = count + BRIEF - 2 * size;
        let pairs = window[..end].iter().zip(&window[size..]);
        for (joined, (first, second)) in next.iter_mut().zip(pairs) {
            *joined = fold.combine(*first, *second);
        }
        (window, next) = (next, window);
        size *= 2;
        let joins = &window[done..done + count];
        match (length & size, done) {
            (0, _) => continue,
            (_, 0) => values[..count].copy_from_slice(joins),
            _ => fold_columns(fold, &mut values[..count], joins),
        }
        done += size;
    }
}

/// Folds one row into an accumulator for each column.
#[inline(always)]
pub fn fold_row<F: Fold>(fold: F, columns: &mut [F::Acc], row: &[F::In]) {
    for (column, element) in columns.iter_mut().zip(row) {
        *column = fold.combine(*column, fold.lift(*element));
    }
}

/// Columns whose accumulators stay in registers while rows are folded into them.
const COLUMNS: usize = 32;

/// Folds rows one after the other, each as long as there are columns.
#[inline(always)]
pub fn fold_few_rows<F: Fold>(fold: F, columns: &mut [F::Acc], rows: &[&[F::In]]) {
    let (whole, rest) = columns.as_chunks_mut::<COLUMNS>();
    let done = whole.len() * COLUMNS;
    for (number, chunk) in whole.iter_mut().enumerate() {
        let mut values = *chunk;
        for row in rows {
            fold_row(fold, &mut values, &row[number * COLUMNS..][..COLUMNS]);
        }
        *chunk = values;
    }
    for row in rows {
        fold_row(fold, rest, &row[done..]);
    }
}

/// The values of `N` columns of so many rows, which `row` gives by number, in the order of
/// [`fold_group`] as far as there are groups, then of half a group.
#[inline(always)]
pub fn fold_window<'a, F: Fold, const N: usize>(
    fold: F,
    count: usize,
    row: impl Fn(usize) -> &'a [F::In; N],
) -> [F::Acc; N]
where
    F::In: 'a,
{
    let mut values = [fold.identity(); N];
    let mut first = 0;
    while first + GROUP <= count {
        let two = |place: usize| lifted_pair(fold, row(first + place), row(first + place + 1));
        let low = pair(fold, two(0), two(2));
        let high = pair(fold, two(4), two(6));
        values = pair(fold, values, pair(fold, low, high));
        first += GROUP;
    }
    if first + GROUP / 2 <= count {
        let two = |place: usize| lifted_pair(fold, row(first + place), row(first + place + 1));
        values = pair(fold, values, pair(fold, two(0), two(2)));
        first += GROUP / 2;
    }
    for number in first..count {
        values = pair(fold, values, lifted(fold, row(number)));
    }
    values
}

/// Folds a group of rows, each as long as there are columns, in pairs.
#[inline(always)]
pub fn fold_group<F: Fold>(fold: F, columns: &mut [F::Acc], rows: [&[F::In]; GROUP]) {
    let count = columns.len();
    let rows = rows.map(|row| &row[..count]);
    let (whole, rest) = columns.as_chunks_mut::<COLUMNS>();
    let done = whole.len() * COLUMNS;
    for (number, chunk) in whole.iter_mut().enumerate() {
        // of its own: what may lie in the rows themselves the compiler reads one by one
        let mut values = *chunk;
        let rows = parts(rows, number * COLUMNS, (number + 1) * COLUMNS);
        fold_group_columns(fold, &mut values, rows);
        *chunk = values;
    }
    fold_group_columns(fold, rest, parts(rows, done, count));
}

/// As [`fold_group`], of some columns.
#[inline(always)]
fn fold_group_columns<F: Fold>(fold: F, columns: &mut [F::Acc], rows: [&[F::In]; GROUP]) {
    let [a, b, c, d, e, f, g, h] = rows;
    for (index, column) in columns.iter_mut().enumerate() {
        let pair = |lhs: &[F::In], rhs: &[F::In]| {
            fold.combine(fold.lift(lhs[index]), fold.lift(rhs[index]))
        };
        let low = fold.combine(pair(a, b), pair(c, d));
        let high = fold.combine(pair(e, f), pair(g, h));
        *column = fold.combine(*column, fold.combine(low, high));
    }
}

/// Folds accumulators into others.
#[inline(always)]
pub fn fold_columns<F: Fold>(fold: F, columns: &mut [F::Acc], others: &[F::Acc]) {
    for (column, other) in columns.iter_mut().zip(others) {
        *column = fold.combine(*column, *other);
    }
}
