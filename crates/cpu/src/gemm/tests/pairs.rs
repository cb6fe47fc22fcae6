//! Kernels of pairs of `bf16` as the processor's, by the manual's description of its instructions.

use super::super::element::Element;
use super::super::kernel::{Kernels, Tile, TileKernel, kernels, tile};
use super::super::matrix::Matrix;
use super::super::pack::{Piece, pack_pairs};
use super::super::vector::Vector;
use super::{Order, available, check, check_all, check_not_finite};
use crate::simd::Isa;
use half::bf16;
use std::array::from_fn;

/// `sum` with the product of two `bf16` added, rounded once to the nearest. Subnormal numbers
/// count as zero.
pub(in super::super) fn add_product(sum: f32, lhs: u16, rhs: u16) -> f32 {
    let [lhs, rhs] = [lhs, rhs].map(|bits| normal(f32::from_bits(u32::from(bits) << 16)));
    normal(lhs.mul_add(rhs, normal(sum)))
}

/// The number, or zero of its sign if it is subnormal.
pub(in super::super) fn normal(number: f32) -> f32 {
    match number.is_subnormal() {
        true => 0.0f32.copysign(number),
        false => number,
    }
}

/// Lanes that are pairs of `bf16` as factors, and `f32` as sums.
#[derive(Clone, Copy)]
struct Modelled([u32; 16]);

impl Vector for Modelled {
    type Element = f32;
    type Mask = usize;
    const LANES: usize = 16;

    unsafe fn mask(count: usize) -> usize {
        count.min(16)
    }
    unsafe fn splat(value: f32) -> Self {
        Modelled([value.to_bits(); 16])
    }
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by the promise of `Vector`
        Modelled(unsafe { from.cast::<[u32; 16]>().read() })
    }
    unsafe fn load_part(from: *const f32, mask: usize) -> Self {
        Modelled(from_fn(|lane| match lane < mask {
            // SAFETY: by the promise of `Vector`
            true => unsafe { from.cast::<u32>().add(lane).read() },
            false => 0,
        }))
    }
    unsafe fn store_part(self, to: *mut f32, mask: usize) {
        for (lane, bits) in self.0.into_iter().enumerate().take(mask) {
            // SAFETY: by the promise of `Vector`
            unsafe { to.cast::<u32>().add(lane).write(bits) };
        }
    }
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { to.cast::<[u32; 16]>().write(self.0) };
    }
    unsafe fn add(self, other: Self) -> Self {
        let sum = |lane| f32::from_bits(self.0[lane]) + f32::from_bits(other.0[lane]);
        Modelled(from_fn(|lane| sum(lane).to_bits()))
    }
    /// The products of the high halves are added first.
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        Modelled(from_fn(|lane| {
            let (lhs, rhs) = (self.0[lane], factor.0[lane]);
            let sum = f32::from_bits(addend.0[lane]);
            let sum = add_product(sum, (lhs >> 16) as u16, (rhs >> 16) as u16);
            add_product(sum, lhs as u16, rhs as u16).to_bits()
        }))
    }
}

kernels!(modelled, MODELLED, f32, Modelled, , 4, 2);

/// A `bf16` whose products are those of kernels of pairs.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
struct Paired(bf16);

impl Element for Paired {
    type Sum = f32;
    type Converted = Paired;
    const WIDE: bool = false;

    fn packed_kernels(_: Isa) -> (&'static Kernels<f32>, usize) {
        (&MODELLED, 2)
    }
    fn widen(self) -> f32 {
        self.0.widen()
    }
    fn narrow(sum: f32) -> Self {
        Paired(bf16::narrow(sum))
    }
}

#[test]
fn products_of_pairs_are_rounded_once_at_every_edge() {
    check_all::<Paired>();
}

#[test]
fn pairs_of_many_terms_are_cut_between_pairs() {
    for isa in available() {
        for inner in [511, 512, 513, 1023, 1025, 1027] {
            let orders = (Order::Columns, Order::Rows);
            check::<Paired>(isa, (11, inner, 70), orders, Some((2.0, -1.0)));
        }
        let orders = (Order::Rows, Order::Columns);
        check::<Paired>(isa, (9, 4099, 130), orders, None);
    }
}

#[test]
fn pairs_keep_what_is_not_finite_in_its_row_and_column() {
    check_not_finite::<Paired>();
}

#[test]
fn pairs_are_packed_from_any_place() {
    let memory: Vec<u16> = (1..=4000).collect();
    for isa in available() {
        for terms in (0..20).chain([31, 32, 33, 130]) {
            for size in [1_usize, 2, 5, 7, 8, 9, 15, 16, 17, 33, 48] {
                for padded in [size, size.next_multiple_of(16)] {
                    let across = if terms > 60 { 131 } else { 61 };
                    for (row_stride, column_stride) in [(size + 3, 1), (1, across), (2, across)] {
                        if (terms * row_stride + size * column_stride) >= memory.len() {
                            continue;
                        }
                        let piece = Piece {
                            source: Matrix {
                                start: memory.as_ptr(),
                                row_stride: row_stride as isize,
                                column_stride: column_stride as isize,
                            },
                            terms,
                            size,
                            padded,
                        };
                        check_packed(isa, &piece, &memory);
                    }
                }
            }
        }
    }
}

fn check_packed(isa: Isa, piece: &Piece<u16>, memory: &[u16]) {
    let (terms, size, padded) = (piece.terms, piece.size, piece.padded);
    let untouched = 0xabcd_abcd;
    let mut found = vec![untouched; terms.div_ceil(2) * padded + 1];
    // SAFETY: the memory has all places, and there is room for the pairs
    unsafe { pack_pairs(isa, piece, found.as_mut_ptr()) };
    let get = |term: usize, index: usize| match term < terms && index < size {
        true => {
            let step = term as isize * piece.source.row_stride
                + index as isize * piece.source.column_stride;
            u32::from(memory[step as usize])
        }
        false => 0,
    };
    for (place, pair) in found[..terms.div_ceil(2) * padded].iter().enumerate() {
        let (term, index) = (place / padded * 2, place % padded);
        let expected = get(term, index) | get(term + 1, index) << 16;
        assert_eq!(
            *pair, expected,
            "{isa:?} {terms} {size} {padded} at {place}"
        );
    }
    assert_eq!(
        found.last(),
        Some(&untouched),
        "{isa:?} {terms} {size} {padded}"
    );
}
