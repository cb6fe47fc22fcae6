//! NumPy's npz format: a zip archive of npy files.

use crate::error::{Error, Result};
use crate::npy;
use mlx_oxide_core::Array;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

const OP: &str = "npz";

fn malformed(error: impl ToString) -> Error {
    Error::Malformed {
        op: OP,
        reason: error.to_string(),
    }
}

/// Arrays by name.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(malformed)?;
    let mut arrays = BTreeMap::new();
    for position in 0..archive.len() {
        let mut file = archive.by_index(position).map_err(malformed)?;
        let name = file.name().trim_end_matches(".npy").to_owned();
        // no capacity ahead of the bytes: the size in the archive may lie
        let mut contents = Vec::new();
        file.read_to_end(&mut contents).map_err(malformed)?;
        arrays.insert(name, npy::read(&contents)?);
    }
    Ok(arrays)
}

/// The bytes of an archive with arrays by name.
pub fn write<'a>(
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
    compressed: bool,
) -> Result<Vec<u8>> {
    let method = if compressed {
        CompressionMethod::Deflated
    } else {
        CompressionMethod::Stored
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .large_file(true);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        archive
            .start_file(format!("{name}.npy"), options)
            .map_err(malformed)?;
        archive
            .write_all(&npy::write(array)?)
            .map_err(|source| Error::System { op: OP, source })?;
    }
    Ok(archive.finish().map_err(malformed)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_survive_the_round_trip() {
        let a = Array::from_slice(&[1.0f32, 2.0], [2]).unwrap();
        let b = Array::from_slice(&[true, false], [1, 2]).unwrap();
        for compressed in [false, true] {
            let bytes = write([("a", &a), ("b", &b)], compressed).unwrap();
            let read = read(&bytes).unwrap();
            assert_eq!(read["a"].to_vec::<f32>().unwrap(), [1.0, 2.0]);
            assert_eq!(read["b"].to_vec::<bool>().unwrap(), [true, false]);
        }
        assert!(super::read(b"PK\x03\x04 not really").is_err());
    }
}
