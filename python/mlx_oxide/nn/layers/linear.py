"""Linear maps of one or two inputs."""

from __future__ import annotations

import math
from typing import Any, NoReturn, Optional

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.linear import bilinear, linear
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.quantized import QQLinear, QuantizedLinear


def reject_features(layer: Module, x: mx.array, features: int, error: ValueError) -> NoReturn:
    """Raise what a matrix product refused, in terms of the layer if the sizes are to blame."""
    if x.ndim == 0 or x.shape[-1] != features:
        raise ValueError(
            f"[{type(layer).__name__}] expects inputs whose last axis has size {features} "
            f"but the input has shape {x.shape}."
        ) from error
    raise error


class Identity(Module):
    """Return the input. Arguments of the constructor are accepted and passed over.

    Example:
        >>> nn.Identity()(mx.array([1.0]))
        array([1], dtype=float32)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, x: mx.array) -> mx.array:
        return x


class Linear(Module):
    r"""Apply an affine map to the last axis: :math:`y = x W^\top + b`.

    Parameters: ``weight``, :math:`W`, of shape ``(output_dims, input_dims)`` and ``bias``,
    :math:`b`, of shape ``(output_dims,)``; both begin uniform between
    :math:`\pm 1 / \sqrt{\mathtt{input\_dims}}`.

    Args:
        input_dims: size of the last axis of the inputs.
        output_dims: size of the last axis of the outputs.
        bias: whether to add :math:`b`.

    Raises:
        ValueError: in the call, the last axis of ``x`` is not of size ``input_dims``.

    Example:
        >>> nn.Linear(3, 2)(mx.ones((5, 3))).shape
        (5, 2)
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        scale = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(low=-scale, high=scale, shape=(output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(low=-scale, high=scale, shape=(output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input_dims = self.weight.shape
        return f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        try:
            return linear(x, self["weight"], self.get("bias"))
        except ValueError as error:
            reject_features(self, x, self.weight.shape[1], error)

    def to_quantized(
        self,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> Module:
        """Return a layer with quantized weights that approximates this one.

        Args:
            group_size, bits, mode: see ``mx.quantize``.
            quantize_input: whether to quantize inputs too: gives a :class:`QQLinear` instead of
                a :class:`QuantizedLinear`. Needs the mode ``"nvfp4"`` or ``"mxfp8"``.

        Raises:
            ValueError: the mode cannot quantize inputs, or the size of the last axis is no
                multiple of the group size.
            NotImplementedError: ``quantize_input`` for a layer with a bias.
        """
        if not quantize_input:
            return QuantizedLinear.from_linear(self, group_size, bits, mode)
        if mode not in ("nvfp4", "mxfp8"):
            raise ValueError(
                "Quantized activations are only supported for 'nvfp4' and 'mxfp8' modes, "
                f"got {mode}."
            )
        return QQLinear.from_linear(self, group_size, bits, mode)


class Bilinear(Module):
    r"""Combine two inputs bilinearly: :math:`y_i = x_2^\top W_i x_1 + b_i`.

    Parameters: ``weight``, of shape ``(output_dims, input2_dims, input1_dims)``, and ``bias``,
    of shape ``(output_dims,)``; both begin uniform between
    :math:`\pm 1 / \sqrt{\mathtt{input1\_dims}}`.

    Args:
        input1_dims, input2_dims: sizes of the last axes of the inputs.
        output_dims: size of the last axis of the outputs.
        bias: whether to add :math:`b`.

    Raises:
        ValueError: in the call, the inputs have other last axes, or differ in the others.

    Example:
        >>> nn.Bilinear(3, 4, 2)(mx.ones((5, 3)), mx.ones((5, 4))).shape
        (5, 2)
    """

    def __init__(
        self, input1_dims: int, input2_dims: int, output_dims: int, bias: bool = True
    ) -> None:
        super().__init__()
        scale = math.sqrt(1.0 / input1_dims)
        self.weight = mx.random.uniform(
            low=-scale, high=scale, shape=(output_dims, input2_dims, input1_dims)
        )
        if bias:
            self.bias = mx.random.uniform(low=-scale, high=scale, shape=(output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input2_dims, input1_dims = self.weight.shape
        return (
            f"input1_dims={input1_dims}, input2_dims={input2_dims}, "
            f"output_dims={output_dims}, bias={'bias' in self}"
        )

    def __call__(self, x1: mx.array, x2: mx.array) -> mx.array:
        _, input2_dims, input1_dims = self.weight.shape
        if (
            x1.shape[-1:] != (input1_dims,)
            or x2.shape[-1:] != (input2_dims,)
            or x1.shape[:-1] != x2.shape[:-1]
        ):
            raise ValueError(
                f"[Bilinear] expects inputs of shapes (..., {input1_dims}) and "
                f"(..., {input2_dims}), equal but for the last axis, but they have shapes "
                f"{x1.shape} and {x2.shape}."
            )
        return bilinear(x1, x2, self["weight"], self.get("bias"))
