//! Files with bytes changed, cut out, doubled or cut off: an error or arrays, never a panic, and
//! never more memory than the file justifies.

use mlx_oxide_core::Array;
use mlx_oxide_io::{gguf, npy, npz, safetensors};
use std::collections::BTreeMap;

/// Files a format is tried with.
const TRIALS: usize = 20_000;

/// A small generator of numbers (Marsaglia 2003, "Xorshift RNGs").
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn change(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    // most of what readers trust is near the start
    let reach = match numbers.below(3) {
        0 => bytes.len().min(64),
        _ => bytes.len(),
    };
    let place = numbers.below(reach);
    match numbers.below(6) {
        0 => bytes[place] = numbers.next() as u8,
        1 => bytes[place] ^= 1 << numbers.below(8),
        2 => bytes.truncate(place),
        3 => {
            let end = (place + 1 + numbers.below(8)).min(bytes.len());
            bytes.drain(place..end);
        }
        4 => {
            let end = (place + 1 + numbers.below(64)).min(bytes.len());
            let copy = bytes[place..end].to_vec();
            bytes.splice(place..place, copy);
        }
        _ => {
            const EXTREMES: [u64; 6] = [0, u64::MAX, 1 << 63, 1 << 32, u32::MAX as u64, 1 << 40];
            let number = EXTREMES[numbers.below(EXTREMES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][numbers.below(4)];
            for (to, from) in bytes[place..].iter_mut().zip(&number[8 - width..]) {
                *to = *from;
            }
        }
    }
}

/// Reads mutations of `file`; `read` returns the arrays it found.
fn survive(file: &[u8], read: impl Fn(&[u8]) -> Option<Vec<Array>>) {
    assert!(read(file).is_some(), "the file itself is read");
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..TRIALS {
        let mut bytes = file.to_vec();
        for _ in 0..=numbers.below(3) {
            if !bytes.is_empty() {
                change(&mut bytes, &mut numbers);
            }
        }
        match read(&bytes) {
            None => bad += 1,
            Some(arrays) => {
                good += 1;
                // blocks of 1.6 bits become 16; deflate expands by 1032 at most
                let most = 1032 * bytes.len();
                let total: usize = arrays.iter().map(Array::nbytes).sum();
                assert!(total <= most, "{total} bytes out of {}", bytes.len());
            }
        }
    }
    assert!(
        bad > TRIALS / 10 && good > TRIALS / 100,
        "{good} good, {bad} bad"
    );
}

fn arrays() -> BTreeMap<String, Array> {
    BTreeMap::from([
        (
            "layer.weight".to_owned(),
            Array::from_slice(&[1.5f32; 24], [2, 3, 4]).expect("memory"),
        ),
        (
            "count".to_owned(),
            Array::from_slice(&[1i32, -2, 3], [3]).expect("memory"),
        ),
        ("scalar".to_owned(), Array::scalar(2i16).expect("memory")),
    ])
}

#[test]
fn mutated_npy_files() {
    let truths = Array::from_slice(&[true, false, true, true], [2, 2]).unwrap();
    let numbers = Array::from_slice(&[0.5f32; 40], [5, 8]).unwrap();
    for array in [truths, numbers] {
        survive(&npy::write(&array).unwrap(), |bytes| {
            npy::read(bytes).ok().map(|array| vec![array])
        });
    }
}

#[test]
fn mutated_npz_files() {
    let arrays = arrays();
    for compressed in [false, true] {
        let entries = arrays.iter().map(|(name, array)| (name.as_str(), array));
        survive(&npz::write(entries, compressed).unwrap(), |bytes| {
            let arrays = npz::read(bytes).ok()?;
            Some(arrays.into_values().collect())
        });
    }
}

#[test]
fn mutated_safetensors_files() {
    let file = safetensors::write(&arrays(), None).unwrap();
    survive(&file, |bytes| {
        let (arrays, _) = safetensors::read(bytes).ok()?;
        Some(arrays.into_values().collect())
    });
}

#[test]
fn mutated_gguf_files() {
    let metadata = BTreeMap::from([
        ("name".to_owned(), gguf::Value::Text("x".to_owned())),
        (
            "texts".to_owned(),
            gguf::Value::Texts(vec!["a".to_owned(), "bc".to_owned()]),
        ),
        (
            "numbers".to_owned(),
            gguf::Value::Array(Array::from_slice(&[1u32, 2], [2]).unwrap()),
        ),
    ]);
    let file = gguf::write(&arrays(), &metadata).unwrap();
    survive(&file, |bytes| {
        let contents = gguf::read(bytes).ok()?;
        Some(contents.arrays.into_values().collect())
    });
}

/// A GGUF file with one tensor of `elements` in one row.
fn block_file(kind: u32, elements: u64, data: usize) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0; 8]);
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, b'w']);
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(elements.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend((0..data).map(|place| place as u8));
    bytes
}

#[test]
fn mutated_blocks_of_every_type() {
    // enough bytes for 256 elements of any type, so that a mutated type is read too
    for kind in 0..45 {
        let file = block_file(kind, 256, 2048);
        if gguf::read(&file).is_err() {
            continue;
        }
        survive(&file, |bytes| {
            let contents = gguf::read(bytes).ok()?;
            Some(contents.arrays.into_values().collect())
        });
    }
}
