//! Gradients and vectorisation of every operation, one inside the other.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn vmap_of_the_gradient_is_the_gradient_of_each_slice() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::batched_gradient).assert(200);
}

#[test]
fn the_gradient_of_vmap_is_the_gradient_of_each_slice() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::gradient_of_batched).assert(200);
}
