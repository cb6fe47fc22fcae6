//! Fusion never changes a bit.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn every_operation_between_elementwise_ones_is_the_same_fused_and_node_by_node() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::fusion).assert(2000);
}

#[test]
fn every_gradient_is_the_same_fused_and_node_by_node() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::fusion_of_gradients).assert(400);
}
