//! NumPy's npy format.

use crate::elements::with_elements;
use crate::error::{Error, Result};
use crate::source::{fill, normalize};
use mlx_oxide_core::{Array, ArrayType, Dtype, ops};
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

const OP: &str = "npy";
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longer headers describe records, or nothing.
const LONGEST_HEADER: usize = 1 << 16;

fn type_code(dtype: Dtype) -> &'static str {
    match dtype {
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
    }
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed {
        op: OP,
        reason: reason.into(),
    }
}

/// What a header says.
struct Header {
    dtype: Dtype,
    big_endian: bool,
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

/// The text in quotation marks with which `rest` begins.
fn quoted(rest: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| rest.strip_prefix(quote)?.split_once(quote))
        .map(|(text, _)| text)
}

impl Header {
    fn parse(header: &str) -> Result<Self> {
        let code = quoted(field(header, "descr")?).ok_or_else(|| Error::Dtype {
            op: OP,
            found: "structured records".to_owned(),
        })?;
        let big_endian = code.starts_with('>');
        let dtype = Dtype::ALL
            .into_iter()
            .find(|dtype| {
                let known = type_code(*dtype);
                code.strip_prefix(['<', '>', '|', '=']) == known.get(1..)
            })
            .ok_or_else(|| Error::Dtype {
                op: OP,
                found: code.to_owned(),
            })?;
        let sizes = field(header, "shape")?
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
            dtype,
            big_endian,
            column_major: field(header, "fortran_order")?.starts_with("True"),
            shape,
        })
    }

    /// Reads what comes before the elements.
    fn read(stream: &mut impl Read) -> Result<Self> {
        if next(stream)? != *MAGIC {
            return Err(malformed("no NumPy magic"));
        }
        let [version, _] = next(stream)?;
        let length = match version {
            1 => usize::from(u16::from_le_bytes(next(stream)?)),
            2 | 3 => u32::from_le_bytes(next(stream)?) as usize,
            other => return Err(malformed(format!("unknown version {other}"))),
        };
        if length > LONGEST_HEADER {
            return Err(malformed(format!("a header of {length} bytes")));
        }
        let mut header = vec![0; length];
        fill(OP, stream, &mut header)?;
        let text = std::str::from_utf8(&header).map_err(|_| malformed("the header is no text"))?;
        Self::parse(text)
    }

    /// The type of the elements as they lie in the file, along the last axis first.
    fn array_type(&self) -> Result<ArrayType> {
        let mut shape = self.shape.clone();
        if self.column_major {
            shape.reverse();
        }
        let array_type = ArrayType::new(shape, self.dtype);
        array_type.shape.clone().checked(OP)?;
        Ok(array_type)
    }
}

fn next<const N: usize>(stream: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(OP, stream, &mut bytes)?;
    Ok(bytes)
}

/// Turns the bytes of each number around.
fn swap(bytes: &mut [u8], dtype: Dtype) {
    let width = match dtype {
        Dtype::Complex64 => 4,
        other => other.size(),
    };
    for number in bytes.chunks_exact_mut(width) {
        number.reverse();
    }
}

/// The array of a stream of at most `length` bytes, so that no more memory is asked for.
pub(crate) fn read_stream(stream: &mut impl Read, length: u64) -> Result<Array> {
    let header = Header::read(stream)?;
    let array_type = header.array_type()?;
    if array_type.bytes() as u64 > length {
        return Err(malformed(format!(
            "elements of {} bytes in a file of {length}",
            array_type.bytes()
        )));
    }
    let array = Array::from_fill(array_type, |bytes| {
        fill(OP, stream, bytes)?;
        if header.big_endian {
            swap(bytes, header.dtype);
        }
        normalize(bytes, header.dtype);
        Ok::<_, Error>(())
    })?;
    Ok(if header.column_major {
        ops::transpose(&array, &[])?
    } else {
        array
    })
}

/// The array of a file, from its bytes.
///
/// # Errors
/// As [`read_from`].
pub fn read(bytes: &[u8]) -> Result<Array> {
    read_from(Cursor::new(bytes))
}

/// The array of a file.
///
/// # Errors
/// A malformed file; elements that are records, texts or numbers of no dtype.
pub fn read_from(mut file: impl Read + Seek) -> Result<Array> {
    let system = |source| Error::System { op: OP, source };
    let length = file.seek(SeekFrom::End(0)).map_err(system)?;
    file.rewind().map_err(system)?;
    read_stream(&mut file, length)
}

/// The bytes of a file with the array.
///
/// # Errors
/// As [`write_to`].
pub fn write(array: &Array) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(array.nbytes() + 128);
    write_to(&mut bytes, array)?;
    Ok(bytes)
}

/// Writes a file with the array.
///
/// # Errors
/// An array that cannot be computed; a system that refuses to write.
pub fn write_to(mut file: impl Write, array: &Array) -> Result<()> {
    let mut header = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
        type_code(array.dtype()),
        array.shape()
    );
    // the elements begin at a multiple of 64
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(
        ' ',
        unpadded.next_multiple_of(64) - unpadded,
    ));
    header.push('\n');
    let mut head = MAGIC.to_vec();
    let length =
        u16::try_from(header.len()).map_err(|_| malformed("the shape is too long for a header"))?;
    head.extend([1, 0]);
    head.extend(length.to_le_bytes());
    head.extend(header.as_bytes());
    let system = |source| Error::System { op: OP, source };
    file.write_all(&head).map_err(system)?;
    with_elements(array, |elements| file.write_all(elements).map_err(system))
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
    fn big_endian_and_column_major_elements_are_turned() {
        let mut bytes = MAGIC.to_vec();
        let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }";
        bytes.extend([1, 0, header.len() as u8, 0]);
        bytes.extend(header.as_bytes());
        bytes.extend([0, 1, 0, 2, 0, 3, 0xff, 0xfc]);
        let array = read(&bytes).unwrap();
        assert_eq!(array.shape().to_vec(), [2, 2]);
        let values: Vec<f64> = array
            .to_scalars()
            .unwrap()
            .iter()
            .map(|value| value.to_f64())
            .collect();
        assert_eq!(values, [1.0, 3.0, 2.0, -4.0]);
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
