"""Convolutions and their transposes, by the number of spatial axes."""

from __future__ import annotations

from typing import Any, Optional

import mlx_oxide.core as mx

_CONVOLVE = {1: mx.conv1d, 2: mx.conv2d, 3: mx.conv3d}
_CONVOLVE_TRANSPOSED = {
    1: mx.conv_transpose1d,
    2: mx.conv_transpose2d,
    3: mx.conv_transpose3d,
}


def convolve(
    axes: int,
    x: mx.array,
    weight: mx.array,
    bias: Optional[mx.array],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> mx.array:
    """Return the convolution of ``x`` (N, …, C) over its ``axes`` spatial axes, plus ``bias``."""
    y = _CONVOLVE[axes](x, weight, stride, padding, dilation, groups)
    return y if bias is None else y + bias


def convolve_transposed(
    axes: int,
    x: mx.array,
    weight: mx.array,
    bias: Optional[mx.array],
    stride: Any,
    padding: Any,
    dilation: Any,
    output_padding: Any,
) -> mx.array:
    """Return the transposed convolution of ``x`` (N, …, C), plus ``bias``."""
    y = _CONVOLVE_TRANSPOSED[axes](x, weight, stride, padding, dilation, output_padding)
    return y if bias is None else y + bias
