"""Optimizers, schedules of their values, and clipping of gradients."""

from mlx_oxide.nn import Module
from mlx_oxide.optimizers import optimizers, schedulers
from mlx_oxide.optimizers.optimizers import *  # noqa: F403
from mlx_oxide.optimizers.optimizers import __all__ as _optimizer_names
from mlx_oxide.optimizers.schedulers import *  # noqa: F403
from mlx_oxide.optimizers.schedulers import __all__ as _scheduler_names
from mlx_oxide.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten

__all__ = [
    *_optimizer_names,
    *_scheduler_names,
    "Module",
    "optimizers",
    "schedulers",
    "tree_flatten",
    "tree_map",
    "tree_merge",
    "tree_reduce",
    "tree_unflatten",
]
