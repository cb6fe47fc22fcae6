//! Second derivatives of every operation.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn both_modes_of_both_modes_agree_with_differences_of_the_gradient() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::second_order).assert(200);
}
