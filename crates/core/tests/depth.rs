//! Graphs of a million nodes on a small stack.

use mlx_oxide_core::{Array, Result, eval, eval_counted, ops, transforms};

const NODES: usize = 1_000_000;
const STACK: usize = 512 * 1024;

/// Runs a test on a thread with a small stack; an overflow ends the process.
fn on_a_small_stack(test: impl FnOnce() -> Result<()> + Send + 'static) {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    let thread = std::thread::Builder::new().stack_size(STACK);
    let thread = thread.spawn(test).expect("threads can be had");
    let result = thread.join().expect("the test does not panic");
    result.expect("the test succeeds");
}

fn counted(start: &Array, count: usize) -> Result<Array> {
    let one = Array::scalar(1i32)?;
    (0..count).try_fold(start.clone(), |sum, _| ops::add(&sum, &one))
}

#[test]
fn a_chain_of_a_million_nodes_is_built_evaluated_and_dropped() {
    on_a_small_stack(|| {
        let last = counted(&Array::scalar(0i32)?, NODES)?;
        assert_eq!(last.item::<i32>()?, NODES as i32);
        Ok(())
    });
}

#[test]
fn a_chain_that_was_never_evaluated_is_dropped() {
    on_a_small_stack(|| {
        drop(counted(&Array::scalar(0i32)?, NODES)?);
        Ok(())
    });
}

#[test]
fn a_chain_that_cannot_be_fused_is_evaluated() {
    on_a_small_stack(|| {
        let mut array = Array::from_slice(&[1i32, 2, 3], [3])?;
        for _ in 0..NODES / 4 {
            array = ops::cumsum(&ops::flip(&array, &[0])?, Some(0), false, true)?;
            array = ops::subtract(&array, &ops::flip(&array, &[0])?)?;
        }
        eval(&[array])
    });
}

#[test]
fn a_ladder_in_which_every_node_is_used_twice_takes_linear_time() {
    on_a_small_stack(|| {
        let mut array = Array::scalar(1u32)?;
        for _ in 0..NODES / 2 {
            array = ops::add(&array, &array)?;
            array = ops::bitwise_xor(&array, &Array::scalar(1u32)?)?;
        }
        array.item::<u32>().map(drop)
    });
}

#[test]
fn a_chain_is_dropped_from_its_middle_while_its_ends_are_held() {
    on_a_small_stack(|| {
        let start = Array::scalar(0i32)?;
        let middle = counted(&start, NODES / 2)?;
        let end = counted(&middle, NODES / 2)?;
        drop(middle);
        assert_eq!(end.item::<i32>()?, NODES as i32);
        assert_eq!(start.item::<i32>()?, 0);
        Ok(())
    });
}

#[test]
fn derivatives_of_a_long_chain_are_taken_in_both_modes() {
    on_a_small_stack(|| {
        let count = NODES / 5;
        let function = |x: &[Array]| {
            let scaled = |sum: Array| ops::multiply(&sum, &Array::scalar(-1f32)?);
            let last = (0..count).try_fold(x[0].clone(), |sum, _| scaled(sum))?;
            Ok(vec![last])
        };
        let (x, one) = ([Array::scalar(3f32)?], [Array::scalar(1f32)?]);
        let (_, pulled) = transforms::vjp(function, &x, &one)?;
        let (_, pushed) = transforms::jvp(function, &x, &one)?;
        assert_eq!(pulled[0].item::<f32>()?, 1.0);
        assert_eq!(pushed[0].item::<f32>()?, 1.0);
        Ok(())
    });
}

#[test]
fn a_long_chain_is_vectorised() {
    on_a_small_stack(|| {
        let numbers = Array::from_slice(&[1i32, 2, 3], [3])?;
        let function = |x: &[Array]| Ok(vec![counted(&x[0], NODES / 5)?]);
        let mapped = transforms::vmap(function, &[numbers], &[Some(0)], &[])?;
        let shift = (NODES / 5) as i32;
        assert_eq!(
            mapped[0].to_vec::<i32>()?,
            [shift + 1, shift + 2, shift + 3]
        );
        Ok(())
    });
}

#[test]
fn a_hundred_thousand_arrays_are_joined_and_taken_apart() {
    on_a_small_stack(|| {
        let parts: Vec<Array> = (0..100_000i32)
            .map(|number| Array::from_slice(&[number], [1]))
            .collect::<Result<_>>()?;
        let joined = ops::concatenate(&parts.iter().collect::<Vec<_>>(), 0)?;
        let sum = ops::sum(&joined.astype(mlx_oxide_core::Dtype::Int64)?, None, false)?;
        assert_eq!(sum.item::<i64>()?, 4_999_950_000);
        Ok(())
    });
}

/// The operands of a program are its inputs and outputs, not those of every instruction.
#[test]
fn long_chains_pass_over_memory_once() -> Result<()> {
    mlx_oxide_cpu::install();
    let all = |value: f32| Array::from_slice(&vec![value; 5000], [5000]);
    let (mut value, y, z) = (all(0.5)?, all(0.25)?, all(-1.0)?);
    for _ in 0..50 {
        value = ops::add(&ops::multiply(&value, &y)?, &z)?;
    }
    let traffic = eval_counted(std::slice::from_ref(&value), true)?;
    assert_eq!((traffic.passes, traffic.written), (1, 5000 * 4));
    let expected = (0..50).fold(0.5f32, |value, _| value * 0.25 - 1.0);
    assert_eq!(value.to_vec::<f32>()?, vec![expected; 5000]);
    Ok(())
}
