"""Activations as layers. The functions are those of `nn.functional.activations`."""

from __future__ import annotations

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.activations import (
    celu,
    elu,
    gelu,
    gelu_approx,
    gelu_fast_approx,
    glu,
    hard_shrink,
    hard_tanh,
    hardswish,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    prelu,
    relu,
    relu2,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softshrink,
    softsign,
    step,
    tanh,
)
from mlx_oxide.nn.layers.base import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "HardShrink",
    "HardTanh",
    "Hardswish",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU2",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Step",
    "Tanh",
    "celu",
    "elu",
    "gelu",
    "gelu_approx",
    "gelu_fast_approx",
    "glu",
    "hard_shrink",
    "hard_tanh",
    "hardswish",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu2",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "step",
    "tanh",
]


class Sigmoid(Module):
    """Apply :func:`sigmoid`.

    Example:
        >>> nn.Sigmoid()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return sigmoid(x)


class Tanh(Module):
    """Apply :func:`tanh`.

    Example:
        >>> nn.Tanh()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return tanh(x)


class ReLU(Module):
    """Apply :func:`relu`.

    Example:
        >>> nn.ReLU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return relu(x)


class ReLU2(Module):
    """Apply :func:`relu2`.

    Example:
        >>> nn.ReLU2()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return relu2(x)


class ReLU6(Module):
    """Apply :func:`relu6`.

    Example:
        >>> nn.ReLU6()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return relu6(x)


class Softmax(Module):
    """Apply :func:`softmax` along the last axis.

    Example:
        >>> nn.Softmax()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return softmax(x)


class Softmin(Module):
    """Apply :func:`softmin` along the last axis.

    Example:
        >>> nn.Softmin()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return softmin(x)


class LogSoftmax(Module):
    """Apply :func:`log_softmax` along the last axis.

    Example:
        >>> nn.LogSoftmax()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return log_softmax(x)


class LogSigmoid(Module):
    """Apply :func:`log_sigmoid`.

    Example:
        >>> nn.LogSigmoid()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return log_sigmoid(x)


class Softplus(Module):
    """Apply :func:`softplus`.

    Example:
        >>> nn.Softplus()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return softplus(x)


class Softsign(Module):
    """Apply :func:`softsign`.

    Example:
        >>> nn.Softsign()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return softsign(x)


class SiLU(Module):
    """Apply :func:`silu`.

    Example:
        >>> nn.SiLU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return silu(x)


class SELU(Module):
    """Apply :func:`selu`.

    Example:
        >>> nn.SELU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return selu(x)


class Mish(Module):
    """Apply :func:`mish`.

    Example:
        >>> nn.Mish()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return mish(x)


class Hardswish(Module):
    """Apply :func:`hardswish`.

    Example:
        >>> nn.Hardswish()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return hardswish(x)


class HardTanh(Module):
    """Apply :func:`hard_tanh` between -1 and 1.

    Example:
        >>> nn.HardTanh()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __call__(self, x: mx.array) -> mx.array:
        return hard_tanh(x)


class LeakyReLU(Module):
    """Apply :func:`leaky_relu`.

    Args:
        negative_slope: the slope below zero.

    Example:
        >>> nn.LeakyReLU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self._negative_slope = negative_slope

    def __call__(self, x: mx.array) -> mx.array:
        return leaky_relu(x, self._negative_slope)


class ELU(Module):
    """Apply :func:`elu`.

    Args:
        alpha: the scale of the exponential.

    Example:
        >>> nn.ELU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def __call__(self, x: mx.array) -> mx.array:
        return elu(x, self._alpha)


class CELU(Module):
    """Apply :func:`celu`.

    Args:
        alpha: the scale of the exponential.

    Example:
        >>> nn.CELU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def __call__(self, x: mx.array) -> mx.array:
        return celu(x, self._alpha)


class Softshrink(Module):
    """Apply :func:`softshrink`.

    Args:
        lambd: the threshold.

    Example:
        >>> nn.Softshrink()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def __call__(self, x: mx.array) -> mx.array:
        return softshrink(x, self.lambd)


class HardShrink(Module):
    """Apply :func:`hard_shrink`.

    Args:
        lambd: the threshold.

    Example:
        >>> nn.HardShrink()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def __call__(self, x: mx.array) -> mx.array:
        return hard_shrink(x, self.lambd)


class Step(Module):
    """Apply :func:`step`.

    Args:
        threshold: the least input that gives 1.

    Example:
        >>> nn.Step()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def __call__(self, x: mx.array) -> mx.array:
        return step(x, self.threshold)


class GLU(Module):
    """Apply :func:`glu`.

    Args:
        axis: the axis to halve; its size must be even.

    Example:
        >>> nn.GLU()(mx.ones((2, 4))).shape
        (2, 2)
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def __call__(self, x: mx.array) -> mx.array:
        return glu(x, self.axis)


class PReLU(Module):
    """Apply :func:`prelu` with a learned slope, the parameter ``weight``.

    Args:
        num_parameters: how many slopes: 1, or the size of the last axis of the inputs.
        init: the value they begin with.

    Raises:
        ValueError: in the call, ``num_parameters`` is neither.

    Example:
        >>> nn.PReLU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.weight = mx.full([num_parameters], init)

    def __call__(self, x: mx.array) -> mx.array:
        return prelu(x, self["weight"])


_GELU_BY_APPROXIMATION = {
    "none": gelu,
    "precise": gelu_approx,
    "tanh": gelu_approx,
    "fast": gelu_fast_approx,
}


class GELU(Module):
    """Apply :func:`gelu` or an approximation of it.

    Args:
        approx: ``"none"``, ``"precise"`` or ``"tanh"`` for :func:`gelu_approx`, ``"fast"`` for
            :func:`gelu_fast_approx`.

    Raises:
        ValueError: another ``approx``.

    Example:
        >>> nn.GELU()(mx.array([-1.0, 0.0, 2.0])).shape
        (3,)
    """

    def __init__(self, approx: str = "none") -> None:
        super().__init__()
        if approx not in _GELU_BY_APPROXIMATION:
            raise ValueError(
                f"The approximation should be in {list(_GELU_BY_APPROXIMATION)} "
                f"but {approx!r} was given"
            )
        self._approx = approx

    def __call__(self, x: mx.array) -> mx.array:
        return _GELU_BY_APPROXIMATION[self._approx](x)
