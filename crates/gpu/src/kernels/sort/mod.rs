//! Sorting along an axis: elements become unsigned keys with their positions, a bitonic network
//! orders those, and the positions pick the elements. The position decides between equal keys,
//! so the order is stable although the network is not.

mod key;
mod network;
mod search;

pub(crate) use network::SortKernel;
pub(crate) use search::Searchsorted;

use super::operand::Place;
use crate::codegen::raw;
use crate::dispatch::{Capabilities, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result, Shape, Sort};
use mlx_oxide_runtime::{Call, Results};
use network::{BLOCK, Stage};
use smallvec::{SmallVec, smallvec};

pub(super) fn supports(op: &Sort, inputs: &[&ArrayType], capabilities: &Capabilities) -> bool {
    match op {
        Sort::Sort { axis }
        | Sort::Argsort { axis }
        | Sort::Partition { axis, .. }
        | Sort::Argpartition { axis, .. } => {
            let shape = &inputs[0].shape;
            let length = shape[*axis].max(1);
            let slots = shape.size() / length * length.next_power_of_two();
            (slots as u64 + BLOCK as u64) * 4 <= capabilities.binding_bytes
        }
        Sort::Searchsorted { .. } => true,
    }
}

pub(super) fn run(op: &Sort, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    match op {
        // a sorted row is partitioned at every place
        Sort::Sort { axis } | Sort::Partition { axis, .. } => sort(context, call, *axis, false),
        Sort::Argsort { axis } | Sort::Argpartition { axis, .. } => {
            sort(context, call, *axis, true)
        }
        Sort::Searchsorted { right } => search::run(context, call, *right),
    }
}

/// Slots of the network: rows of a power of two of keys with positions.
struct Slots {
    high: Place,
    /// The lower halves of 64-bit keys.
    low: Option<Place>,
    position: Place,
    row: usize,
    total: usize,
}

fn sort(
    context: &'static Context,
    call: &Call<'_>,
    axis: usize,
    positions: bool,
) -> Result<Results> {
    let input = Place::of(context, &call.inputs[0])?;
    let output = Place::fresh(context, &call.outputs[0])?;
    if output.layout.size() == 0 {
        return Ok(smallvec![output.stored()]);
    }
    let slots = keys(context, &input, axis)?;
    order(context, &slots)?;
    pick(context, &slots, input, &output, axis, positions)?;
    Ok(smallvec![output.stored()])
}

/// The loops over the rows, for input and output, and the parameters that describe them.
fn rows(input: &Place, output: &Layout, axis: usize) -> (usize, SmallVec<[u32; 32]>) {
    let others: SmallVec<[usize; 4]> = (0..output.shape.ndim())
        .filter(|other| *other != axis)
        .collect();
    let (read, written) = (input.layout.permute(&others), output.permute(&others));
    let loops = collapse(&read.shape, &[&read.strides, &written.strides]);
    let mut parameters: SmallVec<[u32; 32]> = smallvec![
        output.shape[axis] as u32,
        input.stride(axis),
        output.strides[axis] as u32,
    ];
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    parameters.push(input.window().offset);
    parameters.extend(loops.strides[0].iter().map(|stride| *stride as u32));
    parameters.push(0);
    parameters.extend(loops.strides[1].iter().map(|stride| *stride as u32));
    (loops.shape.len(), parameters)
}

fn keys(context: &'static Context, input: &Place, axis: usize) -> Result<Slots> {
    let length = input.layout.shape[axis];
    let row = length.next_power_of_two();
    let count = input.layout.size() / length;
    let total = (count * row).next_multiple_of(BLOCK);
    let array = ArrayType::new(Shape::from([total]), Dtype::Uint32);
    let fresh = || Place::fresh(context, &array);
    let low = (input.dtype.size() == 8).then(fresh).transpose()?;
    let slots = Slots {
        high: fresh()?,
        low,
        position: fresh()?,
        row,
        total,
    };
    let (rank, loops) = rows(input, &Layout::contiguous(input.layout.shape.clone()), axis);
    let mut parameters: SmallVec<[u32; 32]> =
        smallvec![total as u32, (count * row) as u32, row as u32];
    parameters.extend(loops);
    let window = input.window();
    let mut bindings: SmallVec<[_; 4]> = smallvec![window.binding(&input.memory)?];
    for place in slots.places() {
        bindings.push(place.memory.binding()?);
    }
    let stage = Stage::Keys {
        dtype: input.dtype,
        rank,
    };
    stage.dispatch(context, slots.low.is_some(), &parameters, &bindings, total)?;
    drop(bindings);
    Ok(slots)
}

impl Slots {
    fn places(&self) -> impl Iterator<Item = &Place> {
        [Some(&self.high), self.low.as_ref(), Some(&self.position)]
            .into_iter()
            .flatten()
    }
}

/// Runs the network: blocks in workgroup memory, wider steps in device memory.
fn order(context: &'static Context, slots: &Slots) -> Result<()> {
    let wide = slots.low.is_some();
    let bindings: SmallVec<[_; 4]> = slots
        .places()
        .map(|place| place.memory.binding())
        .collect::<Result<_>>()?;
    let run = |stage: Stage, first: usize, last: usize| {
        let parameters = [slots.row as u32, first as u32, last as u32];
        stage.dispatch(context, wide, &parameters, &bindings, slots.total / 2)
    };
    if slots.row > 1 {
        run(Stage::Block, 2, slots.row.min(BLOCK))?;
    }
    let mut width = BLOCK * 2;
    while width <= slots.row {
        let mut distance = width / 2;
        while distance >= BLOCK {
            run(Stage::Step, width, distance)?;
            distance /= 2;
        }
        run(Stage::Block, width, width)?;
        width *= 2;
    }
    Ok(())
}

fn pick(
    context: &'static Context,
    slots: &Slots,
    input: Place,
    output: &Place,
    axis: usize,
    positions: bool,
) -> Result<()> {
    let (rank, loops) = rows(&input, &output.layout, axis);
    let mut parameters: SmallVec<[u32; 32]> =
        smallvec![output.layout.size() as u32, slots.row as u32];
    parameters.extend(loops);
    let window = input.window();
    let moved = raw(input.dtype);
    let bindings = [
        slots.position.memory.binding()?,
        window.binding(&input.memory)?,
        output.memory.binding()?,
    ];
    let stage = Stage::Pick {
        moved,
        rank,
        positions,
    };
    stage.dispatch(context, false, &parameters, &bindings, output.layout.size())
}
