"""Adafactor: adaptive rates with less memory than the parameters take."""

from __future__ import annotations

from typing import Optional, Tuple

import mlx_oxide.core as mx
from mlx_oxide.optimizers import rules
from mlx_oxide.optimizers.base import Optimizer, Rate, State


class Adafactor(Optimizer):
    r"""Scale by squares of gradients, of which matrices keep only row and column means.

    At step :math:`t`: :math:`\beta = 1 - t^{\mathtt{decay\_rate}}`;
    :math:`v \leftarrow \beta v + (1 - \beta)(g^2 + \epsilon_1)`;
    :math:`u = g / \sqrt v`, divided by :math:`\max(1, \mathrm{RMS}(u) / \mathtt{clip})`;
    :math:`w \leftarrow w - \rho u`. The rate :math:`\rho` is ``learning_rate``, or if
    ``relative_step``, :math:`\min(10^{-2}, 1 / \sqrt t)`; times
    :math:`\max(\epsilon_2, \mathrm{RMS}(w))` if ``scale_parameter``.

    Args:
        learning_rate: the rate or a schedule of it, if ``relative_step`` is false.
        eps: :math:`\epsilon_1, \epsilon_2`.
        clip_threshold: :math:`\mathtt{clip}`.
        decay_rate: as above.
        beta_1: the coefficient of a running average of the updates; none by default.
        weight_decay: what multiple of :math:`\rho w` to subtract from :math:`w`.
        scale_parameter, relative_step: as above.
        warmup_init: whether the relative rate begins as :math:`10^{-6} t`.

    Raises:
        KeyError: in an update, there is neither a learning rate nor ``relative_step``.

    Source: Shazeer and Stern, https://arxiv.org/abs/1804.04235.

    Example:
        >>> optimizer = optim.Adafactor()
    """

    def __init__(
        self,
        learning_rate: Optional[Rate] = None,
        eps: Tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta_1: Optional[float] = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ) -> None:
        super().__init__()
        if learning_rate is not None:
            self._maybe_schedule("learning_rate", learning_rate)
        self.eps = eps
        self.clip_threshold = clip_threshold
        self.decay_rate = decay_rate
        self.beta_1 = beta_1
        self.weight_decay = weight_decay
        self.scale_parameter = scale_parameter
        self.relative_step = relative_step
        self.warmup_init = warmup_init

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Begin with no squares, by rows and columns from two axes on, and no average."""
        shape, dtype = parameter.shape, parameter.dtype
        if parameter.ndim >= 2:
            state["exp_avg_sq_row"] = mx.zeros(shape[:-1], dtype=dtype)
            state["exp_avg_sq_col"] = mx.zeros((*shape[:-2], shape[-1]), dtype=dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    def _rate(self, parameter: mx.array) -> mx.array:
        size = rules.root_mean_square(parameter)
        if self.relative_step:
            rate = rules.adafactor_relative_rate(self.step, self.warmup_init)
        else:
            rate = self.learning_rate
        rate = rate.astype(size.dtype)
        return mx.maximum(self.eps[1], size) * rate if self.scale_parameter else rate

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return the new parameter and move its squares."""
        rate = self._rate(parameter)
        keep = (1.0 - self.step**self.decay_rate).astype(rate.dtype)
        squares = mx.square(gradient) + self.eps[0]
        if gradient.ndim >= 2:
            update, state["exp_avg_sq_row"], state["exp_avg_sq_col"] = rules.adafactor_factored(
                gradient, squares, state["exp_avg_sq_row"], state["exp_avg_sq_col"], keep
            )
        else:
            update, state["exp_avg_sq"] = rules.adafactor_full(
                gradient, squares, state["exp_avg_sq"], keep
            )
        update = rate * rules.clip_by_root_mean_square(update, self.clip_threshold)
        if self.beta_1 is not None:
            update = rules.moving_average(state["exp_avg"], update, self.beta_1)
            state["exp_avg"] = update
        if self.weight_decay != 0:
            parameter = parameter + parameter * (-self.weight_decay * rate)
        return parameter - update
