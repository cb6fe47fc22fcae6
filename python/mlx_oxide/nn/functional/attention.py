"""Formulas of attention."""

from __future__ import annotations

import math
from typing import Any

import mlx_oxide.core as mx


def multi_head_attention(
    queries: mx.array, keys: mx.array, values: mx.array, num_heads: int, mask: Any
) -> mx.array:
    r"""Return :math:`\mathrm{softmax}(Q K^\top / \sqrt{d}) V` for each head of (N, L, features)."""

    def split_heads(x: mx.array) -> mx.array:
        return mx.unflatten(x, -1, (num_heads, -1)).transpose(0, 2, 1, 3)

    queries, keys, values = split_heads(queries), split_heads(keys), split_heads(values)
    scale = math.sqrt(1 / queries.shape[-1])
    y = mx.fast.scaled_dot_product_attention(queries, keys, values, scale=scale, mask=mask)
    return y.transpose(0, 2, 1, 3).flatten(-2, -1)


def additive_causal_mask(size: int, dtype: mx.Dtype) -> mx.array:
    """Return a matrix that is the least finite number where a key is after the query, else 0."""
    positions = mx.arange(size)
    after = positions[:, None] < positions[None]
    return after.astype(dtype) * mx.finfo(dtype).min
