//! Results that pass by the caches against those of calls one element at a time, and transposed
//! copies of every width.

use super::{assert_same, available, bytes_in_order, operand, run, samples};
use crate::kernels::fused::{copy, turned};
use crate::simd::{Isa, stream};
use mlx_oxide_ir::{Binary, Dtype, Layout, Op, Unary, View};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stream};

const DTYPES: [Dtype; 6] = [
    Dtype::Bool,
    Dtype::Int8,
    Dtype::Bfloat16,
    Dtype::Float32,
    Dtype::Float64,
    Dtype::Complex64,
];

/// The bytes of the elements in row-major order, one by one.
fn in_order(operand: &Operand) -> Vec<u8> {
    let source = operand.buffer.host_bytes().unwrap();
    bytes_in_order(source, &operand.layout, operand.dtype.size())
}

/// The sums of two operands, `piece` elements at a time.
fn in_pieces(op: &Op, inputs: &[Operand], piece: usize, isa: Isa) -> Vec<u8> {
    let ordered: Vec<(Dtype, Vec<u8>)> = inputs
        .iter()
        .map(|input| (input.dtype, in_order(input)))
        .collect();
    let count = inputs[0].layout.size();
    let mut found = Vec::new();
    for start in (0..count).step_by(piece) {
        let end = count.min(start + piece);
        let part = |(dtype, bytes): &(Dtype, Vec<u8>)| {
            let width = dtype.size();
            operand(&bytes[start * width..end * width], &[end - start], *dtype)
        };
        let parts: Vec<Operand> = ordered.iter().map(part).collect();
        found.extend(run(op, &parts, isa).remove(0));
    }
    found
}

#[test]
fn large_results_are_those_of_small_pieces() {
    stream::always();
    for dtype in [Dtype::Bfloat16, Dtype::Float32, Dtype::Int8] {
        for shape in [[1, 5003], [37, 300], [70, 1029]] {
            let along = operand(&samples(dtype, shape[0] * shape[1], 1), &shape, dtype);
            let column = operand(&samples(dtype, shape[0], 2), &[shape[0], 1], dtype);
            let stretched = Operand {
                layout: column.layout.broadcast(&shape.into()),
                ..column
            };
            let turned = [shape[1], shape[0]];
            let across = operand(&samples(dtype, shape[0] * shape[1], 3), &turned, dtype);
            let across = Operand {
                layout: across.layout.permute(&[1, 0]),
                ..across
            };
            for isa in available() {
                for other in [&along, &stretched, &across] {
                    let (op, inputs) = (Op::Binary(Binary::Add), [along.clone(), other.clone()]);
                    let found = run(&op, &inputs, isa).remove(0);
                    let expected = in_pieces(&op, &inputs, 64, isa);
                    assert_same(dtype, &found, &expected, &format!("{shape:?} {isa:?}"));
                }
                if dtype.is_floating() {
                    let (op, inputs) = (Op::Unary(Unary::Exp), [along.clone()]);
                    let found = run(&op, &inputs, isa).remove(0);
                    let expected = in_pieces(&op, &inputs, 64, isa);
                    assert_same(dtype, &found, &expected, &format!("exp {shape:?} {isa:?}"));
                }
            }
        }
    }
}

/// A copy by [`turned`], if it takes the layout.
fn turned_over(operand: &Operand, isa: Isa) -> Option<Vec<u8>> {
    let bytes = operand.layout.size() * operand.dtype.size();
    let buffer = Buffer::allocate("test", bytes).unwrap();
    let taken = turned::copy(operand, &buffer, isa).unwrap();
    taken.then(|| buffer.host_bytes().unwrap()[..bytes].to_vec())
}

#[test]
fn transposed_copies_of_every_width_and_shape() {
    for streamed in [false, true] {
        if streamed {
            stream::always();
        }
        for dtype in DTYPES {
            for stored in [
                [64, 128],
                [128, 64],
                [65, 130],
                [100, 71],
                [8, 2100],
                [2100, 3],
            ] {
                let operand = operand(&samples(dtype, stored[0] * stored[1], 1), &stored, dtype);
                let across = Operand {
                    layout: operand.layout.permute(&[1, 0]),
                    ..operand
                };
                let expected = in_order(&across);
                for isa in available() {
                    let found = turned_over(&across, isa);
                    assert!(found.is_some_and(|found| found == expected), "{stored:?}");
                }
            }
        }
    }
}

#[test]
fn stepped_and_reversed_copies_of_every_width() {
    let op = Op::View(View::Contiguous);
    let call = Call {
        op: &op,
        inputs: &[],
        outputs: &[],
        stream: Stream::default_of(Device::CPU),
    };
    for streamed in [false, true] {
        if streamed {
            stream::always();
        }
        for dtype in DTYPES {
            for stored in [[5, 2, 3001], [40, 3, 64], [1, 1, 70_000], [3, 9, 1]] {
                let count = stored.iter().product();
                for (step, repeats) in [(-1isize, 1), (2, 1), (-3, 1), (1, 3), (-1, 2)] {
                    let whole = operand(&samples(dtype, count, 1), &stored, dtype);
                    let [outer, middle, inner] = stored;
                    let size = inner.div_ceil(step.unsigned_abs());
                    let last = if step < 0 { inner - 1 } else { 0 };
                    let row = inner as isize;
                    let strides = [middle as isize * row, 0, row, step];
                    let layout = Layout {
                        shape: [outer, repeats, middle, size].into(),
                        strides: strides.into_iter().collect(),
                        offset: last,
                    };
                    let shown = Operand { layout, ..whole };
                    let found = copy(&call, &shown).unwrap();
                    let expected = in_order(&shown);
                    let found = &found.host_bytes().unwrap()[..expected.len()];
                    assert!(found == expected, "{dtype:?} {stored:?} {step} {repeats}");
                }
            }
        }
    }
}

#[test]
fn permuted_copies_of_more_axes() {
    let op = Op::View(View::Contiguous);
    for axes in [
        [0, 2, 1, 3],
        [0, 3, 1, 2],
        [0, 2, 3, 1],
        [3, 2, 1, 0],
        [1, 0, 3, 2],
    ] {
        for stored in [[3, 70, 9, 80], [2, 16, 66, 64], [5, 3, 7, 2]] {
            let count = stored.iter().product();
            let operand = operand(&samples(Dtype::Float32, count, 1), &stored, Dtype::Float32);
            let layout: Layout = operand.layout.permute(&axes);
            let permuted = Operand { layout, ..operand };
            let call = Call {
                op: &op,
                inputs: &[],
                outputs: &[],
                stream: Stream::default_of(Device::CPU),
            };
            let found = copy(&call, &permuted).unwrap();
            let expected = in_order(&permuted);
            assert_eq!(found.host_bytes().unwrap()[..expected.len()], expected);
        }
    }
}
