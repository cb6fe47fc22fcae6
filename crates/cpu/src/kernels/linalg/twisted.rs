//! Eigenvectors of real symmetric tridiagonal matrices by twisted factorisations (Fernando, "On
//! computing an eigenvector of a tridiagonal matrix", 1997; Parlett and Dhillon, "Fernando's
//! solution to Wilkinson's problem", 1997): from both ends the shifted matrix is factored down to
//! the row where the pivots nearly cancel, and the vector is read off the factors. A vector costs
//! time in proportion to its length, and eight of them are found side by side.
//!
//! Everything is in double precision, so that vectors for results in single precision are
//! orthogonal as long as eigenvalues differ by more than [`GAP`]; for others, and wherever a
//! residual is not small, there is no result and the caller has to go another way.

use crate::simd::{Isa, Kernel, vectorised};

/// Vectors that are found side by side.
pub(super) const LANES: usize = 8;
/// Least distance of eigenvalues, in units of the greatest element.
const GAP: f64 = 1e-7;
/// Greatest residual of a vector of length 1 in the same units: with [`GAP`] it bounds the products
/// of vectors by the rounding of single precision.
const RESIDUAL: f64 = 1e-14;
/// Pivots are not smaller, in the same units: far below rounding, far above underflow.
const PIVOT: f64 = 1e-30;
/// How often an eigenvalue is corrected.
const ROUNDS: usize = 3;

/// One number from each lane.
type Lanes = [f64; LANES];

/// A matrix scaled to elements of at most 1, and its eigenvalues.
pub(super) struct Matrix {
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    values: Vec<f64>,
}

impl Matrix {
    /// From the elements and the ascending eigenvalues; nothing if two of them are too close.
    pub(super) fn new(diagonal: &[f64], beside: &[f64], values: &[f64]) -> Option<Self> {
        let all = diagonal.iter().chain(beside);
        let greatest = all.fold(0.0f64, |most, value| most.max(value.abs()));
        let scaled = |values: &[f64]| values.iter().map(|value| value / greatest).collect();
        let matrix = Matrix {
            diagonal: scaled(diagonal),
            beside: scaled(beside),
            values: scaled(values),
        };
        let apart = |pair: &[f64]| pair[1] - pair[0] > GAP; // false if the greatest element is 0
        matrix.values.windows(2).all(apart).then_some(matrix)
    }

    /// The vectors of [`LANES`] eigenvalues from number `first` on, the last one repeated where
    /// there are no more: row after row, of length 1. Nothing if one of them is not exact enough.
    pub(super) fn vectors(&self, first: usize) -> Option<Vec<Lanes>> {
        let last = self.values.len() - 1;
        let values = std::array::from_fn(|lane| self.values[last.min(first + lane)]);
        let kernel = Vectors {
            matrix: self,
            values,
        };
        vectorised(Isa::best(), kernel)
    }
}

struct Vectors<'a> {
    matrix: &'a Matrix,
    values: Lanes,
}

/// What a function of each lane gives.
#[inline(always)]
fn each(function: impl Fn(usize) -> f64) -> Lanes {
    std::array::from_fn(function)
}

/// The pivot, or a tiny one where it is zero.
#[inline(always)]
fn pivot(value: f64) -> f64 {
    if value.abs() < PIVOT { PIVOT } else { value }
}

impl Kernel for Vectors<'_> {
    type Output = Option<Vec<Lanes>>;

    #[inline(always)]
    fn run(self) -> Option<Vec<Lanes>> {
        let size = self.matrix.diagonal.len();
        let mut values = self.values;
        let mut rows = vec![[0.0; LANES]; size];
        let mut factors = Factors {
            forward: vec![[0.0; LANES]; size],
            backward: vec![[0.0; LANES]; size],
            sums: vec![[0.0; LANES]; size],
        };
        for _ in 0..ROUNDS {
            factors.factor(self.matrix, &values);
            let twists = factors.twists();
            factors.read(&twists, &mut rows);
            let (residuals, corrections) = self.matrix.residuals(&values, &mut rows);
            if residuals.iter().all(|residual| *residual <= RESIDUAL) {
                return Some(rows);
            }
            if !corrections.iter().all(|correction| correction.is_finite()) {
                return None;
            }
            values = each(|lane| values[lane] + corrections[lane]);
        }
        None
    }
}

/// The multipliers of both factorisations of a shifted matrix, and where they meet.
struct Factors {
    /// Of each row from the one after it.
    forward: Vec<Lanes>,
    /// Of each row from the one before it.
    backward: Vec<Lanes>,
    /// The pivot that is left if both factorisations end at a row.
    sums: Vec<Lanes>,
}

impl Factors {
    #[inline(always)]
    fn factor(&mut self, matrix: &Matrix, values: &Lanes) {
        let size = matrix.diagonal.len();
        let mut pivots = each(|lane| matrix.diagonal[0] - values[lane]);
        for row in 0..size {
            self.sums[row] = pivots;
            if row + 1 < size {
                let (beside, next) = (matrix.beside[row], matrix.diagonal[row + 1]);
                let factors = each(|lane| beside / pivot(pivots[lane]));
                pivots = each(|lane| (next - values[lane]) - beside * factors[lane]);
                self.forward[row] = factors;
            }
        }
        let mut reduced = [0.0; LANES];
        for row in (0..size).rev() {
            let sums = &mut self.sums[row];
            *sums = each(|lane| sums[lane] - reduced[lane]);
            if row > 0 {
                let (beside, own) = (matrix.beside[row - 1], matrix.diagonal[row]);
                let pivots = each(|lane| pivot((own - values[lane]) - reduced[lane]));
                let factors = each(|lane| beside / pivots[lane]);
                reduced = each(|lane| beside * factors[lane]);
                self.backward[row] = factors;
            }
        }
    }

    /// The rows with the least pivots.
    #[inline(always)]
    fn twists(&self) -> [usize; LANES] {
        let (mut least, mut rows) = ([f64::INFINITY; LANES], [0.0; LANES]);
        for (row, sums) in self.sums.iter().enumerate() {
            for lane in 0..LANES {
                let smaller = sums[lane].abs() < least[lane];
                least[lane] = if smaller {
                    sums[lane].abs()
                } else {
                    least[lane]
                };
                rows[lane] = if smaller { row as f64 } else { rows[lane] };
            }
        }
        rows.map(|row| row as usize)
    }

    /// The vectors that are 1 at their twists.
    #[inline(always)]
    fn read(&self, twists: &[usize; LANES], rows: &mut [Lanes]) {
        let twist = twists.map(|row| row as f64);
        let mut above = [0.0; LANES];
        for (row, values) in rows.iter_mut().enumerate().rev() {
            let (at, factors) = (row as f64, &self.forward[row]);
            above = each(|lane| match at == twist[lane] {
                true => 1.0,
                false => -factors[lane] * above[lane],
            });
            *values = above;
        }
        let mut below = [0.0; LANES];
        for (row, values) in rows.iter_mut().enumerate() {
            let (at, factors) = (row as f64, &self.backward[row]);
            below = each(|lane| match at <= twist[lane] {
                true => values[lane],
                false => -factors[lane] * below[lane],
            });
            *values = below;
        }
    }
}

impl Matrix {
    /// Makes the vectors as long as 1. Their greatest residuals, and what their Rayleigh quotients
    /// differ by from the eigenvalues.
    #[inline(always)]
    fn residuals(&self, values: &Lanes, rows: &mut [Lanes]) -> (Lanes, Lanes) {
        let size = rows.len();
        let mut squares = [0.0; LANES];
        for row in rows.iter() {
            squares = each(|lane| squares[lane] + row[lane] * row[lane]);
        }
        let lengths = each(|lane| 1.0 / squares[lane].sqrt());
        for row in rows.iter_mut() {
            *row = each(|lane| row[lane] * lengths[lane]);
        }
        let (mut greatest, mut corrections) = ([0.0; LANES], [0.0; LANES]);
        let nothing = [0.0; LANES];
        for row in 0..size {
            let own = self.diagonal[row];
            let (before, previous) = match row {
                0 => (0.0, &nothing),
                _ => (self.beside[row - 1], &rows[row - 1]),
            };
            let (after, next) = match row + 1 == size {
                true => (0.0, &nothing),
                false => (self.beside[row], &rows[row + 1]),
            };
            let residuals = each(|lane| {
                let beside = before * previous[lane] + after * next[lane];
                (own - values[lane]) * rows[row][lane] + beside
            });
            corrections = each(|lane| corrections[lane] + residuals[lane] * rows[row][lane]);
            // a NaN is in every row, and so in the last one
            greatest = each(|lane| match residuals[lane].abs() <= greatest[lane] {
                true => greatest[lane],
                false => residuals[lane].abs(),
            });
        }
        (greatest, corrections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::linalg::tridiagonal;

    /// The greatest product of two vectors, or nothing if there are no vectors.
    fn check(diagonal: &[f64], beside: &[f64]) -> Option<()> {
        let size = diagonal.len();
        let mut values = diagonal.to_vec();
        assert!(tridiagonal::eigenvalues(
            &mut values,
            &mut beside.to_vec(),
            1e-10
        ));
        let matrix = Matrix::new(diagonal, beside, &values)?;
        let mut columns = Vec::new();
        for first in (0..size).step_by(LANES) {
            let rows = matrix.vectors(first)?;
            for lane in 0..LANES.min(size - first) {
                columns.push(rows.iter().map(|row| row[lane]).collect::<Vec<_>>());
            }
        }
        let norm = diagonal
            .iter()
            .chain(beside)
            .fold(0.0f64, |most, v| most.max(v.abs()));
        for (place, column) in columns.iter().enumerate() {
            for (other, with) in columns[..=place].iter().enumerate() {
                let product: f64 = column.iter().zip(with).map(|(a, b)| a * b).sum();
                let expected = f64::from(u8::from(place == other));
                assert!(
                    (product - expected).abs() < 3e-7,
                    "{place} {other} {product}"
                );
            }
            for row in 0..size {
                let mut image = diagonal[row] * column[row];
                if row > 0 {
                    image += beside[row - 1] * column[row - 1];
                }
                if row + 1 < size {
                    image += beside[row] * column[row + 1];
                }
                let error = (image - values[place] * column[row]).abs();
                assert!(error < 1e-12 * norm, "{place} {row} {error}");
            }
        }
        Some(())
    }

    #[test]
    fn vectors_are_orthogonal_and_belong_to_their_values() {
        let random = |index: usize| ((index * index * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        for size in [1, 2, 3, 7, 8, 9, 64, 200] {
            let diagonal: Vec<_> = (0..size).map(random).collect();
            let beside: Vec<_> = (1..size).map(|index| 1.1 + random(index * 31)).collect();
            assert_eq!(check(&diagonal, &beside), Some(()), "{size}");
            let tiny: Vec<_> = diagonal.iter().map(|value| value * 1e-150).collect();
            let beside: Vec<_> = beside.iter().map(|value| value * 1e-150).collect();
            assert_eq!(check(&tiny, &beside), Some(()), "{size}");
        }
        // parts that know nothing of each other
        let apart: Vec<_> = (0..30).map(f64::from).collect();
        let beside: Vec<_> = (1..30)
            .map(|place| f64::from(u8::from(place % 3 != 0)))
            .collect();
        assert_eq!(check(&apart, &beside), Some(()));
        assert_eq!(check(&apart, &[0.0; 29]), Some(()));
    }

    #[test]
    fn values_side_by_side_have_no_result() {
        assert_eq!(check(&[1.0; 5], &[0.0; 4]), None);
        assert_eq!(check(&[0.0; 5], &[0.0; 4]), None);
        let wilkinson: Vec<_> = (0..21)
            .map(|place| f64::from((10i32 - place).abs()))
            .collect();
        assert_eq!(check(&wilkinson, &[1.0; 20]), None);
    }
}
