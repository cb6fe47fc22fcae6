"""Schedules: functions from the step, an array, to a value such as the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, List

import mlx_oxide.core as mx

__all__ = [
    "cosine_decay",
    "exponential_decay",
    "join_schedules",
    "linear_schedule",
    "step_decay",
]

Schedule = Callable[[Any], Any]


def _require_positive(name: str, steps: int) -> None:
    if steps <= 0:
        raise ValueError(f"{name} must be greater than 0, but got {steps}.")


def exponential_decay(init: float, decay_rate: float) -> Schedule:
    r"""Return the schedule :math:`\mathtt{init} \cdot \mathtt{decay\_rate}^t`.

    Example:
        >>> optim.exponential_decay(0.1, 0.5)(mx.array(1))
        array(0.05, dtype=float32)
    """

    def schedule(step: Any) -> Any:
        return init * decay_rate**step

    return schedule


def step_decay(init: float, decay_rate: float, step_size: int) -> Schedule:
    r"""Return the schedule
    :math:`\mathtt{init} \cdot \mathtt{decay\_rate}^{\lfloor t / \mathtt{step\_size} \rfloor}`.

    Raises:
        ValueError: ``step_size`` is not positive.

    Example:
        >>> optim.step_decay(0.1, 0.5, 10)(mx.array(15))
        array(0.05, dtype=float32)
    """
    _require_positive("step_size", step_size)

    def schedule(step: Any) -> Any:
        return init * decay_rate ** (step // step_size)

    return schedule


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Schedule:
    r"""Return the schedule that falls from ``init`` to ``end`` as a cosine, then stays:
    :math:`\mathtt{end} + \frac12 (\mathtt{init} - \mathtt{end})
    (1 + \cos(\pi \min(t, T) / T))`.

    Args:
        init: the first value.
        decay_steps: :math:`T`.
        end: the last value.

    Raises:
        ValueError: ``decay_steps`` is not positive.

    Source: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983.

    Example:
        >>> optim.cosine_decay(0.1, 10)(mx.array(5))
        array(0.05, dtype=float32)
    """
    _require_positive("decay_steps", decay_steps)

    def schedule(step: Any) -> Any:
        time = mx.minimum(step, decay_steps)
        decay = 0.5 * (1.0 + mx.cos((math.pi / decay_steps) * time))
        return end + decay * (init - end)

    return schedule


def linear_schedule(init: float, end: float, steps: int) -> Schedule:
    r"""Return the schedule that goes from ``init`` to ``end`` in a line, then stays:
    :math:`\mathtt{init} + (\mathtt{end} - \mathtt{init}) \min(t, T) / T`.

    Args:
        init: the first value.
        end: the last value.
        steps: :math:`T`.

    Raises:
        ValueError: ``steps`` is not positive.

    Example:
        >>> optim.linear_schedule(0.0, 0.1, 10)(mx.array(5))
        array(0.05, dtype=float32)
    """
    _require_positive("steps", steps)

    def schedule(step: Any) -> Any:
        return mx.minimum(step, steps) * ((end - init) / steps) + init

    return schedule


def join_schedules(schedules: List[Schedule], boundaries: List[int]) -> Schedule:
    """Return the schedule that follows others one after the other.

    Args:
        schedules: the schedules. Each but the first counts its steps from its boundary.
        boundaries: the step at which each but the first begins.

    Raises:
        ValueError: there is no schedule, or the number of boundaries does not fit.

    Example:
        >>> warmup = optim.linear_schedule(0.0, 0.1, 10)
        >>> schedule = optim.join_schedules([warmup, optim.cosine_decay(0.1, 200)], [10])
    """
    if not schedules:
        raise ValueError("Must provide at least 1 schedule to join.")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"Received {len(boundaries)} boundaries but expected {len(schedules) - 1}."
        )

    def schedule(step: Any) -> Any:
        value = schedules[0](step)
        for begin, following in zip(boundaries, schedules[1:]):
            value = mx.where(step < begin, value, following(step - begin))
        return value

    return schedule
