"""A table of vectors, looked up by index."""

from __future__ import annotations

import math
from typing import Optional

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.linear import linear
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.quantized import QuantizedEmbedding


class Embedding(Module):
    r"""Replace each index by a row of ``weight``.

    Parameter: ``weight``, of shape ``(num_embeddings, dims)``, begins normal with the standard
    deviation :math:`1 / \sqrt{\mathtt{dims}}`.

    Args:
        num_embeddings: how many rows.
        dims: size of each row.

    Raises:
        ValueError: in the call, the indices are not integers.

    Example:
        >>> nn.Embedding(10, 4)(mx.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    def __init__(self, num_embeddings: int, dims: int) -> None:
        super().__init__()
        self.weight = mx.random.normal(
            shape=(num_embeddings, dims), scale=math.sqrt(1 / dims)
        )

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x: mx.array) -> mx.array:
        rows: mx.array = self["weight"][x]
        return rows

    def as_linear(self, x: mx.array) -> mx.array:
        r"""Return :math:`x W^\top`: the scores of all rows, for models whose input embedding
        and output projection are one."""
        return linear(x, self["weight"], None)

    def to_quantized(
        self,
        group_size: Optional[int] = None,
        bits: Optional[int] = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> QuantizedEmbedding:
        """Return a :class:`QuantizedEmbedding` that approximates this layer.

        Raises:
            ValueError: ``quantize_input``; there is no such layer.
        """
        if quantize_input:
            raise ValueError("[Embedding] quantized input is not supported.")
        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)
