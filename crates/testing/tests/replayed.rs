//! Compilation and export of every operation.

use mlx_oxide_testing::{checks, samples, trials};

#[test]
fn compiled_functions_give_the_same_bits() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::compiled).assert(2000);
}

#[test]
fn functions_from_files_give_the_same_bits() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    trials(&samples(), checks::exported).assert(2000);
}
