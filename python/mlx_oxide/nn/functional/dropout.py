"""The formula of dropout."""

from __future__ import annotations

from typing import Sequence

import mlx_oxide.core as mx


def drop(x: mx.array, keep: float, mask_shape: Sequence[int]) -> mx.array:
    """Zero parts of ``x``, keeping each part with the probability ``keep``, and scale the rest.

    A part is what one entry of a mask of the given shape broadcasts to.
    """
    mask = mx.random.bernoulli(keep, mask_shape)
    return (1 / keep) * (mask * x)
