"""Recurrent layers. Inputs are sequences of shape ``(…, L, D)``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Optional, Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.recurrent import elman, gru, lstm
from mlx_oxide.nn.layers.activations import tanh
from mlx_oxide.nn.layers.base import Module


class _Recurrent(Module):
    """What recurrent layers share: initial values and checks."""

    hidden_size: int

    def _uniform(self, *shape: int) -> mx.array:
        scale = 1.0 / math.sqrt(self.hidden_size)
        return mx.random.uniform(low=-scale, high=scale, shape=shape)

    def _check(self, x: mx.array, features: int, **states: Optional[mx.array]) -> None:
        name = type(self).__name__
        if x.ndim < 2 or x.shape[-1] != features:
            raise ValueError(
                f"[{name}] expects sequences of shape (..., L, {features}) but the input has "
                f"shape {x.shape}."
            )
        for kind, state in states.items():
            if state is not None and state.shape[-1:] != (self.hidden_size,):
                raise ValueError(
                    f"[{name}] expects the {kind} state to have a last axis of size "
                    f"{self.hidden_size} but it has shape {state.shape}."
                )


class RNN(_Recurrent):
    r"""An Elman network: :math:`h_{t+1} = \phi(W_{xh} x_t + W_{hh} h_t + b)`.

    Parameters: ``Wxh``, of shape ``(hidden_size, input_size)``, ``Whh``, of shape
    ``(hidden_size, hidden_size)``, and ``bias``, of shape ``(hidden_size,)``; all begin uniform
    between :math:`\pm 1 / \sqrt{\mathtt{hidden\_size}}`.

    Source: Elman, Finding Structure in Time, Cognitive Science 14, 1990.

    Args:
        input_size: size of the last axis of the inputs.
        hidden_size: size of the hidden state.
        bias: whether to add :math:`b`.
        nonlinearity: :math:`\phi`; :func:`tanh` by default.

    Raises:
        ValueError: ``nonlinearity`` cannot be called; in the call, a shape does not fit.

    Example:
        >>> nn.RNN(3, 4)(mx.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Optional[Callable[[mx.array], mx.array]] = None,
    ) -> None:
        super().__init__()
        self.nonlinearity = tanh if nonlinearity is None else nonlinearity
        if not callable(self.nonlinearity):
            raise ValueError(f"Nonlinearity must be callable. Current value: {nonlinearity}.")
        self.hidden_size = hidden_size
        self.Wxh = self._uniform(hidden_size, input_size)
        self.Whh = self._uniform(hidden_size, hidden_size)
        self.bias = self._uniform(hidden_size) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, "
            f"nonlinearity={self.nonlinearity}, bias={self.bias is not None}"
        )

    def __call__(self, x: mx.array, hidden: Optional[mx.array] = None) -> mx.array:
        """Return the hidden states of all time steps, of shape ``(…, L, hidden_size)``.

        Args:
            x: sequences of shape ``(…, L, input_size)``.
            hidden: the hidden state to begin with, of shape ``(…, hidden_size)``; none by default.
        """
        self._check(x, self.Wxh.shape[1], hidden=hidden)
        return elman(
            x, hidden, self["Wxh"], self["Whh"], self.get("bias"), self.nonlinearity
        )


class GRU(_Recurrent):
    r"""Gated recurrent units.

    .. math::

        r_t &= \sigma(W_{xr} x_t + W_{hr} h_t + b_r) \\
        z_t &= \sigma(W_{xz} x_t + W_{hz} h_t + b_z) \\
        n_t &= \tanh(W_{xn} x_t + b_n + r_t \odot (W_{hn} h_t + b_{hn})) \\
        h_{t+1} &= (1 - z_t) \odot n_t + z_t \odot h_t

    Parameters: ``Wx``, ``Wh`` and ``b`` hold those of :math:`r`, :math:`z` and :math:`n` one
    above the other, ``bhn`` is :math:`b_{hn}`; all begin uniform between
    :math:`\pm 1 / \sqrt{\mathtt{hidden\_size}}`.

    Source: Cho et al., https://arxiv.org/abs/1406.1078.

    Args:
        input_size: size of the last axis of the inputs.
        hidden_size: size of the hidden state.
        bias: whether to add the biases.

    Raises:
        ValueError: in the call, a shape does not fit.

    Example:
        >>> nn.GRU(3, 4)(mx.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.Wx = self._uniform(3 * hidden_size, input_size)
        self.Wh = self._uniform(3 * hidden_size, hidden_size)
        self.b = self._uniform(3 * hidden_size) if bias else None
        self.bhn = self._uniform(hidden_size) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, "
            f"bias={self.b is not None}"
        )

    def __call__(self, x: mx.array, hidden: Optional[mx.array] = None) -> mx.array:
        """Return the hidden states of all time steps. The arguments are those of :class:`RNN`."""
        self._check(x, self.Wx.shape[1], hidden=hidden)
        return gru(x, hidden, self["Wx"], self["Wh"], self.get("b"), self.get("bhn"))


class LSTM(_Recurrent):
    r"""Long short-term memory.

    .. math::

        i_t &= \sigma(W_{xi} x_t + W_{hi} h_t + b_i) \\
        f_t &= \sigma(W_{xf} x_t + W_{hf} h_t + b_f) \\
        g_t &= \tanh(W_{xg} x_t + W_{hg} h_t + b_g) \\
        o_t &= \sigma(W_{xo} x_t + W_{ho} h_t + b_o) \\
        c_{t+1} &= f_t \odot c_t + i_t \odot g_t \\
        h_{t+1} &= o_t \odot \tanh(c_{t+1})

    Parameters: ``Wx``, ``Wh`` and ``bias`` hold those of :math:`i`, :math:`f`, :math:`g` and
    :math:`o` one above the other; all begin uniform between
    :math:`\pm 1 / \sqrt{\mathtt{hidden\_size}}`.

    Source: Hochreiter and Schmidhuber, Neural Computation 9, 1997.

    Args:
        input_size: size of the last axis of the inputs.
        hidden_size: size of the hidden and cell states.
        bias: whether to add the biases.

    Raises:
        ValueError: in the call, a shape does not fit.

    Example:
        >>> hidden, cell = nn.LSTM(3, 4)(mx.ones((2, 5, 3)))
        >>> hidden.shape, cell.shape
        ((2, 5, 4), (2, 5, 4))
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.Wx = self._uniform(4 * hidden_size, input_size)
        self.Wh = self._uniform(4 * hidden_size, hidden_size)
        self.bias = self._uniform(4 * hidden_size) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, "
            f"bias={self.bias is not None}"
        )

    def __call__(
        self,
        x: mx.array,
        hidden: Optional[mx.array] = None,
        cell: Optional[mx.array] = None,
    ) -> Tuple[mx.array, mx.array]:
        """Return the hidden and the cell states of all time steps.

        Args:
            x: sequences of shape ``(…, L, input_size)``.
            hidden, cell: the states to begin with, of shape ``(…, hidden_size)``; none by default.
        """
        self._check(x, self.Wx.shape[1], hidden=hidden, cell=cell)
        return lstm(x, hidden, cell, self["Wx"], self["Wh"], self.get("bias"))
