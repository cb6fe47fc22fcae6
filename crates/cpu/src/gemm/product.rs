//! One product: packing, then tiles of the result, each by whoever is free.

use super::INNER;
use super::deep;
use super::element::Element;
use super::finish::{Finish, write_row};
use super::kernel::{Kernels, Strip, Tile};
use super::long::Long;
use super::matrix::Matrix;
use super::pack::{self, Piece};
use super::panels::{Groups, Panel, Panels};
#[cfg(target_arch = "x86_64")]
use super::shallow::Shallow;
use super::sliced;
#[cfg(target_arch = "x86_64")]
use super::stack::{Stack, Target};
use super::thin::Thin;
#[cfg(target_arch = "x86_64")]
use super::tile::Tiled;
use super::vector::prefetch_bytes;
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use parking_lot::Mutex;
use smallvec::SmallVec;

/// Terms of a block at most where one does not hold all and registers have 512 bits: with them a
/// panel of columns and one of rows stay in the first cache.
const WIDE_BLOCK: usize = 196;
/// Bytes of packed operands that a product may hold at a time, if that is enough for one block.
const PACKED_BYTES: usize = 96 << 20;
/// Bytes of a right operand that kernels read in place, since it stays in the first cache.
const IN_PLACE_BYTES: usize = 24 << 10;
/// Bytes of an operand that kernels read in place, since it stays in the second cache. They read it
/// as fast as a packed one, until rows far apart push each other out of a cache.
const CACHED_BYTES: usize = 256 << 10;
/// Bytes between rows of a right operand whose multiples leave few places in the first cache.
const CROWDED: usize = 1 << 10;
/// Rows of the left operand that one task packs.
const PACK_ROWS: usize = 128;
/// Columns of the right operand that one task packs.
const PACK_COLUMNS: usize = 512;
/// The most rows of the result that one task computes.
const TASK_ROWS: usize = 128;
/// The most columns of the result that one task computes.
const TASK_COLUMNS: usize = 512;
/// Multiplications of a task that is not cut further, for which starting a thread pays.
const TASK_WORK: usize = 1 << 18;
/// Elements of a task that packs and is not cut further.
const PACK_WORK: usize = 1 << 13;
/// Rows of the right operand that are packed together, each from end to end: panel by panel, rows
/// far apart would push each other out of the caches.
const ROWS_TOGETHER: usize = 16;
/// Panels of columns at most that read the left operand in place: for so few it is not worth a
/// copy.
const FEW_PANELS: usize = 16;

/// `output ← lhs × rhs` of `(rows, inner, columns)`, then `finish`, on all threads. The columns
/// of the output lie side by side.
///
/// # Safety
/// All elements that the sizes and strides reach are inside live memory; nobody else reads or
/// writes those of `output`.
///
/// # Errors
/// If there is no memory for packed operands.
pub(crate) unsafe fn multiply<T: Element>(
    op: &'static str,
    sizes: (usize, usize, usize),
    lhs: Matrix<T>,
    rhs: Matrix<T>,
    output: Matrix<T>,
    finish: Option<Finish<T>>,
) -> Result<()> {
    // SAFETY: by the caller's promise
    unsafe { multiply_with(Isa::best(), op, true, sizes, lhs, rhs, output, finish) }
}

/// As [`multiply`], on this thread alone.
///
/// # Safety
/// As for [`multiply`].
///
/// # Errors
/// As for [`multiply`].
pub(crate) unsafe fn multiply_alone<T: Element>(
    op: &'static str,
    sizes: (usize, usize, usize),
    lhs: Matrix<T>,
    rhs: Matrix<T>,
    output: Matrix<T>,
    finish: Option<Finish<T>>,
) -> Result<()> {
    // SAFETY: by the caller's promise
    unsafe { multiply_with(Isa::best(), op, false, sizes, lhs, rhs, output, finish) }
}

/// [`multiply`] or [`multiply_alone`] with a given instruction set.
///
/// # Safety
/// As for [`multiply`]; this machine has the instruction set.
pub(super) unsafe fn multiply_with<T: Element>(
    isa: Isa,
    op: &'static str,
    shared: bool,
    sizes: (usize, usize, usize),
    lhs: Matrix<T>,
    rhs: Matrix<T>,
    output: Matrix<T>,
    finish: Option<Finish<T>>,
) -> Result<()> {
    if let Some(long) = Long::new(isa, sizes, lhs, rhs, output, finish) {
        // SAFETY: by the caller's promise
        unsafe { long.run(shared) };
        return Ok(());
    }
    if let Some(thin) = Thin::new(isa, sizes, lhs, rhs, output, finish) {
        // SAFETY: by the caller's promise
        return unsafe { thin.run(op, shared) };
    }
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512
        && let Some(tiled) = Tiled::new(sizes, lhs, rhs, output, finish)
    {
        // SAFETY: by the caller's promise
        return unsafe { tiled.run(op, shared) };
    }
    #[cfg(target_arch = "x86_64")]
    if !deep::suits(sizes)
        && let Some(shallow) = Shallow::new(isa, sizes, lhs, rhs, output, finish)
    {
        // SAFETY: by the caller's promise
        return unsafe { shallow.run(op, shared) };
    }
    let product = Product::new(isa, sizes, lhs, rhs, output, finish);
    // SAFETY: by the caller's promise
    unsafe {
        if deep::suits(sizes) {
            deep::run(&product, op, shared)
        } else if sliced::suits::<T>(sizes) {
            sliced::run(&product, op, shared)
        } else {
            product.run(op, shared)
        }
    }
}

/// Runs tasks on all threads or on this one.
pub(super) fn each(shared: bool, count: usize, task: impl Fn(usize) + Sync) {
    if shared {
        parallel::for_each(count, task);
    } else {
        (0..count).for_each(task);
    }
}

/// As [`each`], of tasks that can fail: one of the errors, if there is one.
pub(super) fn try_each(
    shared: bool,
    count: usize,
    task: impl Fn(usize) -> Result<()> + Sync,
) -> Result<()> {
    let failure = Mutex::new(None);
    each(shared, count, |number| {
        if let Err(error) = task(number) {
            *failure.lock() = Some(error);
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}

/// Whether a right operand of such sizes stays in the caches as it lies.
pub(super) fn stays<T>(rhs: Matrix<T>, inner: usize, columns: usize) -> bool {
    let row_bytes = rhs.row_stride.unsigned_abs() * size_of::<T>();
    let most = match row_bytes.is_multiple_of(CROWDED) {
        true => IN_PLACE_BYTES,
        false => CACHED_BYTES,
    };
    inner * columns * size_of::<T>() <= most
}

/// A product and how it is cut.
pub(super) struct Product<T: Element> {
    pub(super) isa: Isa,
    pub(super) kernels: &'static Kernels<T::Sum>,
    sizes: (usize, usize, usize),
    pub(super) lhs: Matrix<T>,
    pub(super) rhs: Matrix<T>,
    output: Matrix<T>,
    finish: Option<Finish<T>>,
    /// Where sums are left as they are, if they are not those of the result.
    sums: Option<Matrix<T::Sum>>,
    pub(super) row_panels: Panels,
    pub(super) column_panels: Panels,
    pub(super) pack_lhs: bool,
    pub(super) pack_rhs: bool,
    /// Terms that a packed element holds.
    pub(super) each: usize,
    /// Rows of packed operands, one for each group of terms that an element holds.
    depth: usize,
    /// The left operand as kernels read it where it is.
    pub(super) lhs_as_read: Matrix<T::Sum>,
    /// Rows of packed operands that kernels sum before they add to the result.
    pub(super) block: usize,
    /// Rows of packed operands that are in memory at a time, a multiple of a block.
    chunk: usize,
}

/// Where packed operands and sums are.
#[derive(Clone, Copy)]
struct Workspace<S> {
    lhs: Matrix<S>,
    rhs: Matrix<S>,
    sums: Matrix<S>,
}

impl<T: Element> Product<T> {
    fn new(
        isa: Isa,
        sizes: (usize, usize, usize),
        lhs: Matrix<T>,
        rhs: Matrix<T>,
        output: Matrix<T>,
        finish: Option<Finish<T>>,
    ) -> Self {
        let (kernels, each) = T::packed_kernels(isa);
        let (rows, inner, columns) = sizes;
        let row_panels = Panels::new(rows, 1, kernels.rows);
        let column_panels = Panels::new(columns, kernels.lanes, kernels.vectors);
        let lhs_in_place = rows * inner * size_of::<T>() <= CACHED_BYTES
            || rows <= kernels.rows
            || column_panels.count() <= FEW_PANELS;
        let pack_lhs = !Self::reads(lhs, inner, each) || !lhs_in_place;
        let is_panel =
            column_panels.count() == 1 && rhs.row_stride == column_panels.padded() as isize;
        let rhs_in_place = stays(rhs, inner, columns) || rows <= kernels.rows || is_panel;
        let pack_rhs = !T::WIDE || !rhs_in_place || (rhs.column_stride != 1 && columns > 1);
        let width = usize::from(pack_lhs) * rows + usize::from(pack_rhs) * column_panels.padded();
        let terms = PACKED_BYTES / (width * size_of::<T::Sum>()).max(1);
        let depth = inner.div_ceil(each);
        let block = match isa == Isa::Avx512 && depth > INNER {
            true => depth.div_ceil(depth.div_ceil(WIDE_BLOCK)),
            false => INNER,
        };
        let most = depth.next_multiple_of(block).max(block);
        let chunk = (terms / block * block).clamp(block, most);
        Product {
            isa,
            kernels,
            sizes,
            lhs,
            rhs,
            output,
            finish,
            sums: None,
            row_panels,
            column_panels,
            pack_lhs,
            pack_rhs,
            each,
            depth,
            lhs_as_read: Matrix {
                start: lhs.start.cast(),
                row_stride: lhs.row_stride / each as isize,
                column_stride: lhs.column_stride,
            },
            block,
            chunk,
        }
    }

    /// Whether kernels can read a left operand where it is.
    fn reads(lhs: Matrix<T>, inner: usize, each: usize) -> bool {
        match each {
            1 => T::WIDE && lhs.column_stride == 1,
            _ => lhs.has_pairs(inner),
        }
    }

    /// Whether tiles of sums of pairs are rounded as soon as they have all terms.
    pub(super) fn rounds_tiles(&self) -> bool {
        self.finish.is_none() && self.sums.is_none() && T::has_pairs(self.isa)
    }

    /// The product of some columns, whose packed operands stay in the second cache.
    pub(super) fn slice(&self, columns: std::ops::Range<usize>) -> Self {
        let (rows, inner, _) = self.sizes;
        let finish = self.finish.as_ref();
        let slice = Product::new(
            self.isa,
            (rows, inner, columns.len()),
            self.lhs,
            self.rhs.at(0, columns.start),
            self.output.at(0, columns.start),
            finish.map(|finish| finish.at(0, columns.start)),
        );
        Product {
            pack_rhs: true,
            block: INNER,
            chunk: INNER,
            ..slice
        }
    }

    /// The product of some terms, of which each block stays in the second cache. Their sums are left
    /// at a place.
    pub(super) fn part(&self, terms: std::ops::Range<usize>, sums: Matrix<T::Sum>) -> Self {
        let (rows, _, columns) = self.sizes;
        let part = Product::new(
            self.isa,
            (rows, terms.len(), columns),
            self.lhs.at(0, terms.start),
            self.rhs.at(terms.start, 0),
            self.output,
            None,
        );
        Product {
            sums: Some(sums),
            pack_lhs: !Self::reads(part.lhs, terms.len(), part.each),
            // as one panel it is packed already
            pack_rhs: part.pack_rhs || self.column_panels.count() > 1,
            block: INNER,
            chunk: INNER,
            ..part
        }
    }

    /// Rows, terms and columns.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        self.sizes
    }

    /// Writes a row of the result from sums of several parts, which lie at a distance.
    ///
    /// # Safety
    /// As for [`multiply`]; all parts have the row, and nobody else uses it.
    pub(super) unsafe fn finish_row(
        &self,
        sums: *mut T::Sum,
        (parts, distance): (usize, usize),
        row: usize,
    ) {
        let columns = self.sizes.2;
        let total = self.direct().map_or(sums, |to| to.place(row, 0).cast_mut());
        // SAFETY: by the caller's promise
        unsafe { deep::add_parts(self.isa, sums, columns, parts, distance, total) };
        if !T::WIDE || self.finish.is_some() {
            let finish = self.finish.as_ref().map(|finish| finish.at(row, 0));
            let to = self.output.place(row, 0).cast_mut();
            // SAFETY: by the caller's promise
            unsafe { write_row(self.isa, total, columns, finish, to) };
        }
    }

    /// Where sums are written without memory of their own: where they are left, or in the result,
    /// which has room for them even if they are finished after.
    pub(super) fn direct(&self) -> Option<Matrix<T::Sum>> {
        self.sums.or_else(|| T::WIDE.then(|| self.output.sums()))
    }

    /// Rows of packed operands, one for each group of terms that an element holds.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// # Safety
    /// As for [`multiply`].
    pub(super) unsafe fn run(&self, op: &'static str, shared: bool) -> Result<()> {
        let (rows, _, columns) = self.sizes;
        let inner = self.depth();
        if rows == 0 || columns == 0 {
            return Ok(());
        }
        let threads = if shared { parallel::threads() } else { 1 };
        if let Some(grid) = self.grid(threads) {
            // SAFETY: the caller's promise is the same
            return unsafe { self.run_owned(op, shared, &grid) };
        }
        let terms = self.chunk.min(inner);
        let direct = self.direct();
        let lhs_terms = match self.packs_in_tasks() {
            true => terms.min(self.block),
            false => terms,
        };
        let lhs_bytes = usize::from(self.pack_lhs) * rows * lhs_terms * size_of::<T::Sum>();
        let rhs_bytes =
            usize::from(self.pack_rhs) * self.column_panels.padded() * terms * size_of::<T::Sum>();
        let sum_bytes = usize::from(direct.is_none()) * rows * columns * size_of::<T::Sum>();
        // sizes are whole cache lines, so that parts begin on one
        let (lhs_bytes, rhs_bytes) = (
            lhs_bytes.next_multiple_of(64),
            rhs_bytes.next_multiple_of(64),
        );
        let total = lhs_bytes + rhs_bytes + sum_bytes;
        let memory = match total {
            0 => None,
            _ => Some(Buffer::allocate(op, total)?),
        };
        let start: *const u8 = match &memory {
            None => std::ptr::null(),
            Some(memory) => memory.host_ptr()?.as_ptr(),
        };
        let packed = |matrix: Matrix<T::Sum>, offset: Option<usize>| Matrix {
            start: offset.map_or(matrix.start, |offset| start.wrapping_add(offset).cast()),
            ..matrix
        };
        let rhs = Matrix {
            start: self.rhs.start.cast(),
            row_stride: self.rhs.row_stride,
            column_stride: self.rhs.column_stride,
        };
        let workspace = Workspace {
            lhs: packed(self.lhs_as_read, self.pack_lhs.then_some(0)),
            rhs: packed(rhs, self.pack_rhs.then_some(lhs_bytes)),
            sums: direct.unwrap_or(Matrix {
                start: start.wrapping_add(lhs_bytes + rhs_bytes).cast(),
                row_stride: columns as isize,
                column_stride: 1,
            }),
        };
        let mut first = 0;
        loop {
            let terms = self.chunk.min(inner - first);
            // SAFETY: by the caller's promise; the workspace has room for so many terms
            unsafe { self.pass(first, terms, &workspace, shared) };
            first += terms;
            if first >= inner {
                return Ok(());
            }
        }
    }

    /// Adds some terms of every sum.
    ///
    /// # Safety
    /// As for [`multiply`], with room in the workspace for the terms.
    unsafe fn pass(&self, first: usize, terms: usize, workspace: &Workspace<T::Sum>, shared: bool) {
        let blocks = terms.div_ceil(self.block);
        let lhs_groups = Groups::new(&self.row_panels, PACK_ROWS);
        let rhs_groups = Groups::new(&self.column_panels, PACK_COLUMNS);
        let threads = if shared { parallel::threads() } else { 1 };
        let packed = self.column_panels.padded() * terms;
        let wanted = threads.min(packed / PACK_WORK).div_ceil(blocks.max(1));
        let count = rhs_groups.count().max(wanted);
        let rhs_groups = rhs_groups.cut(count);
        let lhs_tasks =
            usize::from(self.pack_lhs && !self.packs_in_tasks()) * blocks * lhs_groups.count();
        let rhs_tasks = usize::from(self.pack_rhs) * blocks * rhs_groups.count();
        each(shared, lhs_tasks + rhs_tasks, |task| {
            let is_lhs = task < lhs_tasks;
            let index = if is_lhs { task } else { task - lhs_tasks };
            let (begin, group) = (index % blocks * self.block, index / blocks);
            let block = first + begin..first + terms.min(begin + self.block);
            // SAFETY: by the caller's promise; each task writes packed panels of its own
            unsafe {
                if is_lhs {
                    let to = workspace.lhs.start.wrapping_add(begin * self.sizes.0);
                    self.pack_rows(block, lhs_groups.get(group), to.cast_mut());
                } else {
                    let padded = self.column_panels.padded();
                    let to = workspace.rhs.start.wrapping_add(begin * padded);
                    let panels = (&self.column_panels, rhs_groups.get(group));
                    self.pack(self.rhs, block, panels, to.cast_mut());
                }
            }
        });
        let (down, across) = self.tasks(terms, shared);
        let last = first + terms >= self.depth();
        each(shared, down.count() * across.count(), |task| {
            let (row_group, column_group) = (task / across.count(), task % across.count());
            let (rows, columns) = (down.get(row_group), across.get(column_group));
            // SAFETY: by the caller's promise; each task writes elements of its own
            unsafe {
                self.tiles(first, terms, workspace, rows.clone(), columns.clone());
                if last {
                    self.complete(workspace.sums, rows, columns);
                }
            }
        });
    }

    /// Groups of rows and of columns that tasks compute: enough for all threads if they are worth
    /// it, and as many for each. How the result is cut changes no sum.
    fn tasks(&self, terms: usize, shared: bool) -> (Groups, Groups) {
        let threads = if shared { parallel::threads() } else { 1 };
        let across = Groups::new(&self.column_panels, TASK_COLUMNS);
        let down = Groups::new(&self.row_panels, TASK_ROWS);
        let work = self.sizes.0 * self.sizes.2 * terms * self.each / TASK_WORK;
        let wanted = (2 * threads).min(work).div_ceil(across.count());
        let count = match down.count().max(wanted) {
            // few tasks would leave some threads without a last one
            count if count > 1 && count < 8 * threads => count.next_multiple_of(threads),
            count => count,
        };
        (down.cut(count), across)
    }

    /// Whether tasks pack the rows that they compute, a block of terms at a time: nobody else reads
    /// those, and they are still in the caches when they are needed.
    fn packs_in_tasks(&self) -> bool {
        self.pack_lhs && Groups::new(&self.column_panels, TASK_COLUMNS).count() == 1
    }

    /// Packs some panels of the left operand, of one block of terms.
    ///
    /// # Safety
    /// As for [`Product::pass`].
    pub(super) unsafe fn pack_rows(
        &self,
        block: std::ops::Range<usize>,
        group: std::ops::Range<usize>,
        to: *mut T::Sum,
    ) {
        // SAFETY: by the caller's promise
        unsafe { self.pack(self.lhs.transposed(), block, (&self.row_panels, group), to) };
    }

    /// Packs some panels of one block of terms, which begins at `to`; the matrix has one row a
    /// term.
    ///
    /// # Safety
    /// As for [`Product::pass`].
    pub(super) unsafe fn pack(
        &self,
        matrix: Matrix<T>,
        block: std::ops::Range<usize>,
        (panels, group): (&Panels, std::ops::Range<usize>),
        to: *mut T::Sum,
    ) {
        let line = panels.width(&panels.get(group.start)) * size_of::<T>();
        let together = match T::WIDE && matrix.column_stride == 1 && pack::is_line(line) {
            true => ROWS_TOGETHER,
            false => block.len(),
        };
        for row in block.clone().step_by(together.max(1)) {
            for panel in group.clone() {
                let panel = panels.get(panel);
                let width = panels.width(&panel);
                let (term, rows) = (row * self.each, together.min(block.end - row));
                let piece = Piece {
                    source: matrix.at(term, panel.first),
                    terms: (rows * self.each).min(self.sizes.1 - term),
                    size: panel.size,
                    padded: width,
                };
                let place = panel.first * block.len() + (row - block.start) * width;
                let to = to.wrapping_add(place);
                // SAFETY: by the caller's promise; elements that are packed in pairs have 16 bits
                unsafe {
                    match self.each {
                        1 => pack::pack(self.isa, &piece, to),
                        _ => pack::pack_pairs(self.isa, &piece.bits(), to.cast()),
                    }
                };
            }
        }
    }

    /// The sums of some panels' rows and columns.
    ///
    /// # Safety
    /// As for [`Product::pass`].
    unsafe fn tiles(
        &self,
        first: usize,
        terms: usize,
        workspace: &Workspace<T::Sum>,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
    ) {
        let padded = self.column_panels.padded();
        // a division takes as long as a few terms
        let strips = self
            .kernels
            .strips_of(&self.row_panels, rows.clone(), self.pack_lhs);
        let strips: SmallVec<[Strip<T::Sum>; 32]> = strips.collect();
        let sums = workspace.sums;
        for begin in (0..terms.max(1)).step_by(self.block) {
            let inner = self.block.min(terms - begin);
            let before = match self.packs_in_tasks() {
                // rows of a task have their place, however few terms its block has
                true => strips[0].first * (self.block.min(terms) - inner),
                false => begin * self.sizes.0,
            };
            let packed_lhs = workspace.lhs.start.wrapping_add(before);
            if self.packs_in_tasks() && inner > 0 {
                let block = first + begin..first + begin + inner;
                // SAFETY: by the caller's promise; no other task has these rows
                unsafe { self.pack_rows(block, rows.clone(), packed_lhs.cast_mut()) };
            }
            for column in columns.clone() {
                let panel = self.column_panels.get(column);
                let width = self.column_panels.width(&panel);
                let packed = begin * padded + panel.first * inner;
                let (rhs, rhs_row) = match self.pack_rhs {
                    true => (workspace.rhs.start.wrapping_add(packed), width as isize),
                    false => (
                        workspace.rhs.place(first + begin, panel.first),
                        workspace.rhs.row_stride,
                    ),
                };
                let next = rhs.wrapping_add(inner * width).cast::<u8>();
                let share = match self.pack_rhs {
                    true => (inner * width * size_of::<T::Sum>()).div_ceil(strips.len()),
                    false => 0,
                };
                for (turn, strip) in strips.iter().enumerate() {
                    // packed panels follow one another: the next comes while this one is used
                    prefetch_bytes(next.wrapping_add(turn * share), share);
                    let lhs = match self.pack_lhs {
                        true => packed_lhs.wrapping_add(strip.first * inner),
                        false => workspace.lhs.place(strip.first, first + begin),
                    };
                    let sums = sums.at(strip.first, panel.first);
                    let terms = first + begin..first + begin + inner;
                    // SAFETY: by the caller's promise; panels lie inside the matrices
                    unsafe { self.add_tile(strip, &panel, terms, lhs, (rhs, rhs_row), sums) };
                }
            }
        }
    }

    /// Adds some terms to the sums of a strip's rows and a panel's columns, or begins them; the last
    /// complete them, if tiles are rounded.
    ///
    /// # Safety
    /// As for [`Product::pass`]; the operands have the terms, of rows that are packed if
    /// [`Product::pack_lhs`] says so.
    #[inline(always)]
    pub(super) unsafe fn add_tile(
        &self,
        strip: &Strip<T::Sum>,
        panel: &Panel,
        terms: std::ops::Range<usize>,
        lhs: *const T::Sum,
        (rhs, rhs_row): (*const T::Sum, isize),
        sums: Matrix<T::Sum>,
    ) {
        let lhs_row = match self.pack_lhs {
            true => 0,
            false => self.lhs_as_read.row_stride,
        };
        #[cfg(target_arch = "x86_64")]
        if terms.end == self.depth()
            && self.rounds_tiles()
            && let Some((stacks, _)) = T::packed_stacks(self.isa)
        {
            let before = match terms.start {
                0 => std::ptr::null(),
                _ => sums.start,
            };
            let to = self.output.place(strip.first, panel.first).cast_mut();
            // SAFETY: by the caller's promise; elements are `bf16`, whose panels are packed
            return unsafe {
                stacks.choose(panel.vectors, self.pack_lhs)(&Stack {
                    rows: strip.size,
                    inner: terms.len(),
                    lhs,
                    lhs_step: match self.pack_lhs {
                        true => strip.size as isize,
                        false => lhs_row,
                    },
                    rhs,
                    before,
                    before_row: sums.row_stride,
                    output: Target::Rounded(to.cast()),
                    output_row: self.output.row_stride,
                    columns: panel.size,
                })
            };
        }
        // SAFETY: by the caller's promise
        unsafe {
            (strip.kernels[panel.vectors - 1])(&Tile {
                inner: terms.len(),
                lhs,
                lhs_row,
                rhs,
                rhs_row,
                output: sums.start.cast_mut(),
                output_row: sums.row_stride,
                columns: panel.size,
                accumulate: terms.start > 0,
            });
        }
    }

    /// Turns sums into elements.
    ///
    /// # Safety
    /// As for [`Product::pass`].
    pub(super) unsafe fn complete(
        &self,
        sums: Matrix<T::Sum>,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
    ) {
        let is_complete = T::WIDE && self.finish.is_none() || self.rounds_tiles();
        if self.sums.is_some() || is_complete {
            return;
        }
        let (rows, columns) = (self.row_panels.span(rows), self.column_panels.span(columns));
        for row in rows {
            let (sums, to) = (
                sums.at(row, columns.start),
                self.output.at(row, columns.start),
            );
            let finish = self
                .finish
                .as_ref()
                .map(|finish| finish.at(row, columns.start));
            // SAFETY: by the caller's promise; columns of both lie side by side
            unsafe {
                write_row(
                    self.isa,
                    sums.start,
                    columns.len(),
                    finish,
                    to.start.cast_mut(),
                )
            };
        }
    }
}
