//! Gaussian elimination of large matrices by several threads: while the columns behind a panel are
//! updated, whoever updates the next panel factors it.

use super::blocks::Columns;
use super::element::Element;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_unit_lower_triangular_in_place;
use faer::{Accum, MatMut, Par};
use mlx_oxide_runtime::parallel;
use parking_lot::Mutex;
use std::ops::Range;

/// Columns of a panel.
const PANEL: usize = 64;
/// Columns of the other blocks.
const BLOCK: usize = 128;
/// Fewest rows and columns that are worth it.
pub(super) const SMALLEST: usize = 256;

/// Factors a panel and returns the order of its rows.
pub(super) fn factor_panel<T: Element>(panel: MatMut<'_, T>) -> Vec<usize> {
    let (rows, columns) = (panel.nrows(), panel.ncols());
    let (mut forward, mut backward) = (vec![0usize; rows], vec![0usize; rows]);
    let request = lu_in_place_scratch::<usize, T>(rows, columns, Par::Seq, Default::default());
    lu_in_place(
        panel,
        &mut forward,
        &mut backward,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        Default::default(),
    );
    forward
}

/// An order of rows, of which only those that change places are moved.
struct Reorder {
    /// Where rows go.
    to: Vec<usize>,
    /// Where they come from.
    from: Vec<usize>,
}

impl Reorder {
    fn new(order: &[usize]) -> Self {
        let moves = order.iter().enumerate();
        let moves = moves.filter(|(to, from)| to != *from);
        let (to, from) = moves.unzip();
        Reorder { to, from }
    }

    /// From one order of the rows of a matrix to another.
    fn between(old: &[usize], new: &[usize]) -> Self {
        let mut places = vec![0; old.len()];
        for (place, row) in old.iter().enumerate() {
            places[*row] = place;
        }
        let order: Vec<usize> = new.iter().map(|row| places[*row]).collect();
        Reorder::new(&order)
    }

    /// Puts the rows of some columns into the order.
    ///
    /// # Safety
    /// As for [`Columns::range`].
    unsafe fn apply<T: Element>(&self, all: &Columns<T>, columns: Range<usize>) {
        let mut values = vec![T::default(); self.to.len()];
        for number in columns {
            // SAFETY: by the caller's promise
            let column = unsafe { all.column(number) };
            for (value, row) in values.iter_mut().zip(&self.from) {
                *value = column[*row];
            }
            for (value, row) in values.iter().zip(&self.to) {
                column[*row] = *value;
            }
        }
    }
}

/// A panel whose factors are known, and the order that they put rows into.
struct Panel {
    first: usize,
    end: usize,
    rows: Reorder,
}

impl Panel {
    /// With the order of the rows from `first` on, into which it puts those of the matrix.
    fn new(first: usize, end: usize, below: &[usize], order: &mut [usize]) -> Self {
        let all: Vec<usize> = (0..first)
            .chain(below.iter().map(|row| first + row))
            .collect();
        let before = order.to_vec();
        for (place, row) in order.iter_mut().zip(&all) {
            *place = before[*row];
        }
        let rows = Reorder::new(&all);
        Panel { first, end, rows }
    }

    /// Applies the panel to columns behind it: afterwards they hold rows of `U` and what is left,
    /// which it returns.
    ///
    /// # Safety
    /// As for [`Columns::range`]; nobody writes the columns of the panel.
    unsafe fn update<'a, T: Element>(
        &self,
        all: &'a Columns<T>,
        columns: Range<usize>,
    ) -> MatMut<'a, T> {
        // SAFETY: by the caller's promise
        unsafe { self.rows.apply(all, columns.clone()) };
        // SAFETY: by the caller's promise
        let factors = unsafe { all.read(self.first, self.end) };
        // SAFETY: by the caller's promise
        let block = unsafe { all.range(columns.start, columns.end) };
        let (_, below) = block.split_at_row_mut(self.first);
        let size = self.end - self.first;
        let (lower, left) = factors.split_at_row(self.first).1.split_at_row(size);
        let (mut top, mut bottom) = below.split_at_row_mut(size);
        solve_unit_lower_triangular_in_place(lower, top.as_mut(), Par::Seq);
        let minus = T::narrow((-1.0).into());
        matmul(
            bottom.as_mut(),
            Accum::Add,
            left,
            top.as_ref(),
            minus,
            Par::Seq,
        );
        bottom
    }
}

/// Replaces a matrix by its factors and returns the order of its rows.
pub(super) fn eliminate_blocks<T: Element>(mut matrix: MatMut<'_, T>) -> Vec<usize> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let least = rows.min(columns);
    let mut order: Vec<usize> = (0..rows).collect();
    let end = PANEL.min(least);
    let first = factor_panel(matrix.as_mut().subcols_mut(0, end));
    let mut panels = vec![Panel::new(0, end, &first, &mut order)];
    // the order of rows that each panel leaves
    let mut orders = vec![order.clone()];
    let all = Columns::new(&mut matrix);
    while let Some(panel) = panels.last() {
        let next_end = least.min(panel.end + PANEL);
        let next: Mutex<Option<Vec<usize>>> = Mutex::new(None);
        let behind = (columns - next_end.min(columns)).div_ceil(BLOCK);
        parallel::for_each(1 + behind, |task| {
            if task > 0 {
                let first = next_end + (task - 1) * BLOCK;
                // SAFETY: this block is this task's alone
                unsafe { panel.update(&all, first..columns.min(first + BLOCK)) };
            } else if panel.end < next_end {
                // SAFETY: the next panel is this task's alone
                let left = unsafe { panel.update(&all, panel.end..next_end) };
                *next.lock() = Some(factor_panel(left));
            }
        });
        let Some(below) = next.into_inner() else {
            break;
        };
        let next = Panel::new(panel.end, next_end, &below, &mut order);
        panels.push(next);
        orders.push(order.clone());
    }
    parallel::for_each(panels.len(), |number| {
        let panel = &panels[number];
        let rows = Reorder::between(&orders[number], &order);
        // SAFETY: each task has a panel of its own
        unsafe { rows.apply(&all, panel.first..panel.end) };
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use num_complex::{Complex32, Complex64};

    fn restores<T: Element>(rows: usize, columns: usize, tolerance: f64) {
        let number = |index: usize| ((index * index * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        let matrix = Mat::<T>::from_fn(rows, columns, |row, column| {
            let index = row * columns + column;
            T::narrow(Complex64::new(number(index), number(index + 7)))
        });
        let mut factors = matrix.clone();
        let order = eliminate_blocks(factors.as_mut());
        let least = rows.min(columns);
        let part = |rows: usize, columns: usize, lower: bool| {
            Mat::<T>::from_fn(rows, columns, |row, column| match (lower, row == column) {
                (true, true) => T::narrow(1.0.into()),
                _ if lower == (row > column) => factors[(row, column)],
                _ => T::default(),
            })
        };
        let product = part(rows, least, true) * part(least, columns, false);
        for column in 0..columns {
            for row in 0..rows {
                let error = product[(row, column)].wide() - matrix[(order[row], column)].wide();
                assert!(error.norm() < tolerance, "{rows} {columns}: {row} {column}");
                if row > column {
                    assert!(
                        factors[(row, column)].wide().norm() < 2.0,
                        "the pivots are the greatest"
                    );
                }
            }
        }
        let mut sorted = order;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..rows));
    }

    #[test]
    fn factors_restore_the_matrix() {
        for (rows, columns) in [
            (1, 1),
            (64, 64),
            (65, 300),
            (130, 200),
            (200, 130),
            (300, 20),
        ] {
            restores::<f32>(rows, columns, 1e-3);
            restores::<f64>(rows, columns, 1e-11);
            restores::<Complex32>(rows, columns, 1e-3);
        }
    }
}
