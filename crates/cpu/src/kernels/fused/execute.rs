//! Steps run over tiles.

use super::lane;
use super::lower::{Lowered, Slot, Step};
use super::machine::{self, Code, Single};
use super::nest::{Access, Nest};
use super::rows;
use super::scratch::with_scratch;
use crate::simd::turn::{self, Block, Target};
use crate::simd::{stream, strided};
use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, parallel};
use smallvec::{SmallVec, smallvec};
use std::ops::Range;
use std::sync::Arc;

/// Bytes that the tiles of all registers, inputs and outputs may take: most of a first cache.
const TILE_BYTES: usize = 24 << 10;
/// Nanoseconds of a piece of work on sixteen elements, times elements: the longest piece.
const PIECE: usize = 64 * 1024;
/// As [`PIECE`], for which another thread is worth its while.
const SHORT_PIECE: usize = 32 * 1024;
/// Large calls are cut into about so many pieces: enough for many threads to share evenly.
const PIECES: usize = 64;
/// Bytes of what is made once for all tiles: lanes of 16-bit floats.
const LANE: usize = size_of::<f32>();
/// Lines between registers, so that they start in different sets of the cache.
const GAP: usize = 192;

/// An input or output in memory.
#[derive(Clone, Copy)]
struct Site {
    base: *mut u8,
    width: usize,
}

/// Where a site's elements lie in the rows of a block.
struct Line {
    slot: usize,
    /// The strides that they follow; none if they were turned in the scratch memory.
    strides: Option<usize>,
    site: Site,
    /// The first element of the block.
    start: *mut u8,
    /// Bytes from a row to the next.
    row: isize,
    /// Bytes from an element to the next.
    column: isize,
    made: Made,
}

/// How a tile of a part of a row comes about.
enum Made {
    /// It is where the elements lie.
    InPlace,
    /// At a place, filled with the one element, which was read there.
    Filled(*mut u8, *mut u8),
    /// At a place, from elements so far apart.
    Gathered(*mut u8, isize),
}

/// What is done with a tile.
enum Work {
    /// A step's own loop.
    Loop(Step),
    /// The code of several steps.
    Code(Arc<Code>),
}

/// A call that is under way.
pub(super) struct Run<'a> {
    lowered: &'a Lowered,
    /// The steps of the program, or others that read single elements beside rows.
    works: SmallVec<[Work; 4]>,
    nest: Nest,
    /// The inputs of which tiles are not made, since steps read their one element where it lies.
    singles: SmallVec<[bool; 8]>,
    /// What is known of inputs of one element.
    elements: SmallVec<[Single; 8]>,
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
    if rows::run(call, lowered, buffers)? {
        return Ok(());
    }
    let mut run = Run::new(&call.outputs[0].shape, call.inputs, lowered)?;
    for (buffer, output) in buffers.iter().zip(call.outputs) {
        run.write_to(buffer.host_ptr()?.as_ptr(), output.dtype.size());
    }
    run.streamed = is_streamed(call, buffers, run.lies_across())?;
    run.choose_works(count, run.is_by_rows());
    run.lay_out(count);
    let weight = lowered.weight.max(1);
    match run.nest.block_axis {
        None => {
            let grain = (SHORT_PIECE / weight).max(4096);
            let grain = grain.max((count / PIECES).min(PIECE));
            let grain = grain.next_multiple_of(run.unit());
            parallel::for_each_range(count, grain, |start, end| {
                with_scratch(run.scratch, |scratch| {
                    run.linear(scratch, start, end, |site| run.sites[site].base)
                });
            });
        }
        Some(axis) => {
            let elements = Nest::most_rows() * run.nest.inner();
            let grain = (SHORT_PIECE / weight / elements).max(1);
            parallel::for_each_range(run.nest.blocks(axis), grain, |start, end| {
                with_scratch(run.scratch, |scratch| run.blocks(scratch, axis, start, end));
            });
        }
    }
    Ok(())
}

impl<'a> Run<'a> {
    /// With no outputs yet, no [works](Self::choose_works) and nothing [laid out](Self::lay_out).
    pub(super) fn new(shape: &[usize], inputs: &[Operand], lowered: &'a Lowered) -> Result<Self> {
        let nest = Nest::new(shape, inputs, lowered.steps.len());
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
            works: SmallVec::new(),
            singles: smallvec![false; inputs.len()],
            elements: elements(inputs)?,
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

    /// Chooses loops and code for the steps. Inputs of one element, or of one a row if tiles are parts
    /// of rows, are read where they lie, as far as what takes them can do so. This comes before
    /// everything is [laid out](Self::lay_out).
    pub(super) fn choose_works(&mut self, elements: usize, by_rows: bool) {
        let runs = machine::worthwhile(self.lowered, elements);
        if !runs.is_empty() {
            let loops = self.read_singles(by_rows, &runs);
            if let Some(works) = self.assemble(loops, &runs, elements) {
                self.works = works;
                return;
            }
        }
        self.works = self.read_singles(by_rows, &[]);
    }

    /// The loops of all steps, with code in place of those in runs; none if there is no code yet.
    fn assemble(
        &self,
        loops: SmallVec<[Work; 4]>,
        runs: &[Range<usize>],
        elements: usize,
    ) -> Option<SmallVec<[Work; 4]>> {
        let single = |slot: Slot| {
            let is_single = self.singles.get(slot as usize) == Some(&true);
            is_single.then(|| self.elements[slot as usize])
        };
        let mut loops = loops.into_iter();
        let mut works = SmallVec::new();
        let mut done = 0;
        for run in runs {
            works.extend(loops.by_ref().take(run.start - done));
            let codes = machine::assemble(self.lowered, run.clone(), &single, elements)?;
            works.extend(codes.into_iter().map(Work::Code));
            loops.by_ref().take(run.len()).for_each(drop);
            done = run.end;
        }
        works.extend(loops);
        Some(works)
    }

    /// Finds the inputs that are read where they lie, and the loops of steps that do so, apart from
    /// runs of steps that are to be code: that can read any so.
    fn read_singles(&mut self, by_rows: bool, runs: &[Range<usize>]) -> SmallVec<[Work; 4]> {
        let last = self.nest.loops.shape.len() - 1;
        let is_single = |access: &Access| match *access {
            Access::Uniform => true,
            Access::Strided(strides) => by_rows && self.nest.loops.strides[strides][last] == 0,
            Access::Whole | Access::Repeated | Access::Across(_) => false,
            Access::Renewed(..) | Access::Cyclic(_) => false,
        };
        let mut singles: SmallVec<[bool; 8]> = self.nest.access.iter().map(is_single).collect();
        let tiles = |singles: &mut [bool], step: &Step| {
            for &slot in &step.operands {
                if let Some(single) = singles.get_mut(slot as usize) {
                    *single = false;
                }
            }
        };
        let mut works = SmallVec::with_capacity(self.lowered.steps.len());
        let mut next = 0;
        while let Some(step) = self.lowered.steps.get(next) {
            let is_single = |slot: Slot| singles.get(slot as usize) == Some(&true);
            let loops = match runs.iter().any(|run| run.contains(&next)) {
                true => Some(*step),
                false => step.beside(is_single, self.lowered.isa),
            };
            if let Some(step) = loops {
                works.push(Work::Loop(step));
                next += 1;
            } else {
                // what it reads are tiles, for other steps too
                tiles(&mut singles, step);
                works.clear();
                next = 0;
            }
        }
        self.singles = singles;
        works
    }

    /// Whether an input lies across, which is worth transposing in blocks.
    pub(super) fn lies_across(&self) -> bool {
        let mut access = self.nest.access.iter();
        access.any(|access| matches!(access, Access::Across(_)))
    }

    /// Whether tiles are parts of rows.
    pub(super) fn is_by_rows(&self) -> bool {
        self.nest.block_axis.is_some()
    }

    /// Makes row-major positions `start..end`. The output with a number goes to `place`, the others
    /// to their memory.
    pub(super) fn range(&self, start: usize, end: usize, output: usize, place: *mut u8) {
        let number = self.inputs + output;
        let base = place.wrapping_sub(start * self.sites[number].width);
        let base = |site: usize| match site == number {
            true => base,
            false => self.sites[site].base,
        };
        with_scratch(self.scratch, |scratch| match self.nest.block_axis {
            None => self.linear(scratch, start, end, base),
            Some(axis) => self.rows(scratch, axis, start, end, base),
        });
    }

    /// Where the output with a number has its elements from row-major position `start` on.
    pub(super) fn output(&self, output: usize, start: usize) -> *mut u8 {
        let site = self.sites[self.inputs + output];
        site.base.wrapping_add(start * site.width)
    }

    /// Chooses the size of tiles and the places in the scratch memory.
    pub(super) fn lay_out(&mut self, count: usize) {
        let is_single = |input: usize| self.singles.get(input) == Some(&true);
        let tiled = self
            .sites
            .iter()
            .enumerate()
            .filter(|(site, _)| !is_single(*site));
        let sites: usize = tiled.map(|(_, site)| site.width).sum();
        let registers = self.registers();
        let bytes = registers * self.lowered.register_width + sites;
        // Short tiles of several steps: steps that compute and steps that wait for memory then
        // alternate so fast that the processor fetches ahead for one while it works at another.
        // Where computing takes longer than memory does, the ends of loops cost more than that.
        let most = if self.lies_across() {
            256
        } else if self.works.len() > 1 || self.streamed {
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
        // in place throughout: nothing is gained from tiles for a single loop
        let mut access = self.nest.access.iter().zip(&self.singles);
        let in_place = access.all(|(access, single)| *access == Access::Whole || *single);
        let whole = in_place && self.works.len() == 1 && !self.streamed;
        self.tile = if whole { PIECE } else { fitting / 64 * 64 }.min(longest.next_multiple_of(64));
        self.pitch = self.tile * self.lowered.register_width + GAP;
        self.pitch = self.pitch.next_multiple_of(64);
        let mut end = self.pitch * registers;
        for (access, site) in self.nest.access.iter().zip(&self.sites) {
            self.loads.push(end);
            let elements = match access {
                Access::Whole | Access::Cyclic(_) => 0,
                Access::Uniform | Access::Strided(_) => self.tile,
                Access::Repeated | Access::Renewed(..) => self.tile + self.nest.inner(),
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

    /// Elements that pieces of work are multiples of: tiles, but of code also less.
    fn unit(&self) -> usize {
        match &self.works[..] {
            [Work::Code(_)] => self.tile.min(1024),
            _several => self.tile,
        }
    }

    /// How many registers there are tiles of: none where one code does everything, which keeps what
    /// lies between its steps in the processor's registers.
    fn registers(&self) -> usize {
        match &self.works[..] {
            [Work::Code(_)] => 0,
            _several => self.lowered.registers,
        }
    }

    /// Where every slot's tile lies, with the registers and uniform inputs set.
    fn slots(&self, scratch: *mut u8) -> SmallVec<[*mut u8; 16]> {
        let mut slots: SmallVec<[*mut u8; 16]> = self.sites.iter().map(|site| site.base).collect();
        for (input, access) in self.nest.access.iter().enumerate() {
            let (site, tile) = (self.sites[input], scratch.wrapping_add(self.loads[input]));
            match access {
                Access::Uniform if self.singles[input] => {}
                Access::Uniform => {
                    // SAFETY: the load has room for a tile; the input has an element
                    unsafe { strided::fill(tile, site.base, site.width, self.tile) };
                    slots[input] = tile;
                }
                Access::Repeated => self.repeat(tile, site),
                Access::Whole | Access::Strided(_) | Access::Across(_) => {}
                Access::Renewed(..) | Access::Cyclic(_) => {}
            }
        }
        if self.streamed {
            for output in self.inputs..self.sites.len() {
                slots[output] = scratch.wrapping_add(self.loads[output]);
            }
        }
        for register in 0..self.registers() {
            slots.push(scratch.wrapping_add(register * self.pitch));
        }
        if self.registers() > 0 {
            for step in &self.lowered.once {
                self.fill(step, slots[step.destination as usize]);
            }
        }
        slots
    }

    /// Fills the tile of a register with what a step makes of its input's one element.
    fn fill(&self, step: &Step, tile: *mut u8) {
        let (site, mut element, mut lane) = (self.sites[step.operands[0] as usize], 0u64, 0u64);
        let (from, to) = (
            (&raw mut element).cast::<u8>(),
            (&raw mut lane).cast::<u8>(),
        );
        // SAFETY: the input has an element, of up to eight bytes
        unsafe { from.copy_from_nonoverlapping(site.base, site.width) };
        // SAFETY: there is an element of each, at an aligned place
        unsafe { (step.run)(to, from, from, from, 1) };
        // SAFETY: the register has room for a tile of lanes
        unsafe { strided::fill(tile, to, LANE, self.tile) };
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
        for work in &self.works {
            match work {
                Work::Loop(step) => self.step(step, slots, count),
                // SAFETY: as of a step; `choose_works` says which slots are single elements
                Work::Code(code) => unsafe { code.run(slots, count) },
            }
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
        let periods = self.nest.access.iter().filter_map(Access::period);
        let mut position = start;
        while position < end {
            let mut count = self.tile.min(end - position);
            for period in periods.clone() {
                count = count.min(period - position % period);
            }
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
                    Access::Renewed(strides, period) => {
                        let tile = scratch.wrapping_add(self.loads[number]);
                        let inner = self.nest.inner();
                        if position == start || position.is_multiple_of(period) {
                            let index = self.nest.row(position / inner);
                            let base = site.at(self.place(strides, &index, 0));
                            self.repeat(tile, Site { base, ..*site });
                        }
                        slots[number] = tile.wrapping_add(position % inner * site.width);
                    }
                    Access::Cyclic(period) => {
                        slots[number] = site.at((position % period) as isize);
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
        let mut lines = self.lines(scratch, axis);
        let inner = self.nest.inner();
        let last = self.nest.loops.shape.len() - 1;
        let [row_step, column_step] = [axis, last].map(|it| self.nest.loops.strides[0][it]);
        for number in start..end {
            let (index, rows) = self.nest.block(axis, number);
            let first = self.place(0, &index, 0);
            for line in &mut lines {
                let place = line.strides.map_or(0, |it| self.place(it, &index, 0));
                line.start = line.site.at(place);
            }
            let mut part = |row: usize, column: usize| {
                let count = self.tile.min(inner - column);
                for line in &mut lines {
                    slots[line.slot] = line.tile(row, column, count, self.tile);
                }
                let order = first + row as isize * row_step + column as isize * column_step;
                self.steps(&slots, order as usize, count);
            };
            if !self.lies_across() {
                // memory is read and written in order
                for row in 0..rows {
                    for column in (0..inner).step_by(self.tile) {
                        part(row, column);
                    }
                }
                continue;
            }
            for column in (0..inner).step_by(self.tile) {
                let count = self.tile.min(inner - column);
                self.transpose(scratch, axis, &index, rows, column, count);
                for row in 0..rows {
                    part(row, column);
                }
            }
        }
        if self.streamed {
            stream::settle();
        }
    }

    /// Row-major positions `start..end` of sites that start at `base`, by parts of rows; nothing lies
    /// across, nor passes by the caches.
    fn rows(
        &self,
        scratch: *mut u8,
        axis: usize,
        start: usize,
        end: usize,
        base: impl Fn(usize) -> *mut u8,
    ) {
        let mut slots = self.slots(scratch);
        let mut lines = self.lines(scratch, axis);
        for line in &mut lines {
            line.site.base = base(line.slot);
        }
        let inner = self.nest.inner();
        let mut position = start;
        while position < end {
            let index = self.nest.row(position / inner);
            for line in &mut lines {
                let place = line.strides.map_or(0, |it| self.place(it, &index, 0));
                line.start = line.site.at(place);
            }
            let last = end.min(position - position % inner + inner);
            while position < last {
                let (column, count) = (position % inner, self.tile.min(last - position));
                for line in &mut lines {
                    slots[line.slot] = line.tile(0, column, count, self.tile);
                }
                self.steps(&slots, position, count);
                position += count;
            }
        }
    }

    /// The lines of all sites that differ from part to part, along the loop `axis`.
    fn lines(&self, scratch: *mut u8, axis: usize) -> SmallVec<[Line; 8]> {
        let last = self.nest.loops.shape.len() - 1;
        let mut lines = SmallVec::new();
        for (slot, &site) in self.sites.iter().enumerate() {
            let width = site.width as isize;
            let line = |strides: usize, made: Made| {
                let steps = &self.nest.loops.strides[strides];
                Line {
                    slot,
                    strides: Some(strides),
                    site,
                    start: site.base,
                    row: steps[axis] * width,
                    column: steps[last] * width,
                    made,
                }
            };
            let access = self.nest.access.get(slot).unwrap_or(&Access::Whole);
            match *access {
                Access::Whole if self.streamed && slot >= self.inputs => {}
                Access::Whole => lines.push(line(0, Made::InPlace)),
                // rows are repeated in linear nests alone
                Access::Uniform | Access::Repeated | Access::Renewed(..) | Access::Cyclic(_) => {}
                Access::Across(_) => {
                    let base = scratch.wrapping_add(self.loads[slot]);
                    lines.push(Line {
                        slot,
                        strides: None,
                        site: Site { base, ..site },
                        start: base,
                        row: self.tile as isize * width,
                        column: 0,
                        made: Made::InPlace,
                    });
                }
                Access::Strided(strides) => {
                    let tile = scratch.wrapping_add(self.loads[slot]);
                    let made = match self.nest.loops.strides[strides][last] {
                        1 if (site.base as usize).is_multiple_of(site.width) => Made::InPlace,
                        0 if self.singles[slot] => Made::InPlace,
                        0 => Made::Filled(tile, std::ptr::null_mut()),
                        stride => Made::Gathered(tile, stride),
                    };
                    lines.push(line(strides, made));
                }
            }
        }
        lines
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
            let source = site.at(place);
            let target = Target {
                start: scratch.wrapping_add(self.loads[input]),
                pitch: self.tile,
            };
            // SAFETY: the block lies in the loops; the load has room for a tile of each row
            unsafe { turn::transpose(target, source, site.width, block, self.lowered.isa) };
        }
    }
}

impl Site {
    /// The element at a place.
    fn at(&self, place: isize) -> *mut u8 {
        self.base.wrapping_offset(place * self.width as isize)
    }
}

impl Line {
    /// Finds or loads `count` elements of a row of the block, from a column on, in a tile of `room`.
    #[inline(always)]
    fn tile(&mut self, row: usize, column: usize, count: usize, room: usize) -> *mut u8 {
        let steps = row as isize * self.row + column as isize * self.column;
        let (place, width) = (self.start.wrapping_offset(steps), self.site.width);
        match &mut self.made {
            Made::InPlace => place,
            Made::Filled(tile, source) => {
                if *source != place {
                    // SAFETY: the load has room for a tile; the place is the input's
                    unsafe { strided::fill(*tile, place, width, room) };
                    *source = place;
                }
                *tile
            }
            Made::Gathered(tile, stride) => {
                // SAFETY: the part lies in the input's row; the load has room for it
                unsafe { strided::row(*tile, place, *stride, width, count) };
                *tile
            }
        }
    }
}

/// What is known of each input if it is one element throughout.
pub(super) fn elements(inputs: &[Operand]) -> Result<SmallVec<[Single; 8]>> {
    let element = |input: &Operand| {
        if !input.layout.is_uniform() || input.layout.size() == 0 {
            return Ok(Single::Element);
        }
        let start = input.buffer.host_ptr()?.as_ptr();
        let width = input.dtype.size();
        let place = start.wrapping_add(input.layout.offset * width);
        // SAFETY: the input has an element, which nobody writes meanwhile
        let element = unsafe { std::slice::from_raw_parts(place, width) };
        Ok(Single::of(input.dtype, element))
    };
    inputs.iter().map(element).collect()
}

/// Whether outputs pass by the caches: not those in the memory of an input, which is there anyway.
fn is_streamed(call: &Call<'_>, buffers: &[Buffer], across: bool) -> Result<bool> {
    for input in call.inputs {
        let start = input.buffer.host_ptr()?;
        for buffer in buffers {
            if buffer.host_ptr()? == start {
                return Ok(false);
            }
        }
    }
    let written = call.outputs.iter().map(ArrayType::bytes).sum();
    let read = super::bytes_read(call.inputs)?;
    Ok(match across {
        true => stream::pays(written, read),
        false => stream::pays_in_order(written, read),
    })
}
