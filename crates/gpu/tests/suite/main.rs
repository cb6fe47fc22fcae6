//! The GPU backend on a device; without an adapter these tests fail, unless told to skip.
#![allow(clippy::unwrap_used, clippy::panic)] // an unmet expectation is a failed test

mod device;
mod foundation;
mod samples;
