use super::run_with;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, Scan, ScanKind};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stream};

fn scanned(scan: Scan, values: &[f32], shape: [usize; 2], isa: Isa) -> Vec<f32> {
    let operand = Operand {
        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
        layout: Layout::contiguous(shape),
        dtype: Dtype::Float32,
        donatable: false,
    };
    let call = Call {
        op: &Op::Scan(scan),
        inputs: &[operand],
        outputs: &[ArrayType::new(shape, Dtype::Float32)],
        stream: Stream::default_of(Device::CPU),
    };
    let results = run_with(&scan, &call, isa).unwrap();
    bytemuck::pod_collect_to_vec(results[0].buffer.host_bytes().unwrap())
}

fn one_by_one(scan: Scan, values: &[f32]) -> Vec<f32> {
    let mut total = match scan.kind {
        ScanKind::Sum => 0.0,
        _ => f32::NEG_INFINITY,
    };
    let mut found = vec![0.0; values.len()];
    for step in 0..values.len() {
        let place = if scan.reverse {
            values.len() - 1 - step
        } else {
            step
        };
        let next = match scan.kind {
            ScanKind::Sum => total + values[place],
            _ if total.is_nan() || values[place].is_nan() => f32::NAN,
            _ => total.max(values[place]),
        };
        found[place] = if scan.inclusive { next } else { total };
        total = next;
    }
    found
}

#[test]
fn rows_and_columns_of_every_length_accumulate_as_one_by_one() {
    let lengths = (0..=140).chain([4095, 4096, 4097, 4225, 9000]);
    for length in lengths {
        let mut values: Vec<f32> = (0..length)
            .map(|i| ((i * 37) % 101) as f32 - 50.0)
            .collect();
        for number in [None, Some(f32::INFINITY), Some(f32::NAN)] {
            if let (Some(number), true) = (number, length > 0) {
                values[length * 2 / 3] = number;
            }
            for kind in [ScanKind::Sum, ScanKind::Max] {
                for (reverse, inclusive) in
                    [(false, true), (false, false), (true, true), (true, false)]
                {
                    for isa in Isa::ALL {
                        let scan = |axis| Scan {
                            kind,
                            axis,
                            reverse,
                            inclusive,
                        };
                        let expected = one_by_one(scan(0), &values);
                        let row = scanned(scan(1), &values, [1, length], isa);
                        let column = scanned(scan(0), &values, [length, 1], isa);
                        for found in [row, column] {
                            let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
                            assert!(
                                found.iter().zip(&expected).all(same),
                                "{kind:?} {length} {isa:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn tiles_of_columns_accumulate_apart() {
    let (rows, columns) = (5, 1031);
    let values: Vec<f32> = (0..rows * columns).map(|i| (i % 97) as f32).collect();
    let scan = Scan {
        kind: ScanKind::Sum,
        axis: 0,
        reverse: false,
        inclusive: true,
    };
    let found = scanned(scan, &values, [rows, columns], Isa::best());
    for column in 0..columns {
        let of = |from: &[f32]| -> Vec<f32> {
            (0..rows).map(|row| from[row * columns + column]).collect()
        };
        assert_eq!(of(&found), one_by_one(scan, &of(&values)));
    }
}

#[test]
fn blocks_of_a_long_row_hand_on_what_comes_before_them() {
    let length = 4 * (16 << 12) + 77;
    // sums of few whole numbers are exact
    let values: Vec<f32> = (0..length).map(|i| ((i * 37) % 7) as f32 - 3.0).collect();
    for kind in [ScanKind::Sum, ScanKind::Max] {
        for (reverse, inclusive) in [(false, true), (false, false), (true, true), (true, false)] {
            let scan = Scan {
                kind,
                axis: 1,
                reverse,
                inclusive,
            };
            let found = scanned(scan, &values, [1, length], Isa::best());
            assert!(found == one_by_one(scan, &values), "{kind:?} {reverse}");
        }
    }
}

#[test]
fn products_of_rows_side_by_side_are_those_of_each_alone() {
    for (rows, length) in [(8, 128), (9, 130), (23, 513), (16, 1025)] {
        let values: Vec<f32> = (0..rows * length)
            .map(|i| 0.96 + (i % 89) as f32 * 1e-3)
            .collect();
        for (reverse, inclusive) in [(false, true), (true, false)] {
            let scan = Scan {
                kind: ScanKind::Prod,
                axis: 1,
                reverse,
                inclusive,
            };
            let found = scanned(scan, &values, [rows, length], Isa::best());
            for (row, found) in values.chunks(length).zip(found.chunks(length)) {
                assert_eq!(found, scanned(scan, row, [1, length], Isa::best()));
            }
        }
    }
}

#[test]
fn integers_accumulate_as_one_by_one_in_rows_of_every_length() {
    let long = 4 * (16 << 12) + 77;
    for (rows, length) in [(3, 127), (9, 128), (3, 4097), (2, 9000), (1, long)] {
        let values: Vec<i64> = (0..rows * length)
            .map(|i| ((i as i64 * 37) % 101 - 50).wrapping_add((i as i64 % 3) * (i64::MAX / 2)))
            .collect();
        let operand = Operand {
            buffer: Buffer::from_bytes("test", bytemuck::cast_slice(&values)).unwrap(),
            layout: Layout::contiguous([rows, length]),
            dtype: Dtype::Int64,
            donatable: false,
        };
        for (reverse, inclusive) in [(false, true), (false, false), (true, true), (true, false)] {
            let scan = Scan {
                kind: ScanKind::Sum,
                axis: 1,
                reverse,
                inclusive,
            };
            let call = Call {
                op: &Op::Scan(scan),
                inputs: std::slice::from_ref(&operand),
                outputs: &[ArrayType::new([rows, length], Dtype::Int64)],
                stream: Stream::default_of(Device::CPU),
            };
            for isa in Isa::ALL {
                let results = run_with(&scan, &call, isa).unwrap();
                let found: Vec<i64> =
                    bytemuck::pod_collect_to_vec(results[0].buffer.host_bytes().unwrap());
                for (row, found) in values.chunks(length).zip(found.chunks(length)) {
                    let mut total = 0i64;
                    for step in 0..length {
                        let place = if reverse { length - 1 - step } else { step };
                        let next = total.wrapping_add(row[place]);
                        let expected = if inclusive { next } else { total };
                        assert_eq!(found[place], expected, "{isa:?} {length} {reverse} {place}");
                        total = next;
                    }
                }
            }
        }
    }
}
