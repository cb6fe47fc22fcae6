//! Decompositions of every operation that has one.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn decompositions_agree_with_the_operations_own_kernels() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::decomposition).assert(200);
}
