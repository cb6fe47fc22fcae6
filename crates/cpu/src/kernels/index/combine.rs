//! How a row of updates meets what is already there.

use half::{bf16, f16};
use mlx_oxide_ir::{Combine, Dtype};
use num_complex::{Complex32, Complex64};

/// Lets `count` updates, `source_stride` elements apart, meet the elements at `destination`,
/// `destination_stride` apart, one after the other.
///
/// # Safety
/// Both rows are valid and do not overlap.
pub(super) type RowFn = unsafe fn(*mut u8, isize, *const u8, isize, usize);

/// The row function of a dtype.
pub(super) fn row(combine: Combine, dtype: Dtype) -> RowFn {
    match dtype {
        _ if combine == Combine::Replace => replace(dtype.size()),
        Dtype::Bool => of::<Truth>(combine),
        Dtype::Uint8 => of::<u8>(combine),
        Dtype::Uint16 => of::<u16>(combine),
        Dtype::Uint32 => of::<u32>(combine),
        Dtype::Uint64 => of::<u64>(combine),
        Dtype::Int8 => of::<i8>(combine),
        Dtype::Int16 => of::<i16>(combine),
        Dtype::Int32 => of::<i32>(combine),
        Dtype::Int64 => of::<i64>(combine),
        Dtype::Float16 => of::<f16>(combine),
        Dtype::Bfloat16 => of::<bf16>(combine),
        Dtype::Float32 => of::<f32>(combine),
        Dtype::Float64 => of::<f64>(combine),
        Dtype::Complex64 => of::<Complex32>(combine),
    }
}

/// The row function that overwrites elements of a width.
pub(super) fn replace(width: usize) -> RowFn {
    match width {
        1 => each::<u8, Replacing>,
        2 => each::<u16, Replacing>,
        4 => each::<u32, Replacing>,
        _ => each::<u64, Replacing>,
    }
}

fn of<T: Number>(combine: Combine) -> RowFn {
    match combine {
        Combine::Replace => each::<T, Replacing>,
        Combine::Add => each::<T, Adding>,
        Combine::Multiply => each::<T, Multiplying>,
        Combine::Maximum => each::<T, Raising>,
        Combine::Minimum => each::<T, Lowering>,
    }
}

/// # Safety
/// As [`RowFn`].
unsafe fn each<T: Copy, M: Meeting<T>>(
    destination: *mut u8,
    destination_stride: isize,
    source: *const u8,
    source_stride: isize,
    count: usize,
) {
    let (destination, source) = (destination.cast::<T>(), source.cast::<T>());
    if (destination_stride, source_stride) == (1, 1) {
        for index in 0..count {
            // SAFETY: the caller's promise
            unsafe {
                let place = destination.add(index);
                place.write_unaligned(M::meet(
                    place.read_unaligned(),
                    source.add(index).read_unaligned(),
                ));
            }
        }
        return;
    }
    for index in 0..count as isize {
        // SAFETY: the caller's promise
        unsafe {
            let place = destination.offset(index * destination_stride);
            let update = source.offset(index * source_stride).read_unaligned();
            place.write_unaligned(M::meet(place.read_unaligned(), update));
        }
    }
}

trait Meeting<T> {
    fn meet(old: T, update: T) -> T;
}

struct Replacing;
struct Adding;
struct Multiplying;
struct Raising;
struct Lowering;

impl<T> Meeting<T> for Replacing {
    fn meet(_old: T, update: T) -> T {
        update
    }
}

impl<T: Number> Meeting<T> for Adding {
    fn meet(old: T, update: T) -> T {
        old.plus(update)
    }
}

impl<T: Number> Meeting<T> for Multiplying {
    fn meet(old: T, update: T) -> T {
        old.times(update)
    }
}

impl<T: Number> Meeting<T> for Raising {
    fn meet(old: T, update: T) -> T {
        old.greater(update)
    }
}

impl<T: Number> Meeting<T> for Lowering {
    fn meet(old: T, update: T) -> T {
        old.lesser(update)
    }
}

/// An element that combines; NaN wins over every number.
trait Number: Copy {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn greater(self, other: Self) -> Self;
    fn lesser(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn greater(self, other: Self) -> Self { self.max(other) }
            fn lesser(self, other: Self) -> Self { self.min(other) }
        }
    )*};
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($kind:ty, $wide:ty, $narrow:expr);*) => {$(
        impl Number for $kind {
            fn plus(self, other: Self) -> Self { $narrow(<$wide>::from(self) + <$wide>::from(other)) }
            fn times(self, other: Self) -> Self { $narrow(<$wide>::from(self) * <$wide>::from(other)) }
            fn greater(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            fn lesser(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
        }
    )*};
}
floats!(f32, f32, f32::from; f64, f64, f64::from; f16, f32, f16::from_f32; bf16, f32, bf16::from_f32);

/// A `bool` as it lies in memory.
#[derive(Clone, Copy)]
struct Truth(u8);

impl Number for Truth {
    fn plus(self, other: Self) -> Self {
        Truth(self.0 | other.0)
    }

    fn times(self, other: Self) -> Self {
        Truth(self.0 & other.0)
    }

    fn greater(self, other: Self) -> Self {
        Truth(self.0 | other.0)
    }

    fn lesser(self, other: Self) -> Self {
        Truth(self.0 & other.0)
    }
}

fn is_greater(a: Complex32, b: Complex32) -> bool {
    a.re > b.re || (a.re == b.re && a.im > b.im)
}

impl Number for Complex32 {
    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn times(self, other: Self) -> Self {
        let wide = |z: Complex32| Complex64::new(z.re.into(), z.im.into());
        let product = wide(self) * wide(other);
        Complex32::new(product.re as f32, product.im as f32)
    }

    fn greater(self, other: Self) -> Self {
        if self.is_nan() || is_greater(self, other) {
            self
        } else {
            other
        }
    }

    fn lesser(self, other: Self) -> Self {
        if self.is_nan() || is_greater(other, self) {
            self
        } else {
            other
        }
    }
}
