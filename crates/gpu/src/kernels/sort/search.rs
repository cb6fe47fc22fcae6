//! Places in a sorted vector, by halving.

use super::super::operand::Place;
use super::super::{Kernel, KernelSource, WORKGROUP};
use super::key;
use crate::codegen::{KernelText, Ownership, Steps, index_parameters, places};
use crate::dispatch::Context;
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use smallvec::{SmallVec, smallvec};

/// A search for values that lie along `rank` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Searchsorted {
    dtype: Dtype,
    rank: usize,
    right: bool,
}

impl KernelSource for Searchsorted {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(key::read_as(self.dtype));
        text.input(key::read_as(self.dtype));
        text.output(Dtype::Uint32, Ownership::Words);
        key::declare(&mut text, self.dtype);
        text.parameters(&["count", "length", "sequence_offset", "sequence_step"]);
        index_parameters(&mut text, "loop", self.rank);
        let operand = [("value".to_owned(), Steps::Strided)];
        let place = places(&mut text, "loop", self.rank, "thread", &operand);
        let goes_right = if self.right {
            "!(wanted.x < key.x || (wanted.x == key.x && wanted.y < key.y))"
        } else {
            "key.x < wanted.x || (key.x == wanted.x && key.y < wanted.y)"
        };
        text.leave_if("thread >= parameters.count");
        text.line(place);
        text.line(format!(
            "let wanted = key_of(load_input1(value_place));\n\
             var low = 0u;\n\
             var high = parameters.length;\n\
             for (var turn = 0; turn < 33; turn++) {{\n\
             if (low >= high) {{ break; }}\n\
             let middle = low + (high - low) / 2u;\n\
             let key = key_of(load_input0(parameters.sequence_offset + middle * parameters.sequence_step));\n\
             if ({goes_right}) {{ low = middle + 1u; }} else {{ high = middle; }}\n\
             }}\n\
             store_output0(thread, low);"
        ));
        text
    }
}

pub(super) fn run(context: &'static Context, call: &Call<'_>, right: bool) -> Result<Results> {
    let sequence = Place::of(context, &call.inputs[0])?;
    let values = Place::of(context, &call.inputs[1])?;
    let output = Place::fresh(context, &call.outputs[0])?;
    let count = output.layout.size();
    let loops = collapse(&values.layout.shape, &[&values.layout.strides]);
    let (sequence_window, window) = (sequence.window(), values.window());
    let mut parameters: SmallVec<[u32; 32]> = smallvec![
        count as u32,
        sequence.layout.size() as u32,
        sequence_window.offset,
        sequence.stride(0),
    ];
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    parameters.push(window.offset);
    parameters.extend(loops.strides[0].iter().map(|stride| *stride as u32));
    let kernel = Kernel::Searchsorted(Searchsorted {
        dtype: sequence.dtype,
        rank: loops.shape.len(),
        right,
    });
    let bindings = [
        sequence_window.binding(&sequence.memory)?,
        window.binding(&values.memory)?,
        output.memory.binding()?,
    ];
    let groups = (count as u32).div_ceil(WORKGROUP);
    context.dispatch(&kernel, &parameters, &bindings, groups)?;
    Ok(smallvec![output.stored()])
}
