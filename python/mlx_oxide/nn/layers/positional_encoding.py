"""Telling attention where its inputs stand."""

from __future__ import annotations

from typing import Optional

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.positional_encoding import (
    add_alibi,
    alibi_matrix,
    alibi_slope,
    rope,
    sinusoidal,
    sinusoidal_frequencies,
)
from mlx_oxide.nn.layers.base import Module


class RoPE(Module):
    r"""Rotary positional encoding: turn pairs of features by angles that grow with the position.

    The pair :math:`i` at the position :math:`t` turns by
    :math:`\mathtt{scale} \cdot (t + \mathtt{offset}) \cdot \mathtt{base}^{-2 i / \mathtt{dims}}`.
    Inputs have shape ``(…, T, D)``; features beyond ``dims`` stay as they are.

    Source: Su et al., RoFormer, https://arxiv.org/abs/2104.09864.

    Args:
        dims: how many features to turn, at most the size of the last axis.
        traditional: whether a pair is made of neighbours. By default it is made of features half
            of ``dims`` apart.
        base, scale: as above.

    Raises:
        ValueError: in the call, ``x`` has fewer than ``dims`` features.

    Example:
        >>> nn.RoPE(8)(mx.ones((1, 4, 8)), offset=2).shape
        (1, 4, 8)
    """

    def __init__(
        self, dims: int, traditional: bool = False, base: float = 10000, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def _extra_repr(self) -> str:
        return f"{self.dims}, traditional={self.traditional}"

    def __call__(self, x: mx.array, offset: int = 0) -> mx.array:
        return rope(x, self.dims, self.traditional, self.base, self.scale, offset)


class SinusoidalPositionalEncoding(Module):
    r"""Encode positions by sines and cosines: :math:`[\sin(x f_i); \cos(x f_i)] \cdot s`.

    The :math:`\mathtt{dims} / 2` frequencies :math:`f_i` are evenly spaced in the logarithm
    from ``max_freq`` down to ``min_freq``. Positions of shape ``(…)`` give ``(…, dims)``.

    Source: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762.

    Args:
        dims: size of the last axis of the outputs, even.
        min_freq, max_freq: the least and the greatest frequency.
        scale: :math:`s`; by default :math:`\sqrt{2 / \mathtt{dims}}`, for which the outputs have
            length 1.
        cos_first: whether the cosines come first.
        full_turns: whether frequencies count turns rather than radians.

    Raises:
        ValueError: ``dims`` is not positive and even, or a frequency is not positive.

    Example:
        >>> nn.SinusoidalPositionalEncoding(8)(mx.arange(4)).shape
        (4, 8)
    """

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: Optional[float] = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ) -> None:
        super().__init__()
        if dims < 2 or dims % 2 != 0:
            raise ValueError(
                f"[SinusoidalPositionalEncoding] dims must be positive and even but got {dims}."
            )
        if min_freq <= 0 or max_freq <= 0:
            raise ValueError(
                "[SinusoidalPositionalEncoding] frequencies must be positive but got "
                f"min_freq={min_freq} and max_freq={max_freq}."
            )
        self._sigmas = sinusoidal_frequencies(dims, min_freq, max_freq, full_turns)
        self.scale = (2 / dims) ** 0.5 if scale is None else scale
        self.cos_first = cos_first

    def __call__(self, x: mx.array) -> mx.array:
        return sinusoidal(x, self["_sigmas"], self.scale, self.cos_first)


class ALiBi(Module):
    r"""Attention with linear biases: lower each score by the distance times a slope.

    Scores of shape ``(…, heads, queries, keys)`` become
    :math:`s_{h, i, j} - m_h\, |i + \mathtt{offset} - j|`; for a power of two of heads
    :math:`m_h = 2^{-8 h / \mathtt{heads}}`, :math:`h = 1, 2, …`

    Source: Press et al., Train Short, Test Long, https://arxiv.org/abs/2108.12409.

    Example:
        >>> nn.ALiBi()(mx.zeros((1, 8, 4, 4))).shape
        (1, 8, 4, 4)
    """

    @staticmethod
    def create_alibi_matrix(
        q_sequence_length: int,
        k_sequence_length: int,
        num_heads: int,
        offset: int = 0,
        dtype: mx.Dtype = mx.float32,
    ) -> mx.array:
        """Return the biases of the queries ``offset`` to ``q_sequence_length``.

        The shape is ``(1, num_heads, q_sequence_length - offset, k_sequence_length)``.
        """
        return alibi_matrix(offset, q_sequence_length, k_sequence_length, num_heads, dtype)

    @staticmethod
    def create_alibi_slope(num_heads: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """Return the slopes :math:`m_h`, with the shape ``(num_heads, 1, 1)``.

        Raises:
            ValueError: ``num_heads`` is not positive.
        """
        if num_heads < 1:
            raise ValueError(f"[ALiBi] num_heads must be positive but got {num_heads}.")
        return alibi_slope(num_heads, dtype)

    def __call__(
        self,
        attention_scores: mx.array,
        offset: int = 0,
        mask: Optional[mx.array] = None,
    ) -> mx.array:
        """Return the scores plus the biases and, if given, an additive mask.

        Raises:
            ValueError: the scores have fewer than 3 axes.
        """
        if attention_scores.ndim < 3:
            raise ValueError(
                "[ALiBi] expects scores of shape (..., heads, queries, keys) but they have "
                f"shape {attention_scores.shape}."
            )
        return add_alibi(attention_scores, offset, mask)
