//! Products by tiles against sums in order, on a model of the unit, and on the unit where the
//! machine has it. Elements are small integers, so that every order of summing gives the same
//! bits.

use super::super::tests::{ORDERS, Order, Stored, available};
use super::amx::{Amx, is_available};
use super::model::Model;
use super::*;

type Sizes = (usize, usize, usize);

/// A product that is to be computed.
#[derive(Clone, Copy, Debug)]
struct Case {
    sizes: Sizes,
    orders: (Order, Order),
    /// `alpha` and `beta`.
    factors: Option<(f32, f32)>,
    /// Bytes of packed operands.
    bytes: usize,
}

impl Case {
    fn new(sizes: Sizes) -> Self {
        Case {
            sizes,
            orders: (Order::Rows, Order::Rows),
            factors: None,
            bytes: PACKED_BYTES,
        }
    }

    fn check(self) {
        let (rows, inner, columns) = self.sizes;
        self.check_operands(
            &Stored::new(rows, inner, self.orders.0, 1),
            &Stored::new(inner, columns, self.orders.1, 2),
        );
    }

    fn check_operands(self, lhs: &Stored<bf16>, rhs: &Stored<bf16>) {
        for isa in available() {
            for shared in [false, true] {
                self.check_on::<Model>(isa, shared, lhs, rhs);
                if isa == Isa::Avx512 && is_available() {
                    self.check_on::<Amx>(isa, shared, lhs, rhs);
                }
            }
        }
    }

    fn check_on<U: Unit>(self, isa: Isa, shared: bool, lhs: &Stored<bf16>, rhs: &Stored<bf16>) {
        let (rows, inner, columns) = self.sizes;
        let addend = Stored::<bf16>::new(rows, columns, self.orders.0, 5);
        let untouched = bf16::from_f32(77.0);
        let pitch = columns + 3;
        let mut output = vec![untouched; rows * pitch];
        let tiled = Tiled {
            isa,
            sizes: self.sizes,
            lhs: lhs.matrix(),
            rhs: rhs.matrix(),
            output: Matrix {
                start: output.as_mut_ptr().cast_const(),
                row_stride: pitch as isize,
                column_stride: 1,
            },
            finish: self.factors.map(|(alpha, beta)| Finish {
                alpha,
                beta,
                addend: (beta != 0.0).then(|| addend.matrix()),
            }),
        };
        // SAFETY: matrices reach what they were made for; unit and instruction set are available
        unsafe { tiled.run_within::<U>(self.bytes, "test", shared) }.unwrap();
        for (index, found) in output.into_iter().enumerate() {
            let (row, column) = (index / pitch, index % pitch);
            if column >= columns {
                assert_eq!(found, untouched, "{isa:?} {self:?} wrote past row {row}");
                continue;
            }
            let product = |term| f64::from(lhs.get(row, term)) * f64::from(rhs.get(term, column));
            let mut sum: f64 = (0..inner).map(product).sum();
            if let Some((alpha, beta)) = self.factors {
                let addend = f64::from(addend.get(row, column));
                sum = sum * f64::from(alpha) + addend * f64::from(beta);
            }
            let expected = bf16::from_f64(sum);
            assert!(
                found == expected || found.is_nan() && expected.is_nan(),
                "{isa:?} {self:?} at {row}, {column}: {found} for {expected}"
            );
        }
    }
}

const EDGES: [usize; 12] = [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65];

#[test]
fn tiles_at_every_edge_hold_what_exists() {
    for (index, &rows) in EDGES.iter().enumerate() {
        for (shift, &columns) in EDGES.iter().enumerate() {
            let inner = EDGES[(index * 5 + shift * 7) % EDGES.len()];
            Case {
                orders: (ORDERS[(index + shift) % 4], ORDERS[(index / 2 + shift) % 4]),
                ..Case::new((rows, inner, columns))
            }
            .check();
        }
    }
}

#[test]
fn operands_in_every_order_make_the_same_tiles() {
    for orders in ORDERS.map(|lhs| ORDERS.map(|rhs| (lhs, rhs))).concat() {
        for inner in EDGES.into_iter().chain([511, 512, 513, 1030]) {
            let (rows, columns) = if inner < 100 { (33, 47) } else { (17, 9) };
            Case {
                orders,
                ..Case::new((rows, inner, columns))
            }
            .check();
        }
    }
}

#[test]
fn sums_are_finished_where_they_are_written() {
    for orders in ORDERS.map(|lhs| ORDERS.map(|rhs| (lhs, rhs))).concat() {
        for factors in [(2.0, -1.0), (3.0, 0.0), (0.0, 2.0)] {
            Case {
                orders,
                factors: Some(factors),
                ..Case::new((50, 37, 71))
            }
            .check();
        }
    }
}

#[test]
fn tasks_cover_the_result_without_gaps() {
    let (down, across) = (2 * SIDE * TASK_PAIRS.0, 2 * SIDE * TASK_PAIRS.1);
    for (rows, inner, columns) in [
        (down + 1, 33, across + 1),
        (2 * down + 40, 5, 30),
        (30, 40, 2 * across + 40),
        (70, 32 * PACK_TILES * 2 + 1, 130),
    ] {
        Case {
            orders: (Order::Rows, Order::Columns),
            factors: Some((1.0, 1.0)),
            ..Case::new((rows, inner, columns))
        }
        .check();
    }
}

#[test]
fn parts_cover_the_result_without_gaps() {
    let least = 2 * SIDE * LEAST_PAIRS;
    for (rows, columns) in [
        (least, 3 * least + 5),
        (3 * least + 5, least),
        (2 * least + 33, 2 * least + 33),
        (20, 4 * least),
        (4 * least, 20),
    ] {
        let case = Case {
            factors: Some((2.0, 1.0)),
            bytes: 0,
            ..Case::new((rows, 9, columns))
        };
        case.check();
    }
}

#[test]
fn parts_take_no_more_memory_than_they_may() {
    for (rows, inner, columns) in [
        (1, 1, 1),
        (4096, 4096, 4096),
        (64, 4096, 300_000),
        (300_000, 4096, 64),
        (100_000, 700, 100_000),
        (5000, 10_000_000, 5000),
    ] {
        let empty = Matrix {
            start: std::ptr::null(),
            row_stride: 0,
            column_stride: 0,
        };
        let tiled = Tiled {
            isa: Isa::Baseline,
            sizes: (rows, inner, columns),
            lhs: empty,
            rhs: empty,
            output: empty,
            finish: None,
        };
        let (tall, wide) = tiled.part_sizes(PACKED_BYTES);
        let bytes = (tall + wide) * inner.next_multiple_of(TERMS) * size_of::<bf16>();
        let least = 2 * SIDE * LEAST_PAIRS;
        assert!(bytes <= PACKED_BYTES || tall.max(wide) <= least);
        assert!(tall >= rows.min(least) && wide >= columns.min(least));
        assert!(tall < rows + 2 * SIDE && wide < columns + 2 * SIDE);
    }
}

#[test]
fn tasks_are_enough_for_all_threads() {
    for (down, across) in [(1, 1), (8, 16), (1, 64), (64, 1), (16, 16)] {
        for threads in [1, 2, 7, 64] {
            let tiles = Tiles {
                down,
                across,
                depth: 1 << 10,
            };
            let (tall, wide) = Tiled::task_pairs(tiles, threads);
            let tasks = down.div_ceil(tall) * across.div_ceil(wide);
            assert!(tasks >= (2 * threads).min(down * across));
            assert!(tall <= TASK_PAIRS.0 && wide <= TASK_PAIRS.1);
        }
    }
}

#[test]
fn padding_does_not_spread_what_is_not_finite() {
    for orders in ORDERS.map(|lhs| ORDERS.map(|rhs| (lhs, rhs))).concat() {
        for inner in [1, 17, 33, 64] {
            let sizes = (19, inner, 35);
            let mut lhs = Stored::<bf16>::new(19, inner, orders.0, 1);
            let mut rhs = Stored::<bf16>::new(inner, 35, orders.1, 2);
            for (row, term, value) in [
                (18, inner - 1, bf16::INFINITY),
                (2, inner / 2, bf16::NAN),
                (7, 0, bf16::NEG_INFINITY),
            ] {
                let (lhs_place, rhs_place) = (lhs.place(row, term), rhs.place(term, row + 16));
                lhs.memory[lhs_place] = value;
                rhs.memory[rhs_place] = value;
            }
            Case {
                orders,
                ..Case::new(sizes)
            }
            .check_operands(&lhs, &rhs);
        }
    }
}

/// A packed operand between elements that stay as they are.
fn packed(terms: usize, pack: impl FnOnce(*mut u16)) -> Vec<u16> {
    let untouched = bf16::NAN.to_bits();
    let tiles = terms.div_ceil(TERMS) * TILE;
    let mut memory = vec![[untouched; 2]; tiles / 2 + 1];
    pack(memory.as_mut_ptr().cast());
    let mut elements = memory.concat();
    assert_eq!(elements.split_off(tiles), [untouched; 2]);
    elements
}

#[test]
fn what_does_not_exist_of_a_tile_is_zero() {
    for (isa, order) in available().flat_map(|isa| ORDERS.map(|order| (isa, order))) {
        for (count, terms) in [0, 1, 7, 8, 15, 16]
            .into_iter()
            .flat_map(|count| EDGES.map(|terms| (count, terms)))
        {
            let lhs = Stored::<bf16>::new(count.max(1), terms, order, 1);
            let rhs = Stored::<bf16>::new(terms, count.max(1), order, 2);
            // SAFETY: the matrices have what is counted; there is room for all tiles
            let rows = packed(terms, |to| unsafe {
                pack::rows(isa, lhs.matrix(), (count, terms), to)
            });
            // SAFETY: as above
            let pairs = packed(terms, |to| unsafe {
                pack::pairs(isa, rhs.matrix(), (terms, count), to)
            });
            for (place, (row, pair)) in rows.into_iter().zip(pairs).enumerate() {
                let (line, index) = (place / TERMS, place % TERMS);
                let (row_index, term) = (line % SIDE, line / SIDE * TERMS + index);
                let expected = match row_index < count && term < terms {
                    true => lhs.get(row_index, term),
                    false => 0.0,
                };
                assert_eq!(bf16::from_bits(row).to_f32(), expected, "{isa:?} {order:?}");
                let (column, term) = (index / 2, 2 * line + index % 2);
                let expected = match column < count && term < terms {
                    true => rhs.get(term, column),
                    false => 0.0,
                };
                assert_eq!(
                    bf16::from_bits(pair).to_f32(),
                    expected,
                    "{isa:?} {order:?}"
                );
            }
        }
    }
}
