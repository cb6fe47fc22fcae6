//! Vectorisation of every operation.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn vmap_over_any_axes_of_any_inputs_agrees_with_a_loop() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::batching).assert(2000);
}
