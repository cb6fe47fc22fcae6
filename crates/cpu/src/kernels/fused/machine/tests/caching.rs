//! What is kept, what is dropped, and what is never made.

use super::{Builder, Code, assemble_in, available, lowered, numbers};
use crate::kernels::fused::lower::Lowered;
use crate::kernels::fused::machine::cache::{Cache, MOST, PAYS};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, ScalarProgram};
use mlx_oxide_runtime::Executable;
use std::sync::Arc;

/// `n` sums of differences, another program for every `n`.
fn chain(n: usize) -> ScalarProgram {
    let mut builder = Builder::new(2);
    let mut value = 0;
    for bit in 0..10 {
        let op = if n >> bit & 1 == 1 {
            Binary::Add
        } else {
            Binary::Subtract
        };
        value = builder.binary(op, value, 1);
    }
    builder.finish(&[value])
}

fn find(cache: &Cache, lowered: &Lowered, elements: usize) -> Option<Arc<Code>> {
    let codes = assemble_in(cache, lowered, 0..lowered.steps.len(), &|_| None, elements)?;
    assert_eq!(codes.len(), 1);
    codes.into_iter().next()
}

fn best() -> Option<Isa> {
    available().last()
}

/// What the code makes of two inputs.
fn run(code: &Code, inputs: &[Vec<f32>; 2], lowered: &Lowered) -> Vec<f32> {
    let mut output = vec![0f32; inputs[0].len()];
    let mut slots: Vec<*mut u8> = inputs
        .iter()
        .map(|input| input.as_ptr().cast_mut().cast())
        .collect();
    slots.push(output.as_mut_ptr().cast());
    assert_eq!(lowered.written.len(), 1);
    // SAFETY: one code does all steps, so it reads the inputs and writes the output only
    unsafe { code.run(&slots, output.len()) };
    output
}

fn expected(n: usize, inputs: &[Vec<f32>; 2]) -> Vec<f32> {
    let [first, second] = inputs;
    let pairs = first.iter().zip(second);
    let chain = |(first, second): (&f32, &f32)| {
        (0..10).fold(*first, |value, bit| {
            if n >> bit & 1 == 1 {
                value + second
            } else {
                value - second
            }
        })
    };
    pairs.map(chain).collect()
}

fn inputs() -> [Vec<f32>; 2] {
    [11, 12].map(|seed| {
        numbers(100, seed)
            .iter()
            .map(|it| if it.is_nan() { 3.0 } else { *it })
            .collect()
    })
}

fn bits(values: &[f32]) -> Vec<u32> {
    // which NaN a sum is, is not said
    values
        .iter()
        .map(|value| if value.is_nan() { 0 } else { value.to_bits() })
        .collect()
}

#[test]
fn code_is_made_once() {
    let Some(isa) = best() else { return };
    let cache = Cache::new(Executable::new);
    let lowered = lowered(&chain(5), isa);
    let first = find(&cache, &lowered, PAYS).unwrap();
    let second = find(&cache, &lowered, 1).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn code_is_made_when_it_pays() {
    let Some(isa) = best() else { return };
    let cache = Cache::new(Executable::new);
    let lowered = lowered(&chain(5), isa);
    let elements = PAYS / 100;
    let calls = (0..100)
        .take_while(|_| find(&cache, &lowered, elements).is_none())
        .count();
    assert!((2..50).contains(&calls), "{calls} calls without code");
}

#[test]
fn the_eldest_code_is_dropped_and_still_runs_where_it_is_held() {
    let Some(isa) = best() else { return };
    let cache = Cache::new(Executable::new);
    let eldest = lowered(&chain(0), isa);
    let held = find(&cache, &eldest, PAYS).unwrap();
    let watched = Arc::downgrade(&find(&cache, &lowered(&chain(1), isa), PAYS).unwrap());
    for n in 2..MOST + 2 {
        find(&cache, &lowered(&chain(n), isa), PAYS).unwrap();
    }
    assert_eq!(cache.len(), MOST);
    assert!(watched.upgrade().is_none(), "dropped code is still there");
    let inputs = inputs();
    assert_eq!(
        bits(&run(&held, &inputs, &eldest)),
        bits(&expected(0, &inputs))
    );
    let again = find(&cache, &eldest, PAYS).unwrap();
    assert!(!Arc::ptr_eq(&held, &again));
}

#[test]
fn threads_find_and_run_code_at_once() {
    let Some(isa) = best() else { return };
    let cache = Cache::new(Executable::new);
    let inputs = inputs();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, inputs) = (&cache, &inputs);
            scope.spawn(move || {
                for round in 0..600 {
                    // more than are kept, so that code is dropped while others run it
                    let n = (round * 7 + thread) % (MOST + 40);
                    let lowered = lowered(&chain(n), isa);
                    let code = find(cache, &lowered, PAYS).unwrap();
                    assert_eq!(
                        bits(&run(&code, inputs, &lowered)),
                        bits(&expected(n, inputs))
                    );
                }
            });
        }
    });
    assert_eq!(cache.len(), MOST);
}

#[test]
fn without_executable_memory_there_is_no_code() {
    let Some(isa) = best() else { return };
    let cache = Cache::new(|_| None);
    let lowered = lowered(&chain(5), isa);
    for _ in 0..3 {
        assert!(find(&cache, &lowered, PAYS).is_none());
    }
    assert_eq!(cache.len(), 1);
}
