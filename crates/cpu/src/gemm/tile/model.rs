//! What the matrix unit computes, by the manual's description of its instructions, for machines
//! without it.

use super::super::tests::pairs::{add_product, normal};
use super::unit::{SIDE, Sums, TERMS, TILE, Unit};
use std::cell::Cell;

thread_local! {
    /// Whether this thread's registers are tiles.
    static CONFIGURED: Cell<bool> = const { Cell::new(false) };
}

/// A unit without registers.
pub(super) struct Model;

/// 16 rows of 32 terms.
type Rows = [[u16; TERMS]; SIDE];
/// 16 pairs of terms of 16 columns.
type Pairs = [[[u16; 2]; SIDE]; TERMS / 2];

impl Unit for Model {
    unsafe fn configure() -> Self {
        assert!(!CONFIGURED.replace(true), "the unit is in use");
        Model
    }

    unsafe fn multiply(
        &self,
        count: usize,
        lhs: [*const u16; 2],
        rhs: [*const u16; 2],
        sums: &mut Sums,
    ) {
        assert!(CONFIGURED.get() && count > 0);
        for (down, lhs) in lhs.into_iter().enumerate() {
            for (across, rhs) in rhs.into_iter().enumerate() {
                let mut tile = [[0.0; SIDE]; SIDE];
                for index in 0..count {
                    // SAFETY: by the promise of `Unit`
                    let (lhs, rhs) = unsafe {
                        (
                            &*lhs.add(index * TILE).cast::<Rows>(),
                            &*rhs.add(index * TILE).cast::<Pairs>(),
                        )
                    };
                    add_products(&mut tile, lhs, rhs);
                }
                for (row, tile) in tile.iter().enumerate() {
                    let first = (down * SIDE + row) * 2 * SIDE + across * SIDE;
                    sums[first..first + SIDE].copy_from_slice(tile);
                }
            }
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        CONFIGURED.set(false);
    }
}

/// TDPBF16PS: the products of the first and of the second terms of pairs are summed apart, then
/// both sums together, then with the tile.
fn add_products(tile: &mut [[f32; SIDE]; SIDE], lhs: &Rows, rhs: &Pairs) {
    for (tile, lhs) in tile.iter_mut().zip(lhs) {
        let mut sums = [[0.0; 2]; SIDE];
        for (lhs, rhs) in lhs.chunks_exact(2).zip(rhs) {
            for (sums, rhs) in sums.iter_mut().zip(rhs) {
                for ((sum, lhs), rhs) in sums.iter_mut().zip(lhs).zip(rhs) {
                    *sum = add_product(*sum, *lhs, *rhs);
                }
            }
        }
        for (tile, [first, second]) in tile.iter_mut().zip(sums) {
            *tile = normal(normal(*tile) + normal(first + second));
        }
    }
}
