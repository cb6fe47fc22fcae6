"""Transposed convolutions of sequences, images and volumes, channels last."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Tuple, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.convolution import convolve_transposed
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.linear import reject_features
from mlx_oxide.nn.layers.window import per_axis, require_at_least


class _TransposedConvolution(Module):
    """What transposed convolutions of any number of spatial axes share."""

    _AXES: ClassVar[int]

    def _initialize(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
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
        output_paddings = per_axis(name, "output_padding", output_padding, self._AXES)
        require_at_least(name, "output_padding", output_paddings, 0)

        scale = math.sqrt(1 / (in_channels * math.prod(kernel)))
        self.weight = mx.random.uniform(
            low=-scale, high=scale, shape=(out_channels, *kernel, in_channels)
        )
        if bias:
            self.bias = mx.zeros((out_channels,))
        one = self._AXES == 1
        self.padding = padding if one else paddings
        self.stride = stride if one else strides
        self.dilation = dilation
        self.output_padding = output_padding if one else output_paddings

    def _extra_repr(self) -> str:
        out_channels, *kernel, in_channels = self.weight.shape
        return (
            f"{in_channels}, {out_channels}, "
            f"kernel_size={kernel[0] if self._AXES == 1 else tuple(kernel)}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"output_padding={self.output_padding}, bias={'bias' in self}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        try:
            return convolve_transposed(
                self._AXES,
                x,
                self["weight"],
                self.get("bias"),
                self.stride,
                self.padding,
                self.dilation,
                self.output_padding,
            )
        except ValueError as error:
            reject_features(self, x, self.weight.shape[-1], error)


class ConvTranspose1d(_TransposedConvolution):
    r"""Apply the transpose of a convolution to sequences of shape ``(N, L, C)``.

    Each input position adds its multiple of the kernel to the outputs :math:`s l + d k - p`,
    with the stride :math:`s`, the dilation :math:`d` and the padding :math:`p`, of which there
    are :math:`(L - 1) s - 2 p + d (K - 1) + 1 + \mathtt{output\_padding}`.

    Parameters: ``weight``, of shape ``(out_channels, kernel_size, in_channels)``, begins uniform
    between :math:`\pm 1 / \sqrt{K\, C_{in}}`; ``bias``, of shape ``(out_channels,)``, begins
    zero.

    Args:
        in_channels: size of the last axis of the inputs.
        out_channels: size of the last axis of the outputs.
        kernel_size: how many positions an input reaches.
        stride: the distance between the outputs of neighbouring inputs.
        padding: how many outputs to cut off at both ends.
        dilation: the distance between the positions of the kernel.
        output_padding: how many outputs to add at the far end.
        bias: whether to add a bias.

    Raises:
        ValueError: a size is not positive; in the call, ``x`` has other channels.

    Example:
        >>> nn.ConvTranspose1d(3, 8, kernel_size=4, stride=2)(mx.ones((1, 16, 3))).shape
        (1, 34, 8)
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
        output_padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._initialize(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            bias,
        )


class ConvTranspose2d(_TransposedConvolution):
    r"""Apply the transpose of a convolution to images of shape ``(N, H, W, C)``.

    Parameters: ``weight``, of shape ``(out_channels, K_h, K_w, in_channels)``, and ``bias``.
    See :class:`ConvTranspose1d` for the formula.

    Args:
        in_channels, out_channels: sizes of the last axes.
        kernel_size, stride, padding, dilation, output_padding: an integer for both axes or one
            for each.
        bias: whether to add a bias.

    Raises:
        ValueError: as for :class:`ConvTranspose1d`.

    Example:
        >>> nn.ConvTranspose2d(3, 8, kernel_size=2, stride=2)(mx.ones((1, 8, 8, 3))).shape
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
        output_padding: Union[int, Tuple[int, int]] = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._initialize(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            bias,
        )


class ConvTranspose3d(_TransposedConvolution):
    r"""Apply the transpose of a convolution to volumes of shape ``(N, D, H, W, C)``.

    Parameters: ``weight``, of shape ``(out_channels, K_d, K_h, K_w, in_channels)``, and
    ``bias``. See :class:`ConvTranspose1d` for the formula.

    Args:
        in_channels, out_channels: sizes of the last axes.
        kernel_size, stride, padding, dilation, output_padding: an integer for all axes or one
            for each.
        bias: whether to add a bias.

    Raises:
        ValueError: as for :class:`ConvTranspose1d`.

    Example:
        >>> nn.ConvTranspose3d(3, 8, kernel_size=2, stride=2)(mx.ones((1, 4, 4, 4, 3))).shape
        (1, 8, 8, 8, 8)
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
        output_padding: Union[int, Tuple[int, int, int]] = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._initialize(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            bias,
        )
