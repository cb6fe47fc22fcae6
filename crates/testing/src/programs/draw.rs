//! Choosing operands and parameters.

use mlx_oxide_ir::{ArrayType, Dtype};

/// Values are not joined beyond this size.
pub(super) const MOST_ELEMENTS: usize = 256;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub(super) fn next(&mut self) -> u64 {
        let bits = crate::coordinates::mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Between -1 and 1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// What a kind of operation chooses from, and what it has chosen.
pub(super) struct Draw<'a> {
    pub(super) numbers: &'a mut Numbers,
    types: &'a [ArrayType],
    operands: Vec<usize>,
    parameters: Vec<i64>,
}

impl<'a> Draw<'a> {
    pub(super) fn new(numbers: &'a mut Numbers, types: &'a [ArrayType]) -> Self {
        Draw {
            numbers,
            types,
            operands: Vec::new(),
            parameters: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (Vec<usize>, Vec<i64>) {
        (self.operands, self.parameters)
    }

    /// Chooses an operand, a late one more often, so that programs are deep.
    pub(super) fn operand(&mut self, fits: impl Fn(&ArrayType) -> bool) -> Option<&'a ArrayType> {
        let fitting: Vec<usize> = (0..self.types.len())
            .filter(|place| fits(&self.types[*place]))
            .collect();
        let count = fitting.len().checked_sub(1)? + 1;
        let from_end = match self.numbers.below(3) {
            0 => self.numbers.below(count),
            _ => self.numbers.below(count.min(4)),
        };
        let place = fitting[count - 1 - from_end];
        self.operands.push(place);
        Some(&self.types[place])
    }

    pub(super) fn any(&mut self) -> Option<&'a ArrayType> {
        self.operand(|_| true)
    }

    pub(super) fn real(&mut self) -> Option<&'a ArrayType> {
        self.operand(|it| it.dtype.is_floating())
    }

    /// A second operand that broadcasts with the first, and what of it the caller asks for.
    pub(super) fn beside(
        &mut self,
        first: &ArrayType,
        fits: impl Fn(&ArrayType) -> bool,
    ) -> Option<&'a ArrayType> {
        self.operand(|it| fits(it) && broadcasts(first, it))
    }

    pub(super) fn push(&mut self, number: usize) {
        self.parameters.push(number as i64);
    }

    pub(super) fn push_signed(&mut self, number: i64) {
        self.parameters.push(number);
    }

    /// A parameter below a bound.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let number = self.numbers.below(bound);
        self.push(number);
        number
    }

    /// An axis of an array that has one, from either end.
    pub(super) fn axis(&mut self, of: &ArrayType) -> Option<usize> {
        let ndim = of.shape.ndim();
        let axis = self.numbers.below(ndim.checked_sub(1)? + 1);
        let negative = self.numbers.below(3) == 0;
        self.push_signed(axis as i64 - if negative { ndim as i64 } else { 0 });
        Some(axis)
    }

    /// Any set of axes, as the bits of a number.
    pub(super) fn axes(&mut self, of: &ArrayType) -> usize {
        let ndim = of.shape.ndim();
        match self.numbers.below(4) {
            0 => {
                let all = (1 << ndim) - 1;
                self.push(all);
                all
            }
            1 if ndim > 0 => {
                let last = 1 << (ndim - 1);
                self.push(last);
                last
            }
            _ => self.below(1 << ndim),
        }
    }
}

/// The axes that the bits of a number stand for.
pub(super) fn axes_of(bits: i64) -> Vec<i64> {
    (0..8).filter(|axis| bits >> axis & 1 == 1).collect()
}

/// Whether two shapes go together, without becoming large.
pub(super) fn broadcasts(a: &ArrayType, b: &ArrayType) -> bool {
    let pairs = a.shape.iter().rev().zip(b.shape.iter().rev());
    let fits = pairs.clone().all(|(a, b)| a == b || *a == 1 || *b == 1);
    fits && a.shape.size() * b.shape.size() <= 16 * MOST_ELEMENTS
}

pub(super) fn filled(it: &ArrayType) -> bool {
    it.shape.size() > 0
}

pub(super) fn is_number(it: &ArrayType) -> bool {
    it.dtype != Dtype::Bool
}

pub(super) fn is_ordered(it: &ArrayType) -> bool {
    !it.dtype.is_complex()
}
