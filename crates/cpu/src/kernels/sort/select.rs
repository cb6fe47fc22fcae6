//! Rows parted around the element that a sort would put at a position.
//!
//! Selection takes time in proportion to the length. The smaller part is sorted too if it is short:
//! it is what the callers want, so the greatest `k` come in order. Where that part is much smaller
//! than the rest, the rest stays where it is ([`extreme`](super::extreme)).

use super::extreme::End;
use super::key::Key;
use super::rows::{Rows, element_writer, position_writer};
use crate::kernels::shared::Shared;
use mlx_oxide_ir::Result;

/// Elements beyond which a part is left as it comes.
pub(super) const SORTED: usize = 4096;

/// Runs `write(row, to, from)` for places of a row: the element at `from` belongs at `to`. Where most
/// stay, `keep(row, start, end)` leaves those of all places there first. The order depends on the
/// elements alone; of equal ones the first comes first.
fn parted<E: Copy + Send + Sync, K: Key>(
    rows: Rows,
    kth: usize,
    source: *mut u8,
    key: impl Fn(E) -> K + Copy + Sync,
    keep: impl Fn(usize, usize, usize) + Sync,
    write: impl Fn(usize, usize, usize) + Sync,
) -> Result<()> {
    let source = Shared(source);
    let length = rows.length;
    let row_of = |row: usize| {
        // SAFETY: the row lies in the operand, which nobody writes
        unsafe { std::slice::from_raw_parts(source.element::<E>(row * length), length) }
    };
    if let Some(end) = End::of(kth, length) {
        return rows.each(0, |row, _scratch, pieces| {
            let best = end.best(row_of(row), key, pieces);
            end.part(
                length,
                &best,
                pieces,
                |start, end| keep(row, start, end),
                |to, from| write(row, to, from),
            );
        });
    }
    rows.each(
        length * size_of::<K::Numbered>(),
        |row, scratch, _chunks| {
            let numbered = Shared(scratch).element::<K::Numbered>(0);
            for (place, element) in row_of(row).iter().enumerate() {
                let value = key(*element).numbered(place as u32);
                // SAFETY: the scratch memory has room for the numbered keys of a row
                unsafe { numbered.wrapping_add(place).write(value) };
            }
            // SAFETY: just written; the memory is this row's own
            let numbered = unsafe { std::slice::from_raw_parts_mut(numbered, length) };
            let (low, _, high) = numbered.select_nth_unstable(kth);
            let smaller = if low.len() < high.len() { low } else { high };
            if smaller.len() <= SORTED {
                smaller.sort_unstable();
            }
            for (place, value) in numbered.iter().enumerate() {
                write(row, place, K::number(*value) as usize);
            }
        },
    )
}

/// Writes the positions that part each row.
pub(super) fn positions<E: Copy + Send + Sync, K: Key>(
    rows: Rows,
    kth: usize,
    source: *mut u8,
    target: *mut u8,
    key: impl Fn(E) -> K + Copy + Sync,
) -> Result<()> {
    let positions = Shared(target);
    let keep = |row: usize, start: usize, end: usize| {
        let first = positions.element::<u32>(row * rows.length + start);
        // SAFETY: the output has a position for each element, these being this task's own
        let own = unsafe { std::slice::from_raw_parts_mut(first, end - start) };
        for (position, place) in own.iter_mut().zip(start as u32..) {
            *position = place;
        }
    };
    parted(rows, kth, source, key, keep, position_writer(rows, target))
}

/// Writes the elements of each row in the order of [`positions`].
pub(super) fn values<E: Copy + Send + Sync, K: Key>(
    rows: Rows,
    kth: usize,
    source: *mut u8,
    target: *mut u8,
    key: impl Fn(E) -> K + Copy + Sync,
) -> Result<()> {
    let write = element_writer::<E>(rows, source, target);
    let (elements, places) = (Shared(source), Shared(target));
    let keep = |row: usize, start: usize, end: usize| {
        let first = row * rows.length + start;
        let (to, from) = (places.element::<E>(first), elements.element::<E>(first));
        // SAFETY: both have the row, and results are no operands
        unsafe { to.copy_from_nonoverlapping(from, end - start) };
    };
    parted(rows, kth, source, key, keep, write)
}
