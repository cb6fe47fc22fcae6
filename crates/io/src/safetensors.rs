//! The safetensors format.

use crate::error::{Error, Result};
use crate::source::Source;
use mlx_oxide_core::{Array, ArrayType, Dtype};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read, Seek};
use std::path::Path;

const OP: &str = "safetensors";

fn file_dtype(dtype: Dtype) -> FileDtype {
    match dtype {
        Dtype::Bool => FileDtype::BOOL,
        Dtype::Uint8 => FileDtype::U8,
        Dtype::Uint16 => FileDtype::U16,
        Dtype::Uint32 => FileDtype::U32,
        Dtype::Uint64 => FileDtype::U64,
        Dtype::Int8 => FileDtype::I8,
        Dtype::Int16 => FileDtype::I16,
        Dtype::Int32 => FileDtype::I32,
        Dtype::Int64 => FileDtype::I64,
        Dtype::Float16 => FileDtype::F16,
        Dtype::Float32 => FileDtype::F32,
        Dtype::Float64 => FileDtype::F64,
        Dtype::Bfloat16 => FileDtype::BF16,
        Dtype::Complex64 => FileDtype::C64,
    }
}

fn array_dtype(dtype: FileDtype) -> Result<Dtype> {
    Dtype::ALL
        .into_iter()
        .find(|candidate| file_dtype(*candidate) == dtype)
        .or(match dtype {
            // 8-bit floats have no dtype of their own: their bits are kept
            FileDtype::F8_E4M3 | FileDtype::F8_E5M2 => Some(Dtype::Uint8),
            _ => None,
        })
        .ok_or_else(|| Error::Dtype {
            op: OP,
            found: format!("{dtype:?}"),
        })
}

/// Longer headers are refused by every reader of the format.
const LONGEST_HEADER: u64 = 100_000_000;

fn malformed(error: impl ToString) -> Error {
    Error::Malformed {
        op: OP,
        reason: error.to_string(),
    }
}

/// Arrays by name and the file's metadata, from the bytes of a file.
///
/// # Errors
/// As [`read_from`].
pub fn read(bytes: &[u8]) -> Result<(BTreeMap<String, Array>, HashMap<String, String>)> {
    read_from(Cursor::new(bytes))
}

/// Arrays by name and the metadata of a file, read tensor by tensor.
///
/// # Errors
/// A malformed file; elements that are of no dtype.
pub fn read_from(
    file: impl Read + Seek,
) -> Result<(BTreeMap<String, Array>, HashMap<String, String>)> {
    let mut source = Source::new(OP, file)?;
    let length = source.exact("the length of the header")?;
    let size = u64::from_le_bytes(length);
    if size > LONGEST_HEADER {
        return Err(source.malformed(format!("a header of {size} bytes")));
    }
    let header: Metadata =
        serde_json::from_slice(&source.take(size, "a header")?).map_err(malformed)?;
    let mut tensors: Vec<_> = header.tensors().into_iter().collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut types = Vec::with_capacity(tensors.len());
    // tensors lie end to end: none shares bytes with another
    let mut end = 0;
    for (name, info) in &tensors {
        let array_type = ArrayType::new(&info.shape[..], array_dtype(info.dtype)?);
        array_type.shape.clone().checked(OP)?;
        let (from, to) = info.data_offsets;
        if from != end || to.checked_sub(from) != Some(array_type.bytes()) {
            return Err(source.malformed(format!(
                "{name:?} of {} bytes is at bytes {from} to {to}, after {end}",
                array_type.bytes()
            )));
        }
        end = to;
        types.push(array_type);
    }
    if end as u64 != source.remaining() {
        return Err(source.malformed(format!("tensors of {end} bytes in {}", source.remaining())));
    }
    let mut arrays = BTreeMap::new();
    for ((name, _), array_type) in tensors.into_iter().zip(types) {
        arrays.insert(name, source.array(array_type)?);
    }
    Ok((arrays, header.metadata().clone().unwrap_or_default()))
}

/// The bytes of a file with arrays by name and metadata.
///
/// # Errors
/// An array that cannot be computed.
pub fn write(
    arrays: &BTreeMap<String, Array>,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    with_views(arrays, |views| {
        safetensors::serialize(views, metadata).map_err(malformed)
    })
}

/// Writes a file with arrays by name and metadata, without all its bytes in memory.
///
/// # Errors
/// An array that cannot be computed; a system that refuses to write.
pub fn save(
    path: &Path,
    arrays: &BTreeMap<String, Array>,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    with_views(arrays, |views| {
        safetensors::serialize_to_file(views, metadata, path).map_err(|error| match error {
            SafeTensorError::IoError(source) => Error::System { op: OP, source },
            other => malformed(other),
        })
    })
}

fn with_views<R>(
    arrays: &BTreeMap<String, Array>,
    write: impl FnOnce(Vec<(&str, TensorView<'_>)>) -> Result<R>,
) -> Result<R> {
    let stored = arrays
        .values()
        .map(|array| Ok(array.to_contiguous()?))
        .collect::<Result<Vec<_>>>()?;
    let mut views = Vec::with_capacity(arrays.len());
    for ((name, array), stored) in arrays.iter().zip(&stored) {
        let start = stored.layout.offset * array.itemsize();
        let bytes = &stored.buffer.host_bytes()?[start..][..array.nbytes()];
        let view = TensorView::new(file_dtype(array.dtype()), array.shape().to_vec(), bytes);
        views.push((name.as_str(), view.map_err(malformed)?));
    }
    write(views)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_and_metadata_survive_the_round_trip() {
        let array = Array::from_slice(&[1.5f32, -2.0, 3.25], [3, 1]).unwrap();
        let metadata = HashMap::from([("format".to_owned(), "mlx".to_owned())]);
        let arrays = BTreeMap::from([("weight".to_owned(), array)]);
        let bytes = write(&arrays, Some(metadata.clone())).unwrap();
        let (read, found) = read(&bytes).unwrap();
        assert_eq!(read["weight"].to_vec::<f32>().unwrap(), [1.5, -2.0, 3.25]);
        assert_eq!(read["weight"].shape().to_vec(), [3, 1]);
        assert_eq!(found, metadata);
    }

    #[test]
    fn truncated_and_lying_files_are_errors() {
        let array = Array::from_slice(&[1.0f32; 8], [8]).unwrap();
        let bytes = write(&BTreeMap::from([("a".to_owned(), array)]), None).unwrap();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        let mut lying = bytes.clone();
        lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read(&lying).is_err());
    }
}
