"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, List

from mlx_oxide.nn.layers.base import Module


class Sequential(Module):
    """Call modules, or plain functions, one after the other: each takes what the last returned.

    Args:
        modules: the callables; they are the items of the attribute ``layers``.

    Example:
        >>> nn.Sequential(nn.Linear(3, 4), nn.relu, nn.Linear(4, 2))(mx.ones((1, 3))).shape
        (1, 2)
    """

    def __init__(self, *modules: Callable[[Any], Any]) -> None:
        super().__init__()
        self.layers: List[Callable[[Any], Any]] = list(modules)

    def __call__(self, x: Any) -> Any:
        for layer in self["layers"]:
            x = layer(x)
        return x
