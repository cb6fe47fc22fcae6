"""Formulas of the optimizers: what one step makes of a parameter and of the optimizer's state.

``rate`` is the learning rate, a scalar array; states that change are returned after the parameter.
"""

from __future__ import annotations

from typing import Tuple

import mlx_oxide.core as mx


def moving_average(average: mx.array, value: mx.array, keep: float) -> mx.array:
    """Return ``keep * average + (1 - keep) * value``."""
    return keep * average + (1 - keep) * value


def sgd(gradient: mx.array, parameter: mx.array, rate: mx.array) -> mx.array:
    return parameter - rate * gradient


def sgd_momentum(
    gradient: mx.array,
    parameter: mx.array,
    velocity: mx.array,
    rate: mx.array,
    momentum: float,
    dampening: float,
    nesterov: bool,
) -> Tuple[mx.array, mx.array]:
    if dampening > 0:
        velocity = momentum * velocity + (1 - dampening) * gradient
    else:
        velocity = momentum * velocity + gradient
    update = gradient + momentum * velocity if nesterov else velocity
    return parameter - rate * update, velocity


def rmsprop(
    gradient: mx.array,
    parameter: mx.array,
    square: mx.array,
    rate: mx.array,
    alpha: float,
    eps: float,
) -> Tuple[mx.array, mx.array]:
    square = moving_average(square, mx.square(gradient), alpha)
    return parameter - rate * gradient / (mx.sqrt(square) + eps), square


def adagrad(
    gradient: mx.array, parameter: mx.array, square: mx.array, rate: mx.array, eps: float
) -> Tuple[mx.array, mx.array]:
    square = square + mx.square(gradient)
    return parameter - rate * gradient / (mx.sqrt(square) + eps), square


def adadelta(
    gradient: mx.array,
    parameter: mx.array,
    square: mx.array,
    square_update: mx.array,
    rate: mx.array,
    rho: float,
    eps: float,
) -> Tuple[mx.array, mx.array, mx.array]:
    square = moving_average(square, mx.square(gradient), rho)
    update = mx.sqrt(square_update + eps) / mx.sqrt(square + eps) * gradient
    square_update = moving_average(square_update, mx.square(update), rho)
    return parameter - rate * update, square, square_update


def decay(parameter: mx.array, rate: mx.array, weight_decay: float) -> mx.array:
    """Return the parameter after decoupled weight decay."""
    return parameter * (1 - rate * weight_decay)


def adam(
    gradient: mx.array,
    parameter: mx.array,
    mean: mx.array,
    square: mx.array,
    rate: mx.array,
    betas: Tuple[float, float],
    eps: float,
) -> Tuple[mx.array, mx.array, mx.array]:
    mean = moving_average(mean, gradient, betas[0])
    square = moving_average(square, mx.square(gradient), betas[1])
    return parameter - rate * mean / (mx.sqrt(square) + eps), mean, square


def adam_bias_corrected(
    gradient: mx.array,
    parameter: mx.array,
    mean: mx.array,
    square: mx.array,
    rate: mx.array,
    step: mx.array,
    betas: Tuple[float, float],
    eps: float,
) -> Tuple[mx.array, mx.array, mx.array]:
    beta1, beta2 = betas
    mean = moving_average(mean, gradient, beta1)
    square = moving_average(square, mx.square(gradient), beta2)
    scale_mean = (rate / (1 - beta1**step)).astype(gradient.dtype)
    scale_root = mx.rsqrt(1 - beta2**step).astype(gradient.dtype)
    update = scale_mean * mean / (mx.sqrt(square) * scale_root + eps)
    return parameter - update, mean, square


def adamax(
    gradient: mx.array,
    parameter: mx.array,
    mean: mx.array,
    greatest: mx.array,
    rate: mx.array,
    betas: Tuple[float, float],
    eps: float,
) -> Tuple[mx.array, mx.array, mx.array]:
    mean = moving_average(mean, gradient, betas[0])
    greatest = mx.maximum(betas[1] * greatest, mx.abs(gradient))
    return parameter - rate * mean / (greatest + eps), mean, greatest


def lion(
    gradient: mx.array,
    parameter: mx.array,
    mean: mx.array,
    rate: mx.array,
    betas: Tuple[float, float],
) -> Tuple[mx.array, mx.array]:
    direction = mx.sign(moving_average(mean, gradient, betas[0]))
    return parameter - rate * direction, moving_average(mean, gradient, betas[1])


def root_mean_square(x: mx.array) -> mx.array:
    return mx.sqrt(mx.mean(mx.square(x)))


def adafactor_relative_rate(step: mx.array, warmup: bool) -> mx.array:
    """Return the learning rate that Adafactor takes by itself."""
    return mx.minimum(1e-6 * step if warmup else 1e-2, mx.rsqrt(step))


def adafactor_factored(
    gradient: mx.array,
    squares: mx.array,
    rows: mx.array,
    columns: mx.array,
    keep: mx.array,
) -> Tuple[mx.array, mx.array, mx.array]:
    """Return the unscaled update, from row and column means of the squares."""
    rows = keep * rows + (1 - keep) * mx.mean(squares, axis=-1)
    columns = keep * columns + (1 - keep) * mx.mean(squares, axis=-2)
    row_factor = mx.rsqrt(rows / mx.mean(rows, axis=-1, keepdims=True))
    factor = mx.expand_dims(row_factor, axis=-1) * mx.expand_dims(mx.rsqrt(columns), axis=-2)
    return factor * gradient, rows, columns


def adafactor_full(
    gradient: mx.array, squares: mx.array, average: mx.array, keep: mx.array
) -> Tuple[mx.array, mx.array]:
    """Return the unscaled update, from the squares themselves."""
    average = keep * average + (1 - keep) * squares
    return mx.rsqrt(average) * gradient, average


def clip_by_root_mean_square(update: mx.array, threshold: float) -> mx.array:
    return update / mx.maximum(1.0, root_mean_square(update) / threshold)


_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(x: mx.array, steps: int) -> mx.array:
    """Return a matrix near the nearest one with orthogonal rows or columns.

    The coefficients of the Newton-Schulz iteration push singular values towards 1 quickly
    rather than exactly.
    """
    a, b, c = _NEWTON_SCHULZ
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.T
    x = x / (mx.linalg.norm(x, keepdims=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        polynomial = mx.addmm(b * gram, gram, gram, beta=1.0, alpha=c)
        x = mx.addmm(a * x, polynomial, x, beta=1.0, alpha=1.0)
    return x.T if tall else x


def muon(
    gradient: mx.array,
    parameter: mx.array,
    velocity: mx.array,
    rate: mx.array,
    momentum: float,
    nesterov: bool,
    steps: int,
) -> Tuple[mx.array, mx.array]:
    velocity = momentum * velocity + (1 - momentum) * gradient
    update = gradient * (1 - momentum) + velocity * momentum if nesterov else velocity
    if update.ndim >= 2:
        shape = update.shape
        rate = rate * max(1, shape[-2] / shape[-1]) ** 0.5
        if update.ndim > 2:
            update = orthogonalize(update.reshape(shape[0], -1), steps).reshape(shape)
        else:
            update = orthogonalize(update, steps)
    return parameter - rate * update, velocity


def clip_scale(norm: mx.array, max_norm: float) -> mx.array:
    """Return what to multiply gradients with so that their norm is at most ``max_norm``."""
    return mx.minimum(max_norm / (norm + 1e-6), 1.0)
