//! One block of queries against all keys.

use super::mask::{self, Mask, UNSEEN};
use super::prepare::Prepared;
use super::softmax::{self, Running};
use super::{KEYS, QUERIES};
use crate::gemm::kernel::{Kernels, Tile};
use crate::gemm::{Element, Matrix, Panels, Scalar};
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Call, Operand};

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
    rows: Panels,
    size: usize,
}

/// What a task computes with.
struct Workspace {
    /// Scaled queries in packed panels.
    queries: Vec<f32>,
    /// Scores of some keys, then their powers.
    scores: Vec<f32>,
    /// Sums of values.
    sums: Vec<f32>,
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
            rows: Panels::new(size, 1, self.kernels.rows),
            size,
        };
        let sink = self.sinks.get(block.head).copied();
        let mut workspace = Workspace {
            queries: vec![0.0; size * self.features],
            scores: vec![0.0; size * KEYS],
            sums: vec![0.0; size * self.value_features],
            running: vec![Running::new(sink); size],
        };
        // SAFETY: by the caller's promise
        unsafe {
            self.pack_queries(&block, &mut workspace.queries);
            for key in (0..self.visible(&block)).step_by(KEYS) {
                self.score(&block, key, &mut workspace);
                self.weigh(&block, key, &mut workspace);
                self.sum(&block, key, &mut workspace);
            }
            self.write(&block, &workspace);
        }
    }

    /// Keys that some query of the block may see.
    fn visible(&self, block: &Block<'_>) -> usize {
        let (queries, keys) = (self.query_size, self.key_size);
        let blind = block.first + keys < queries; // such a query weighs all keys equally
        if !self.causal || self.mask.is_some() || blind {
            return keys;
        }
        keys.min(block.first + block.size + keys - queries)
    }

    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn pack_queries(&self, block: &Block<'_>, to: &mut [f32]) {
        let queries = self
            .queries
            .matrix(block.batch, block.head)
            .at(block.first, 0);
        let mut next = to.iter_mut();
        for panel in 0..block.rows.count() {
            let panel = block.rows.get(panel);
            for feature in 0..self.features {
                for (row, to) in (0..panel.size).zip(&mut next) {
                    // SAFETY: by the caller's promise
                    let query = unsafe { queries.place(panel.first + row, feature).read() };
                    *to = query.widen() * self.scale;
                }
            }
        }
    }

    /// Scores of the keys from `key` on.
    ///
    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn score(&self, block: &Block<'_>, key: usize, workspace: &mut Workspace) {
        let panels = self.key_panels(key);
        let head = self.key_head(block);
        let keys = block
            .prepared
            .keys
            .wrapping_add(head * self.key_elements() + key * self.features);
        for column in 0..panels.count() {
            let column = panels.get(column);
            for row in 0..block.rows.count() {
                let row = block.rows.get(row);
                let kernel = (self.kernels.choose)(row.size, column.vectors, true);
                let output = &mut workspace.scores[row.first * KEYS + column.first..];
                let queries = &workspace.queries[row.first * self.features..];
                // SAFETY: panels lie inside the packed operands and the scores
                unsafe {
                    kernel(&Tile {
                        inner: self.features,
                        lhs: queries.as_ptr(),
                        lhs_row: 0,
                        rhs: keys.wrapping_add(column.first * self.features),
                        rhs_row: panels.width(&column) as isize,
                        output: output.as_mut_ptr(),
                        output_row: KEYS as isize,
                        columns: column.size,
                        accumulate: false,
                    });
                }
            }
        }
    }

    /// Scores become weights.
    ///
    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn weigh(&self, block: &Block<'_>, key: usize, workspace: &mut Workspace) {
        let size = KEYS.min(self.key_size - key);
        let rows = workspace.scores.chunks_mut(KEYS);
        let sums = workspace.sums.chunks_mut(self.value_features);
        for (row, ((scores, sums), running)) in
            rows.zip(sums).zip(&mut workspace.running).enumerate()
        {
            let query = block.first + row;
            let scores = &mut scores[..size];
            if let Some(mask) = &self.mask {
                let position = [block.batch, block.head, query];
                // SAFETY: the position is inside the scores' shape; `Isa::best` is available
                unsafe { mask::apply(self.isa, mask, position, key, scores) };
            }
            if self.causal {
                let seen = (query + 1 + self.key_size).saturating_sub(self.query_size + key);
                scores[seen.min(size)..].fill(UNSEEN);
            }
            // SAFETY: `Isa::best` is available
            unsafe { softmax::update(self.isa, running, scores, sums) };
        }
    }

    /// Adds the weighted values.
    ///
    /// # Safety
    /// As for [`Attention::block`].
    unsafe fn sum(&self, block: &Block<'_>, key: usize, workspace: &mut Workspace) {
        let inner = KEYS.min(self.key_size - key);
        let panels = &self.value_panels;
        let head = self.key_head(block);
        let packed = block
            .prepared
            .values
            .wrapping_add(head * self.value_elements() + key * panels.padded());
        let values = self
            .values
            .matrix(block.batch, self.group(block.head))
            .at(key, 0);
        for column in 0..panels.count() {
            let column = panels.get(column);
            let (rhs, rhs_row) = match self.pack_values {
                true => (
                    packed.wrapping_add(column.first * inner),
                    panels.width(&column) as isize,
                ),
                false => (
                    values.place(0, column.first).cast::<f32>(),
                    values.row_stride,
                ),
            };
            for row in 0..block.rows.count() {
                let row = block.rows.get(row);
                let kernel = (self.kernels.choose)(row.size, column.vectors, false);
                let start = row.first * self.value_features + column.first;
                // SAFETY: panels lie inside the operands, the scores and the sums
                unsafe {
                    kernel(&Tile {
                        inner,
                        lhs: workspace.scores[row.first * KEYS..].as_ptr(),
                        lhs_row: KEYS as isize,
                        rhs,
                        rhs_row,
                        output: workspace.sums[start..].as_mut_ptr(),
                        output_row: self.value_features as isize,
                        columns: column.size,
                        accumulate: true,
                    });
                }
            }
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
    unsafe fn write(&self, block: &Block<'_>, workspace: &Workspace) {
        let head = block.batch * self.heads + block.head;
        let output = self.output.at(head * self.query_size + block.first, 0);
        let rows = workspace.sums.chunks(self.value_features);
        for (row, (sums, running)) in rows.zip(&workspace.running).enumerate() {
            for (feature, sum) in sums.iter().enumerate() {
                // without keys there is nothing to divide by
                let value = match self.key_size {
                    0 => 0.0,
                    _ => sum / running.sum,
                };
                let value = T::narrow(value);
                // SAFETY: by the caller's promise
                unsafe { output.place(row, feature).cast_mut().write(value) };
            }
        }
    }
}

// SAFETY: operands are only read; tasks write parts of the output that do not overlap
unsafe impl<T: Element> Sync for Attention<T> {}
