//! Samples of every operation, and what compares backends by them.
//!
//! A [`Sample`] is plain data: an operation, the shapes, dtypes, value ranges and layouts of its
//! inputs, how near results must be, and which derivatives can be checked there. One row in
//! [`mod@samples`] tests a new operation everywhere: [`mod@sweep`] runs all samples on a backend and on
//! the reference; [`checks`] hold what transforms owe to each operation, and [`mod@trials`] run one on
//! all samples.
#![forbid(unsafe_code)]

pub mod arrange;
pub mod backend;
pub mod checks;
pub mod compare;
pub mod coordinates;
pub mod differences;
pub mod graph;
pub mod programs;
pub mod sample;
pub mod samples;
pub mod sweep;
pub mod tolerance;
pub mod trials;
pub mod values;

pub use backend::{Evaluated, evaluate, supports};
pub use compare::{Mismatch, compare};
pub use sample::{Agreement, Arrangement, InputSpec, Sample, Values};
pub use samples::samples;
pub use sweep::{Report, sweep};
pub use tolerance::Tolerance;
pub use trials::{Failure, Outcome, Trials, trials};
