//! Fewer, longer axes for loops over several operands at once.

use super::Strides;
use smallvec::SmallVec;

/// A loop nest over several operands: sizes outermost first, and for each operand its strides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapsed {
    /// Sizes of the loops; at least one loop.
    pub shape: SmallVec<[usize; 4]>,
    /// Steps of each operand along the loops.
    pub strides: SmallVec<[Strides; 4]>,
}

/// Merges neighbouring axes along which every operand steps evenly, and drops axes of size 1.
///
/// All operands have the shape `shape`. The order of elements stays row-major in `shape`.
pub fn collapse(shape: &[usize], operands: &[&[isize]]) -> Collapsed {
    let mut sizes: SmallVec<[usize; 4]> = SmallVec::new();
    let mut strides: SmallVec<[Strides; 4]> = operands.iter().map(|_| Strides::new()).collect();
    for (axis, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let merges = !sizes.is_empty()
            && operands.iter().zip(&strides).all(|(operand, merged)| {
                merged
                    .last()
                    .is_some_and(|last| *last == operand[axis] * size as isize)
            });
        if merges {
            if let Some(last) = sizes.last_mut() {
                *last *= size;
            }
            for (operand, merged) in operands.iter().zip(&mut strides) {
                if let Some(last) = merged.last_mut() {
                    *last = operand[axis];
                }
            }
        } else {
            sizes.push(size);
            for (operand, merged) in operands.iter().zip(&mut strides) {
                merged.push(operand[axis]);
            }
        }
    }
    if sizes.is_empty() {
        sizes.push(1);
        for merged in &mut strides {
            merged.push(1);
        }
    }
    Collapsed {
        shape: sizes,
        strides,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_operands_become_one_loop() {
        let collapsed = collapse(&[2, 3, 4], &[&[12, 4, 1], &[12, 4, 1]]);
        assert_eq!(collapsed.shape.as_slice(), [24]);
        assert_eq!(collapsed.strides[1].as_slice(), [1]);
    }

    #[test]
    fn a_stretched_operand_keeps_its_loop() {
        let collapsed = collapse(&[2, 3, 4], &[&[12, 4, 1], &[0, 0, 1]]);
        assert_eq!(collapsed.shape.as_slice(), [6, 4]);
        assert_eq!(collapsed.strides[0].as_slice(), [4, 1]);
        assert_eq!(collapsed.strides[1].as_slice(), [0, 1]);
    }

    #[test]
    fn a_scalar_is_one_loop_of_one() {
        assert_eq!(collapse(&[], &[&[]]).shape.as_slice(), [1]);
        assert_eq!(collapse(&[1, 1], &[&[7, 3]]).shape.as_slice(), [1]);
    }
}
