"""Formulas of the normalizations."""

from __future__ import annotations

import math
from typing import Optional, Sequence, Tuple

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

    channels = (x.shape[-1] // groups, groups)
    return _normalize_groups(x, weight, bias, channels, 1, eps)


def group_norm_contiguous(
    x: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
    groups: int,
    eps: float,
) -> mx.array:
    """Normalize over positions and groups of neighbouring channels."""
    channels = (groups, x.shape[-1] // groups)
    return _normalize_groups(x, weight, bias, channels, 2, eps)


def _normalize_groups(
    x: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
    channels: Tuple[int, int],
    axis: int,
    eps: float,
) -> mx.array:
    """Normalize over positions and groups: ``axis`` of the batch and two axes of ``channels``.

    Sums over positions, a channel each, read memory in order; only they are brought to groups.
    """
    batch, *spatial, features = x.shape
    flat = wide(x.reshape(batch, math.prod(spatial), features))
    terms = max(1, flat.shape[1] * channels[axis - 1])

    def mean(y: mx.array) -> mx.array:
        sums = mx.sum(y, axis=1).reshape(batch, *channels)
        return mx.sum(sums, axis=axis, keepdims=True) * (1 / terms)

    def spread(of_groups: mx.array) -> mx.array:
        return mx.broadcast_to(of_groups, (batch, *channels)).reshape(batch, 1, features)

    means = spread(mean(flat))
    scale = spread(mx.rsqrt(mean(mx.square(flat - means)) + eps))
    # computed again, which takes less than reading what would be written
    return _scale(x, flat - means, scale, weight, bias).reshape(x.shape)


def _scale(
    x: mx.array,
    deviations: mx.array,
    scale: mx.array,
    weight: Optional[mx.array],
    bias: Optional[mx.array],
) -> mx.array:
    """Return ``weight * scale * deviations + bias``, rounded once if all have the dtype of ``x``."""
    if weight is None or bias is None:
        return narrow(scale * deviations, x)
    if weight.dtype == bias.dtype == x.dtype:
        return narrow(wide(weight) * scale * deviations + wide(bias), x)
    return scale_and_shift(narrow(scale * deviations, x), weight, bias)


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
    return _scale(x, wide(x) - mean, mx.rsqrt(variance + eps), weight, bias)
