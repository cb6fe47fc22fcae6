"""Pooling of sequences, images and volumes, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Optional, Tuple, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.pooling import pool
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.window import per_axis, require_at_least


class _Pool(Module):
    """Reduction of the windows that slide over the axes between the first and the last."""

    _AXES: ClassVar[int]
    _REDUCE: ClassVar[Callable[..., Any]]
    _PADDING_VALUE: ClassVar[float]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self._kernel_size = list(per_axis(name, "kernel_size", kernel_size, self._AXES))
        self._stride = (
            self._kernel_size
            if stride is None
            else list(per_axis(name, "stride", stride, self._AXES))
        )
        self._padding = list(per_axis(name, "padding", padding, self._AXES))
        require_at_least(name, "kernel_size", tuple(self._kernel_size), 1)
        require_at_least(name, "stride", tuple(self._stride), 1)
        require_at_least(name, "padding", tuple(self._padding), 0)

    def _extra_repr(self) -> str:
        return (
            f"kernel_size={tuple(self._kernel_size)}, stride={tuple(self._stride)}, "
            f"padding={tuple(self._padding)}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        if x.ndim != self._AXES + 2:
            raise ValueError(
                f"[{type(self).__name__}] expects inputs with {self._AXES + 2} dimensions, "
                f"{self._AXES} of them spatial, but the input has {x.ndim} dimensions."
            )
        return pool(
            x,
            type(self)._REDUCE,
            self["_kernel_size"],
            self["_stride"],
            self["_padding"],
            self._PADDING_VALUE,
        )


class _MaxPool(_Pool):
    _REDUCE = staticmethod(mx.max)
    _PADDING_VALUE = -float("inf")


class _AvgPool(_Pool):
    _REDUCE = staticmethod(mx.mean)
    _PADDING_VALUE = 0


class MaxPool1d(_MaxPool):
    r"""Take the maximum of each window of sequences of shape ``(N, L, C)``.

    An axis of size :math:`L` gives :math:`\lfloor (L + 2 p - k) / s \rfloor + 1` windows of size
    :math:`k`, for the stride :math:`s` and the padding :math:`p`; none if it is shorter than one.

    Args:
        kernel_size: size of the windows: an integer.
        stride: the distance between windows; by default the size of the windows.
        padding: how many values to put on both ends: minus infinity.

    Raises:
        ValueError: an argument is of another kind, or not positive (``padding``: negative); in
            the call, ``x`` has not 3 axes.

    Example:
        >>> nn.MaxPool1d(2)(mx.ones((1, 8, 3))).shape
        (1, 4, 3)
    """

    _AXES = 1

    def __init__(
        self,
        kernel_size: Union[int, Tuple[int]],
        stride: Optional[Union[int, Tuple[int]]] = None,
        padding: Union[int, Tuple[int]] = 0,
    ) -> None:
        super().__init__(kernel_size, stride, padding)


class MaxPool2d(_MaxPool):
    r"""Take the maximum of each window of images of shape ``(N, H, W, C)``.

    An axis of size :math:`L` gives :math:`\lfloor (L + 2 p - k) / s \rfloor + 1` windows of size
    :math:`k`, for the stride :math:`s` and the padding :math:`p`; none if it is shorter than one.

    Args:
        kernel_size: size of the windows: an integer for both axes or one for each.
        stride: the distance between windows; by default the size of the windows.
        padding: how many values to put on both ends: minus infinity.

    Raises:
        ValueError: an argument is of another kind, or not positive (``padding``: negative); in
            the call, ``x`` has not 4 axes.

    Example:
        >>> nn.MaxPool2d(2)(mx.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 3)
    """

    _AXES = 2

    def __init__(
        self,
        kernel_size: Union[int, Tuple[int, int]],
        stride: Optional[Union[int, Tuple[int, int]]] = None,
        padding: Union[int, Tuple[int, int]] = 0,
    ) -> None:
        super().__init__(kernel_size, stride, padding)


class MaxPool3d(_MaxPool):
    r"""Take the maximum of each window of volumes of shape ``(N, D, H, W, C)``.

    An axis of size :math:`L` gives :math:`\lfloor (L + 2 p - k) / s \rfloor + 1` windows of size
    :math:`k`, for the stride :math:`s` and the padding :math:`p`; none if it is shorter than one.

    Args:
        kernel_size: size of the windows: an integer for all axes or one for each.
        stride: the distance between windows; by default the size of the windows.
        padding: how many values to put on both ends: minus infinity.

    Raises:
        ValueError: an argument is of another kind, or not positive (``padding``: negative); in
            the call, ``x`` has not 5 axes.

    Example:
        >>> nn.MaxPool3d(2)(mx.ones((1, 8, 8, 8, 3))).shape
        (1, 4, 4, 4, 3)
    """

    _AXES = 3

    def __init__(
        self,
        kernel_size: Union[int, Tuple[int, int, int]],
        stride: Optional[Union[int, Tuple[int, int, int]]] = None,
        padding: Union[int, Tuple[int, int, int]] = 0,
    ) -> None:
        super().__init__(kernel_size, stride, padding)


class AvgPool1d(_AvgPool):
    r"""Take the mean of each window of sequences of shape ``(N, L, C)``.

    An axis of size :math:`L` gives :math:`\lfloor (L + 2 p - k) / s \rfloor + 1` windows of size
    :math:`k`, for the stride :math:`s` and the padding :math:`p`; none if it is shorter than one.

    Args:
        kernel_size: size of the windows: an integer.
        stride: the distance between windows; by default the size of the windows.
        padding: how many values to put on both ends: zeros, which count as values.

    Raises:
        ValueError: an argument is of another kind, or not positive (``padding``: negative); in
            the call, ``x`` has not 3 axes.

    Example:
        >>> nn.AvgPool1d(2)(mx.ones((1, 8, 3))).shape
        (1, 4, 3)
    """

    _AXES = 1

    def __init__(
        self,
        kernel_size: Union[int, Tuple[int]],
        stride: Optional[Union[int, Tuple[int]]] = None,
        padding: Union[int, Tuple[int]] = 0,
    ) -> None:
        super().__init__(kernel_size, stride, padding)


class AvgPool2d(_AvgPool):
    r"""Take the mean of each window of images of shape ``(N, H, W, C)``.

    An axis of size :math:`L` gives :math:`\lfloor (L + 2 p - k) / s \rfloor + 1` windows of size
    :math:`k`, for the stride :math:`s` and the padding :math:`p`; none if it is shorter than one.

    Args:
        kernel_size: size of the windows: an integer for both axes or one for each.
        stride: the distance between windows; by default the size of the windows.
        padding: how many values to put on both ends: zeros, which count as values.

    Raises:
        ValueError: an argument is of another kind, or not positive (``padding``: negative); in
            the call, ``x`` has not 4 axes.

    Example:
        >>> nn.AvgPool2d(2)(mx.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 3)
    """

    _AXES = 2

    def __init__(
        self,
        kernel_size: Union[int, Tuple[int, int]],
        stride: Optional[Union[int, Tuple[int, int]]] = None,
        padding: Union[int, Tuple[int, int]] = 0,
    ) -> None:
        super().__init__(kernel_size, stride, padding)


class AvgPool3d(_AvgPool):
    r"""Take the mean of each window of volumes of shape ``(N, D, H, W, C)``.

    An axis of size :math:`L` gives :math:`\lfloor (L + 2 p - k) / s \rfloor + 1` windows of size
    :math:`k`, for the stride :math:`s` and the padding :math:`p`; none if it is shorter than one.

    Args:
        kernel_size: size of the windows: an integer for all axes or one for each.
        stride: the distance between windows; by default the size of the windows.
        padding: how many values to put on both ends: zeros, which count as values.

    Raises:
        ValueError: an argument is of another kind, or not positive (``padding``: negative); in
            the call, ``x`` has not 5 axes.

    Example:
        >>> nn.AvgPool3d(2)(mx.ones((1, 8, 8, 8, 3))).shape
        (1, 4, 4, 4, 3)
    """

    _AXES = 3

    def __init__(
        self,
        kernel_size: Union[int, Tuple[int, int, int]],
        stride: Optional[Union[int, Tuple[int, int, int]]] = None,
        padding: Union[int, Tuple[int, int, int]] = 0,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
