r"""Initializers: functions that return an array of the shape of a given one, filled anew.

The *fan in* and *fan out* of a weight of shape ``(outputs, …, inputs)`` are the inputs and the
outputs, times the sizes of the axes between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Tuple

import mlx_oxide.core as mx

__all__ = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "normal",
    "orthogonal",
    "sparse",
    "uniform",
]

Initializer = Callable[..., mx.array]
Mode = Literal["fan_in", "fan_out"]


def constant(value: float, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Fill with one value.

    Example:
        >>> nn.init.constant(0.5)(mx.zeros((2,)))
        array([0.5, 0.5], dtype=float32)
    """

    def initializer(a: mx.array) -> mx.array:
        return mx.full(a.shape, value, dtype=dtype)

    return initializer


def normal(mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Draw from the normal distribution with a mean and a standard deviation.

    Example:
        >>> nn.init.normal(std=0.02)(mx.zeros((2, 2))).shape
        (2, 2)
    """

    def initializer(a: mx.array) -> mx.array:
        return mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)

    return initializer


def uniform(low: float = 0.0, high: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Draw from the uniform distribution between ``low`` and ``high``.

    Example:
        >>> nn.init.uniform(-0.1, 0.1)(mx.zeros((2, 2))).shape
        (2, 2)
    """

    def initializer(a: mx.array) -> mx.array:
        return mx.random.uniform(low, high, a.shape, dtype=dtype)

    return initializer


def identity(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return the identity matrix.

    The initializer raises a ValueError for what is not a square matrix.

    Example:
        >>> nn.init.identity()(mx.zeros((2, 2)))
        array([[1, 0],
               [0, 1]], dtype=float32)
    """

    def initializer(arr: mx.array) -> mx.array:
        if arr.ndim != 2 or arr.shape[0] != arr.shape[1]:
            raise ValueError(
                f"The input array must be a square matrix but got shape {arr.shape}."
            )
        return mx.eye(n=arr.shape[0], dtype=dtype)

    return initializer


def _fans(a: mx.array) -> Tuple[int, int]:
    if a.ndim < 2:
        raise ValueError(
            "Glorot / He initialization requires at least 2 dimensional input but input with "
            f"{a.ndim} dimensions."
        )
    outputs, *between, inputs = a.shape
    field = math.prod(between)
    return inputs * field, outputs * field


def _fan(a: mx.array, mode: str) -> int:
    fan_in, fan_out = _fans(a)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Invalid mode: {mode}. Valid modes are: fan_in, fan_out")
    return fan_in if mode == "fan_in" else fan_out


def glorot_normal(dtype: mx.Dtype = mx.float32) -> Initializer:
    r"""Draw from :math:`\mathcal{N}(0, \sigma^2)`,
    :math:`\sigma = \mathtt{gain} \sqrt{2 / (\mathtt{fan\_in} + \mathtt{fan\_out})}`.

    The initializer takes the array and ``gain``, 1 by default, and raises a ValueError for fewer
    than 2 axes. Source: Glorot and Bengio, AISTATS 2010.

    Example:
        >>> nn.init.glorot_normal()(mx.zeros((2, 3)), gain=2.0).shape
        (2, 3)
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        std = gain * math.sqrt(2.0 / sum(_fans(a)))
        return mx.random.normal(shape=a.shape, scale=std, dtype=dtype)

    return initializer


def glorot_uniform(dtype: mx.Dtype = mx.float32) -> Initializer:
    r"""Draw from :math:`\mathcal{U}(-l, l)`,
    :math:`l = \mathtt{gain} \sqrt{6 / (\mathtt{fan\_in} + \mathtt{fan\_out})}`.

    The initializer takes the array and ``gain``, 1 by default, and raises a ValueError for fewer
    than 2 axes. Source: Glorot and Bengio, AISTATS 2010.

    Example:
        >>> nn.init.glorot_uniform()(mx.zeros((2, 3))).shape
        (2, 3)
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(6.0 / sum(_fans(a)))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def he_normal(dtype: mx.Dtype = mx.float32) -> Initializer:
    r"""Draw from :math:`\mathcal{N}(0, \sigma^2)`,
    :math:`\sigma = \mathtt{gain} / \sqrt{\mathtt{fan}}`.

    The initializer takes the array, ``mode`` (``"fan_in"``, the default, or ``"fan_out"``) and
    ``gain``, 1 by default. It raises a ValueError for fewer than 2 axes or another mode.
    Source: He et al., https://arxiv.org/abs/1502.01852.

    Example:
        >>> nn.init.he_normal()(mx.zeros((2, 3)), mode="fan_out").shape
        (2, 3)
    """

    def initializer(a: mx.array, mode: Mode = "fan_in", gain: float = 1.0) -> mx.array:
        std = gain / math.sqrt(_fan(a, mode))
        return mx.random.normal(shape=a.shape, scale=std, dtype=dtype)

    return initializer


def he_uniform(dtype: mx.Dtype = mx.float32) -> Initializer:
    r"""Draw from :math:`\mathcal{U}(-l, l)`, :math:`l = \mathtt{gain} \sqrt{3 / \mathtt{fan}}`.

    The arguments of the initializer are those of :func:`he_normal`'s.

    Example:
        >>> nn.init.he_uniform()(mx.zeros((2, 3))).shape
        (2, 3)
    """

    def initializer(a: mx.array, mode: Mode = "fan_in", gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(3.0 / _fan(a, mode))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def sparse(
    sparsity: float, mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Initializer:
    """Draw from the normal distribution, and zero a fraction of every row.

    The initializer raises a ValueError for what is not a matrix.
    Source: Martens, Deep Learning via Hessian-free Optimization, ICML 2010.

    Args:
        sparsity: the fraction of zeros, rounded up to a whole number in each row.
        mean, std: of the other values.

    Example:
        >>> mx.sum(nn.init.sparse(0.5)(mx.zeros((2, 4))) == 0, axis=1)
        array([2, 2], dtype=int32)
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError("Only tensors with 2 dimensions are supported")
        zeros = math.ceil(sparsity * a.shape[1])
        order = mx.argsort(mx.random.uniform(shape=a.shape), axis=1)
        values = mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)
        values[mx.arange(a.shape[0]).reshape(-1, 1), order[:, :zeros]] = 0
        return values

    return initializer


def orthogonal(gain: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Draw a matrix with orthogonal rows or columns, whichever are fewer, of length ``gain``.

    The initializer raises a ValueError for what is not a matrix.
    Source: Saxe et al., https://arxiv.org/abs/1312.6120.

    Example:
        >>> q = nn.init.orthogonal()(mx.zeros((3, 3)))
        >>> mx.allclose(q @ q.T, mx.eye(3), atol=1e-5).item()
        True
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(
                f"Orthogonal initialization requires a 2D array but got a {a.ndim}D array."
            )
        rows, columns = a.shape
        size = max(rows, columns)
        q, r = mx.linalg.qr(mx.random.normal(shape=(size, size)), stream=mx.cpu)
        # With the signs of R's diagonal the distribution is uniform over rotations.
        q = q * mx.sign(mx.diag(r))
        return (q[:rows, :columns] * gain).astype(dtype)

    return initializer
