//! One node whose inputs are all there, or views of what is there: it needs no plan. Nor does a view
//! of such a node.

use super::fuse::scalar_op;
use super::order::claim;
use super::run::{compute, publish};
use crate::array::{Array, Expression, State};
use mlx_oxide_ir::{Op, Result};
use mlx_oxide_runtime::{DeviceType, Progress};
use smallvec::SmallVec;
use std::sync::Arc;

/// The most elements that are computed in next to no time.
const FEW: usize = 1 << 10;

/// How many views of one another are looked through.
const VIEWS: usize = 4;

/// Computes the array if nothing else has to be computed for it but views.
pub(super) fn run(array: &Array) -> Option<Result<()>> {
    run_below(array, VIEWS)
}

fn run_below(array: &Array, views: usize) -> Option<Result<()>> {
    let (is_view, missing) = missing(array)?;
    for input in missing {
        let result = match is_view {
            true if views > 0 => run_below(&input, views - 1)?,
            true => return None,
            false => show(&input, views)?,
        };
        if result.is_err() {
            return Some(result);
        }
    }
    run_if(array, |_| true)
}

/// Computes a view if it is one of what is there, or of such a view. Anything else is computed
/// together with what takes it.
fn show(array: &Array, views: usize) -> Option<Result<()>> {
    let (is_view, missing) = missing(array)?;
    if !is_view || views == 0 {
        return None;
    }
    for input in missing {
        let result = show(&input, views - 1)?;
        if result.is_err() {
            return Some(result);
        }
    }
    run_if(array, |_| true)
}

/// Whether a node that nobody computes yet is a view, and its inputs that are not there.
fn missing(array: &Array) -> Option<(bool, SmallVec<[Array; 2]>)> {
    let state = array.node.state.lock();
    let State::Lazy(expression) = &*state else {
        return None;
    };
    let inputs = expression.inputs.iter();
    let missing = inputs.filter(|input| !input.is_evaluated()).cloned();
    Some((matches!(expression.op, Op::View(_)), missing.collect()))
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
