//! Steps run over tiles.

use super::lane;
use super::lower::{Lowered, Step};
use super::nest::{Access, Nest};
use super::scratch::with_scratch;
use crate::simd::turn::{self, Block, Target};
use crate::simd::{stream, strided};
use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, parallel};
use smallvec::SmallVec;

/// Bytes that the tiles of all registers, inputs and outputs may take: most of a first cache.
const TILE_BYTES: usize = 24 << 10;
/// Nanoseconds of a piece of work on sixteen elements, times elements.
const PIECE: usize = 64 * 1024;
/// Large calls are cut into about so many pieces: enough for many threads to share evenly.
const PIECES: usize = 64;
/// Lines between registers, so that they start in different sets of the cache.
const GAP: usize = 192;

/// An input or output in memory.
#[derive(Clone, Copy)]
struct Site {
    base: *mut u8,
    width: usize,
}

/// A part of a row of a block.
struct Part<'a> {
    /// The loop that the block's rows follow each other along.
    axis: usize,
    /// Where the block starts, for all strides.
    starts: &'a [isize],
    row: usize,
    column: usize,
    count: usize,
}

/// A call that is under way.
pub(super) struct Run<'a> {
    lowered: &'a Lowered,
    nest: Nest,
    /// Inputs, then outputs.
    sites: SmallVec<[Site; 8]>,
    inputs: usize,
    /// Elements of a tile.
    tile: usize,
    /// Bytes of a register and its gap.
    pitch: usize,
    /// For each input where in the scratch memory it is loaded, then for each output where it is
    /// made if outputs pass by the caches.
    loads: SmallVec<[usize; 4]>,
    /// Whether they do.
    streamed: bool,
    /// Bytes of scratch memory.
    scratch: usize,
}

// SAFETY: threads write apart from each other, and nobody writes what they read
unsafe impl Sync for Run<'_> {}

/// Runs the steps over all elements.
pub(super) fn execute(call: &Call<'_>, lowered: &Lowered, buffers: &[Buffer]) -> Result<()> {
    let count = call.outputs.first().map_or(0, |output| output.size());
    if count == 0 {
        return Ok(());
    }
    let mut run = Run::new(&call.outputs[0].shape, call.inputs, lowered)?;
    for (buffer, output) in buffers.iter().zip(call.outputs) {
        run.write_to(buffer.host_ptr()?.as_ptr(), output.dtype.size());
    }
    run.streamed = is_streamed(call, buffers)?;
    run.lay_out(count);
    let weight = lowered.weight.max(1);
    match run.nest.block_axis {
        None => {
            let grain = (PIECE / weight).max(4096).max((count / PIECES).min(PIECE));
            let grain = grain.next_multiple_of(run.tile);
            parallel::for_each_range(count, grain, |start, end| {
                with_scratch(run.scratch, |scratch| {
                    run.linear(scratch, start, end, |site| run.sites[site].base)
                });
            });
        }
        Some(axis) => {
            let elements = Nest::most_rows() * run.nest.inner();
            let grain = (PIECE / weight / elements).max(1);
            parallel::for_each_range(run.nest.blocks(axis), grain, |start, end| {
                with_scratch(run.scratch, |scratch| run.blocks(scratch, axis, start, end));
            });
        }
    }
    Ok(())
}

impl<'a> Run<'a> {
    /// With no outputs yet and nothing [laid out](Self::lay_out).
    pub(super) fn new(shape: &[usize], inputs: &[Operand], lowered: &'a Lowered) -> Result<Self> {
        let nest = Nest::new(shape, inputs);
        let mut sites = SmallVec::new();
        for input in inputs {
            let width = input.dtype.size();
            let base = input.buffer.host_ptr()?.as_ptr();
            sites.push(Site {
                base: base.wrapping_add(input.layout.offset * width),
                width,
            });
        }
        Ok(Run {
            lowered,
            nest,
            sites,
            inputs: inputs.len(),
            tile: 0,
            pitch: 0,
            loads: SmallVec::new(),
            streamed: false,
            scratch: 0,
        })
    }

    /// Adds the memory of the next output, whose elements have so many bytes.
    pub(super) fn write_to(&mut self, base: *mut u8, width: usize) {
        self.sites.push(Site { base, width });
    }

    /// Whether an input lies across, which is worth transposing in blocks.
    pub(super) fn lies_across(&self) -> bool {
        let mut access = self.nest.access.iter();
        access.any(|access| matches!(access, Access::Across(_)))
    }

    /// Makes row-major positions `start..end`. The output with a number goes to `place`, the others
    /// to their memory.
    pub(super) fn range(&self, start: usize, end: usize, output: usize, place: *mut u8) {
        let number = self.inputs + output;
        let base = place.wrapping_sub(start * self.sites[number].width);
        with_scratch(self.scratch, |scratch| {
            self.linear(scratch, start, end, |site| match site == number {
                true => base,
                false => self.sites[site].base,
            });
        });
    }

    /// Where the output with a number has its elements from row-major position `start` on.
    pub(super) fn output(&self, output: usize, start: usize) -> *mut u8 {
        let site = self.sites[self.inputs + output];
        site.base.wrapping_add(start * site.width)
    }

    /// Chooses the size of tiles and the places in the scratch memory.
    pub(super) fn lay_out(&mut self, count: usize) {
        let sites: usize = self.sites.iter().map(|site| site.width).sum();
        let bytes = self.lowered.registers * self.lowered.register_width + sites;
        // Short tiles of several steps: steps that compute and steps that wait for memory then
        // alternate so fast that the processor fetches ahead for one while it works at another.
        // Where computing takes longer than memory does, the ends of loops cost more than that.
        let most = if self.lies_across() {
            256
        } else if self.lowered.steps.len() > 1 || self.streamed {
            if self.lowered.weight < lane::HEAVY {
                512
            } else {
                1024
            }
        } else {
            2048
        };
        let fitting = (TILE_BYTES / bytes).clamp(256, most);
        let longest = if self.nest.block_axis.is_some() {
            self.nest.inner()
        } else {
            count
        };
        // in place throughout: nothing is gained from tiles for a single step
        let in_place = self.nest.access.iter().all(|it| *it == Access::Whole);
        let whole = in_place && self.lowered.steps.len() == 1 && !self.streamed;
        self.tile = if whole { PIECE } else { fitting / 64 * 64 }.min(longest.next_multiple_of(64));
        self.pitch = self.tile * self.lowered.register_width + GAP;
        self.pitch = self.pitch.next_multiple_of(64);
        let mut end = self.pitch * self.lowered.registers;
        for (access, site) in self.nest.access.iter().zip(&self.sites) {
            self.loads.push(end);
            let elements = match access {
                Access::Whole => 0,
                Access::Uniform | Access::Strided(_) => self.tile,
                Access::Repeated => self.tile + self.nest.inner(),
                Access::Across(_) => Nest::most_rows() * self.tile,
            };
            end +=
                (elements * site.width + if elements > 0 { GAP } else { 0 }).next_multiple_of(64);
        }
        if self.streamed {
            for site in &self.sites[self.inputs..] {
                self.loads.push(end);
                end += (self.tile * site.width + GAP).next_multiple_of(64);
            }
        }
        self.scratch = end;
    }

    /// Where every slot's tile lies, with the registers and uniform inputs set.
    fn slots(&self, scratch: *mut u8) -> SmallVec<[*mut u8; 16]> {
        let mut slots: SmallVec<[*mut u8; 16]> = self.sites.iter().map(|site| site.base).collect();
        for (input, access) in self.nest.access.iter().enumerate() {
            let (site, tile) = (self.sites[input], scratch.wrapping_add(self.loads[input]));
            match access {
                Access::Uniform => {
                    // SAFETY: the load has room for a tile; the input has an element
                    unsafe { strided::fill(tile, site.base, site.width, self.tile) };
                    slots[input] = tile;
                }
                Access::Repeated => self.repeat(tile, site),
                Access::Whole | Access::Strided(_) | Access::Across(_) => {}
            }
        }
        if self.streamed {
            for output in self.inputs..self.sites.len() {
                slots[output] = scratch.wrapping_add(self.loads[output]);
            }
        }
        for register in 0..self.lowered.registers {
            slots.push(scratch.wrapping_add(register * self.pitch));
        }
        for step in &self.lowered.once {
            self.step(step, &slots, self.tile);
        }
        slots
    }

    /// Fills a tile and a row more with an input's only row.
    fn repeat(&self, tile: *mut u8, site: Site) {
        let row = self.nest.inner() * site.width;
        let end = self.tile * site.width + row;
        for start in (0..end).step_by(row) {
            let place = tile.wrapping_add(start);
            // SAFETY: the load has room up to the end; the input has a row
            unsafe { place.copy_from_nonoverlapping(site.base, row.min(end - start)) };
        }
    }

    /// Runs a step for `count` elements of a tile.
    #[inline]
    fn step(&self, step: &Step, slots: &[*mut u8], count: usize) {
        let slot = |slot: u16| slots[slot as usize];
        let [first, second, third] = step.operands.map(slot);
        // SAFETY: lowering gives each step operands of its lanes' width and a destination that is
        // apart from them, or a donated input's memory, element for element
        unsafe { (step.run)(slot(step.destination), first, second, third, count) };
    }

    /// Runs the steps for `count` elements, the first of which is number `position`.
    fn steps(&self, slots: &[*mut u8], position: usize, count: usize) {
        for step in &self.lowered.steps {
            self.step(step, slots, count);
        }
        if self.streamed {
            for ((site, slot), access) in self.sites.iter().zip(slots).zip(&self.nest.access) {
                if *access == Access::Whole {
                    // nearly always what comes next
                    let bytes = count * site.width;
                    stream::fetch(slot.wrapping_add(bytes), bytes);
                }
            }
            for (site, tile) in self.sites.iter().zip(slots).skip(self.inputs) {
                let to = site.base.wrapping_add(position * site.width);
                // SAFETY: the steps have filled the tile; the positions lie in the output
                unsafe { stream::copy(to, *tile, count * site.width) };
            }
        }
    }

    /// Row-major positions `start..end` of sites that start at `base`.
    fn linear(&self, scratch: *mut u8, start: usize, end: usize, base: impl Fn(usize) -> *mut u8) {
        let mut slots = self.slots(scratch);
        let mut position = start;
        while position < end {
            let count = self.tile.min(end - position);
            for (number, site) in self.sites.iter().enumerate() {
                let access = self.nest.access.get(number).unwrap_or(&Access::Whole);
                match *access {
                    Access::Whole if self.streamed && number >= self.inputs => {}
                    Access::Whole => {
                        slots[number] = base(number).wrapping_add(position * site.width)
                    }
                    Access::Uniform => {}
                    Access::Repeated => {
                        let from = position % self.nest.inner() * site.width;
                        slots[number] = scratch.wrapping_add(self.loads[number] + from);
                    }
                    Access::Strided(strides) | Access::Across(strides) => {
                        let tile = scratch.wrapping_add(self.loads[number]);
                        let loops = &self.nest.loops;
                        // SAFETY: the positions lie in the shape, the tile has room for them
                        unsafe {
                            strided::gather(
                                tile,
                                site.base,
                                site.width,
                                &loops.shape,
                                &loops.strides[strides],
                                position,
                                count,
                            );
                        }
                        slots[number] = tile;
                    }
                }
            }
            self.steps(&slots, position, count);
            position += count;
        }
        if self.streamed {
            stream::settle();
        }
    }

    /// Blocks `start..end` of neighbouring rows along the loop `axis`.
    fn blocks(&self, scratch: *mut u8, axis: usize, start: usize, end: usize) {
        let mut slots = self.slots(scratch);
        let inner = self.nest.inner();
        let mut filled: SmallVec<[*mut u8; 4]> =
            SmallVec::from_elem(std::ptr::null_mut(), self.inputs);
        let mut part = |starts: &[isize], row: usize, column: usize| {
            let part = Part {
                axis,
                starts,
                row,
                column,
                count: self.tile.min(inner - column),
            };
            let position = self.locate(scratch, &part, &mut slots, &mut filled);
            self.steps(&slots, position, part.count);
        };
        for number in start..end {
            let (index, rows) = self.nest.block(axis, number);
            let strides = 0..self.nest.loops.strides.len();
            let starts: SmallVec<[isize; 4]> =
                strides.map(|it| self.place(it, &index, 0)).collect();
            if !self.lies_across() {
                // memory is read and written in order
                for row in 0..rows {
                    for column in (0..inner).step_by(self.tile) {
                        part(&starts, row, column);
                    }
                }
                continue;
            }
            for column in (0..inner).step_by(self.tile) {
                let count = self.tile.min(inner - column);
                self.transpose(scratch, axis, &index, rows, column, count);
                for row in 0..rows {
                    part(&starts, row, column);
                }
            }
        }
        if self.streamed {
            stream::settle();
        }
    }

    /// The place of a row's element by strides with a number.
    fn place(&self, strides: usize, index: &[usize], column: usize) -> isize {
        let strides = &self.nest.loops.strides[strides];
        let outer: isize = index
            .iter()
            .zip(strides)
            .map(|(&index, &stride)| index as isize * stride)
            .sum();
        outer + column as isize * strides[index.len()]
    }

    /// Loads the parts of a block of rows that lie across.
    fn transpose(
        &self,
        scratch: *mut u8,
        axis: usize,
        index: &[usize],
        rows: usize,
        column: usize,
        count: usize,
    ) {
        for (input, access) in self.nest.access.iter().enumerate() {
            let Access::Across(number) = *access else {
                continue;
            };
            let (site, strides) = (self.sites[input], &self.nest.loops.strides[number]);
            let place = self.place(number, index, column);
            let block = Block {
                rows,
                columns: count,
                row_stride: strides[axis],
                column_stride: strides[index.len()],
            };
            let source = site.base.wrapping_offset(place * site.width as isize);
            let target = Target {
                start: scratch.wrapping_add(self.loads[input]),
                pitch: self.tile,
            };
            // SAFETY: the block lies in the loops; the load has room for a tile of each row
            unsafe { turn::transpose(target, source, site.width, block, self.lowered.isa) };
        }
    }

    /// Finds or loads the tiles of a part of a row; the position of its first element.
    fn locate(
        &self,
        scratch: *mut u8,
        part: &Part<'_>,
        slots: &mut [*mut u8],
        filled: &mut [*mut u8],
    ) -> usize {
        let along = |strides: usize| self.nest.loops.strides[strides].last().copied();
        let start = |strides: usize| {
            part.starts[strides]
                + part.row as isize * self.nest.loops.strides[strides][part.axis]
                + part.column as isize * along(strides).unwrap_or(0)
        };
        let order = start(0);
        for (number, site) in self.sites.iter().enumerate() {
            let at = |place: isize| site.base.wrapping_offset(place * site.width as isize);
            let access = self.nest.access.get(number).unwrap_or(&Access::Whole);
            match *access {
                Access::Whole if self.streamed && number >= self.inputs => {}
                Access::Whole => slots[number] = at(order),
                Access::Uniform | Access::Repeated => {} // rows are repeated in linear nests alone
                Access::Across(_) => {
                    let load = scratch.wrapping_add(self.loads[number]);
                    slots[number] = load.wrapping_add(part.row * self.tile * site.width);
                }
                Access::Strided(strides) => {
                    let (source, stride) = (at(start(strides)), along(strides).unwrap_or(0));
                    let tile = scratch.wrapping_add(self.loads[number]);
                    if stride == 1 && (source as usize).is_multiple_of(site.width) {
                        slots[number] = source;
                        continue;
                    }
                    slots[number] = tile;
                    if stride == 0 {
                        if filled[number] != source {
                            // SAFETY: the load has room for a tile; the place is the input's
                            unsafe { strided::fill(tile, source, site.width, self.tile) };
                            filled[number] = source;
                        }
                    } else {
                        // SAFETY: the part lies in the input's row; the load has room for it
                        unsafe { strided::row(tile, source, stride, site.width, part.count) };
                    }
                }
            }
        }
        order as usize
    }
}

/// Whether outputs pass by the caches: not those in the memory of an input, which is there anyway.
fn is_streamed(call: &Call<'_>, buffers: &[Buffer]) -> Result<bool> {
    for input in call.inputs {
        let start = input.buffer.host_ptr()?;
        for buffer in buffers {
            if buffer.host_ptr()? == start {
                return Ok(false);
            }
        }
    }
    let written = call.outputs.iter().map(ArrayType::bytes).sum();
    let read = call.inputs.iter().map(|input| input.buffer.len()).sum();
    Ok(stream::pays(written, read))
}
