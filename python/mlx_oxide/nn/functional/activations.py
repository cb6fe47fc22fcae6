"""Activation functions.

Unless said otherwise they act on each element, keep the shape of ``x`` and a floating dtype, and
take integers to ``float32`` where the formula is not closed over them.
"""

from __future__ import annotations

import math
from typing import Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.normalization import narrow, wide

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717
_SQRT_TWO = math.sqrt(2)
_SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)


def sigmoid(x: mx.array) -> mx.array:
    r"""Return the logistic function, :math:`\sigma(x) = 1 / (1 + e^{-x})`.

    Example:
        >>> nn.sigmoid(mx.array([0.0]))
        array([0.5], dtype=float32)
    """
    return mx.sigmoid(x)


def tanh(x: mx.array) -> mx.array:
    r"""Return the hyperbolic tangent.

    Example:
        >>> nn.tanh(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return mx.tanh(x)


def relu(x: mx.array) -> mx.array:
    r"""Return the rectified linear unit, :math:`\max(x, 0)`.

    Source: Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines,
        ICML 2010.

    Example:
        >>> nn.relu(mx.array([-1.0, 2.0]))
        array([0, 2], dtype=float32)
    """
    return mx.maximum(x, 0)


def relu2(x: mx.array) -> mx.array:
    r"""Return the squared rectified linear unit, :math:`\max(x, 0)^2`.

    Source: So et al., Primer, https://arxiv.org/abs/2109.08668.

    Example:
        >>> nn.relu2(mx.array([-1.0, 2.0]))
        array([0, 4], dtype=float32)
    """
    return mx.square(mx.maximum(x, 0))


def relu6(x: mx.array) -> mx.array:
    r"""Return the rectified linear unit with a ceiling, :math:`\min(\max(x, 0), 6)`.

    Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.

    Example:
        >>> nn.relu6(mx.array([-1.0, 8.0]))
        array([0, 6], dtype=float32)
    """
    return mx.minimum(mx.maximum(x, 0), 6.0)


def leaky_relu(x: mx.array, negative_slope: float = 0.01) -> mx.array:
    r"""Return :math:`\max(a x, x)`, where :math:`a` is ``negative_slope``.

    Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML
        2013.

    Example:
        >>> nn.leaky_relu(mx.array([-1.0, 2.0]))
        array([-0.01, 2], dtype=float32)
    """
    return mx.maximum(negative_slope * x, x)


def prelu(x: mx.array, alpha: mx.array) -> mx.array:
    r"""Return :math:`\max(0, x) + \alpha \min(0, x)`; ``alpha`` must broadcast with ``x``.

    Source: He et al., https://arxiv.org/abs/1502.01852.

    Example:
        >>> nn.prelu(mx.array([-1.0, 2.0]), mx.array([0.25]))
        array([-0.25, 2], dtype=float32)
    """
    return mx.maximum(0, x) + alpha * mx.minimum(0, x)


def elu(x: mx.array, alpha: float = 1.0) -> mx.array:
    r"""Return the ELU: :math:`x` if :math:`x > 0`, else :math:`\alpha (e^x - 1)`.

    Source: Clevert et al., https://arxiv.org/abs/1511.07289.

    Example:
        >>> nn.elu(mx.array([0.0, 2.0]))
        array([0, 2], dtype=float32)
    """
    return mx.where(x > 0, x, alpha * (mx.exp(x) - 1))


def celu(x: mx.array, alpha: float = 1.0) -> mx.array:
    r"""Return :math:`\max(0, x) + \alpha (e^{\min(0, x) / \alpha} - 1)`, an ELU smooth for every
    :math:`\alpha`.

    Source: Barron, https://arxiv.org/abs/1704.07483.

    Example:
        >>> nn.celu(mx.array([0.0, 2.0]))
        array([0, 2], dtype=float32)
    """
    return mx.maximum(x, 0.0) + alpha * (mx.exp(mx.minimum(x, 0.0) / alpha) - 1)


def selu(x: mx.array) -> mx.array:
    r"""Return the self-normalizing ELU: 1.0507… times :func:`elu` of :math:`\alpha` = 1.67….

    Source: Klambauer et al., https://arxiv.org/abs/1706.02515.

    Example:
        >>> nn.selu(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return elu(x, _SELU_ALPHA) * _SELU_SCALE


def softmax(x: mx.array, axis: int = -1) -> mx.array:
    r"""Return :math:`e^{x_i} / \sum_j e^{x_j}` along ``axis``.

    Example:
        >>> nn.softmax(mx.array([1.0, 1.0]))
        array([0.5, 0.5], dtype=float32)
    """
    return mx.softmax(x, axis=axis)


def softmin(x: mx.array, axis: int = -1) -> mx.array:
    r"""Return :math:`e^{-x_i} / \sum_j e^{-x_j}` along ``axis``.

    Example:
        >>> nn.softmin(mx.array([1.0, 1.0]))
        array([0.5, 0.5], dtype=float32)
    """
    return mx.softmax(-x, axis=axis)


def log_softmax(x: mx.array, axis: int = -1) -> mx.array:
    r"""Return :math:`x_i - \log \sum_j e^{x_j}` along ``axis``.

    Example:
        >>> nn.log_softmax(mx.array([1.0, 1.0]))
        array([-0.693147, -0.693147], dtype=float32)
    """
    greatest, normalizer = log_normalizer(x, axis)
    return x - greatest - normalizer


def log_normalizer(x: mx.array, axis: int) -> Tuple[mx.array, mx.array]:
    r"""Return :math:`m = \max_j x_j` and :math:`\log \sum_j e^{x_j - m}`; ``axis`` stays.

    Their sum would be the normalizer of a softmax, but in it large ones would drown the small. No
    gradient goes through the greatest: the shift changes no value.
    """
    greatest = mx.stop_gradient(mx.max(x, axis=axis, keepdims=True))
    powers = mx.exp(wide(x - greatest))
    return greatest, narrow(mx.log(mx.sum(powers, axis=axis, keepdims=True)), x)


def softplus(x: mx.array) -> mx.array:
    r"""Return :math:`\log(1 + e^x)`.

    Source: Dugas et al., NIPS 2000.

    Example:
        >>> nn.softplus(mx.array([0.0]))
        array([0.693147], dtype=float32)
    """
    return mx.logaddexp(x, 0)


def softsign(x: mx.array) -> mx.array:
    r"""Return :math:`x / (1 + |x|)`.

    Example:
        >>> nn.softsign(mx.array([1.0]))
        array([0.5], dtype=float32)
    """
    return mx.divide(x, 1 + mx.abs(x))


def softshrink(x: mx.array, lambd: float = 0.5) -> mx.array:
    r"""Return :math:`x - \mathrm{sign}(x) \lambda` where :math:`|x| > \lambda`, else 0.

    Example:
        >>> nn.softshrink(mx.array([0.25, 1.5]))
        array([0, 1], dtype=float32)
    """
    return mx.where(mx.abs(x) > lambd, x - mx.sign(x) * lambd, 0)


def hard_shrink(x: mx.array, lambd: float = 0.5) -> mx.array:
    r"""Return :math:`x` where :math:`|x| > \lambda`, else 0.

    Example:
        >>> nn.hard_shrink(mx.array([0.25, 1.5]))
        array([0, 1.5], dtype=float32)
    """
    return mx.where(mx.abs(x) > lambd, x, 0)


def hard_tanh(x: mx.array, min_val: float = -1.0, max_val: float = 1.0) -> mx.array:
    r"""Return :math:`x` clipped to between ``min_val`` and ``max_val``.

    Example:
        >>> nn.hard_tanh(mx.array([-2.0, 0.5]))
        array([-1, 0.5], dtype=float32)
    """
    return mx.minimum(mx.maximum(x, min_val), max_val)


def hardswish(x: mx.array) -> mx.array:
    r"""Return :math:`x \min(\max(x + 3, 0), 6) / 6`.

    Source: Howard et al., MobileNetV3, https://arxiv.org/abs/1905.02244.

    Example:
        >>> nn.hardswish(mx.array([3.0]))
        array([3], dtype=float32)
    """
    return x * mx.minimum(mx.maximum(x + 3, 0), 6) / 6


def silu(x: mx.array) -> mx.array:
    r"""Return the sigmoid linear unit or Swish, :math:`x \sigma(x)`.

    Source: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415.

    Example:
        >>> nn.silu(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return x * mx.sigmoid(x)


def log_sigmoid(x: mx.array) -> mx.array:
    r"""Return :math:`\log \sigma(x) = -\log(1 + e^{-x})`.

    Example:
        >>> nn.log_sigmoid(mx.array([0.0]))
        array([-0.693147], dtype=float32)
    """
    return -softplus(-x)


def mish(x: mx.array) -> mx.array:
    r"""Return :math:`x \tanh(\log(1 + e^x))`.

    Source: Misra, https://arxiv.org/abs/1908.08681.

    Example:
        >>> nn.mish(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return x * mx.tanh(softplus(x))


def gelu(x: mx.array) -> mx.array:
    r"""Return the Gaussian error linear unit, :math:`x \Phi(x)`.

    :math:`\Phi` is the cumulative distribution of the standard normal.

    Source: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415.

    Example:
        >>> nn.gelu(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return x * (1 + mx.erf(x / _SQRT_TWO)) / 2


def gelu_approx(x: mx.array) -> mx.array:
    r"""Return :func:`gelu` by a hyperbolic tangent,
    :math:`0.5 x (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3)))`. It is off by less than 0.0005.

    Source: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415.

    Example:
        >>> nn.gelu_approx(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return 0.5 * x * (1 + mx.tanh(_SQRT_TWO_OVER_PI * (x + 0.044715 * x**3)))


def gelu_fast_approx(x: mx.array) -> mx.array:
    r"""Return :func:`gelu` by a sigmoid, :math:`x \sigma(1.702 x)`. It is off by less than 0.021.

    Source: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415.

    Example:
        >>> nn.gelu_fast_approx(mx.array([0.0]))
        array([0], dtype=float32)
    """
    return x * mx.sigmoid(1.702 * x)


def glu(x: mx.array, axis: int = -1) -> mx.array:
    r"""Return the gated linear unit :math:`a \sigma(b)`, halving the size of ``axis``.

    :math:`a` and :math:`b` are the halves of ``x`` along ``axis``.

    Raises:
        ValueError: the size of ``axis`` is odd.

    Source: Dauphin et al., https://arxiv.org/abs/1612.08083.

    Example:
        >>> nn.glu(mx.array([1.0, 0.0]))
        array([0.5], dtype=float32)
    """
    value, gate = mx.split(x, 2, axis=axis)
    return value * mx.sigmoid(gate)


def step(x: mx.array, threshold: float = 0.0) -> mx.array:
    r"""Return 1 where :math:`x` is at least ``threshold`` and 0 elsewhere, as ``int32``.

    Example:
        >>> nn.step(mx.array([-1.0, 2.0]))
        array([0, 1], dtype=int32)
    """
    return mx.where(x >= threshold, 1, 0)
