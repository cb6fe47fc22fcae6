//! Where values belong in a sorted sequence.

use super::key::Key;
use crate::kernels::shared::Shared;
use mlx_oxide_runtime::parallel;

/// Values of a piece of work.
const PIECE: usize = 4 * 1024;

/// Row-major elements of one type, and where the `uint32` places of the values go.
pub(super) struct Places {
    pub sequence: *mut u8,
    pub length: usize,
    pub values: *mut u8,
    pub count: usize,
    pub target: *mut u8,
    /// After equal elements, not before them.
    pub right: bool,
}

/// Bisects for each value.
pub(super) fn run<E: Copy + Send + Sync, K: Key>(places: Places, key: impl Fn(E) -> K + Sync) {
    let (values, target) = (Shared(places.values), Shared(places.target));
    let sequence = places.sequence.cast::<E>();
    // SAFETY: the sequence is row-major and aligned, and nobody writes it
    let sequence = unsafe { std::slice::from_raw_parts(sequence, places.length) };
    let right = places.right;
    parallel::for_each_range(places.count, PIECE, |start, end| {
        for number in start..end {
            // SAFETY: there are `count` values
            let value = key(unsafe { values.element::<E>(number).read() });
            let place = sequence.partition_point(|&element| {
                let element = key(element);
                element < value || right && element == value
            });
            // SAFETY: and room for as many places
            unsafe { target.element::<u32>(number).write(place as u32) };
        }
    });
}
