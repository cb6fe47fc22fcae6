//! Cutting an axis into nearly equal panels, so that no narrow one is left at the end.

use std::ops::Range;

/// An axis of `size` elements in vectors of `lanes`, cut into panels of at most `most` vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    size: usize,
    lanes: usize,
    vectors: usize,
    count: usize,
}

/// A piece of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    /// Its first element.
    pub(crate) first: usize,
    /// Its elements.
    pub(crate) size: usize,
    /// Vectors that hold them.
    pub(crate) vectors: usize,
}

impl Panels {
    pub(crate) fn new(size: usize, lanes: usize, most: usize) -> Self {
        let vectors = size.div_ceil(lanes);
        Panels {
            size,
            lanes,
            vectors,
            count: vectors.div_ceil(most),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The size in whole vectors.
    pub(crate) fn padded(&self) -> usize {
        self.vectors * self.lanes
    }

    pub(crate) fn get(&self, index: usize) -> Panel {
        let (first, end) = (self.boundary(index), self.boundary(index + 1));
        Panel {
            first: first * self.lanes,
            size: (end * self.lanes).min(self.size) - first * self.lanes,
            vectors: end - first,
        }
    }

    /// Elements of a panel in whole vectors.
    pub(crate) fn width(&self, panel: &Panel) -> usize {
        panel.vectors * self.lanes
    }

    /// The elements of neighbouring panels.
    pub(crate) fn span(&self, panels: Range<usize>) -> Range<usize> {
        let end = self.boundary(panels.end) * self.lanes;
        self.boundary(panels.start) * self.lanes..end.min(self.size)
    }

    fn boundary(&self, index: usize) -> usize {
        match index.checked_mul(self.vectors) {
            Some(product) => product / self.count,
            // a wide division takes as long as a small product
            None => (index as u128 * self.vectors as u128 / self.count as u128) as usize,
        }
    }
}

/// Panels in nearly equal groups.
pub(super) struct Groups {
    panels: usize,
    count: usize,
}

impl Groups {
    /// Groups of at most a number of elements, or of one panel.
    pub(super) fn new(panels: &Panels, elements: usize) -> Self {
        let widest = panels.padded().div_ceil(panels.count()).max(1);
        let most = (elements / widest).max(1);
        Groups {
            panels: panels.count(),
            count: panels.count().div_ceil(most),
        }
    }

    /// As many groups, at most one for each panel.
    pub(super) fn cut(self, count: usize) -> Self {
        Groups {
            count: count.min(self.panels),
            ..self
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, index: usize) -> std::ops::Range<usize> {
        index * self.panels / self.count..(index + 1) * self.panels / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::Panels;

    #[test]
    fn panels_cover_the_axis_once_and_none_is_too_wide() {
        for lanes in [1, 4, 16] {
            for size in 1..200 {
                let panels = Panels::new(size, lanes, 3);
                let mut next = 0;
                for index in 0..panels.count() {
                    let panel = panels.get(index);
                    assert_eq!(panel.first, next);
                    assert!((1..=3).contains(&panel.vectors));
                    assert!(panel.size <= panel.vectors * lanes);
                    next += panel.size;
                }
                assert_eq!(next, size);
            }
        }
    }
}
