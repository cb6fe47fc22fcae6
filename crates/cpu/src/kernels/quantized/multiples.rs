//! Products of few rows with a packed matrix that is not transposed: multiples of its rows are
//! added up. Each task reads some rows from end to end and keeps sums of its own, which are added
//! in order in the end.

use super::operand::Scratch;
use super::product::{Job, Products};
use super::rows::{self, Numbers};
use crate::gemm::compiled::compiled;
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use parking_lot::Mutex;

/// Packed rows of one task.
const ROWS: usize = 128;
/// Columns of one task, whose sums stay in the first cache; whole groups of every size.
const COLUMNS: usize = 2048;
/// Columns whose sums one task adds up in the end.
const FINAL_COLUMNS: usize = 4096;

/// # Safety
/// As for [`Products::run`].
pub(super) unsafe fn run(products: &Products, jobs: &[&Job]) -> Result<()> {
    let columns = products.columns;
    let parts = products.inner.div_ceil(ROWS).max(1);
    let blocks = columns.div_ceil(COLUMNS);
    for job in jobs {
        let size = job.rows * columns;
        if size == 0 {
            continue;
        }
        let memory = match parts {
            1 => None,
            _ => Some(Buffer::allocate(
                products.op,
                parts * size * size_of::<f32>(),
            )?),
        };
        let sums = match &memory {
            None => job.output,
            Some(memory) => memory.host_ptr()?.as_ptr() as usize,
        };
        let failure = Mutex::new(None);
        parallel::for_each(parts * blocks, |task| {
            let (part, first) = (task / blocks, task % blocks * COLUMNS);
            let to = Numbers {
                start: (sums as *mut f32).wrapping_add(part * size + first),
                row_stride: columns,
                count: job.rows,
            };
            let columns = first..columns.min(first + COLUMNS);
            // SAFETY: by the caller's promise; each task has sums of its own
            if let Err(error) = unsafe { add_part(products, job, part * ROWS, columns, to) } {
                *failure.lock() = Some(error);
            }
        });
        if let Some(error) = failure.into_inner() {
            return Err(error);
        }
        if memory.is_some() {
            parallel::for_each_range(size, FINAL_COLUMNS, |first, end| {
                let from = (sums as *const f32).wrapping_add(first);
                let to = (job.output as *mut f32).wrapping_add(first);
                // SAFETY: every part has all sums; ranges of the result do not overlap
                unsafe { total(Isa::best(), from, size, parts, to, end - first) };
            });
        }
    }
    Ok(())
}

/// The sums of some packed rows' multiples in some columns.
///
/// # Safety
/// As for [`Products::run`]; the sums can be written.
unsafe fn add_part(
    products: &Products,
    job: &Job,
    first: usize,
    columns: std::ops::Range<usize>,
    sums: Numbers<f32>,
) -> Result<()> {
    for row in 0..job.rows {
        let start = sums.start.wrapping_add(row * sums.row_stride);
        // SAFETY: by the caller's promise
        unsafe { start.write_bytes(0, columns.len()) };
    }
    let size = products.packed.packing.group_size;
    let groups = columns.start / size..columns.end / size;
    let end = products.inner.min(first + ROWS);
    let mut scratch = Scratch::default();
    let packed = products
        .packed
        .block(job.matrix, first..end, groups, &mut scratch)?;
    let x = products.numbers(job);
    let x = Numbers {
        start: x.start.wrapping_add(first),
        ..x
    };
    // SAFETY: by the caller's promise; the best instruction set is there
    unsafe { rows::add_multiples(Isa::best(), packed, x, sums) };
    Ok(())
}

compiled! {
    /// Adds up `parts` rows of numbers that begin `step` apart.
    ///
    /// # Safety
    /// The rows can be read and the result written; the machine has the instruction set.
    fn total(from: *const f32, step: usize, parts: usize, to: *mut f32, count: usize) by total_loop
}

/// # Safety
/// As for [`total`].
#[inline(always)]
unsafe fn total_loop(from: *const f32, step: usize, parts: usize, to: *mut f32, count: usize) {
    // SAFETY: by the caller's promise
    unsafe {
        let to = std::slice::from_raw_parts_mut(to, count);
        to.copy_from_slice(std::slice::from_raw_parts(from, count));
        for part in 1..parts {
            let from = std::slice::from_raw_parts(from.wrapping_add(part * step), count);
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    }
}
