//! NumPy's npz format: a zip archive of npy files.

use crate::error::{Error, Result};
use crate::npy;
use mlx_oxide_core::Array;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

const OP: &str = "npz";

fn malformed(error: impl ToString) -> Error {
    Error::Malformed {
        op: OP,
        reason: error.to_string(),
    }
}

/// The most that a compressed byte can become: deflate copies at most 258 bytes for two bits.
const EXPANSION: u64 = 1032;

/// Arrays by name, from the bytes of an archive.
///
/// # Errors
/// As [`read_from`].
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    read_from(Cursor::new(bytes))
}

/// Arrays by name, of an archive.
///
/// # Errors
/// A malformed archive; one whose entries together have more bytes than the archive, or claim to
/// expand more than their compression can; entries that are no npy files; encrypted entries.
pub fn read_from(mut file: impl Read + Seek) -> Result<BTreeMap<String, Array>> {
    let system = |source| Error::System { op: OP, source };
    let length = file.seek(SeekFrom::End(0)).map_err(system)?;
    file.rewind().map_err(system)?;
    let mut archive = ZipArchive::new(file).map_err(malformed)?;
    let mut arrays = BTreeMap::new();
    let mut compressed = 0u64;
    for position in 0..archive.len() {
        let mut file = archive.by_index(position).map_err(malformed)?;
        compressed = compressed.saturating_add(file.compressed_size());
        if compressed > length {
            // each byte would be expanded once for every entry that shares it
            return Err(malformed("the entries overlap"));
        }
        let most = file.compressed_size().saturating_mul(EXPANSION);
        if file.size() > most {
            return Err(malformed(format!(
                "{:?} claims {} bytes in {}",
                file.name(),
                file.size(),
                file.compressed_size()
            )));
        }
        let name = file.name();
        let name = name.strip_suffix(".npy").unwrap_or(name).to_owned();
        let size = file.size();
        let array = npy::read_stream(&mut file, size)?;
        // the checksum is compared where the entry ends
        file.read(&mut [0]).map_err(malformed)?;
        if arrays.contains_key(&name) {
            return Err(malformed(format!("two arrays are called {name:?}")));
        }
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The bytes of an archive with arrays by name.
///
/// # Errors
/// As [`write_to`].
pub fn write<'a>(
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
    compressed: bool,
) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    write_to(&mut bytes, arrays, compressed)?;
    Ok(bytes.into_inner())
}

/// Writes an archive with arrays by name.
///
/// # Errors
/// Two arrays of one name; an array that cannot be computed; a system that refuses to write.
pub fn write_to<'a>(
    file: impl Write + Seek,
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
    compressed: bool,
) -> Result<()> {
    let method = if compressed {
        CompressionMethod::Deflated
    } else {
        CompressionMethod::Stored
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .large_file(true);
    let mut archive = ZipWriter::new(file);
    for (name, array) in arrays {
        archive
            .start_file(format!("{name}.npy"), options)
            .map_err(malformed)?;
        npy::write_to(&mut archive, array)?;
    }
    let mut file = archive.finish().map_err(malformed)?;
    file.flush()
        .map_err(|source| Error::System { op: OP, source })
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
