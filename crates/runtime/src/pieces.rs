//! Memory that several threads fill, a piece each.

use crate::buffer::{Buffer, offering};
use mlx_oxide_ir::{Error, Result};
use parking_lot::Mutex;
use std::mem::replace;

/// Fresh memory cut into pieces of which each is written once, by whichever thread has it ready.
pub struct Pieces {
    op: &'static str,
    buffer: Buffer,
    /// Where the pieces start, and one past the end of the last.
    bounds: Vec<usize>,
    states: Vec<Mutex<State>>,
}

/// What has become of a piece.
enum State {
    Untouched,
    /// Its memory, which this is, was offered to an allocation.
    Offered(Buffer),
    Written,
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
        let pieces = 1..bounds.len();
        Ok(Pieces {
            op,
            buffer: Buffer::allocate(op, bounds[bounds.len() - 1])?,
            states: pieces.map(|_| Mutex::new(State::Untouched)).collect(),
            bounds,
        })
    }

    /// Runs a kernel, during which the first allocation of this thread of exactly the piece's bytes
    /// is given the piece's memory: a result that is made there needs no copy in
    /// [`Pieces::write`]. What else is made there must be gone by then.
    pub fn receive<R>(&self, piece: usize, work: impl FnOnce() -> R) -> R {
        let Some(state) = self.states.get(piece) else {
            return work();
        };
        let mut state = state.lock();
        if !matches!(*state, State::Untouched) {
            drop(state);
            return work();
        }
        let place = self.part(piece);
        *state = State::Offered(place.clone());
        drop(state);
        offering(place, work)
    }

    /// Whether a buffer is the piece's memory.
    pub fn holds(&self, piece: usize, buffer: &Buffer) -> Result<bool> {
        Ok(piece < self.states.len() && buffer.host_ptr()? == self.part(piece).host_ptr()?)
    }

    fn part(&self, piece: usize) -> Buffer {
        let bounds = (self.bounds[piece], self.bounds[piece + 1]);
        self.buffer.part(bounds.0, bounds.1 - bounds.0)
    }

    /// Writes a piece, whose bytes may have been made where they belong.
    ///
    /// # Errors
    /// If it was written before or has another length, or if something else has its memory.
    pub fn write(&self, piece: usize, bytes: &[u8]) -> Result<()> {
        let wrong = |detail| Err(out_of_step(self.op, detail));
        let Some(state) = self.states.get(piece) else {
            return wrong("there is no such piece");
        };
        if self.bounds[piece + 1] - self.bounds[piece] != bytes.len() {
            return wrong("a piece does not fit");
        }
        let start = self.part(piece).host_ptr()?.as_ptr();
        match replace(&mut *state.lock(), State::Written) {
            State::Written => return wrong("a piece is written twice"),
            State::Offered(_) if start.cast_const() == bytes.as_ptr() => return Ok(()),
            State::Offered(place) if !place.is_exclusive() => {
                return wrong("something else has the memory of a piece");
            }
            State::Offered(_) | State::Untouched => {}
        }
        // SAFETY: the piece lies in the buffer, which nobody reads before `finish` takes `self`; no
        // other thread writes it, since it was not written; nobody else has its memory any more
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        Ok(())
    }

    /// The memory, when every piece is written.
    ///
    /// # Errors
    /// If one is not.
    pub fn finish(self) -> Result<Buffer> {
        let written = |state: &Mutex<State>| matches!(*state.lock(), State::Written);
        match self.states.iter().all(written) {
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

    #[test]
    fn a_piece_is_made_where_it_belongs() {
        let pieces = Pieces::new("test", vec![0, 8, 16]).unwrap();
        let made = pieces.receive(1, || {
            let other = Buffer::allocate("test", 7).unwrap();
            assert!(!pieces.holds(1, &other).unwrap(), "of another size");
            let made = Buffer::allocate("test", 8).unwrap();
            let third = Buffer::allocate("test", 8).unwrap();
            assert!(!pieces.holds(1, &third).unwrap(), "offered once");
            // SAFETY: it is fresh and has so many bytes
            unsafe { made.host_ptr().unwrap().as_ptr().write_bytes(7, 8) };
            made
        });
        assert!(pieces.holds(1, &made).unwrap());
        assert!(made.reuse().is_none(), "nobody writes over it");
        pieces.write(1, made.host_bytes().unwrap()).unwrap();
        assert!(pieces.write(1, &[0; 8]).is_err(), "twice");
        let later = pieces.receive(1, || Buffer::allocate("test", 8).unwrap());
        assert!(
            !pieces.holds(1, &later).unwrap(),
            "offered after it was written"
        );
        drop(made);
        // an offer that nobody takes ends with the work
        pieces.receive(0, || ());
        let after = Buffer::allocate("test", 8).unwrap();
        assert!(!pieces.holds(0, &after).unwrap());
        pieces.write(0, &[1; 8]).unwrap();
        let bytes = pieces.finish().unwrap();
        assert_eq!(bytes.host_bytes().unwrap(), [[1; 8], [7; 8]].concat());
    }

    #[test]
    fn memory_that_something_else_has_is_not_written() {
        let pieces = Pieces::new("test", vec![0, 8, 16]).unwrap();
        let kept = pieces.receive(0, || Buffer::allocate("test", 8).unwrap());
        assert!(pieces.write(0, &[1; 8]).is_err(), "somebody may read it");
        drop(kept);
        // what was gone by then does not matter
        pieces.receive(1, || drop(Buffer::allocate("test", 8).unwrap()));
        pieces.write(1, &[1; 8]).unwrap();
    }
}
