//! Products with packed matrices against sums in double precision, around the edges of blocks.

use crate::Cpu;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, Packing, QuantizationMode, Quantized};
use mlx_oxide_runtime::{Backend, Buffer, Call, Device, Operand, Stream};

fn operand(shape: &[usize], dtype: Dtype, bytes: &[u8]) -> Operand {
    Operand {
        buffer: Buffer::from_bytes("test", bytes).unwrap(),
        layout: Layout::contiguous(shape),
        dtype,
        donatable: false,
    }
}

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 37 + index / 11 * 5 + seed) % 101) as f32 / 50.0 - 1.0)
        .collect()
}

fn run(op: Quantized, inputs: &[Operand], outputs: &[ArrayType]) -> Vec<Operand> {
    let call = Call {
        op: &Op::Quantized(op),
        inputs,
        outputs,
        stream: Stream::default_of(Device::CPU),
    };
    let results = Cpu.run(call).unwrap();
    let stored = results.into_iter().zip(outputs);
    let operands = stored.map(|(stored, output)| Operand {
        buffer: stored.buffer,
        layout: stored.layout,
        dtype: output.dtype,
        donatable: false,
    });
    operands.collect()
}

fn numbers(operand: &Operand) -> Vec<f32> {
    bytemuck::cast_slice(operand.buffer.host_bytes().unwrap()).to_vec()
}

/// Words, scales and perhaps biases of a matrix, and its numbers.
fn packed(packing: Packing, rows: usize, columns: usize) -> (Vec<Operand>, Vec<f32>) {
    let matrix = values(rows * columns, 3);
    let matrix = operand(
        &[rows, columns],
        Dtype::Float32,
        bytemuck::cast_slice(&matrix),
    );
    let stored = match packing.has_biases() {
        true => Dtype::Float32,
        false => Dtype::Uint8,
    };
    let groups = [rows, columns / packing.group_size];
    let mut outputs = vec![
        ArrayType::new([rows, columns * packing.bits / 32], Dtype::Uint32),
        ArrayType::new(groups, stored),
    ];
    outputs.extend(packing.has_biases().then(|| ArrayType::new(groups, stored)));
    let quantize = Quantized::Quantize {
        packing,
        global: false,
    };
    let parts = run(quantize, &[matrix], &outputs);
    let dequantize = Quantized::Dequantize {
        packing,
        dtype: Dtype::Float32,
        global: false,
    };
    let output = ArrayType::new([rows, columns], Dtype::Float32);
    let found = run(dequantize, &parts, &[output]);
    (parts, numbers(&found[0]))
}

fn check(packing: Packing, transpose: bool, (inner, columns): (usize, usize)) {
    let shape = match transpose {
        true => (columns, inner),
        false => (inner, columns),
    };
    let (parts, matrix) = packed(packing, shape.0, shape.1);
    let number = |term: usize, column: usize| match transpose {
        true => matrix[column * inner + term],
        false => matrix[term * columns + column],
    };
    for rows in [1, 2, 3, 4, 5, 7, 19, 131] {
        let x = values(rows * inner, 8);
        let mut inputs = vec![operand(
            &[rows, inner],
            Dtype::Float32,
            bytemuck::cast_slice(&x),
        )];
        inputs.extend(parts.iter().cloned());
        let op = Quantized::Matmul { packing, transpose };
        let output = ArrayType::new([rows, columns], Dtype::Float32);
        let found = numbers(&run(op, &inputs, &[output])[0]);
        for (index, found) in found.into_iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let (mut sum, mut size) = (0.0, 0.0);
            for term in 0..inner {
                let product = f64::from(x[row * inner + term]) * f64::from(number(term, column));
                (sum, size) = (sum + product, size + product.abs());
            }
            let error = (f64::from(found) - sum).abs();
            assert!(
                error <= 1e-5 * size,
                "{packing:?} transpose {transpose}: {found} for {sum} at {row}, {column} of {rows}"
            );
        }
    }
}

#[test]
fn products_agree_with_the_numbers_of_every_packing() {
    let affine = [2, 3, 4, 5, 6, 8].map(|bits| (QuantizationMode::Affine, bits, 64));
    let others = [
        (QuantizationMode::Affine, 4, 32),
        (QuantizationMode::Affine, 5, 128),
        (QuantizationMode::Mxfp4, 4, 32),
        (QuantizationMode::Mxfp8, 8, 32),
        (QuantizationMode::Nvfp4, 4, 16),
    ];
    for (mode, bits, group_size) in affine.into_iter().chain(others) {
        let packing = Packing {
            mode,
            bits,
            group_size,
        };
        // more terms than a block has, and columns that are no whole panel
        check(packing, true, (384, 77));
        check(packing, true, (128, 3));
        check(packing, false, (301, 384));
        check(packing, false, (129, 128));
    }
}

#[test]
fn sums_of_wide_results_are_cut_into_tasks_without_gaps() {
    let packing = Packing {
        mode: QuantizationMode::Affine,
        bits: 4,
        group_size: 64,
    };
    check(packing, false, (257, 2048 + 192));
    check(packing, true, (640, 300));
}
