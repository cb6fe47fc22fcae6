//! Packed matrices and numbers of eight bits.

use super::{FLOATING, between, exactly, indices};
use crate::sample::{InputSpec, Sample, Values};
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Dtype, Op, Packing, QuantizationMode, Quantized};

const DTYPES: [Dtype; 3] = [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16];

pub(super) fn samples() -> Vec<Sample> {
    let packed = DTYPES.iter().flat_map(|&dtype| {
        packings().into_iter().flat_map(move |packing| {
            [
                rounded(packing, dtype),
                unpacked(packing, dtype),
                products(packing, dtype),
                gathered(packing, dtype),
            ]
            .concat()
        })
    });
    packed.chain(eight_bits()).collect()
}

/// Every number of bits, every group size, every mode.
fn packings() -> Vec<Packing> {
    let affine = |(bits, group_size)| Packing {
        mode: QuantizationMode::Affine,
        bits,
        group_size,
    };
    let floats = [
        (QuantizationMode::Mxfp4, 4, 32),
        (QuantizationMode::Mxfp8, 8, 32),
        (QuantizationMode::Nvfp4, 4, 16),
    ];
    let floats = floats.map(|(mode, bits, group_size)| Packing {
        mode,
        bits,
        group_size,
    });
    let sizes = [
        (1, 64),
        (2, 32),
        (3, 128),
        (4, 64),
        (4, 32),
        (5, 32),
        (6, 64),
        (8, 128),
    ];
    sizes.into_iter().map(affine).chain(floats).collect()
}

fn label(packing: &Packing, rest: &str) -> String {
    let (name, bits, size) = (packing.mode.name(), packing.bits, packing.group_size);
    format!("{name} of {bits} bits by {size} {rest}")
}

fn rounded(packing: Packing, dtype: Dtype) -> Vec<Sample> {
    let global = packing.mode == QuantizationMode::Nvfp4;
    let with = |global: bool, rest: &str, input: InputSpec| {
        let mut inputs = vec![input];
        if global {
            inputs.push(exactly([1], Dtype::Float32, &[3.0]));
        }
        let quantize = Op::Quantized(Quantized::Quantize { packing, global });
        let requantize = Op::Quantized(Quantized::Requantize { packing, global });
        [
            Sample::new(&label(&packing, rest), quantize, inputs.clone()),
            Sample::new(
                &label(&packing, &format!("moved {rest}")),
                requantize,
                inputs,
            ),
        ]
    };
    let size = packing.group_size;
    let sized = |shape: &[usize], low, high| between(shape, dtype, low, high);
    let mut samples = [
        with(false, "of both signs", sized(&[3, 2 * size], -1.0, 1.0)),
        with(false, "positive", sized(&[2, 2, size], 0.5, 2.0)),
        with(false, "negative", sized(&[1, size], -300.0, -1.0)),
        with(false, "zero", exactly([2, size], dtype, &[0.0])),
        with(false, "constant", exactly([2, size], dtype, &[-1.7])),
        with(false, "small", sized(&[2, size], -1e-6, 1e-6)),
        with(false, "none", sized(&[0, size], 0.0, 1.0)),
    ]
    .concat();
    if global {
        samples.extend(with(
            true,
            "with a global scale",
            sized(&[3, 2 * size], -3.0, 3.0),
        ));
    }
    samples
}

/// The inputs that are a packed matrix of this shape.
fn parts(packing: &Packing, shape: &[usize], dtype: Dtype) -> Vec<InputSpec> {
    let last = shape.len() - 1;
    let with_last = |size: usize| [&shape[..last], &[size]].concat();
    let words = with_last(packing.words(shape[last]));
    let groups = with_last(shape[last] / packing.group_size);
    let mut parts = vec![between(words, Dtype::Uint32, 0.0, f64::from(u32::MAX))];
    match packing.mode {
        QuantizationMode::Affine => {
            let step = 1.0 / (1u32 << packing.bits) as f64;
            parts.push(between(groups.clone(), dtype, step, 2.0 * step));
            parts.push(between(groups, dtype, -1.0, 0.0));
        }
        QuantizationMode::Mxfp4 | QuantizationMode::Mxfp8 => {
            parts.push(between(groups, Dtype::Uint8, 122.0, 129.0));
        }
        QuantizationMode::Nvfp4 => parts.push(between(groups, Dtype::Uint8, 30.0, 60.0)),
    }
    if packing.mode == QuantizationMode::Mxfp8 {
        // words without the bits of NaN
        let words = parts[0].shape.clone();
        let numbers = [
            0x1234_5678u32,
            0x8090_a0b0,
            0x4444_3c30,
            0xfe7e_0180,
            0x0a0b_0c8d,
        ];
        parts[0] = InputSpec::new(
            words,
            Dtype::Uint32,
            Values::Exactly(numbers.map(f64::from).to_vec()),
        );
    }
    parts
}

fn unpacked(packing: Packing, dtype: Dtype) -> Vec<Sample> {
    let size = packing.group_size;
    let of = |shape: &[usize], global: bool| {
        let mut inputs = parts(&packing, shape, dtype);
        if global {
            inputs.push(exactly([1], Dtype::Float32, &[5.0]));
        }
        let op = Quantized::Dequantize {
            packing,
            dtype,
            global,
        };
        let label = label(&packing, &format!("to {dtype} {shape:?} {global}"));
        Sample::new(&label, Op::Quantized(op), inputs)
    };
    let mut samples = vec![
        of(&[3, 2 * size], false).differentiable(),
        of(&[2, 2, size], false),
        of(&[0, size], false),
    ];
    if packing.mode == QuantizationMode::Nvfp4 {
        samples.push(of(&[3, 2 * size], true));
    }
    samples
}

/// The greatest modulus of the numbers that `parts` makes.
fn reach(packing: &Packing) -> f64 {
    match packing.mode {
        QuantizationMode::Affine => 2.0,
        QuantizationMode::Mxfp4 => 6.0 * 4.0,
        QuantizationMode::Mxfp8 => 448.0 * 4.0,
        QuantizationMode::Nvfp4 => 6.0 * 12.0,
    }
}

/// Leading sizes, rows of x, and the packed matrix in groups: rows, groups of a row.
const SIZES: [(&[usize], usize, usize, usize); 6] = [
    (&[], 1, 5, 2),
    (&[], 3, 4, 1),
    (&[], 1, 67, 3),
    (&[2], 2, 3, 1),
    (&[], 19, 33, 2),
    (&[], 0, 3, 1),
];

fn products(packing: Packing, dtype: Dtype) -> Vec<Sample> {
    let of = |transpose: bool, (leading, m, rows, groups): (&[usize], usize, usize, usize)| {
        let columns = groups * packing.group_size;
        let inner = if transpose { columns } else { rows };
        let x = between([leading, &[m, inner]].concat(), dtype, -1.0, 1.0);
        let mut inputs = vec![x];
        inputs.extend(parts(
            &packing,
            &[leading, &[rows, columns]].concat(),
            dtype,
        ));
        let op = Quantized::Matmul { packing, transpose };
        let way = if transpose { "transposed" } else { "straight" };
        let label = label(
            &packing,
            &format!("{leading:?} {m} by {rows}×{columns} {way}"),
        );
        let sample = Sample::new(&label, Op::Quantized(op), inputs).within(Tolerance::sum(
            dtype,
            inner + 2,
            reach(&packing),
        ));
        if m * rows * groups <= 12 && packing.has_biases() {
            sample.differentiable()
        } else {
            sample
        }
    };
    SIZES
        .iter()
        .flat_map(|&sizes| [of(true, sizes), of(false, sizes)])
        .collect()
}

fn gathered(packing: Packing, dtype: Dtype) -> Vec<Sample> {
    let of = |transpose: bool, sorted: bool, which: &[usize], m: usize| {
        let (rows, columns) = (5, packing.group_size);
        let inner = if transpose { columns } else { rows };
        let mut inputs = vec![between([3, m, inner], dtype, -1.0, 1.0)];
        inputs.extend(parts(&packing, &[4, rows, columns], dtype));
        inputs.push(indices(which, Dtype::Uint32, 3));
        inputs.push(if sorted {
            exactly(which, Dtype::Uint32, &[0.0, 1.0, 1.0, 3.0, 3.0, 3.0])
        } else {
            indices(which, Dtype::Uint32, 4)
        });
        let op = Quantized::GatherMatmul {
            packing,
            transpose,
            sorted,
        };
        let way = if transpose { "transposed" } else { "straight" };
        let label = label(&packing, &format!("{which:?} of {m} {way} {sorted}"));
        let sample = Sample::new(&label, Op::Quantized(op), inputs).within(Tolerance::sum(
            dtype,
            inner + 2,
            reach(&packing),
        ));
        if m == 1 && packing.has_biases() {
            sample.differentiable()
        } else {
            sample
        }
    };
    vec![
        of(true, false, &[6], 1),
        of(false, false, &[2, 2], 3),
        of(true, true, &[6], 18),
        of(true, false, &[0], 1),
    ]
}

fn eight_bits() -> Vec<Sample> {
    let edges = |dtype| InputSpec::new([700], dtype, Values::Edges(-500.0, 500.0));
    let small = |dtype| between([300], dtype, -0.05, 0.05);
    let all: Vec<f64> = (0..256).map(f64::from).collect();
    FLOATING
        .iter()
        .flat_map(|&dtype| {
            let op = Op::Quantized(Quantized::ToFp8);
            let back = Op::Quantized(Quantized::FromFp8 { dtype });
            let bits = exactly([2, 256], Dtype::Uint8, &all);
            [
                Sample::new("edges", op.clone(), vec![edges(dtype)]),
                Sample::new("small", op, vec![small(dtype)]),
                Sample::new(&format!("as {dtype}"), back, vec![bits]),
            ]
        })
        .collect()
}
