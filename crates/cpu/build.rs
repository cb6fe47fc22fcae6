//! Whether there is code for AVX-512: everywhere but in unoptimised builds on machines that could not
//! run it, so that tests need not wait for its compilation.

/// Compiles it anyway: for tests that run on another machine, or an emulated one.
const VARIABLE: &str = "MLX_OXIDE_AVX512";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rustc-check-cfg=cfg(avx512)");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let wanted = variable("PROFILE") == "release" || !variable(VARIABLE).is_empty();
    if variable("CARGO_CFG_TARGET_ARCH") == "x86_64" && (wanted || has_avx512()) {
        println!("cargo::rustc-cfg=avx512");
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
