//! The loops that tiles are cut from.
//!
//! In a *linear* nest a tile is a range of row-major positions. Where an input is strided and rows
//! are long, a tile is a part of a row: inputs with unit stride are then read in place. Tiles of
//! neighbouring rows run in *blocks*, for which inputs that lie across are transposed at once.

use mlx_oxide_ir::Strides;
use mlx_oxide_ir::layout::{Collapsed, collapse, contiguous_strides};
use mlx_oxide_runtime::Operand;
use smallvec::SmallVec;

/// Rows of a block: two lines of the cache of 4-byte elements.
const BLOCK: usize = 32;
/// The fewest rows that are worth transposing.
const FEW: usize = 8;
/// Rows shorter than this are not worth tiles of their own.
const SHORT: usize = 64;
/// As [`SHORT`], for programs of several steps, each of which takes a call for every tile.
const SHORT_OF_STEPS: usize = 256;
/// The longest row that is worth repeating in a tile.
const REPEATED: usize = 512;
/// Elements for which at least it is worth making a tile of one row.
const LONG: usize = 8 << 10;
/// Elements at least that are worth reading where they lie, before the first is read again.
const CYCLE: usize = 1 << 10;

/// How an input is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// In row-major order without gaps.
    Whole,
    /// One element throughout.
    Uniform,
    /// One short row again and again, that of the innermost loop.
    Repeated,
    /// As `Repeated`, with another row after so many elements, by the strides with this number.
    Renewed(usize, usize),
    /// So many elements without gaps again and again.
    Cyclic(usize),
    /// By the strides with this number in [`Nest::loops`].
    Strided(usize),
    /// As `Strided`, through transposed blocks.
    Across(usize),
}

impl Access {
    /// The elements after which something else is read.
    pub(super) fn period(&self) -> Option<usize> {
        match *self {
            Access::Renewed(_, period) | Access::Cyclic(period) => Some(period),
            Access::Whole | Access::Uniform | Access::Repeated => None,
            Access::Strided(_) | Access::Across(_) => None,
        }
    }
}

/// Loops over all elements and how each input takes part.
pub(super) struct Nest {
    pub(super) access: SmallVec<[Access; 4]>,
    /// Loops and strides: first the outputs', then those of strided inputs.
    pub(super) loops: Collapsed,
    /// The loop whose neighbouring rows form blocks; none in a linear nest.
    pub(super) block_axis: Option<usize>,
}

impl Nest {
    /// The loops over `shape` for such inputs and a program of so many steps.
    pub(super) fn new(shape: &[usize], inputs: &[Operand], steps: usize) -> Self {
        let order = contiguous_strides(shape);
        let mut strides: SmallVec<[&[isize]; 4]> = SmallVec::new();
        strides.push(&order);
        let mut access: SmallVec<[Access; 4]> = SmallVec::new();
        for input in inputs {
            access.push(if input.layout.is_contiguous() && is_aligned(input) {
                Access::Whole
            } else if input.layout.is_uniform() {
                Access::Uniform
            } else {
                strides.push(&input.layout.strides);
                Access::Strided(strides.len() - 1)
            });
        }
        let loops = collapse(shape, &strides);
        let (inner, depth) = (loops.shape[loops.shape.len() - 1], loops.shape.len());
        let mut nest = Nest {
            access,
            loops,
            block_axis: None,
        };
        // elements and neighbours are brought together for many rows at a time
        let mut strides = nest.loops.strides[1..].iter();
        let together = steps > 1 && strides.all(|it| matches!(it[depth - 1], 0 | 1));
        let by_rows = inner >= if together { SHORT_OF_STEPS } else { SHORT };
        if depth > 1 && inner <= REPEATED {
            nest.repeat_rows(by_rows, inputs.iter().all(is_aligned));
        }
        let mut access = nest.access.iter();
        let strided = access.any(|access| matches!(access, Access::Strided(_)));
        if depth > 1 && by_rows && strided {
            nest.choose_block_axis();
        }
        nest
    }

    /// Has inputs repeated that are the same rows again and again, unless others need a nest of rows
    /// anyway.
    fn repeat_rows(&mut self, by_rows: bool, aligned: bool) {
        // those of the outputs come first
        let numbers = 1..self.loops.strides.len();
        let repeated = numbers.map(|number| self.repeated(number, aligned));
        let repeated: SmallVec<[Option<Access>; 4]> = repeated.collect();
        if by_rows && repeated.iter().any(Option::is_none) {
            return;
        }
        for access in &mut self.access {
            if let Access::Strided(number) = *access
                && let Some(repeated) = repeated[number - 1]
            {
                *access = repeated;
            }
        }
    }

    /// How strides with a number repeat rows, if they do so for long. Those of elements that are not
    /// `aligned` are not read where they lie.
    fn repeated(&self, number: usize, aligned: bool) -> Option<Access> {
        let (shape, strides) = (&self.loops.shape, &self.loops.strides[number]);
        let (along, outer) = strides.split_last()?;
        if *along != 1 {
            return None;
        }
        if outer.iter().all(|stride| *stride == 0) {
            return Some(Access::Repeated);
        }
        // inner loops that stand still, or else whose elements follow each other
        let stands = outer.last() == Some(&0);
        let (mut period, mut left) = (self.inner(), outer.len());
        while left > 0 && outer[left - 1] == if stands { 0 } else { period as isize } {
            left -= 1;
            period *= shape[left];
        }
        if stands {
            return (period >= LONG).then_some(Access::Renewed(number, period));
        }
        let again = outer[..left].iter().all(|stride| *stride == 0);
        (again && aligned && period >= CYCLE).then_some(Access::Cyclic(period))
    }

    fn choose_block_axis(&mut self) {
        let inner = self.loops.shape.len() - 1;
        let across = |strides: &Strides| {
            let nearest = (0..inner)
                .filter(|&axis| strides[axis] != 0 && self.loops.shape[axis] >= FEW)
                .min_by_key(|&axis| strides[axis].unsigned_abs());
            nearest.filter(|&axis| {
                strides[inner].unsigned_abs() > 1
                    && strides[axis].unsigned_abs() < strides[inner].unsigned_abs()
            })
        };
        let chosen = self.loops.strides[1..].iter().find_map(across);
        let axes: SmallVec<[Option<usize>; 4]> = self.loops.strides.iter().map(across).collect();
        for access in &mut self.access {
            if let Access::Strided(number) = *access
                && axes[number].is_some()
                && axes[number] == chosen
            {
                *access = Access::Across(number);
            }
        }
        self.block_axis = Some(chosen.unwrap_or(inner - 1));
    }

    /// Elements of a row.
    pub(super) fn inner(&self) -> usize {
        self.loops.shape[self.loops.shape.len() - 1]
    }

    /// How many blocks of rows there are; the nest is not linear.
    pub(super) fn blocks(&self, axis: usize) -> usize {
        let rows: usize = self.loops.shape[..self.loops.shape.len() - 1]
            .iter()
            .product();
        rows / self.loops.shape[axis] * self.loops.shape[axis].div_ceil(BLOCK)
    }

    /// The first row of a block, as a position along each outer loop, and how many rows it has.
    pub(super) fn block(&self, axis: usize, mut number: usize) -> (SmallVec<[usize; 4]>, usize) {
        let outer = &self.loops.shape[..self.loops.shape.len() - 1];
        let mut index = SmallVec::from_elem(0, outer.len());
        let mut rows = 0;
        for position in (0..outer.len()).rev() {
            if position == axis {
                let pieces = outer[axis].div_ceil(BLOCK);
                index[axis] = number % pieces * BLOCK;
                rows = BLOCK.min(outer[axis] - index[axis]);
                number /= pieces;
            } else {
                index[position] = number % outer[position];
                number /= outer[position];
            }
        }
        (index, rows)
    }

    /// Where a row is along each outer loop.
    pub(super) fn row(&self, mut number: usize) -> SmallVec<[usize; 4]> {
        let outer = &self.loops.shape[..self.loops.shape.len() - 1];
        let mut index = SmallVec::from_elem(0, outer.len());
        for (index, size) in index.iter_mut().zip(outer).rev() {
            *index = number % size;
            number /= size;
        }
        index
    }

    /// The most rows of a block.
    pub(super) const fn most_rows() -> usize {
        BLOCK
    }
}

/// The inputs that are certain to be [`Access::Uniform`].
pub(super) fn uniform(inputs: &[Operand]) -> SmallVec<[bool; 8]> {
    let uniform = |input: &Operand| input.layout.is_uniform() && !input.layout.is_contiguous();
    inputs.iter().map(uniform).collect()
}

/// Whether elements lie at multiples of their width, as loops expect.
pub(super) fn is_aligned(operand: &Operand) -> bool {
    operand
        .buffer
        .host_ptr()
        .is_ok_and(|pointer| (pointer.as_ptr() as usize).is_multiple_of(operand.dtype.size()))
}
