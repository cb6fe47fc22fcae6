"""Layers whose weights are quantized, and the conversion of whole models."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Dict, Optional, Tuple, TypeVar, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.linear import quantized_linear
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.utils import tree_map_with_path

_M = TypeVar("_M", bound=Module)

_GROUP_SIZE_AND_BITS = {
    "affine": (64, 4),
    "mxfp4": (32, 4),
    "nvfp4": (16, 4),
    "mxfp8": (32, 8),
}


def _complete(mode: str, group_size: Optional[int], bits: Optional[int]) -> Tuple[int, int]:
    """Fill in the group size and bits of the mode where they are not given."""
    if mode not in _GROUP_SIZE_AND_BITS:
        raise ValueError(
            f"Invalid quantization mode {mode!r}. "
            f"Valid modes are: {', '.join(_GROUP_SIZE_AND_BITS)}."
        )
    default_group_size, default_bits = _GROUP_SIZE_AND_BITS[mode]
    return group_size or default_group_size, bits or default_bits


def hold_quantized(
    layer: Module, weight: mx.array, group_size: Optional[int], bits: Optional[int], mode: str
) -> None:
    """Quantize a matrix into ``weight``, ``scales`` and ``biases`` of a layer."""
    layer.weight, layer.scales, *biases = mx.quantize(weight, group_size, bits, mode=mode)
    layer.biases = biases[0] if biases else None


def unpacked_dims(layer: Module) -> int:
    """Return the size of the last axis of a layer's weight before it was quantized."""
    return int(layer.weight.shape[-1] * 32 // layer.bits)


def quantize(
    model: Module,
    group_size: Optional[int] = None,
    bits: Optional[int] = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Optional[
        Callable[[str, Module], Union[bool, Dict[str, Any]]]
    ] = None,
) -> None:
    """Replace layers of a model by quantized ones, in place.

    Args:
        model: the model; layers with a method ``to_quantized`` are replaced.
        group_size, bits, mode: see ``mx.quantize``.
        quantize_input: whether to quantize the inputs of :class:`Linear` layers too, which needs
            the mode ``"nvfp4"`` or ``"mxfp8"`` and layers without bias.
        class_predicate: called with the path and the module: whether to replace it. It may
            return a dictionary of arguments for its ``to_quantized`` instead. By default all
            that have this method are replaced.

    Raises:
        ValueError: the predicate picks a layer that has no ``to_quantized``, or returns neither
            a bool nor a dictionary; a weight does not divide into groups.

    Example:
        >>> model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        >>> nn.quantize(model, group_size=32, bits=8, class_predicate=lambda path, _: path.endswith("2"))
        >>> type(model.layers[2])
        <class 'mlx_oxide.nn.layers.quantized.QuantizedLinear'>
    """

    def quantized(path: str, module: Any) -> Any:
        if class_predicate is None:
            choice: Any = hasattr(module, "to_quantized")
        else:
            choice = class_predicate(path, module)
        if not isinstance(choice, (bool, dict)):
            raise ValueError(
                "``class_predicate`` must return a bool or a dict of parameters to pass to "
                f"``to_quantized`` but for {path!r} it returned {choice!r}"
            )
        if choice is False:
            return module
        if not hasattr(module, "to_quantized"):
            raise ValueError(f"Unable to quantize model of type {type(module)}, at {path!r}")
        if isinstance(choice, dict):
            return module.to_quantized(**choice)
        arguments: Dict[str, Any] = {"group_size": group_size, "bits": bits, "mode": mode}
        if quantize_input:
            # Layers of others may have a method that does not know of quantized inputs.
            arguments["quantize_input"] = True
        return module.to_quantized(**arguments)

    leaves = model.leaf_modules()
    replaced = tree_map_with_path(
        lambda path, leaf: quantized(path, leaf) if isinstance(leaf, Module) else leaf,
        leaves,
        is_leaf=Module.is_module,
    )
    model.update_modules(replaced)


class QuantizedEmbedding(Module):
    """An :class:`Embedding` with a quantized table.

    Parameters: ``weight``, ``scales`` and, for the affine mode, ``biases``, as ``mx.quantize``
    returns them; all frozen.

    Args:
        num_embeddings: how many rows.
        dims: size of each row, a multiple of the group size.
        group_size, bits, mode: see ``mx.quantize``.

    Raises:
        ValueError: the mode is unknown or ``dims`` does not divide into groups.

    Example:
        >>> nn.QuantizedEmbedding(10, 64)(mx.array([1, 2])).shape
        (2, 64)
    """

    def __init__(
        self,
        num_embeddings: int,
        dims: int,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
    ) -> None:
        super().__init__()
        self.group_size, self.bits = _complete(mode, group_size, bits)
        self.mode = mode
        self.num_embeddings = num_embeddings
        self.dims = dims
        weight = mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims))
        hold_quantized(self, weight, group_size, bits, mode)
        self.freeze()

    def _extra_repr(self) -> str:
        return (
            f"{self.num_embeddings}, {self.dims}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        biases = self.get("biases")
        return mx.dequantize(
            self["weight"][x],
            scales=self["scales"][x],
            biases=None if biases is None else biases[x],
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    def as_linear(self, x: mx.array) -> mx.array:
        r"""Return :math:`x W^\top`, the scores of all rows. See :meth:`Embedding.as_linear`."""
        return quantized_linear(
            x,
            self["weight"],
            self["scales"],
            self.get("biases"),
            None,
            self.group_size,
            self.bits,
            self.mode,
        )

    @classmethod
    def from_embedding(
        cls,
        embedding_layer: Module,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
    ) -> "QuantizedEmbedding":
        """Quantize the table of an :class:`Embedding`."""
        rows, dims = embedding_layer.weight.shape
        layer = cls(rows, dims, group_size, bits, mode)
        hold_quantized(layer, embedding_layer.weight, group_size, bits, mode)
        return layer


class QuantizedLinear(Module):
    r"""A :class:`Linear` layer with a quantized weight: :math:`y = x W^\top + b`.

    Parameters: ``weight``, ``scales`` and, for the affine mode, ``biases``, as ``mx.quantize``
    returns them, and ``bias``, of shape ``(output_dims,)``, which begins zero. All are frozen.

    Args:
        input_dims: size of the last axis of the inputs, a multiple of the group size.
        output_dims: size of the last axis of the outputs.
        bias: whether to add :math:`b`.
        group_size, bits, mode: see ``mx.quantize``.

    Raises:
        ValueError: the mode is unknown or ``input_dims`` does not divide into groups; in the
            call, the last axis of ``x`` is not of size ``input_dims``.

    Example:
        >>> nn.QuantizedLinear(64, 2)(mx.ones((5, 64))).shape
        (5, 2)
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
    ) -> None:
        super().__init__()
        self.group_size, self.bits = _complete(mode, group_size, bits)
        self.mode = mode
        scale = math.sqrt(1 / input_dims)
        weight = mx.random.uniform(low=-scale, high=scale, shape=(output_dims, input_dims))
        hold_quantized(self, weight, group_size, bits, mode)
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def _extra_repr(self) -> str:
        return (
            f"input_dims={unpacked_dims(self)}, output_dims={self.weight.shape[0]}, "
            f"bias={'bias' in self}, group_size={self.group_size}, bits={self.bits}, "
            f"mode={self.mode}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        return quantized_linear(
            x,
            self["weight"],
            self["scales"],
            self.get("biases"),
            self.get("bias"),
            self.group_size,
            self.bits,
            self.mode,
        )

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
    ) -> "QuantizedLinear":
        """Quantize the weight of a :class:`Linear` layer. Its bias stays trainable."""
        output_dims, input_dims = linear_layer.weight.shape
        layer = cls(input_dims, output_dims, False, group_size, bits, mode=mode)
        hold_quantized(layer, linear_layer.weight, group_size, bits, mode)
        if "bias" in linear_layer:
            layer.bias = linear_layer.bias
        return layer


class QQLinear(Module):
    r"""A linear map that quantizes its inputs as well as its weight: :math:`y = x W^\top`.

    In training mode ``weight`` is kept in full, quantized on the fly and has a gradient; in
    evaluation mode it is kept quantized, with ``scales``. :meth:`Module.train` and
    :meth:`Module.eval` convert it.

    Args:
        input_dims: size of the last axis of the inputs, a multiple of the group size.
        output_dims: size of the last axis of the outputs.
        group_size, bits: see ``mx.quantize``.
        mode: ``"nvfp4"`` or ``"mxfp8"``.

    Raises:
        ValueError: the mode is unknown.

    Example:
        >>> nn.QQLinear(64, 32)(mx.ones((5, 64))).shape
        (5, 32)
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "nvfp4",
    ) -> None:
        super().__init__()
        self.group_size, self.bits = _complete(mode, group_size, bits)
        self.mode = mode
        scale = math.sqrt(1 / input_dims)
        self.weight = mx.random.uniform(low=-scale, high=scale, shape=(output_dims, input_dims))
        self._quantized = False

    def _extra_repr(self) -> str:
        input_dims = unpacked_dims(self) if self._quantized else self.weight.shape[1]
        return (
            f"input_dims={input_dims}, output_dims={self.weight.shape[0]}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    def quantize(self) -> None:
        """Keep the weight quantized, as in evaluation mode. Does nothing if it is."""
        if not self._quantized:
            self.weight, self.scales = mx.quantize(
                self.weight, self.group_size, self.bits, mode=self.mode
            )
            self._quantized = True

    def dequantize(self) -> None:
        """Keep the weight in full, as in training mode. Does nothing if it is."""
        if self._quantized:
            self.weight = mx.dequantize(
                self.weight,
                scales=self.scales,
                group_size=self.group_size,
                bits=self.bits,
                mode=self.mode,
            )
            del self.scales
            self._quantized = False

    def _set_training_mode(self, mode: bool) -> None:
        super()._set_training_mode(mode)
        if mode:
            self.dequantize()
        else:
            self.quantize()

    def __call__(self, x: mx.array) -> mx.array:
        return mx.qqmm(
            x,
            self["weight"],
            scales=self.get("scales"),
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "nvfp4",
    ) -> "QQLinear":
        """Take over the weight and the mode of a :class:`Linear` layer.

        Raises:
            NotImplementedError: the layer has a bias.
        """
        if "bias" in linear_layer:
            raise NotImplementedError("QQLinear does not support bias yet.")
        output_dims, input_dims = linear_layer.weight.shape
        layer = cls(input_dims, output_dims, group_size, bits, mode=mode)
        layer.weight = linear_layer.weight
        layer.train(linear_layer.training)
        return layer
