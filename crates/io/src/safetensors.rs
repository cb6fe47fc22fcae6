//! The safetensors format.

use crate::error::{Error, Result};
use mlx_oxide_core::{Array, ArrayType, Dtype};
use safetensors::tensor::{Dtype as FileDtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};

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

/// Arrays by name and the file's metadata, from the bytes of a file.
pub fn read(bytes: &[u8]) -> Result<(BTreeMap<String, Array>, HashMap<String, String>)> {
    let malformed = |error: safetensors::SafeTensorError| Error::Malformed {
        op: OP,
        reason: error.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let mut arrays = BTreeMap::new();
    for (name, tensor) in file.tensors() {
        let array_type = ArrayType::new(tensor.shape().to_vec(), array_dtype(tensor.dtype())?);
        arrays.insert(name, Array::from_bytes(tensor.data(), array_type)?);
    }
    Ok((arrays, header.metadata().clone().unwrap_or_default()))
}

/// The bytes of a file with arrays by name and metadata.
pub fn write(
    arrays: &BTreeMap<String, Array>,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let mut contents = Vec::with_capacity(arrays.len());
    for (name, array) in arrays {
        let bytes = array.with_bytes(|bytes| Ok(bytes.to_vec()))?;
        contents.push((name, array, bytes));
    }
    let views = contents
        .iter()
        .map(|(name, array, bytes)| {
            TensorView::new(file_dtype(array.dtype()), array.shape().to_vec(), bytes)
                .map(|view| (name.as_str(), view))
        })
        .collect::<std::result::Result<Vec<_>, _>>();
    views
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(|error| Error::Malformed {
            op: OP,
            reason: error.to_string(),
        })
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
