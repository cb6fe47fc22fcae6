"""Keeping gradients from growing too large."""

from __future__ import annotations

from typing import Any, Tuple

import mlx_oxide.core as mx
from mlx_oxide.optimizers.rules import clip_scale
from mlx_oxide.utils import tree_map, tree_reduce


def clip_grad_norm(grads: Any, max_norm: float) -> Tuple[Any, mx.array]:
    r"""Scale gradients so that the norm of all together is at most ``max_norm``.

    Each is multiplied with :math:`\min(\mathtt{max\_norm} / (n + 10^{-6}), 1)`, where :math:`n`
    is the root of the sum of all squares. Floating dtypes are kept; the squares of ``float16``
    are added in ``float32``.

    Args:
        grads: a tree of arrays.
        max_norm: the greatest norm.

    Returns:
        The scaled gradients and the norm :math:`n` that they had.

    Example:
        >>> optim.clip_grad_norm({"w": mx.array([3.0, 4.0])}, 1.0)
        ({'w': array([0.6, 0.8], dtype=float32)}, array(5, dtype=float32))
    """

    def add_squares(total: Any, gradient: mx.array) -> Any:
        # The squares of float16 overflow from 256 on.
        if gradient.dtype == mx.float16:
            gradient = gradient.astype(mx.float32)
        return total + mx.sum(mx.square(gradient))

    norm = mx.sqrt(tree_reduce(add_squares, grads, 0.0))
    scale = clip_scale(norm, max_norm)

    def clip(gradient: mx.array) -> mx.array:
        if mx.issubdtype(gradient.dtype, mx.floating):
            return gradient * scale.astype(gradient.dtype)
        return gradient * scale

    return tree_map(clip, grads), norm
