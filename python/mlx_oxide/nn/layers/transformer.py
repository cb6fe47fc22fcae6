"""Attention with many heads, and the encoders and decoders made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.attention import additive_causal_mask, multi_head_attention
from mlx_oxide.nn.layers.activations import relu
from mlx_oxide.nn.layers.base import Module
from mlx_oxide.nn.layers.dropout import Dropout
from mlx_oxide.nn.layers.linear import Linear
from mlx_oxide.nn.layers.normalization import LayerNorm
from mlx_oxide.nn.utils import checkpoint as checkpoint_module

Activation = Callable[[Any], Any]
Mask = Optional[Union[str, mx.array]]


class MultiHeadAttention(Module):
    r"""Attention with ``num_heads`` heads between projected queries, keys and values.

    Each head computes :math:`\mathrm{softmax}(Q K^\top / \sqrt{d_h} + \mathtt{mask})\, V`; their
    outcomes, side by side, are projected once more. Inputs have shape ``(N, L, features)``.

    The projections are the layers ``query_proj``, ``key_proj``, ``value_proj``, ``out_proj``.

    Source: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762.

    Args:
        dims: features of projected queries and keys, and the default of all other sizes; a
            multiple of ``num_heads``.
        num_heads: how many heads.
        query_input_dims, key_input_dims: features of the queries and keys.
        value_input_dims: features of the values; by default those of the keys.
        value_dims: features of the projected values; a multiple of ``num_heads``.
        value_output_dims: features of the outputs.
        bias: whether the projections have biases.

    Raises:
        ValueError: ``dims`` or ``value_dims`` is no multiple of ``num_heads``; in the call, an
            input has not 3 axes or other features.

    Example:
        >>> x = mx.ones((2, 5, 8))
        >>> nn.MultiHeadAttention(8, num_heads=2)(x, x, x).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        query_input_dims: Optional[int] = None,
        key_input_dims: Optional[int] = None,
        value_input_dims: Optional[int] = None,
        value_dims: Optional[int] = None,
        value_output_dims: Optional[int] = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        key_input_dims = key_input_dims or dims
        value_dims = value_dims or dims
        if num_heads < 1:
            raise ValueError(
                f"[MultiHeadAttention] num_heads must be positive but got {num_heads}."
            )
        if dims % num_heads != 0:
            raise ValueError(
                "The input feature dimensions should be divisible by the "
                f"number of heads ({dims} % {num_heads}) != 0"
            )
        if value_dims % num_heads != 0:
            raise ValueError(
                "The value feature dimensions should be divisible by the "
                f"number of heads ({value_dims} % {num_heads}) != 0"
            )
        self.num_heads = num_heads
        self.query_proj = Linear(query_input_dims or dims, dims, bias=bias)
        self.key_proj = Linear(key_input_dims, dims, bias=bias)
        self.value_proj = Linear(value_input_dims or key_input_dims, value_dims, bias=bias)
        self.out_proj = Linear(value_dims, value_output_dims or dims, bias=bias)

    def __call__(
        self, queries: mx.array, keys: mx.array, values: mx.array, mask: Mask = None
    ) -> mx.array:
        """Return the outcome for each query.

        Args:
            queries: of shape ``(N, L, query features)``.
            keys, values: of shapes ``(N, S, features)``.
            mask: added to the scores, or boolean and true where to attend, and broadcast with
                ``(N, heads, L, S)``; or ``"causal"``.
        """
        for kind, x in (("queries", queries), ("keys", keys), ("values", values)):
            if x.ndim != 3:
                raise ValueError(
                    f"[MultiHeadAttention] expects {kind} of shape (N, L, features) but they "
                    f"have shape {x.shape}."
                )
        attended = multi_head_attention(
            self["query_proj"](queries),
            self["key_proj"](keys),
            self["value_proj"](values),
            self.num_heads,
            mask,
        )
        y: mx.array = self["out_proj"](attended)
        return y

    @staticmethod
    def create_additive_causal_mask(N: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """Return an ``(N, N)`` mask that lets each query attend to itself and what is before."""
        return additive_causal_mask(N, dtype)


class TransformerEncoderLayer(Module):
    """Self-attention and a perceptron, each added to its input and normalized.

    Args:
        dims: features of inputs and outputs.
        num_heads: how many attention heads.
        mlp_dims: hidden features of the perceptron; ``4 * dims`` by default.
        dropout: the probability of dropping after the attention and the activation.
        activation: that of the perceptron.
        norm_first: whether to normalize before attention and perceptron rather than after
            adding.

    Example:
        >>> nn.TransformerEncoderLayer(8, num_heads=2)(mx.ones((2, 5, 8)), None).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        self.attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def _perceptron(self, x: mx.array) -> mx.array:
        return self.linear2(self.dropout2(self.activation(self.linear1(x))))

    def __call__(self, x: mx.array, mask: Mask) -> mx.array:
        """Return what becomes of ``x``, of shape ``(N, L, dims)``. The mask is as for
        :class:`MultiHeadAttention`."""
        if self.norm_first:
            y = self.ln1(x)
            x = x + self.dropout1(self.attention(y, y, y, mask))
            return x + self._perceptron(self.ln2(x))
        x = self.ln1(x + self.dropout1(self.attention(x, x, x, mask)))
        return self.ln2(x + self._perceptron(x))


class TransformerEncoder(Module):
    """A stack of :class:`TransformerEncoderLayer` and a last normalization.

    Args:
        num_layers: how many layers.
        dims, num_heads, mlp_dims, dropout, activation, norm_first: see
            :class:`TransformerEncoderLayer`.
        checkpoint: whether to compute the insides of each layer anew for the gradient, instead
            of keeping them.

    Example:
        >>> nn.TransformerEncoder(2, 8, num_heads=2)(mx.ones((2, 5, 8)), None).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.layers = [
            TransformerEncoderLayer(dims, num_heads, mlp_dims, dropout, activation, norm_first)
            for _ in range(num_layers)
        ]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def __call__(self, x: mx.array, mask: Mask) -> mx.array:
        """Return what becomes of ``x``, of shape ``(N, L, dims)``."""
        for layer in self.layers:
            call = checkpoint_module(layer) if self.checkpoint else layer
            x = call(x, mask)
        return self.ln(x)


class TransformerDecoderLayer(Module):
    """Self-attention, attention to a memory and a perceptron, each added to its input and
    normalized.

    The arguments are those of :class:`TransformerEncoderLayer`.

    Example:
        >>> layer = nn.TransformerDecoderLayer(8, num_heads=2)
        >>> layer(mx.ones((2, 5, 8)), mx.ones((2, 7, 8)), None, None).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        self.self_attention = MultiHeadAttention(dims, num_heads)
        self.cross_attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.ln3 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def _perceptron(self, x: mx.array) -> mx.array:
        return self.linear2(self.dropout3(self.activation(self.linear1(x))))

    def __call__(
        self, x: mx.array, memory: mx.array, x_mask: Mask, memory_mask: Mask
    ) -> mx.array:
        """Return what becomes of ``x``, of shape ``(N, L, dims)``, given a memory of shape
        ``(N, S, dims)``. The masks are those of the two attentions."""
        if self.norm_first:
            y = self.ln1(x)
            x = x + self.dropout1(self.self_attention(y, y, y, x_mask))
            y = self.ln2(x)
            x = x + self.dropout2(self.cross_attention(y, memory, memory, memory_mask))
            return x + self._perceptron(self.ln3(x))
        x = self.ln1(x + self.dropout1(self.self_attention(x, x, x, x_mask)))
        y = self.cross_attention(x, memory, memory, memory_mask)
        x = self.ln2(x + self.dropout2(y))
        return self.ln3(x + self._perceptron(x))


class TransformerDecoder(Module):
    """A stack of :class:`TransformerDecoderLayer` and a last normalization.

    The arguments are those of :class:`TransformerEncoder`.

    Example:
        >>> decoder = nn.TransformerDecoder(2, 8, num_heads=2)
        >>> decoder(mx.ones((2, 5, 8)), mx.ones((2, 7, 8)), None, None).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.layers = [
            TransformerDecoderLayer(dims, num_heads, mlp_dims, dropout, activation, norm_first)
            for _ in range(num_layers)
        ]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def __call__(
        self, x: mx.array, memory: mx.array, x_mask: Mask, memory_mask: Mask
    ) -> mx.array:
        """Return what becomes of ``x``, of shape ``(N, L, dims)``, given a memory."""
        for layer in self.layers:
            call = checkpoint_module(layer) if self.checkpoint else layer
            x = call(x, memory, x_mask, memory_mask)
        return self.ln(x)


class Transformer(Module):
    """An encoder, the attribute ``encoder``, and a ``decoder`` that attends to its outcome.

    Source: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762.

    Args:
        dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint: see
            :class:`TransformerEncoder`.
        num_encoder_layers, num_decoder_layers: how many layers.
        custom_encoder: called as ``encoder(src, src_mask)`` in place of the standard one.
        custom_decoder: called as ``decoder(tgt, memory, tgt_mask, memory_mask)`` likewise.

    Example:
        >>> model = nn.Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1)
        >>> model(mx.ones((2, 7, 8)), mx.ones((2, 5, 8)), None, None, None).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        dims: int = 512,
        num_heads: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        mlp_dims: Optional[int] = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        custom_encoder: Optional[Any] = None,
        custom_decoder: Optional[Any] = None,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        shared = (dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint)
        self.encoder = (
            TransformerEncoder(num_encoder_layers, *shared)
            if custom_encoder is None
            else custom_encoder
        )
        self.decoder = (
            TransformerDecoder(num_decoder_layers, *shared)
            if custom_decoder is None
            else custom_decoder
        )

    def __call__(
        self,
        src: mx.array,
        tgt: mx.array,
        src_mask: Mask,
        tgt_mask: Mask,
        memory_mask: Mask,
    ) -> mx.array:
        """Return what becomes of the targets ``tgt``, given the sources ``src``."""
        memory = self.encoder(src, src_mask)
        return self.decoder(tgt, memory, tgt_mask, memory_mask)
