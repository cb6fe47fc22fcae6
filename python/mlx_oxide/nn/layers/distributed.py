"""Linear layers whose weights are divided among the members of a group."""

from __future__ import annotations

import math
from typing import Any, Literal, Optional

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.linear import linear, quantized_linear
from mlx_oxide.nn.functional.sharding import Segments, sum_gradients
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.fully_sharded import FullyShardedModule, fully_shard
from mlx_oxide.nn.layers.quantized import QuantizedLinear, hold_quantized, unpacked_dims
from mlx_oxide.nn.layers.sharding import (
    Sharding,
    all_to_sharded,
    shard_parameters,
    sharded_to_all,
    sharding_rule,
)

__all__ = [
    "AllToShardedLinear",
    "FullyShardedModule",
    "QuantizedAllToShardedLinear",
    "QuantizedShardedToAllLinear",
    "ShardedToAllLinear",
    "fully_shard",
    "shard_inplace",
    "shard_linear",
    "sum_gradients",
]

Group = mx.distributed.Group


def _global_or(group: Optional[Group]) -> Any:
    return mx.distributed.init() if group is None else group


def shard_inplace(
    module: Module,
    sharding: Sharding,
    *,
    segments: Segments = 1,
    group: Optional[Group] = None,
) -> None:
    """Keep only this member's shard of the parameters of a module.

    The module itself is not made to communicate; it must know how.

    Args:
        module: what to change.
        sharding: ``"all-to-sharded"``, ``"sharded-to-all"``, or a function of path and weight
            that returns the axis to divide, the axis and the segments, or ``None``.
        segments: into how many parts, at which indices or fractions, a weight falls that are to
            be divided one by one, such as 3 for joined queries, keys and values.
        group: the group; all processes by default.

    Raises:
        ValueError: another ``sharding``, or a weight does not divide among the members.
    """
    rule = sharding_rule(sharding, segments)
    module.update(shard_parameters(module.parameters(), rule, _global_or(group)))


def shard_linear(
    module: Module,
    sharding: Literal["all-to-sharded", "sharded-to-all"],
    *,
    segments: Segments = 1,
    group: Optional[Group] = None,
) -> Module:
    """Return a layer that holds this member's shard of a linear layer and communicates.

    Args:
        module: a :class:`Linear` or :class:`QuantizedLinear` layer.
        sharding: whether the outputs or the inputs are divided.
        segments, group: see :func:`shard_inplace`.

    Raises:
        ValueError: another ``sharding``, no linear layer, or the weight does not divide.

    Example:
        >>> shard_linear(nn.Linear(4, 8), "all-to-sharded")
        AllToShardedLinear(input_dims=4, output_dims=8, bias=True)
    """
    sharding_rule(sharding, segments)
    to_sharded = sharding == "all-to-sharded"
    if isinstance(module, QuantizedLinear):
        quantized = QuantizedAllToShardedLinear if to_sharded else QuantizedShardedToAllLinear
        return quantized.from_quantized_linear(module, segments=segments, group=group)
    plain = AllToShardedLinear if to_sharded else ShardedToAllLinear
    return plain.from_linear(module, segments=segments, group=group)


class _Sharded(Module):
    """What linear layers divided among a group share."""

    group: Any

    def _require_weight(self, layer: Module) -> None:
        if "weight" not in layer or layer.weight.ndim != 2:
            raise ValueError(
                f"[{type(self).__name__}] expects a linear layer but got {type(layer).__name__}."
            )

    def _divide(self, dims: int, what: str) -> int:
        members = int(self.group.size())
        if dims % members != 0:
            raise ValueError(
                f"[{type(self).__name__}] Cannot shard the {what} of size {dims} "
                f"across {members} devices."
            )
        return dims // members


class _ShardedLinear(_Sharded):
    """A linear layer with a weight in full precision, divided along one of its axes."""

    _OUTPUT_DIVIDED: bool

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group: Optional[Group] = None,
    ) -> None:
        super().__init__()
        scale = math.sqrt(1.0 / input_dims)
        self.group = _global_or(group)
        if self._OUTPUT_DIVIDED:
            output_dims = self._divide(output_dims, "output")
        else:
            input_dims = self._divide(input_dims, "input")
        self.weight = mx.random.uniform(low=-scale, high=scale, shape=(output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(low=-scale, high=scale, shape=(output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input_dims = self.weight.shape
        if self._OUTPUT_DIVIDED:
            output_dims *= self.group.size()
        else:
            input_dims *= self.group.size()
        return f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}"

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        *,
        segments: Segments = 1,
        group: Optional[Group] = None,
    ) -> Module:
        """Take over this member's shard of a :class:`Linear` layer.

        Raises:
            ValueError: the layer is not linear or does not divide among the members.
        """
        cls._require_weight(cls.__new__(cls), linear_layer)
        group = _global_or(group)
        output_dims, input_dims = linear_layer.weight.shape
        layer = cls(input_dims, output_dims, "bias" in linear_layer, group)
        rule = all_to_sharded(segments) if cls._OUTPUT_DIVIDED else sharded_to_all(segments)
        layer.update(shard_parameters(linear_layer.parameters(), rule, group))
        return layer


class AllToShardedLinear(_ShardedLinear):
    r"""A :class:`Linear` layer of which each member of a group computes a part of the outputs.

    The inputs are the same for all members; their gradient is summed over the group.

    Parameters: this member's rows of ``weight`` and of ``bias``.

    Args:
        input_dims: size of the last axis of the inputs.
        output_dims: how many outputs all members have together.
        bias: whether to add a bias.
        group: the group; all processes by default.

    Raises:
        ValueError: the outputs do not divide among the members.

    Example:
        >>> nn.AllToShardedLinear(4, 8)(mx.ones((2, 4))).shape  # in a group of one
        (2, 8)
    """

    _OUTPUT_DIVIDED = True

    def __call__(self, x: mx.array) -> mx.array:
        return linear(sum_gradients(self.group)(x), self["weight"], self.get("bias"))


class ShardedToAllLinear(_ShardedLinear):
    r"""A :class:`Linear` layer of which each member of a group takes a part of the inputs.

    The outputs are summed over the group, so that all members have the same.

    Parameters: this member's columns of ``weight``, and the whole ``bias``.

    Args:
        input_dims: how many inputs all members have together.
        output_dims: size of the last axis of the outputs.
        bias: whether to add a bias.
        group: the group; all processes by default.

    Raises:
        ValueError: the inputs do not divide among the members.

    Example:
        >>> nn.ShardedToAllLinear(4, 8)(mx.ones((2, 4))).shape  # in a group of one
        (2, 8)
    """

    _OUTPUT_DIVIDED = False

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(linear(x, self["weight"], None), group=self.group)
        return y + self["bias"] if "bias" in self else y


class _QuantizedShardedLinear(_Sharded):
    """A linear layer with a quantized weight, divided along one of its axes."""

    _OUTPUT_DIVIDED: bool

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group: Optional[Group] = None,
    ) -> None:
        super().__init__()
        self.group_size = group_size
        self.bits = bits
        self.mode = mode
        scale = math.sqrt(1.0 / input_dims)
        self.group = _global_or(group)
        if self._OUTPUT_DIVIDED:
            output_dims = self._divide(output_dims, "output")
        else:
            input_dims = self._divide(input_dims, "input")
        weight = mx.random.uniform(low=-scale, high=scale, shape=(output_dims, input_dims))
        hold_quantized(self, weight, group_size, bits, mode)
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def unfreeze(self, *args: Any, **kwargs: Any) -> "_QuantizedShardedLinear":
        """Unfreeze the modules below, if any; the parameters of this layer stay frozen."""
        super().unfreeze(*args, **kwargs)
        self.freeze(recurse=False)
        return self

    def _extra_repr(self) -> str:
        output_dims, input_dims = self.weight.shape[0], unpacked_dims(self)
        if self._OUTPUT_DIVIDED:
            output_dims *= self.group.size()
        else:
            input_dims *= self.group.size()
        return (
            f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    def _product(self, x: mx.array, bias: Optional[mx.array]) -> mx.array:
        return quantized_linear(
            x,
            self["weight"],
            self["scales"],
            self.get("biases"),
            bias,
            self.group_size,
            self.bits,
            self.mode,
        )

    @classmethod
    def from_quantized_linear(
        cls,
        quantized_linear_layer: Module,
        *,
        segments: Segments = 1,
        group: Optional[Group] = None,
    ) -> Module:
        """Take over this member's shard of a :class:`QuantizedLinear` layer.

        Raises:
            ValueError: the layer does not divide among the members.
        """
        source = quantized_linear_layer
        cls._require_weight(cls.__new__(cls), source)
        group = _global_or(group)
        layer = cls(
            unpacked_dims(source),
            source.weight.shape[0],
            "bias" in source,
            group_size=source.group_size,
            bits=source.bits,
            mode=source.mode,
            group=group,
        )
        rule = all_to_sharded(segments) if cls._OUTPUT_DIVIDED else sharded_to_all(segments)
        layer.update(shard_parameters(source.parameters(), rule, group))
        return layer


class QuantizedAllToShardedLinear(_QuantizedShardedLinear):
    """An :class:`AllToShardedLinear` layer with a quantized weight; all parameters are frozen.

    Args:
        input_dims, output_dims, bias, group: see :class:`AllToShardedLinear`.
        group_size, bits, mode: see ``mx.quantize``.

    Raises:
        ValueError: the outputs do not divide among the members or ``input_dims`` into groups.

    Example:
        >>> nn.QuantizedAllToShardedLinear(64, 8)(mx.ones((2, 64))).shape  # in a group of one
        (2, 8)
    """

    _OUTPUT_DIVIDED = True

    def __call__(self, x: mx.array) -> mx.array:
        return self._product(sum_gradients(self.group)(x), self.get("bias"))


class QuantizedShardedToAllLinear(_QuantizedShardedLinear):
    """A :class:`ShardedToAllLinear` layer with a quantized weight; all parameters are frozen.

    Args:
        input_dims, output_dims, bias, group: see :class:`ShardedToAllLinear`.
        group_size, bits, mode: see ``mx.quantize``.

    Raises:
        ValueError: the inputs do not divide among the members, or a part of them into groups.

    Example:
        >>> nn.QuantizedShardedToAllLinear(64, 8)(mx.ones((2, 64))).shape  # in a group of one
        (2, 8)
    """

    _OUTPUT_DIVIDED = False

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(self._product(x, None), group=self.group)
        return y + self["bias"] if "bias" in self else y
