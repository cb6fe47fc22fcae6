//! One block of queries against all keys.

use super::mask::{self, Mask, UNSEEN};
use super::prepare::Prepared;
use super::softmax::{self, LANES, Running};
use super::{KEYS, QUERIES};
use crate::gemm::kernel::{Kernels, Strip, Tile};
use crate::gemm::vector::prefetch_rows;
use crate::gemm::{Element, Matrix, Panels, Scalar};
use crate::kernels::fused::scratch::with_scratch;
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Call, Operand};
use smallvec::SmallVec;
use std::slice;

/// Matrices of a batch and its heads.
pub(super) struct Heads<T> {
    first: Matrix<T>,
    batch_step: isize,
    head_step: isize,
}

impl<T> Heads<T> {
    fn new(operand: &Operand) -> Result<Self> {
        let layout = &operand.layout;
        let start = operand.buffer.host_ptr()?.as_ptr().cast::<T>().cast_const();
        Ok(Heads {
            first: Matrix {
                start: start.wrapping_add(layout.offset),
                row_stride: layout.strides[2],
                column_stride: layout.strides[3],
            },
            batch_step: layout.strides[0],
            head_step: layout.strides[1],
        })
    }

    /// Whether features lie side by side.
    pub(super) fn are_rows(&self) -> bool {
        self.first.column_stride == 1
    }

    /// The matrix of one head.
    pub(super) fn matrix(&self, batch: usize, head: usize) -> Matrix<T> {
        let step = batch as isize * self.batch_step + head as isize * self.head_step;
        self.first.moved(step)
    }
}

/// Everything that the tasks of one call share.
pub(super) struct Attention<T: Element> {
    pub(super) isa: Isa,
    pub(super) kernels: &'static Kernels<f32>,
    pub(super) queries: Heads<T>,
    pub(super) keys: Heads<T>,
    pub(super) values: Heads<T>,
    pub(super) output: Matrix<T>,
    pub(super) mask: Option<Mask>,
    pub(super) sinks: Vec<f32>,
    pub(super) scale: f32,
    pub(super) causal: bool,
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    pub(super) query_size: usize,
    pub(super) key_size: usize,
    /// Features of queries and keys.
    pub(super) features: usize,
    /// Panels of the features of values.
    pub(super) value_panels: Panels,
    pub(super) value_features: usize,
    /// Whether values need another type or order.
    pub(super) pack_values: bool,
}

/// One block of queries.
struct Block<'a> {
    prepared: &'a Prepared,
    batch: usize,
    head: usize,
    /// The first query.
    first: usize,
    size: usize,
    /// Queries whose scores and sums are in registers together.
    strips: SmallVec<[Strip<f32>; 16]>,
    /// Keys that some query may see.
    visible: usize,
}

/// The right operand of some columns.
#[derive(Clone, Copy)]
struct Columns {
    /// The first row.
    start: *const f32,
    /// Elements to the next row.
    row: isize,
    /// Rows.
    inner: usize,
    /// Columns that exist.
    size: usize,
    vectors: usize,
}

/// What a task computes with.
struct Workspace<'a> {
    /// Scaled queries, row by row.
    queries: &'a mut [f32],
    /// Scores of some keys, then their powers.
    scores: &'a mut [f32],
    /// Sums of values.
    sums: &'a mut [f32],
    running: Vec<Running>,
}

impl<T: Element<Sum = f32>> Attention<T> {
    pub(super) fn new(
        call: &Call<'_>,
        scale: f32,
        causal: bool,
        mask: Option<Mask>,
        sinks: Vec<f32>,
        output: *mut T,
    ) -> Result<Self> {
        let isa = Isa::best();
        let kernels = f32::kernels(isa);
        let queries = &call.inputs[0].layout.shape;
        let keys = &call.inputs[1].layout.shape;
        let value_features = call.inputs[2].layout.shape[3];
        let values = Heads::new(&call.inputs[2])?;
        Ok(Attention {
            isa,
            kernels,
            queries: Heads::new(&call.inputs[0])?,
            keys: Heads::new(&call.inputs[1])?,
            pack_values: !T::WIDE || values.first.column_stride != 1,
            values,
            output: Matrix {
                start: output,
                row_stride: value_features as isize,
                column_stride: 1,
            },
            mask,
            sinks,
            scale,
            causal,
            batch: queries[0],
            heads: queries[1],
            key_heads: keys[1],
            query_size: queries[2],
            key_size: keys[2],
            features: queries[3],
            value_panels: Panels::new(value_features, kernels.lanes, kernels.vectors),
            value_features,
        })
    }

    /// How many blocks there are.
    pub(super) fn tasks(&self) -> usize {
        self.batch * self.heads * self.query_size.div_ceil(QUERIES)
    }

    /// Computes a block.
    ///
    /// # Safety
    /// Operands' layouts fit their buffers; the output is all there and no other thread writes
    /// the block's rows.
    pub(super) unsafe fn block(&self, prepared: &Prepared, task: usize) {
        let blocks = self.query_size.div_ceil(QUERIES);
        // the last blocks of a causal call see most keys: they come first
        let (head, block) = (task / blocks, blocks - 1 - task % blocks);
        let first = block * QUERIES;
        let size = QUERIES.min(self.query_size - first);
        let block = Block {
            prepared,
            batch: head / self.heads,
            head: head % self.heads,
            first,
            size,
            strips: self.kernels.strips(size, false),
            visible: self.visible(first, size),
        };
        let sizes = [
            size * self.features,
            size * KEYS,
            size * self.value_features,
        ];
        let bytes = sizes.iter().sum::<usize>() * size_of::<f32>();
        with_scratch(bytes, |scratch| {
            // SAFETY: the scratch has room for so many bytes
            unsafe { scratch.write_bytes(0, bytes) };
            // SAFETY: zeros just written, aligned to a line and this task's own
            let all =
                unsafe { slice::from_raw_parts_mut(scratch.cast(), bytes / size_of::<f32>()) };
            // SAFETY: by the caller's promise
            unsafe { self.block_in(&block, all, sizes) };
        });
    }

    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn block_in(&self, block: &Block<'_>, memory: &mut [f32], sizes: [usize; 3]) {
        let (queries, rest) = memory.split_at_mut(sizes[0]);
        let (scores, sums) = rest.split_at_mut(sizes[1]);
        let sink = self.sinks.get(block.head).copied();
        let mut workspace = Workspace {
            queries,
            scores,
            sums,
            running: vec![Running::new(sink); block.size],
        };
        // SAFETY: by the caller's promise
        unsafe {
            self.scale_queries(block, workspace.queries);
            for key in (0..block.visible).step_by(KEYS) {
                self.score(block, key, &mut workspace);
                self.weigh(block, key, &mut workspace);
                self.sum(block, key, &mut workspace);
            }
            self.write(block, &workspace);
        }
    }

    /// Keys that some of the queries may see.
    fn visible(&self, first: usize, size: usize) -> usize {
        let (queries, keys) = (self.query_size, self.key_size);
        let blind = first + keys < queries; // such a query weighs all keys equally
        if !self.causal || self.mask.is_some() || blind {
            return keys;
        }
        keys.min(first + size + keys - queries)
    }

    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn scale_queries(&self, block: &Block<'_>, to: &mut [f32]) {
        let queries = self.queries.matrix(block.batch, block.head);
        for (row, to) in to.chunks_mut(self.features.max(1)).enumerate() {
            let from = queries.at(block.first + row, 0);
            // SAFETY: by the caller's promise; `Isa::best` is available
            unsafe { softmax::scale(self.isa, from, self.scale, to) };
        }
    }

    /// Scores of the keys from `key` on.
    ///
    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn score(&self, block: &Block<'_>, key: usize, workspace: &mut Workspace<'_>) {
        let panels = self.key_panels(key);
        for column in 0..panels.count() {
            let first = panels.get(column).first;
            if key + first >= block.visible {
                break;
            }
            let next = match column + 1 {
                next if next < panels.count() => self.key_columns(block, key, next),
                _ => self.value_columns(block, key, 0),
            };
            let columns = self.key_columns(block, key, column);
            let lhs = (workspace.queries.as_ptr(), self.features);
            let to = workspace.scores.as_mut_ptr().wrapping_add(first);
            // SAFETY: by the caller's promise
            unsafe { self.strip_by_strip(block, lhs, columns, next, (to, KEYS), false) };
        }
    }

    /// A panel of the keys from `key` on.
    fn key_columns(&self, block: &Block<'_>, key: usize, column: usize) -> Columns {
        let panels = self.key_panels(key);
        let column = panels.get(column);
        let head = self.key_head(block) * self.key_elements();
        let packed = head + (key + column.first) * self.features;
        Columns {
            start: block.prepared.keys.wrapping_add(packed),
            row: panels.width(&column) as isize,
            inner: self.features,
            size: column.size,
            vectors: column.vectors,
        }
    }

    /// Products of all strips with some columns, while the next columns come nearer.
    ///
    /// # Safety
    /// As for [`Attention::block`]; the operands have the block's rows.
    unsafe fn strip_by_strip(
        &self,
        block: &Block<'_>,
        (lhs, lhs_row): (*const f32, usize),
        columns: Columns,
        next: Columns,
        (to, to_row): (*mut f32, usize),
        accumulate: bool,
    ) {
        let share = next.inner.div_ceil(block.strips.len());
        let width = next.vectors * self.kernels.lanes;
        for (turn, strip) in block.strips.iter().enumerate() {
            let rows = (turn * share).min(next.inner)..((turn + 1) * share).min(next.inner);
            let start = next.start.wrapping_offset(rows.start as isize * next.row);
            prefetch_rows(start, next.row, rows.len(), width);
            // SAFETY: by the caller's promise
            unsafe {
                strip.kernels[columns.vectors - 1](&Tile {
                    inner: columns.inner,
                    lhs: lhs.wrapping_add(strip.first * lhs_row),
                    lhs_row: lhs_row as isize,
                    rhs: columns.start,
                    rhs_row: columns.row,
                    output: to.wrapping_add(strip.first * to_row),
                    output_row: to_row as isize,
                    columns: columns.size,
                    accumulate,
                });
            }
        }
    }

    /// Scores become weights.
    ///
    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn weigh(&self, block: &Block<'_>, key: usize, workspace: &mut Workspace<'_>) {
        let size = KEYS.min(block.visible - key);
        let rows = workspace.scores.chunks_mut(KEYS);
        let sums = workspace.sums.chunks_mut(self.value_features);
        for (row, ((row_scores, sums), running)) in
            rows.zip(sums).zip(&mut workspace.running).enumerate()
        {
            let query = block.first + row;
            let (scores, beyond) = row_scores.split_at_mut(size);
            if let Some(mask) = &self.mask {
                let position = [block.batch, block.head, query];
                // SAFETY: the position is inside the scores' shape; `Isa::best` is available
                unsafe { mask::apply(self.isa, mask, position, key, scores) };
            }
            if self.causal {
                let seen = (query + 1 + self.key_size).saturating_sub(self.query_size + key);
                scores[seen.min(size)..].fill(UNSEEN);
            }
            const { assert!(KEYS.is_multiple_of(LANES)) };
            // whole lanes: what is beyond the keys has no weight
            let padded = size.next_multiple_of(LANES);
            beyond[..padded - size].fill(f32::NEG_INFINITY);
            let scores = &mut row_scores[..padded];
            // SAFETY: `Isa::best` is available
            unsafe { softmax::update(self.isa, running, scores, sums) };
        }
    }

    /// Adds the weighted values.
    ///
    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn sum(&self, block: &Block<'_>, key: usize, workspace: &mut Workspace<'_>) {
        let panels = &self.value_panels;
        for column in 0..panels.count() {
            let columns = self.value_columns(block, key, column);
            let next = match column + 1 {
                next if next < panels.count() => self.value_columns(block, key, next),
                _ if key + KEYS < block.visible => self.key_columns(block, key + KEYS, 0),
                _ => columns,
            };
            let first = panels.get(column).first;
            let lhs = (workspace.scores.as_ptr(), KEYS);
            let to = workspace.sums.as_mut_ptr().wrapping_add(first);
            // SAFETY: by the caller's promise
            unsafe {
                self.strip_by_strip(block, lhs, columns, next, (to, self.value_features), true);
            }
        }
    }

    /// A panel of the values of visible keys from `key` on.
    fn value_columns(&self, block: &Block<'_>, key: usize, column: usize) -> Columns {
        let panels = &self.value_panels;
        let inner = KEYS.min(self.key_size - key);
        let column = panels.get(column);
        let (start, row) = match self.pack_values {
            true => {
                let head = self.key_head(block) * self.value_elements();
                let packed = head + key * panels.padded() + column.first * inner;
                let start = block.prepared.values.wrapping_add(packed);
                (start, panels.width(&column) as isize)
            }
            false => {
                let values = self.values.matrix(block.batch, self.group(block.head));
                (values.place(key, column.first).cast(), values.row_stride)
            }
        };
        Columns {
            start,
            row,
            inner: inner.min(block.visible - key),
            size: column.size,
            vectors: column.vectors,
        }
    }

    /// The head of keys and values that a query head belongs to.
    fn group(&self, head: usize) -> usize {
        head / (self.heads / self.key_heads)
    }

    /// Its number in the whole batch.
    fn key_head(&self, block: &Block<'_>) -> usize {
        block.batch * self.key_heads + self.group(block.head)
    }

    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn write(&self, block: &Block<'_>, workspace: &Workspace<'_>) {
        let head = block.batch * self.heads + block.head;
        let output = self.output.at(head * self.query_size + block.first, 0);
        let rows = workspace.sums.chunks(self.value_features);
        for (row, (sums, running)) in rows.zip(&workspace.running).enumerate() {
            // without keys there is nothing to divide by
            let divisor = if self.key_size == 0 { 1.0 } else { running.sum };
            let to = output.place(row, 0).cast_mut();
            // SAFETY: by the caller's promise; features of the output lie side by side;
            // `Isa::best` is available
            unsafe { softmax::divide(self.isa, sums, divisor, to) };
        }
    }
}

// SAFETY: operands are only read; tasks write parts of the output that do not overlap
unsafe impl<T: Element> Sync for Attention<T> {}
