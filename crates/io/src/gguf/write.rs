//! Writing.

use super::kind::{Kind, LIST, TEXT, metadata_number};
use super::{ALIGNMENT, ALIGNMENT_KEY, MAGIC, OP, Value, malformed};
use crate::elements::with_elements;
use crate::error::{Error, Result};
use mlx_oxide_core::{Array, Dtype};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// More axes than readers take.
const MOST_AXES: usize = 8;

/// The bytes of a file with arrays by name and metadata by key.
///
/// # Errors
/// As [`write_to`].
pub fn write(
    arrays: &BTreeMap<String, Array>,
    metadata: &BTreeMap<String, Value>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_to(&mut bytes, arrays, metadata)?;
    Ok(bytes)
}

/// Writes a file at a path.
///
/// # Errors
/// As [`write_to`].
pub fn save(
    path: &Path,
    arrays: &BTreeMap<String, Array>,
    metadata: &BTreeMap<String, Value>,
) -> Result<()> {
    // what cannot be written shall not replace an older file
    let head = head(arrays, metadata)?;
    let file = File::create(path).map_err(|source| Error::System { op: OP, source })?;
    write_parts(BufWriter::new(file), &head, arrays)
}

/// Writes a file with arrays by name and metadata by key.
///
/// # Errors
/// Arrays of `bool`, unsigned or complex dtypes, or of more than 8 axes; metadata of other dtypes
/// than `bool`, the integers, `float32` and `float64`, or of more than one axis; an alignment
/// (`general.alignment`) that is not the format's own of 32.
pub fn write_to(
    file: impl Write,
    arrays: &BTreeMap<String, Array>,
    metadata: &BTreeMap<String, Value>,
) -> Result<()> {
    let head = head(arrays, metadata)?;
    write_parts(file, &head, arrays)
}

/// What comes before the elements.
fn head(arrays: &BTreeMap<String, Array>, metadata: &BTreeMap<String, Value>) -> Result<Vec<u8>> {
    let mut head = MAGIC.to_vec();
    head.extend(3u32.to_le_bytes());
    head.extend((arrays.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut head, key);
        entry(&mut head, key, value)?;
    }
    let mut offset = 0u64;
    for (name, array) in arrays {
        description(&mut head, name, array, offset)?;
        offset = (offset + array.nbytes() as u64).next_multiple_of(ALIGNMENT);
    }
    Ok(head)
}

fn write_parts(mut file: impl Write, head: &[u8], arrays: &BTreeMap<String, Array>) -> Result<()> {
    let system = |source| Error::System { op: OP, source };
    file.write_all(head).map_err(system)?;
    let mut written = head.len() as u64;
    for array in arrays.values() {
        let padding = written.next_multiple_of(ALIGNMENT) - written;
        file.write_all(&[0; ALIGNMENT as usize][..padding as usize])
            .map_err(system)?;
        with_elements(array, |bytes| file.write_all(bytes).map_err(system))?;
        written += padding + array.nbytes() as u64;
    }
    file.flush().map_err(system)
}

fn text(head: &mut Vec<u8>, text: &str) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text.as_bytes());
}

fn unsupported(dtype: Dtype, what: &str) -> Error {
    Error::Dtype {
        op: OP,
        found: format!("{dtype}, of {what},"),
    }
}

fn description(head: &mut Vec<u8>, name: &str, array: &Array, offset: u64) -> Result<()> {
    let kind = Kind::number(array.dtype())
        .ok_or_else(|| unsupported(array.dtype(), &format!("the array {name:?}")))?;
    if array.ndim() > MOST_AXES {
        return Err(malformed(format!(
            "{name:?} has {} axes; the format has at most {MOST_AXES}",
            array.ndim()
        )));
    }
    text(head, name);
    head.extend((array.ndim() as u32).to_le_bytes());
    for size in array.shape().iter().rev() {
        head.extend((*size as u64).to_le_bytes());
    }
    head.extend(kind.to_le_bytes());
    head.extend(offset.to_le_bytes());
    Ok(())
}

fn entry(head: &mut Vec<u8>, key: &str, value: &Value) -> Result<()> {
    match value {
        Value::Text(value) => {
            head.extend(TEXT.to_le_bytes());
            text(head, value);
        }
        Value::Texts(values) => {
            head.extend(LIST.to_le_bytes());
            head.extend(TEXT.to_le_bytes());
            head.extend((values.len() as u64).to_le_bytes());
            for value in values {
                text(head, value);
            }
        }
        Value::Array(array) => numbers(head, key, array)?,
    }
    Ok(())
}

fn numbers(head: &mut Vec<u8>, key: &str, array: &Array) -> Result<()> {
    let kind = metadata_number(array.dtype())
        .ok_or_else(|| unsupported(array.dtype(), &format!("the metadata {key:?}")))?;
    match array.ndim() {
        0 => head.extend(kind.to_le_bytes()),
        1 => {
            head.extend(LIST.to_le_bytes());
            head.extend(kind.to_le_bytes());
            head.extend((array.size() as u64).to_le_bytes());
        }
        axes => {
            return Err(malformed(format!(
                "the metadata {key:?} have {axes} axes; the format has at most one"
            )));
        }
    }
    let start = head.len();
    array.with_bytes(|bytes| {
        head.extend_from_slice(bytes);
        Ok(())
    })?;
    if key == ALIGNMENT_KEY && head[start..] != (ALIGNMENT as u32).to_le_bytes() {
        return Err(malformed(format!(
            "{ALIGNMENT_KEY} must be {ALIGNMENT} in uint32"
        )));
    }
    Ok(())
}
