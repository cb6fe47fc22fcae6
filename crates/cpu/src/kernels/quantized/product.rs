//! Products with packed matrices. Few rows meet the packed elements as they come from memory;
//! for many rows, panels of the matrix are unpacked and multiplied as any others.

use super::lanes::READABLE;
use super::operand::{Packed, Scratch, Singles, narrow};
use super::rows::{self, Numbers};
use crate::gemm::{self, Finish, Matrix};
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use mlx_oxide_ir::{Dtype, Error, Packing, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use parking_lot::Mutex;
use smallvec::smallvec;

/// Rows of x up to which packed elements are not unpacked to memory.
const FEW_ROWS: usize = 16;
/// Packed bytes that one task reads.
const TASK_BYTES: usize = 32 << 10;
/// Rows and columns of an unpacked panel.
const PANEL: (usize, usize) = (128, 512);

/// One product: rows of numbers, which matrix they meet and where the result goes.
struct Job {
    x: usize,
    rows: usize,
    matrix: usize,
    output: usize,
}

/// What all products of a call share.
struct Products {
    op: &'static str,
    packed: Packed,
    transpose: bool,
    /// Elements of a row of x.
    inner: usize,
    /// Elements of a row of the result.
    columns: usize,
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

    /// Groups of rows or columns of the result that one task computes.
    fn part(&self, many: bool) -> usize {
        let row_bytes = self.packed.groups * self.packed.group_bytes();
        match (self.transpose, many) {
            (true, true) => PANEL.0,
            (true, false) => (TASK_BYTES / row_bytes.max(1))
                .clamp(4, 256)
                .next_multiple_of(4),
            (false, _) => (PANEL.1 / 2).max(self.packed.packing.group_size),
        }
    }

    /// Runs all jobs, cut into parts of the result's columns.
    fn run(&self, jobs: &[Job]) -> Result<()> {
        let many = jobs.iter().any(|job| job.rows > FEW_ROWS);
        let part = self.part(many);
        let parts = self.columns.div_ceil(part);
        let failure = Mutex::new(None);
        parallel::for_each(jobs.len() * parts, |task| {
            let (job, first) = (&jobs[task / parts], task % parts * part);
            let count = part.min(self.columns - first);
            // SAFETY: jobs name live memory of these sizes; parts of the results do not overlap
            if let Err(error) = unsafe { self.columns(job, first, count) } {
                *failure.lock() = Some(error);
            }
        });
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// Some columns of a result.
    ///
    /// # Safety
    /// `job.x` has its rows, `job.output` room for the result, which nobody else uses.
    unsafe fn columns(&self, job: &Job, first: usize, count: usize) -> Result<()> {
        let mut scratch = Scratch::default();
        // SAFETY: by the caller's promise
        unsafe {
            match (self.transpose, job.rows > FEW_ROWS) {
                (true, false) => self.dots(job, first, count, &mut scratch),
                (false, false) => self.multiples(job, first, count, &mut scratch),
                (_, true) => self.panels(job, first, count, &mut scratch),
            }
        }
    }

    fn numbers(&self, job: &Job) -> Numbers<f32> {
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
    /// As for [`Products::columns`].
    unsafe fn dots(
        &self,
        job: &Job,
        first: usize,
        count: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let groups = self.packed.groups;
        let rows = self
            .packed
            .block(job.matrix, first..first + count, 0..groups, scratch)?;
        let x = self.numbers(job);
        let sums = match self.packed.packing.has_biases() {
            // SAFETY: by the caller's promise
            true => unsafe { group_sums(x, self.inner, self.packed.packing.group_size) },
            false => Vec::new(),
        };
        // SAFETY: by the caller's promise; the best instruction set is there
        unsafe { rows::dot(Isa::best(), rows, x, sums.as_ptr(), self.result(job, first)) };
        Ok(())
    }

    /// # Safety
    /// As for [`Products::columns`].
    unsafe fn multiples(
        &self,
        job: &Job,
        first: usize,
        count: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let size = self.packed.packing.group_size;
        let groups = first / size..(first + count) / size;
        let output = self.result(job, first);
        for row in 0..job.rows {
            let start = output.start.wrapping_add(row * output.row_stride);
            // SAFETY: by the caller's promise
            unsafe { start.write_bytes(0, count) };
        }
        let rows = self
            .packed
            .block(job.matrix, 0..self.packed.rows, groups, scratch)?;
        // SAFETY: by the caller's promise; the best instruction set is there
        unsafe { rows::add_multiples(Isa::best(), rows, self.numbers(job), output) };
        Ok(())
    }

    /// # Safety
    /// As for [`Products::columns`].
    unsafe fn panels(
        &self,
        job: &Job,
        first: usize,
        count: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let size = self.packed.packing.group_size;
        let output = self.result(job, first);
        let output = Matrix {
            start: output.start.cast_const(),
            row_stride: self.columns as isize,
            column_stride: 1,
        };
        let depth = if self.transpose { PANEL.1 } else { PANEL.0 };
        let mut panel = vec![0f32; count * depth + READABLE];
        for start in (0..self.inner).step_by(depth) {
            let terms = depth.min(self.inner - start);
            let (rows, groups) = match self.transpose {
                true => (first..first + count, start / size..(start + terms) / size),
                false => (start..start + terms, first / size..(first + count) / size),
            };
            let width = groups.len() * size;
            let block = self.packed.block(job.matrix, rows, groups, scratch)?;
            let numbers = Numbers {
                start: panel.as_mut_ptr(),
                row_stride: width,
                count: block.count,
            };
            let unpacked = Matrix {
                start: panel.as_ptr(),
                row_stride: width as isize,
                column_stride: 1,
            };
            let x = Matrix {
                start: (job.x as *const f32).wrapping_add(start),
                row_stride: self.inner as isize,
                column_stride: 1,
            };
            let finish = (start > 0).then_some(Finish {
                alpha: 1.0,
                beta: 1.0,
                addend: Some(output),
            });
            let rhs = match self.transpose {
                true => unpacked.transposed(),
                false => unpacked,
            };
            // SAFETY: by the caller's promise; the panel has room for the block
            unsafe {
                rows::unpack(Isa::best(), block, numbers);
                let sizes = (job.rows, terms, count);
                gemm::multiply_alone(self.op, sizes, x, rhs, output, finish)?;
            }
        }
        if self.inner == 0 {
            for row in 0..job.rows {
                // SAFETY: by the caller's promise
                unsafe { output.place(row, 0).cast_mut().write_bytes(0, count) };
            }
        }
        Ok(())
    }
}

/// The sums over groups of each row.
///
/// # Safety
/// The rows can be read.
unsafe fn group_sums(x: Numbers<f32>, inner: usize, size: usize) -> Vec<f32> {
    let mut sums = Vec::with_capacity(x.count * (inner / size));
    for row in 0..x.count {
        let start = x.start.wrapping_add(row * x.row_stride).cast_const();
        // SAFETY: by the caller's promise
        let numbers = unsafe { std::slice::from_raw_parts(start, inner) };
        sums.extend(numbers.chunks_exact(size).map(sum));
    }
    sums
}

/// In eight partial sums, which vectors hold.
fn sum(numbers: &[f32]) -> f32 {
    let mut parts = [0f32; 8];
    for eight in numbers.chunks_exact(8) {
        for (part, number) in parts.iter_mut().zip(eight) {
            *part += number;
        }
    }
    parts.iter().sum()
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
        products.run(&jobs)
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
    stored(call, |output| {
        let x = x.start()?;
        // neighbours in this order that share their right operand lie side by side
        let gathered = Buffer::allocate(call.op.name(), order.len() * input * 4)?;
        let sorted = Buffer::allocate(call.op.name(), order.len() * result * 4)?;
        let (gathered, sorted) = (
            gathered.host_ptr()?.as_ptr().cast::<f32>(),
            sorted.host_ptr()?.as_ptr().cast::<f32>(),
        );
        let mut jobs: Vec<Job> = Vec::new();
        for (place, &which) in order.iter().enumerate() {
            let to = gathered.wrapping_add(place * input);
            // SAFETY: the index was checked; the copy has room for every matrix of x
            unsafe { to.copy_from_nonoverlapping(x.wrapping_add(lhs[which] * input), input) };
            match jobs.last_mut().filter(|job| job.matrix == rhs[which]) {
                Some(job) => job.rows += rows,
                None => jobs.push(Job {
                    x: to as usize,
                    rows,
                    matrix: rhs[which],
                    output: sorted.wrapping_add(place * result) as usize,
                }),
            }
        }
        products.run(&jobs)?;
        for (place, &which) in order.iter().enumerate() {
            let from = sorted.wrapping_add(place * result);
            // SAFETY: both have a result for each index
            unsafe {
                output
                    .wrapping_add(which * result)
                    .copy_from_nonoverlapping(from, result)
            };
        }
        Ok(())
    })
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
