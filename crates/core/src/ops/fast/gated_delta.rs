//! The gated delta rule of linear attention.

use crate::array::Array;
use crate::ops::{binary, compare, create, join, reduce, unary, view};
use mlx_oxide_ir::{Dtype, Error, Result, Shape};

/// Operands of [`gated_delta_update`].
#[derive(Clone, Copy)]
pub struct GatedDelta<'a> {
    /// Queries `(B, T, Hk, Dk)`.
    pub queries: &'a Array,
    /// Keys `(B, T, Hk, Dk)`.
    pub keys: &'a Array,
    /// Values `(B, T, Hv, Dv)`; `Hv` is a multiple of `Hk`.
    pub values: &'a Array,
    /// Decay of the state `(B, T, Hv)`.
    pub gamma: &'a Array,
    /// Rate of the update `(B, T, Hv)`.
    pub beta: &'a Array,
    /// The state before the first step `(B, Hv, Dv, Dk)`; zero if absent.
    pub state: Option<&'a Array>,
    /// Which steps count `(B, T)`; the others leave the state and give zero.
    pub mask: Option<&'a Array>,
}

/// The recurrence `S ← γS + β(v - γS·k)kᵀ`, `y = S·q` for every step and head: outputs
/// `(B, T, Hv, Dv)` in the dtype of the values and the last state in `float32`.
///
/// Source: Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks".
///
/// # Errors
/// Shapes that do not fit each other.
pub fn gated_delta_update(operands: &GatedDelta<'_>) -> Result<(Array, Array)> {
    let sizes = Sizes::check(operands)?;
    let wide = |array: &Array| unary::astype(array, Dtype::Float32);
    let queries = spread_heads(&wide(operands.queries)?, &sizes)?;
    let keys = spread_heads(&wide(operands.keys)?, &sizes)?;
    let values = wide(operands.values)?;
    let (gamma, beta) = (wide(operands.gamma)?, wide(operands.beta)?);
    let shape: Shape = [sizes.batch, sizes.heads, sizes.value, sizes.key].into();
    let mut state = match operands.state {
        Some(state) => view::stretch_to(&wide(state)?, shape)?,
        None => create::zeros(shape, Dtype::Float32)?,
    };
    let mut outputs = Vec::with_capacity(sizes.steps);
    for step in 0..sizes.steps {
        let at = |array: &Array| {
            let slice = view::slice_axis(array, 1, step, step + 1)?;
            view::squeeze(&slice, Some(&[1]))
        };
        let counts = operands.mask.map(at).transpose()?;
        let (output, next) = advance(
            &state,
            [&at(&queries)?, &at(&keys)?, &at(&values)?],
            [&at(&gamma)?, &at(&beta)?],
            counts.as_ref(),
        )?;
        outputs.push(output);
        state = next;
    }
    let outputs = match outputs.is_empty() {
        true => create::zeros(operands.values.shape().clone(), Dtype::Float32)?,
        false => join::stack(&outputs.iter().collect::<Vec<_>>(), 1)?,
    };
    Ok((unary::astype(&outputs, operands.values.dtype())?, state))
}

/// One step: the output and the next state.
fn advance(
    state: &Array,
    [query, key, value]: [&Array; 3],
    [gamma, beta]: [&Array; 2],
    counts: Option<&Array>,
) -> Result<(Array, Array)> {
    let along_keys = |array: &Array| view::expand_dims(array, &[-2]);
    let last = |array: &Array| view::expand_dims(array, &[-1]);
    let key = along_keys(key)?;
    let decayed = binary::multiply(state, &view::expand_dims(gamma, &[-1, -2])?)?;
    let known = reduce::sum(&binary::multiply(&decayed, &key)?, Some(&[-1]), false)?;
    let change = binary::multiply(&binary::subtract(value, &known)?, &last(beta)?)?;
    let updated = binary::add(&decayed, &binary::multiply(&last(&change)?, &key)?)?;
    let read = binary::multiply(&updated, &along_keys(query)?)?;
    let output = reduce::sum(&read, Some(&[-1]), false)?;
    let Some(counts) = counts else {
        return Ok((output, updated));
    };
    let zero = unary::scalar_like(&output, 0.0)?;
    let counts = view::expand_dims(counts, &[-1, -2])?;
    Ok((
        compare::select(&counts, &output, &zero)?,
        compare::select(&last(&counts)?, &updated, state)?,
    ))
}

struct Sizes {
    batch: usize,
    steps: usize,
    /// Heads of the values.
    heads: usize,
    /// Heads of the values for each head of the keys.
    group: usize,
    key: usize,
    value: usize,
}

impl Sizes {
    fn check(operands: &GatedDelta<'_>) -> Result<Self> {
        const OP: &str = "gated_delta_update";
        let mismatch = |rule, lhs: &Array, rhs: &Array| {
            Err(Error::ShapeMismatch {
                op: OP,
                rule,
                lhs: lhs.shape().clone(),
                rhs: rhs.shape().clone(),
            })
        };
        let (keys, values) = (operands.keys, operands.values);
        let ([batch, steps, key_heads, key], [also_batch, also_steps, heads, value]) =
            (&keys.shape()[..], &values.shape()[..])
        else {
            return mismatch("keys and values must have four axes", keys, values);
        };
        if operands.queries.shape() != keys.shape() {
            return mismatch("queries and keys differ", operands.queries, keys);
        }
        if (batch, steps) != (also_batch, also_steps)
            || *key_heads == 0
            || !heads.is_multiple_of(*key_heads)
        {
            return mismatch(
                "batch, steps or heads of keys and values do not fit",
                keys,
                values,
            );
        }
        let gates: Shape = [*batch, *steps, *heads].into();
        for gate in [operands.gamma, operands.beta] {
            if *gate.shape() != gates {
                return mismatch("a gate must be (B, T, Hv)", gate, values);
            }
        }
        if let Some(mask) = operands
            .mask
            .filter(|mask| **mask.shape() != [*batch, *steps])
        {
            return mismatch("the mask must be (B, T)", mask, values);
        }
        Ok(Sizes {
            batch: *batch,
            steps: *steps,
            heads: *heads,
            group: heads / key_heads,
            key: *key,
            value: *value,
        })
    }
}

/// Each head of the keys for the heads of the values that it serves.
fn spread_heads(array: &Array, sizes: &Sizes) -> Result<Array> {
    if sizes.group == 1 {
        return Ok(array.clone());
    }
    join::repeat(array, sizes.group, Some(2))
}
