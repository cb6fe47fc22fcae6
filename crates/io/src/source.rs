//! Files as readers see them: bytes of a known length, none of which is trusted.

use crate::error::{Error, Result};
use mlx_oxide_core::{Array, ArrayType, Dtype};
use std::io::{Read, Seek, SeekFrom};

/// A file of a known length. What would lie beyond its end is refused before memory is asked for.
pub(crate) struct Source<R> {
    op: &'static str,
    inner: R,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> Source<R> {
    /// The whole of `inner`, from its start.
    pub(crate) fn new(op: &'static str, mut inner: R) -> Result<Self> {
        let system = |source| Error::System { op, source };
        let length = inner.seek(SeekFrom::End(0)).map_err(system)?;
        inner.rewind().map_err(system)?;
        Ok(Source {
            op,
            inner,
            length,
            position: 0,
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.length - self.position
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> Error {
        Error::Malformed {
            op: self.op,
            reason: reason.into(),
        }
    }

    /// Goes to a place inside the file.
    pub(crate) fn seek(&mut self, position: u64) -> Result<()> {
        if position > self.length {
            return Err(self.malformed(format!(
                "byte {position} of a file of {} bytes",
                self.length
            )));
        }
        self.inner
            .seek(SeekFrom::Start(position))
            .map_err(|source| Error::System {
                op: self.op,
                source,
            })?;
        self.position = position;
        Ok(())
    }

    fn check(&self, count: u64, what: &str) -> Result<usize> {
        usize::try_from(count)
            .ok()
            .filter(|_| count <= self.remaining())
            .ok_or_else(|| {
                self.malformed(format!(
                    "{what} of {count} bytes at byte {}, and {} bytes are left",
                    self.position,
                    self.remaining()
                ))
            })
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        fill(self.op, &mut self.inner, bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// The next bytes; `what` names them in errors.
    pub(crate) fn take(&mut self, count: u64, what: &str) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.check(count, what)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next bytes, of which there are a few.
    pub(crate) fn exact<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        self.check(N as u64, what)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next elements, little-endian.
    pub(crate) fn array(&mut self, array_type: ArrayType) -> Result<Array> {
        array_type.shape.clone().checked(self.op)?;
        self.check(array_type.bytes() as u64, "elements")?;
        let dtype = array_type.dtype;
        Array::from_fill(array_type, |bytes| {
            self.fill(bytes)?;
            normalize(bytes, dtype);
            Ok(())
        })
    }
}

/// Reads exactly `bytes`; a stream that ends too early is malformed.
pub(crate) fn fill(op: &'static str, stream: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    stream
        .read_exact(bytes)
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::Malformed {
                op,
                reason: "the file is cut off".to_owned(),
            },
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => {
                Error::Malformed {
                    op,
                    reason: source.to_string(),
                }
            }
            _ => Error::System { op, source },
        })
}

/// Gives elements of `bool` the bytes that kernels expect: any other than 0 is true.
pub(crate) fn normalize(bytes: &mut [u8], dtype: Dtype) {
    if dtype == Dtype::Bool {
        for byte in bytes {
            *byte = u8::from(*byte != 0);
        }
    }
}
