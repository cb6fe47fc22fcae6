//! Orthogonal factors of real matrices by reflections, a panel of columns at a time: within a panel
//! each reflection changes the columns behind it at once, several of them together, and what is
//! behind the panel is multiplied by all its reflections as a block (Schreiber and Van Loan, "A
//! storage-efficient WY representation for products of Householder transformations", 1989).

use super::blocks::{self, for_each_block};
use super::element::Element;
use crate::simd::{Isa, Kernel, vectorised};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_transpose_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_transpose_on_the_left_in_place_with_conj as apply_transposed,
    make_householder_in_place, upgrade_householder_factor,
};
use faer::{ColMut, Conj, Mat, MatMut, MatRef, Par};

/// Columns of a panel.
const PANEL: usize = 16;
/// Numbers that are summed side by side.
const LANES: usize = 8;
/// Columns that a reflection changes together.
const TOGETHER: usize = 4;

/// Replaces a matrix in column-major order by `R` and, below its diagonal, the reflections; returns
/// their factors for blocks of as many as these have rows.
pub(super) fn factor<T: Element>(mut matrix: MatMut<'_, T>) -> Mat<T> {
    debug_assert!(T::IS_REAL);
    let least = matrix.nrows().min(matrix.ncols());
    let block = PANEL.min(least);
    let mut factors = Mat::<T>::zeros(block, least);
    for first in (0..least).step_by(block) {
        let count = block.min(least - first);
        let left = matrix.as_mut().split_at_row_mut(first).1;
        let (mut panel, behind) = left.split_at_col_mut(first).1.split_at_col_mut(count);
        let mut own = factors.as_mut().submatrix_mut(0, first, count, count);
        for (place, factor) in reflect(panel.as_mut()).into_iter().enumerate() {
            own[(place, place)] = factor;
        }
        upgrade_householder_factor(own.as_mut(), panel.as_ref(), count, 1, Par::Seq);
        apply(panel.as_ref(), own.as_ref(), behind);
    }
    factors
}

/// Applies the reflections of a panel to the columns behind it.
fn apply<T: Element>(panel: MatRef<'_, T>, factors: MatRef<'_, T>, behind: MatMut<'_, T>) {
    let (columns, count) = (behind.ncols(), panel.ncols());
    if columns == 0 {
        return;
    }
    let width = match panel.nrows() * count * columns < blocks::WORK {
        true => columns,
        false => blocks::width(columns),
    };
    for_each_block(behind, width, |_, block| {
        let request = apply_scratch::<T>(panel.nrows(), count, block.ncols());
        let mut memory = MemBuffer::new(request);
        let stack = MemStack::new(&mut memory);
        apply_transposed(panel, factors, Conj::No, block, Par::Seq, stack);
    });
}

/// Makes the reflections of a panel; returns their factors.
fn reflect<T: Element>(panel: MatMut<'_, T>) -> Vec<T> {
    let (rows, columns) = (panel.nrows(), panel.ncols());
    let pitch = panel.col_stride() as usize;
    debug_assert!(panel.row_stride() == 1 && columns <= rows);
    let start = panel.as_ptr_mut();
    // SAFETY: the panel's columns are borrowed alone, and what lies between them is the matrix's,
    // which nobody else uses
    let numbers = unsafe { std::slice::from_raw_parts_mut(start, pitch * (columns - 1) + rows) };
    let reflection = |place: usize| {
        let (own, behind) = numbers.split_at_mut((pitch * (place + 1)).min(numbers.len()));
        let column = &mut own[pitch * place..][place..rows];
        let (head, tail) = column.split_at_mut(1);
        let info = make_householder_in_place(&mut head[0], ColMut::from_slice_mut(tail));
        let factor: f64 = info.tau.into();
        let kernel = Reflection {
            tail,
            scale: T::narrow((1.0 / factor).into()),
            behind,
            pitch,
            place,
        };
        vectorised(Isa::best(), kernel);
        T::narrow(factor.into())
    };
    (0..columns).map(reflection).collect()
}

/// A reflection and the columns of its panel behind it.
struct Reflection<'a, T> {
    /// The vector but for its first number, 1.
    tail: &'a [T],
    scale: T,
    behind: &'a mut [T],
    pitch: usize,
    /// The row of the vector's first number.
    place: usize,
}

impl<T: Element> Kernel for Reflection<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut columns = self.behind.chunks_mut(self.pitch);
        let rows = self.place..self.place + 1 + self.tail.len();
        let mut next = || columns.next().map(|column| &mut column[rows.clone()]);
        while let Some(first) = next() {
            let others: [Option<&mut [T]>; TOGETHER - 1] = std::array::from_fn(|_| next());
            match others {
                [Some(second), Some(third), Some(fourth)] => {
                    change([first, second, third, fourth], self.tail, self.scale);
                }
                rest => {
                    change([first], self.tail, self.scale);
                    for column in rest.into_iter().flatten() {
                        change([column], self.tail, self.scale);
                    }
                }
            }
        }
    }
}

/// Reflects columns.
#[inline(always)]
fn change<const N: usize, T: Element>(columns: [&mut [T]; N], tail: &[T], scale: T) {
    let whole = tail.len() / LANES * LANES;
    let mut sums = [[T::default(); LANES]; N];
    for row in (0..whole).step_by(LANES) {
        let vector = &tail[row..][..LANES];
        for (column, sums) in columns.iter().zip(&mut sums) {
            let column = &column[1 + row..][..LANES];
            for lane in 0..LANES {
                sums[lane] += column[lane] * vector[lane];
            }
        }
    }
    for (column, sums) in columns.into_iter().zip(sums) {
        let (head, column) = column.split_at_mut(1);
        let sum = sums.into_iter().fold(head[0], |sum, lane| sum + lane);
        let rest = column[whole..].iter().zip(&tail[whole..]);
        let sum = rest.fold(sum, |sum, (value, vector)| sum + *value * *vector);
        let multiple = sum * scale;
        head[0] -= multiple;
        for (value, vector) in column.iter_mut().zip(tail) {
            *value -= multiple * *vector;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::linalg::householder::{
        apply_block_householder_sequence_on_the_left_in_place_scratch as sequence_scratch,
        apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_sequence,
    };

    fn restores<T: Element>(matrix: &Mat<T>, tolerance: f64) {
        let (rows, columns) = (matrix.nrows(), matrix.ncols());
        let least = rows.min(columns);
        let mut factored = matrix.clone();
        let factors = factor(factored.as_mut());
        let times = |mut right: Mat<T>| {
            let request = sequence_scratch::<T>(rows, factors.nrows(), right.ncols());
            apply_sequence(
                factored.as_ref().subcols(0, least),
                factors.as_ref(),
                Conj::No,
                right.as_mut(),
                Par::Seq,
                MemStack::new(&mut MemBuffer::new(request)),
            );
            right
        };
        let upper = Mat::from_fn(rows, columns, |row, column| match row <= column {
            true => factored[(row, column)],
            false => T::default(),
        });
        let (product, basis) = (times(upper), times(Mat::identity(rows, rows)));
        let products = basis.transpose() * &basis;
        for row in 0..rows {
            for column in 0..columns {
                let error = product[(row, column)].wide() - matrix[(row, column)].wide();
                assert!(error.norm() < tolerance, "{rows} {columns}: {row} {column}");
            }
            for other in 0..rows {
                let one = f64::from(u8::from(row == other));
                let error = products[(row, other)].wide() - one;
                assert!(error.norm() < tolerance, "{rows} {columns}: {row} {other}");
            }
        }
    }

    fn all<T: Element>(tolerance: f64) {
        let number = |index: usize| ((index * index * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        for (rows, columns) in [
            (1, 1),
            (2, 5),
            (16, 16),
            (17, 9),
            (40, 40),
            (70, 33),
            (33, 70),
        ] {
            let matrix = Mat::<T>::from_fn(rows, columns, |row, column| {
                T::narrow(number(row * columns + column).into())
            });
            restores(&matrix, tolerance);
            restores(&Mat::<T>::zeros(rows, columns), tolerance);
            // columns of zeros, and the same ones again
            let fewer = Mat::<T>::from_fn(rows, columns, |row, column| match column % 3 {
                0 => T::default(),
                _ => matrix[(row, column / 3)],
            });
            restores(&fewer, tolerance);
        }
    }

    #[test]
    fn reflections_restore_the_matrix() {
        all::<f32>(2e-5);
        all::<f64>(4e-14);
    }
}
