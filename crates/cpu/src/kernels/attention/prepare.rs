//! Keys turned into the panels that kernels read; values too, unless they lie so already.

use super::KEYS;
use super::block::Attention;
use crate::gemm::pack::{self, Piece};
use crate::gemm::{Element, Panels};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};

/// Packed keys and values of all heads.
pub(super) struct Prepared {
    /// Keeps the memory alive.
    _memory: Option<Buffer>,
    /// Per head and block of keys, panels of keys.
    pub(super) keys: *const f32,
    /// Per head and block of keys, panels of features.
    pub(super) values: *const f32,
}

// SAFETY: the memory is only read once it is prepared
unsafe impl Sync for Prepared {}

impl<T: Element<Sum = f32>> Attention<T> {
    /// Elements of a head's packed keys.
    pub(super) fn key_elements(&self) -> usize {
        self.key_size.next_multiple_of(self.kernels.lanes) * self.features
    }

    /// Elements of a head's packed values.
    pub(super) fn value_elements(&self) -> usize {
        self.value_panels.padded() * self.key_size
    }

    /// The panels of a block of keys.
    pub(super) fn key_panels(&self, first: usize) -> Panels {
        let size = KEYS.min(self.key_size - first);
        Panels::new(size, self.kernels.lanes, self.kernels.vectors)
    }

    /// Packs keys and values.
    pub(super) fn prepare(&self, op: &'static str) -> Result<Prepared> {
        let heads = self.batch * self.key_heads;
        let key_elements = heads * self.key_elements();
        let value_elements = usize::from(self.pack_values) * heads * self.value_elements();
        let memory = match key_elements + value_elements {
            0 => None,
            elements => Some(Buffer::allocate(op, elements * size_of::<f32>())?),
        };
        let keys: *mut f32 = match &memory {
            None => std::ptr::null_mut(),
            Some(memory) => memory.host_ptr()?.as_ptr().cast(),
        };
        let values = keys.wrapping_add(key_elements);
        let prepared = Prepared {
            _memory: memory,
            keys,
            values,
        };
        let blocks = self.key_size.div_ceil(KEYS);
        parallel::for_each(heads * blocks, |task| {
            let (head, first) = (task / blocks, task % blocks * KEYS);
            // SAFETY: operands' layouts fit their buffers; each task writes panels of its own
            unsafe {
                self.pack_keys(&prepared, head, first);
                if self.pack_values {
                    self.pack_values(&prepared, head, first);
                }
            }
        });
        Ok(prepared)
    }

    /// # Safety
    /// Inside [`Attention::prepare`].
    unsafe fn pack_keys(&self, prepared: &Prepared, head: usize, first: usize) {
        let keys = self
            .keys
            .matrix(head / self.key_heads, head % self.key_heads);
        let panels = self.key_panels(first);
        let start = head * self.key_elements() + first * self.features;
        for index in 0..panels.count() {
            let panel = panels.get(index);
            let piece = Piece {
                source: keys.at(first + panel.first, 0).transposed(),
                terms: self.features,
                size: panel.size,
                padded: panels.width(&panel),
            };
            let to = prepared
                .keys
                .cast_mut()
                .wrapping_add(start + panel.first * self.features);
            // SAFETY: by the caller's promise
            unsafe { pack::pack(self.isa, &piece, to) };
        }
    }

    /// # Safety
    /// Inside [`Attention::prepare`].
    unsafe fn pack_values(&self, prepared: &Prepared, head: usize, first: usize) {
        let values = self
            .values
            .matrix(head / self.key_heads, head % self.key_heads);
        let panels = &self.value_panels;
        let start = head * self.value_elements() + first * panels.padded();
        let terms = KEYS.min(self.key_size - first);
        for index in 0..panels.count() {
            let panel = panels.get(index);
            let piece = Piece {
                source: values.at(first, panel.first),
                terms,
                size: panel.size,
                padded: panels.width(&panel),
            };
            let to = prepared
                .values
                .cast_mut()
                .wrapping_add(start + panel.first * terms);
            // SAFETY: by the caller's promise
            unsafe { pack::pack(self.isa, &piece, to) };
        }
    }
}
