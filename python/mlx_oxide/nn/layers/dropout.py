"""Dropping elements or channels at random while training."""

from __future__ import annotations

from typing import ClassVar, List, Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.dropout import drop
from mlx_oxide.nn.layers.base import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"The dropout probability {p} is not in [0, 1)")
        self._p_1 = 1 - p

    def _extra_repr(self) -> str:
        return f"p={1 - self._p_1}"


class Dropout(_Dropout):
    r"""Zero each element with the probability ``p`` and scale the others by
    :math:`1 / (1 - p)`, in training mode only.

    Source: Srivastava et al., JMLR 15, 2014.

    Args:
        p: the probability, in [0, 1).

    Raises:
        ValueError: ``p`` is not in [0, 1).

    Example:
        >>> nn.Dropout(0.1).eval()(mx.array([1.0, 2.0]))
        array([1, 2], dtype=float32)
    """

    def __call__(self, x: mx.array) -> mx.array:
        keep = self._p_1
        if keep == 1 or not self._training:
            return x
        return drop(x, keep, x.shape)


class _ChannelDropout(_Dropout):
    _RANKS: ClassVar[Tuple[int, int]]

    def __call__(self, x: mx.array) -> mx.array:
        without_batch, with_batch = self._RANKS
        if x.ndim not in self._RANKS:
            raise ValueError(
                f"[{type(self).__name__}] Received input with {x.ndim} dimensions. "
                f"Expected {without_batch} or {with_batch} dimensions."
            )
        keep = self._p_1
        if keep == 1 or not self._training:
            return x
        mask_shape: List[int] = [1] * x.ndim
        mask_shape[-1] = x.shape[-1]
        if x.ndim == with_batch:
            mask_shape[0] = x.shape[0]
        return drop(x, keep, mask_shape)


class Dropout2d(_ChannelDropout):
    r"""Zero whole channels of images, shaped ``(N, H, W, C)`` or ``(H, W, C)``, with the
    probability ``p`` and scale the others by :math:`1 / (1 - p)`, in training mode only.

    Source: Tompson et al., Efficient Object Localization Using Convolutional Networks, CVPR 2015.

    Args:
        p: the probability, in [0, 1).

    Raises:
        ValueError: ``p`` is not in [0, 1); in the call, ``x`` has neither 3 nor 4 axes.

    Example:
        >>> nn.Dropout2d(0.1)(mx.ones((1, 4, 4, 3))).shape
        (1, 4, 4, 3)
    """

    _RANKS = (3, 4)


class Dropout3d(_ChannelDropout):
    r"""Zero whole channels of volumes, shaped ``(N, D, H, W, C)`` or ``(D, H, W, C)``, with the
    probability ``p`` and scale the others by :math:`1 / (1 - p)`, in training mode only.

    Args:
        p: the probability, in [0, 1).

    Raises:
        ValueError: ``p`` is not in [0, 1); in the call, ``x`` has neither 4 nor 5 axes.

    Example:
        >>> nn.Dropout3d(0.1)(mx.ones((1, 4, 4, 4, 3))).shape
        (1, 4, 4, 4, 3)
    """

    _RANKS = (4, 5)
