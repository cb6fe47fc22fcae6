//! Steps of recurrent layers over time.

use crate::array::Array;
use crate::ops::{create, unary, view};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Cell, Error, Fast, Op, Result, Shape, result_type};

/// Hidden and cell states `(…, T, H)` of long short-term memory.
///
/// Of the gates `i, f, g, o = a_t + h·W`, one after the other in the last axis,
/// `c ← σ(f)·c + σ(i)·tanh(g)` and `h ← σ(o)·tanh(c)`. `gates` is `a` `(…, T, 4·H)`, `weight` is
/// `W` `(H, 4·H)`; `hidden` and `cell` `(…, H)` are the states to begin with, zeros by default.
///
/// Source: Hochreiter and Schmidhuber 1997, "Long short-term memory".
///
/// # Errors
/// Shapes that do not fit; dtypes that are not floating.
pub fn lstm(
    gates: &Array,
    weight: &Array,
    hidden: Option<&Array>,
    cell: Option<&Array>,
) -> Result<(Array, Array)> {
    let mut states = run(Cell::Lstm, gates, weight, None, &[hidden, cell])?.into_iter();
    match (states.next(), states.next()) {
        (Some(hidden), Some(cell)) => Ok((hidden, cell)),
        _ => Err(Error::Internal {
            op: "lstm",
            detail: "a state is missing".to_owned(),
        }),
    }
}

/// Hidden states `(…, T, H)` of gated recurrent units.
///
/// Of `r, z, n` in `a_t` and `u = h·W`, one after the other in the last axis, `r ← σ(a_r + u_r)`,
/// `z ← σ(a_z + u_z)`, `n ← tanh(a_n + r·(u_n + bias))` and `h ← (1 - z)·n + z·h`. `gates` is `a`
/// `(…, T, 3·H)`, `weight` is `W` `(H, 3·H)`, `bias` `(H)` is zero by default; `hidden` `(…, H)` is
/// the state to begin with, zeros by default.
///
/// Source: Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder".
///
/// # Errors
/// Shapes that do not fit; dtypes that are not floating.
pub fn gru(
    gates: &Array,
    weight: &Array,
    bias: Option<&Array>,
    hidden: Option<&Array>,
) -> Result<Array> {
    let states = run(Cell::Gru, gates, weight, bias, &[hidden])?;
    states.into_iter().next().ok_or(Error::Internal {
        op: "gru",
        detail: "the state is missing".to_owned(),
    })
}

/// The operation on all leading axes as one.
fn run(
    cell: Cell,
    gates: &Array,
    weight: &Array,
    bias: Option<&Array>,
    given: &[Option<&Array>],
) -> Result<Vec<Array>> {
    let states = given.iter().any(Option::is_some);
    let op = Fast::Recurrent { cell, states };
    let name = op.name();
    let Some((&width, [leading @ .., times])) = gates.shape().split_last() else {
        return Err(Error::ShapeUnsuitable {
            op: name,
            rule: "gates must be (…, T, G·H)",
            shape: gates.shape().clone(),
        });
    };
    let features = width / cell.gates();
    let others = given.iter().copied().flatten();
    let operands = others.clone().chain([weight]).chain(bias);
    let dtype = operands.fold(gates.dtype(), |dtype, operand| {
        result_type(dtype, operand.dtype())
    });
    let mut rows: Shape = leading.iter().copied().collect();
    for state in others {
        let Some((_, leading)) = state.shape().split_last().filter(|it| *it.0 == features) else {
            return Err(Error::ShapeMismatch {
                op: name,
                rule: "states to begin with must be (…, H)",
                lhs: gates.shape().clone(),
                rhs: state.shape().clone(),
            });
        };
        rows = broadcast_shapes(name, &rows, &leading.iter().copied().collect())?;
    }
    let flat = |array: &Array, sizes: &[usize]| -> Result<Array> {
        let axes = rows.iter().chain(sizes).copied();
        let stretched = view::broadcast_for(name, &unary::astype(array, dtype)?, &axes.collect())?;
        let axes = std::iter::once(rows.size()).chain(sizes.iter().copied());
        view::reshape_to(&stretched, axes.collect::<Shape>())
    };
    let mut inputs = vec![
        flat(gates, &[*times, width])?,
        unary::astype(weight, dtype)?,
    ];
    if cell == Cell::Gru {
        inputs.push(match bias {
            Some(bias) => unary::astype(bias, dtype)?,
            None => create::zeros([features], dtype)?,
        });
    }
    for state in given.iter().filter(|_| states) {
        inputs.push(match state {
            Some(state) => flat(state, &[features])?,
            None => create::zeros([rows.size(), features], dtype)?,
        });
    }
    let inputs: Vec<&Array> = inputs.iter().collect();
    let outputs = Array::apply_all(Op::Fast(op), &inputs)?;
    let shape: Shape = rows.iter().copied().chain([*times, features]).collect();
    let outputs = outputs.iter();
    outputs
        .map(|output| view::reshape_to(output, shape.clone()))
        .collect()
}
