//! Elements of strided layouts brought together. Strides are in elements, widths in bytes.

/// Bytes that are moved as one.
pub trait Unit: Copy {}
impl Unit for u8 {}
impl Unit for u16 {}
impl Unit for u32 {}
impl Unit for u64 {}

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

/// Brings `count` elements of a layout together, from row-major position `start` on.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes; `source`, the
/// place of element zero, is valid for the whole layout; they do not overlap.
pub unsafe fn gather(
    mut destination: *mut u8,
    source: *const u8,
    width: usize,
    shape: &[usize],
    strides: &[isize],
    start: usize,
    count: usize,
) {
    let Some((&inner, outer)) = shape.split_last() else {
        // SAFETY: a scalar has one element
        unsafe { row(destination, source, 1, width, count.min(1)) };
        return;
    };
    if count == 0 {
        return; // an empty layout has no rows to start from
    }
    let inner_stride = strides[outer.len()];
    let mut index: smallvec::SmallVec<[usize; 4]> = smallvec::SmallVec::from_elem(0, outer.len());
    let (mut rest, mut column) = (start / inner.max(1), start % inner.max(1));
    let mut place = 0isize;
    for axis in (0..outer.len()).rev() {
        index[axis] = rest % outer[axis];
        rest /= outer[axis];
        place += index[axis] as isize * strides[axis];
    }
    let mut left = count;
    while left > 0 {
        let piece = left.min(inner - column);
        // SAFETY: the place lies in the layout, as does the rest of its row
        unsafe {
            let from = source.offset((place + column as isize * inner_stride) * width as isize);
            row(destination, from, inner_stride, width, piece);
            destination = destination.add(piece * width);
        }
        (left, column) = (left - piece, 0);
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < outer[axis] {
                break;
            }
            place -= strides[axis] * outer[axis] as isize;
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlx_oxide_ir::Layout;

    #[test]
    fn gathered_elements_come_in_row_major_order_from_any_start() {
        let source: Vec<u32> = (0..60).collect();
        let layout = Layout::contiguous([3, 4, 5]).permute(&[2, 0, 1]);
        let expected: Vec<u32> = layout.places().map(|place| source[place]).collect();
        for start in 0..60 {
            for count in 0..=60 - start {
                let mut found = vec![0u32; count];
                // SAFETY: the layout covers the source
                unsafe {
                    gather(
                        found.as_mut_ptr().cast(),
                        source.as_ptr().cast(),
                        4,
                        &layout.shape,
                        &layout.strides,
                        start,
                        count,
                    );
                }
                assert_eq!(found, expected[start..start + count]);
            }
        }
    }
}
