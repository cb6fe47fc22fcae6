use super::{layer_norm, norm_gradient, rms_norm, softmax};
use crate::simd::{Isa, stream};
use mlx_oxide_ir::{ArrayType, Dtype, Fast, Layout, Op, Result};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Results, Stream};

fn operand(values: &[f32]) -> Operand {
    Operand {
        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
        layout: Layout::contiguous([values.len()]),
        dtype: Dtype::Float32,
        donatable: false,
    }
}

fn run(inputs: &[&[f32]], kernel: impl Fn(&Call<'_>) -> Result<Results>) -> Vec<f32> {
    let inputs: Vec<Operand> = inputs.iter().map(|values| operand(values)).collect();
    let call = Call {
        op: &Op::Fast(Fast::Softmax { precise: true }),
        inputs: &inputs,
        outputs: &[ArrayType::new(
            inputs[0].layout.shape.clone(),
            Dtype::Float32,
        )],
        stream: Stream::default_of(Device::CPU),
    };
    bytemuck::pod_collect_to_vec(kernel(&call).unwrap()[0].buffer.host_bytes().unwrap())
}

fn near(found: &[f32], expected: impl Iterator<Item = f64>) -> bool {
    let pairs = found.iter().zip(expected);
    pairs.into_iter().all(|(found, expected)| {
        let difference = (f64::from(*found) - expected).abs();
        difference <= 1e-6 * (1.0 + expected.abs()) || (found.is_nan() && expected.is_nan())
    })
}

const LAST: usize = 129;

#[test]
fn softmax_of_rows_of_every_length_agrees_with_the_formula() {
    for isa in Isa::ALL {
        for length in 0..=LAST {
            for special in [
                None,
                Some(f32::NEG_INFINITY),
                Some(f32::NAN),
                Some(f32::INFINITY),
            ] {
                let mut row: Vec<f32> = (0..length).map(|i| (i as f32 * 1.7).sin() * 9.0).collect();
                if let (Some(number), true) = (special, length > 0) {
                    row[length / 2] = number;
                }
                let found = run(&[&row], |call| softmax::of::<f32>(call, isa));
                let greatest = row.iter().fold(f64::NEG_INFINITY, |a, b| {
                    if a.is_nan() || b.is_nan() {
                        f64::NAN
                    } else {
                        a.max(f64::from(*b))
                    }
                });
                let power = |x: &f32| (f64::from(*x) - greatest).exp();
                let sum: f64 = row.iter().map(power).sum();
                let expected = row.iter().map(|x| power(x) / sum);
                assert!(near(&found, expected), "{isa:?} {length} {special:?}");
            }
        }
    }
}

#[test]
fn norms_of_rows_of_every_length_agree_with_the_formulas() {
    for isa in Isa::ALL {
        // and such as fill chunks, blocks and pieces of sums
        for length in (1..=LAST).chain([191, 192, 1023, 1024, 1089, 16_384, 16_500, 40_000]) {
            let row: Vec<f32> = (0..length).map(|i| (i as f32 * 1.7).sin() + 0.3).collect();
            let weight: Vec<f32> = (0..length).map(|i| 0.5 + (i % 3) as f32).collect();
            let bias: Vec<f32> = (0..length).map(|i| (i % 5) as f32).collect();
            let wide: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let mean_of =
                |f: &dyn Fn(f64) -> f64| wide.iter().map(|x| f(*x)).sum::<f64>() / length as f64;
            let eps = 1e-5;
            let found = run(&[&row, &weight], |call| rms_norm::of::<f32>(call, eps, isa));
            let scale = 1.0 / (mean_of(&|x| x * x) + eps).sqrt();
            let expected = |place: usize| wide[place] * scale * f64::from(weight[place]);
            assert!(near(&found, (0..length).map(expected)), "{isa:?} {length}");
            let found = run(&[&row, &weight, &bias], |call| {
                layer_norm::of::<f32>(call, eps, isa)
            });
            let mean = mean_of(&|x| x);
            let scale = 1.0 / (mean_of(&|x| (x - mean) * (x - mean)) + eps).sqrt();
            let expected = |place: usize| {
                (wide[place] - mean) * scale * f64::from(weight[place]) + f64::from(bias[place])
            };
            assert!(near(&found, (0..length).map(expected)), "{isa:?} {length}");
        }
    }
}

/// Both norms of `count` rows with the start of a weight, which is the bias too.
fn norms(rows: &[f32], weight: &[f32], count: usize, dtype: Dtype, isa: Isa) -> [Vec<u8>; 2] {
    let stored = |values: &[f32]| match dtype {
        Dtype::Bfloat16 => {
            let halves: Vec<half::bf16> = values.iter().map(|x| half::bf16::from_f32(*x)).collect();
            Buffer::from_bytes("test", bytemuck::cast_slice(&halves)).unwrap()
        }
        _ => Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
    };
    let operand = |values: &[f32], count: usize| Operand {
        buffer: stored(values),
        layout: match count {
            0 => Layout::contiguous([values.len()]),
            _ => Layout::contiguous([count, values.len() / count]),
        },
        dtype,
        donatable: false,
    };
    let weight = &weight[..rows.len() / count];
    let inputs = [operand(rows, count), operand(weight, 0), operand(weight, 0)];
    let call = Call {
        op: &Op::Fast(Fast::Softmax { precise: true }),
        inputs: &inputs,
        outputs: &[inputs[0].array_type()],
        stream: Stream::default_of(Device::CPU),
    };
    let results = [
        rms_norm::of::<f32>(&call, 1e-5, isa).unwrap(),
        layer_norm::of::<f32>(&call, 1e-5, isa).unwrap(),
    ];
    results.map(|results| results[0].buffer.host_bytes().unwrap().to_vec())
}

#[test]
fn norms_of_rows_together_are_those_of_each_alone() {
    let lengths = [1, 7, 16, 127, 128, 129, 191, 300, 1024, 1089, 3100, 20_000];
    let wave = |i: usize| (i as f32 * 1.7).sin() * 3.0 + 0.5;
    let weight: Vec<f32> = (0..20_000).map(|i| 0.5 + (i % 3) as f32).collect();
    for (isa, dtype) in Isa::ALL
        .map(|isa| [(isa, Dtype::Float32), (isa, Dtype::Bfloat16)])
        .concat()
    {
        for (length, count) in lengths
            .into_iter()
            .flat_map(|length| [(length, 2), (length, 19)])
        {
            let rows: Vec<f32> = (0..length * count).map(wave).collect();
            let together = norms(&rows, &weight, count, dtype, isa);
            let alone = rows
                .chunks(length)
                .map(|row| norms(row, &weight, 1, dtype, isa));
            let mut expected = [Vec::new(), Vec::new()];
            for norms in alone {
                for (expected, norm) in expected.iter_mut().zip(norms) {
                    expected.extend(norm);
                }
            }
            assert_eq!(together, expected, "{isa:?} {dtype:?} {count} of {length}");
        }
    }
}

#[test]
fn a_row_of_equal_elements_has_no_deviations() {
    let row = [1.1f32; 7];
    let found = run(&[&row, &[3.0; 7], &[0.5; 7]], |call| {
        layer_norm::of::<f32>(call, 1e-12, Isa::best())
    });
    assert_eq!(found, [0.5; 7]);
}

#[test]
fn rows_that_pass_by_the_caches_are_the_same() {
    let row: Vec<f32> = (0..5000).map(|i| (i as f32 * 1.7).sin() * 4.0).collect();
    let weight: Vec<f32> = (0..5000).map(|i| 0.5 + (i % 3) as f32).collect();
    let all = |length: usize| {
        let (row, weight) = (&row[..length], &weight[..length]);
        let isa = Isa::best();
        [
            run(&[row], |call| softmax::of::<f32>(call, isa)),
            run(&[row, weight], |call| rms_norm::of::<f32>(call, 1e-5, isa)),
            run(&[row, weight, row], |call| {
                layer_norm::of::<f32>(call, 1e-5, isa)
            }),
        ]
    };
    let lengths = [255, 256, 257, 1031, 2048, 2049, 5000];
    let kept: Vec<_> = lengths.iter().map(|&length| all(length)).collect();
    stream::always();
    for (&length, kept) in lengths.iter().zip(kept) {
        assert_eq!(all(length), kept, "{length}");
    }
}

#[test]
fn variances_of_long_and_offset_rows_are_exact_to_single_precision() {
    for (length, offset, beginning) in [
        (100, 1e4f32, 0.0),
        (20_000, 1e3, 0.0),
        (300_000, 100.0, 0.0),
        // a beginning that says nothing about the rest
        (300, 1e3, -50.0),
        (4096, 0.0, 100.0),
        (20_000, 0.0, 1e4),
    ] {
        let row: Vec<f32> = (0..length)
            .map(|i| {
                // and where a sample may be taken
                let is_sampled = i < 64 || i % (length / 8) == 0;
                let place = if is_sampled { beginning } else { 0.0 };
                place + offset + ((i * 7919) % 1009) as f32 / 1009.0
            })
            .collect();
        let (ones, zeros) = (vec![1.0; length], vec![0.0; length]);
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / length as f64;
        let square = |x: &f32| (f64::from(*x) - mean).powi(2);
        let variance = row.iter().map(square).sum::<f64>() / length as f64;
        for isa in Isa::ALL {
            let found = run(&[&row, &ones, &zeros], |call| {
                layer_norm::of::<f32>(call, 0.0, isa)
            });
            let expected = row.iter().map(|x| (f64::from(*x) - mean) / variance.sqrt());
            assert!(near(&found, expected), "{isa:?} {length} {beginning}");
        }
    }
}

/// The gradients of a norm by the formulas, in double precision.
fn gradients([rows, weight, cotangents]: [&[f32]; 3], centred: bool, eps: f64) -> [Vec<f64>; 3] {
    let length = weight.len();
    let mut outputs = [Vec::new(), vec![0.0; length], vec![0.0; length]];
    for (row, cotangents) in rows.chunks(length).zip(cotangents.chunks(length)) {
        let mean_of = |f: &dyn Fn(usize) -> f64| (0..length).map(f).sum::<f64>() / length as f64;
        let mean = if centred {
            mean_of(&|i| row[i].into())
        } else {
            0.0
        };
        let deviation = |i: usize| f64::from(row[i]) - mean;
        let scale = 1.0 / (mean_of(&|i| deviation(i).powi(2)) + eps).sqrt();
        let direction = |i: usize| f64::from(cotangents[i]) * f64::from(weight[i]);
        let level = if centred { mean_of(&direction) } else { 0.0 };
        let along = mean_of(&|i| direction(i) * deviation(i) * scale);
        for i in 0..length {
            let normal = deviation(i) * scale;
            outputs[0].push(scale * (direction(i) - level - normal * along));
            outputs[1][i] += f64::from(cotangents[i]) * normal;
            outputs[2][i] += f64::from(cotangents[i]);
        }
    }
    outputs
}

#[test]
fn gradients_of_norms_of_rows_of_every_length_agree_with_the_formulas() {
    for isa in Isa::ALL {
        for length in (1..=LAST).chain([4099]) {
            // the last length makes sums of several pieces, the shorter ones of several groups
            let count = if length % 16 == 1 { 300 } else { 3 };
            let wave = |scale: f32, size: usize| -> Vec<f32> {
                (0..size).map(|i| (i as f32 * scale).sin() + 0.3).collect()
            };
            let (rows, weight) = (wave(1.7, count * length), wave(0.9, length));
            let cotangents = wave(2.3, count * length);
            for centred in [false, true] {
                let op = Op::Fast(Fast::NormGradient {
                    eps: 1e-5.into(),
                    centred,
                });
                let mut inputs = [&rows, &weight, &cotangents].map(|values| operand(values));
                inputs[0].layout = Layout::contiguous([count, length]);
                inputs[2].layout = Layout::contiguous([count, length]);
                let outputs = [&inputs[0], &inputs[1], &inputs[1]].map(Operand::array_type);
                let call = Call {
                    op: &op,
                    inputs: &inputs,
                    outputs: &outputs[..2 + usize::from(centred)],
                    stream: Stream::default_of(Device::CPU),
                };
                let found = norm_gradient::of::<f32>(&call, 1e-5, centred, isa).unwrap();
                let expected = gradients([&rows, &weight, &cotangents], centred, 1e-5);
                for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let bytes = found.buffer.host_bytes().unwrap();
                    let found: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
                    // terms of a sum are up to 3
                    let slack = if number == 0 {
                        1e-5
                    } else {
                        1e-6 * count as f64
                    };
                    for (found, expected) in found.iter().zip(expected) {
                        let difference = (f64::from(*found) - expected).abs();
                        assert!(
                            difference <= slack * (1.0 + expected.abs()),
                            "{isa:?} {length} {centred} output {number}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}
