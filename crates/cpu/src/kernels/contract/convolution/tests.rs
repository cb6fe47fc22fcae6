//! Convolutions of every way and instruction set against the sums of their definition.

mod brain;
mod gaps;
mod products;

use super::kernel::Number;
use super::{complex, real};
use crate::gemm::Scalar;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Contract, Convolution, Dtype, Layout, Op, Shape, infer};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stream, parallel};
use num_complex::Complex32;

/// Which axis lies innermost in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    /// The last.
    Rows,
    /// The first, as in gradients of weights.
    BatchLast,
    /// The last, backwards, with every other element left out.
    Spread,
}

/// Sizes and parameters of a convolution.
#[derive(Clone, Debug)]
struct Case {
    input: Vec<usize>,
    weight: Vec<usize>,
    parameters: Convolution,
}

impl Case {
    fn new(input: &[usize], weight: &[usize]) -> Self {
        let spatial = input.len() - 2;
        let each = |value: usize| std::iter::repeat_n(value, spatial).collect();
        let none = || std::iter::repeat_n(0, spatial).collect();
        Case {
            input: input.to_vec(),
            weight: weight.to_vec(),
            parameters: Convolution {
                stride: each(1),
                padding_low: none(),
                padding_high: none(),
                kernel_dilation: each(1),
                input_dilation: each(1),
                groups: input[spatial + 1] / weight[spatial + 1].max(1),
                flip: false,
            },
        }
    }

    fn padded(mut self, low: isize, high: isize) -> Self {
        self.parameters.padding_low.fill(low);
        self.parameters.padding_high.fill(high);
        self
    }

    fn strided(mut self, stride: usize) -> Self {
        self.parameters.stride.fill(stride);
        self
    }

    fn dilated(mut self, kernel: usize, input: usize) -> Self {
        self.parameters.kernel_dilation.fill(kernel);
        self.parameters.input_dilation.fill(input);
        self
    }

    fn flipped(mut self) -> Self {
        self.parameters.flip = true;
        self
    }
}

/// An operand of small integers, and its elements in row-major order.
fn operand<T: bytemuck::Pod>(
    shape: &[usize],
    order: Order,
    dtype: Dtype,
    value: impl Fn(usize) -> T,
) -> (Operand, Vec<T>) {
    let size: usize = shape.iter().product();
    let spread = if order == Order::Spread { 2 } else { 1 };
    let memory: Vec<T> = (0..size * spread + 1).map(value).collect();
    let axes = shape.len();
    let layout = match order {
        Order::Rows => Layout::contiguous(shape),
        Order::BatchLast => {
            let mut rotated = shape[1..].to_vec();
            rotated.push(shape[0]);
            let places: Vec<usize> = std::iter::once(axes - 1).chain(0..axes - 1).collect();
            Layout::contiguous(&rotated[..]).permute(&places)
        }
        Order::Spread => {
            let mut layout = Layout::contiguous(shape);
            layout.strides.iter_mut().for_each(|stride| *stride *= 2);
            let last = layout.strides.len() - 1;
            layout.offset = 2 * shape[last].saturating_sub(1);
            layout.strides[last] *= -1;
            layout
        }
    };
    let elements = layout.places().map(|place| memory[place]).collect();
    let operand = Operand {
        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&memory)).unwrap(),
        layout,
        dtype,
        donatable: false,
    };
    (operand, elements)
}

fn integer(index: usize, seed: usize) -> i64 {
    ((index * 7 + index / 5 * 3 + seed) % 7) as i64 - 3
}

fn position(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for (place, size) in position.iter_mut().zip(shape).rev() {
        (*place, index) = (index % size, index / size);
    }
    position
}

fn place(position: &[usize], shape: &[usize]) -> usize {
    let pairs = position.iter().zip(shape);
    pairs.fold(0, |place, (position, size)| place * size + position)
}

/// The pairs of input and weight places whose products are a result.
fn pairs(case: &Case, output: &[usize], index: usize) -> Vec<(usize, usize)> {
    let at = position(index, output);
    let spatial = output.len() - 2;
    let parameters = &case.parameters;
    let channels = case.weight[spatial + 1];
    let group = at[spatial + 1] / (case.weight[0] / parameters.groups);
    let kernel = &case.weight[1..=spatial];
    let mut found = Vec::new();
    for tap in 0..kernel.iter().product() {
        let tap = position(tap, kernel);
        let mut from = vec![at[0]];
        let mut by = vec![at[spatial + 1]];
        for axis in 0..spatial {
            let padded = at[axis + 1] * parameters.stride[axis]
                + tap[axis] * parameters.kernel_dilation[axis];
            let spread = padded as isize - parameters.padding_low[axis];
            let gap = parameters.input_dilation[axis] as isize;
            if spread >= 0 && spread % gap == 0 && spread / gap < case.input[axis + 1] as isize {
                from.push((spread / gap) as usize);
            }
            by.push(match parameters.flip {
                true => kernel[axis] - 1 - tap[axis],
                false => tap[axis],
            });
        }
        if from.len() == spatial + 1 {
            for channel in 0..channels {
                let from = [&from[..], &[group * channels + channel]].concat();
                let by = [&by[..], &[channel]].concat();
                found.push((place(&from, &case.input), place(&by, &case.weight)));
            }
        }
    }
    found
}

fn run(
    case: &Case,
    inputs: &[Operand],
    kernel: impl FnOnce(&Call<'_>) -> mlx_oxide_ir::Result<mlx_oxide_runtime::Results>,
) -> (Vec<usize>, Vec<u8>) {
    let op = Op::Contract(Contract::Convolution(Box::new(case.parameters.clone())));
    let types: Vec<ArrayType> = inputs.iter().map(Operand::array_type).collect();
    let outputs = infer(&op, &types.iter().collect::<Vec<_>>()).unwrap();
    let call = Call {
        op: &op,
        inputs,
        outputs: &outputs,
        stream: Stream::default_of(Device::CPU),
    };
    let results = kernel(&call).unwrap();
    let bytes = results[0].buffer.host_bytes().unwrap();
    let shape: &Shape = &outputs[0].shape;
    (shape.to_vec(), bytes[..outputs[0].bytes()].to_vec())
}

/// The greatest difference from the sums of the definition, as a part of the sum of magnitudes.
fn difference<T: Number + Into<f64>>(isa: Isa, case: &Case, orders: (Order, Order)) -> f64 {
    let dtype = match size_of::<T>() {
        4 => Dtype::Float32,
        _ => Dtype::Float64,
    };
    let value = |seed: usize| move |index: usize| <T as Scalar>::of(integer(index, seed) as f64);
    let (input, elements) = operand(&case.input, orders.0, dtype, value(1));
    let (weight, factors) = operand(&case.weight, orders.1, dtype, value(4));
    let (shape, bytes) = run(case, &[input, weight], |call| {
        real::<T>(isa, &case.parameters, call)
    });
    let found: Vec<T> = bytemuck::pod_collect_to_vec(&bytes);
    let mut worst = 0.0f64;
    for (index, found) in found.into_iter().enumerate() {
        let products = pairs(case, &shape, index).into_iter();
        let (expected, magnitude) = products
            .map(|(from, by)| elements[from].into() * factors[by].into())
            .fold((0.0, 0.0), |(sum, magnitude): (f64, f64), product| {
                (sum + product, magnitude + product.abs())
            });
        let found: f64 = found.into();
        if found != expected {
            worst = worst.max((found - expected).abs() / magnitude);
        }
        assert!(!found.is_nan(), "{case:?} {orders:?} {isa:?}");
    }
    worst
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

/// Small integers: every order of summing gives the same bits.
fn check(cases: &[Case]) {
    for case in cases {
        for isa in available() {
            for orders in [
                (Order::Rows, Order::Rows),
                (Order::BatchLast, Order::BatchLast),
                (Order::Spread, Order::Spread),
                (Order::Rows, Order::BatchLast),
            ] {
                let wrong = difference::<f32>(isa, case, orders);
                assert_eq!(wrong, 0.0, "{case:?} {orders:?} {isa:?}");
                let wrong = difference::<f64>(isa, case, orders);
                assert_eq!(wrong, 0.0, "{case:?} {orders:?} {isa:?}, double");
            }
        }
    }
}

#[test]
fn windows_of_every_size_and_padding() {
    check(&[
        Case::new(&[1, 9, 3], &[4, 3, 3]),
        Case::new(&[2, 13, 1], &[33, 5, 1]).padded(2, 2),
        Case::new(&[2, 7, 9, 3], &[17, 3, 3, 3]).padded(1, 1),
        Case::new(&[1, 6, 5, 40], &[50, 3, 2, 40]).padded(1, 0),
        Case::new(&[3, 4, 4, 6], &[8, 1, 1, 6]),
        Case::new(&[1, 3, 4, 5, 2], &[6, 2, 3, 2, 2]).padded(1, 1),
        Case::new(&[1, 5, 1100], &[5, 2, 1100]),
        Case::new(&[2, 12, 13, 36], &[20, 5, 5, 36]).padded(2, 2),
        Case::new(&[1, 11, 9, 34], &[30, 3, 3, 34])
            .dilated(2, 1)
            .padded(2, 2),
        Case::new(&[1, 6, 7, 260], &[9, 3, 3, 260]).padded(1, 1),
    ]);
}

#[test]
fn strides_beyond_the_kernel_crops_and_kernels_beyond_the_input() {
    check(&[
        Case::new(&[2, 17, 3], &[5, 2, 3]).strided(4),
        Case::new(&[1, 9, 11, 2], &[5, 3, 3, 2])
            .strided(2)
            .padded(1, 2),
        Case::new(&[1, 12, 4], &[5, 3, 4]).padded(-2, -1),
        Case::new(&[1, 3, 3, 2], &[6, 7, 5, 2]).padded(3, 3),
        Case::new(&[1, 2, 35], &[6, 5, 35]).padded(4, 4),
    ]);
}

#[test]
fn dilation_of_either_side_and_flips() {
    check(&[
        Case::new(&[1, 15, 3], &[5, 3, 3])
            .dilated(3, 1)
            .padded(2, 1),
        Case::new(&[1, 5, 6, 3], &[5, 3, 3, 3])
            .dilated(1, 2)
            .padded(2, 2),
        Case::new(&[1, 5, 3], &[5, 4, 3])
            .dilated(2, 3)
            .padded(3, 5)
            .strided(2),
        Case::new(&[1, 5, 3], &[5, 1, 3]).dilated(1, 4).padded(2, 2),
        Case::new(&[1, 4, 4, 34], &[5, 4, 4, 34])
            .dilated(1, 2)
            .padded(2, 2)
            .flipped(),
        Case::new(&[1, 8, 3], &[5, 4, 3]).flipped().padded(1, 3),
        Case::new(&[1, 9, 4], &[4, 4, 1])
            .flipped()
            .dilated(2, 3)
            .padded(1, 3),
    ]);
}

#[test]
fn groups_of_every_width() {
    check(&[
        Case::new(&[2, 9, 5], &[5, 3, 1]).padded(1, 1),
        Case::new(&[1, 9, 8, 19], &[19, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 9, 8, 6], &[12, 3, 3, 1])
            .padded(1, 1)
            .strided(2),
        Case::new(&[1, 7, 7, 16], &[16, 3, 3, 4]).padded(1, 1),
        Case::new(&[1, 7, 8], &[24, 3, 4]),
        Case::new(&[1, 9, 8, 64], &[64, 3, 3, 16]).padded(1, 1),
        Case::new(&[2, 6, 7, 12], &[48, 3, 3, 2]).padded(1, 1),
        Case::new(&[1, 9, 20], &[20, 3, 4]).padded(1, 1),
        Case::new(&[2, 4, 5, 6, 6], &[6, 2, 2, 2, 1]).padded(1, 1),
    ]);
}

#[test]
fn strips_of_few_channels() {
    let mut apart = Case::new(&[1, 12, 13, 4], &[9, 3, 3, 4]).padded(1, 2);
    apart.parameters.kernel_dilation[0] = 3;
    apart.parameters.stride[0] = 2;
    check(&[
        apart,
        Case::new(&[2, 9, 13, 1], &[9, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 15, 17, 3], &[18, 5, 4, 3])
            .padded(2, 3)
            .strided(2),
        Case::new(&[1, 20, 29, 2], &[7, 3, 2, 2])
            .padded(-1, 2)
            .strided(3),
        Case::new(&[1, 8, 12, 31], &[9, 2, 1, 31]),
        Case::new(&[1, 3, 4, 3], &[5, 2, 5, 3]).padded(6, 7),
        Case::new(&[1, 4, 5, 9, 5], &[6, 2, 3, 3, 5]).padded(1, 1),
        Case::new(&[1, 700, 2], &[5, 3, 2]).padded(1, 0),
        Case::new(&[1, 6, 8, 20], &[32, 5, 5, 20]).padded(2, 2),
        Case::new(&[1, 5, 9, 4], &[9, 3, 3, 4])
            .dilated(1, 2)
            .padded(2, 2)
            .flipped(),
    ]);
}

#[test]
fn three_taps_of_single_channels_and_images_a_few_at_a_time() {
    let lines = Case::new(&[1, 6, 29, 19], &[19, 3, 3, 1]).padded(1, 1);
    check(&[
        lines.clone(),
        lines.clone().strided(2),
        lines.clone().strided(3),
        lines.clone().dilated(2, 1),
        lines.dilated(1, 2).flipped(),
        Case::new(&[2, 40, 34], &[34, 3, 1]).padded(2, 2),
        Case::new(&[3, 7, 9, 16], &[16, 3, 3, 4]).padded(1, 1),
        Case::new(&[3, 4100, 32], &[32, 1, 4]).strided(600),
    ]);
}

#[test]
fn few_channels_of_neighbouring_places_together() {
    check(&[
        Case::new(&[1, 5, 70, 3], &[3, 3, 3, 1]).padded(1, 1),
        Case::new(&[2, 80, 20], &[20, 4, 1]).padded(3, 0),
        Case::new(&[1, 4, 51, 24], &[24, 2, 5, 1])
            .dilated(3, 1)
            .padded(2, 7),
        Case::new(&[1, 3, 67, 5], &[10, 3, 2, 1])
            .flipped()
            .padded(0, 1),
        Case::new(&[1, 90, 2], &[2, 31, 1]).padded(9, 15),
    ]);
}

#[test]
fn many_taps_of_single_channels_in_turns() {
    check(&[
        Case::new(&[1, 9, 43, 40], &[40, 5, 5, 1]).padded(2, 2),
        Case::new(&[1, 90, 36], &[36, 31, 1]).padded(15, 15),
        Case::new(&[2, 90, 33], &[33, 18, 1])
            .padded(4, 4)
            .strided(2),
    ]);
}

#[test]
fn sums_of_single_channels_past_the_caches() {
    crate::simd::stream::always();
    check(&[
        Case::new(&[2, 5, 29, 32], &[32, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 5, 29, 34], &[34, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 90, 32], &[32, 31, 1]).padded(15, 15),
        Case::new(&[1, 4, 70, 3], &[3, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 40, 16], &[16, 4, 1]).dilated(1, 2),
    ]);
}

#[test]
fn few_features_by_dots_and_one_channel_by_lines() {
    check(&[
        Case::new(&[1, 9, 9, 33], &[1, 3, 3, 33]).padded(1, 1),
        Case::new(&[1, 9, 9, 40], &[3, 2, 3, 40]),
        Case::new(&[1, 70, 80], &[4, 3, 40]).padded(1, 1),
        Case::new(&[1, 4200, 1], &[1, 5, 1]).padded(4, 4).flipped(),
        Case::new(&[2, 5, 90, 1], &[3, 3, 4, 1]).padded(2, 3),
        Case::new(&[2, 90, 1], &[2, 4, 1])
            .dilated(3, 1)
            .padded(-1, 20),
    ]);
}

#[test]
fn large_kernels_as_in_gradients_of_weights() {
    check(&[
        Case::new(&[19, 8, 9, 3], &[18, 8, 9, 3]).padded(1, 1),
        Case::new(&[3, 20, 21, 2], &[5, 9, 9, 2])
            .dilated(2, 1)
            .padded(1, 2),
        Case::new(&[3, 600, 2], &[5, 590, 2]).padded(2, 2),
        Case::new(&[1, 30, 1], &[9, 26, 1]).padded(1, 1),
        Case::new(&[9, 2, 6, 6, 4], &[12, 2, 6, 6, 1]).padded(1, 1),
        Case::new(&[1, 2, 40, 7, 18], &[18, 2, 40, 7, 1]).padded(1, 1),
        Case::new(&[17, 300, 2], &[5, 300, 2]),
        Case::new(&[9, 1, 2], &[5, 3, 2]).dilated(1, 4).padded(2, 1),
    ]);
}

#[test]
fn nothing_to_compute_and_nothing_to_sum() {
    check(&[
        Case::new(&[0, 5, 3], &[4, 3, 3]),
        Case::new(&[2, 5, 3], &[0, 3, 3]),
        Case {
            parameters: Convolution {
                groups: 1,
                ..Case::new(&[2, 5, 1], &[4, 3, 1]).parameters
            },
            ..Case::new(&[2, 5, 0], &[4, 3, 0])
        },
    ]);
}

fn tiles() -> [Case; 5] {
    [
        Case::new(&[2, 25, 26, 48], &[40, 3, 3, 48]).padded(1, 1),
        Case::new(&[1, 35, 38, 32], &[33, 3, 3, 32])
            .flipped()
            .padded(2, 0),
        Case::new(&[1, 1, 34, 40, 144], &[56, 1, 3, 3, 144]),
        Case::new(&[1, 5, 15, 16, 16], &[33, 3, 3, 3, 16]).padded(1, 1),
        // two columns of tiles, of 19 and 18 places
        Case::new(&[1, 39, 6, 10, 16], &[32, 3, 3, 3, 16]).flipped(),
    ]
}

#[test]
fn winograd_tiles_are_nearly_exact() {
    let apart = |dilation: isize| {
        Case::new(&[1, 37, 35, 32], &[33, 3, 3, 32])
            .dilated(dilation as usize, 1)
            .padded(dilation, dilation)
    };
    for case in tiles().into_iter().chain([apart(2), apart(3)]) {
        for isa in available() {
            let wrong = difference::<f32>(isa, &case, (Order::Rows, Order::Rows));
            assert!(wrong > 0.0, "{case:?} took no tiles");
            assert!(
                wrong < 16.0 * f64::from(f32::EPSILON),
                "{case:?} {isa:?}: {wrong}"
            );
            println!("{isa:?} {wrong:e}");
        }
    }
}

#[test]
fn what_is_not_finite_stays_in_its_windows() {
    for case in [
        Case::new(&[1, 33, 33, 32], &[32, 3, 3, 32]).padded(1, 1),
        Case::new(&[1, 4, 16, 16, 16], &[32, 3, 3, 3, 16]).padded(1, 1),
        Case::new(&[1, 33, 33, 32], &[32, 3, 3, 32])
            .dilated(2, 1)
            .padded(2, 2),
    ] {
        stays_in_its_windows(&case);
    }
}

fn stays_in_its_windows(case: &Case) {
    let value = |index: usize| match index {
        3000 => f32::INFINITY,
        _ => 1.0,
    };
    let (input, elements) = operand(&case.input, Order::Rows, Dtype::Float32, value);
    let (weight, factors) = operand(&case.weight, Order::Rows, Dtype::Float32, |_| 1.0f32);
    let (shape, bytes) = run(case, &[input, weight], |call| {
        real::<f32>(Isa::best(), &case.parameters, call)
    });
    let found: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    for (index, found) in found.into_iter().enumerate() {
        let products = pairs(case, &shape, index).into_iter();
        let expected: f32 = products
            .map(|(from, by)| elements[from] * factors[by])
            .sum();
        assert_eq!(found, expected);
    }
}

#[test]
fn complex_numbers_of_every_layout() {
    let value = |seed: usize| {
        move |index: usize| {
            Complex32::new(integer(index, seed) as f32, integer(index, seed + 3) as f32)
        }
    };
    for case in [
        Case::new(&[2, 9, 3], &[4, 3, 3]).padded(1, 1),
        Case::new(&[1, 6, 7, 4], &[6, 3, 2, 2]).strided(2),
        Case::new(&[2, 5, 4], &[4, 3, 1]).dilated(1, 2).flipped(),
        Case::new(&[3, 30, 1], &[5, 26, 1]),
    ] {
        for order in [Order::Rows, Order::BatchLast, Order::Spread] {
            let (input, elements) = operand(&case.input, order, Dtype::Complex64, value(1));
            let (weight, factors) = operand(&case.weight, order, Dtype::Complex64, value(4));
            let (shape, bytes) = run(&case, &[input, weight], |call| {
                complex::run(Isa::best(), &case.parameters, call)
            });
            let found: Vec<Complex32> = bytemuck::pod_collect_to_vec(&bytes);
            for (index, found) in found.into_iter().enumerate() {
                let products = pairs(&case, &shape, index).into_iter();
                let expected: Complex32 = products
                    .map(|(from, by)| elements[from] * factors[by])
                    .sum();
                assert_eq!(found, expected, "{case:?} {order:?}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let fraction = |seed: usize| move |index: usize| (integer(index, seed) as f32 + 0.3).sin();
    let mut cases = tiles().to_vec();
    cases.push(Case::new(&[16, 40, 40, 2], &[18, 40, 40, 2]).padded(1, 1));
    cases.push(Case::new(&[1, 2, 90, 90, 18], &[18, 2, 90, 90, 1]).padded(1, 1));
    cases.push(Case::new(&[2, 40, 40, 20], &[30, 3, 3, 20]));
    cases.push(Case::new(&[2, 30, 40, 64], &[64, 5, 5, 16]).padded(2, 2));
    cases.push(Case::new(&[2, 30, 40, 64], &[64, 3, 3, 4]).padded(1, 1));
    let before = parallel::threads();
    for case in cases {
        for order in [Order::Rows, Order::BatchLast] {
            let (input, _) = operand(&case.input, order, Dtype::Float32, fraction(1));
            let (weight, _) = operand(&case.weight, order, Dtype::Float32, fraction(2));
            let inputs = [input, weight];
            let results = [1, 2, 5].map(|threads| {
                parallel::set_threads(threads);
                run(&case, &inputs, |call| {
                    real::<f32>(Isa::best(), &case.parameters, call)
                })
            });
            assert!(
                results[0] == results[1] && results[0] == results[2],
                "{case:?}"
            );
        }
    }
    parallel::set_threads(before);
}
