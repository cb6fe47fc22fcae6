"""Convolutions of sequences, images and volumes, channels last."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Tuple, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.convolution import convolve
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.linear import reject_features
from mlx_oxide.nn.layers.window import per_axis, require_at_least


class _Convolution(Module):
    """What convolutions of any number of spatial axes share."""

    _AXES: ClassVar[int]

    def _initialize(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
    ) -> None:
        name = type(self).__name__
        kernel = per_axis(name, "kernel_size", kernel_size, self._AXES)
        require_at_least(name, "kernel_size", kernel, 1)
        strides = per_axis(name, "stride", stride, self._AXES)
        require_at_least(name, "stride", strides, 1)
        paddings = per_axis(name, "padding", padding, self._AXES)
        require_at_least(name, "padding", paddings, 0)
        require_at_least(name, "dilation", per_axis(name, "dilation", dilation, self._AXES), 1)
        if groups < 1:
            raise ValueError(f"[{name}] 'groups' must be positive but got {groups}.")
        for kind, channels in (("input", in_channels), ("output", out_channels)):
            if channels % groups != 0:
                raise ValueError(
                    f"[{name}] The number of {kind} channels ({channels}) must be "
                    f"divisible by the number of groups ({groups})"
                )
        scale = math.sqrt(1 / (in_channels // groups * math.prod(kernel)))
        self.weight = mx.random.uniform(
            low=-scale, high=scale, shape=(out_channels, *kernel, in_channels // groups)
        )
        if bias:
            self.bias = mx.zeros((out_channels,))
        self.padding = padding if self._AXES == 1 else paddings
        self.stride = stride if self._AXES == 1 else strides
        self.dilation = dilation

    def _group_count(self) -> int:
        return 1

    def _extra_repr(self) -> str:
        out_channels, *kernel, in_channels = self.weight.shape
        groups = self._group_count()
        shown_groups = f"groups={groups}, " if "groups" in self.__dict__ else ""
        return (
            f"{in_channels * groups}, {out_channels}, "
            f"kernel_size={kernel[0] if self._AXES == 1 else tuple(kernel)}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"{shown_groups}bias={'bias' in self}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        try:
            return convolve(
                self._AXES,
                x,
                self["weight"],
                self.get("bias"),
                self.stride,
                self.padding,
                self.dilation,
                self._group_count(),
            )
        except ValueError as error:
            reject_features(self, x, self.weight.shape[-1] * self._group_count(), error)


class _GroupedConvolution(_Convolution):
    groups: int

    def _group_count(self) -> int:
        return self.groups


class Conv1d(_GroupedConvolution):
    r"""Convolve sequences of shape ``(N, L, C)``.

    Like all layers of this kind it computes the cross-correlation
    :math:`y_{n, l, o} = b_o + \sum_{k, c} W_{o, k, c}\, x_{n, s l + d k - p, c}` with the stride
    :math:`s`, the dilation :math:`d` and the padding :math:`p`, and gives
    :math:`\lfloor (L + 2 p - d (K - 1) - 1) / s \rfloor + 1` positions.

    Parameters: ``weight``, of shape ``(out_channels, kernel_size, in_channels // groups)``,
    begins uniform between :math:`\pm 1 / \sqrt{K\, C_{in} / \mathtt{groups}}`; ``bias``, of
    shape ``(out_channels,)``, begins zero.

    Args:
        in_channels: size of the last axis of the inputs.
        out_channels: size of the last axis of the outputs.
        kernel_size: how many positions a window takes in.
        stride: the distance between windows.
        padding: how many zeros to put on both ends.
        dilation: the distance between the positions of a window.
        groups: into how many independent groups to divide the channels.
        bias: whether to add :math:`b`.

    Raises:
        ValueError: a size is not positive or the channels do not divide into the groups; in the
            call, ``x`` has other channels or is shorter than a window.

    Example:
        >>> nn.Conv1d(3, 8, kernel_size=5)(mx.ones((1, 16, 3))).shape
        (1, 12, 8)
    """

    _AXES = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._initialize(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.groups = groups


class Conv2d(_GroupedConvolution):
    r"""Convolve images of shape ``(N, H, W, C)``. See :class:`Conv1d` for the formula.

    Parameters: ``weight``, of shape ``(out_channels, K_h, K_w, in_channels // groups)``, and
    ``bias``, of shape ``(out_channels,)``.

    Args:
        in_channels, out_channels: sizes of the last axes.
        kernel_size, stride, padding, dilation: an integer for both axes or one for each.
        groups: into how many independent groups to divide the channels.
        bias: whether to add a bias.

    Raises:
        ValueError: as for :class:`Conv1d`.

    Example:
        >>> nn.Conv2d(3, 8, kernel_size=3, padding=1)(mx.ones((1, 16, 16, 3))).shape
        (1, 16, 16, 8)
    """

    _AXES = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, Tuple[int, int]],
        stride: Union[int, Tuple[int, int]] = 1,
        padding: Union[int, Tuple[int, int]] = 0,
        dilation: Union[int, Tuple[int, int]] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._initialize(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.groups = groups


class Conv3d(_Convolution):
    r"""Convolve volumes of shape ``(N, D, H, W, C)``. See :class:`Conv1d` for the formula.

    Parameters: ``weight``, of shape ``(out_channels, K_d, K_h, K_w, in_channels)``, and
    ``bias``, of shape ``(out_channels,)``.

    Args:
        in_channels, out_channels: sizes of the last axes.
        kernel_size, stride, padding, dilation: an integer for all axes or one for each.
        bias: whether to add a bias.

    Raises:
        ValueError: as for :class:`Conv1d`.

    Example:
        >>> nn.Conv3d(3, 8, kernel_size=3)(mx.ones((1, 8, 8, 8, 3))).shape
        (1, 6, 6, 6, 8)
    """

    _AXES = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, Tuple[int, int, int]],
        stride: Union[int, Tuple[int, int, int]] = 1,
        padding: Union[int, Tuple[int, int, int]] = 0,
        dilation: Union[int, Tuple[int, int, int]] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._initialize(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 1, bias
        )
