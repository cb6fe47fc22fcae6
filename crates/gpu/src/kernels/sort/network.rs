//! The kernels of the sorting network (Batcher 1968).

use super::super::{Kernel, KernelSource, WORKGROUP};
use super::key;
use crate::codegen::{KernelText, Ownership, Steps, index_parameters, places, raw};
use crate::dispatch::{Binding, Context};
use mlx_oxide_ir::{Dtype, Result};

/// Slots that a workgroup orders in its own memory.
pub(super) const BLOCK: usize = 2 * WORKGROUP as usize;

/// A step of sorting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Fills the slots with keys and positions.
    Keys { dtype: Dtype, rank: usize },
    /// Merges within blocks, for every width from the first to the last parameter.
    Block,
    /// Compares slots at one distance.
    Step,
    /// Writes the elements, or their positions, in the order of the slots.
    Pick {
        moved: Dtype,
        rank: usize,
        positions: bool,
    },
}

/// A stage with keys of one or two words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SortKernel {
    stage: Stage,
    wide: bool,
}

impl Stage {
    /// Runs the stage with one invocation for each of `invocations`.
    pub(super) fn dispatch(
        self,
        context: &Context,
        wide: bool,
        parameters: &[u32],
        bindings: &[Binding<'_>],
        invocations: usize,
    ) -> Result<()> {
        let kernel = Kernel::Sort(SortKernel { stage: self, wide });
        let groups = (invocations as u32).div_ceil(WORKGROUP);
        context.dispatch(&kernel, parameters, bindings, groups)
    }
}

impl KernelSource for SortKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        match &self.stage {
            Stage::Keys { dtype, rank } => self.write_keys(&mut text, *dtype, *rank),
            Stage::Block => self.write_block(&mut text),
            Stage::Step => self.write_step(&mut text),
            Stage::Pick {
                moved,
                rank,
                positions,
            } => write_pick(&mut text, *moved, *rank, *positions),
        }
        text
    }
}

/// The places of the element at `position` of row number `row`.
fn row_places(text: &mut KernelText, rank: usize) -> String {
    text.parameters(&["length", "input_step", "output_step"]);
    index_parameters(text, "row", rank);
    let operands = ["read", "written"].map(|name| (name.to_owned(), Steps::Strided));
    places(text, "row", rank, "row", &operands)
}

impl SortKernel {
    /// Outputs for the slots, and functions that read and write a slot.
    fn slots(&self, text: &mut KernelText) {
        let count = if self.wide { 3 } else { 2 };
        for _ in 0..count {
            text.output(Dtype::Uint32, Ownership::Words);
        }
        text.global("struct Slot { high: u32, low: u32, position: u32 }");
        let (low, position, store) = if self.wide {
            ("output1[place]", "output2", "output1[place] = slot.low;")
        } else {
            ("0u", "output1", "")
        };
        text.global(&format!(
            "fn load_slot(place: u32) -> Slot {{ return Slot(output0[place], {low}, {position}[place]); }}\n\
             fn store_slot(place: u32, slot: Slot) {{ output0[place] = slot.high; {store} {position}[place] = slot.position; }}\n\
             fn is_after(a: Slot, b: Slot) -> bool {{\n\
             if (a.high != b.high) {{ return a.high > b.high; }}\n\
             if (a.low != b.low) {{ return a.low > b.low; }}\n\
             return a.position > b.position;\n\
             }}"
        ));
    }

    fn write_keys(&self, text: &mut KernelText, dtype: Dtype, rank: usize) {
        text.input(key::read_as(dtype));
        self.slots(text);
        key::declare(text, dtype);
        text.parameters(&["total", "used", "row_slots"]);
        let places = row_places(text, rank);
        text.leave_if("thread >= parameters.total");
        text.line(format!(
            "var slot = Slot(0xffffffffu, 0xffffffffu, 0xffffffffu);\n\
             let position = thread % parameters.row_slots;\n\
             if (thread < parameters.used && position < parameters.length) {{\n\
             let row = thread / parameters.row_slots;\n\
             {places}\
             let key = key_of(load_input0(read_place + position * parameters.input_step));\n\
             slot = Slot(key.x, key.y, position);\n\
             }}\n\
             store_slot(thread, slot);"
        ));
    }

    fn write_block(&self, text: &mut KernelText) {
        self.slots(text);
        text.shared("block", "Slot", BLOCK as u32);
        text.parameters(&["row_slots", "first", "last"]);
        text.line(format!(
            "let base = group * {BLOCK}u;\n\
             block[local] = load_slot(base + local);\n\
             block[local + {WORKGROUP}u] = load_slot(base + local + {WORKGROUP}u);\n\
             for (var width = parameters.first; width <= parameters.last; width = width * 2u) {{\n\
             for (var distance = min(width / 2u, {WORKGROUP}u); distance > 0u; distance = distance / 2u) {{\n\
             workgroupBarrier();\n\
             let low = 2u * local - (local & (distance - 1u));\n\
             let high = low + distance;\n\
             let falls = ((base + low) & (parameters.row_slots - 1u) & width) != 0u;\n\
             if (is_after(block[low], block[high]) != falls) {{\n\
             let moved = block[low];\n\
             block[low] = block[high];\n\
             block[high] = moved;\n\
             }}\n\
             }}\n\
             }}\n\
             workgroupBarrier();\n\
             store_slot(base + local, block[local]);\n\
             store_slot(base + local + {WORKGROUP}u, block[local + {WORKGROUP}u]);"
        ));
    }

    fn write_step(&self, text: &mut KernelText) {
        self.slots(text);
        text.parameters(&["row_slots", "width", "distance"]);
        text.line(
            "let low = 2u * thread - (thread & (parameters.distance - 1u));\n\
             let high = low + parameters.distance;\n\
             let falls = (low & (parameters.row_slots - 1u) & parameters.width) != 0u;\n\
             let a = load_slot(low);\n\
             let b = load_slot(high);\n\
             if (is_after(a, b) != falls) { store_slot(low, b); store_slot(high, a); }",
        );
    }
}

fn write_pick(text: &mut KernelText, moved: Dtype, rank: usize, positions: bool) {
    text.input(Dtype::Uint32);
    text.input(raw(moved));
    let output = if positions { Dtype::Uint32 } else { raw(moved) };
    text.output(output, Ownership::Elements);
    text.parameters(&["count", "row_slots"]);
    let places = row_places(text, rank);
    let value = if positions {
        "position"
    } else {
        "load_input1(read_place + position * parameters.input_step)"
    };
    text.leave_if("thread >= parameters.count");
    text.line(format!(
        "let row = thread / parameters.length;\n\
         let rank = thread % parameters.length;\n\
         {places}\
         let position = load_input0(row * parameters.row_slots + rank);\n\
         store_output0(written_place + rank * parameters.output_step, {value});"
    ));
}
