//! The list of operations that `vmap` computes slice by slice is complete and holds no other.

use mlx_oxide_core::rules::batch::LOOPS;
use mlx_oxide_testing::checks::{each_set, is_suitable, loops};
use mlx_oxide_testing::samples;
use std::collections::BTreeMap;

#[test]
fn operations_that_loop_under_vmap_are_listed() {
    mlx_oxide_cpu::install();
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    let mut looked_at = 0;
    for sample in samples().iter().filter(|sample| is_suitable(sample)) {
        for axes in each_set(sample) {
            looked_at += 1;
            if loops(sample, &axes).expect("there is a rule for every sample") {
                let example = format!("{} over {axes:?}", sample.name);
                found.entry(sample.op.name()).or_insert(example);
            }
        }
    }
    assert!(looked_at > 1000, "only {looked_at}");
    println!("{found:#?}");
    let listed: Vec<&str> = LOOPS.iter().map(|(name, _)| *name).collect();
    for (name, example) in &found {
        assert!(listed.contains(name), "{name} is not listed: {example}");
    }
    for name in listed {
        assert!(found.contains_key(name), "{name} does not loop");
    }
}
