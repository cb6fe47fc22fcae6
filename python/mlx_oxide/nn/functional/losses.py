"""Formulas of the losses, one value for each place; documented in `nn.losses`."""

from __future__ import annotations

import math

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.activations import log_normalizer


def cross_entropy(
    logits: mx.array,
    targets: mx.array,
    axis: int,
    label_smoothing: float,
    targets_are_probabilities: bool,
) -> mx.array:
    greatest, normalizer = log_normalizer(logits, axis)
    if targets_are_probabilities:
        score = mx.sum((logits - greatest) * targets, axis=axis)
    else:
        score = mx.take_along_axis(logits, mx.expand_dims(targets, axis), axis) - greatest
        score = score.squeeze(axis)
    normalizer = normalizer.squeeze(axis)
    if label_smoothing == 0:
        return normalizer - score
    mean = (logits - greatest).mean(axis=axis)
    return normalizer - (1 - label_smoothing) * score - label_smoothing * mean


def binary_cross_entropy(inputs: mx.array, targets: mx.array, with_logits: bool) -> mx.array:
    if with_logits:
        return mx.logaddexp(0.0, inputs) - inputs * targets
    log_inputs = mx.maximum(mx.log(inputs), -100)
    log_rest = mx.maximum(mx.log(1 - inputs), -100)
    return -(targets * log_inputs + (1 - targets) * log_rest)


def l1(predictions: mx.array, targets: mx.array) -> mx.array:
    return mx.abs(predictions - targets)


def mse(predictions: mx.array, targets: mx.array) -> mx.array:
    return mx.square(predictions - targets)


def nll(inputs: mx.array, targets: mx.array, axis: int) -> mx.array:
    return -mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis).squeeze(axis)


def gaussian_nll(
    inputs: mx.array, targets: mx.array, variances: mx.array, full: bool, eps: float
) -> mx.array:
    variances = mx.maximum(variances, eps)
    loss = 0.5 * (mx.log(variances) + mx.square(targets - inputs) / variances)
    return loss + 0.5 * math.log(2 * math.pi) if full else loss


def kl_div(inputs: mx.array, targets: mx.array, axis: int) -> mx.array:
    return mx.sum(mx.exp(targets) * (targets - inputs), axis=axis)


def smooth_l1(predictions: mx.array, targets: mx.array, beta: float) -> mx.array:
    distance = mx.abs(predictions - targets)
    return mx.where(
        distance < beta, 0.5 * mx.square(distance) / beta, distance - 0.5 * beta
    )


def triplet(
    anchors: mx.array,
    positives: mx.array,
    negatives: mx.array,
    axis: int,
    p: float,
    margin: float,
    eps: float,
) -> mx.array:
    def distance(others: mx.array) -> mx.array:
        return (mx.sum(mx.abs(anchors - others) ** p, axis=axis) + eps) ** (1 / p)

    return mx.maximum(distance(positives) - distance(negatives) + margin, 0)


def hinge(inputs: mx.array, targets: mx.array) -> mx.array:
    return mx.maximum(1 - inputs * targets, 0)


def huber(inputs: mx.array, targets: mx.array, delta: float) -> mx.array:
    distance = mx.abs(inputs - targets)
    quadratic = mx.minimum(distance, delta)
    return 0.5 * quadratic**2 + delta * (distance - quadratic)


def log_cosh(inputs: mx.array, targets: mx.array) -> mx.array:
    errors = inputs - targets
    return mx.logaddexp(errors, -errors) - math.log(2)


def cosine_similarity(x1: mx.array, x2: mx.array, axis: int, eps: float) -> mx.array:
    lengths = mx.linalg.norm(x1, axis=axis) * mx.linalg.norm(x2, axis=axis)
    return mx.sum(x1 * x2, axis=axis) / mx.maximum(lengths, eps)


def margin_ranking(
    inputs1: mx.array, inputs2: mx.array, targets: mx.array, margin: float
) -> mx.array:
    return mx.maximum(0, -targets * (inputs1 - inputs2) + margin)
