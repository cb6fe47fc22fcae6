//! Memory that several threads fill, a piece each.

use crate::buffer::Buffer;
use mlx_oxide_ir::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// Fresh memory cut into pieces of which each is written once, by whichever thread has it ready.
pub struct Pieces {
    op: &'static str,
    buffer: Buffer,
    /// Where the pieces start, and one past the end of the last.
    bounds: Vec<usize>,
    written: Vec<AtomicBool>,
}

impl Pieces {
    /// Memory in pieces between neighbouring `bounds`, in bytes, of which the first is 0 and none
    /// is less than the one before.
    ///
    /// # Errors
    /// If the memory is not to be had, or the bounds are not in order.
    pub fn new(op: &'static str, bounds: Vec<usize>) -> Result<Self> {
        if bounds.first() != Some(&0) || !bounds.is_sorted() {
            return Err(out_of_step(op, "the bounds are out of order"));
        }
        Ok(Pieces {
            op,
            buffer: Buffer::allocate(op, bounds[bounds.len() - 1])?,
            written: bounds
                .iter()
                .skip(1)
                .map(|_| AtomicBool::new(false))
                .collect(),
            bounds,
        })
    }

    /// Writes a piece.
    ///
    /// # Errors
    /// If it was written before or has another length.
    pub fn write(&self, piece: usize, bytes: &[u8]) -> Result<()> {
        let fits = piece < self.written.len()
            && self.bounds[piece + 1] - self.bounds[piece] == bytes.len();
        if !fits || self.written[piece].swap(true, Ordering::AcqRel) {
            return Err(out_of_step(
                self.op,
                "a piece does not fit or is written twice",
            ));
        }
        let start = self
            .buffer
            .host_ptr()?
            .as_ptr()
            .wrapping_add(self.bounds[piece]);
        // SAFETY: the piece lies in the buffer, which nobody reads before `finish` takes `self`,
        // and no other thread writes it, since its flag was down
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        Ok(())
    }

    /// The memory, when every piece is written.
    ///
    /// # Errors
    /// If one is not.
    pub fn finish(self) -> Result<Buffer> {
        match self
            .written
            .iter()
            .all(|written| written.load(Ordering::Acquire))
        {
            true => Ok(self.buffer),
            false => Err(out_of_step(self.op, "a piece is missing")),
        }
    }
}

fn out_of_step(op: &'static str, detail: &str) -> Error {
    Error::Internal {
        op,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_written_once() {
        let pieces = Pieces::new("test", vec![0, 2, 2, 5]).unwrap();
        pieces.write(2, &[3, 4, 5]).unwrap();
        pieces.write(0, &[1, 2]).unwrap();
        assert!(pieces.write(0, &[9, 9]).is_err(), "twice");
        assert!(pieces.write(1, &[9]).is_err(), "too long");
        assert!(pieces.write(3, &[]).is_err(), "no such piece");
        pieces.write(1, &[]).unwrap();
        assert_eq!(
            pieces.finish().unwrap().host_bytes().unwrap(),
            [1, 2, 3, 4, 5]
        );
    }

    #[test]
    fn unfinished_memory_is_not_given_out() {
        let pieces = Pieces::new("test", vec![0, 1, 2]).unwrap();
        pieces.write(0, &[1]).unwrap();
        assert!(pieces.finish().is_err());
        assert!(Pieces::new("test", vec![0, 2, 1]).is_err());
        assert!(Pieces::new("test", vec![]).is_err());
    }
}
