//! Public operations by family, with MLX's names.
//!
//! Operands of mixed dtypes promote by [`mlx_oxide_ir::result_type`] and broadcast by NumPy's
//! rule. Every operation builds a graph node on the current stream; nothing is computed yet.

pub mod binary;
pub mod compare;
pub mod contract;
pub mod convolution;
pub mod create;
pub mod depend;
pub mod diagonal;
pub mod difference;
pub mod einsum;
pub mod fast;
pub mod fft;
pub mod floating;
pub mod gather_product;
pub mod grid;
pub mod hadamard;
pub mod index;
pub mod join;
pub mod linalg;
pub mod membership;
pub mod operators;
pub mod quantized;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod sort;
pub mod subscript;
pub mod unary;
pub mod unique;
pub mod view;
pub mod window;

pub use binary::*;
pub use compare::*;
pub use contract::*;
pub use convolution::*;
pub use create::*;
pub use depend::depends;
pub use diagonal::{diag, diagonal, trace};
pub use difference::diff;
pub use einsum::{einsum, einsum_path};
pub use floating::{copysign, hypot, nextafter, signbit};
pub use gather_product::{BlockMasks, block_masked_mm, gather_mm, segmented_mm};
pub use grid::{Indexing, atleast_1d, atleast_2d, atleast_3d, meshgrid};
pub use hadamard::hadamard_transform;
pub use index::*;
pub use join::*;
pub use membership::isin;
pub use reduce::*;
pub use scan::*;
pub use sort::*;
pub use subscript::{Subscript, getitem, nonzero, setitem};
pub use unary::*;
pub use unique::{Unique, unique};
pub use view::*;
pub use window::{bartlett, blackman, hamming, hanning};
pub use {join::concatenate as concat, unary::conjugate as conj, view::transpose as permute_dims};
