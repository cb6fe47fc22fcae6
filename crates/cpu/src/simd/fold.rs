//! Many elements folded into one, in an order that the number of elements alone decides.
//!
//! Elements go to [`LANES`] accumulators in turn, those of a block of [`BLOCK`] are joined to the
//! block before, and pieces of [`PIECE`] are joined in pairs, so that the error of a sum grows
//! with the logarithm of the number of terms.

/// Accumulators: four registers of AVX-512 for elements of four bytes.
const LANES: usize = 64;
/// Accumulators for short rows.
const FEW: usize = 8;
/// Elements that are accumulated before their lanes are joined to the rest.
const BLOCK: usize = 16 * LANES;
/// Elements that are folded without pairing.
pub const PIECE: usize = 16 * BLOCK;
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
    partial: [F::Acc; usize::BITS as usize],
    count: usize,
}

impl<F: Fold> Cascade<F> {
    /// Nothing yet.
    #[inline(always)]
    pub fn new(fold: F) -> Self {
        Cascade {
            fold,
            partial: [fold.identity(); usize::BITS as usize],
            count: 0,
        }
    }

    /// Adds a value.
    #[inline(always)]
    pub fn push(&mut self, value: F::Acc) {
        let level = self.count.trailing_ones() as usize;
        let join = |value, partial: &F::Acc| self.fold.combine(*partial, value);
        self.partial[level] = self.partial[..level].iter().fold(value, join);
        self.count += 1;
    }

    /// The value of all.
    #[inline(always)]
    pub fn finish(self) -> F::Acc {
        let mut value = self.fold.identity();
        let mut first = true;
        for level in 0..usize::BITS as usize - self.count.leading_zeros() as usize {
            if self.count >> level & 1 == 1 {
                let partial = self.partial[level];
                value = if first {
                    partial
                } else {
                    self.fold.combine(partial, value)
                };
                first = false;
            }
        }
        value
    }
}

/// The value of all elements.
#[inline(always)]
pub fn fold_slice<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    if elements.len() < LANES {
        return fold_few(fold, elements);
    }
    if elements.len() <= PIECE {
        return fold_piece(fold, elements);
    }
    let mut cascade = Cascade::new(fold);
    for piece in elements.chunks(PIECE) {
        cascade.push(fold_piece(fold, piece));
    }
    cascade.finish()
}

#[inline(always)]
fn fold_few<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    if elements.len() < FEW {
        let mut value = fold.identity();
        for element in elements {
            value = fold.combine(value, fold.lift(*element));
        }
        return value;
    }
    let mut lanes = [fold.identity(); FEW];
    accumulate(fold, &mut lanes, elements);
    join(fold, &mut lanes)
}

#[inline(always)]
fn fold_piece<F: Fold>(fold: F, elements: &[F::In]) -> F::Acc {
    let mut total = [fold.identity(); LANES];
    for block in elements.chunks(BLOCK) {
        let mut lanes = [fold.identity(); LANES];
        accumulate(fold, &mut lanes, block);
        for (total, lane) in total.iter_mut().zip(lanes) {
            *total = fold.combine(*total, lane);
        }
    }
    join(fold, &mut total)
}

/// Elements to accumulators in turn.
#[inline(always)]
fn accumulate<F: Fold, const N: usize>(fold: F, lanes: &mut [F::Acc; N], elements: &[F::In]) {
    let mut local = *lanes;
    let (whole, rest) = elements.as_chunks::<N>();
    for chunk in whole {
        for (lane, element) in local.iter_mut().zip(chunk) {
            *lane = fold.combine(*lane, fold.lift(*element));
        }
    }
    for (lane, element) in local.iter_mut().zip(rest) {
        *lane = fold.combine(*lane, fold.lift(*element));
    }
    *lanes = local;
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

/// Folds one row into an accumulator for each column.
#[inline(always)]
pub fn fold_row<F: Fold>(fold: F, columns: &mut [F::Acc], row: &[F::In]) {
    for (column, element) in columns.iter_mut().zip(row) {
        *column = fold.combine(*column, fold.lift(*element));
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
