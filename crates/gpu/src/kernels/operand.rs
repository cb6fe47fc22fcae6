//! Operands as kernels see them: a window of a device buffer, an offset and strides.

use crate::dispatch::{Binding, Context};
use crate::memory::{Memory, resident};
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result};
use mlx_oxide_runtime::{Operand, Stored};
use std::sync::Arc;

/// Windows begin at multiples of this, which suits every device and every dtype.
const ALIGNMENT: usize = 256;

/// Elements on the device.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) memory: Arc<Memory>,
    pub(super) layout: Layout,
    pub(super) dtype: Dtype,
}

/// The part of a buffer that a kernel sees, and where element zero lies in it.
pub(super) struct Window {
    low: usize,
    high: usize,
    /// Place of element zero, in elements from the window's start.
    pub(super) offset: u32,
}

impl Window {
    /// Bytes of the window.
    pub(super) fn bytes(&self) -> usize {
        self.high - self.low
    }

    pub(super) fn binding<'a>(&self, memory: &'a Memory) -> Result<Binding<'a>> {
        memory.window(self.low, self.high)
    }
}

impl Place {
    /// An operand, uploaded if need be.
    pub(super) fn of(context: &'static Context, operand: &Operand) -> Result<Self> {
        Ok(Place {
            memory: resident(context, operand)?,
            layout: operand.layout.clone(),
            dtype: operand.dtype,
        })
    }

    /// Fresh memory for row-major elements.
    pub(super) fn fresh(context: &'static Context, array: &ArrayType) -> Result<Self> {
        Ok(Place {
            memory: Arc::new(Memory::allocate(context, array.bytes())?),
            layout: Layout::contiguous(array.shape.clone()),
            dtype: array.dtype,
        })
    }

    /// The same bytes as elements of another dtype of the same width.
    pub(super) fn with_dtype(mut self, dtype: Dtype) -> Self {
        debug_assert_eq!(self.dtype.size(), dtype.size());
        self.dtype = dtype;
        self
    }

    /// The smallest aligned window with every element in it.
    pub(super) fn window(&self) -> Window {
        let size = self.dtype.size();
        let (first, end) = self.layout.span().unwrap_or((0, 0));
        let low = (first as usize * size) / ALIGNMENT * ALIGNMENT;
        let offset = if first == end {
            0
        } else {
            (self.layout.offset - low / size) as u32
        };
        Window {
            low,
            high: (end as usize * size).max(low),
            offset,
        }
    }

    /// Strides as kernels compute with them: negative ones wrap.
    pub(super) fn stride(&self, axis: usize) -> u32 {
        self.layout.strides[axis] as u32
    }

    /// As an output.
    pub(super) fn stored(self) -> Stored {
        Stored {
            buffer: mlx_oxide_runtime::Buffer::from_device(self.memory),
            layout: self.layout,
        }
    }
}
