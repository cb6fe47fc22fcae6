//! Elements of strided layouts brought together. Strides are in elements, widths in bytes.

/// Chooses the type of `width` bytes: `by_width!(width, row::<T>(…))` calls `row::<u32>(…)` for 4.
macro_rules! by_width {
    ($width:expr, $function:ident($($argument:expr),*)) => {
        // SAFETY: the caller's promise, passed on
        unsafe {
            match $width {
                1 => $function::<u8>($($argument),*),
                2 => $function::<u16>($($argument),*),
                4 => $function::<u32>($($argument),*),
                _ => $function::<u64>($($argument),*),
            }
        }
    };
}

mod gather;
mod rows;

pub use gather::gather;
pub use rows::{ByteRows, copy_rows};

/// Bytes of a vector.
const PART: usize = 32;

/// Bytes that are moved as one.
pub trait Unit: Copy {}
impl Unit for u8 {}
impl Unit for u16 {}
impl Unit for u32 {}
impl Unit for u64 {}

/// Writes `count` copies of the element at `source`.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes, `source` is
/// valid for one, and they do not overlap.
pub unsafe fn fill(destination: *mut u8, source: *const u8, width: usize, count: usize) {
    by_width!(width, fill_units(destination, source, count));
}

/// # Safety
/// As [`fill`].
#[inline(always)]
unsafe fn fill_units<T: Unit>(destination: *mut u8, source: *const u8, count: usize) {
    // SAFETY: the caller's promise
    unsafe {
        let value = source.cast::<T>().read_unaligned();
        let destination = destination.cast::<std::mem::MaybeUninit<T>>();
        for unit in std::slice::from_raw_parts_mut(destination, count) {
            unit.write(value);
        }
    }
}

/// Brings `count` elements that are `stride` apart together.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes; every place
/// that the stride leads to from `source` is valid; they do not overlap.
pub unsafe fn row(
    destination: *mut u8,
    source: *const u8,
    stride: isize,
    width: usize,
    count: usize,
) {
    match stride {
        // SAFETY: the caller's promise
        1 => unsafe { destination.copy_from_nonoverlapping(source, count * width) },
        // SAFETY: the caller's promise
        0 if count > 0 => unsafe { fill(destination, source, width, count) },
        // steps that the compiler knows: it reads whole vectors and takes them apart
        -1 => by_width!(width, row_units(destination, source, -1, count)),
        2 => by_width!(width, row_units(destination, source, 2, count)),
        3 => by_width!(width, row_units(destination, source, 3, count)),
        4 => by_width!(width, row_units(destination, source, 4, count)),
        stride => by_width!(width, row_units(destination, source, stride, count)),
    }
}

/// # Safety
/// As [`row`].
#[inline(always)]
unsafe fn row_units<T: Unit>(destination: *mut u8, source: *const u8, stride: isize, count: usize) {
    let (destination, source) = (destination.cast::<T>(), source.cast::<T>());
    for index in 0..count {
        // SAFETY: the caller's promise
        unsafe {
            let value = source.offset(index as isize * stride).read_unaligned();
            destination.add(index).write(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_stride_and_width_are_brought_together() {
        let source: Vec<u8> = (0..9 * 8 * 80u32)
            .map(|number| (number * 31 % 251) as u8)
            .collect();
        for width in [1, 2, 4, 8] {
            for stride in -5..=9isize {
                for count in (0..40).chain([79]) {
                    let first = if stride < 0 { 5 * 79 } else { 0 };
                    let place = |number: usize| (first + number as isize * stride) as usize * width;
                    let mut found = vec![0u64; 80];
                    // SAFETY: all places lie in the source, the row in the destination
                    unsafe {
                        let from = source.as_ptr().add(place(0));
                        row(found.as_mut_ptr().cast(), from, stride, width, count);
                    }
                    let found: &[u8] = bytemuck::cast_slice(&found);
                    for number in 0..count {
                        let (to, from) = (number * width, place(number));
                        assert_eq!(found[to..][..width], source[from..][..width]);
                    }
                    assert!(found[count * width..].iter().all(|byte| *byte == 0));
                }
            }
        }
    }
}
