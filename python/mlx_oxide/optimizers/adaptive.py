"""Optimizers that scale each element by the size of its gradients."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import mlx_oxide.core as mx
from mlx_oxide.optimizers import rules
from mlx_oxide.optimizers.base import Optimizer, Rate, State
from mlx_oxide.optimizers.gradient_descent import require_betas


def _require_positive(name: str, what: str, value: float, *, or_zero: bool = False) -> None:
    if value < 0.0 or (value == 0.0 and not or_zero):
        bound = ">=0" if or_zero else ">0"
        raise ValueError(f"{name} {what} should be {bound}, {value} was provided instead")


class RMSprop(Optimizer):
    r""":math:`v \leftarrow \alpha v + (1 - \alpha) g^2`,
    :math:`w \leftarrow w - \lambda g / (\sqrt v + \epsilon)`.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        alpha: :math:`\alpha`.
        eps: :math:`\epsilon`.

    Raises:
        ValueError: ``alpha`` is negative, or ``eps`` is not positive.

    Source: Tieleman and Hinton, Lecture 6.5, Coursera: Neural Networks for Machine Learning, 2012.

    Example:
        >>> optimizer = optim.RMSprop(1e-3)
    """

    def __init__(self, learning_rate: Rate, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        _require_positive("RMSprop", "alpha", alpha, or_zero=True)
        _require_positive("RMSprop", "epsilon", eps)
        self.alpha = alpha
        self.eps = eps

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no square ``"v"``."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its square."""
        rate = self.learning_rate.astype(gradient.dtype)
        parameter, state["v"] = rules.rmsprop(
            gradient, parameter, state["v"], rate, self.alpha, self.eps
        )
        return parameter


class Adagrad(Optimizer):
    r""":math:`v \leftarrow v + g^2`, :math:`w \leftarrow w - \lambda g / (\sqrt v + \epsilon)`.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        eps: :math:`\epsilon`.

    Raises:
        ValueError: ``eps`` is not positive.

    Source: Duchi et al., JMLR 12, 2011.

    Example:
        >>> optimizer = optim.Adagrad(1e-2)
    """

    def __init__(self, learning_rate: Rate, eps: float = 1e-8) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        _require_positive("Adagrad", "epsilon", eps)
        self.eps = eps

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no square ``"v"``."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and add to its square."""
        rate = self.learning_rate.astype(gradient.dtype)
        parameter, state["v"] = rules.adagrad(gradient, parameter, state["v"], rate, self.eps)
        return parameter


class AdaDelta(Optimizer):
    r""":math:`v \leftarrow \rho v + (1 - \rho) g^2`,
    :math:`d = g \sqrt{u + \epsilon} / \sqrt{v + \epsilon}`,
    :math:`u \leftarrow \rho u + (1 - \rho) d^2`, :math:`w \leftarrow w - \lambda d`.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        rho: :math:`\rho`.
        eps: :math:`\epsilon`.

    Raises:
        ValueError: ``rho`` is negative, or ``eps`` is not positive.

    Source: Zeiler, https://arxiv.org/abs/1212.5701.

    Example:
        >>> optimizer = optim.AdaDelta(1.0)
    """

    def __init__(self, learning_rate: Rate, rho: float = 0.9, eps: float = 1e-6) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        _require_positive("AdaDelta", "rho", rho, or_zero=True)
        _require_positive("AdaDelta", "epsilon", eps)
        self.rho = rho
        self.eps = eps

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no squares ``"v"`` and ``"u"``."""
        state["v"] = mx.zeros_like(parameter)
        state["u"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its squares."""
        rate = self.learning_rate.astype(gradient.dtype)
        parameter, state["v"], state["u"] = rules.adadelta(
            gradient, parameter, state["v"], state["u"], rate, self.rho, self.eps
        )
        return parameter


class Adam(Optimizer):
    r""":math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`,
    :math:`v \leftarrow \beta_2 v + (1 - \beta_2) g^2`,
    :math:`w \leftarrow w - \lambda m / (\sqrt v + \epsilon)`.

    With bias correction :math:`m` and :math:`v` are divided by :math:`1 - \beta^t` first.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        betas: :math:`\beta_1, \beta_2`.
        eps: :math:`\epsilon`.
        bias_correction: whether to correct for beginning at zero.

    Raises:
        ValueError: a coefficient is not in [0, 1), or ``eps`` is negative.

    Source: Kingma and Ba, https://arxiv.org/abs/1412.6980.

    Example:
        >>> optimizer = optim.Adam(1e-3)
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: bool = False,
    ) -> None:
        super().__init__()
        require_betas("Adam", betas)
        _require_positive("Adam", "epsilon", eps, or_zero=True)
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas: List[float] = list(betas)
        self.eps = eps
        self.bias_correction = bias_correction

    def _two_betas(self) -> Tuple[float, float]:
        return self.betas[0], self.betas[1]

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no mean ``"m"`` and no square ``"v"``."""
        state["m"] = mx.zeros_like(parameter)
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its mean and square."""
        rate = self.learning_rate.astype(gradient.dtype)
        betas = self._two_betas()
        if self.bias_correction:
            parameter, state["m"], state["v"] = rules.adam_bias_corrected(
                gradient, parameter, state["m"], state["v"], rate, self.step, betas, self.eps
            )
        else:
            parameter, state["m"], state["v"] = rules.adam(
                gradient, parameter, state["m"], state["v"], rate, betas, self.eps
            )
        return parameter


class AdamW(Adam):
    r""":class:`Adam` with decoupled weight decay:
    :math:`w \leftarrow w - \lambda (m / (\sqrt v + \epsilon) + d w)`.

    Args:
        learning_rate, betas, eps, bias_correction: see :class:`Adam`.
        weight_decay: :math:`d`.

    Raises:
        ValueError: as for :class:`Adam`.

    Source: Loshchilov and Hutter, https://arxiv.org/abs/1711.05101.

    Example:
        >>> optimizer = optim.AdamW(1e-3, weight_decay=0.1)
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its mean and square."""
        rate = self.learning_rate.astype(gradient.dtype)
        decayed = rules.decay(parameter, rate, self.weight_decay)
        return super().apply_single(gradient, decayed, state)


class Adamax(Adam):
    r""":class:`Adam` with the greatest gradient in place of the root of the square:
    :math:`v \leftarrow \max(\beta_2 v, |g|)`, :math:`w \leftarrow w - \lambda m / (v + \epsilon)`.

    Args:
        learning_rate, betas, eps: see :class:`Adam`.

    Raises:
        ValueError: as for :class:`Adam`.

    Source: Kingma and Ba, https://arxiv.org/abs/1412.6980.

    Example:
        >>> optimizer = optim.Adamax(1e-3)
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate, betas, eps)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its mean and greatest gradient."""
        rate = self.learning_rate.astype(gradient.dtype)
        parameter, state["m"], state["v"] = rules.adamax(
            gradient, parameter, state["m"], state["v"], rate, self._two_betas(), self.eps
        )
        return parameter
