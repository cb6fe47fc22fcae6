//! One node whose inputs are all there: it needs no plan.

use super::fuse::scalar_op;
use super::order::claim;
use super::run::{compute, publish};
use crate::array::{Array, Expression, State};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{DeviceType, Progress};
use std::sync::Arc;

/// The most elements that are computed in next to no time.
const FEW: usize = 1 << 10;

/// Computes the array if nothing else has to be computed for it.
pub(super) fn run(array: &Array) -> Option<Result<()>> {
    run_if(array, |_| true)
}

/// Computes an array at once, if that is an elementwise operation on a few elements that are
/// there: nobody notices that time, and who holds the lock of an interpreter may keep it.
///
/// # Errors
/// As [`eval`](super::eval).
pub fn eval_few(array: &Array) -> Option<Result<()>> {
    let few = array.size() <= FEW && array.stream().device.kind == DeviceType::Cpu;
    few.then(|| run_if(array, |expression| scalar_op(&expression.op).is_some()))?
}

fn run_if(array: &Array, takes: impl Fn(&Expression) -> bool) -> Option<Result<()>> {
    let node = &*array.node;
    let mut state = node.state.lock();
    let State::Lazy(expression) = &*state else {
        return None;
    };
    // a node's inputs are older than the node: whoever holds several locks took them in that order
    if !(takes(expression) && expression.inputs.iter().all(Array::is_evaluated)) {
        return None;
    }
    let progress = Arc::new(Progress::default());
    let expression = claim(node, &mut state, &progress, 0)?;
    drop(state);
    Some(match compute(node, &expression) {
        Ok(results) => {
            publish(node, results, &progress);
            Ok(())
        }
        Err(error) => {
            *node.state.lock() = State::Lazy(expression);
            progress.advance();
            Err(error)
        }
    })
}
