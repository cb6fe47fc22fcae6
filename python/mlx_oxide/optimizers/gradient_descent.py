"""Optimizers with one learning rate for all directions: SGD, Lion and Muon."""

from __future__ import annotations

from typing import List, Sequence

import mlx_oxide.core as mx
from mlx_oxide.optimizers import rules
from mlx_oxide.optimizers.base import Optimizer, Rate, State


def require_betas(name: str, betas: Sequence[float]) -> None:
    """Raise a ValueError unless both coefficients are in [0, 1)."""
    for index, beta in enumerate(betas, start=1):
        if not 0.0 <= beta < 1.0:
            raise ValueError(
                f"{name} beta{index} should be in [0, 1), {beta} was provided instead"
            )


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum if asked.

    :math:`v \leftarrow \mu v + (1 - \tau) g`, :math:`w \leftarrow w - \lambda v`; with Nesterov
    momentum :math:`w \leftarrow w - \lambda (g + \mu v)`.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        momentum: :math:`\mu`.
        weight_decay: what multiple of :math:`w` to add to :math:`g`.
        dampening: :math:`\tau`.
        nesterov: whether to use Nesterov momentum.

    Raises:
        ValueError: Nesterov momentum with dampening or without momentum.

    Source: Sutskever et al., ICML 2013.

    Example:
        >>> optimizer = optim.SGD(0.1, momentum=0.9)
    """

    def __init__(
        self,
        learning_rate: Rate,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening.")
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dampening = dampening
        self.nesterov = nesterov

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no velocity ``"v"``."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its velocity."""
        rate = self.learning_rate.astype(gradient.dtype)
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        if self.momentum <= 0:
            return rules.sgd(gradient, parameter, rate)
        parameter, state["v"] = rules.sgd_momentum(
            gradient, parameter, state["v"], rate, self.momentum, self.dampening, self.nesterov
        )
        return parameter


class Lion(Optimizer):
    r"""Steps of equal size in the direction of the sign of a momentum.

    :math:`w \leftarrow w - \lambda (\mathrm{sign}(\beta_1 m + (1 - \beta_1) g) + d w)`,
    :math:`m \leftarrow \beta_2 m + (1 - \beta_2) g`.

    Rates should be 3 to 10 times less, and decay as much greater, than those of :class:`AdamW`.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        betas: :math:`\beta_1, \beta_2`.
        weight_decay: :math:`d`.

    Raises:
        ValueError: a coefficient is not in [0, 1).

    Source: Chen et al., https://arxiv.org/abs/2302.06675.

    Example:
        >>> optimizer = optim.Lion(1e-4, weight_decay=0.1)
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: Sequence[float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        require_betas("Lion", betas)
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas: List[float] = list(betas)
        self.weight_decay = weight_decay

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no momentum ``"m"``."""
        state["m"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its momentum."""
        rate = self.learning_rate.astype(gradient.dtype)
        if self.weight_decay > 0:
            parameter = rules.decay(parameter, rate, self.weight_decay)
        beta1, beta2 = self.betas
        parameter, state["m"] = rules.lion(
            gradient, parameter, state["m"], rate, (beta1, beta2)
        )
        return parameter


class Muon(Optimizer):
    r"""Momentum, made nearly orthogonal for parameters with two axes or more.

    :math:`v \leftarrow \mu v + (1 - \mu) g`; the update is :math:`v`, or with Nesterov momentum
    :math:`(1 - \mu) g + \mu v`, orthogonalized by Newton-Schulz iterations as a matrix whose
    rows are the first axis, and :math:`w \leftarrow w - \lambda s u` with
    :math:`s = \sqrt{\max(1, D_{-2} / D_{-1})}`, where :math:`D` is the shape of the parameter.

    Parameters with fewer axes take the update as it is; those, embeddings and the last layer are
    better left to another optimizer. See :class:`MultiOptimizer`.

    Args:
        learning_rate: :math:`\lambda`, or a schedule of it.
        momentum: :math:`\mu`.
        weight_decay: what multiple of :math:`w` to add to :math:`g`.
        nesterov: whether to use Nesterov momentum.
        ns_steps: how many iterations.

    Source: Jordan et al., https://kellerjordan.github.io/posts/muon/.

    Example:
        >>> optimizer = optim.Muon(0.02)
    """

    def __init__(
        self,
        learning_rate: Rate,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.ns_steps = ns_steps

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no velocity ``"v"``."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its velocity."""
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        rate = self.learning_rate.astype(gradient.dtype)
        parameter, state["v"] = rules.muon(
            gradient, parameter, state["v"], rate, self.momentum, self.nesterov, self.ns_steps
        )
        return parameter
