//! Loops over packed rows: products with rows of numbers, and the numbers themselves.

use super::lanes::portable::Portable;
use super::lanes::{Bytes, E2m1, E4m3, Integers, Lanes, Meaning, ShortIntegers, TURNED};
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};
use crate::simd::Isa;
use mlx_oxide_ir::{Packing, QuantizationMode};

/// Packed rows, one after the other, with their scales and biases.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) packing: Packing,
    /// The first byte of the first row; [`super::lanes::READABLE`] bytes follow any element.
    pub(super) words: *const u8,
    /// Bytes from one row to the next.
    pub(super) row_bytes: usize,
    /// The scales of a row.
    pub(super) scales: *const f32,
    /// The biases of a row; null where the mode has none.
    pub(super) biases: *const f32,
    /// Scales from one row to the next.
    pub(super) row_groups: usize,
    /// How many rows.
    pub(super) count: usize,
    /// Groups of a row that are meant.
    pub(super) groups: usize,
}

impl Rows {
    /// The scale and the bias of a group in all lanes.
    ///
    /// # Safety
    /// The row and the group exist; the machine has the instruction set of the lanes.
    #[inline(always)]
    unsafe fn factors<L: Lanes>(&self, row: usize, group: usize) -> [L::Numbers; 2] {
        let index = row * self.row_groups + group;
        let number = |numbers: *const f32, missing| match numbers.is_null() {
            true => missing,
            // SAFETY: by the caller's promise
            false => unsafe { *numbers.wrapping_add(index) },
        };
        // adding negative zero keeps the sign of zeros
        let (scale, bias) = (number(self.scales, 1.0), number(self.biases, -0.0));
        // SAFETY: by the caller's promise
        unsafe { [L::splat(scale), L::splat(bias)] }
    }
}

/// Rows of numbers, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Numbers<T> {
    pub(super) start: *mut T,
    pub(super) row_stride: usize,
    pub(super) count: usize,
}

/// Compiles a generic loop for every instruction set and meaning of elements, and chooses at run
/// time: `chosen! { fn dot(rows: Rows, …) by dot_rows }` makes `unsafe fn dot(isa, rows, …)`,
/// which calls `dot_rows::<Lanes, Meaning>(rows, …)`. The first argument has the packing.
macro_rules! chosen {
    ($(#[$doc:meta])* fn $name:ident($rows:ident: Rows, $($argument:ident: $type:ty),*) by $body:ident) => {
        $(#[$doc])*
        pub(super) unsafe fn $name(isa: Isa, $rows: Rows, $($argument: $type),*) {
            #[inline(always)]
            unsafe fn meant<L: Lanes>($rows: Rows, $($argument: $type),*) {
                // SAFETY: by the caller's promise
                unsafe {
                    match $rows.packing.mode {
                        QuantizationMode::Affine => match $rows.packing.bits {
                            ..=4 => $body::<L, ShortIntegers>($rows, $($argument),*),
                            8 => $body::<L, Bytes>($rows, $($argument),*),
                            _ => $body::<L, Integers>($rows, $($argument),*),
                        },
                        QuantizationMode::Mxfp8 => $body::<L, E4m3>($rows, $($argument),*),
                        QuantizationMode::Mxfp4 | QuantizationMode::Nvfp4 => {
                            $body::<L, E2m1>($rows, $($argument),*)
                        }
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            unsafe fn avx512($rows: Rows, $($argument: $type),*) {
                // SAFETY: by the caller's promise
                unsafe { meant::<Avx512>($rows, $($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2($rows: Rows, $($argument: $type),*) {
                // SAFETY: by the caller's promise
                unsafe { meant::<Avx2>($rows, $($argument),*) }
            }
            // SAFETY: by the caller's promise
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => avx512($rows, $($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => avx2($rows, $($argument),*),
                    _ => meant::<Portable>($rows, $($argument),*),
                }
            }
        }
    };
}

chosen! {
    /// The sums of products of every row of `x` with every packed row, to
    /// `output[row of x][packed row]`. `sums` has the sums over groups of the rows of `x`.
    ///
    /// # Safety
    /// The machine has the instruction set; rows, scales, `x` and sums can be read, the output
    /// written by this thread alone.
    fn dot(rows: Rows, x: Numbers<f32>, sums: *const f32, output: Numbers<f32>) by dot_rows
}

chosen! {
    /// Adds packed row `k` times element `k` of each row of `x` to that row of `output`.
    ///
    /// # Safety
    /// As for [`dot`].
    fn add_multiples(rows: Rows, x: Numbers<f32>, output: Numbers<f32>) by add_rows
}

chosen! {
    /// The numbers of packed rows; without scales, what their elements mean by themselves.
    ///
    /// # Safety
    /// As for [`dot`].
    fn unpack(rows: Rows, output: Numbers<f32>) by unpack_rows
}

chosen! {
    /// The numbers of packed rows in panels of `width` of their columns, a multiple of the lanes:
    /// row after row of one panel, then the next.
    ///
    /// # Safety
    /// As for [`dot`].
    fn unpack_panels(rows: Rows, width: usize, to: *mut f32) by unpack_row_panels
}

chosen! {
    /// The numbers of packed rows in panels of `width` rows, a multiple of [`TURNED`]: column
    /// after column of one panel, then the next. Rows that are missing in the last panel may
    /// have any numbers.
    ///
    /// # Safety
    /// As for [`dot`].
    fn unpack_turned(rows: Rows, width: usize, to: *mut f32) by unpack_column_panels
}

#[inline(always)]
unsafe fn dot_rows<L: Lanes, E: Meaning>(
    rows: Rows,
    x: Numbers<f32>,
    sums: *const f32,
    output: Numbers<f32>,
) {
    let mut first = 0;
    while first < x.count {
        let left = x.count - first;
        let part = Numbers {
            start: x.start.wrapping_add(first * x.row_stride),
            ..x
        };
        let sums = sums.wrapping_add(first * rows.groups);
        let to = Numbers {
            start: output.start.wrapping_add(first * output.row_stride),
            ..output
        };
        // SAFETY: by the caller's promise; as many rows of x are left
        first += unsafe {
            match left {
                1 => blocks::<L, E, 1, 4>(rows, part, sums, to),
                _ => blocks::<L, E, 2, 2>(rows, part, sums, to),
            }
        };
    }
}

/// `M` rows of x with all packed rows, `R` at a time; returns `M`.
#[inline(always)]
unsafe fn blocks<L: Lanes, E: Meaning, const M: usize, const R: usize>(
    rows: Rows,
    x: Numbers<f32>,
    sums: *const f32,
    output: Numbers<f32>,
) -> usize {
    let mut row = 0;
    // SAFETY: by the caller's promise
    unsafe {
        while row + R <= rows.count {
            block::<L, E, M, R>(rows, row, x, sums, output);
            row += R;
        }
        while row < rows.count {
            block::<L, E, M, 1>(rows, row, x, sums, output);
            row += 1;
        }
    }
    M
}

#[inline(always)]
unsafe fn block<L: Lanes, E: Meaning, const M: usize, const R: usize>(
    rows: Rows,
    row: usize,
    x: Numbers<f32>,
    sums: *const f32,
    output: Numbers<f32>,
) {
    let Packing {
        bits, group_size, ..
    } = rows.packing;
    let step = L::LANES * bits / 8;
    // SAFETY: by the caller's promise
    unsafe {
        let spread = L::spread(bits);
        let mut words: [*const u8; R] =
            std::array::from_fn(|r| rows.words.wrapping_add((row + r) * rows.row_bytes));
        let scales: [*const f32; R] =
            std::array::from_fn(|r| rows.scales.wrapping_add((row + r) * rows.row_groups));
        let mut totals = [[L::splat(0.0); M]; R];
        let mut place = 0;
        for group in 0..rows.groups {
            let mut parts = [[L::splat(0.0); M]; R];
            for _ in 0..group_size / L::LANES {
                let mut numbers = [L::splat(0.0); M];
                for (m, numbers) in numbers.iter_mut().enumerate() {
                    *numbers = L::load(x.start.wrapping_add(m * x.row_stride + place));
                }
                for r in 0..R {
                    let elements = E::numbers::<L>(spread, words[r]);
                    words[r] = words[r].wrapping_add(step);
                    for m in 0..M {
                        parts[r][m] = L::multiply_add(elements, numbers[m], parts[r][m]);
                    }
                }
                place += L::LANES;
            }
            for r in 0..R {
                let scale = L::splat(*scales[r].wrapping_add(group));
                for m in 0..M {
                    totals[r][m] = L::multiply_add(parts[r][m], scale, totals[r][m]);
                }
            }
        }
        for (r, totals) in totals.into_iter().enumerate() {
            for (m, total) in totals.into_iter().enumerate() {
                let mut total = L::sum(total);
                if !rows.biases.is_null() {
                    let biases = rows.biases.wrapping_add((row + r) * rows.row_groups);
                    total += dense::<L>(biases, sums.wrapping_add(m * rows.groups), rows.groups);
                }
                *output.start.wrapping_add(m * output.row_stride + row + r) = total;
            }
        }
    }
}

/// The sum of products of two rows of numbers.
#[inline(always)]
unsafe fn dense<L: Lanes>(a: *const f32, b: *const f32, count: usize) -> f32 {
    // SAFETY: by the caller's promise both have `count` numbers
    unsafe {
        let mut sum = L::splat(0.0);
        let mut place = 0;
        while place + L::LANES <= count {
            let (a, b) = (
                L::load(a.wrapping_add(place)),
                L::load(b.wrapping_add(place)),
            );
            sum = L::multiply_add(a, b, sum);
            place += L::LANES;
        }
        let mut total = L::sum(sum);
        while place < count {
            total += *a.wrapping_add(place) * *b.wrapping_add(place);
            place += 1;
        }
        total
    }
}

#[inline(always)]
unsafe fn add_rows<L: Lanes, E: Meaning>(rows: Rows, x: Numbers<f32>, output: Numbers<f32>) {
    let mut first = 0;
    while first < x.count {
        let part = Numbers {
            start: x.start.wrapping_add(first * x.row_stride),
            ..x
        };
        let to = Numbers {
            start: output.start.wrapping_add(first * output.row_stride),
            ..output
        };
        // SAFETY: by the caller's promise; as many rows of x are left
        unsafe {
            match x.count - first {
                1 => add_pairs::<L, E, 1>(rows, part, to),
                _ => add_pairs::<L, E, 2>(rows, part, to),
            }
        }
        first += 2;
    }
}

/// Adds packed rows, two at a time, to `M` rows of the output.
#[inline(always)]
unsafe fn add_pairs<L: Lanes, E: Meaning, const M: usize>(
    rows: Rows,
    x: Numbers<f32>,
    output: Numbers<f32>,
) {
    let whole = rows.count / 2 * 2;
    // SAFETY: by the caller's promise
    unsafe {
        for row in (0..whole).step_by(2) {
            add_block::<L, E, M, 2>(rows, row, x, output);
        }
        if whole < rows.count {
            add_block::<L, E, M, 1>(rows, whole, x, output);
        }
    }
}

#[inline(always)]
unsafe fn add_block<L: Lanes, E: Meaning, const M: usize, const R: usize>(
    rows: Rows,
    row: usize,
    x: Numbers<f32>,
    output: Numbers<f32>,
) {
    let step = L::LANES * rows.packing.bits / 8;
    // SAFETY: by the caller's promise
    unsafe {
        let spread = L::spread(rows.packing.bits);
        let mut words: [*const u8; R] =
            std::array::from_fn(|r| rows.words.wrapping_add((row + r) * rows.row_bytes));
        let mut multiples = [[L::splat(0.0); R]; M];
        for (m, multiples) in multiples.iter_mut().enumerate() {
            let x = x.start.wrapping_add(m * x.row_stride + row);
            for (r, multiple) in multiples.iter_mut().enumerate() {
                *multiple = L::splat(*x.wrapping_add(r));
            }
        }
        let mut place = 0;
        for group in 0..rows.groups {
            let mut factors = [[L::splat(0.0); 2]; R];
            for (r, factors) in factors.iter_mut().enumerate() {
                *factors = rows.factors::<L>(row + r, group);
            }
            for _ in 0..rows.packing.group_size / L::LANES {
                let mut numbers = [L::splat(0.0); R];
                for (r, [scale, bias]) in factors.into_iter().enumerate() {
                    let elements = E::numbers::<L>(spread, words[r]);
                    numbers[r] = L::multiply_add(elements, scale, bias);
                    words[r] = words[r].wrapping_add(step);
                }
                for (m, multiples) in multiples.iter().enumerate() {
                    let to = output.start.wrapping_add(m * output.row_stride + place);
                    let mut sum = L::load(to);
                    for (numbers, multiple) in numbers.into_iter().zip(multiples) {
                        sum = L::multiply_add(numbers, *multiple, sum);
                    }
                    L::store(to, sum);
                }
                place += L::LANES;
            }
        }
    }
}

#[inline(always)]
unsafe fn unpack_rows<L: Lanes, E: Meaning>(rows: Rows, output: Numbers<f32>) {
    let Packing {
        bits, group_size, ..
    } = rows.packing;
    let step = L::LANES * bits / 8;
    // SAFETY: by the caller's promise
    unsafe {
        let spread = L::spread(bits);
        for row in 0..rows.count {
            let mut words = rows.words.wrapping_add(row * rows.row_bytes);
            let mut to = output.start.wrapping_add(row * output.row_stride);
            for group in 0..rows.groups {
                let [scale, bias] = rows.factors::<L>(row, group);
                for _ in 0..group_size / L::LANES {
                    let elements = E::numbers::<L>(spread, words);
                    words = words.wrapping_add(step);
                    L::store(to, L::multiply_add(elements, scale, bias));
                    to = to.wrapping_add(L::LANES);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn unpack_row_panels<L: Lanes, E: Meaning>(rows: Rows, width: usize, to: *mut f32) {
    let size = rows.packing.group_size;
    let step = L::LANES * rows.packing.bits / 8;
    debug_assert!(width.is_multiple_of(L::LANES));
    // SAFETY: by the caller's promise
    unsafe {
        let spread = L::spread(rows.packing.bits);
        for row in 0..rows.count {
            let mut words = rows.words.wrapping_add(row * rows.row_bytes);
            let mut to = to.wrapping_add(row * width);
            let mut column = 0;
            for group in 0..rows.groups {
                let [scale, bias] = rows.factors::<L>(row, group);
                for _ in 0..size / L::LANES {
                    let numbers = E::numbers::<L>(spread, words);
                    words = words.wrapping_add(step);
                    L::store(to, L::multiply_add(numbers, scale, bias));
                    (to, column) = (to.wrapping_add(L::LANES), column + L::LANES);
                    if column == width {
                        // from this row of a panel to that of the next
                        (to, column) = (to.wrapping_add((rows.count - 1) * width), 0);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn unpack_column_panels<L: Lanes, E: Meaning>(rows: Rows, width: usize, to: *mut f32) {
    let size = rows.packing.group_size;
    let step = L::LANES * rows.packing.bits / 8;
    let columns = rows.groups * size;
    debug_assert!(width.is_multiple_of(TURNED));
    // SAFETY: by the caller's promise
    unsafe {
        let spread = L::spread(rows.packing.bits);
        for first in (0..rows.count).step_by(TURNED) {
            // rows past the last are that one again
            let numbers: [usize; TURNED] =
                std::array::from_fn(|row| (first + row).min(rows.count - 1));
            let mut words = numbers.map(|row| rows.words.wrapping_add(row * rows.row_bytes));
            let mut to = to.wrapping_add(first / width * width * columns + first % width);
            for group in 0..rows.groups {
                let mut factors = [[L::splat(0.0); 2]; TURNED];
                for (factors, row) in factors.iter_mut().zip(numbers) {
                    *factors = rows.factors::<L>(row, group);
                }
                for _ in 0..size / L::LANES {
                    let mut vectors = [L::splat(0.0); TURNED];
                    for (row, [scale, bias]) in factors.into_iter().enumerate() {
                        let elements = E::numbers::<L>(spread, words[row]);
                        vectors[row] = L::multiply_add(elements, scale, bias);
                        words[row] = words[row].wrapping_add(step);
                    }
                    L::store_turned(to, width, vectors);
                    to = to.wrapping_add(L::LANES * width);
                }
            }
        }
    }
}
