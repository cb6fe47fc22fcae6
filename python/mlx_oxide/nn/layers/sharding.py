"""Which axis of which weight is divided among the members of a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, Tuple, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.sharding import Segments, shard
from mlx_oxide.utils import tree_map_with_path

Division = Union[int, Tuple[int, Segments], None]
Rule = Callable[[str, mx.array], Division]
Sharding = Union[str, Rule]


def all_to_sharded(segments: Segments) -> Rule:
    """Divide the outputs: the last axis of biases, the one before the last of other weights."""

    def rule(path: str, weight: mx.array) -> Division:
        if path.endswith("bias"):
            return -1, segments
        return max(weight.ndim - 2, 0), segments

    return rule


def sharded_to_all(segments: Segments) -> Rule:
    """Divide the inputs: the last axis of weights; biases are whole."""

    def rule(path: str, weight: mx.array) -> Division:
        return None if path.endswith("bias") else (-1, segments)

    return rule


def sharding_rule(sharding: Sharding, segments: Segments) -> Rule:
    """Return the rule that a name or function stands for.

    Raises:
        ValueError: the name is unknown.
    """
    if sharding == "all-to-sharded":
        return all_to_sharded(segments)
    if sharding == "sharded-to-all":
        return sharded_to_all(segments)
    if callable(sharding):
        return sharding
    raise ValueError(
        f"Sharding type {sharding=} not supported, "
        "choose one of 'all-to-sharded' or 'sharded-to-all'"
    )


def shard_parameters(parameters: Any, rule: Rule, group: Any) -> Any:
    """Return the tree of this member's shards of all parameters.

    Raises:
        ValueError: a weight does not divide among the members.
    """

    def shard_one(path: Optional[str], weight: Any) -> Any:
        if not isinstance(weight, mx.array):
            return weight
        division = rule(path or "", weight)
        if division is None:
            return weight
        axis, segments = division if isinstance(division, tuple) else (division, 1)
        return shard(weight, segments, axis, group)

    return tree_map_with_path(shard_one, parameters)
