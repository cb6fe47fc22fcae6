"""Formulas of the linear maps."""

from __future__ import annotations

from typing import Optional

import mlx_oxide.core as mx


def linear(x: mx.array, weight: mx.array, bias: Optional[mx.array]) -> mx.array:
    r"""Return :math:`x W^\top + b`."""
    if bias is None:
        return x @ weight.T
    return mx.addmm(bias, x, weight.T)


def bilinear(
    x1: mx.array, x2: mx.array, weight: mx.array, bias: Optional[mx.array]
) -> mx.array:
    r"""Return :math:`y_i = x_2^\top W_i x_1 + b_i` for ``weight`` (outputs, inputs 2, inputs 1)."""
    outputs, inputs2, inputs1 = weight.shape
    shape = x1.shape[:-1]
    x1 = x1.reshape(-1, inputs1)
    x2 = x2.reshape(-1, 1, inputs2)
    # One product contracts x1 with every W_i, a batched one contracts the outcome with x2.
    partial = (x1 @ weight.reshape(outputs * inputs2, inputs1).T).reshape(-1, outputs, inputs2)
    y = (x2 @ partial.swapaxes(-2, -1)).squeeze(1).reshape(*shape, outputs)
    return y if bias is None else y + bias


def quantized_linear(
    x: mx.array,
    weight: mx.array,
    scales: mx.array,
    biases: Optional[mx.array],
    bias: Optional[mx.array],
    group_size: int,
    bits: int,
    mode: str,
) -> mx.array:
    r"""Return :math:`x W^\top + b` for a quantized :math:`W`."""
    y = mx.quantized_matmul(
        x,
        weight,
        scales=scales,
        biases=biases,
        transpose=True,
        group_size=group_size,
        bits=bits,
        mode=mode,
    )
    return y if bias is None else y + bias
