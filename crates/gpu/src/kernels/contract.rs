//! Matrix products: tiles of the operands in workgroup memory, a small block of sums in the
//! registers of each invocation.

use super::operand::Place;
use super::{Kernel, KernelSource, declined};
use crate::codegen::{
    KernelText, Ownership, Register, Steps, binary, cast, index_parameters, places,
};
use crate::dispatch::{Binding, Capabilities, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Binary, Contract, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use smallvec::{SmallVec, smallvec};
use std::fmt::Write;

/// Rows and columns of sums in one invocation's registers.
const BLOCK: u32 = 4;

/// Tiles of a matrix product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatmulKernel {
    dtype: Dtype,
    /// Loops over the leading axes.
    batch_rank: usize,
    /// Rows and columns of an output tile.
    tile: u32,
    /// Length of the tiles along the inner axis.
    depth: u32,
    /// Whether the rows of the left operand, or the columns of the right one, are neighbours in
    /// memory where the inner axis is not: tiles are then read along those.
    lhs_across: bool,
    rhs_across: bool,
    /// Whether `alpha·product + beta·addend` is computed.
    addend: bool,
}

impl MatmulKernel {
    fn threads(&self) -> u32 {
        (self.tile / BLOCK) * (self.tile / BLOCK)
    }

    /// The dtype that sums are held in: narrow floats are rounded once at the end.
    fn sum_dtype(&self) -> Dtype {
        match self.dtype {
            Dtype::Float16 | Dtype::Bfloat16 => Dtype::Float32,
            other => other,
        }
    }

    /// `sum + a·b`.
    fn multiply_add(&self, a: &str, b: &str, sum: &str) -> String {
        if Register::of(self.dtype) == Register::Float {
            return format!("fma({a}, {b}, {sum})");
        }
        let dtype = self.sum_dtype();
        let product = binary(Binary::Multiply, dtype, a, b).unwrap_or_default();
        binary(Binary::Add, dtype, sum, &product).unwrap_or_default()
    }

    /// Statements that read both tiles at inner position `base`.
    fn read_tiles(&self) -> String {
        let Self { tile, depth, .. } = self;
        let threads = self.threads();
        let zero = Register::of(self.dtype).zero();
        let mut code = String::new();
        let sides = [
            ("lhs", 0, "row", "rows", self.lhs_across),
            ("rhs", 1, "column", "columns", self.rhs_across),
        ];
        for (name, number, outer, extent, across) in sides {
            let (position, inner) = if across {
                (format!("entry % {tile}u"), format!("entry / {tile}u"))
            } else {
                (format!("entry / {depth}u"), format!("entry % {depth}u"))
            };
            let _ = writeln!(
                code,
                "for (var entry = local; entry < {entries}u; entry += {threads}u) {{\n\
                 let across = {position};\n\
                 let inner = {inner};\n\
                 let {outer} = {outer}_base + across;\n\
                 var value = {zero};\n\
                 if ({outer} < parameters.{extent} && base + inner < parameters.inner) {{\n\
                 value = load_input{number}({name}_place + {outer} * parameters.{name}_outer + (base + inner) * parameters.{name}_inner);\n\
                 }}\n\
                 {name}_tile[inner * {tile}u + across] = value;\n\
                 }}",
                entries = tile * depth,
            );
        }
        code
    }

    /// Statements that add the products of the tiles to the sums.
    fn multiply_tiles(&self) -> String {
        let Self { tile, depth, .. } = self;
        let mut code = format!("for (var inner = 0u; inner < {depth}u; inner++) {{\n");
        for number in 0..BLOCK {
            let _ = writeln!(
                code,
                "let a{number} = lhs_tile[inner * {tile}u + block_row + {number}u];\n\
                 let b{number} = rhs_tile[inner * {tile}u + block_column + {number}u];"
            );
        }
        for row in 0..BLOCK {
            for column in 0..BLOCK {
                let sum = format!("sum_{row}_{column}");
                let next = self.multiply_add(&format!("a{row}"), &format!("b{column}"), &sum);
                let _ = writeln!(code, "{sum} = {next};");
            }
        }
        code.push_str("}\n");
        code
    }

    /// Statements that write the sums.
    fn write_sums(&self) -> String {
        let mut code = String::new();
        for row in 0..BLOCK {
            for column in 0..BLOCK {
                let mut value = format!("sum_{row}_{column}");
                if self.addend {
                    let place = "addend_place + row * parameters.addend_row + column * parameters.addend_column";
                    value = format!(
                        "bitcast<f32>(parameters.alpha) * {value} + bitcast<f32>(parameters.beta) * load_input2({place})"
                    );
                }
                let value = cast(self.sum_dtype(), self.dtype, &value);
                let _ = writeln!(
                    code,
                    "{{ let row = row_base + block_row + {row}u;\n\
                     let column = column_base + block_column + {column}u;\n\
                     if (row < parameters.rows && column < parameters.columns) {{\n\
                     store_output0((batch * parameters.rows + row) * parameters.columns + column, {value});\n\
                     }} }}"
                );
            }
        }
        code
    }
}

impl KernelSource for MatmulKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(self.threads());
        let inputs = if self.addend { 3 } else { 2 };
        for _ in 0..inputs {
            text.input(self.dtype);
        }
        text.output(self.dtype, Ownership::Elements);
        let register = Register::of(self.dtype).name();
        for name in ["lhs_tile", "rhs_tile"] {
            text.shared(name, register, self.tile * self.depth);
        }
        text.parameters(&[
            "batches",
            "rows",
            "columns",
            "inner",
            "lhs_outer",
            "lhs_inner",
            "rhs_outer",
            "rhs_inner",
            "alpha",
            "beta",
            "addend_row",
            "addend_column",
        ]);
        index_parameters(&mut text, "batch", self.batch_rank);
        let operands: Vec<(String, Steps)> = ["lhs", "rhs", "addend"][..inputs]
            .iter()
            .map(|name| ((*name).to_owned(), Steps::Strided))
            .collect();
        let places = places(&mut text, "batch", self.batch_rank, "batch", &operands);
        let tile = self.tile;
        text.line(format!(
            "let tile_columns = (parameters.columns + {0}u) / {tile}u;\n\
             let tiles = tile_columns * ((parameters.rows + {0}u) / {tile}u);\n\
             let batch = group / tiles;\n\
             let tile = group % tiles;\n\
             let row_base = tile / tile_columns * {tile}u;\n\
             let column_base = tile % tile_columns * {tile}u;\n\
             let block_row = local / {1}u * {BLOCK}u;\n\
             let block_column = local % {1}u * {BLOCK}u;",
            tile - 1,
            tile / BLOCK,
        ));
        text.leave_if("batch >= parameters.batches");
        text.line(places);
        for row in 0..BLOCK {
            for column in 0..BLOCK {
                let zero = Register::of(self.dtype).zero();
                text.line(format!("var sum_{row}_{column} = {zero};"));
            }
        }
        text.line(format!(
            "for (var base = 0u; base < parameters.inner; base += {}u) {{",
            self.depth
        ));
        text.line(self.read_tiles());
        text.line("workgroupBarrier();");
        text.line(self.multiply_tiles());
        text.line("workgroupBarrier();\n}");
        text.line(self.write_sums());
        text
    }
}

pub(super) fn supports(op: &Contract, inputs: &[&ArrayType], capabilities: &Capabilities) -> bool {
    let dtype = inputs[0].dtype;
    let computes = capabilities.computes(dtype) && dtype != Dtype::Bool;
    match op {
        Contract::Matmul => computes,
        Contract::Addmm { .. } => Register::of(dtype) == Register::Float,
        Contract::GatherMatmul { .. } | Contract::Convolution(_) => false,
    }
}

pub(super) fn run(op: &Contract, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let (factors, scales) = match op {
        Contract::Matmul => ([0, 1], None),
        Contract::Addmm { alpha, beta } => ([1, 2], Some((alpha.get(), beta.get()))),
        Contract::GatherMatmul { .. } | Contract::Convolution(_) => return Err(declined(call)),
    };
    let mut operands: SmallVec<[Place; 3]> = smallvec![
        Place::of(context, &call.inputs[factors[0]])?,
        Place::of(context, &call.inputs[factors[1]])?,
    ];
    if scales.is_some() {
        operands.push(Place::of(context, &call.inputs[0])?);
    }
    let output = Place::fresh(context, &call.outputs[0])?;
    multiply(context, &operands, &output, scales)?;
    Ok(smallvec![output.stored()])
}

fn multiply(
    context: &Context,
    operands: &[Place],
    output: &Place,
    scales: Option<(f64, f64)>,
) -> Result<()> {
    let shape = &output.layout.shape;
    let leading = shape.ndim() - 2;
    let (rows, columns) = (shape[leading], shape[leading + 1]);
    let (lhs, rhs) = (&operands[0], &operands[1]);
    let inner = lhs.layout.shape[leading + 1];
    let batches: usize = shape[..leading].iter().product();
    let strides: SmallVec<[&[isize]; 3]> = operands
        .iter()
        .map(|operand| &operand.layout.strides[..leading])
        .collect();
    let loops = collapse(&shape[..leading], &strides);
    let (tile, depth) = if context.capabilities.software {
        (32, 8)
    } else {
        (64, 16)
    };
    let (alpha, beta) = scales.unwrap_or((1.0, 0.0));
    let addend = operands.get(2);
    let mut parameters: SmallVec<[u32; 32]> = smallvec![
        batches as u32,
        rows as u32,
        columns as u32,
        inner as u32,
        lhs.stride(leading),
        lhs.stride(leading + 1),
        rhs.stride(leading + 1),
        rhs.stride(leading),
        (alpha as f32).to_bits(),
        (beta as f32).to_bits(),
        addend.map_or(0, |place| place.stride(leading)),
        addend.map_or(0, |place| place.stride(leading + 1)),
    ];
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    let mut bindings: SmallVec<[Binding<'_>; 4]> = SmallVec::new();
    for (operand, strides) in operands.iter().zip(&loops.strides) {
        let window = operand.window();
        bindings.push(window.binding(&operand.memory)?);
        parameters.push(window.offset);
        parameters.extend(strides.iter().map(|stride| *stride as u32));
    }
    bindings.push(output.memory.binding()?);
    let kernel = Kernel::Contract(MatmulKernel {
        dtype: output.dtype,
        batch_rank: loops.shape.len(),
        tile,
        depth,
        lhs_across: lhs.stride(leading) == 1 && lhs.stride(leading + 1) != 1,
        rhs_across: rhs.stride(leading + 1) == 1,
        addend: scales.is_some(),
    });
    let tiles = rows.div_ceil(tile as usize) * columns.div_ceil(tile as usize);
    let groups = (batches * tiles) as u32;
    context.dispatch(&kernel, &parameters, &bindings, groups)
}
