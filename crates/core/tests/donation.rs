//! Memory is reused only where nobody looks.

use mlx_oxide_core::{Array, Dtype, Result, ops};

/// A sequence of numbers that the seed decides (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

const ROWS: usize = 12;
const COLUMNS: usize = 12;

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

fn start(number: usize) -> Result<Array> {
    let values: Vec<f32> = (0..ROWS * COLUMNS)
        .map(|place| ((place * 7 + number * 13) % 29) as f32 / 8.0 - 1.5)
        .collect();
    Array::from_slice(&values, [ROWS, COLUMNS])
}

/// A new array of the common shape from others: elementwise, views that share memory, reductions,
/// products, updates, whatever may write into an input.
fn step(a: &Array, b: &Array, which: usize) -> Result<Array> {
    let clamp = |a: &Array| ops::tanh(a);
    match which {
        0 => clamp(&ops::add(a, b)?),
        1 => ops::negative(a),
        2 => ops::swapaxes(a, 0, 1),
        3 => ops::flip(a, &[0]),
        4 => clamp(&ops::cumsum(a, Some(1), false, true)?),
        5 => clamp(&ops::matmul(a, b)?),
        6 => {
            let part = ops::slice_axis(b, 0, 2, 5)?;
            let places = Array::from_slice(&[1i32, 0, 7], [3])?;
            let updates = ops::expand_dims(&part, &[1])?;
            ops::scatter(
                a,
                &[&places],
                &updates,
                &[0],
                mlx_oxide_ir::Combine::Replace,
            )
        }
        7 => ops::sort(a, Some(0)),
        8 => ops::broadcast_to(&ops::max(a, Some(&[0]), true)?, [ROWS, COLUMNS]),
        9 => ops::reshape_to(&ops::reshape_to(a, [COLUMNS * ROWS])?, [ROWS, COLUMNS]),
        10 => ops::select(&ops::less(a, b)?, a, b),
        11 => ops::astype(&ops::astype(a, Dtype::Float64)?, Dtype::Float32),
        12 => ops::astype(
            &ops::astype(&ops::multiply(a, b)?, Dtype::Int32)?,
            Dtype::Float32,
        ),
        13 => ops::fast::softmax(a, Some(&[-1]), false),
        14 => ops::concatenate(
            &[
                &ops::slice_axis(a, 0, 0, 6)?,
                &ops::slice_axis(b, 0, 6, 12)?,
            ],
            0,
        ),
        _ => ops::maximum(a, a),
    }
}

/// Builds the arrays that a seed decides and gives them to `visit`, which may evaluate and drop
/// them.
fn arrays(
    seed: u64,
    mut visit: impl FnMut(&mut Vec<Array>, &mut Numbers) -> Result<()>,
) -> Result<Vec<Array>> {
    let mut numbers = Numbers(seed * 2 + 1);
    let mut decisions = Numbers(seed * 977 + 5);
    let mut arrays = vec![start(0)?, start(1)?, start(2)?];
    for _ in 0..40 {
        let (a, b) = (numbers.below(arrays.len()), numbers.below(arrays.len()));
        let next = step(&arrays[a], &arrays[b], numbers.below(16))?;
        // the array takes the place of another, which nobody holds then
        if arrays.len() > 8 {
            let place = numbers.below(arrays.len());
            arrays[place] = next;
        } else {
            arrays.push(next);
        }
        visit(&mut arrays, &mut decisions)?;
    }
    Ok(arrays)
}

fn bits(array: &Array) -> Result<Vec<u32>> {
    Ok(array.to_vec::<f32>()?.iter().map(|x| x.to_bits()).collect())
}

#[test]
fn a_held_array_never_changes_whatever_is_computed_from_it() {
    install();
    for seed in 1..150 {
        let mut kept: Vec<(Array, Vec<u32>)> = Vec::new();
        let last = arrays(seed, |arrays, decisions| {
            let chosen = arrays[decisions.below(arrays.len())].clone();
            match decisions.below(3) {
                0 => kept.push((chosen.clone(), bits(&chosen)?)),
                1 => chosen.eval()?,
                _ => {}
            }
            Ok(())
        });
        for array in last.unwrap() {
            array.eval().unwrap();
        }
        for (array, expected) in &kept {
            assert_eq!(&bits(array).unwrap(), expected, "seed {seed}");
        }
    }
}

#[test]
fn the_moments_of_evaluation_do_not_change_a_bit() {
    install();
    for seed in 1..150 {
        let at_the_end = arrays(seed, |_, _| Ok(())).unwrap();
        let every_time = arrays(seed, |arrays, _| arrays.iter().try_for_each(Array::eval)).unwrap();
        let now_and_then = arrays(seed, |arrays, decisions| {
            let chosen = &arrays[decisions.below(arrays.len())];
            if decisions.below(2) == 0 {
                chosen.eval()
            } else {
                Ok(())
            }
        });
        let now_and_then = now_and_then.unwrap();
        for place in 0..at_the_end.len() {
            let expected = bits(&every_time[place]).unwrap();
            assert_eq!(
                bits(&at_the_end[place]).unwrap(),
                expected,
                "seed {seed}, array {place}"
            );
            assert_eq!(
                bits(&now_and_then[place]).unwrap(),
                expected,
                "seed {seed}, array {place}"
            );
        }
    }
}

#[test]
fn a_view_keeps_its_memory_when_what_it_shows_is_given_up() {
    install();
    let x = start(3).unwrap();
    let expected = bits(&ops::slice_axis(&x, 0, 1, 3).unwrap()).unwrap();
    let square = ops::add(&x, &Array::scalar(0f32).unwrap()).unwrap();
    let rows = ops::slice_axis(&square, 0, 1, 3).unwrap();
    rows.eval().unwrap();
    let negative = ops::negative(&square).unwrap();
    drop(square);
    negative.eval().unwrap();
    assert_eq!(bits(&rows).unwrap(), expected);
}

#[test]
fn memory_of_the_caller_is_never_written_to() {
    install();
    let x = start(4).unwrap();
    let expected = bits(&x).unwrap();
    let copy = x.clone();
    let mut y = ops::negative(&x).unwrap();
    drop(x);
    for _ in 0..5 {
        y = ops::add(&y, &copy).unwrap();
        y.eval().unwrap();
    }
    assert_eq!(bits(&copy).unwrap(), expected);
}
