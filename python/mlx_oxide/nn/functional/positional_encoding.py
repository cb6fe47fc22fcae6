"""Formulas of the positional encodings."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, List, Optional, Tuple

import mlx_oxide.core as mx


def rope(
    x: mx.array, dims: int, traditional: bool, base: float, scale: float, offset: Any
) -> mx.array:
    """Rotate pairs of the first ``dims`` features by angles that grow with the position."""
    return mx.fast.rope(
        x, dims, traditional=traditional, base=base, scale=scale, offset=offset
    )


def sinusoidal_frequencies(
    dims: int, min_freq: float, max_freq: float, full_turns: bool
) -> mx.array:
    """Return ``dims / 2`` frequencies, evenly spaced in the logarithm, the greatest first."""
    count = dims // 2
    if count == 1:
        position = mx.ones((1,))
    else:
        position = 1 - mx.arange(0, count) / (count - 1)
    low, high = math.log(min_freq), math.log(max_freq)
    frequencies = mx.exp(position * (high - low) + low)
    return frequencies * (2 * math.pi) if full_turns else frequencies


def sinusoidal(
    x: mx.array, frequencies: mx.array, scale: float, cos_first: bool
) -> mx.array:
    """Return sines and cosines of the positions ``x`` times each frequency, on a new last axis."""
    angles = x[..., None] * frequencies
    cosines, sines = mx.cos(angles), mx.sin(angles)
    y = mx.concatenate([cosines, sines] if cos_first else [sines, cosines], axis=-1)
    return y if scale == 1 else y * scale


def alibi_slope_values(num_heads: int) -> List[float]:
    """Return the slope of each head: geometric, ending at 2⁻⁸ for a power of two.

    Otherwise the heads beyond a power of two take every other slope of twice that power.
    """
    power = 2 ** int(math.log2(num_heads))

    def geometric(heads: int) -> List[float]:
        ratio = 2.0 ** (-8.0 / heads)
        return [ratio**exponent for exponent in range(1, heads + 1)]

    return geometric(power) + geometric(2 * power)[::2][: num_heads - power]


@lru_cache(maxsize=64)
def _slope_tuple(num_heads: int) -> Tuple[float, ...]:
    return tuple(alibi_slope_values(num_heads))


def alibi_slope(num_heads: int, dtype: mx.Dtype) -> mx.array:
    """Return the slopes with the shape ``(num_heads, 1, 1)``."""
    return mx.expand_dims(mx.array(_slope_tuple(num_heads), dtype=dtype), axis=(-1, -2))


def alibi_matrix(
    first: int, queries_end: int, keys: int, num_heads: int, dtype: mx.Dtype
) -> mx.array:
    """Return minus the distances of the queries ``first`` to ``queries_end`` from the keys,
    times the slopes, with the shape ``(1, heads, queries, keys)``."""
    rows = mx.arange(first, queries_end)
    columns = mx.arange(0, keys)
    distances = mx.abs(mx.expand_dims(rows[:, None] - columns[None], axis=(0, 1)))
    return (-distances).astype(dtype) * alibi_slope(num_heads, dtype)


def add_alibi(
    scores: mx.array, offset: int, mask: Optional[mx.array]
) -> mx.array:
    """Return attention scores ``(…, heads, queries, keys)`` plus their ALiBi matrix and mask."""
    bias = alibi_matrix(
        offset, scores.shape[-2] + offset, scores.shape[-1], scores.shape[-3], scores.dtype
    )
    return scores + (bias if mask is None else bias + mask)
