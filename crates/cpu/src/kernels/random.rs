//! Random bits by Threefry-2×32 (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy
//! as 1, 2, 3*, 2011).

use super::shared::Shared;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Random, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;
use std::mem::MaybeUninit;

/// Pairs of words of a piece of work.
const PIECE: usize = 32 * 1024;
/// Pairs that go through the rounds together; with sixteen registers more would not stay in them.
const LANES: usize = 32;

pub(crate) fn supports(_op: &Random, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &Random, call: &Call<'_>) -> Result<Results> {
    let Random::Bits { shape, width } = op;
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let keys = keys(&call.inputs[0])?;
    let bytes = shape.size() * usize::from(*width);
    let target = Shared(buffer.host_ptr()?.as_ptr());
    let isa = Isa::best();
    // a key's words are written in place, unless its last word is not whole
    let whole = bytes.is_multiple_of(4);
    if keys.len() > 1 || !whole {
        let grain = (PIECE * 8 / bytes.max(1)).max(1);
        parallel::for_each_range(keys.len(), grain, |start, end| {
            let mut words = vec![MaybeUninit::uninit(); bytes.div_ceil(4)];
            for (number, &key) in keys[start..end].iter().enumerate() {
                fill(isa, key, Halves::of(&mut words));
                let place = target.element::<u8>((start + number) * bytes);
                // SAFETY: all words are written; the place has room for the key's bytes
                unsafe { place.copy_from_nonoverlapping(words.as_ptr().cast(), bytes) };
            }
        });
    } else if let Some(&key) = keys.first() {
        let words = bytes / 4;
        let (pairs, second) = (words / 2, words.div_ceil(2));
        parallel::for_each_range(pairs.max(1), PIECE, |start, end| {
            let end = end.min(pairs);
            // SAFETY: pieces are apart from each other, and both halves lie in the buffer
            let (first, other) = unsafe {
                let at = |place| target.element::<MaybeUninit<u32>>(place);
                (
                    std::slice::from_raw_parts_mut(at(start), end - start),
                    std::slice::from_raw_parts_mut(at(second + start), end - start),
                )
            };
            fill(
                isa,
                key,
                Halves {
                    first,
                    second: other,
                    start,
                    distance: second,
                    middle: None,
                },
            );
        });
        if !words.is_multiple_of(2) {
            let middle = threefry(key, [[pairs as u32], [0]])[0][0];
            // SAFETY: the middle word lies in the buffer
            unsafe { target.element::<u32>(pairs).write(middle) };
        }
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

fn keys(operand: &Operand) -> Result<Vec<[u32; 2]>> {
    let base = operand.buffer.host_ptr()?.as_ptr().cast::<u32>();
    let word = |place: usize| {
        let mut rest = place;
        let mut offset = operand.layout.offset as isize;
        for (size, stride) in operand
            .layout
            .shape
            .iter()
            .zip(&operand.layout.strides)
            .rev()
        {
            offset += (rest % size) as isize * stride;
            rest /= size;
        }
        // SAFETY: the layout lies in the buffer
        unsafe { base.offset(offset).read_unaligned() }
    };
    Ok((0..operand.layout.size() / 2)
        .map(|number| [word(2 * number), word(2 * number + 1)])
        .collect())
}

/// Where the words of consecutive counters go. The counter pairs word `i` of the first half with
/// word `i + distance` of the second; an odd count leaves one in the middle, paired with zero.
struct Halves<'a> {
    first: &'a mut [MaybeUninit<u32>],
    second: &'a mut [MaybeUninit<u32>],
    start: usize,
    distance: usize,
    middle: Option<&'a mut MaybeUninit<u32>>,
}

impl<'a> Halves<'a> {
    fn of(words: &'a mut [MaybeUninit<u32>]) -> Self {
        let distance = words.len().div_ceil(2);
        let pairs = words.len() / 2;
        let (first, second) = words.split_at_mut(distance);
        let (first, middle) = first.split_at_mut(pairs);
        Halves {
            first,
            second,
            start: 0,
            distance,
            middle: middle.first_mut(),
        }
    }
}

/// Fills both halves on an instruction set that the machine has.
fn fill(isa: Isa, key: [u32; 2], halves: Halves<'_>) {
    match isa {
        Isa::Baseline => pairs(key, halves),
        // SAFETY: the instruction set is there
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { pairs_avx2(key, halves) },
        // SAFETY: the instruction set is there
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { pairs_avx512(key, halves) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => pairs(key, halves),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pairs_avx2(key: [u32; 2], halves: Halves<'_>) {
    pairs(key, halves);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn pairs_avx512(key: [u32; 2], halves: Halves<'_>) {
    pairs(key, halves);
}

#[inline(always)]
fn pairs(key: [u32; 2], halves: Halves<'_>) {
    let mut counter = halves.start as u32;
    let distance = halves.distance as u32;
    let (first, first_rest) = halves.first.as_chunks_mut::<LANES>();
    let (second, second_rest) = halves.second.as_chunks_mut::<LANES>();
    for (first, second) in first.iter_mut().zip(second) {
        let counters: [u32; LANES] = std::array::from_fn(|lane| counter.wrapping_add(lane as u32));
        let others = counters.map(|counter| counter.wrapping_add(distance));
        let words = threefry(key, [counters, others]);
        *first = words[0].map(MaybeUninit::new);
        *second = words[1].map(MaybeUninit::new);
        counter = counter.wrapping_add(LANES as u32);
    }
    for (first, second) in first_rest.iter_mut().zip(second_rest) {
        let words = threefry(key, [[counter], [counter.wrapping_add(distance)]]);
        first.write(words[0][0]);
        second.write(words[1][0]);
        counter = counter.wrapping_add(1);
    }
    if let Some(middle) = halves.middle {
        middle.write(threefry(key, [[counter], [0]])[0][0]);
    }
}

/// Five times four rounds on every lane, a word of the extended key added after each four.
#[inline(always)]
fn threefry<const N: usize>(key: [u32; 2], counters: [[u32; N]; 2]) -> [[u32; N]; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    const PARITY: u32 = 0x1BD1_1BDA;
    let extended = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
    let [mut left, mut right] = counters;
    for lane in 0..N {
        left[lane] = left[lane].wrapping_add(key[0]);
        right[lane] = right[lane].wrapping_add(key[1]);
    }
    for round in 0..5 {
        for rotation in ROTATIONS[round % 2] {
            for lane in 0..N {
                left[lane] = left[lane].wrapping_add(right[lane]);
                right[lane] = right[lane].rotate_left(rotation) ^ left[lane];
            }
        }
        let (first, second) = (extended[(round + 1) % 3], extended[(round + 2) % 3]);
        for lane in 0..N {
            left[lane] = left[lane].wrapping_add(first);
            right[lane] = right[lane]
                .wrapping_add(second)
                .wrapping_add(round as u32 + 1);
        }
    }
    [left, right]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_and_length_gives_the_words_of_single_counters() {
        let key = [17, 0xDEAD_BEEF];
        for count in (0..2 * LANES * 2 + 3).chain([1000, 1001]) {
            let (pairs, distance) = (count / 2, count.div_ceil(2));
            let expected: Vec<u32> = (0..count)
                .map(|place| match place {
                    _ if count % 2 == 1 && place == pairs => {
                        threefry(key, [[place as u32], [0]])[0][0]
                    }
                    _ if place < distance => {
                        threefry(key, [[place as u32], [(place + distance) as u32]])[0][0]
                    }
                    _ => threefry(key, [[(place - distance) as u32], [place as u32]])[1][0],
                })
                .collect();
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                let mut words = vec![MaybeUninit::new(0); count];
                fill(isa, key, Halves::of(&mut words));
                // SAFETY: written when made
                let words: Vec<u32> = words
                    .iter()
                    .map(|word| unsafe { word.assume_init() })
                    .collect();
                assert_eq!(words, expected, "{count} words on {isa:?}");
            }
        }
    }
}
