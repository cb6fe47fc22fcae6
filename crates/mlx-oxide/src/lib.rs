//! MLX's array framework for machine learning, natively in Rust: lazy arrays, composable function
//! transforms, neural networks.
//!
//! ```
//! use mlx_oxide::{Array, ops, transforms};
//!
//! mlx_oxide::init();
//! let x = Array::from_slice(&[1.0f32, 1.0, 1.0], [3])?;
//! let f = |x: &[Array]| Ok(vec![ops::sum(&ops::log1p(&x[0])?, None, false)?]);
//! let gradient = transforms::grad(f, &[x], &[0])?;
//! assert_eq!(gradient[0].to_vec::<f32>()?, [0.5, 0.5, 0.5]);
//! # Ok::<(), mlx_oxide::Error>(())
//! ```

use std::sync::Once;

pub use mlx_oxide_core::{
    Array, ArrayType, Device, DeviceType, Dtype, Element, Error, ErrorClass, Result, Scalar, Shape,
    Stream, async_eval, compile, eval, export, graph, ops, transforms,
};
pub use mlx_oxide_io as io;
pub use mlx_oxide_nn as nn;
pub use mlx_oxide_optim as optim;
pub use mlx_oxide_runtime::{allocator as memory, parallel};

/// Installs the backends: the CPU's, behind it the reference for what that declines, and the GPU's
/// if it is built in. Call it once before the first evaluation; further calls do nothing. No
/// device is opened before it is used or asked for.
pub fn init() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        mlx_oxide_cpu::install();
        mlx_oxide_reference::install();
        #[cfg(feature = "gpu")]
        mlx_oxide_gpu::install();
    });
}
