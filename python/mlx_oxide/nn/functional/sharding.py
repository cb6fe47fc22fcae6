"""Dividing weights among the members of a group."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, List, Sequence, Union

import mlx_oxide.core as mx

Segments = Union[int, Sequence[Union[int, float]]]


@lru_cache
def sum_gradients(group: Any) -> Callable[[mx.array], mx.array]:
    """Return the identity whose gradient is summed over the members of the group."""
    if group.size() == 1:
        return lambda x: x

    @mx.custom_function
    def identity(x: mx.array) -> mx.array:
        return x

    @identity.vjp
    def sum_cotangents(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
        return mx.distributed.all_sum(cotangent, group=group)

    return identity


def split_segments(weight: mx.array, segments: Segments, axis: int) -> List[mx.array]:
    """Split into equal segments, at given indices, or at given fractions of the axis."""
    if isinstance(segments, int):
        return list(mx.split(weight, segments, axis=axis))
    size = weight.shape[axis]
    indices = [
        int(segment * size) if isinstance(segment, float) else segment for segment in segments
    ]
    return list(mx.split(weight, indices, axis=axis))


def shard(weight: mx.array, segments: Segments, axis: int, group: Any) -> mx.array:
    """Return this member's equal part of every segment, joined along the axis.

    Raises:
        ValueError: a segment does not divide among the members.
    """
    members, rank = group.size(), group.rank()
    parts = [
        mx.split(segment, members, axis=axis)[rank]
        for segment in split_segments(weight, segments, axis)
    ]
    return mx.contiguous(mx.concatenate(parts, axis=axis))
