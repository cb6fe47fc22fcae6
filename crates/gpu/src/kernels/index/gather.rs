//! Reading each output element from a place that positions name.

use super::super::operand::Place;
use super::super::reduce::push_loops;
use super::super::{Kernel, WORKGROUP, packing};
use super::{
    IndexKernel, Outside, Positions, locate, locate_parameters, locate_values, position_dtype,
};
use crate::codegen::{KernelText, Register, Steps, index_parameters, places, raw};
use crate::dispatch::{Binding, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result};
use smallvec::{SmallVec, smallvec};

/// Elements of slices that lie along `inner` loops, one for each element of `outer` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GatherKernel {
    moved: Dtype,
    positions: SmallVec<[Dtype; 2]>,
    outer: usize,
    inner: usize,
    outside: Outside,
}

impl GatherKernel {
    pub(super) fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(self.moved);
        for dtype in &self.positions {
            text.input(position_dtype(*dtype));
        }
        packing::write_outputs(&mut text, &[self.moved], |text| {
            text.parameter("slice_count");
            for name in locate_parameters(self.positions.len()) {
                text.parameter(name);
            }
            index_parameters(text, "inner", self.inner);
            let slice = [("slice".to_owned(), Steps::Strided)];
            let inner = places(text, "inner", self.inner, "element", &slice);
            index_parameters(text, "outer", self.outer);
            let operands: Vec<(String, Steps)> = std::iter::once("base".to_owned())
                .chain((0..self.positions.len()).map(|number| format!("index{number}")))
                .map(|name| (name, Steps::Strided))
                .collect();
            let outer = places(text, "outer", self.outer, "slice_number", &operands);
            let locate = locate(&self.positions, 1, self.outside);
            let zero = Register::of(self.moved).zero();
            format!(
                "let slice_number = number / parameters.slice_count;\n\
                 let element = number % parameters.slice_count;\n\
                 {inner}{outer}\
                 var place = base_place + slice_place;\n\
                 var inside = true;\n\
                 {locate}\
                 var result0 = {zero};\n\
                 if (inside) {{ result0 = load_input0(place); }}"
            )
        });
        text
    }
}

/// Reads slices of `source`: `outer` says where each begins, `inner` what is in it, both from
/// the source's first element, and `positions` move it.
pub(super) fn run(
    context: &'static Context,
    source: &Place,
    outer: &Layout,
    inner: &Layout,
    positions: &[Positions],
    array: &ArrayType,
    outside: Outside,
) -> Result<Place> {
    let output = Place::fresh(context, array)?;
    let count = array.size();
    if count == 0 {
        return Ok(output);
    }
    let window = source.window();
    let mut parameters: SmallVec<[u32; 32]> = smallvec![count as u32, 0, inner.size() as u32];
    parameters.extend(locate_values(positions));
    let slices = collapse(&inner.shape, &[&inner.strides]);
    let loops = Layout {
        shape: slices.shape.iter().copied().collect(),
        strides: slices.strides[0].clone(),
        offset: 0,
    };
    push_loops(&mut parameters, &loops, window.offset);
    let mut strides: SmallVec<[&[isize]; 4]> = smallvec![outer.strides.as_slice()];
    strides.extend(positions.iter().map(|p| p.place.layout.strides.as_slice()));
    let starts = collapse(&outer.shape, &strides);
    parameters.extend(starts.shape.iter().map(|size| *size as u32));
    parameters.push(0);
    parameters.extend(starts.strides[0].iter().map(|stride| *stride as u32));
    let mut bindings: SmallVec<[Binding<'_>; 4]> = smallvec![window.binding(&source.memory)?];
    for (positions, strides) in positions.iter().zip(&starts.strides[1..]) {
        let window = positions.place.window();
        bindings.push(window.binding(&positions.place.memory)?);
        parameters.push(window.offset);
        parameters.extend(strides.iter().map(|stride| *stride as u32));
    }
    bindings.push(output.memory.binding()?);
    let moved = raw(array.dtype);
    let kernel = Kernel::Index(IndexKernel::Gather(GatherKernel {
        moved,
        positions: positions.iter().map(|p| p.place.dtype).collect(),
        outer: starts.shape.len(),
        inner: loops.shape.ndim(),
        outside,
    }));
    let invocations = count.div_ceil(packing::lanes(&[moved]) as usize) as u32;
    context.dispatch(
        &kernel,
        &parameters,
        &bindings,
        invocations.div_ceil(WORKGROUP),
    )?;
    drop(bindings);
    Ok(output)
}
