"""Gradients of modules, checkpointing, and gradients over groups of processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any, List, Optional, Sequence, Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.utils import (
    tree_flatten,
    tree_map,
    tree_reduce,
    tree_unflatten,
)

__all__ = [
    "Module",
    "average_gradients",
    "checkpoint",
    "clip_grad_norm_sharded",
    "reduce",
    "tree_flatten",
    "tree_map",
    "tree_reduce",
    "tree_unflatten",
    "value_and_grad",
]


def value_and_grad(model: Module, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives the value of ``fn`` and the gradient for a model.

    Args:
        model: the module whose trainable parameters to differentiate for.
        fn: returns a scalar, or a tuple or list that begins with one. Its arguments are free.

    Returns:
        A function with the arguments of ``fn`` that returns its value and a tree of gradients
        shaped as ``model.trainable_parameters()``.

    Raises:
        ValueError: in the call, all parameters are frozen.

    Example:
        >>> def loss(model, x, y):
        ...     return nn.losses.mse_loss(model(x), y)
        >>> model = nn.Linear(3, 1)
        >>> value, gradients = nn.value_and_grad(model, loss)(model, mx.ones((2, 3)), mx.zeros((2, 1)))
        >>> sorted(gradients)
        ['bias', 'weight']
    """

    def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        model.update(parameters)
        return fn(*args, **kwargs)

    differentiated = mx.value_and_grad(of_parameters)

    def value_and_gradients(*args: Any, **kwargs: Any) -> Any:
        return differentiated(model.trainable_parameters(), *args, **kwargs)

    return wraps(fn)(value_and_gradients)


def checkpoint(module: Module, fn: Optional[Callable[..., Any]] = None) -> Callable[..., Any]:
    """Return a function that keeps only its inputs and outputs for the backward pass.

    What lies between is computed again there: less memory for more computation.

    Args:
        module: the module whose trainable parameters ``fn`` depends on.
        fn: the function, by default the call of the module.

    Source: Chen et al., https://arxiv.org/abs/1604.06174.

    Example:
        >>> y = nn.utils.checkpoint(layer)(x)
    """
    call = module if fn is None else fn

    def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        module.update(parameters)
        return call(*args, **kwargs)

    checkpointed = mx.checkpoint(of_parameters)

    def checkpointed_call(*args: Any, **kwargs: Any) -> Any:
        return checkpointed(module.trainable_parameters(), *args, **kwargs)

    return checkpointed_call if fn is None else wraps(fn)(checkpointed_call)


def average_gradients(
    gradients: Any,
    group: Optional[mx.distributed.Group] = None,
    all_reduce_size: int = 32 * 1024**2,
    communication_stream: Optional[mx.Stream] = None,
) -> Any:
    """Return the mean of gradients over the members of a group.

    Small arrays are joined into messages, since many short messages are slow.

    Args:
        gradients: a tree of arrays, alike in all processes.
        group: the group; all processes by default.
        all_reduce_size: how many bytes to join at most; none if it is not positive.
        communication_stream: where to communicate.

    Example:
        >>> gradients = nn.average_gradients({"weight": mx.ones((2,))})
    """
    group = mx.distributed.init() if group is None else group
    members = group.size()
    if members == 1:
        return gradients

    def average(array: mx.array) -> mx.array:
        total = mx.distributed.all_sum(array, group=group, stream=communication_stream)
        return total * (1 / members)

    flat = tree_flatten(gradients)
    if all_reduce_size <= 0 or len({array.dtype for _, array in flat}) != 1:
        return tree_map(average, gradients)
    averaged: List[Tuple[str, mx.array]] = []
    for message in _messages(flat, all_reduce_size):
        joined = average(mx.concatenate([array.reshape(-1) for _, array in message]))
        start = 0
        for path, array in message:
            averaged.append((path, joined[start : start + array.size].reshape(array.shape)))
            start += array.size
    return tree_map(lambda _, new: new, gradients, tree_unflatten(averaged))


def _messages(
    flat: Sequence[Tuple[str, mx.array]], all_reduce_size: int
) -> List[List[Tuple[str, mx.array]]]:
    """Group arrays, in order, until a group exceeds the size in bytes."""
    messages: List[List[Tuple[str, mx.array]]] = []
    size = all_reduce_size
    for path, array in flat:
        if size >= all_reduce_size:
            messages.append([])
            size = 0
        messages[-1].append((path, array))
        size += array.nbytes
    return messages


def clip_grad_norm_sharded(
    gradients: Any, max_norm: float, group: Optional[mx.distributed.Group] = None
) -> Tuple[Any, mx.array]:
    """Scale gradients that are divided among a group so that their norm is at most ``max_norm``.

    Args:
        gradients: the tree of this member's shards.
        max_norm: the greatest norm of all shards together.
        group: the group; all processes by default.

    Returns:
        The shards, and the norm before scaling. See :func:`mlx.optimizers.clip_grad_norm`.

    Example:
        >>> gradients, norm = nn.utils.clip_grad_norm_sharded(gradients, 1.0)
    """
    squares = tree_reduce(
        lambda total, array: total + mx.sum(mx.square(array)), gradients, mx.array(0.0)
    )
    norm = mx.sqrt(mx.distributed.all_sum(squares, group=group))
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda array: array * scale, gradients), norm
