//! Products against sums in order. Elements are small integers, so that every order of summing
//! gives the same bits.

pub(super) mod pairs;

use super::product::multiply_with;
use super::{Element, Finish, INNER, Matrix, Scalar, Small};
use crate::simd::Isa;
use half::{bf16, f16};

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    Rows,
    Columns,
    Spread,
    Reversed,
}

pub(super) const ORDERS: [Order; 4] = [Order::Rows, Order::Columns, Order::Spread, Order::Reversed];

/// How a product is computed.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Shared,
    Alone,
    Small,
}

pub(super) struct Stored<T> {
    pub(super) memory: Vec<T>,
    first: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<T: Element> Stored<T> {
    pub(super) fn new(rows: usize, columns: usize, order: Order, seed: usize) -> Self {
        let (row_stride, column_stride, first, size) = match order {
            Order::Rows => (columns as isize, 1, 0, rows * columns),
            Order::Columns => (1, rows as isize, 0, rows * columns),
            Order::Spread => (2 * columns as isize + 3, 2, 1, rows * (2 * columns + 3) + 1),
            Order::Reversed => {
                let last = (rows * columns).saturating_sub(1);
                (-(columns as isize), -1, last, rows * columns)
            }
        };
        let value = |index: usize| ((index * 7 + index / 5 * 3 + seed) % 9) as f64 - 4.0;
        Stored {
            memory: (0..size)
                .map(|index| T::narrow(T::Sum::of(value(index))))
                .collect(),
            first,
            row_stride,
            column_stride,
        }
    }

    pub(super) fn matrix(&self) -> Matrix<T> {
        Matrix {
            start: self.memory.as_ptr().wrapping_add(self.first),
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    pub(super) fn place(&self, row: usize, column: usize) -> usize {
        let place = self.first as isize
            + row as isize * self.row_stride
            + column as isize * self.column_stride;
        place as usize
    }

    pub(super) fn get(&self, row: usize, column: usize) -> T::Sum {
        self.memory[self.place(row, column)].widen()
    }
}

pub(super) fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

fn check<T: Element + PartialEq + std::fmt::Debug>(
    isa: Isa,
    (rows, inner, columns): (usize, usize, usize),
    orders: (Order, Order),
    factors: Option<(f64, f64)>,
) {
    let lhs = Stored::<T>::new(rows, inner, orders.0, 1);
    let rhs = Stored::<T>::new(inner, columns, orders.1, 2);
    let addend = Stored::<T>::new(rows, columns, orders.0, 5);
    let untouched = T::narrow(T::Sum::of(77.0));
    let mut output = vec![untouched; rows * columns + 1];
    let place = Matrix {
        start: output.as_mut_ptr().cast_const(),
        row_stride: columns as isize,
        column_stride: 1,
    };
    let finish = factors.map(|(alpha, beta)| Finish {
        alpha: T::Sum::of(alpha),
        beta: T::Sum::of(beta),
        addend: (beta != 0.0).then(|| addend.matrix()),
    });
    let sizes = (rows, inner, columns);
    for way in [Way::Shared, Way::Alone, Way::Small] {
        output.fill(untouched);
        let (lhs_place, rhs_place) = (lhs.matrix(), rhs.matrix());
        // SAFETY: matrices reach what they were made for, and the instruction set is available
        unsafe {
            match (way, Small::with(isa, sizes).filter(|_| finish.is_none())) {
                (Way::Small, None) => continue,
                (Way::Small, Some(mut small)) => small.multiply(lhs_place, rhs_place, place),
                (Way::Shared | Way::Alone, _) => {
                    let shared = way == Way::Shared;
                    multiply_with(
                        isa, "test", shared, sizes, lhs_place, rhs_place, place, finish,
                    )
                    .unwrap();
                }
            }
        }
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = T::Sum::default();
                for term in 0..inner {
                    sum = sum + lhs.get(row, term) * rhs.get(term, column);
                }
                if let Some((alpha, beta)) = factors {
                    sum = sum * T::Sum::of(alpha) + addend.get(row, column) * T::Sum::of(beta);
                }
                let found = output[row * columns + column];
                assert_eq!(
                    found,
                    T::narrow(sum),
                    "{isa:?} {sizes:?} {orders:?} {factors:?} at {row}, {column}"
                );
            }
        }
        assert_eq!(output[rows * columns], untouched, "wrote past the end");
    }
}

fn check_all<T: Element + PartialEq + std::fmt::Debug>() {
    let sizes = [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 65,
    ];
    for isa in available() {
        for (index, &rows) in sizes.iter().enumerate() {
            for (shift, &columns) in sizes.iter().enumerate() {
                let inner = sizes[(index * 5 + shift * 3) % sizes.len()];
                let orders = (ORDERS[(index + shift) % 4], ORDERS[(index / 2 + shift) % 4]);
                check::<T>(isa, (rows, inner, columns), orders, None);
            }
        }
        for lhs in ORDERS {
            for rhs in ORDERS {
                for inner in [
                    0,
                    1,
                    INNER - 1,
                    INNER,
                    INNER + 1,
                    2 * INNER - 1,
                    2 * INNER + 3,
                ] {
                    check::<T>(isa, (9, inner, 50), (lhs, rhs), None);
                }
                check::<T>(isa, (97, 128, 121), (lhs, rhs), None);
                check::<T>(isa, (13, 21, 35), (lhs, rhs), Some((2.0, -1.0)));
                check::<T>(isa, (13, 21, 35), (lhs, rhs), Some((3.0, 0.0)));
                for rows in [1, 2, 4] {
                    check::<T>(isa, (rows, 67, 1030), (lhs, rhs), Some((2.0, 1.0)));
                    check::<T>(isa, (1030, 67, rows), (lhs, rhs), Some((2.0, 1.0)));
                }
            }
        }
    }
}

#[test]
fn products_of_single_precision_are_exact_at_every_edge() {
    check_all::<f32>();
}

#[test]
fn products_of_double_precision_are_exact_at_every_edge() {
    check_all::<f64>();
}

#[test]
fn products_of_half_precision_are_rounded_once() {
    check_all::<f16>();
}

#[test]
fn products_of_brain_floats_are_rounded_once() {
    check_all::<bf16>();
}

#[test]
fn large_products_are_cut_into_tasks_without_gaps() {
    for isa in available() {
        check::<f32>(isa, (300, 520, 1100), (Order::Rows, Order::Rows), None);
        check::<f32>(isa, (140, 40, 2100), (Order::Columns, Order::Columns), None);
        check::<bf16>(isa, (270, 300, 90), (Order::Rows, Order::Columns), None);
    }
}

#[test]
fn tasks_of_several_rows_and_columns_pack_what_they_read() {
    let finish = Some((2.0, -1.0));
    for isa in available() {
        check::<f32>(isa, (520, 70, 530), (Order::Rows, Order::Columns), None);
        check::<f16>(isa, (530, 33, 520), (Order::Columns, Order::Rows), finish);
        check::<bf16>(isa, (520, 67, 523), (Order::Spread, Order::Rows), None);
    }
}

#[test]
fn long_vectors_are_multiplied_by_pieces() {
    for isa in available() {
        for inner in [1 << 15, (1 << 15) + 1, 70_007] {
            let orders = (Order::Rows, Order::Columns);
            check::<f32>(isa, (1, inner, 1), orders, Some((2.0, -1.0)));
            check::<f64>(isa, (1, inner, 1), orders, None);
            check::<f16>(isa, (1, inner, 1), orders, None);
            check::<bf16>(isa, (1, inner, 1), orders, Some((0.5, 1.0)));
        }
    }
}

#[test]
fn many_rows_meet_few_columns_in_place() {
    for isa in available() {
        for columns in [8, 15, 16, 30, 32, 64] {
            check::<f32>(isa, (1100, 300, columns), (Order::Rows, Order::Rows), None);
        }
        let finish = Some((2.0, -1.0));
        check::<f32>(isa, (500, 530, 16), (Order::Rows, Order::Columns), finish);
        check::<f64>(isa, (600, 270, 8), (Order::Rows, Order::Rows), None);
    }
}

#[test]
fn panels_of_every_number_of_rows_are_packed() {
    for isa in available() {
        for rows in 500..=512 {
            for inner in [129, 135, 136, 137, 256 + 4, 256 + 9] {
                let sizes = (rows, inner, 90);
                check::<f32>(isa, sizes, (Order::Rows, Order::Rows), None);
            }
        }
    }
}

#[test]
fn some_rows_meet_large_operands_by_slices() {
    for isa in available() {
        for rows in [5, 17] {
            check::<f32>(isa, (rows, 2100, 2001), (Order::Rows, Order::Columns), None);
        }
        let finish = Some((2.0, -1.0));
        check::<f32>(isa, (7, 520, 8100), (Order::Columns, Order::Rows), finish);
        check::<f16>(isa, (9, 70_000, 130), (Order::Rows, Order::Columns), None);
        check::<bf16>(isa, (6, 4100, 2050), (Order::Rows, Order::Rows), finish);
    }
}

#[test]
fn few_rows_meet_large_operands_where_they_are() {
    let finish = Some((2.0, -1.0));
    for isa in available() {
        for rows in [5, 7, 8] {
            let sizes = (rows, 4099, 2051);
            check::<bf16>(isa, sizes, (Order::Rows, Order::Columns), None);
            check::<bf16>(isa, sizes, (Order::Columns, Order::Rows), None);
        }
        let sizes = (8, 4100, 2050);
        check::<bf16>(isa, sizes, (Order::Columns, Order::Columns), finish);
        let sizes = (2050, 4101, 6);
        check::<bf16>(isa, sizes, (Order::Rows, Order::Rows), finish);
        check::<bf16>(isa, sizes, (Order::Columns, Order::Rows), finish);
        check::<f32>(isa, (8, 2050, 2060), (Order::Columns, Order::Rows), None);
        check::<f32>(isa, (5, 2099, 2030), (Order::Rows, Order::Rows), finish);
        check::<f64>(isa, (7, 2010, 1100), (Order::Rows, Order::Rows), None);
        check::<f32>(isa, (4, 300, 1101), (Order::Columns, Order::Rows), None);
        check::<f32>(isa, (3, 301, 900), (Order::Rows, Order::Rows), finish);
        check::<f64>(isa, (4, 307, 600), (Order::Rows, Order::Rows), None);
    }
}

#[test]
fn pairs_of_tasks_are_rounded_tile_by_tile() {
    for isa in available() {
        for lhs in ORDERS {
            for inner in [131, 300, 522] {
                check::<bf16>(isa, (270, inner, 301), (lhs, Order::Rows), None);
            }
            check::<bf16>(isa, (130, 260, 70), (lhs, Order::Columns), None);
        }
    }
}

#[test]
fn many_rows_meet_a_small_operand_row_by_row() {
    fn each<T: Element + PartialEq + std::fmt::Debug>(isa: Isa) {
        for lhs in ORDERS {
            for (columns, rhs) in [(5, Order::Rows), (30, Order::Columns), (83, Order::Spread)] {
                for inner in [1, 16, 37] {
                    check::<T>(isa, (131, inner, columns), (lhs, rhs), None);
                }
            }
            let finish = Some((2.0, -1.0));
            check::<T>(isa, (97, 23, 50), (lhs, Order::Rows), finish);
            check::<T>(isa, (111, 530, 17), (lhs, Order::Rows), None);
            check::<T>(isa, (111, 1077, 29), (lhs, Order::Columns), None);
            check::<T>(isa, (100, 1070, 20), (lhs, Order::Rows), finish);
        }
        for rows in 96..150 {
            let (lhs, rhs) = (ORDERS[rows % 4], ORDERS[rows / 4 % 4]);
            check::<T>(isa, (rows, 9, 16 * (rows % 7)), (lhs, rhs), None);
        }
    }
    for isa in available() {
        each::<f32>(isa);
        each::<f64>(isa);
        each::<f16>(isa);
        each::<bf16>(isa);
    }
}

#[test]
fn long_lines_of_pairs_are_multiplied_where_they_are() {
    for isa in available() {
        for inner in [256, 301, 320, 351] {
            for lhs in ORDERS {
                for (rows, columns) in [(5, 40), (13, 31), (24, 97), (33, 95)] {
                    let orders = (lhs, Order::Columns);
                    check::<bf16>(isa, (rows, inner, columns), orders, None);
                }
                let finish = Some((2.0, -1.0));
                check::<bf16>(isa, (9, inner, 50), (lhs, Order::Columns), finish);
            }
            for rhs in ORDERS {
                for columns in [2, 5, 8, 11, 19] {
                    check::<bf16>(isa, (47, inner, columns), (Order::Rows, rhs), None);
                }
                let finish = Some((3.0, 1.0));
                check::<bf16>(isa, (47, inner, 7), (Order::Rows, rhs), finish);
            }
        }
    }
}

#[test]
fn long_inner_axes_are_cut_into_parts() {
    for isa in available() {
        for (rows, columns) in [(5, 7), (9, 33), (33, 20), (48, 65), (130, 65)] {
            for inner in [2080, 2305, 2560] {
                let orders = (ORDERS[rows % 4], ORDERS[columns % 4]);
                check::<f32>(isa, (rows, inner, columns), orders, None);
                check::<f32>(
                    isa,
                    (rows, inner, columns),
                    (Order::Rows, Order::Rows),
                    None,
                );
            }
        }
        let finish = Some((2.0, -1.0));
        for orders in ORDERS.map(|order| (order, Order::Rows)) {
            check::<f32>(isa, (31, 4099, 37), orders, finish);
            check::<f64>(isa, (17, 2100, 24), orders, None);
            check::<f64>(isa, (17, 2100, 24), orders, finish);
            check::<f16>(isa, (14, 2311, 40), orders, None);
            check::<bf16>(isa, (14, 2311, 40), orders, finish);
        }
    }
}

#[test]
fn tasks_pack_rows_of_their_own() {
    for isa in available() {
        for lhs in ORDERS {
            check::<f32>(isa, (300, 300, 301), (lhs, Order::Rows), None);
            check::<f64>(isa, (270, 530, 150), (lhs, Order::Columns), None);
        }
        let finish = Some((3.0, 2.0));
        check::<f32>(isa, (290, 100, 400), (Order::Columns, Order::Rows), finish);
        check::<f16>(isa, (290, 270, 70), (Order::Rows, Order::Rows), finish);
    }
}

fn check_not_finite<T: Element<Sum = f32>>() {
    for isa in available() {
        for sizes in [(19, 21, 53), (119, 21, 53), (118, 258, 11), (119, 516, 35)] {
            check_not_finite_of::<T>(isa, sizes);
        }
    }
}

fn check_not_finite_of<T: Element<Sum = f32>>(isa: Isa, sizes: (usize, usize, usize)) {
    let (rows, inner, columns) = sizes;
    let mut lhs = Stored::<T>::new(rows, inner, Order::Rows, 1);
    let mut rhs = Stored::<T>::new(inner, columns, Order::Rows, 2);
    lhs.memory.fill(T::narrow(1.0));
    rhs.memory.fill(T::narrow(1.0));
    let (last_row, last_column) = (rows - 1, columns - 1);
    lhs.memory[3 * inner + 4] = T::narrow(f32::NAN);
    lhs.memory[last_row * inner + inner - 1] = T::narrow(f32::INFINITY);
    rhs.memory[(inner - 1) * columns + last_column] = T::narrow(f32::NEG_INFINITY);
    let mut output = vec![T::narrow(0.0); rows * columns];
    let place = Matrix {
        start: output.as_mut_ptr().cast_const(),
        row_stride: columns as isize,
        column_stride: 1,
    };
    let (lhs, rhs) = (lhs.matrix(), rhs.matrix());
    // SAFETY: as in `check`
    unsafe { multiply_with(isa, "test", false, sizes, lhs, rhs, place, None) }.unwrap();
    for (index, found) in output.into_iter().map(T::widen).enumerate() {
        let (row, column) = (index / columns, index % columns);
        if row == 3 {
            assert!(found.is_nan(), "{isa:?} {sizes:?}");
        } else if column == last_column {
            assert_eq!(found, f32::NEG_INFINITY, "{isa:?} {sizes:?}");
        } else if row == last_row {
            assert_eq!(found, f32::INFINITY, "{isa:?} {sizes:?}");
        } else {
            assert_eq!(found, inner as f32, "{isa:?} {sizes:?}");
        }
    }
}

#[test]
fn not_a_number_and_infinity_stay_in_their_rows_and_columns() {
    check_not_finite::<f32>();
    check_not_finite::<f16>();
    check_not_finite::<bf16>();
}
