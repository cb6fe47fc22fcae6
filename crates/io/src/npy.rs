//! NumPy's npy format.

use crate::error::{Error, Result};
use mlx_oxide_core::{Array, ArrayType, Dtype, ops};

const OP: &str = "npy";
const MAGIC: &[u8] = b"\x93NUMPY";

fn type_code(dtype: Dtype) -> Result<&'static str> {
    Ok(match dtype {
        Dtype::Bool => "|b1",
        Dtype::Uint8 => "|u1",
        Dtype::Uint16 => "<u2",
        Dtype::Uint32 => "<u4",
        Dtype::Uint64 => "<u8",
        Dtype::Int8 => "|i1",
        Dtype::Int16 => "<i2",
        Dtype::Int32 => "<i4",
        Dtype::Int64 => "<i8",
        Dtype::Float16 => "<f2",
        Dtype::Float32 => "<f4",
        Dtype::Float64 => "<f8",
        Dtype::Bfloat16 => "<V2",
        Dtype::Complex64 => "<c8",
    })
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed {
        op: OP,
        reason: reason.into(),
    }
}

/// What a header says.
struct Header {
    code: String,
    column_major: bool,
    shape: Vec<usize>,
}

/// The text after `key:` in a header's dict.
fn field<'a>(header: &'a str, key: &str) -> Result<&'a str> {
    let quoted = [format!("'{key}':"), format!("\"{key}\":")];
    quoted
        .iter()
        .find_map(|key| {
            header
                .split_once(key.as_str())
                .map(|(_, rest)| rest.trim_start())
        })
        .ok_or_else(|| malformed(format!("the header has no {key}")))
}

fn parse(header: &str) -> Result<Header> {
    let code = field(header, "descr")?;
    let quote = code
        .chars()
        .next()
        .filter(|quote| ['\'', '"'].contains(quote));
    let code = quote
        .and_then(|quote| code[1..].split_once(quote))
        .map(|(code, _)| code.to_owned())
        .ok_or_else(|| Error::Dtype {
            op: OP,
            found: "structured records".to_owned(),
        })?;
    let column_major = field(header, "fortran_order")?.starts_with("True");
    let shape = field(header, "shape")?;
    let sizes = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map(|(sizes, _)| sizes)
        .ok_or_else(|| malformed("the shape is no tuple"))?;
    let shape = sizes
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| {
            size.parse()
                .map_err(|_| malformed(format!("size {size:?} in the shape")))
        })
        .collect::<Result<_>>()?;
    Ok(Header {
        code,
        column_major,
        shape,
    })
}

/// The array of a file.
pub fn read(bytes: &[u8]) -> Result<Array> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| malformed("no NumPy magic"))?;
    let short = || malformed("the header is cut off");
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            (u16::from_le_bytes(*length) as usize, rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(malformed(format!("unknown version {other}"))),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let header =
        parse(std::str::from_utf8(header).map_err(|_| malformed("the header is no text"))?)?;
    let dtype = Dtype::ALL
        .into_iter()
        .find(|dtype| type_code(*dtype).is_ok_and(|code| code[1..] == header.code[1..]))
        .filter(|_| !header.code.starts_with('>'))
        .ok_or_else(|| Error::Dtype {
            op: OP,
            found: header.code.clone(),
        })?;
    let mut shape = header.shape.clone();
    if header.column_major {
        shape.reverse();
    }
    let array_type = ArrayType::new(shape, dtype);
    array_type.shape.clone().checked(OP)?;
    let elements = data.get(..array_type.bytes()).ok_or_else(|| {
        malformed(format!(
            "{} bytes of elements instead of {}",
            data.len(),
            array_type.bytes()
        ))
    })?;
    let array = Array::from_bytes(elements, array_type)?;
    Ok(if header.column_major {
        ops::transpose(&array, &[])?
    } else {
        array
    })
}

/// The bytes of a file with the array.
pub fn write(array: &Array) -> Result<Vec<u8>> {
    let mut header = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
        type_code(array.dtype())?,
        array.shape()
    );
    // the elements begin at a multiple of 64
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(
        ' ',
        unpadded.next_multiple_of(64) - unpadded,
    ));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    if let Ok(length) = u16::try_from(header.len()) {
        bytes.extend([1, 0]);
        bytes.extend(length.to_le_bytes());
    } else {
        return Err(malformed("the shape is too long for a header"));
    }
    bytes.extend(header.as_bytes());
    array.with_bytes(|elements| {
        bytes.extend_from_slice(elements);
        Ok(())
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_survive_the_round_trip() {
        for shape in [vec![], vec![4], vec![2, 2], vec![0, 3]] {
            let count: usize = shape.iter().product();
            let values: Vec<i32> = (0..count as i32).collect();
            let array = Array::from_slice(&values, shape.clone()).unwrap();
            let read = read(&write(&array).unwrap()).unwrap();
            assert_eq!(read.shape().to_vec(), shape);
            assert_eq!(read.to_vec::<i32>().unwrap(), values);
        }
    }

    #[test]
    fn malformed_files_are_errors() {
        let array = Array::from_slice(&[1.0f32; 8], [8]).unwrap();
        let bytes = write(&array).unwrap();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        let huge = String::from_utf8_lossy(&bytes).replace("(8,)", "(9999999999999999999,)");
        assert!(read(huge.as_bytes()).is_err());
    }
}
