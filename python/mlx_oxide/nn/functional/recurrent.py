"""Formulas of the recurrent layers: a step in time, and the sequence of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import List, Optional, Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.linear import linear


def _over_time(steps: List[mx.array], x: mx.array, features: int) -> mx.array:
    """Stack the outputs of all time steps on the axis before the last."""
    if not steps:
        return mx.zeros((*x.shape[:-1], features), dtype=x.dtype)
    return mx.stack(steps, axis=-2)


def _turned(weight: mx.array, steps: int) -> mx.array:
    """Return the transpose, in memory of its own if many steps read it."""
    return mx.contiguous(weight.T) if steps > 2 else weight.T


def elman(
    x: mx.array,
    hidden: Optional[mx.array],
    weight_x: mx.array,
    weight_h: mx.array,
    bias: Optional[mx.array],
    nonlinearity: Callable[[mx.array], mx.array],
) -> mx.array:
    """Return all hidden states of an Elman network."""
    projected = linear(x, weight_x, bias)
    turned = _turned(weight_h, x.shape[-2])
    states = []
    for time in range(x.shape[-2]):
        inputs = projected[..., time, :]
        if hidden is not None:
            inputs = mx.addmm(inputs, hidden, turned)
        hidden = nonlinearity(inputs)
        states.append(hidden)
    return _over_time(states, projected, weight_h.shape[-1])


def gru(
    x: mx.array,
    hidden: Optional[mx.array],
    weight_x: mx.array,
    weight_h: mx.array,
    bias: Optional[mx.array],
    bias_h: Optional[mx.array],
) -> mx.array:
    """Return all hidden states of gated recurrent units.

    The rows of the weights are those of the reset gate, the update gate and the candidate.
    """
    projected = linear(x, weight_x, bias)
    turned = _turned(weight_h, x.shape[-2])
    return mx.fast._gru(projected, turned, bias_h, hidden)


def lstm(
    x: mx.array,
    hidden: Optional[mx.array],
    cell: Optional[mx.array],
    weight_x: mx.array,
    weight_h: mx.array,
    bias: Optional[mx.array],
) -> Tuple[mx.array, mx.array]:
    """Return all hidden and cell states of long short-term memory.

    The rows of the weights are those of the input gate, the forget gate, the candidate and the
    output gate.
    """
    projected = linear(x, weight_x, bias)
    turned = _turned(weight_h, x.shape[-2])
    hidden_states, cell_states = mx.fast._lstm(projected, turned, hidden, cell)
    return hidden_states, cell_states
