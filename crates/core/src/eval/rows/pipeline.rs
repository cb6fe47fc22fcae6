//! A block of rows through all the steps of a group.

use super::Rows;
use super::local::{folds_in_order_of_memory, on_part, takes_whole};
use crate::array::Array;
use crate::eval::fuse::{Content, is_held, write_program};
use crate::eval::order::{Plan, Step};
use crate::eval::run::{publish, run_guarded, run_step, show, view_layout};
use mlx_oxide_ir::{ArrayType, Error, Layout, Op, OutputTypes, Result, Shape, View};
use mlx_oxide_runtime::{
    Backend, Buffer, Call, DeviceType, Operand, Pieces, Results, Stored, Stream, backend, parallel,
};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Runs the steps of a group and publishes what others need of them.
pub(in crate::eval) fn run(plan: &mut Plan, rows: &Rows) -> Result<()> {
    let mut pipeline = Pipeline::new(plan, rows)?;
    if !pipeline.is_stable(rows.depth) {
        drop(pipeline);
        return rows.steps.iter().try_for_each(|step| run_step(plan, step));
    }
    pipeline.run()?;
    let results = pipeline.finish()?;
    for (member, stored) in results {
        if let Some(entry) = &plan.entries[member as usize] {
            publish(&entry.node, smallvec![stored], &plan.progress);
        }
    }
    for member in &rows.members {
        plan.entries[*member as usize] = None;
    }
    Ok(())
}

/// Where an input comes from.
#[derive(Clone, Copy)]
enum Origin {
    /// An array from outside the group.
    Outside(usize),
    /// A value of an earlier stage.
    Value(usize),
}

/// A step.
struct Stage {
    op: Op,
    backend: &'static dyn Backend,
    inputs: SmallVec<[Origin; 4]>,
    /// The values that it makes.
    outputs: SmallVec<[usize; 2]>,
    stream: Stream,
}

/// A result of a stage.
struct Value {
    array_type: ArrayType,
    /// The entry that it belongs to.
    member: u32,
    /// The last stage that reads it.
    last_use: usize,
    /// Whether it is another view of memory.
    is_view: bool,
    /// How somebody outside gets it.
    whole: Whole,
}

/// What others see of a value.
enum Whole {
    /// Nothing.
    Unneeded,
    /// Memory of its own.
    Pieces(Pieces),
    /// A view of memory that exists whole: as if the step had run alone, for kernels fold in the
    /// order of memory.
    View(View, Origin),
}

struct Pipeline {
    stages: Vec<Stage>,
    values: Vec<Value>,
    outside: Vec<(Stored, ArrayType)>,
    cut: Cut,
}

/// How the rows are cut into blocks: index by index along the axes before `axis`, and so many at
/// a time along `axis`.
struct Cut {
    /// Sizes of the axes up to `axis`.
    sizes: Shape,
    axis: usize,
    length: usize,
}

/// One block: its index along the axes before, and its range along the axis.
struct Block {
    index: SmallVec<[usize; 4]>,
    start: usize,
    length: usize,
}

impl Cut {
    fn blocks_a_run(&self) -> usize {
        self.sizes[self.axis].div_ceil(self.length)
    }

    fn blocks(&self) -> usize {
        self.sizes[..self.axis].iter().product::<usize>() * self.blocks_a_run()
    }

    fn block(&self, number: usize) -> Block {
        let mut index: SmallVec<[usize; 4]> = smallvec![0; self.axis];
        let mut run = number / self.blocks_a_run();
        for axis in (0..self.axis).rev() {
            index[axis] = run % self.sizes[axis];
            run /= self.sizes[axis];
        }
        let start = number % self.blocks_a_run() * self.length;
        Block {
            index,
            start,
            length: self.length.min(self.sizes[self.axis] - start),
        }
    }

    /// The part of a shape that lies in a block.
    fn shape(&self, block: &Block, whole: &Shape) -> Shape {
        let mut shape = whole.clone();
        shape[..self.axis].fill(1);
        shape[self.axis] = block.length;
        shape
    }

    fn array_type(&self, block: &Block, whole: &ArrayType) -> ArrayType {
        ArrayType::new(self.shape(block, &whole.shape), whole.dtype)
    }

    fn layout(&self, block: &Block, whole: &Layout) -> Layout {
        let indices = block.index.iter().chain([&block.start]);
        let steps = indices.zip(&whole.strides);
        let offset: isize = steps.map(|(&index, &stride)| index as isize * stride).sum();
        Layout {
            shape: self.shape(block, &whole.shape),
            strides: whole.strides.clone(),
            offset: (whole.offset as isize + offset) as usize,
        }
    }

    /// Where the blocks of a value start in row-major memory, in bytes.
    fn bounds(&self, whole: &ArrayType) -> Vec<usize> {
        let rows: usize = self.sizes.iter().product();
        let row = whole.bytes() / rows;
        let runs = rows / self.sizes[self.axis];
        let starts = (0..runs).flat_map(|run| {
            let run_start = run * self.sizes[self.axis];
            let starts = (0..self.sizes[self.axis]).step_by(self.length);
            starts.map(move |start| (run_start + start) * row)
        });
        starts.chain([whole.bytes()]).collect()
    }
}

impl Pipeline {
    fn new(plan: &Plan, rows: &Rows) -> Result<Self> {
        let mut pipeline = Pipeline {
            stages: Vec::with_capacity(rows.steps.len()),
            values: Vec::new(),
            outside: Vec::new(),
            cut: Cut {
                sizes: Shape::scalar(),
                axis: 0,
                length: 1,
            },
        };
        let mut value_of: FxHashMap<usize, usize> = FxHashMap::default();
        let mut outside_of: FxHashMap<(usize, u32), usize> = FxHashMap::default();
        let steps = rows.steps.iter().map(|step| contents(plan, step));
        let steps: Vec<_> = steps.collect::<Result<_>>()?;
        for Content {
            op,
            inputs,
            outputs,
        } in steps.into_iter().flatten()
        {
            let number = pipeline.stages.len();
            let mut origins = SmallVec::new();
            for input in &inputs {
                let address = Arc::as_ptr(&input.node) as usize;
                origins.push(match value_of.get(&address) {
                    Some(&value) => {
                        pipeline.values[value].last_use = number;
                        Origin::Value(value)
                    }
                    None => match outside_of.entry((address, input.output)) {
                        std::collections::hash_map::Entry::Occupied(found) => {
                            Origin::Outside(*found.get())
                        }
                        std::collections::hash_map::Entry::Vacant(vacant) => {
                            let stored = input.stored();
                            let stored = stored.ok_or(Error::ReadWhileTracing { op: "eval" })?;
                            pipeline.outside.push((stored, input.array_type().clone()));
                            Origin::Outside(*vacant.insert(pipeline.outside.len() - 1))
                        }
                    },
                });
            }
            let types: SmallVec<[&ArrayType; 4]> = inputs.iter().map(Array::array_type).collect();
            let backend = backend::find(DeviceType::Cpu, &op, &types);
            let mut stage = Stage {
                backend: backend.ok_or_else(|| no_backend(&op, &inputs))?,
                op,
                inputs: origins,
                outputs: SmallVec::new(),
                stream: Stream::current(),
            };
            for member in outputs {
                let Some(entry) = &plan.entries[member as usize] else {
                    return Err(vanished());
                };
                stage.stream = entry.node.stream;
                stage.outputs.push(pipeline.values.len());
                value_of.insert(Arc::as_ptr(&entry.node) as usize, pipeline.values.len());
                pipeline.values.push(Value {
                    array_type: entry.node.types[0].clone(),
                    member,
                    last_use: number,
                    is_view: matches!(stage.op, Op::View(_)),
                    whole: Whole::Unneeded,
                });
            }
            pipeline.stages.push(stage);
        }
        pipeline.choose_blocks(rows);
        pipeline.choose_wholes(plan, rows)?;
        Ok(pipeline)
    }

    /// Decides which values exist whole: those that somebody outside needs, and what those are
    /// views of.
    fn choose_wholes(&mut self, plan: &Plan, rows: &Rows) -> Result<()> {
        let outside = |consumer: &u32| rows.members.binary_search(consumer).is_err();
        let mut needed: SmallVec<[bool; 16]> = self
            .values
            .iter()
            .map(|value| {
                plan.entries[value.member as usize]
                    .as_ref()
                    .is_some_and(|entry| {
                        is_held(entry)
                            || entry.consumers.is_empty()
                            || entry.consumers.iter().any(outside)
                    })
            })
            .collect();
        let layouts = self.layouts();
        for stage in self.stages.iter().rev() {
            for &output in &stage.outputs {
                if !needed[output] {
                    continue;
                }
                let seen = match &stage.op {
                    Op::View(view) => self
                        .seen_through(view, stage.inputs[0], &layouts)
                        .map(|_| view),
                    _ => None,
                };
                self.values[output].whole = match seen {
                    Some(view) => {
                        if let Origin::Value(value) = stage.inputs[0] {
                            needed[value] = true;
                        }
                        Whole::View(view.clone(), stage.inputs[0])
                    }
                    None => {
                        let bounds = self.cut.bounds(&self.values[output].array_type);
                        Whole::Pieces(Pieces::new("eval", bounds)?)
                    }
                };
            }
        }
        Ok(())
    }

    /// The layouts that values have where they are whole.
    fn layouts(&self) -> Vec<Layout> {
        let mut layouts: Vec<Layout> = self
            .values
            .iter()
            .map(|value| Layout::contiguous(value.array_type.shape.clone()))
            .collect();
        for stage in &self.stages {
            if let Op::View(view) = &stage.op
                && let Some(seen) = self.seen_through(view, stage.inputs[0], &layouts)
            {
                layouts[stage.outputs[0]] = seen;
            }
        }
        layouts
    }

    /// The layout of a view, unless it is a copy.
    fn seen_through(&self, view: &View, origin: Origin, layouts: &[Layout]) -> Option<Layout> {
        match origin {
            Origin::Outside(number) => {
                let (stored, array_type) = &self.outside[number];
                view_layout(view, &stored.layout, array_type.dtype)
            }
            Origin::Value(value) => {
                view_layout(view, &layouts[value], self.values[value].array_type.dtype)
            }
        }
    }

    /// What somebody outside needs, by the entry that it belongs to.
    fn finish(mut self) -> Result<SmallVec<[(u32, Stored); 2]>> {
        let mut wholes: Vec<Option<Stored>> = Vec::with_capacity(self.values.len());
        let mut results = SmallVec::new();
        for value in std::mem::take(&mut self.values) {
            let stored = match value.whole {
                Whole::Unneeded => None,
                Whole::Pieces(pieces) => {
                    Some(Stored::contiguous(pieces.finish()?, &value.array_type))
                }
                Whole::View(view, origin) => {
                    let source = match origin {
                        Origin::Outside(number) => Some(self.outside[number].0.clone()),
                        Origin::Value(value) => wholes[value].clone(),
                    };
                    let dtype = value.array_type.dtype;
                    let seen = show(&view, &source.ok_or_else(vanished)?, dtype);
                    Some(seen.ok_or_else(vanished)?)
                }
            };
            if let Some(stored) = &stored {
                results.push((value.member, stored.clone()));
            }
            wholes.push(stored);
        }
        Ok(results)
    }

    /// Whether every reduction and scan finds the elements of a row together in memory. Where rows
    /// lie through each other it folds them in an order that depends on how many there are.
    fn is_stable(&self, depth: usize) -> bool {
        let layouts = self.layouts();
        let together = |layout: &Layout| {
            let steps = |range: std::ops::Range<usize>| {
                let loops = range.filter(|axis| layout.shape[*axis] > 1);
                loops.map(|axis| layout.strides[axis].unsigned_abs())
            };
            let longest = steps(depth..layout.shape.ndim()).max().unwrap_or(0);
            steps(depth..layout.shape.ndim()).all(|step| step > 0)
                && steps(0..depth).all(|step| step > longest)
        };
        self.stages.iter().all(|stage| {
            let Some(origin) = stage.inputs.first() else {
                return true;
            };
            let layout = match *origin {
                Origin::Outside(number) => &self.outside[number].0.layout,
                Origin::Value(value) => &layouts[value],
            };
            !folds_in_order_of_memory(&stage.op) || together(layout)
        })
    }

    /// Cuts along the first axis at whose single indices everything fits, so that blocks are long.
    fn choose_blocks(&mut self, rows: &Rows) {
        let kept: Shape = self.values[0].array_type.shape[..rows.depth].into();
        let bytes = self.most_bytes();
        let mut pieces = 1;
        for (axis, &size) in kept.iter().enumerate() {
            pieces *= size;
            let each = (bytes / pieces).max(1);
            if each <= rows.block || axis + 1 == rows.depth {
                self.cut = Cut {
                    sizes: kept[..=axis].into(),
                    axis,
                    length: (rows.block / each).clamp(1, size),
                };
                return;
            }
        }
    }

    /// The most bytes of whole values that a stage needs at once: what it reads and writes, and
    /// what later ones read.
    fn most_bytes(&self) -> usize {
        let mut live = 0;
        let mut most = 0;
        for (position, stage) in self.stages.iter().enumerate() {
            let is_view = matches!(stage.op, Op::View(_));
            let outside = stage.inputs.iter().map(|origin| match *origin {
                Origin::Outside(number) => self.outside[number].1.bytes(),
                Origin::Value(_) => 0,
            });
            let made = stage.outputs.iter().map(|output| match is_view {
                true => 0,
                false => self.values[*output].array_type.bytes(),
            });
            live += made.sum::<usize>();
            most = most.max(live + outside.sum::<usize>());
            let done = |value: &&Value| value.last_use == position && !value.is_view;
            let freed = self.values.iter().filter(done);
            live -= freed.map(|value| value.array_type.bytes()).sum::<usize>();
        }
        most
    }

    fn run(&mut self) -> Result<()> {
        let failure = Mutex::new(None);
        parallel::for_each(self.cut.blocks(), |number| {
            if failure.lock().is_some() {
                return;
            }
            if let Err(error) = self.run_block(number) {
                *failure.lock() = Some(error);
            }
        });
        failure.into_inner().map_or(Ok(()), Err)
    }

    fn run_block(&self, number: usize) -> Result<()> {
        let block = self.cut.block(number);
        let mut values: SmallVec<[Option<Stored>; 16]> = smallvec![None; self.values.len()];
        for (position, stage) in self.stages.iter().enumerate() {
            let mut run = || self.run_stage(stage, position, &block, &mut values);
            let results = match self.only_pieces(stage) {
                Some(pieces) => pieces.receive(number, run),
                None => run(),
            }?;
            for (&output, mut stored) in stage.outputs.iter().zip(results) {
                let value = &self.values[output];
                if let Whole::Pieces(pieces) = &value.whole {
                    write(pieces, number, &mut stored, value, stage)?;
                }
                values[output] = (value.last_use > position).then_some(stored);
            }
        }
        Ok(())
    }

    /// The whole that the blocks of a stage's result are pieces of, if it has one result: what is
    /// offered to a kernel goes to whatever it allocates first.
    fn only_pieces(&self, stage: &Stage) -> Option<&Pieces> {
        match (stage.outputs.as_slice(), &stage.op) {
            (_, Op::View(_)) => None,
            ([output], _) => match &self.values[*output].whole {
                Whole::Pieces(pieces) => Some(pieces),
                Whole::Unneeded | Whole::View(..) => None,
            },
            _ => None,
        }
    }

    fn run_stage(
        &self,
        stage: &Stage,
        position: usize,
        block: &Block,
        values: &mut [Option<Stored>],
    ) -> Result<Results> {
        let op = on_part(&stage.op, |shape| self.cut.shape(block, shape));
        let types: OutputTypes = stage
            .outputs
            .iter()
            .map(|output| self.cut.array_type(block, &self.values[*output].array_type))
            .collect();
        // a result is rather made in its place than in an operand's memory
        let in_place = self.only_pieces(stage).is_some();
        let mut operands: SmallVec<[Operand; 4]> = SmallVec::with_capacity(stage.inputs.len());
        for (place, origin) in stage.inputs.iter().enumerate() {
            operands.push(match *origin {
                Origin::Outside(number) => {
                    let (stored, array_type) = &self.outside[number];
                    let layout = match takes_whole(&stage.op, place) {
                        true => stored.layout.clone(),
                        false => self.cut.layout(block, &stored.layout),
                    };
                    Operand {
                        buffer: stored.buffer.clone(),
                        layout,
                        dtype: array_type.dtype,
                        donatable: false,
                    }
                }
                Origin::Value(value) => {
                    let read_again = self.values[value].last_use > position
                        || stage.inputs[place + 1..]
                            .iter()
                            .any(|later| matches!(later, Origin::Value(other) if *other == value));
                    let stored = match read_again {
                        true => values[value].clone(),
                        false => values[value].take(),
                    };
                    let Stored { buffer, layout } = stored.ok_or_else(vanished)?;
                    Operand {
                        buffer,
                        layout,
                        dtype: self.values[value].array_type.dtype,
                        donatable: !read_again && !in_place,
                    }
                }
            });
        }
        if let Op::View(view) = &op
            && let Some(stored) = show(view, &stored(&operands[0]), operands[0].dtype)
        {
            return Ok(smallvec![stored]);
        }
        let call = Call {
            op: &op,
            inputs: &operands,
            outputs: &types,
            stream: stage.stream,
        };
        run_guarded(stage.backend, call)
    }
}

fn stored(operand: &Operand) -> Stored {
    Stored {
        buffer: operand.buffer.clone(),
        layout: operand.layout.clone(),
    }
}

fn content_of_single(plan: &Plan, member: u32) -> Result<Content> {
    let entry = plan.entries[member as usize].as_ref();
    let expression = &entry.ok_or_else(vanished)?.expression;
    Ok(Content {
        op: expression.op.clone(),
        inputs: expression.inputs.iter().cloned().collect(),
        outputs: smallvec![member],
    })
}

fn content_of_program(plan: &Plan, members: &[u32]) -> Content {
    let fusion = write_program(&plan.entries, members);
    Content {
        op: Op::Fused(Arc::new(fusion.program)),
        inputs: fusion.inputs,
        outputs: fusion.outputs,
    }
}

/// The stages of a step: one, or two where no kernel folds what a program makes.
fn contents(plan: &Plan, step: &Step) -> Result<SmallVec<[Content; 2]>> {
    match step {
        Step::Single(member) => Ok(smallvec![content_of_single(plan, *member)?]),
        Step::Fused(members) => Ok(smallvec![content_of_program(plan, members)]),
        Step::Reduced(reduced) => {
            if let Some((content, _)) = reduced.content(plan) {
                return Ok(smallvec![content]);
            }
            let (&reduction, members) = reduced.parts().ok_or_else(vanished)?;
            let program = match members {
                [member] => content_of_single(plan, *member)?,
                members => content_of_program(plan, members),
            };
            Ok(smallvec![program, content_of_single(plan, reduction)?])
        }
        Step::Rows(_) => Err(vanished()),
    }
}

/// Writes a block of a value to its place in the whole.
fn write(
    pieces: &Pieces,
    number: usize,
    stored: &mut Stored,
    value: &Value,
    stage: &Stage,
) -> Result<()> {
    let dtype = value.array_type.dtype;
    let part = ArrayType::new(stored.layout.shape.clone(), dtype);
    if stored.layout.is_contiguous() {
        let start = stored.layout.offset * dtype.size();
        let bytes = stored.buffer.host_bytes()?;
        return pieces.write(number, &bytes[start..start + part.bytes()]);
    }
    if pieces.holds(number, &stored.buffer)? {
        // made in its place, but in another order, in which later stages read it
        stored.buffer = Buffer::from_bytes("eval", stored.buffer.host_bytes()?)?;
    }
    let op = Op::View(View::Contiguous);
    let backend = backend::find(DeviceType::Cpu, &op, &[&part]);
    let operand = Operand {
        buffer: stored.buffer.clone(),
        layout: stored.layout.clone(),
        dtype,
        donatable: false,
    };
    let call = Call {
        op: &op,
        inputs: std::slice::from_ref(&operand),
        outputs: std::slice::from_ref(&part),
        stream: stage.stream,
    };
    let copied = run_guarded(backend.ok_or_else(vanished)?, call)?;
    pieces.write(number, &copied[0].buffer.host_bytes()?[..part.bytes()])
}

fn no_backend(op: &Op, inputs: &[Array]) -> Error {
    Error::NoBackend {
        op: op.name(),
        device: "cpu".to_owned(),
        dtype: inputs
            .first()
            .map_or(mlx_oxide_ir::Dtype::Float32, Array::dtype),
    }
}

fn vanished() -> Error {
    Error::Internal {
        op: "eval",
        detail: "a value of a joined step is missing".to_owned(),
    }
}
