//! A value that the blocks of a row hand on from thread to thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How long a thread watches for its turn before it lets others run, in spins.
const SPINS: u32 = 4_000;

/// The value before the block whose turn it is.
pub(super) struct Relay<A> {
    turn: AtomicUsize,
    value: Cell<A>,
    /// Elements of the row.
    length: usize,
}

// SAFETY: only the block whose turn it is touches the value
unsafe impl<A: Copy> Sync for Relay<A> {}

impl<A: Copy> Relay<A> {
    /// Before the first block of a row of so many elements.
    pub(super) fn new(value: A, length: usize) -> Self {
        Relay {
            turn: AtomicUsize::new(0),
            value: Cell::new(value),
            length,
        }
    }

    /// Where the block `number` begins whose own length may be less than that of `most`.
    pub(super) fn start(&self, number: usize, (most, own): (usize, usize), reverse: bool) -> usize {
        match reverse {
            true => self.length - number * most - own,
            false => number * most,
        }
    }

    /// Waits for the turn of block `number` and hands on what `after` makes of the value, which it
    /// returns. Blocks are begun in order, so that someone works on the one that is waited for;
    /// `after` must not panic.
    #[inline(always)]
    pub(super) fn pass(&self, number: usize, after: impl FnOnce(A) -> A) -> A {
        let mut spins = 0u32;
        while self.turn.load(Ordering::Acquire) != number {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
        }
        let value = self.value.get();
        self.value.set(after(value));
        self.turn.store(number + 1, Ordering::Release);
        value
    }
}
