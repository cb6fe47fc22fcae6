//! Short rows: elements become integers of their order with their numbers behind, so that the greatest
//! integer of a row tells where its extreme is, without a search.

use crate::kernels::reduce::kinds::Max;
use crate::kernels::rows::{EachRow, Rows, SHORT, TOGETHER};
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use crate::simd::element::{Element, Packed, Truth};
use crate::simd::fold::fold_rows;
use crate::simd::half::{Bfloat16, Float16};
use mlx_oxide_ir::{ArgReduce, Dtype, Extreme, Result};
use mlx_oxide_runtime::{Call, Operand};
use std::mem::MaybeUninit;

/// Finds the extremes if rows are short and there are such integers; whether it has.
pub(super) fn run(
    op: &ArgReduce,
    call: &Call<'_>,
    results: &Shared<u32>,
    isa: Isa,
) -> Result<bool> {
    let operand = &call.inputs[0];
    let length = operand.layout.shape[op.axis];
    // the poorest instructions compare no integers of 64 bits
    let slow = isa == Isa::Baseline && operand.dtype.size() == 4 && length > SHORT / 4;
    if slow || !(1..=SHORT).contains(&length) {
        return Ok(false);
    }
    find(op, operand, results, isa)
}

/// Finds the extremes of rows of at least one and at most [`SHORT`] elements, if there are such
/// integers; whether it has.
fn find(op: &ArgReduce, operand: &Operand, results: &Shared<u32>, isa: Isa) -> Result<bool> {
    match operand.dtype {
        Dtype::Bool => of::<Truth>(op, operand, results, isa)?,
        Dtype::Uint8 => of::<u8>(op, operand, results, isa)?,
        Dtype::Uint16 => of::<u16>(op, operand, results, isa)?,
        Dtype::Uint32 => of::<u32>(op, operand, results, isa)?,
        Dtype::Int8 => of::<i8>(op, operand, results, isa)?,
        Dtype::Int16 => of::<i16>(op, operand, results, isa)?,
        Dtype::Int32 => of::<i32>(op, operand, results, isa)?,
        Dtype::Float16 => of::<Packed<Float16>>(op, operand, results, isa)?,
        Dtype::Bfloat16 => of::<Packed<Bfloat16>>(op, operand, results, isa)?,
        Dtype::Float32 => of::<f32>(op, operand, results, isa)?,
        Dtype::Uint64 | Dtype::Int64 | Dtype::Float64 | Dtype::Complex64 => return Ok(false),
    }
    Ok(true)
}

fn of<T: Ranked>(op: &ArgReduce, operand: &Operand, results: &Shared<u32>, isa: Isa) -> Result<()> {
    let rows = Rows::new(operand, &[op.axis])?;
    let extra = TOGETHER * size_of::<T::Numbered>();
    match op.extreme {
        Extreme::Max => rows.vectorised::<T>(isa, extra, &Places::<false> { results }),
        Extreme::Min => rows.vectorised::<T>(isa, extra, &Places::<true> { results }),
    }
    Ok(())
}

/// The first place of each row's greatest element, or of its least.
struct Places<'a, const LEAST: bool> {
    results: &'a Shared<u32>,
}

impl<T: Ranked, const LEAST: bool> EachRow<T> for Places<'_, LEAST> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[T], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[T], length: usize, scratch: *mut u8) {
        let room = scratch.cast::<MaybeUninit<T::Numbered>>();
        // SAFETY: the scratch memory has room for `TOGETHER`, aligned, and is this task's own
        let numbered = unsafe { std::slice::from_raw_parts_mut(room, rows.len()) };
        for (number, (numbered, element)) in numbered.iter_mut().zip(rows).enumerate() {
            numbered.write(element.numbered::<LEAST>(number as u32));
        }
        // SAFETY: just written
        let numbered = unsafe { numbered.assume_init_ref() };
        let to = self.results.pointer().wrapping_add(first);
        let count = rows.len() / length;
        // SAFETY: there is one result a row, those of these rows only this task's
        let results = unsafe { std::slice::from_raw_parts_mut(to.cast(), count) };
        let row = |number: usize| &numbered[number * length..][..length];
        let fold = Max::<T::Numbered>::default();
        fold_rows(fold, (length, false), count, row, |number, greatest| {
            let place = T::number(greatest) - (number * length) as u32;
            results[number] = MaybeUninit::new(place);
        });
    }
}

/// An element whose order integers have, with room for its number.
trait Ranked: Element {
    /// An integer that is compared by the element first.
    type Numbered: Element<Wide = Self::Numbered>;

    /// The element and its number, below 2¹⁶: greater for greater elements, or for lesser ones
    /// (`LEAST`), and for the lesser number of equal ones; the greatest for NaN.
    fn numbered<const LEAST: bool>(self, number: u32) -> Self::Numbered;

    /// The number.
    fn number(numbered: Self::Numbered) -> u32;
}

/// `impl Ranked for i8 { type Numbered = i32; … }` of an element `x` by an integer in its order, half
/// as wide as the other: `x.into()`.
macro_rules! ranked {
    ($($element:ty, $rank:ty, $numbered:ty, $unsigned:ty, |$value:ident| $of:expr, $is_nan:expr;)*) => {$(
        impl Ranked for $element {
            type Numbered = $numbered;

            #[inline(always)]
            fn numbered<const LEAST: bool>(self, number: u32) -> $numbered {
                let $value = self;
                let rank: $rank = $of;
                let rank = if LEAST { !rank } else { rank };
                let rank = if $is_nan { <$rank>::MAX } else { rank };
                let number = <$numbered>::from(!(number as $unsigned));
                <$numbered>::from(rank) << <$rank>::BITS | number
            }

            #[inline(always)]
            fn number(numbered: $numbered) -> u32 {
                !(numbered as $unsigned) as u32
            }
        }
    )*};
}
ranked! {
    Truth, i16, i32, u16, |x| i16::from(x.0 != 0), false;
    u8, i16, i32, u16, |x| x.into(), false;
    u16, i16, i32, u16, |x| (x ^ 1 << 15) as i16, false;
    u32, i32, i64, u32, |x| (x ^ 1 << 31) as i32, false;
    i8, i16, i32, u16, |x| x.into(), false;
    i16, i16, i32, u16, |x| x, false;
    i32, i32, i64, u32, |x| x, false;
    Packed<Float16>, i16, i32, u16, |x| signed(x.0), x.0 & 0x7fff > 0x7c00;
    Packed<Bfloat16>, i16, i32, u16, |x| signed(x.0), x.0 & 0x7fff > 0x7f80;
    f32, i32, i64, u32, |x| {
        let magnitude = (x.to_bits() & 0x7fff_ffff) as i32;
        if x.to_bits() >> 31 == 1 { -magnitude } else { magnitude }
    }, x.is_nan();
}

/// An integer in the order of 16-bit floats by their bits, zero for both zeros.
#[inline(always)]
fn signed(bits: u16) -> i16 {
    let magnitude = (bits & 0x7fff) as i16;
    if bits >> 15 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use mlx_oxide_ir::Layout;
    use mlx_oxide_runtime::Buffer;

    /// The places that are found in rows of such elements.
    fn found<T: bytemuck::NoUninit>(
        extreme: Extreme,
        values: &[T],
        length: usize,
        dtype: Dtype,
        isa: Isa,
    ) -> Vec<u32> {
        let (op, count) = (ArgReduce { extreme, axis: 1 }, values.len() / length);
        let operand = Operand {
            buffer: Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
            layout: Layout::contiguous([count, length]),
            dtype,
            donatable: false,
        };
        let mut places = vec![u32::MAX; count];
        let results = Shared(places.as_mut_ptr());
        assert!(find(&op, &operand, &results, isa).unwrap());
        places
    }

    /// The first place of the extreme of each row, or of its first NaN.
    fn expected(extreme: Extreme, values: &[f64], length: usize) -> Vec<u32> {
        let of_row = |row: &[f64]| {
            let best = |best: usize, place: usize| {
                let (old, new) = (row[best], row[place]);
                let exceeds = match extreme {
                    Extreme::Max => new > old,
                    Extreme::Min => new < old,
                };
                let later = !old.is_nan() && (new.is_nan() || exceeds);
                if later { place } else { best }
            };
            (0..length).fold(0, best) as u32
        };
        values.chunks(length).map(of_row).collect()
    }

    /// Checks rows of many lengths of elements of a type: `values(number)` and the same in `f64`.
    fn check<T: bytemuck::NoUninit>(dtype: Dtype, value: impl Fn(usize) -> (T, f64)) {
        for length in (1..=40).chain([63, 64, 65, 100, 127, SHORT]) {
            let (values, wide): (Vec<T>, Vec<f64>) = (0..length * 70).map(&value).unzip();
            for extreme in [Extreme::Max, Extreme::Min] {
                let expected = expected(extreme, &wide, length);
                for isa in Isa::ALL {
                    let found = found(extreme, &values, length, dtype, isa);
                    assert_eq!(found, expected, "{dtype:?} {extreme:?} {length} {isa:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_equal_extremes_is_found_in_short_rows_of_every_type() {
        let mixed = |number: usize| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        // few different floats, among which are both zeros, infinities and NaN
        let float = |number: usize| match mixed(number) % 97 {
            0 => f32::NAN,
            1 => -f32::NAN,
            2..5 => f32::INFINITY,
            5..8 => f32::NEG_INFINITY,
            8..20 => -0.0,
            20..32 => 0.0,
            place => (place % 9) as f32 - 4.0,
        };
        check(Dtype::Float32, |number| {
            (float(number), float(number).into())
        });
        check(Dtype::Float16, |number| {
            (f16::from_f32(float(number)).to_bits(), float(number).into())
        });
        check(Dtype::Bfloat16, |number| {
            (
                bf16::from_f32(float(number)).to_bits(),
                float(number).into(),
            )
        });
        /// `check(Dtype::Int8, |number| …)` for every such integer: its extremes and some others.
        macro_rules! integers {
            ($($dtype:ident $integer:ty;)*) => {$(
                check(Dtype::$dtype, |number| {
                    let value = match mixed(number) % 50 {
                        0 => <$integer>::MIN,
                        1 => <$integer>::MAX,
                        place => <$integer>::MIN / 2 + place as $integer,
                    };
                    (value, value as f64)
                });
            )*};
        }
        integers! {
            Uint8 u8; Uint16 u16; Uint32 u32; Int8 i8; Int16 i16; Int32 i32;
        }
        check(Dtype::Bool, |number| {
            let value = (mixed(number) % 3) as u8;
            (value, f64::from(value.min(1)))
        });
    }

    #[test]
    fn rows_of_equal_elements_have_their_extremes_at_the_start() {
        check(Dtype::Float32, |_| (f32::NAN, f64::NAN));
        check(Dtype::Float32, |_| (f32::NEG_INFINITY, f64::NEG_INFINITY));
        check(Dtype::Int32, |_| (i32::MIN, i32::MIN.into()));
        check(Dtype::Uint8, |_| (u8::MAX, u8::MAX.into()));
    }
}
