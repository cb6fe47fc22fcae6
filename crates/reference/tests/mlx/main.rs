//! Figures of MLX 0.32.4, and what is documented where MLX leaves a case undefined.

mod compositions;
mod elements;
mod run;
