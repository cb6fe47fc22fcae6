//! Forward and reverse mode of every operation.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn vjp_is_the_adjoint_of_jvp_in_every_inexact_dtype() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::adjoint).assert(1000);
}
