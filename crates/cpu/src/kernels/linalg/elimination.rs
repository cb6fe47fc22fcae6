//! Gaussian elimination of large matrices by several threads: while the columns behind a panel are
//! updated, whoever updates the next panel factors it.

use super::blocks::Columns;
use super::element::Element;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_unit_lower_triangular_in_place;
use faer::{Accum, MatMut, MatRef, Par};
use mlx_oxide_runtime::parallel;
use parking_lot::Mutex;

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

/// Puts rows into an order, moving only those that change places.
fn reorder<T: Element>(mut block: MatMut<'_, T>, order: &[usize], moved: &[usize]) {
    let mut values = vec![T::default(); moved.len()];
    for mut column in block.as_mut().col_iter_mut() {
        for (value, row) in values.iter_mut().zip(moved) {
            *value = column[order[*row]];
        }
        for (value, row) in values.iter().zip(moved) {
            column[*row] = *value;
        }
    }
}

/// A panel whose factors are known, and the order that they put the rows below into.
struct Panel {
    first: usize,
    end: usize,
    order: Vec<usize>,
}

impl Panel {
    /// Applies the panel to columns behind it: afterwards they hold rows of `U` and what is left.
    fn update<T: Element>(&self, factors: MatRef<'_, T>, block: MatMut<'_, T>, moved: &[usize]) {
        let size = self.end - self.first;
        let (_, mut below) = block.split_at_row_mut(self.first);
        reorder(below.as_mut(), &self.order, moved);
        let (lower, left) = factors.split_at_row(self.first).1.split_at_row(size);
        let (mut top, bottom) = below.split_at_row_mut(size);
        solve_unit_lower_triangular_in_place(lower, top.as_mut(), Par::Seq);
        let minus = T::narrow((-1.0).into());
        matmul(bottom, Accum::Add, left, top.as_ref(), minus, Par::Seq);
    }
}

/// Replaces a matrix by its factors and returns the order of its rows.
pub(super) fn eliminate_blocks<T: Element>(mut matrix: MatMut<'_, T>) -> Vec<usize> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let least = rows.min(columns);
    let mut order: Vec<usize> = (0..rows).collect();
    let end = PANEL.min(least);
    let mut panel = Panel {
        first: 0,
        end,
        order: factor_panel(matrix.as_mut().subcols_mut(0, end)),
    };
    let all = Columns::new(&mut matrix);
    loop {
        let below = order[panel.first..].to_vec();
        for (place, row) in order[panel.first..].iter_mut().zip(&panel.order) {
            *place = below[*row];
        }
        let moves = panel.order.iter().enumerate();
        let moved: Vec<usize> = moves
            .filter(|(to, from)| to != *from)
            .map(|(to, _)| to)
            .collect();
        let next_end = least.min(panel.end + PANEL);
        let next: Mutex<Option<Vec<usize>>> = Mutex::new(None);
        let before = panel.first.div_ceil(BLOCK);
        let behind = (columns - next_end.min(columns)).div_ceil(BLOCK);
        parallel::for_each(1 + behind + before, |task| {
            // SAFETY: nobody writes the columns of the panel
            let factors = unsafe { all.read(panel.first, panel.end) };
            if task == 0 {
                // SAFETY: the next panel is this task's alone
                let mut block = unsafe { all.range(panel.end, next_end) };
                if panel.end == next_end {
                    return;
                }
                panel.update(factors, block.as_mut(), &moved);
                let (_, below) = block.split_at_row_mut(panel.end);
                *next.lock() = Some(factor_panel(below));
            } else if task <= behind {
                let first = next_end + (task - 1) * BLOCK;
                // SAFETY: this block is this task's alone
                let block = unsafe { all.range(first, columns.min(first + BLOCK)) };
                panel.update(factors, block, &moved);
            } else {
                let first = (task - 1 - behind) * BLOCK;
                // SAFETY: this block, before the panel, is this task's alone
                let block = unsafe { all.range(first, panel.first.min(first + BLOCK)) };
                let (_, below) = block.split_at_row_mut(panel.first);
                reorder(below, &panel.order, &moved);
            }
        });
        match next.into_inner() {
            None => return order,
            Some(next) => {
                panel = Panel {
                    first: panel.end,
                    end: next_end,
                    order: next,
                }
            }
        }
    }
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
