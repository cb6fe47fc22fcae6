"""Pooling over sliding windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Sequence

import mlx_oxide.core as mx


def pool(
    x: mx.array,
    reduce: Callable[..., mx.array],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    padding_value: float,
) -> mx.array:
    """Reduce the windows of ``x`` (N, …, C), which is padded on both ends of each spatial axis."""
    if any(padding):
        margins = [(0, 0), *((margin, margin) for margin in padding), (0, 0)]
        x = mx.pad(x, margins, constant_values=padding_value)
    rank = len(kernel_size)
    if kernel_size == stride and not any(
        size % window for size, window in zip(x.shape[1:-1], kernel_size)
    ):
        windows = _tiles(x, kernel_size)
    else:
        windows = _sliding_windows(x, kernel_size, stride)
    return reduce(windows, tuple(range(-rank - 1, -1)))


def _tiles(x: mx.array, kernel_size: Sequence[int]) -> mx.array:
    """Split each spatial axis into windows side by side, moving the insides before the channels."""
    rank = len(kernel_size)
    shape = [x.shape[0]]
    for size, window in zip(x.shape[1:-1], kernel_size):
        shape += [size // window, window]
    outer = range(1, 2 * rank, 2)
    inner = range(2, 2 * rank + 1, 2)
    return x.reshape(*shape, x.shape[-1]).transpose(0, *outer, *inner, 2 * rank + 1)


def _sliding_windows(
    x: mx.array, kernel_size: Sequence[int], stride: Sequence[int]
) -> mx.array:
    """View the windows of ``x`` as an array (N, …windows, …inside, C) that shares its memory."""
    batch, *spatial, channels = x.shape
    strides = [channels]
    for size in reversed(spatial):
        strides.insert(0, strides[0] * size)
    batch_stride, *spatial_strides = strides
    counts = [
        max(0, (size - window) // step + 1)
        for size, window, step in zip(spatial, kernel_size, stride)
    ]
    steps = [along * step for along, step in zip(spatial_strides, stride)]
    return mx.as_strided(
        x,
        [batch, *counts, *kernel_size, channels],
        [batch_stride, *steps, *spatial_strides, 1],
    )
