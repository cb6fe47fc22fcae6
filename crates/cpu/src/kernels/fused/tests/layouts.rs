//! Strided, stretched, reversed and transposed operands against copies of them in order.

use super::{assert_same, available, bytes_in_order, operand, run, samples, stored};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, Layout, Op};
use mlx_oxide_runtime::{Buffer, Operand};

/// The same elements in row-major order.
fn in_order(strided: &Operand) -> Operand {
    let source = strided.buffer.host_bytes().unwrap();
    let bytes = bytes_in_order(source, &strided.layout, strided.dtype.size());
    operand(&bytes, &strided.layout.shape, strided.dtype)
}

fn shown(dtype: Dtype, stored: &[usize], seed: usize, view: impl Fn(Layout) -> Layout) -> Operand {
    let layout = Layout::contiguous(stored);
    let mut operand = operand(&samples(dtype, layout.size(), seed), stored, dtype);
    operand.layout = view(layout);
    operand
}

fn check(lhs: &Operand, rhs: &Operand) {
    let op = Op::Binary(Binary::Subtract);
    for isa in available() {
        let expected = run(&op, &[in_order(lhs), in_order(rhs)], isa).remove(0);
        let found = run(&op, &[lhs.clone(), rhs.clone()], isa).remove(0);
        assert_same(
            lhs.dtype,
            &found,
            &expected,
            &format!("{:?} {:?} {isa:?}", lhs.layout, rhs.layout),
        );
    }
}

const DTYPES: [Dtype; 5] = [
    Dtype::Int8,
    Dtype::Float16,
    Dtype::Float32,
    Dtype::Float64,
    Dtype::Complex64,
];

#[test]
fn transposed_operands_of_every_size() {
    for dtype in DTYPES {
        for (rows, columns) in [(1, 1), (3, 5), (17, 64), (100, 130), (64, 700), (33, 1030)] {
            let across = shown(dtype, &[columns, rows], 1, |layout| layout.permute(&[1, 0]));
            let along = shown(dtype, &[rows, columns], 2, |layout| layout);
            check(&across, &along);
            check(&along, &across);
            check(&across, &across);
        }
    }
}

#[test]
fn permuted_operands_of_three_axes() {
    for axes in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for stored in [[20, 70, 90], [3, 4, 5], [2, 129, 65]] {
            let permuted = shown(Dtype::Float32, &stored, 1, |layout| layout.permute(&axes));
            let along = shown(Dtype::Float32, &permuted.layout.shape, 2, |layout| layout);
            check(&permuted, &along);
            check(&permuted, &permuted);
            let last = *permuted.layout.shape.last().unwrap();
            let stretched = shown(Dtype::Float32, &[1, 1, last], 3, |layout| {
                layout.broadcast(&permuted.layout.shape)
            });
            check(&stretched, &permuted);
        }
    }
}

#[test]
fn results_of_operands_that_lie_alike_lie_as_they_do() {
    let op = Op::Binary(Binary::Subtract);
    let lies = |lhs: &Operand, rhs: &Operand| {
        let (result, _) = stored(&op, &[lhs.clone(), rhs.clone()], Isa::best()).remove(0);
        assert_eq!(result.layout.shape, lhs.layout.shape);
        result.layout.strides
    };
    let axes = [2, 0, 1];
    let permuted = shown(Dtype::Float32, &[20, 70, 90], 1, |layout| {
        layout.permute(&axes)
    });
    let along = shown(Dtype::Float32, &permuted.layout.shape, 2, |layout| layout);
    let one = shown(Dtype::Float32, &[1], 3, |layout| {
        layout.broadcast(&permuted.layout.shape)
    });
    assert_eq!(lies(&permuted, &permuted), permuted.layout.strides);
    assert_eq!(lies(&permuted, &one), permuted.layout.strides);
    assert_eq!(lies(&one, &permuted), permuted.layout.strides);
    assert_eq!(lies(&permuted, &along), along.layout.strides);
    assert_eq!(lies(&one, &one), along.layout.strides);
}

#[test]
fn stretched_operands_along_every_axis() {
    for dtype in DTYPES {
        for full in [
            [5, 300],
            [300, 5],
            [40, 2100],
            [300, 100],
            [900, 64],
            [90, 512],
        ] {
            let along = shown(dtype, &full, 1, |layout| layout);
            for stored in [vec![1, full[1]], vec![full[0], 1], vec![1, 1], vec![1]] {
                let stretched = shown(dtype, &stored, 2, |layout| layout.broadcast(&full.into()));
                check(&along, &stretched);
                check(&stretched, &along);
            }
        }
    }
}

#[test]
fn operands_that_repeat_rows_along_outer_or_inner_axes() {
    for dtype in DTYPES {
        for full in [
            [3, 40, 64],
            [30, 70, 5],
            [7, 33, 300],
            [5, 1100, 2],
            [2, 9, 700],
        ] {
            let [planes, rows, columns] = full;
            let along = shown(dtype, &full, 1, |layout| layout);
            let stretch = |stored: &[usize], seed| {
                shown(dtype, stored, seed, |layout| layout.broadcast(&full.into()))
            };
            let renewed = stretch(&[planes, 1, columns], 2);
            let cyclic = stretch(&[1, rows, columns], 3);
            for (lhs, rhs) in [(&along, &renewed), (&cyclic, &along), (&renewed, &cyclic)] {
                check(lhs, rhs);
            }
            check(&stretch(&[planes, rows, 1], 4), &cyclic);
        }
    }
}

#[test]
fn short_rows_of_many_elements() {
    // so many that code is made for them
    let full = [30, 40, 25, 23];
    for dtype in DTYPES {
        let along = shown(dtype, &full, 1, |layout| layout);
        let stretch = |stored: &[usize], seed| {
            shown(dtype, stored, seed, |layout| layout.broadcast(&full.into()))
        };
        let (outer, inner) = (stretch(&[30, 1, 25, 1], 2), stretch(&[1, 40, 1, 23], 3));
        let window = shown(dtype, &[30, 40, 25, 29], 4, |mut layout| {
            layout.shape = full.into();
            layout.offset = 5;
            layout
        });
        for (lhs, rhs) in [(&outer, &inner), (&inner, &outer), (&window, &outer)] {
            check(lhs, rhs);
        }
        check(&along, &window);
        check(&along, &stretch(&[1, 1, 1, 23], 5));
    }
}

#[test]
fn single_elements_beside_rows_in_every_operation() {
    for &binary in Binary::ALL {
        if !binary.domain().contains(Dtype::Float32) {
            continue;
        }
        let op = Op::Binary(binary);
        let result = binary.result_dtype(Dtype::Float32);
        for (full, stored) in [
            ([40, 100], [40, 1]),
            ([70, 2100], [70, 1]),
            ([1, 900], [1, 1]),
            ([3, 70_000], [1, 1]),
        ] {
            let rows = shown(Dtype::Float32, &full, 1, |layout| layout);
            let single = shown(Dtype::Float32, &stored, 2, |layout| {
                layout.broadcast(&full.into())
            });
            for isa in available() {
                for inputs in [[&rows, &single], [&single, &rows], [&single, &single]] {
                    let expected = run(&op, &inputs.map(in_order), isa).remove(0);
                    for donatable in [false, true] {
                        let inputs = inputs.map(|input| Operand {
                            buffer: Buffer::from_bytes("test", input.buffer.host_bytes().unwrap())
                                .unwrap(),
                            donatable,
                            ..input.clone()
                        });
                        let context = format!("{binary:?} {full:?} {isa:?} {donatable}");
                        assert_same(result, &run(&op, &inputs, isa)[0], &expected, &context);
                    }
                }
            }
        }
    }
}

#[test]
fn stepped_and_reversed_operands() {
    for dtype in DTYPES {
        let reversed = shown(dtype, &[41, 222], 1, |mut layout| {
            layout.offset = 41 * 222 - 1;
            layout.strides = [-222, -1].into_iter().collect();
            layout
        });
        let stepped = shown(dtype, &[82, 444], 2, |mut layout| {
            layout.shape = [41, 222].into();
            layout.strides = [888, 2].into_iter().collect();
            layout
        });
        let window = shown(dtype, &[50, 300], 3, |mut layout| {
            layout.shape = [41, 222].into();
            layout.offset = 303;
            layout
        });
        check(&reversed, &stepped);
        check(&stepped, &window);
        check(&window, &reversed);
        let turned = Operand {
            layout: Layout {
                shape: [41, 222].into(),
                strides: [-1, 41].into_iter().collect(),
                offset: 40,
            },
            ..reversed.clone()
        };
        check(&turned, &window);
    }
}

#[test]
fn foreign_memory_need_not_be_aligned() {
    struct Shifted(Vec<u8>);
    impl mlx_oxide_runtime::HostMemory for Shifted {
        fn as_bytes(&self) -> &[u8] {
            &self.0[1..]
        }
    }
    let bytes = samples(Dtype::Float32, 5000, 1);
    let mut shifted = vec![0u8];
    shifted.extend(&bytes);
    for shape in [vec![5000], vec![50, 100]] {
        let aligned = operand(&bytes, &shape, Dtype::Float32);
        let mut unaligned = aligned.clone();
        unaligned.buffer =
            mlx_oxide_runtime::Buffer::from_foreign(Box::new(Shifted(shifted.clone())));
        check(&aligned, &unaligned);
    }
    let full = [4, 50, 100];
    let along = shown(Dtype::Float32, &full, 1, |layout| layout);
    let mut again = shown(Dtype::Float32, &[50, 100], 1, |layout| {
        layout.broadcast(&full.into())
    });
    again.buffer = mlx_oxide_runtime::Buffer::from_foreign(Box::new(Shifted(shifted)));
    check(&along, &again);
}
