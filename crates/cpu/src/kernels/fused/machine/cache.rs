//! Code that was made before.

use super::code::Code;
use super::emit::emit;
use super::line::Line;
use super::registers::Registers;
use crate::simd::Isa;
use mlx_oxide_runtime::Executable;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// How many runs of steps are known at a time.
pub(super) const MOST: usize = 256;
/// Items times elements from which on making code pays; what earlier calls ran over counts.
pub(super) const PAYS: usize = 2 << 20;

/// What is known of a run of steps.
enum State {
    /// It has run over so many items times elements.
    Waiting(usize),
    /// It has no code, for the system or the encoder refused.
    Refused,
    Ready(Arc<Code>),
}

struct Entry {
    state: State,
    /// When it was last asked for.
    used: u64,
}

struct Entries {
    /// By instruction set and content.
    by_content: HashMap<Box<[u64]>, Entry>,
    /// Counts what is asked for.
    time: u64,
}

/// Code by content. Whoever runs code holds it, so that what is dropped here is freed afterwards.
pub(super) struct Cache {
    obtain: fn(&[u8]) -> Option<Executable>,
    entries: Mutex<Option<Entries>>,
}

impl Cache {
    /// An empty cache of code in pages that `obtain` gives.
    pub(super) const fn new(obtain: fn(&[u8]) -> Option<Executable>) -> Self {
        Cache {
            obtain,
            entries: Mutex::new(None),
        }
    }

    /// The code, made if it is worth that for so many elements, unless it cannot be made.
    pub(super) fn find(
        &self,
        line: &Line,
        registers: &Registers,
        isa: Isa,
        elements: usize,
    ) -> Option<Arc<Code>> {
        let content: SmallVec<[u64; 64]> = std::iter::once(isa as u64)
            .chain(line.items.iter().map(|item| item.number()))
            .collect();
        let work = elements.saturating_mul(line.items.len());
        if let Some(code) = self.known(&content, work)? {
            return Some(code);
        }
        // others may run or make code meanwhile
        let made = emit(line, registers, isa).and_then(|emitted| {
            let pages = (self.obtain)(&emitted.bytes)?;
            Some(Arc::new(Code::new(&emitted, pages, isa)))
        });
        self.learn(&content, made)
    }

    /// The code if there is some; none within if it is to be made; none if it is not.
    fn known(&self, content: &[u64], work: usize) -> Option<Option<Arc<Code>>> {
        let mut entries = self.entries.lock();
        let entries = entries.get_or_insert_with(Entries::new);
        entries.time += 1;
        let time = entries.time;
        if let Some(entry) = entries.by_content.get_mut(content) {
            entry.used = time;
            return match &mut entry.state {
                State::Ready(code) => Some(Some(code.clone())),
                State::Refused => None,
                State::Waiting(before) => {
                    *before = before.saturating_add(work);
                    (*before >= PAYS).then_some(None)
                }
            };
        }
        entries.add(content, State::Waiting(work));
        (work >= PAYS).then_some(None)
    }

    fn learn(&self, content: &[u64], made: Option<Arc<Code>>) -> Option<Arc<Code>> {
        let mut entries = self.entries.lock();
        let entries = entries.get_or_insert_with(Entries::new);
        let state = made.clone().map_or(State::Refused, State::Ready);
        entries.add(content, state);
        made
    }

    /// How many runs of steps are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let entries = self.entries.lock();
        entries
            .as_ref()
            .map_or(0, |entries| entries.by_content.len())
    }
}

impl Entries {
    fn new() -> Self {
        Entries {
            by_content: HashMap::new(),
            time: 0,
        }
    }

    /// Adds or replaces an entry; the one that nobody asked for longest makes room.
    fn add(&mut self, content: &[u64], state: State) {
        if self.by_content.len() >= MOST && !self.by_content.contains_key(content) {
            let eldest = self.by_content.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(eldest) = eldest.map(|(content, _)| content.clone()) {
                self.by_content.remove(&eldest);
            }
        }
        let used = self.time;
        self.by_content
            .insert(content.into(), Entry { state, used });
    }
}
