//! Writing each update to a place that positions name.
//!
//! Replacing is deterministic: a first pass finds, for each place, the last update in row-major
//! order, and a second one writes it. Other combinations are atomic; integers come out the same
//! in every order, sums and products of floats may differ in the last bits from run to run.

use super::super::operand::Place;
use super::super::{Kernel, WORKGROUP, elementwise};
use super::{
    IndexKernel, Outside, Positions, locate, locate_parameters, locate_values, position_dtype,
};
use crate::codegen::{
    KernelText, Ownership, Steps, binary, decode, encode, index_parameters, places, raw,
};
use crate::dispatch::{Binding, Context};
use crate::memory::upload;
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{Binary, Combine, Dtype, Layout, Result, Strides};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// What a pass does with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    /// Writes it: every place has one update at most.
    Write,
    /// Notes it as the last one of its place so far.
    Claim,
    /// Writes it if it is the last one of its place.
    WriteLast,
    /// Combines it with what is there.
    Combine(Binary),
}

/// Updates of slices that lie along `inner` loops, one slice for each element of `outer` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScatterKernel {
    dtype: Dtype,
    positions: SmallVec<[Dtype; 2]>,
    outer: usize,
    inner: usize,
    outside: Outside,
    pass: Pass,
}

/// Where updates go.
pub(super) struct Target {
    pub(super) place: Place,
    /// Where each slice begins, from the first element.
    pub(super) outer: Layout,
    /// What is in a slice.
    pub(super) inner: Layout,
    pub(super) combine: Combine,
    /// Whether no place has two updates.
    pub(super) unique: bool,
}

impl Target {
    /// One slice.
    pub(super) fn region(place: &Place, region: Layout, combine: Combine) -> Self {
        Target {
            place: place.clone(),
            outer: Layout::contiguous([1]),
            inner: region,
            combine,
            unique: true,
        }
    }
}

impl ScatterKernel {
    pub(super) fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(self.dtype);
        for dtype in &self.positions {
            text.input(position_dtype(*dtype));
        }
        let write = self.write_update(&mut text);
        text.parameters(&["count", "slice_count"]);
        for name in locate_parameters(self.positions.len()) {
            text.parameter(name);
        }
        let pair = |names: [&str; 2]| names.map(|name| (name.to_owned(), Steps::Strided));
        index_parameters(&mut text, "inner", self.inner);
        let operands = pair(["slice", "part"]);
        let inner = places(&mut text, "inner", self.inner, "element", &operands);
        index_parameters(&mut text, "outer", self.outer);
        let mut operands = pair(["base", "update"]).to_vec();
        operands.extend(
            (0..self.positions.len()).map(|number| (format!("index{number}"), Steps::Strided)),
        );
        let outer = places(&mut text, "outer", self.outer, "slice_number", &operands);
        let locate = locate(&self.positions, 1, self.outside);
        text.leave_if("thread >= parameters.count");
        text.line(format!(
            "let slice_number = thread / parameters.slice_count;\n\
             let element = thread % parameters.slice_count;\n\
             {inner}{outer}\
             var place = base_place + slice_place;\n\
             var inside = true;\n\
             {locate}\
             if (inside) {{\n\
             let update = load_input0(update_place + part_place);\n\
             {write}\n\
             }}"
        ));
        text
    }

    /// Adds the outputs and returns the statement that writes `update` to `place`.
    fn write_update(&self, text: &mut KernelText) -> String {
        match self.pass {
            Pass::Write => {
                text.output(self.dtype, Ownership::Elements);
                "store_output0(place, update);".to_owned()
            }
            Pass::Claim => {
                let claims = text.atomic_output();
                format!("atomicMax(&{claims}[place], thread + 1u);")
            }
            Pass::WriteLast => {
                text.output(self.dtype, Ownership::Elements);
                text.output(Dtype::Uint32, Ownership::Words);
                "if (output1[place] == thread + 1u) { store_output0(place, update); }".to_owned()
            }
            Pass::Combine(op) => {
                let words = text.atomic_output();
                self.combine(op, &words)
            }
        }
    }

    /// A loop that replaces the word until no other invocation came between.
    fn combine(&self, op: Binary, words: &str) -> String {
        let dtype = self.dtype;
        let width = 8 * dtype.size() as u32;
        let per_word = 32 / width;
        let mask = u32::MAX >> (32 - width);
        let old = decode(dtype, "((seen >> shift) & mask)");
        let new = binary(op, dtype, "old", "update").unwrap_or_default();
        let bits = match dtype {
            Dtype::Int32 | Dtype::Float32 => "bitcast<u32>(new_value)".to_owned(),
            Dtype::Bool
            | Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Uint64
            | Dtype::Int8
            | Dtype::Int16
            | Dtype::Int64
            | Dtype::Float16
            | Dtype::Float64
            | Dtype::Bfloat16
            | Dtype::Complex64 => encode(dtype, "new_value"),
        };
        format!(
            "let mask = {mask}u;\n\
             let shift = (place % {per_word}u) * {}u;\n\
             let word = place / {per_word}u;\n\
             var seen = atomicLoad(&{words}[word]);\n\
             loop {{\n\
             let old = {old};\n\
             let new_value = {new};\n\
             let wanted = (seen & ~(mask << shift)) | (({bits} & mask) << shift);\n\
             let outcome = atomicCompareExchangeWeak(&{words}[word], seen, wanted);\n\
             if (outcome.exchanged) {{ break; }}\n\
             seen = outcome.old_value;\n\
             }}",
            width % 32
        )
    }
}

/// Writes the updates; `update` has the shape of the outer loops followed by that of the inner
/// ones, or the inner ones' alone where there is one slice.
pub(super) fn run(
    context: &'static Context,
    target: Target,
    update: Place,
    positions: &[Positions],
    outside: Outside,
) -> Result<()> {
    let combined = match target.combine {
        Combine::Replace => None,
        Combine::Add => Some(Binary::Add),
        Combine::Multiply => Some(Binary::Multiply),
        Combine::Maximum => Some(Binary::Maximum),
        Combine::Minimum => Some(Binary::Minimum),
    };
    let pass = |pass, claims| launch(context, &target, &update, positions, outside, pass, claims);
    match combined {
        Some(op) => pass(Pass::Combine(op), None),
        None if target.unique => pass(Pass::Write, None),
        None => {
            let claims = zeros(context, &target.place)?;
            pass(Pass::Claim, Some(&claims))?;
            pass(Pass::WriteLast, Some(&claims))
        }
    }
}

/// A word for every element of the buffer, zero.
fn zeros(context: &'static Context, place: &Place) -> Result<Place> {
    let zero = Place {
        memory: Arc::new(upload(context, &[0; 4])?),
        layout: Layout::contiguous([]).broadcast(&place.layout.shape),
        dtype: Dtype::Uint32,
    };
    elementwise::copy_place(context, zero)
}

fn launch(
    context: &'static Context,
    target: &Target,
    update: &Place,
    positions: &[Positions],
    outside: Outside,
    pass: Pass,
    claims: Option<&Place>,
) -> Result<()> {
    let (outer, inner) = (&target.outer, &target.inner);
    let (count, slice_count) = (outer.size() * inner.size(), inner.size());
    if count == 0 {
        return Ok(());
    }
    let (outer_steps, inner_steps) = update_steps(update, inner.shape.ndim());
    let window = update.window();
    let mut parameters: SmallVec<[u32; 32]> = smallvec![count as u32, slice_count as u32];
    parameters.extend(locate_values(positions));
    let inner_loops = collapse(&inner.shape, &[&inner.strides, &inner_steps]);
    let offsets = [inner.offset as u32, 0];
    push(&mut parameters, &inner_loops, &offsets);
    let mut strides: SmallVec<[&[isize]; 4]> =
        smallvec![outer.strides.as_slice(), outer_steps.as_slice()];
    strides.extend(positions.iter().map(|p| p.place.layout.strides.as_slice()));
    let outer_loops = collapse(&outer.shape, &strides);
    let mut offsets: SmallVec<[u32; 4]> = smallvec![0, window.offset];
    let mut bindings: SmallVec<[Binding<'_>; 4]> = smallvec![window.binding(&update.memory)?];
    for positions in positions {
        let window = positions.place.window();
        bindings.push(window.binding(&positions.place.memory)?);
        offsets.push(window.offset);
    }
    push(&mut parameters, &outer_loops, &offsets);
    if pass != Pass::Claim {
        bindings.push(target.place.memory.binding()?);
    }
    if let Some(claims) = claims {
        bindings.push(claims.memory.binding()?);
    }
    let dtype = match pass {
        Pass::Combine(_) => update.dtype,
        Pass::Write | Pass::Claim | Pass::WriteLast => raw(update.dtype),
    };
    let kernel = Kernel::Index(IndexKernel::Scatter(ScatterKernel {
        dtype,
        positions: positions.iter().map(|p| p.place.dtype).collect(),
        outer: outer_loops.shape.len(),
        inner: inner_loops.shape.len(),
        outside,
        pass,
    }));
    context.dispatch(
        &kernel,
        &parameters,
        &bindings,
        (count as u32).div_ceil(WORKGROUP),
    )
}

/// Sizes, and offset and strides of each operand.
fn push(
    parameters: &mut SmallVec<[u32; 32]>,
    loops: &mlx_oxide_ir::layout::Collapsed,
    offsets: &[u32],
) {
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    for (offset, strides) in offsets.iter().zip(&loops.strides) {
        parameters.push(*offset);
        parameters.extend(strides.iter().map(|stride| *stride as u32));
    }
}

/// The update's strides along the outer and the inner loops.
fn update_steps(update: &Place, inner: usize) -> (Strides, Strides) {
    let strides = &update.layout.strides;
    let split = strides.len() - inner;
    let outer = if split == 0 {
        smallvec![0]
    } else {
        strides[..split].into()
    };
    (outer, strides[split..].into())
}
