//! Real symmetric matrices reduced to three diagonals by reflections, a panel of columns at a time
//! (Dongarra, Sorensen and Hammarling, "Block reduction of matrices to condensed forms for
//! eigenvalue computations", 1989): within a panel the columns behind it are only read, once for
//! each reflection, and afterwards they are updated by one matrix product.

use super::element::Element;
use crate::simd::{Isa, Kernel, vectorised};
use faer::linalg::householder::{make_householder_in_place, upgrade_householder_factor};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, ColMut, Mat, MatMut, MatRef, Par};

/// Columns of a panel.
const PANEL: usize = 16;
/// Numbers that are summed side by side.
const LANES: usize = 8;
/// Columns of the matrix that a product reads together.
const TOGETHER: usize = 4;

/// Columns one behind the other.
struct Panel<T> {
    rows: usize,
    numbers: Vec<T>,
}

impl<T: Element> Panel<T> {
    fn new(rows: usize) -> Self {
        Panel {
            rows,
            numbers: vec![T::default(); rows * PANEL],
        }
    }

    fn column(&self, number: usize) -> &[T] {
        &self.numbers[number * self.rows..][..self.rows]
    }

    fn column_mut(&mut self, number: usize) -> &mut [T] {
        &mut self.numbers[number * self.rows..][..self.rows]
    }

    fn below(&self, row: usize, columns: usize) -> MatRef<'_, T> {
        let numbers = &self.numbers[..self.rows * columns];
        let matrix = MatRef::from_column_major_slice(numbers, self.rows, columns);
        matrix.split_at_row(row).1
    }
}

/// The reduced matrix and its reflections.
struct Reduction<'a, T> {
    matrix: &'a mut [T],
    pitch: usize,
    size: usize,
    /// The reflections of the panel.
    reflections: Panel<T>,
    /// By what the columns behind it change: `A - V·Wᵀ - W·Vᵀ`.
    changes: Panel<T>,
}

/// Replaces the lower triangle of a matrix by the diagonal, the elements beside it and, below them,
/// the reflections; returns their factors for blocks of as many as `block`.
pub(super) fn reduce<T: Element>(matrix: MatMut<'_, T>, block: usize) -> Mat<T> {
    let size = matrix.nrows();
    let mut factors = Mat::<T>::zeros(block, size - 1);
    let pitch = matrix.col_stride() as usize;
    debug_assert!(matrix.row_stride() == 1);
    let start = matrix.as_ptr_mut();
    // SAFETY: the matrix is borrowed alone, and between its columns is room of its own
    let numbers = unsafe { std::slice::from_raw_parts_mut(start, pitch * (size - 1) + size) };
    let mut reduction = Reduction {
        matrix: numbers,
        pitch,
        size,
        reflections: Panel::new(size),
        changes: Panel::new(size),
    };
    let mut first = 0;
    while first + 1 < size {
        let columns = PANEL.min(size - 1 - first);
        for place in 0..columns {
            factors[(0, first + place)] = reduction.reflect(first, place);
        }
        reduction.update(first, columns);
        first += columns;
    }
    join_factors(matrix.as_ref(), &mut factors);
    factors
}

/// Makes the factors of single reflections those of blocks.
fn join_factors<T: Element>(matrix: MatRef<'_, T>, factors: &mut Mat<T>) {
    let (block, count) = (factors.nrows(), factors.ncols());
    let reflections = matrix.submatrix(1, 0, count, count);
    for first in (0..count).step_by(block) {
        let columns = block.min(count - first);
        let mut own = factors.as_mut().submatrix_mut(0, first, columns, columns);
        for place in 0..columns {
            own[(place, place)] = own[(0, place)];
        }
        let reflections = reflections.submatrix(first, first, count - first, columns);
        upgrade_householder_factor(own, reflections, columns, 1, Par::Seq);
    }
}

impl<T: Element> Reduction<'_, T> {
    /// Brings a column of the panel up to date and makes its reflection; returns its factor.
    fn reflect(&mut self, first: usize, place: usize) -> T {
        let (own, size) = (first + place, self.size);
        let column = &mut self.matrix[own * self.pitch..][..size];
        let terms = Terms {
            row: own,
            place,
            reflections: &self.reflections,
            changes: &self.changes,
        };
        vectorised(
            Isa::best(),
            Current {
                column,
                terms: &terms,
            },
        );
        let (head, tail) = column[own + 1..].split_at_mut(1);
        let info = make_householder_in_place(&mut head[0], ColMut::from_slice_mut(tail));
        let factor = T::narrow(info.tau.into().into());
        let vector = self.reflections.column_mut(place);
        vector[..=own].fill(T::default());
        vector[own + 1] = T::narrow(1.0.into());
        vector[own + 2..].copy_from_slice(&column[own + 2..]);
        self.change(own, place, 1.0 / info.tau.into());
        factor
    }

    /// By what a reflection changes the columns behind it.
    fn change(&mut self, own: usize, place: usize, scale: f64) {
        let size = self.size;
        let (before, own_change) = self.changes.numbers.split_at_mut(place * size);
        let change = &mut own_change[..size];
        change.fill(T::default());
        let vector = &self.reflections.numbers[place * size..][..size];
        vectorised(
            Isa::best(),
            Product {
                matrix: self.matrix,
                pitch: self.pitch,
                first: own + 1,
                vector,
                change,
                reflections: &self.reflections.numbers[..place * size],
                changes: before,
                scale: T::narrow(scale.into()),
            },
        );
    }

    /// Updates the columns behind a panel.
    fn update(&mut self, first: usize, columns: usize) {
        let behind = first + columns;
        let count = self.size - behind;
        let start = self.matrix[behind * self.pitch + behind..].as_mut_ptr();
        // SAFETY: the columns and rows behind the panel, borrowed with the matrix
        let mut left =
            unsafe { MatMut::from_raw_parts_mut(start, count, count, 1, self.pitch as isize) };
        let reflections = self.reflections.below(behind, columns);
        let changes = self.changes.below(behind, columns);
        for (lhs, rhs) in [(reflections, changes), (changes, reflections)] {
            matmul(
                left.as_mut(),
                BlockStructure::TriangularLower,
                Accum::Add,
                lhs,
                BlockStructure::Rectangular,
                rhs.transpose(),
                BlockStructure::Rectangular,
                T::narrow((-1.0).into()),
                Par::Seq,
            );
        }
    }
}

/// What the reflections before one in its panel subtract from its column.
struct Terms<'a, T> {
    row: usize,
    place: usize,
    reflections: &'a Panel<T>,
    changes: &'a Panel<T>,
}

/// A column brought up to date.
struct Current<'a, T> {
    column: &'a mut [T],
    terms: &'a Terms<'a, T>,
}

impl<T: Element> Kernel for Current<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Terms { row, place, .. } = *self.terms;
        for place in 0..place {
            let reflection = self.terms.reflections.column(place);
            let change = self.terms.changes.column(place);
            let factors = [change[row], reflection[row]];
            subtract(
                &mut self.column[row..],
                &reflection[row..],
                &change[row..],
                factors,
            );
        }
    }
}

/// `to - a·factors[0] - b·factors[1]`.
#[inline(always)]
fn subtract<T: Element>(to: &mut [T], a: &[T], b: &[T], factors: [T; 2]) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        *to -= *a * factors[0] + *b * factors[1];
    }
}

/// The sum of products, in lanes.
#[inline(always)]
fn dot<T: Element>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::default(); LANES];
    let (whole, other) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = whole.remainder().iter().zip(other.remainder());
    for (a, b) in whole.zip(other) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = rest.fold(T::default(), |sum, (a, b)| sum + *a * *b);
    sums.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// `w = scale·(A - V·Wᵀ - W·Vᵀ)·v` with a part of `v` subtracted that makes the change symmetric.
struct Product<'a, T> {
    matrix: &'a [T],
    pitch: usize,
    /// The first row and column.
    first: usize,
    vector: &'a [T],
    change: &'a mut [T],
    reflections: &'a [T],
    changes: &'a [T],
    scale: T,
}

impl<T: Element> Kernel for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (size, first) = (self.vector.len(), self.first);
        let change = self.change;
        let together = first + (size - first) / TOGETHER * TOGETHER;
        for column in (first..together).step_by(TOGETHER) {
            let columns: [&[T]; TOGETHER] =
                std::array::from_fn(|next| &self.matrix[(column + next) * self.pitch..][..size]);
            several(columns, column, self.vector, change);
        }
        for column in together..size {
            let own = &self.matrix[column * self.pitch..][..size];
            several([own], column, self.vector, change);
        }
        let vector = &self.vector[first..];
        let change = &mut change[first..];
        let before = self
            .reflections
            .chunks_exact(size)
            .zip(self.changes.chunks_exact(size));
        for (reflection, other) in before {
            let (reflection, other) = (&reflection[first..], &other[first..]);
            let factors = [dot(other, vector), dot(reflection, vector)];
            subtract(change, reflection, other, factors);
        }
        change.iter_mut().for_each(|value| *value *= self.scale);
        let half = T::narrow(0.5.into()) * self.scale * dot(change, vector);
        for (value, vector) in change.iter_mut().zip(vector) {
            *value -= half * *vector;
        }
    }
}

/// Adds what columns of the lower triangle, and rows that mirror them, contribute to a product.
#[inline(always)]
fn several<const N: usize, T: Element>(
    columns: [&[T]; N],
    first: usize,
    vector: &[T],
    product: &mut [T],
) {
    // the triangle on the diagonal
    for (place, column) in columns.iter().enumerate() {
        let own = first + place;
        product[own] += column[own] * vector[own];
        for row in own + 1..first + N {
            product[row] += column[row] * vector[own];
            product[own] += column[row] * vector[row];
        }
    }
    let begin = first + N;
    let factors: [T; N] = std::array::from_fn(|place| vector[first + place]);
    let columns = columns.map(|column| &column[begin..]);
    let length = columns[0].len();
    let (vector, (before, product)) = (&vector[begin..], product.split_at_mut(begin));
    let mut sums = [[T::default(); LANES]; N];
    let whole = length / LANES * LANES;
    for row in (0..whole).step_by(LANES) {
        let values: [T; LANES] = std::array::from_fn(|lane| vector[row..][..LANES][lane]);
        let mut results: [T; LANES] = std::array::from_fn(|lane| product[row..][..LANES][lane]);
        for place in 0..N {
            let column = &columns[place][row..][..LANES];
            for lane in 0..LANES {
                results[lane] += column[lane] * factors[place];
                sums[place][lane] += column[lane] * values[lane];
            }
        }
        product[row..][..LANES].copy_from_slice(&results);
    }
    for place in 0..N {
        let mut sum = sums[place]
            .iter()
            .fold(T::default(), |sum, lane| sum + *lane);
        for row in whole..length {
            product[row] += columns[place][row] * factors[place];
            sum += columns[place][row] * vector[row];
        }
        before[first + place] += sum;
    }
}
