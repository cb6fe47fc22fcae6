//! Evaluation: order → fuse → absorb → join rows → run.
//!
//! `order` claims the nodes that have to be computed and sorts them; `fuse` joins elementwise
//! ones into programs; `reduce` joins reductions to the programs before them; `rows` joins steps
//! that treat every row by itself; `run` gives each step to a backend and publishes the results.

mod alone;
mod fuse;
mod order;
mod reduce;
mod rows;
mod run;
mod traffic;

pub use alone::eval_few;
pub use traffic::Traffic;

use crate::array::{Array, State};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Progress;
use order::Entries;
use parking_lot::Mutex;
use std::sync::Arc;

/// Held while nodes are claimed and fused, so that two evaluations never claim one node and the
/// count of a node's holders is exact. Memory of a plan that is done waits here for the next one:
/// large blocks would come from the system each time, page by page.
static PLANNING: Mutex<Entries> = Mutex::new(Entries::new());

/// The most entries of a plan whose memory is kept.
const MOST_KEPT: usize = 1 << 13;

/// Held from the planning of an asynchronous evaluation until it is queued. So an evaluation
/// stands in a stream's queue behind all that it may have to wait for.
static SUBMISSION: Mutex<()> = Mutex::new(());

/// Computes arrays now and waits for them.
///
/// # Errors
/// The first failure of an operation; what had not been computed stays as it was, so that a later
/// evaluation reports the same failure.
pub fn eval(arrays: &[Array]) -> Result<()> {
    eval_with(arrays, rows::Limits::USUAL)
}

/// [`eval`] with all rows joined that can be, one row at a time, however small: what the joining
/// of rows is checked with.
#[doc(hidden)]
pub fn eval_in_rows(arrays: &[Array]) -> Result<()> {
    eval_with(arrays, rows::Limits::EAGER)
}

fn eval_with(arrays: &[Array], limits: rows::Limits) -> Result<()> {
    if let [array] = arrays
        && let Some(result) = alone::run(array)
    {
        return result;
    }
    if let Some(plan) = plan(arrays, limits) {
        run::run(plan)?;
    }
    arrays.iter().try_for_each(wait)
}

/// [`eval`] with every operation by itself, fused with no other: what fusion is checked against.
#[doc(hidden)]
pub fn eval_unfused(arrays: &[Array]) -> Result<()> {
    run::run(plan_unfused(arrays))?;
    arrays.iter().try_for_each(wait)
}

/// [`eval`], or [`eval_unfused`], and what it moves.
#[doc(hidden)]
pub fn eval_counted(arrays: &[Array], fused: bool) -> Result<Traffic> {
    let plan = match fused {
        true => plan(arrays, rows::Limits::USUAL),
        false => Some(plan_unfused(arrays)),
    };
    let Some(plan) = plan else {
        return Ok(Traffic::default());
    };
    let traffic = traffic::count(&plan);
    run::run(plan)?;
    arrays.iter().try_for_each(wait)?;
    Ok(traffic)
}

fn plan_unfused(arrays: &[Array]) -> order::Plan {
    let mut planning = PLANNING.lock();
    let mut plan = order::order(arrays, std::mem::take(&mut planning));
    plan.steps = (0..plan.entries.len() as u32)
        .map(order::Step::Single)
        .collect();
    plan
}

/// Starts computing arrays and returns at once. A failure is reported when an array is read.
pub fn async_eval(arrays: &[Array]) {
    let _submission = SUBMISSION.lock();
    if let Some(mut plan) = plan(arrays, rows::Limits::USUAL) {
        plan.detached = true;
        let stream = plan.stream();
        // the failure is not lost: the nodes stay uncomputed, and reading one computes it again
        stream.submit(move || drop(run::run(plan)));
    }
}

fn plan(arrays: &[Array], limits: rows::Limits) -> Option<order::Plan> {
    if arrays.iter().all(Array::is_evaluated) {
        return None;
    }
    let mut planning = PLANNING.lock();
    let mut plan = order::order(arrays, std::mem::take(&mut planning));
    fuse::fuse(&mut plan);
    reduce::absorb(&mut plan, limits.operand);
    rows::join(&mut plan, limits);
    (!plan.entries.is_empty()).then_some(plan)
}

/// Keeps the memory of a plan that is done.
fn keep(mut entries: Entries) {
    entries.clear();
    if entries.capacity() <= MOST_KEPT
        && let Some(mut kept) = PLANNING.try_lock()
        && kept.capacity() < entries.capacity()
    {
        *kept = entries;
    }
}

/// Returns when the array has been computed, by whomever.
fn wait(array: &Array) -> Result<()> {
    loop {
        let progress = match &*array.node.state.lock() {
            State::Ready { .. } => return Ok(()),
            State::Running { progress, .. } => Some(progress.clone()),
            State::Lazy(_) => None,
        };
        match progress {
            Some(progress) => progress.wait_until(|| !is_running_in(array, &progress)),
            // its evaluation failed elsewhere: find out why here, if nobody else does by now
            None => {
                if let Some(plan) = plan(std::slice::from_ref(array), rows::Limits::USUAL) {
                    run::run(plan)?;
                }
            }
        }
    }
}

/// Whether that very evaluation computes the array: after a failure another may have claimed it.
fn is_running_in(array: &Array, evaluation: &Arc<Progress>) -> bool {
    matches!(&*array.node.state.lock(), State::Running { progress, .. } if Arc::ptr_eq(progress, evaluation))
}
