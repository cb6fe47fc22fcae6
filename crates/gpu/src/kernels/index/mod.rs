//! Operations that move elements. Two kernels serve all: one reads each output element from a
//! place that indices name, the other writes each update to such a place.

mod gather;
mod scatter;

use super::elementwise;
use super::operand::Place;
use crate::codegen::{Register, raw};
use crate::dispatch::{Capabilities, Context};
use gather::GatherKernel;
use mlx_oxide_ir::{ArrayType, Combine, Dtype, Index, Layout, Padding, Result, Strides};
use mlx_oxide_runtime::{Call, Results};
use scatter::{ScatterKernel, Target};
use smallvec::{SmallVec, smallvec};

/// A kernel that moves elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IndexKernel {
    Gather(GatherKernel),
    Scatter(ScatterKernel),
}

impl super::KernelSource for IndexKernel {
    fn write(&self) -> crate::codegen::KernelText {
        match self {
            IndexKernel::Gather(kernel) => kernel.write(),
            IndexKernel::Scatter(kernel) => kernel.write(),
        }
    }
}

/// Positions along one axis: an array of integers.
struct Positions {
    place: Place,
    /// Size of the axis.
    size: usize,
    /// Elements along the axis that are taken from the position on.
    extent: usize,
    /// Distance of neighbours along the axis.
    step: isize,
}

/// What becomes of positions outside of the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outside {
    /// Reading gives zero, writing does nothing.
    Skipped,
    /// The nearest position inside is taken.
    Clamped,
}

pub(super) fn supports(op: &Index, inputs: &[&ArrayType], capabilities: &Capabilities) -> bool {
    let bindings = inputs.len() + 2;
    match op {
        Index::Concatenate { .. } | Index::Pad(_) => true,
        Index::DynamicSlice { .. }
        | Index::DynamicSliceUpdate { .. }
        | Index::TakeAlongAxis { .. } => true,
        Index::Gather { .. } => bindings <= capabilities.storage_bindings,
        Index::SliceUpdate { combine, .. } => combines(*combine, inputs[0]),
        Index::Scatter { combine, .. } => {
            bindings <= capabilities.storage_bindings
                && combines(*combine, inputs[0])
                && claims_fit(*combine, inputs[0], capabilities)
        }
        Index::ScatterAlongAxis { combine, .. } => {
            combines(*combine, inputs[0]) && claims_fit(*combine, inputs[0], capabilities)
        }
    }
}

/// Whether elements can be combined where they are: atomic operations are 32 bits wide.
fn combines(combine: Combine, operand: &ArrayType) -> bool {
    match combine {
        Combine::Replace => true,
        Combine::Add | Combine::Multiply | Combine::Maximum | Combine::Minimum => {
            operand.dtype.size() <= 4
        }
    }
}

/// Whether each element can have a word that says which update wins.
fn claims_fit(combine: Combine, operand: &ArrayType, capabilities: &Capabilities) -> bool {
    combine != Combine::Replace || operand.size() as u64 * 4 <= capabilities.binding_bytes
}

pub(super) fn run(op: &Index, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let inputs: SmallVec<[Place; 4]> = call
        .inputs
        .iter()
        .map(|operand| Place::of(context, operand))
        .collect::<Result<_>>()?;
    let array = &call.outputs[0];
    let output = match op {
        Index::Concatenate { axis } => concatenate(context, *axis, inputs, array)?,
        Index::Pad(paddings) => pad(context, paddings, inputs, array)?,
        Index::SliceUpdate { ranges, combine } => {
            let output = elementwise::copy_place(context, inputs[0].clone())?;
            let region = output.layout.slice(ranges);
            let target = Target::region(&output, region, *combine);
            scatter::run(context, target, inputs[1].clone(), &[], Outside::Skipped)?;
            output
        }
        Index::DynamicSlice { axes, shape } => {
            let positions = starts(&inputs[0], &inputs[1], axes, shape);
            let whole = slice_layout(&inputs[0].layout, shape);
            let outer = Layout::contiguous([1]);
            gather::run(
                context,
                &inputs[0],
                &outer,
                &whole,
                &positions,
                array,
                Outside::Clamped,
            )?
        }
        Index::DynamicSliceUpdate { axes } => {
            let output = elementwise::copy_place(context, inputs[0].clone())?;
            let shape = inputs[1].layout.shape.clone();
            let positions = starts(&output, &inputs[2], axes, &shape);
            let region = slice_layout(&output.layout, &shape);
            let target = Target::region(&output, region, Combine::Replace);
            scatter::run(
                context,
                target,
                inputs[1].clone(),
                &positions,
                Outside::Clamped,
            )?;
            output
        }
        Index::Gather { axes, slice_sizes } => {
            let positions = positions(&inputs[0], &inputs[1..], axes, slice_sizes);
            let slice = slice_layout(&inputs[0].layout, slice_sizes);
            let outer = still(&inputs[1].layout);
            gather::run(
                context,
                &inputs[0],
                &outer,
                &slice,
                &positions,
                array,
                Outside::Skipped,
            )?
        }
        Index::TakeAlongAxis { axis } => {
            let (base, positions) = along(&inputs[0], &inputs[1], *axis);
            let one = Layout::contiguous([1]);
            gather::run(
                context,
                &inputs[0],
                &base,
                &one,
                &[positions],
                array,
                Outside::Skipped,
            )?
        }
        Index::Scatter { axes, combine } => {
            let output = elementwise::copy_place(context, inputs[0].clone())?;
            let leading = inputs[2].layout.shape.ndim();
            let slice_shape = mlx_oxide_ir::Shape::from(&inputs[1].layout.shape[leading..]);
            let positions = positions(&output, &inputs[2..], axes, &slice_shape);
            let target = Target {
                place: output.clone(),
                outer: still(&inputs[2].layout),
                inner: slice_layout(&output.layout, &slice_shape),
                combine: *combine,
                unique: false,
            };
            scatter::run(
                context,
                target,
                inputs[1].clone(),
                &positions,
                Outside::Skipped,
            )?;
            output
        }
        Index::ScatterAlongAxis { axis, combine } => {
            let output = elementwise::copy_place(context, inputs[0].clone())?;
            let (base, positions) = along(&output, &inputs[1], *axis);
            let target = Target {
                place: output.clone(),
                outer: base,
                inner: Layout::contiguous([]),
                combine: *combine,
                unique: false,
            };
            scatter::run(
                context,
                target,
                inputs[2].clone(),
                &[positions],
                Outside::Skipped,
            )?;
            output
        }
    };
    Ok(smallvec![output.stored()])
}

/// A part of `shape` at the origin.
fn slice_layout(layout: &Layout, shape: &mlx_oxide_ir::Shape) -> Layout {
    Layout {
        shape: shape.clone(),
        strides: layout.strides.clone(),
        offset: 0,
    }
}

/// Loops that go nowhere.
fn still(layout: &Layout) -> Layout {
    Layout::contiguous([]).broadcast(&layout.shape)
}

/// Arrays of positions, one for each of `axes`.
fn positions(
    operand: &Place,
    arrays: &[Place],
    axes: &[usize],
    extents: &[usize],
) -> SmallVec<[Positions; 2]> {
    axes.iter()
        .zip(arrays)
        .map(|(&axis, place)| Positions {
            place: place.clone(),
            size: operand.layout.shape[axis],
            extent: extents[axis],
            step: operand.layout.strides[axis],
        })
        .collect()
}

/// The elements of a vector of starts as positions of a single part.
fn starts(
    operand: &Place,
    vector: &Place,
    axes: &[usize],
    extents: &[usize],
) -> SmallVec<[Positions; 2]> {
    let arrays: SmallVec<[Place; 4]> = (0..axes.len())
        .map(|number| {
            let mut place = vector.clone();
            let step = number as isize * vector.layout.strides[0];
            place.layout = Layout {
                offset: (vector.layout.offset as isize + step) as usize,
                ..Layout::contiguous([1])
            };
            place
        })
        .collect();
    positions(operand, &arrays, axes, extents)
}

/// Loops over the index array that leave out `axis` of the operand, and the positions along it.
fn along(operand: &Place, array: &Place, axis: usize) -> (Layout, Positions) {
    let mut strides: Strides = operand.layout.strides.clone();
    strides[axis] = 0;
    let base = Layout {
        shape: array.layout.shape.clone(),
        strides,
        offset: 0,
    };
    let positions = Positions {
        place: array.clone(),
        size: operand.layout.shape[axis],
        extent: 1,
        step: operand.layout.strides[axis],
    };
    (base, positions)
}

fn concatenate(
    context: &'static Context,
    axis: usize,
    inputs: SmallVec<[Place; 4]>,
    array: &ArrayType,
) -> Result<Place> {
    let output = Place::fresh(context, array)?;
    let mut start = 0;
    for input in inputs {
        let region = Layout {
            shape: input.layout.shape.clone(),
            strides: output.layout.strides.clone(),
            offset: start * output.layout.strides[axis] as usize,
        };
        start += input.layout.shape[axis];
        let target = Target::region(&output, region, Combine::Replace);
        scatter::run(context, target, input, &[], Outside::Skipped)?;
    }
    Ok(output)
}

fn pad(
    context: &'static Context,
    paddings: &[Padding],
    inputs: SmallVec<[Place; 4]>,
    array: &ArrayType,
) -> Result<Place> {
    let mut fill = inputs[1].clone();
    fill.layout = fill.layout.broadcast(&array.shape);
    let output = elementwise::copy_place(context, fill)?;
    let mut region = output.layout.clone();
    region.shape = inputs[0].layout.shape.clone();
    for (axis, padding) in paddings.iter().enumerate() {
        region.offset += padding.low * output.layout.strides[axis] as usize;
        region.strides[axis] *= 1 + padding.interior as isize;
    }
    let target = Target::region(&output, region, Combine::Replace);
    scatter::run(context, target, inputs[0].clone(), &[], Outside::Skipped)?;
    Ok(output)
}

/// The dtype as which positions are read: 64-bit ones as two words.
fn position_dtype(dtype: Dtype) -> Dtype {
    if dtype.size() == 8 { raw(dtype) } else { dtype }
}

/// An expression for the position that `value` of `dtype` names on an axis of `size`: negative
/// numbers count from the end. What is outside becomes at least `size`.
fn resolved(dtype: Dtype, value: &str, size: &str) -> String {
    let signed = |number: &str| {
        format!("select(bitcast<u32>({number}), bitcast<u32>({number}) + {size}, {number} < 0)")
    };
    match Register::of(dtype) {
        Register::Int => signed(value),
        Register::WideInt => signed(&format!("bitcast<i32>({value}.x)")),
        Register::WideUint => format!("bitcast<u32>({value}.x)"),
        Register::Uint
        | Register::Bool
        | Register::Float
        | Register::Double
        | Register::Complex => value.to_owned(),
    }
}

/// Statements that add the steps to the positions to `place`, and clear `inside` if one is
/// outside. The arrays are inputs from number `first` on; their places are `index{n}_place`.
fn locate(dtypes: &[Dtype], first: usize, outside: Outside) -> String {
    dtypes
        .iter()
        .enumerate()
        .map(|(number, dtype)| {
            let input = first + number;
            let size = format!("parameters.size{number}");
            let at = resolved(*dtype, &format!("value{number}"), &size);
            let adjust = match outside {
                Outside::Skipped => {
                    format!("inside = inside && at{number} < parameters.bound{number};")
                }
                // a number that is negative even from the end became a huge one
                Outside::Clamped => format!(
                    "if (at{number} >= 0x80000000u) {{ at{number} = 0u; }}\n\
                     at{number} = min(at{number}, parameters.bound{number} - 1u);"
                ),
            };
            format!(
                "let value{number} = load_input{input}(index{number}_place);\n\
                 var at{number} = {at};\n\
                 {adjust}\n\
                 place = place + at{number} * parameters.step{number};\n"
            )
        })
        .collect()
}

/// Names of the parameters that [`locate`] reads, for each array of positions.
fn locate_parameters(count: usize) -> Vec<String> {
    (0..count)
        .flat_map(|number| ["size", "bound", "step"].map(|name| format!("{name}{number}")))
        .collect()
}

/// Values of those parameters.
fn locate_values(positions: &[Positions]) -> impl Iterator<Item = u32> {
    positions.iter().flat_map(|p| {
        let bound = (p.size + 1).saturating_sub(p.extent);
        [p.size as u32, bound as u32, p.step as u32]
    })
}
