"""Formulas of the normalizations."""

from __future__ import annotations

import math
from typing import Callable, Optional, Sequence, Tuple

import mlx_oxide.core as mx


def scale_and_shift(
    x: mx.array, weight: Optional[mx.array], bias: Optional[mx.array]
) -> mx.array:
    """Return ``weight * x + bias``; both are there or neither is."""
    return x if weight is None or bias is None else weight * x + bias


def layer_norm(
    x: mx.array, weight: Optional[mx.array], bias: Optional[mx.array], eps: float
) -> mx.array:
    """Normalize over the last axis."""
    return mx.fast.layer_norm(x, weight, bias, eps)


def rms_norm(x: mx.array, weight: mx.array, eps: float) -> mx.array:
    """Divide by the root of the mean square over the last axis."""
    return mx.fast.rms_norm(x, weight, eps)


def instance_norm(
    x: mx.array, weight: Optional[mx.array], bias: Optional[mx.array], eps: float
) -> mx.array:
    """Normalize over all axes between the first and the last."""
    rank = x.ndim
    channels_second = mx.transpose(x, (0, rank - 1, *range(1, rank - 1)))
    batch, channels, *spatial = channels_second.shape
    flat = channels_second.reshape(batch, channels, math.prod(spatial))
    y = mx.fast.layer_norm(flat, None, None, eps).reshape(channels_second.shape)
    return scale_and_shift(mx.transpose(y, (0, *range(2, rank), 1)), weight, bias)


def group_norm(
    x: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
    groups: int,
    eps: float,
) -> mx.array:
    """Normalize over positions and groups that take every ``groups``-th channel."""

    def spread(of_channels: mx.array) -> mx.array:
        y = mx.unflatten(of_channels, -1, (-1, groups))
        return mx.broadcast_to(mx.mean(y, axis=-2, keepdims=True), y.shape)

    return scale_and_shift(_normalize_groups(x, spread, eps), weight, bias)


def group_norm_contiguous(
    x: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
    groups: int,
    eps: float,
) -> mx.array:
    """Normalize over positions and groups of neighbouring channels."""

    def spread(of_channels: mx.array) -> mx.array:
        y = mx.unflatten(of_channels, -1, (groups, -1))
        return mx.broadcast_to(mx.mean(y, axis=-1, keepdims=True), y.shape)

    return scale_and_shift(_normalize_groups(x, spread, eps), weight, bias)


def _normalize_groups(
    x: mx.array, spread: Callable[[mx.array], mx.array], eps: float
) -> mx.array:
    """Normalize over positions and groups, given means of groups by those of their channels.

    Sums over positions, a channel each, read memory in order; only they are brought to groups.
    """
    batch, *spatial, channels = x.shape
    flat = wide(x.reshape(batch, math.prod(spatial), channels))

    def mean(y: mx.array) -> mx.array:
        return mx.flatten(spread(mx.mean(y, axis=1, keepdims=True)), -2, -1)

    means = mean(flat)
    variances = mean(mx.square(flat - means))
    y = (flat - means) * mx.rsqrt(variances + eps)
    return narrow(y, x).reshape(x.shape)


def wide(x: mx.array) -> mx.array:
    """Return 16-bit floats in single precision, others as they are."""
    return x.astype(mx.float32) if x.dtype in (mx.float16, mx.bfloat16) else x


def narrow(y: mx.array, x: mx.array) -> mx.array:
    """Return ``y`` as 16-bit floats if those of ``x`` were made wide."""
    return y.astype(x.dtype) if x.dtype in (mx.float16, mx.bfloat16) else y


def batch_statistics(x: mx.array, axes: Sequence[int]) -> Tuple[mx.array, mx.array]:
    """Return mean and variance over some axes, those of 16-bit floats in single precision."""
    y = wide(x)
    mean = mx.mean(y, axis=axes, keepdims=True)
    variance = mx.mean(mx.square(y - mean), axis=axes)
    return mean.reshape(variance.shape), variance


def moving_average(average: mx.array, value: mx.array, momentum: float) -> mx.array:
    """Return ``(1 - momentum) * average + momentum * value``."""
    return (1 - momentum) * average + momentum * value


def batch_norm(
    x: mx.array,
    mean: mx.array,
    variance: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
    eps: float,
) -> mx.array:
    """Normalize each channel with a given mean and variance."""
    return scale_and_shift((x - mean) * mx.rsqrt(variance + eps), weight, bias)


def batch_norm_in_training(
    x: mx.array,
    mean: mx.array,
    variance: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
    eps: float,
) -> mx.array:
    """Normalize each channel with the statistics of the batch, in the dtype of ``x``."""
    y = batch_norm(wide(x), mean, variance, None, None, eps)
    return scale_and_shift(narrow(y, x), weight, bias)
