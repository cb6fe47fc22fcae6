"""Resampling of the axes between the first and the last.

Interpolation is separable: each axis is resampled by itself, every output being a weighted sum
of a few neighbouring inputs, the *taps*.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import List, Sequence, Tuple

import mlx_oxide.core as mx

Taps = List[Tuple[mx.array, mx.array]]

# The kernel of plain cubic interpolation follows OpenCV, the antialiased one Pillow.
_CUBIC_COEFFICIENT = -0.75
_CUBIC_COEFFICIENT_ANTIALIASED = -0.5


def upsample_nearest(x: mx.array, scale_factor: Sequence[float]) -> mx.array:
    """Take for each output the nearest input."""
    if all(scale == int(scale) for scale in scale_factor):
        return _repeat(x, [int(scale) for scale in scale_factor])
    for axis, scale in enumerate(scale_factor, start=1):
        x = mx.take(x, _nearest_indices(x.shape[axis], scale), axis=axis)
    return x


def upsample_linear(
    x: mx.array,
    scale_factor: Sequence[float],
    align_corners: bool = False,
    antialias: bool = False,
) -> mx.array:
    """Interpolate linearly between neighbours along each axis."""
    if antialias:

        def taps(size: int, scale: float) -> Taps:
            return _filter_taps(size, scale, _triangle, 1)

    else:

        def taps(size: int, scale: float) -> Taps:
            return _linear_taps(size, scale, align_corners)

    return _resample(x, scale_factor, taps)


def upsample_cubic(
    x: mx.array,
    scale_factor: Sequence[float],
    align_corners: bool = False,
    antialias: bool = False,
) -> mx.array:
    """Interpolate by cubic convolution of four neighbours along each axis."""
    if antialias:

        def taps(size: int, scale: float) -> Taps:
            return _filter_taps(size, scale, _cubic_antialiased, 2)

    else:

        def taps(size: int, scale: float) -> Taps:
            return _cubic_taps(size, scale, align_corners)

    return _resample(x, scale_factor, taps)


def _repeat(x: mx.array, counts: Sequence[int]) -> mx.array:
    batch, *spatial, channels = x.shape
    split, spread, merged = [batch], [batch], [batch]
    for size, count in zip(spatial, counts):
        split += [size, 1]
        spread += [size, count]
        merged.append(size * count)
    y = mx.broadcast_to(x.reshape(*split, channels), [*spread, channels])
    return y.reshape(*merged, channels)


def _resample(
    x: mx.array,
    scale_factor: Sequence[float],
    taps: Callable[[int, float], Taps],
) -> mx.array:
    for axis, scale in enumerate(scale_factor, start=1):
        weight_shape = [1] * x.ndim
        weight_shape[axis] = -1
        terms = [
            mx.take(x, indices, axis=axis) * weights.reshape(*weight_shape)
            for indices, weights in taps(x.shape[axis], scale)
        ]
        y = terms[0]
        for term in terms[1:]:
            y = y + term
        x = y
    return x


def _nearest_indices(size: int, scale: float) -> mx.array:
    outputs = int(scale * size)
    if outputs == 0:
        return mx.zeros((0,), dtype=mx.uint32)
    indices = mx.arange(outputs, dtype=mx.float32)
    step = size / outputs
    if scale > 1:
        return mx.round((indices + 0.5) * step - 0.5).astype(mx.uint32)
    return (indices * step).astype(mx.uint32)


def _positions(size: int, scale: float, align_corners: bool) -> mx.array:
    """Return where the outputs lie on the axis of the inputs, whose indices count from 0."""
    outputs = int(scale * size)
    indices = mx.arange(outputs, dtype=mx.float32)
    if align_corners:
        return indices * ((size - 1) / (outputs - 1)) if outputs > 1 else indices
    step = 1 / scale
    # The centres of the two grids coincide.
    return indices * step - ((outputs - 1) * step - size + 1) / 2


def _clipped(indices: mx.array, size: int) -> mx.array:
    return mx.clip(indices, 0, size - 1).astype(mx.uint32)


def _linear_taps(size: int, scale: float, align_corners: bool) -> Taps:
    positions = mx.clip(_positions(size, scale, align_corners), 0, size - 1)
    left = mx.floor(positions)
    fraction = positions - left
    return [
        (left.astype(mx.uint32), 1 - fraction),
        (mx.ceil(positions).astype(mx.uint32), fraction),
    ]


def _cubic_taps(size: int, scale: float, align_corners: bool) -> Taps:
    positions = _positions(size, scale, align_corners)
    left = mx.floor(positions)
    taps = []
    for offset in (-1, 0, 1, 2):
        indices = left + offset
        kernel = _cubic_near if offset in (0, 1) else _cubic_far
        weights = kernel(mx.abs(positions - indices), _CUBIC_COEFFICIENT)
        taps.append((_clipped(indices, size), weights))
    return taps


def _filter_taps(
    size: int, scale: float, kernel: Callable[[mx.array], mx.array], support: int
) -> Taps:
    """Return the taps of a kernel, widened where the axis shrinks, that sum to 1."""
    sharpness = min(scale, 1.0)
    reach = math.ceil(support / sharpness)
    positions = _positions(size, scale, False)
    centre = mx.floor(positions)
    taps = []
    for offset in range(-reach, reach + 1):
        indices = centre + offset
        inside = (indices >= 0) & (indices < size)
        weights = mx.where(inside, kernel(mx.abs((positions - indices) * sharpness)), 0.0)
        taps.append((_clipped(indices, size), weights))
    total = taps[0][1]
    for _, weights in taps[1:]:
        total = total + weights
    total = mx.where(total == 0, 1.0, total)
    return [(indices, weights / total) for indices, weights in taps]


def _triangle(distance: mx.array) -> mx.array:
    return mx.maximum(1.0 - distance, 0.0)


def _cubic_near(distance: mx.array, coefficient: float) -> mx.array:
    """Return the part of the cubic kernel between 0 and 1."""
    slope = (coefficient + 2) * distance - (coefficient + 3)
    return slope * distance * distance + 1


def _cubic_far(distance: mx.array, coefficient: float) -> mx.array:
    """Return the part of the cubic kernel between 1 and 2."""
    return (((distance - 5) * distance + 8) * distance - 4) * coefficient


def _cubic_antialiased(distance: mx.array) -> mx.array:
    coefficient = _CUBIC_COEFFICIENT_ANTIALIASED
    outer = mx.where(distance < 2, _cubic_far(distance, coefficient), 0.0)
    return mx.where(distance <= 1, _cubic_near(distance, coefficient), outer)
