//! First derivatives of every operation.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn vjp_of_every_operation_agrees_with_differences() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::gradient).assert(200);
}

#[test]
fn gradients_in_single_precision_are_near_those_in_double() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::single_precision_gradient).assert(200);
}
