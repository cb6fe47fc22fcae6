use super::*;
use mlx_oxide_core::Dtype;

fn sample() -> Vec<u8> {
    let arrays = BTreeMap::from([
        (
            "x".to_owned(),
            Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap(),
        ),
        (
            "y".to_owned(),
            Array::from_slice(&[1i8, -2, 3], [3]).unwrap(),
        ),
    ]);
    let metadata = BTreeMap::from([
        (
            "number".to_owned(),
            Value::Array(Array::scalar(7u16).unwrap()),
        ),
        ("text".to_owned(), Value::Text("hé".to_owned())),
        (
            "texts".to_owned(),
            Value::Texts(vec!["a".to_owned(), String::new()]),
        ),
        (
            "truths".to_owned(),
            Value::Array(Array::from_slice(&[true, false], [2]).unwrap()),
        ),
    ]);
    write(&arrays, &metadata).unwrap()
}

#[test]
fn arrays_and_metadata_survive_the_round_trip() {
    let contents = read(&sample()).unwrap();
    assert_eq!(contents.arrays["x"].shape().to_vec(), [2, 3]);
    assert_eq!(
        contents.arrays["x"].to_vec::<f32>().unwrap(),
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    );
    assert_eq!(contents.arrays["y"].to_vec::<i8>().unwrap(), [1, -2, 3]);
    let Value::Array(number) = &contents.metadata["number"] else {
        panic!("no number");
    };
    assert_eq!(number.item::<u16>().unwrap(), 7);
    assert!(matches!(&contents.metadata["text"], Value::Text(text) if text == "hé"));
    assert!(matches!(&contents.metadata["texts"], Value::Texts(texts) if *texts == ["a", ""]));
    assert!(
        matches!(&contents.metadata["truths"], Value::Array(array) if array.dtype() == Dtype::Bool)
    );
}

#[test]
fn truncated_files_are_errors() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
}

/// A file with one tensor of a type, `rows` of `columns`.
fn tensor(kind: u32, columns: u64, rows: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(8u64.to_le_bytes());
    bytes.extend(b"a.weight");
    bytes.extend(2u32.to_le_bytes());
    bytes.extend(columns.to_le_bytes());
    bytes.extend(rows.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(data);
    bytes
}

#[test]
fn four_bits_stay_quantized_in_order() {
    // d = 1; byte i has i in its lower bits and 15 - i in its upper ones
    let mut block = vec![0x00, 0x3c];
    block.extend((0..16u8).map(|i| i | (15 - i) << 4));
    let contents = read(&tensor(2, 32, 1, &block)).unwrap();
    let arrays = &contents.arrays;
    let words = arrays["a.weight"].to_vec::<u32>().unwrap();
    assert_eq!(words, [0x7654_3210, 0xfedc_ba98, 0x89ab_cdef, 0x0123_4567]);
    let one = |name: &str| arrays[name].to_vec::<half::f16>().unwrap()[0].to_f32();
    assert_eq!((one("a.scales"), one("a.biases")), (1.0, -8.0));
}

#[test]
fn other_blocks_become_half_precision() {
    // Q8_K: d = 0.5 in single precision, then -2…253 as signed bytes
    let mut block = 0.5f32.to_le_bytes().to_vec();
    block.extend((0..=255u8).map(|i| i.wrapping_sub(2)));
    block.resize(292, 0);
    let contents = read(&tensor(15, 256, 1, &block)).unwrap();
    let numbers = contents.arrays["a.weight"].to_vec::<half::f16>().unwrap();
    assert_eq!(numbers[0].to_f32(), -1.0);
    assert_eq!(numbers[3].to_f32(), 0.5);
    assert_eq!(numbers[130].to_f32(), -64.0);
}

#[test]
fn hostile_headers_are_errors() {
    let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    let huge = u64::MAX;
    assert!(message(&tensor(0, huge, 2, &[])).contains("too large"));
    assert!(message(&tensor(0, 1 << 40, 1, &[])).contains("of 4398046511104 bytes"));
    assert!(message(&tensor(2, 31, 1, &[0; 18])).contains("rows of 31 elements"));
    assert!(message(&tensor(99, 32, 1, &[0; 18])).contains("type 99"));
    // many metadata, tensors and texts that are not there
    let mut bytes = sample();
    bytes[8..16].copy_from_slice(&huge.to_le_bytes());
    assert!(read(&bytes).is_err());
    bytes[16..24].copy_from_slice(&huge.to_le_bytes());
    assert!(read(&bytes).is_err());
    bytes[24..32].copy_from_slice(&huge.to_le_bytes());
    assert!(read(&bytes).is_err());
}

#[test]
fn tensors_that_share_their_bytes_are_refused() {
    let twice = tensor(0, 4, 1, &[0; 16]);
    let info = 24..24 + 8 + 8 + 4 + 16 + 4 + 8;
    let mut bytes = twice[..info.end].to_vec();
    bytes[8] = 2;
    bytes.extend(&twice[info.clone()]);
    bytes[info.end + 8] = b'b';
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend([0; 16]);
    let message = read(&bytes).unwrap_err().to_string();
    assert!(message.contains("overlap"), "{message}");
}
