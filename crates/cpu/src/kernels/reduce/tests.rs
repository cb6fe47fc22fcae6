use super::{run_program_with, run_with, supports_program};
use crate::simd::Isa;
use mlx_oxide_ir::{
    ArrayType, Dtype, Instruction, Layout, Op, Reduce, ReduceKind, ReducedProgram, ScalarOp,
    ScalarProgram, Shape, Unary,
};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stream, parallel};

/// Around the sizes of lanes, blocks, pieces and parts.
fn lengths() -> Vec<usize> {
    let edges = [1023, 1024, 1025, 16_383, 16_384, 16_385, 40_000];
    (0..=129).chain(edges).collect()
}

/// Single-precision elements from place `offset` on, reduced.
fn reduced(
    kind: ReduceKind,
    values: &[f32],
    shape: &[usize],
    axes: &[usize],
    offset: usize,
    isa: Isa,
) -> Vec<f32> {
    let mut stored = vec![f32::NAN; offset];
    stored.extend_from_slice(values);
    let mut layout = Layout::contiguous(Shape::from(shape));
    layout.offset = offset;
    let operand = Operand {
        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&stored)).unwrap(),
        layout,
        dtype: Dtype::Float32,
        donatable: false,
    };
    let results = reduced_operand(kind, operand, axes, isa);
    bytemuck::pod_collect_to_vec(&results)
}

/// The bytes of the reduced operand.
fn reduced_operand(kind: ReduceKind, operand: Operand, axes: &[usize], isa: Isa) -> Vec<u8> {
    let op = Reduce {
        kind,
        axes: axes.into(),
    };
    let (mut result, dtype) = (operand.layout.shape.clone(), operand.dtype);
    for &axis in axes {
        result[axis] = 1;
    }
    let call = Call {
        op: &Op::Reduce(op.clone()),
        inputs: &[operand],
        outputs: &[ArrayType::new(result, dtype)],
        stream: Stream::default_of(Device::CPU),
    };
    let results = run_with(&op, &call, isa).unwrap();
    results[0].buffer.host_bytes().unwrap().to_vec()
}

/// Small integers, whose sums are exact, with special values at some places.
fn values(count: usize, special: bool) -> Vec<f32> {
    let mut values: Vec<f32> = (0..count).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
    if special && count > 0 {
        let numbers = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0, 0.0];
        for (number, place) in numbers.iter().zip([3, 7, 11, 5, 2]) {
            values[(place * count) / 12] = *number;
        }
    }
    values
}

fn one_by_one(kind: ReduceKind, values: impl Iterator<Item = f32>) -> f32 {
    let start = match kind {
        ReduceKind::Sum => 0.0,
        ReduceKind::Max => f32::NEG_INFINITY,
        _ => f32::INFINITY,
    };
    values.fold(start, |a, b| match kind {
        ReduceKind::Sum => a + b,
        _ if a.is_nan() || b.is_nan() => f32::NAN,
        ReduceKind::Max => a.max(b),
        _ => a.min(b),
    })
}

const KINDS: [ReduceKind; 3] = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min];

fn same(found: f32, expected: f32) -> bool {
    found == expected || (found.is_nan() && expected.is_nan())
}

#[test]
fn rows_of_every_length_fold_as_one_by_one_on_every_instruction_set() {
    for isa in Isa::ALL {
        for kind in KINDS {
            for length in lengths() {
                for special in [false, true] {
                    let offset = length % 3;
                    let values = values(length, special);
                    let found = reduced(kind, &values, &[length], &[0], offset, isa);
                    let expected = one_by_one(kind, values.iter().copied());
                    assert!(same(found[0], expected), "{isa:?} {kind:?} {length}");
                }
            }
        }
    }
}

#[test]
fn columns_of_every_length_fold_as_one_by_one_on_every_instruction_set() {
    for isa in Isa::ALL {
        for kind in KINDS {
            for (rows, columns) in [1, 2, 5, 8, 9, 16, 17, 23, 128, 129, 1500]
                .into_iter()
                .flat_map(|rows| [2, 3, 17, 64, 511, 513, 547].map(|columns| (rows, columns)))
                .chain([(20, 4097), (300, 4097)])
            {
                let values = values(rows * columns, true);
                let found = reduced(kind, &values, &[rows, columns], &[0], 1, isa);
                for column in 0..columns {
                    let expected =
                        one_by_one(kind, (0..rows).map(|row| values[row * columns + column]));
                    assert!(
                        same(found[column], expected),
                        "{isa:?} {kind:?} {rows}×{columns}"
                    );
                }
            }
        }
    }
}

#[test]
fn few_terms_of_many_results_fold_as_one_by_one_on_every_instruction_set() {
    for isa in Isa::ALL {
        for kind in KINDS {
            for terms in (1..=17).chain([31, 32, 33, 47, 48, 49]) {
                for rows in [1, 31, 32, 33, 120, 255, 256, 257, 600] {
                    let values = values(rows * terms, true);
                    let found = reduced(kind, &values, &[rows, terms], &[1], terms % 3, isa);
                    for (row, found) in values.chunks(terms).zip(&found) {
                        let expected = one_by_one(kind, row.iter().copied());
                        assert!(same(*found, expected), "{isa:?} {kind:?} {rows}×{terms}");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_have_the_same_bits_alone_and_among_others() {
    for isa in Isa::ALL {
        for kind in [ReduceKind::Sum, ReduceKind::Prod, ReduceKind::Max] {
            let long = [511, 512, 513, 1000, 4095, 4099, 16_384, 17_000, 33_000];
            for length in (1..=66).chain([100, 255]).chain(long) {
                // more than are folded together, or a few of which some are side by side
                let count = if length < 300 { 70 } else { 7 };
                let values = (0..count * length).map(|i| (i as f32).sin() + 1.1);
                let values: Vec<f32> = values.collect();
                let found = reduced(kind, &values, &[count, length], &[1], 0, isa);
                for (row, found) in values.chunks(length).zip(found) {
                    let alone = reduced(kind, row, &[length], &[0], 0, isa);
                    assert_eq!(found.to_bits(), alone[0].to_bits(), "{isa:?} {length}");
                }
            }
        }
    }
}

#[test]
fn runs_of_every_length_fold_as_one_by_one() {
    for (outer, middle, inner) in [
        (9, 3, 64),
        (17, 2, 100),
        (3, 4, 600),
        (2, 1, 70),
        (700, 2, 512),
        (5, 100, 3),
        (40, 7, 9),
        (1000, 8, 8),
        (3, 700, 10),
        (130, 20, 511),
        (6, 5, 513),
    ] {
        let values = values(outer * middle * inner, true);
        for kind in KINDS {
            for isa in Isa::ALL {
                let shape = [outer, middle, inner];
                let found = reduced(kind, &values, &shape, &[0, 2], 1, isa);
                for (number, found) in found.iter().enumerate() {
                    let rows = (0..outer).map(|row| (row * middle + number) * inner);
                    let terms = rows.flat_map(|row| values[row..row + inner].to_vec());
                    assert!(same(*found, one_by_one(kind, terms)), "{kind:?} {shape:?}");
                }
            }
        }
    }
}

#[test]
fn half_precision_has_the_bits_of_rounded_single_precision_on_every_instruction_set() {
    const SIZE: usize = 3 * 1031 * 5;
    let halves: Vec<half::f16> = (0..SIZE)
        .map(|i| half::f16::from_f32((i as f32 * 0.7).sin()))
        .collect();
    let floats: Vec<f32> = halves.iter().map(|value| value.to_f32()).collect();
    let bits: Vec<u16> = halves.iter().map(|value| value.to_bits()).collect();
    let shapes: [(&[usize], &[usize]); 4] = [
        (&[3, 1031, 5], &[0]),
        (&[3, 1031, 5], &[1]),
        (&[5, 3, 1031], &[2]),
        (&[1031, 3, 5], &[1]),
    ];
    for isa in Isa::ALL {
        for kind in [ReduceKind::Sum, ReduceKind::Prod, ReduceKind::Max] {
            for (shape, axes) in shapes {
                let operand = Operand {
                    buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&bits)).unwrap(),
                    layout: Layout::contiguous(Shape::from(shape)),
                    dtype: Dtype::Float16,
                    donatable: false,
                };
                let found = reduced_operand(kind, operand, axes, isa);
                let found: Vec<u16> = bytemuck::pod_collect_to_vec(&found);
                let expected = reduced(kind, &floats, shape, axes, 0, isa);
                let expected = expected.iter().map(|value| half::f16::from_f32(*value));
                assert!(found.into_iter().eq(expected.map(|value| value.to_bits())));
            }
        }
    }
}

#[test]
fn extremes_of_halves_are_those_of_their_values_on_every_instruction_set() {
    let special = [
        0x7e00, 0xfe01, 0x7fff, 0xffff, 0x7c00, 0xfc00, 0, 0x8000, 1, 0x8001,
    ];
    for (length, count) in [
        (1, 40),
        (2, 99),
        (3, 400),
        (5, 700),
        (8, 200),
        (9, 50),
        (70, 9),
        (600, 3),
    ] {
        for numbers in [false, true] {
            let bits = |i: usize| match i % 97 {
                place if place < special.len() && i.is_multiple_of(3) => special[place],
                _ => (i * 40_503 % 65_536) as u16,
            };
            let number = |bits: u16| match half::f16::from_bits(bits).is_nan() && numbers {
                true => bits & 0x83ff,
                false => bits,
            };
            let bits: Vec<u16> = (0..length * count).map(|i| number(bits(i))).collect();
            for (shape, axis) in [([count, length], 1), ([length, count], 0)] {
                for (kind, isa) in extremes_by_isa() {
                    let operand = Operand {
                        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&bits)).unwrap(),
                        layout: Layout::contiguous(Shape::from(&shape[..])),
                        dtype: Dtype::Float16,
                        donatable: false,
                    };
                    let found = reduced_operand(kind, operand, &[axis], isa);
                    let found: Vec<u16> = bytemuck::pod_collect_to_vec(&found);
                    for (number, found) in found.into_iter().enumerate() {
                        let place = |term| match axis {
                            1 => number * length + term,
                            _ => term * count + number,
                        };
                        let value = |bits| half::f16::from_bits(bits).to_f32();
                        let terms = (0..length).map(|term| value(bits[place(term)]));
                        let expected = one_by_one(kind, terms);
                        assert!(same(value(found), expected), "{kind:?} {shape:?} {isa:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_of_every_length_have_the_logarithm_of_the_sum_of_their_powers() {
    for length in (1..=140).chain([600, 5000]) {
        let value = |i: usize| match i / length {
            3 => f32::NEG_INFINITY,
            5 if i.is_multiple_of(7) => f32::NEG_INFINITY,
            row => 90.0 * (i as f32 * 0.7).sin() + row as f32,
        };
        let values: Vec<f32> = (0..length * 41).map(value).collect();
        for isa in Isa::ALL {
            let shape = [41, length];
            let found = reduced(ReduceKind::LogSumExp, &values, &shape, &[1], 0, isa);
            for (row, found) in values.chunks(length).zip(found) {
                let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let powers = row.iter().map(|x| f64::from(x - greatest).exp());
                let expected = greatest + powers.sum::<f64>().ln() as f32;
                let near = (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
                let none = greatest == f32::NEG_INFINITY && found == greatest;
                assert!(near || none, "{length} {isa:?}: {found} {expected}");
            }
        }
    }
}

/// Both extremes on every instruction set.
fn extremes_by_isa() -> impl Iterator<Item = (ReduceKind, Isa)> {
    let kinds = [ReduceKind::Max, ReduceKind::Min];
    kinds
        .into_iter()
        .flat_map(|kind| Isa::ALL.map(|isa| (kind, isa)))
}

#[test]
fn very_short_rows_of_integers_fold_as_one_by_one_on_every_instruction_set() {
    for length in 1..=20 {
        let values: Vec<i8> = (0..length * 1501).map(|i| (i * 37 % 251) as i8).collect();
        for (kind, isa) in extremes_by_isa() {
            let operand = Operand {
                buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&values)).unwrap(),
                layout: Layout::contiguous([1501, length]),
                dtype: Dtype::Int8,
                donatable: false,
            };
            let found = reduced_operand(kind, operand, &[1], isa);
            let found: Vec<i8> = bytemuck::pod_collect_to_vec(&found);
            let rows = values.chunks(length).map(|row| match kind {
                ReduceKind::Max => *row.iter().max().unwrap(),
                _ => *row.iter().min().unwrap(),
            });
            assert!(found.into_iter().eq(rows), "{kind:?} {length} {isa:?}");
        }
    }
}

#[test]
fn squares_and_wide_halves_have_the_bits_of_terms_that_are_made_before() {
    let shapes: [(&[usize], &[usize]); 5] = [
        (&[60, 16], &[1]),
        (&[9, 1000], &[1]),
        (&[3, 20_000], &[1]),
        (&[700, 40], &[0]),
        (&[50, 8, 6], &[0, 2]),
    ];
    let square = (ScalarOp::Unary(Unary::Square), Dtype::Float32);
    let widen = (ScalarOp::Cast, Dtype::Bfloat16);
    for ((op, dtype), (shape, axes)) in [square, widen]
        .into_iter()
        .flat_map(|step| shapes.map(|case| (step, case)))
    {
        let size: usize = shape.iter().product();
        let floats: Vec<f32> = (0..size).map(|i| (i as f32 * 0.7).sin()).collect();
        let halves: Vec<half::bf16> = floats.iter().map(|x| half::bf16::from_f32(*x)).collect();
        let (bytes, terms): (Vec<u8>, Vec<f32>) = match op {
            ScalarOp::Cast => (
                bytemuck::pod_collect_to_vec(&halves),
                halves.iter().map(|x| x.to_f32()).collect(),
            ),
            _ => (
                bytemuck::pod_collect_to_vec(&floats),
                floats.iter().map(|x| x * x).collect(),
            ),
        };
        let operand = Operand {
            buffer: Buffer::from_bytes("test", &bytes).unwrap(),
            layout: Layout::contiguous(Shape::from(shape)),
            dtype,
            donatable: false,
        };
        for isa in Isa::ALL {
            let step = (op, Dtype::Float32);
            let found = reduced_step(ReduceKind::Sum, step, &operand, axes, isa);
            let expected = reduced(ReduceKind::Sum, &terms, shape, axes, 0, isa);
            assert_eq!(
                found,
                bytemuck::cast_slice::<f32, u8>(&expected),
                "{op:?} {shape:?}"
            );
        }
    }
}

/// The bytes of a reduction of the operand's negative that is made as it is folded.
fn reduced_negative(kind: ReduceKind, operand: &Operand, axes: &[usize], isa: Isa) -> Vec<u8> {
    let step = (ScalarOp::Unary(Unary::Negative), operand.dtype);
    reduced_step(kind, step, operand, axes, isa)
}

/// The bytes of a reduction of what a step to a dtype makes of the operand as it is folded.
fn reduced_step(
    kind: ReduceKind,
    (op, dtype): (ScalarOp, Dtype),
    operand: &Operand,
    axes: &[usize],
    isa: Isa,
) -> Vec<u8> {
    let shape = &operand.layout.shape;
    let step = Instruction {
        op,
        operands: [0].into_iter().collect(),
        dtype,
    };
    let op = ReducedProgram {
        program: ScalarProgram {
            inputs: vec![operand.dtype],
            instructions: vec![step],
            outputs: vec![],
        },
        value: 1,
        reduce: Reduce {
            kind,
            axes: axes.into(),
        },
    };
    let mut result = shape.clone();
    for &axis in axes {
        result[axis] = 1;
    }
    let input = ArrayType::new(shape.clone(), operand.dtype);
    assert!(supports_program(&op, &[&input]), "{shape:?} {axes:?}");
    let call = Call {
        op: &Op::Reduce(op.reduce.clone()),
        inputs: std::slice::from_ref(operand),
        outputs: &[ArrayType::new(result, dtype)],
        stream: Stream::default_of(Device::CPU),
    };
    let results = run_program_with(&op, &call, isa).unwrap();
    results[0].buffer.host_bytes().unwrap().to_vec()
}

#[test]
fn joined_reductions_have_the_bits_of_single_ones() {
    let cases: [(&[usize], &[usize]); 20] = [
        (&[1000, 7], &[1]),
        (&[70, 512], &[1]),
        (&[9, 513], &[1]),
        (&[100, 33], &[1]),
        (&[40, 700], &[1]),
        (&[300_000], &[0]),
        (&[4, 5000], &[0]),
        (&[8, 5000], &[0]),
        (&[23, 96], &[0]),
        (&[1500, 40], &[0]),
        (&[9, 64, 72], &[1]),
        (&[9, 31, 72], &[1]),
        (&[700, 3, 5], &[1]),
        (&[70, 128, 9], &[1]),
        (&[9, 4, 7, 2, 40], &[1, 3]),
        (&[20, 3, 100], &[0, 2]),
        (&[600, 2, 512], &[0, 2]),
        (&[2, 5, 3, 700], &[1, 3]),
        (&[3, 900, 8, 6], &[1, 3]),
        (&[40, 700, 10], &[0, 2]),
    ];
    for (shape, axes) in cases {
        let count = shape.iter().product();
        let values = (0..count).map(|i| (i as f32 * 0.7).sin());
        let floats: Vec<f32> = values.collect();
        let negatives: Vec<f32> = floats.iter().map(|value| -value).collect();
        for dtype in [Dtype::Float32, Dtype::Float16] {
            let operand = |values: &[f32]| {
                let halves = values.iter().map(|x| half::f16::from_f32(*x).to_bits());
                let bytes = match dtype {
                    Dtype::Float16 => bytemuck::pod_collect_to_vec(&halves.collect::<Vec<u16>>()),
                    _ => bytemuck::pod_collect_to_vec(values),
                };
                Operand {
                    buffer: Buffer::from_bytes("test", &bytes).unwrap(),
                    layout: Layout::contiguous(Shape::from(shape)),
                    dtype,
                    donatable: false,
                }
            };
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                for kind in [ReduceKind::Sum, ReduceKind::Max] {
                    let found = reduced_negative(kind, &operand(&floats), axes, isa);
                    let expected = reduced_operand(kind, operand(&negatives), axes, isa);
                    assert!(
                        found == expected,
                        "{isa:?} {kind:?} {dtype:?} {shape:?} {axes:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn windows_of_every_size_fold_as_one_by_one_on_every_instruction_set() {
    for (height, width) in [(2, 2), (3, 1), (1, 3), (2, 5), (9, 9), (16, 9)] {
        for channels in [1, 3, 8, 15, 16, 17, 64, 100, 512, 513] {
            let shape = [3, height, 4, width, channels];
            let values = values(shape.iter().product(), true);
            for (isa, kind) in Isa::ALL
                .into_iter()
                .flat_map(|isa| KINDS.map(|kind| (isa, kind)))
            {
                let found = reduced(kind, &values, &shape, &[1, 3], 2, isa);
                for (number, found) in found.iter().enumerate() {
                    let (row, rest) = (number / (4 * channels), number % (4 * channels));
                    let (column, channel) = (rest / channels, rest % channels);
                    let terms = (0..height * width).map(|term| {
                        let (y, x) = (row * height + term / width, column * width + term % width);
                        values[(y * 4 * width + x) * channels + channel]
                    });
                    let expected = one_by_one(kind, terms);
                    assert!(same(*found, expected), "{kind:?} {shape:?} {number}");
                }
            }
        }
    }
}

#[test]
fn overlapping_windows_fold_as_one_by_one_whatever_the_order_of_axes() {
    let (images, height, width) = (2, 9, 11);
    for channels in [1, 3, 8, 17, 40, 300] {
        let values = values(images * height * width * channels, true);
        let line = width * channels;
        // of 3 × 3 places, two apart: images, windows down and across, inside, channels
        let layout = Layout {
            shape: [images, 4, 5, 3, 3, channels].into(),
            strides: [height * line, 2 * line, 2 * channels, line, channels, 1]
                .map(|stride| stride as isize)
                .into_iter()
                .collect(),
            offset: 0,
        };
        let orders = [[0, 1, 2, 3, 4, 5], [0, 5, 3, 4, 1, 2], [5, 2, 1, 0, 4, 3]];
        for (isa, order) in Isa::ALL
            .into_iter()
            .flat_map(|isa| orders.map(|it| (isa, it)))
        {
            let layout = layout.permute(&order);
            let inside = |axis: &usize| matches!(order[*axis], 3 | 4);
            let axes: Vec<usize> = (0..6).filter(inside).collect();
            let mut corners = layout.clone();
            axes.iter().for_each(|axis| corners.shape[*axis] = 1);
            for kind in KINDS {
                let operand = Operand {
                    buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&values)).unwrap(),
                    layout: layout.clone(),
                    dtype: Dtype::Float32,
                    donatable: false,
                };
                let found = reduced_operand(kind, operand, &axes, isa);
                let found: Vec<f32> = bytemuck::pod_collect_to_vec(&found);
                for (found, corner) in found.iter().zip(corners.places()) {
                    let terms = (0..9).map(|term| corner + term / 3 * line + term % 3 * channels);
                    let expected = one_by_one(kind, terms.map(|place| values[place]));
                    assert!(
                        same(*found, expected),
                        "{isa:?} {kind:?} {order:?} {corner}"
                    );
                }
            }
        }
    }
}

/// Of sixteen additions in turn, each wrong by half an epsilon; those in pairs add little. A million
/// in turn would be wrong by a thousandth.
const ERROR: f64 = 16.0 * f32::EPSILON as f64 / 2.0;

#[test]
fn the_error_of_a_sum_hardly_grows_with_its_terms() {
    let count = 1 << 20;
    let expected = f64::from(0.1f32) * count as f64;
    let shapes: [(&[usize], &[usize]); 3] = [
        (&[1 << 20], &[0]),
        (&[1 << 18, 4], &[0, 1]),
        (&[1 << 10, 2, 1 << 9], &[0, 2]),
    ];
    for (shape, axes) in shapes {
        let found = reduced(
            ReduceKind::Sum,
            &vec![0.1; count],
            shape,
            axes,
            0,
            Isa::best(),
        );
        let total: f64 = found.iter().map(|part| f64::from(*part)).sum();
        assert!(
            (total - expected).abs() < ERROR * expected,
            "{total} {expected}"
        );
    }
    let columns = reduced(
        ReduceKind::Sum,
        &vec![0.1; count],
        &[1 << 18, 4],
        &[0],
        0,
        Isa::best(),
    );
    for column in columns {
        assert!((f64::from(column) - expected / 4.0).abs() < ERROR * expected / 4.0);
    }
}

#[test]
fn sums_are_the_same_on_any_number_of_threads() {
    let values: Vec<f32> = (0..1 << 20).map(|i| (i as f32 * 0.7).sin()).collect();
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[1 << 20], &[0]),
        (&[1 << 10, 1 << 10], &[0]),
        (&[1 << 10, 1 << 10], &[1]),
        (&[1 << 18, 4], &[0]),
        (&[64, 128, 128], &[0, 2]),
        (&[1 << 17, 8], &[1]),
        (&[1 << 5, 3, 1 << 5, 3, 1 << 5], &[1, 3]),
    ];
    for (shape, axes) in shapes {
        let on = |threads| {
            parallel::set_threads(threads);
            reduced(ReduceKind::Sum, &values, shape, axes, 0, Isa::best())
        };
        assert_eq!(on(1), on(2), "{shape:?}");
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let values: Vec<f32> = (0..100_003).map(|i| (i as f32 * 0.7).sin()).collect();
    for kind in [ReduceKind::Sum, ReduceKind::LogSumExp] {
        let on = |isa| reduced(kind, &values, &[values.len()], &[0], 0, isa);
        assert_eq!(on(Isa::Baseline), on(Isa::Avx2));
        assert_eq!(on(Isa::Baseline), on(Isa::Avx512));
    }
}

#[test]
fn a_row_is_folded_alike_however_many_there_are() {
    for [rows, terms, columns] in [
        [6, 19, 40],
        [5, 4, 7],
        [3, 100, 60],
        [4, 130, 33],
        [7, 9, 600],
    ] {
        let values: Vec<f32> = (0..rows * terms * columns)
            .map(|i| (i as f32 * 0.7).sin())
            .collect();
        let sums = |values: &[f32], rows| {
            let shape = [rows, terms, columns];
            reduced(ReduceKind::Sum, values, &shape, &[1], 0, Isa::best())
        };
        let each = values.chunks(terms * columns).flat_map(|row| sums(row, 1));
        let each: Vec<f32> = each.collect();
        assert_eq!(sums(&values, rows), each, "{rows} {terms} {columns}");
    }
}
