//! Random bits, reductions, scans, sorting, indexing and views.

use crate::run::{array, close, complexes, counting, run, singles, try_run};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{
    ArgReduce, ArrayType, AsStrided, Combine, Custom, Dtype, Error, Extreme, Index, Op, Padding,
    Random, Reduce, ReduceKind, Scan, ScanKind, Sort, Source, View,
};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn bits(keys: &[u32], count: usize, width: u8) -> Vec<u32> {
    let values: Vec<f64> = keys.iter().map(|key| f64::from(*key)).collect();
    let keys = match keys.len() {
        2 => array(&values, [2], Dtype::Uint32),
        length => array(&values, [length / 2, 2], Dtype::Uint32),
    };
    let op = Random::Bits {
        shape: count.into(),
        width,
    };
    let drawn = run(Op::Random(op), &[keys]);
    drawn.into_iter().map(|bits| bits as u32).collect()
}

#[test]
fn random_bits_are_those_of_mlx() {
    let key = [0, 7];
    assert_eq!(bits(&key, 1, 1), [139]);
    assert_eq!(bits(&key, 3, 1), [139, 100, 23]);
    assert_eq!(bits(&key, 5, 1), [191, 40, 160, 11, 191]);
    assert_eq!(bits(&key, 8, 1), [191, 40, 160, 11, 191, 86, 32, 242]);
    assert_eq!(bits(&key, 9, 1), [169, 151, 152, 57, 72, 217, 24, 109, 3]);
    assert_eq!(bits(&key, 1, 2), [25739]);
    assert_eq!(bits(&key, 3, 2), [10431, 2976, 22207]);
    assert_eq!(bits(&key, 5, 2), [38825, 14744, 55624, 27928, 48643]);
    assert_eq!(
        bits(&key, 7, 2),
        [38825, 14744, 23901, 15095, 48643, 29727, 9931]
    );
    assert_eq!(bits(&key, 1, 4), [3625411723]);
    assert_eq!(bits(&key, 2, 4), [195045567, 4062205631]);
    assert_eq!(bits(&key, 3, 4), [966301609, 1830345032, 1948237315]);
    assert_eq!(
        bits(&key, 5, 4),
        [276534068, 861967409, 2793701230, 1641862660, 2900896126]
    );
}

#[test]
fn every_key_of_a_batch_draws_its_own_bits() {
    let keys = [0, 7, 1, 2, u32::MAX, 3];
    assert_eq!(bits(&keys, 1, 1), [139, 51, 181]);
    assert_eq!(
        bits(&keys, 5, 1),
        [
            191, 40, 160, 11, 191, 212, 214, 125, 37, 200, 80, 95, 193, 79, 143
        ]
    );
    assert_eq!(
        bits(&keys, 3, 2),
        [10431, 2976, 22207, 54996, 9597, 18632, 24400, 20417, 48527]
    );
    assert_eq!(
        bits(&keys, 3, 4),
        [
            966301609, 1830345032, 1948237315, 4128513521, 2271449651, 2345921600, 2115511307,
            1860067063, 1201531204
        ]
    );
}

fn reduce(kind: ReduceKind, axes: &[usize]) -> Op {
    Op::Reduce(Reduce {
        kind,
        axes: axes.into(),
    })
}

#[test]
fn reductions_propagate_nan_and_log_sums_stay_finite() {
    let nan = || singles(&[1., NAN, 3.], [3]);
    close(&run(reduce(ReduceKind::Max, &[0]), &[nan()]), &[NAN]);
    close(&run(reduce(ReduceKind::Min, &[0]), &[nan()]), &[NAN]);
    close(&run(reduce(ReduceKind::All, &[0]), &[nan()]), &[1.]);
    let rows = singles(
        &[-INF, -INF, INF, 1., INF, INF, -INF, INF, 1., 2., NAN, INF],
        [6, 2],
    );
    close(
        &run(reduce(ReduceKind::LogSumExp, &[1]), &[rows]),
        &[-INF, INF, INF, INF, 2.313_261_7, NAN],
    );
}

#[test]
fn empty_reductions_are_identities() {
    let empty = || array(&[], [0], Dtype::Int8);
    close(&run(reduce(ReduceKind::Sum, &[0]), &[empty()]), &[0.]);
    close(&run(reduce(ReduceKind::Prod, &[0]), &[empty()]), &[1.]);
    close(&run(reduce(ReduceKind::All, &[0]), &[empty()]), &[1.]);
    close(&run(reduce(ReduceKind::Any, &[0]), &[empty()]), &[0.]);
    assert!(try_run(reduce(ReduceKind::Max, &[0]), &[empty()]).is_err());
}

#[test]
fn reduced_axes_may_surround_a_kept_one() {
    close(
        &run(reduce(ReduceKind::Sum, &[0, 2]), &[counting([2, 3, 2])]),
        &[14., 22., 30.],
    );
    let bytes = array(&[200., 100.], [2], Dtype::Uint8);
    close(&run(reduce(ReduceKind::Sum, &[0]), &[bytes]), &[300.]);
}

#[test]
fn complex_reductions_follow_mlx() {
    let values = || complexes(&[(1., 2.), (1., 1.), (2., -1.), (2., -3.)], [4]);
    let arg = |extreme| Op::ArgReduce(ArgReduce { extreme, axis: 0 });
    close(&run(arg(Extreme::Max), &[values()]), &[2.]);
    close(&run(arg(Extreme::Min), &[values()]), &[1.]);
    let sum = try_run(reduce(ReduceKind::LogSumExp, &[0]), &[values()]).unwrap()[0].to_complex();
    close(
        &[sum.re.into(), sum.im.into()],
        &[1.359_616_5, -2.444_173_6],
    );
}

#[test]
fn index_reductions_find_the_first_extreme_and_the_first_nan() {
    let arg = |extreme| Op::ArgReduce(ArgReduce { extreme, axis: 0 });
    let values = || singles(&[1., NAN, 3., NAN], [4]);
    close(&run(arg(Extreme::Max), &[values()]), &[1.]);
    close(&run(arg(Extreme::Min), &[values()]), &[1.]);
    let ties = || singles(&[2., 5., 5., 2.], [4]);
    close(&run(arg(Extreme::Max), &[ties()]), &[1.]);
    close(&run(arg(Extreme::Min), &[ties()]), &[0.]);
}

fn scan(kind: ScanKind, reverse: bool, inclusive: bool) -> Op {
    Op::Scan(Scan {
        kind,
        axis: 0,
        reverse,
        inclusive,
    })
}

#[test]
fn exclusive_scans_begin_with_the_identity() {
    let of = |dtype| array(&[1., 0., 1., 1.], [4], dtype);
    let max = |dtype| run(scan(ScanKind::Max, false, false), &[of(dtype)]);
    let min = |dtype| run(scan(ScanKind::Min, false, false), &[of(dtype)]);
    close(&max(Dtype::Int8), &[-128., 1., 1., 1.]);
    close(&min(Dtype::Int8), &[127., 1., 0., 0.]);
    close(&max(Dtype::Bool), &[0., 1., 1., 1.]);
    close(&min(Dtype::Bool), &[1., 1., 0., 0.]);
    close(&min(Dtype::Uint8), &[255., 1., 0., 0.]);
    close(&max(Dtype::Float16), &[-INF, 1., 1., 1.]);
    let product = run(scan(ScanKind::Prod, false, false), &[of(Dtype::Float32)]);
    close(&product, &[1., 1., 0., 0.]);
    let sum = run(scan(ScanKind::Sum, true, false), &[of(Dtype::Bool)]);
    close(&sum, &[2., 2., 1., 0.]);
    let logarithms = singles(&[0.1, 1., -3., 2.], [4]);
    close(
        &run(scan(ScanKind::LogAddExp, true, false), &[logarithms]),
        &[2.318_175_3, 2.006_715_3, 2., -INF],
    );
}

#[test]
fn scans_propagate_nan() {
    let values = || singles(&[1., NAN, 3.], [3]);
    close(
        &run(scan(ScanKind::Max, false, true), &[values()]),
        &[1., NAN, NAN],
    );
    close(
        &run(scan(ScanKind::LogAddExp, false, true), &[values()]),
        &[1., NAN, NAN],
    );
}

#[test]
fn sorting_is_stable_and_puts_nan_last() {
    let values = || singles(&[0.0, -0.0, NAN, 1., -NAN, INF], [6]);
    close(
        &run(Op::Sort(Sort::Argsort { axis: 0 }), &[values()]),
        &[0., 1., 3., 5., 2., 4.],
    );
    let complex = complexes(
        &[
            (1., 2.),
            (1., 1.),
            (f32::NAN, 0.),
            (0., f32::NAN),
            (2., -1.),
            (1., f32::NAN),
        ],
        [6],
    );
    close(
        &run(Op::Sort(Sort::Argsort { axis: 0 }), &[complex]),
        &[1., 0., 4., 2., 3., 5.],
    );
    let table = array(&[9., 1., 2., 3., 7., 0.], [2, 3], Dtype::Int64);
    close(
        &run(Op::Sort(Sort::Sort { axis: 0 }), &[table]),
        &[3., 1., 0., 9., 7., 2.],
    );
}

#[test]
fn searches_go_before_or_after_equal_elements() {
    let search = |right| {
        let sequence = singles(&[1., 2., 2., NAN], [4]);
        let values = singles(&[2., NAN, 0.], [3]);
        run(Op::Sort(Sort::Searchsorted { right }), &[sequence, values])
    };
    close(&search(false), &[1., 3., 0.]);
    close(&search(true), &[3., 4., 0.]);
}

fn indices(values: &[f64]) -> mlx_oxide_runtime::Operand {
    array(values, [values.len()], Dtype::Int32)
}

fn gather(positions: &[f64]) -> Result<Vec<f64>, Error> {
    let op = Index::Gather {
        axes: [0].as_slice().into(),
        slice_sizes: [1].into(),
    };
    let drawn = try_run(Op::Index(op), &[counting([4]), indices(positions)])?;
    Ok(drawn.into_iter().map(|scalar| scalar.to_f64()).collect())
}

#[test]
fn negative_indices_count_from_the_end_and_others_out_of_bounds_are_errors() {
    close(&gather(&[0., -1., 3., -4.]).unwrap(), &[0., 3., 3., 0.]);
    for (positions, index) in [([0., 4.], 4), ([-5., 0.], -5)] {
        assert_eq!(
            gather(&positions),
            Err(Error::IndexOutOfBounds {
                op: "gather",
                index,
                axis: 0,
                size: 4
            })
        );
    }
    let take = Op::Index(Index::TakeAlongAxis { axis: 1 });
    let inputs = |at: f64| [counting([2, 3]), array(&[at, -1.], [2, 1], Dtype::Int8)];
    close(&run(take.clone(), &inputs(1.)), &[1., 5.]);
    assert!(try_run(take, &inputs(3.)).is_err());
}

#[test]
fn gathered_slices_follow_the_indices() {
    let op = Index::Gather {
        axes: [1].as_slice().into(),
        slice_sizes: [2, 2].into(),
    };
    close(
        &run(Op::Index(op), &[counting([2, 4]), indices(&[2., 0.])]),
        &[2., 3., 6., 7., 0., 1., 4., 5.],
    );
}

#[test]
fn scattered_updates_meet_in_order() {
    let scatter = |combine| {
        let op = Index::Scatter {
            axes: [0].as_slice().into(),
            combine,
        };
        let updates = singles(&[5., 7., 1.], [3, 1]);
        run(
            Op::Index(op),
            &[counting([4]), updates, indices(&[1., 1., -1.])],
        )
    };
    close(&scatter(Combine::Replace), &[0., 7., 2., 1.]);
    close(&scatter(Combine::Add), &[0., 13., 2., 4.]);
    close(&scatter(Combine::Multiply), &[0., 35., 2., 3.]);
    close(&scatter(Combine::Maximum), &[0., 7., 2., 3.]);
    close(&scatter(Combine::Minimum), &[0., 1., 2., 1.]);
    let along = Op::Index(Index::ScatterAlongAxis {
        axis: 1,
        combine: Combine::Add,
    });
    let inputs = [
        counting([2, 2]),
        array(&[1., 1., 0., -1.], [2, 2], Dtype::Int32),
        singles(&[10., 20., 30., 40.], [2, 2]),
    ];
    close(&run(along, &inputs), &[0., 31., 32., 43.]);
}

#[test]
fn dynamic_parts_are_moved_inside() {
    let part = |start: f64| {
        let op = Index::DynamicSlice {
            axes: [0].as_slice().into(),
            shape: [2].into(),
        };
        run(Op::Index(op), &[counting([5]), indices(&[start])])
    };
    close(&part(2.), &[2., 3.]);
    close(&part(4.), &[3., 4.]);
    close(&part(-4.), &[1., 2.]);
    close(&part(-9.), &[0., 1.]);
    let update = Op::Index(Index::DynamicSliceUpdate {
        axes: [0].as_slice().into(),
    });
    let inputs = [counting([5]), singles(&[9., 8.], [2]), indices(&[4.])];
    close(&run(update, &inputs), &[0., 1., 2., 9., 8.]);
}

#[test]
fn padding_frames_and_spreads() {
    let op = Index::Pad(
        [Padding {
            low: 1,
            high: 2,
            interior: 1,
        }]
        .as_slice()
        .into(),
    );
    let inputs = [singles(&[3., 1.], [2]), singles(&[9.], [])];
    close(&run(Op::Index(op), &inputs), &[9., 3., 9., 1., 9., 9.]);
}

#[test]
fn reversed_slices_update_from_the_end() {
    let op = Index::SliceUpdate {
        ranges: [SliceRange {
            start: 4,
            step: -2,
            count: 2,
        }]
        .as_slice()
        .into(),
        combine: Combine::Multiply,
    };
    let inputs = [counting([5]), singles(&[10., 20.], [2])];
    close(&run(Op::Index(op), &inputs), &[0., 1., 40., 3., 40.]);
}

#[test]
fn views_show_the_same_elements() {
    let mut transposed = counting([2, 3]);
    transposed.layout = transposed.layout.permute(&[1, 0]);
    let view = |view| run(Op::View(view), std::slice::from_ref(&transposed));
    let order = [0., 3., 1., 4., 2., 5.];
    close(&view(View::Reshape([6].into())), &order);
    close(&view(View::Contiguous), &order);
    close(&view(View::StopGradient), &order);
    close(
        &view(View::Permute([1, 0].as_slice().into())),
        &[0., 1., 2., 3., 4., 5.],
    );
    let strided = AsStrided {
        shape: [2, 2].into(),
        strides: [-1, 2].as_slice().into(),
        offset: 3,
    };
    close(&view(View::AsStrided(Box::new(strided))), &[4., 5., 1., 2.]);
    let halves = run(
        Op::View(View::Bitcast(Dtype::Uint16)),
        &[singles(&[1., 2.], [2])],
    );
    close(&halves, &[0., 16256., 0., 16384.]);
}

#[test]
fn integer_ranges_step_by_the_first_two_elements() {
    let arange = |start: f64, step: f64, count, dtype| {
        run(
            Op::Source(Source::Arange {
                start: start.into(),
                step: step.into(),
                count,
                dtype,
            }),
            &[],
        )
    };
    close(&arange(0.5, 1.5, 3, Dtype::Int32), &[0., 2., 4.]);
    close(&arange(-0.5, 0.75, 3, Dtype::Int32), &[0., 0., 0.]);
    close(&arange(0., 100., 3, Dtype::Int8), &[0., 100., -56.]);
    close(&arange(5., -2., 3, Dtype::Int32), &[5., 3., 1.]);
    close(&arange(0., 0.1, 4, Dtype::Float32), &[0., 0.1, 0.2, 0.3]);
}

#[test]
fn placeholders_have_no_value() {
    let placeholder = Source::Placeholder(Box::new(ArrayType::new([2], Dtype::Float32)));
    assert!(matches!(
        try_run(Op::Source(placeholder), &[]),
        Err(Error::ReadWhileTracing { .. })
    ));
}

#[test]
fn custom_identities_pass_their_last_inputs_through() {
    let op = Op::Custom(Box::new(Custom {
        name: "checkpoint".into(),
        params: [].as_slice().into(),
        outputs: vec![ArrayType::new([2], Dtype::Float32)],
    }));
    let inputs = [counting([3]), singles(&[4., 5.], [2])];
    close(&run(op, &inputs), &[4., 5.]);
}
