//! Products with packed matrices. Few rows meet the packed elements as they come from memory, in
//! dot products or [`super::multiples`]; for many rows see [`super::panels`].

use super::multiples;
use super::operand::{Packed, Scratch, Singles, narrow};
use super::panels::Many;
use super::rows::{self, Numbers};
use crate::gemm::compiled::compiled;
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use mlx_oxide_ir::{Dtype, Error, Packing, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use parking_lot::Mutex;
use smallvec::smallvec;

/// Rows of x up to which packed elements are not unpacked to memory, but for each two of them again.
const FEW_ROWS: usize = 4;
/// The same for matrices that are transposed, whose rows lie in the first cache meanwhile.
const FEW_ROWS_TRANSPOSED: usize = 6;
/// Packed bytes that one task reads.
const TASK_BYTES: usize = 32 << 10;
/// Elements that one task copies.
const COPIED: usize = 32 << 10;

/// One product: rows of numbers, which matrix they meet and where the result goes.
pub(super) struct Job {
    pub(super) x: usize,
    pub(super) rows: usize,
    pub(super) matrix: usize,
    pub(super) output: usize,
}

/// What all products of a call share.
pub(super) struct Products {
    pub(super) op: &'static str,
    pub(super) packed: Packed,
    pub(super) transpose: bool,
    /// Elements of a row of x.
    pub(super) inner: usize,
    /// Elements of a row of the result.
    pub(super) columns: usize,
}

impl Products {
    fn new(
        op: &'static str,
        packing: Packing,
        transpose: bool,
        inputs: &[Operand],
    ) -> Result<Self> {
        let packed = Packed::new(packing, &inputs[1..=packing.parts()])?;
        let (inner, columns) = match transpose {
            true => (packed.columns(), packed.rows),
            false => (packed.rows, packed.columns()),
        };
        Ok(Products {
            op,
            packed,
            transpose,
            inner,
            columns,
        })
    }

    /// Columns of the result that one task computes for few rows.
    fn part(&self) -> usize {
        let row_bytes = self.packed.groups * self.packed.group_bytes();
        (TASK_BYTES / row_bytes.max(1))
            .clamp(4, 256)
            .next_multiple_of(4)
    }

    /// Runs all jobs.
    ///
    /// # Safety
    /// Jobs name live memory of the products' sizes; results do not overlap, and nobody else
    /// reads or writes them.
    unsafe fn run(&self, jobs: &[Job]) -> Result<()> {
        let most = match self.transpose {
            true => FEW_ROWS_TRANSPOSED,
            false => FEW_ROWS,
        };
        let (many, few): (Vec<&Job>, Vec<&Job>) = jobs
            .iter()
            .partition(|job| job.rows > most && self.inner > 0);
        // SAFETY: by the caller's promise
        unsafe {
            Many::new(self, many.into_iter()).run(self.op)?;
            match self.transpose {
                true => self.dot_products(&few),
                false => multiples::run(self, &few),
            }
        }
    }

    /// Jobs with few rows, cut into parts of the result's columns.
    ///
    /// # Safety
    /// As for [`Products::run`].
    unsafe fn dot_products(&self, jobs: &[&Job]) -> Result<()> {
        // SAFETY: by the caller's promise
        let sums = unsafe { self.sums(jobs) };
        let part = self.part();
        let parts = self.columns.div_ceil(part);
        let failure = Mutex::new(None);
        parallel::for_each(jobs.len() * parts, |task| {
            let (index, first) = (task / parts, task % parts * part);
            let (job, count) = (jobs[index], part.min(self.columns - first));
            let mut scratch = Scratch::default();
            // SAFETY: by the caller's promise; parts of the results do not overlap
            let result = unsafe { self.dots(job, &sums[index], first, count, &mut scratch) };
            if let Err(error) = result {
                *failure.lock() = Some(error);
            }
        });
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// The sums over groups of each job's rows, where biases multiply them.
    ///
    /// # Safety
    /// As for [`Products::run`].
    unsafe fn sums(&self, jobs: &[&Job]) -> Vec<Vec<f32>> {
        let size = self.packed.packing.group_size;
        let groups = match self.packed.packing.has_biases() {
            true => self.packed.groups,
            false => 0,
        };
        let sums = |job: &&Job| {
            let mut sums = vec![0f32; job.rows * groups];
            for (row, sums) in sums.chunks_exact_mut(groups.max(1)).enumerate() {
                let start = (job.x as *const f32).wrapping_add(row * self.inner);
                // SAFETY: by the caller's promise; the best instruction set is there
                unsafe {
                    let row = std::slice::from_raw_parts(start, self.inner);
                    group_sums(Isa::best(), row, size, sums);
                }
            }
            sums
        };
        jobs.iter().map(sums).collect()
    }

    pub(super) fn numbers(&self, job: &Job) -> Numbers<f32> {
        Numbers {
            start: job.x as *mut f32,
            row_stride: self.inner,
            count: job.rows,
        }
    }

    fn result(&self, job: &Job, first: usize) -> Numbers<f32> {
        Numbers {
            start: (job.output as *mut f32).wrapping_add(first),
            row_stride: self.columns,
            count: job.rows,
        }
    }

    /// # Safety
    /// As for [`Products::run`].
    unsafe fn dots(
        &self,
        job: &Job,
        sums: &[f32],
        first: usize,
        count: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let groups = self.packed.groups;
        let rows = self
            .packed
            .block(job.matrix, first..first + count, 0..groups, scratch)?;
        let x = self.numbers(job);
        // SAFETY: by the caller's promise; the best instruction set is there
        unsafe { rows::dot(Isa::best(), rows, x, sums.as_ptr(), self.result(job, first)) };
        Ok(())
    }
}

compiled! {
    /// The sums over groups of a row.
    ///
    /// # Safety
    /// The machine has the instruction set.
    fn group_sums(row: &[f32], size: usize, sums: &mut [f32]) by sums_loop
}

/// In eight partial sums, which vectors hold.
///
/// # Safety
/// None is needed; it is called as [`group_sums`] is.
#[inline(always)]
unsafe fn sums_loop(row: &[f32], size: usize, sums: &mut [f32]) {
    for (sum, group) in sums.iter_mut().zip(row.chunks_exact(size)) {
        let mut parts = [0f32; 8];
        for eight in group.chunks_exact(8) {
            for (part, number) in parts.iter_mut().zip(eight) {
                *part += number;
            }
        }
        *sum = parts.iter().sum();
    }
}

/// Computes the result in single precision and stores it in its own dtype.
fn stored(call: &Call<'_>, compute: impl FnOnce(*mut f32) -> Result<()>) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    if output.dtype == Dtype::Float32 {
        compute(buffer.host_ptr()?.as_ptr().cast())?;
        return Ok(smallvec![Stored::contiguous(buffer, output)]);
    }
    let wide = Buffer::allocate(call.op.name(), output.size() * 4)?;
    compute(wide.host_ptr()?.as_ptr().cast())?;
    let source = wide.host_ptr()?.as_ptr().cast::<f32>() as usize;
    let target = Shared(buffer.host_ptr()?.as_ptr());
    parallel::for_each_range(output.size(), 32 << 10, |start, end| {
        let from = (source as *const f32).wrapping_add(start);
        // SAFETY: both have `size` elements; ranges of tasks do not overlap
        unsafe { narrow(output.dtype, from, target.element(start), end - start) };
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

/// Products of matrices in order.
pub(super) fn matmul(packing: Packing, transpose: bool, call: &Call<'_>) -> Result<Results> {
    let products = Products::new(call.op.name(), packing, transpose, call.inputs)?;
    let x = Singles::new(&call.inputs[0])?;
    let shape = &call.inputs[0].layout.shape;
    let rows = shape[shape.ndim() - 2];
    stored(call, |output| {
        let x = x.start()?;
        let jobs: Vec<Job> = (0..products.packed.count())
            .map(|matrix| Job {
                x: x.wrapping_add(matrix * rows * products.inner) as usize,
                rows,
                matrix,
                output: output.wrapping_add(matrix * rows * products.columns) as usize,
            })
            .collect();
        // SAFETY: operands and the result have the sizes that inference found
        unsafe { products.run(&jobs) }
    })
}

/// Products of picked matrices; all that meet the same one are one product.
pub(super) fn gather_matmul(packing: Packing, transpose: bool, call: &Call<'_>) -> Result<Results> {
    let products = Products::new(call.op.name(), packing, transpose, call.inputs)?;
    let x = Singles::new(&call.inputs[0])?;
    let shape = &call.inputs[0].layout.shape;
    let rows = shape[shape.ndim() - 2];
    let count = shape[..shape.ndim() - 2].iter().product();
    let parts = packing.parts();
    let lhs = indices(&call.inputs[1 + parts], count)?;
    let rhs = indices(&call.inputs[2 + parts], products.packed.count())?;
    let mut order: Vec<usize> = (0..rhs.len()).collect();
    order.sort_by_key(|&which| rhs[which]);
    let (input, result) = (rows * products.inner, rows * products.columns);
    let results_in_order = order.is_sorted();
    // then picks lie side by side as they are
    let inputs_in_order = results_in_order && lhs.iter().enumerate().all(|(at, pick)| at == *pick);
    stored(call, |output| {
        let x = x.start()?;
        let room = |wanted: bool, elements: usize| match wanted {
            true => Buffer::allocate(call.op.name(), elements * 4).map(Some),
            false => Ok(None),
        };
        let gathered = room(!inputs_in_order, order.len() * input)?;
        let sorted = room(!results_in_order, order.len() * result)?;
        let start = |buffer: &Option<Buffer>, own: *mut f32| match buffer {
            Some(buffer) => Ok(buffer.host_ptr()?.as_ptr().cast()),
            None => Ok(own),
        };
        let (from, to): (*mut f32, *mut f32) = (start(&gathered, x)?, start(&sorted, output)?);
        if gathered.is_some() {
            // SAFETY: indices were checked; the copy has room for every pick
            unsafe {
                copy_matrices(
                    x,
                    from,
                    input,
                    order.len(),
                    |place| lhs[order[place]],
                    |place| place,
                )
            };
        }
        let mut jobs: Vec<Job> = Vec::new();
        for (place, &which) in order.iter().enumerate() {
            match jobs.last_mut().filter(|job| job.matrix == rhs[which]) {
                Some(job) => job.rows += rows,
                None => jobs.push(Job {
                    x: from.wrapping_add(place * input) as usize,
                    rows,
                    matrix: rhs[which],
                    output: to.wrapping_add(place * result) as usize,
                }),
            }
        }
        // SAFETY: operands and the result have the sizes that inference found
        unsafe { products.run(&jobs)? };
        if sorted.is_some() {
            // SAFETY: both have a result for each index
            unsafe {
                copy_matrices(
                    to,
                    output,
                    result,
                    order.len(),
                    |place| place,
                    |place| order[place],
                )
            };
        }
        Ok(())
    })
}

/// Copies matrices of `size` elements from and to the numbers that two functions give.
///
/// # Safety
/// Both have matrices of such numbers, and none is written twice.
unsafe fn copy_matrices(
    from: *const f32,
    to: *mut f32,
    size: usize,
    count: usize,
    source: impl Fn(usize) -> usize + Sync,
    target: impl Fn(usize) -> usize + Sync,
) {
    let (from, to) = (from as usize, to as usize);
    let grain = (COPIED / size.max(1)).max(1);
    parallel::for_each_range(count, grain, |first, end| {
        for place in first..end {
            let from = (from as *const f32).wrapping_add(source(place) * size);
            let to = (to as *mut f32).wrapping_add(target(place) * size);
            // SAFETY: by the caller's promise
            unsafe { to.copy_from_nonoverlapping(from, size) };
        }
    });
}

/// Indices in row-major order, each below `count`.
fn indices(operand: &Operand, count: usize) -> Result<Vec<usize>> {
    let start = operand.buffer.host_ptr()?.as_ptr().cast::<u32>();
    operand
        .layout
        .places()
        .map(|place| {
            // SAFETY: the layout fits its buffer
            let index = unsafe { *start.wrapping_add(place) } as usize;
            if index < count {
                return Ok(index);
            }
            Err(Error::IndexOutOfBounds {
                op: "gather_qmm",
                index: index as i64,
                axis: 0,
                size: count,
            })
        })
        .collect()
}
