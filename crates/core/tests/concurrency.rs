//! Arrays belong to no thread and no stream.

use mlx_oxide_core::{
    Array, Device, Dtype, Result, Stream, async_eval, eval, eval_few, ops, transforms,
};
use mlx_oxide_runtime::stream::StreamScope;
use std::sync::{Arc, Barrier};

const THREADS: usize = 8;

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

/// Nodes of which many depend on others in several ways, on `streams` in turn.
fn mesh(width: usize, height: usize, streams: &[Stream]) -> Result<Vec<Array>> {
    let mut row: Vec<Array> = (0..width)
        .map(|column| Array::from_slice(&[column as f32, 1.0, -0.5, 0.25], [4]))
        .collect::<Result<_>>()?;
    for level in 0..height {
        let node = |column: usize| {
            let _scope = StreamScope::enter(streams[(level + column) % streams.len()]);
            let (a, b) = (&row[column], &row[(column + level + 1) % width]);
            match (level + column) % 4 {
                0 => ops::sin(&ops::add(a, b)?),
                1 => ops::cumsum(
                    &ops::multiply(a, &Array::scalar(0.5f32)?)?,
                    Some(0),
                    false,
                    true,
                ),
                2 => ops::maximum(a, &ops::flip(b, &[0])?),
                _ => ops::matmul(&ops::outer(a, b)?, &ops::tanh(a)?),
            }
        };
        row = (0..width).map(node).collect::<Result<_>>()?;
        if level % 5 == 4 {
            row = row.iter().map(ops::tanh).collect::<Result<_>>()?;
        }
    }
    Ok(row)
}

fn bits(arrays: &[Array]) -> Result<Vec<Vec<u32>>> {
    let bits = |array: &Array| Ok(array.to_vec::<f32>()?.iter().map(|x| x.to_bits()).collect());
    arrays.iter().map(bits).collect()
}

/// Runs `work` on many threads that begin together.
fn together<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let (barrier, work) = (&barrier, &work);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    barrier.wait();
                    work(thread)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the work does not panic"))
            .collect()
    })
}

#[test]
fn many_threads_that_evaluate_one_graph_see_the_same_values() {
    install();
    let streams: Vec<Stream> = (0..3).map(|_| Stream::new(Device::CPU)).collect();
    let expected = bits(&mesh(6, 20, &streams).unwrap()).unwrap();
    for _ in 0..40 {
        let shared = mesh(6, 20, &streams).unwrap();
        let found = together(|thread| {
            let mut own = shared.clone();
            own.rotate_left(thread % shared.len());
            eval(&own[..1 + thread % own.len()])?;
            bits(&shared)
        });
        for found in found {
            assert_eq!(found.unwrap(), expected);
        }
    }
}

#[test]
fn graphs_that_grow_on_shared_nodes_while_these_are_evaluated_agree() {
    install();
    let streams: Vec<Stream> = (0..4).map(|_| Stream::new(Device::CPU)).collect();
    let grown = |row: &[Array], thread: usize| -> Result<Array> {
        let factor = Array::scalar(thread as f32 + 1.0)?;
        let sum = row
            .iter()
            .skip(1)
            .try_fold(row[0].clone(), |sum, node| ops::add(&sum, node))?;
        ops::multiply(&sum, &factor)
    };
    let row = mesh(5, 12, &streams).unwrap();
    let expected: Vec<_> = (0..THREADS)
        .map(|thread| bits(&[grown(&row, thread).unwrap()]).unwrap())
        .collect();
    for _ in 0..40 {
        let shared = mesh(5, 12, &streams).unwrap();
        let found = together(|thread| {
            let _scope = StreamScope::enter(streams[thread % streams.len()]);
            let own = grown(&shared, thread)?;
            match thread % 2 {
                0 => eval(std::slice::from_ref(&own))?,
                _ => async_eval(std::slice::from_ref(&own)),
            }
            bits(&[own])
        });
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn asynchronous_evaluations_on_many_streams_wait_for_each_other() {
    install();
    let streams: Vec<Stream> = (0..4).map(|_| Stream::new(Device::CPU)).collect();
    for _ in 0..100 {
        let mut array = Array::scalar(0i64).unwrap();
        for step in 0..50 {
            let _scope = StreamScope::enter(streams[step % streams.len()]);
            array = ops::add(&array, &Array::scalar(step as i64).unwrap()).unwrap();
            async_eval(std::slice::from_ref(&array));
        }
        assert_eq!(array.item::<i64>().unwrap(), 49 * 50 / 2);
        for stream in &streams {
            stream.synchronize().unwrap();
        }
    }
}

#[test]
fn transforms_on_many_threads_do_not_see_each_other() {
    install();
    let shared = Arc::new(Array::from_slice(&[0.5f32, 1.0, 2.0], [3]).unwrap());
    let gradient = |power: usize| {
        let function = |x: &[Array]| {
            let product =
                (1..power).try_fold(x[0].clone(), |product, _| ops::multiply(&product, &x[0]))?;
            Ok(vec![ops::sum(&product, None, false)?])
        };
        transforms::grad(function, &[(*shared).clone()], &[0])
    };
    for _ in 0..50 {
        for (thread, found) in together(|thread| gradient(thread + 1))
            .into_iter()
            .enumerate()
        {
            let power = thread as i32 + 1;
            let expected = [0.5f32, 1.0, 2.0].map(|x| power as f32 * x.powi(power - 1));
            assert_eq!(found.unwrap()[0].to_vec::<f32>().unwrap(), expected);
        }
    }
}

#[test]
fn an_array_is_read_and_dropped_by_many_threads() {
    install();
    for _ in 0..100 {
        let start = ops::full_scalar([1000], mlx_oxide_core::Scalar::new(2.0, Dtype::Float32));
        let array = ops::square(&start.unwrap()).unwrap();
        let sums = together(|_| {
            let own = array.clone();
            let sum = ops::sum(&own, None, false)?;
            drop(own);
            sum.item::<f32>()
        });
        assert!(sums.into_iter().all(|sum| sum.unwrap() == 4000.0));
    }
}

#[test]
fn many_threads_take_the_steps_of_one_chain_in_turn() {
    install();
    for _ in 0..200 {
        let mut chain = vec![Array::from_slice(&[0.0f32, 1.0, 2.0], [3]).unwrap()];
        for step in 0..THREADS * 4 {
            chain.push(ops::add(&chain[step], &chain[0]).unwrap());
        }
        let found: Vec<Result<()>> = together(|thread| {
            for (step, array) in chain.iter().enumerate().skip(1) {
                match (step + thread) % 3 {
                    0 => eval(std::slice::from_ref(array))?,
                    1 => eval(&[array.clone(), chain[step - 1].clone()])?,
                    _ => eval_few(array).unwrap_or_else(|| eval(&chain[step..]))?,
                }
            }
            Ok(())
        });
        assert!(found.iter().all(Result::is_ok), "{found:?}");
        let last = chain.last().unwrap().to_vec::<f32>().unwrap();
        let factor = (THREADS * 4 + 1) as f32;
        assert_eq!(last, [0.0, factor, 2.0 * factor]);
    }
}

#[test]
fn only_an_elementwise_operation_on_few_elements_that_are_there_is_computed_at_once() {
    install();
    let few = Array::from_slice(&[1.0f32, 4.0], [2]).unwrap();
    let root = ops::sqrt(&few).unwrap();
    assert_eq!(eval_few(&root), Some(Ok(())));
    assert!(root.is_evaluated());
    assert_eq!(eval_few(&root), None, "nothing is left to do");

    let unready = ops::exp(&ops::negative(&few).unwrap()).unwrap();
    let sum = ops::sum(&few, None, false).unwrap();
    let many = ops::negative(&Array::from_slice(&vec![1.0f32; 1 << 12], [1 << 12]).unwrap());
    for array in [unready, sum, many.unwrap()] {
        assert_eq!(eval_few(&array), None);
        assert!(!array.is_evaluated());
    }
}
