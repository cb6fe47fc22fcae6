"""Dividing all parameters of a module among a group, to be gathered when it is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, List, Optional, Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.utils import tree_flatten, tree_unflatten

Group = mx.distributed.Group
Shapes = Sequence[Tuple[int, ...]]


def fully_shard(
    module: Module,
    *,
    group: Optional[Group] = None,
    compute_dtype: Optional[mx.Dtype] = None,
) -> Module:
    """Wrap a module in a :class:`FullyShardedModule`, or return it as it is in a group of one.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
        >>> model.layers = [nn.fully_shard(layer) for layer in model.layers]
    """
    group = mx.distributed.init() if group is None else group
    if group.size() == 1:
        return module
    return FullyShardedModule(module, group, compute_dtype)


class FullyShardedModule(Module):
    """A module of whose parameters each member of a group holds one shard.

    A call gathers the parameters, and in the backward pass the gradients are summed and divided
    again, so that each member updates its own shard. Parameters of a :class:`FullyShardedModule`
    inside are left to it.

    Source: Rajbhandari et al., ZeRO, https://arxiv.org/abs/1910.02054; Zhao et al., PyTorch
    FSDP, https://arxiv.org/abs/2304.11277.

    Args:
        module: the module, which becomes the attribute ``module`` and is changed.
        group: the group; all processes by default.
        compute_dtype: what the gathered parameters are cast to, if given.

    Raises:
        ValueError: no module is given, or a parameter is a scalar or its first axis does not
            divide among the members.

    Example:
        >>> nn.FullyShardedModule(nn.Linear(3, 2))(mx.ones((1, 3))).shape  # in a group of one
        (1, 2)
    """

    def __init__(
        self,
        module: Module,
        group: Optional[Group] = None,
        compute_dtype: Optional[mx.Dtype] = None,
    ) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise ValueError(
                f"[FullyShardedModule] expects a module but got {type(module).__name__}."
            )
        group = mx.distributed.init() if group is None else group
        self.module = module
        parameters = tree_flatten(module.filter_and_map(_not_sharded_yet))
        self._paths: Any = [path for path, _ in parameters]
        shards = [(path, _first_axis_shard(path, array, group)) for path, array in parameters]
        if shards:
            module.update(tree_unflatten(shards))
        self._gather_fn = _gather(
            group,
            [array.shape for _, array in parameters],
            [shard.shape for _, shard in shards],
            compute_dtype,
        )

    def _extra_repr(self) -> str:
        return f"num_sharded_params={len(self._paths)}"

    def _call_gathered(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._paths:
            return call(*args, **kwargs)
        parameters = tree_flatten(self.module.parameters(), destination={})
        shards = [parameters[path] for path in self._paths]
        gathered = self._gather_fn(*shards)
        self.module.update(tree_unflatten(list(zip(self._paths, gathered))))
        try:
            return call(*args, **kwargs)
        finally:
            self.module.update(tree_unflatten(list(zip(self._paths, shards))))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module with gathered parameters."""
        return self._call_gathered(self.module, *args, **kwargs)

    def as_linear(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method ``as_linear`` of the module with gathered parameters."""
        return self._call_gathered(self.module.as_linear, *args, **kwargs)


def _not_sharded_yet(module: Module, key: str, value: Any) -> bool:
    return not isinstance(value, FullyShardedModule) and Module.valid_parameter_filter(
        module, key, value
    )


def _first_axis_shard(path: str, array: mx.array, group: Any) -> mx.array:
    members = group.size()
    if array.ndim == 0:
        raise ValueError(f"Cannot shard parameter {path!r} because it is a scalar.")
    if array.shape[0] % members != 0:
        raise ValueError(
            f"Cannot shard parameter {path!r} with shape {array.shape} across {members} "
            f"devices: axis 0 must be divisible by {members}."
        )
    return mx.contiguous(mx.split(array, members, axis=0)[group.rank()])


def _pack(arrays: Sequence[mx.array], rows: int, dtype: Optional[mx.Dtype]) -> mx.array:
    """Lay arrays side by side as the columns of one matrix, to communicate but once."""
    columns = [array.reshape(rows, -1) for array in arrays]
    if dtype is not None:
        columns = [column.astype(dtype) for column in columns]
    return mx.concatenate(columns, axis=1)


def _unpack(matrix: mx.array, shapes: Shapes, rows: int) -> List[mx.array]:
    ends, end = [], 0
    for shape in shapes[:-1]:
        end += math.prod(shape) // rows
        ends.append(end)
    columns = mx.split(matrix, ends, axis=1) if ends else [matrix]
    return [column.reshape(shape) for column, shape in zip(columns, shapes)]


def _gather(
    group: Any, full_shapes: Shapes, shard_shapes: Shapes, compute_dtype: Optional[mx.Dtype]
) -> Callable[..., List[mx.array]]:
    """Return the function from shards to whole parameters; its gradient divides again."""
    members = group.size()

    def by_dtype(arrays: Sequence[mx.array]) -> List[List[int]]:
        places: dict[Any, List[int]] = {}
        for index, array in enumerate(arrays):
            places.setdefault(compute_dtype or array.dtype, []).append(index)
        return list(places.values())

    @mx.custom_function
    def gather(*shards: mx.array) -> List[mx.array]:
        gathered: List[Any] = [None] * len(shards)
        for places in by_dtype(shards):
            packed = _pack([shards[place] for place in places], 1, compute_dtype)
            whole = mx.distributed.all_gather(packed, group=group)
            shapes = [full_shapes[place] for place in places]
            for place, array in zip(places, _unpack(whole, shapes, members)):
                gathered[place] = array
        return gathered

    @gather.vjp
    def scatter(shards: Any, cotangents: Any, _: Any) -> List[mx.array]:
        shards = shards if isinstance(shards, (list, tuple)) else [shards]
        cotangents = cotangents if isinstance(cotangents, (list, tuple)) else [cotangents]
        scattered: List[Any] = [None] * len(shards)
        for places in by_dtype(cotangents):
            packed = _pack([cotangents[place] for place in places], members, None)
            own = mx.distributed.sum_scatter(packed, group=group)
            shapes = [shard_shapes[place] for place in places]
            for place, array in zip(places, _unpack(own, shapes, 1)):
                scattered[place] = array.astype(shards[place].dtype)
        return scattered

    return gather
