//! Inputs with gaps: transposed convolutions and the gradients of theirs and of strided ones.

use super::{Case, check};

#[test]
fn products_are_spread_over_the_output() {
    let mut apart = Case::new(&[2, 6, 7, 5], &[2, 3, 4, 5])
        .dilated(1, 3)
        .padded(4, 3);
    apart.parameters.kernel_dilation[0] = 2;
    apart.parameters.input_dilation[1] = 1;
    check(&[
        apart,
        Case::new(&[1, 9, 5], &[1, 40, 5])
            .dilated(1, 16)
            .padded(39, 30)
            .flipped(),
        Case::new(&[2, 5, 6, 7], &[3, 4, 4, 7])
            .dilated(1, 4)
            .padded(3, 3)
            .flipped(),
        Case::new(&[1, 3, 4, 5, 6], &[2, 3, 2, 4, 6])
            .dilated(1, 2)
            .padded(1, 2),
        Case::new(&[1, 8, 9, 3], &[4, 2, 3, 3])
            .dilated(1, 2)
            .padded(-1, 2),
        Case::new(&[1, 5, 3], &[2, 2, 3]).dilated(1, 5).padded(0, 4),
    ]);
}

#[test]
fn products_are_spread_in_blocks_of_lines() {
    check(&[
        // lines of the output in several tasks
        Case::new(&[1, 24, 33, 40], &[2, 4, 3, 40])
            .dilated(1, 2)
            .padded(2, 1),
        // products of more lines than are in memory
        Case::new(&[1, 11, 700, 2], &[2, 5, 4, 2])
            .dilated(1, 2)
            .padded(3, 3),
    ]);
}

#[test]
fn gradients_of_the_weights_of_transposed_convolutions() {
    check(&[
        Case::new(&[9, 6, 8, 2], &[7, 13, 15, 2])
            .dilated(1, 2)
            .padded(1, 2),
        Case::new(&[3, 6, 7, 2], &[20, 11, 13, 2])
            .dilated(1, 2)
            .padded(1, 1),
        Case::new(&[17, 9, 3], &[35, 30, 3])
            .dilated(1, 4)
            .padded(2, 5),
    ]);
}
