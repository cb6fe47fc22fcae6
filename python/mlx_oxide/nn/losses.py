r"""Losses. Each is computed place by place and then, by ``reduction``, left so (``"none"``),
averaged (``"mean"``) or added up (``"sum"``); any other reduction raises a ValueError.
"""

from __future__ import annotations

from typing import Literal, Optional

import mlx_oxide.core as mx
from mlx_oxide.nn.functional import losses as formulas

__all__ = [
    "binary_cross_entropy",
    "cosine_similarity_loss",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_loss",
    "huber_loss",
    "kl_div_loss",
    "l1_loss",
    "log_cosh_loss",
    "margin_ranking_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
    "triplet_loss",
]

Reduction = Literal["none", "mean", "sum"]


def _reduce(loss: mx.array, reduction: Reduction = "none") -> mx.array:
    if reduction == "mean":
        return mx.mean(loss)
    if reduction == "sum":
        return mx.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError("Invalid reduction. Must be one of ('none', 'mean', 'sum').")


def _require_equal_shapes(a_name: str, a: mx.array, b_name: str, b: mx.array) -> None:
    if a.shape != b.shape:
        raise ValueError(f"{a_name} shape {a.shape} does not match {b_name} shape {b.shape}.")


def _weighted(loss: mx.array, weights: Optional[mx.array]) -> mx.array:
    if weights is None:
        return loss
    if weights.shape != loss.shape:
        raise ValueError(
            f"Weights with shape {weights.shape} is not the same as "
            f"output loss with shape {loss.shape}."
        )
    return loss * weights


def cross_entropy(
    logits: mx.array,
    targets: mx.array,
    weights: Optional[mx.array] = None,
    axis: int = -1,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    r"""Cross entropy of classes given by logits: :math:`-\log \mathrm{softmax}(x)_t`, or
    :math:`-\sum_c t_c \log \mathrm{softmax}(x)_c`.

    Args:
        logits: unnormalized log probabilities of the classes along ``axis``.
        targets: class indices, of the shape of ``logits`` without ``axis``; or probabilities, of
            its whole shape.
        weights: multiplied with the losses, one for each.
        axis: the axis of the classes.
        label_smoothing: how much of the target to spread evenly over all classes, in [0, 1).

    Raises:
        ValueError: shapes that do not fit, a smoothing outside [0, 1), or class indices that are
            no integers.

    Example:
        >>> nn.losses.cross_entropy(mx.array([[2.0, -1.0]]), mx.array([0]))
        array([0.0485873], dtype=float32)
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"Label smoothing must be in [0, 1), got {label_smoothing}.")
    probabilities = targets.ndim == logits.ndim
    if probabilities:
        fits = targets.shape == logits.shape
    else:
        without_axis = list(logits.shape)
        if -logits.ndim <= axis < logits.ndim:
            del without_axis[axis]
        fits = list(targets.shape) == without_axis or axis not in range(
            -logits.ndim, logits.ndim
        )
    if not fits:
        raise ValueError(
            f"Targets shape {targets.shape} does not match logits shape {logits.shape}."
        )
    if not probabilities and not mx.issubdtype(targets.dtype, mx.integer):
        raise ValueError(f"Class indices must be integers but the targets are {targets.dtype}.")
    loss = formulas.cross_entropy(logits, targets, axis, label_smoothing, probabilities)
    return _reduce(_weighted(loss, weights), reduction)


def binary_cross_entropy(
    inputs: mx.array,
    targets: mx.array,
    weights: Optional[mx.array] = None,
    with_logits: bool = True,
    reduction: Reduction = "mean",
) -> mx.array:
    r"""Cross entropy of two classes: :math:`-t \log p - (1 - t) \log (1 - p)`.

    Args:
        inputs: logits, :math:`p = \sigma(x)`; or :math:`p` itself, whose logarithms are then
            taken to be no less than -100.
        targets: the probabilities :math:`t`, of the shape of ``inputs``.
        weights: multiplied with the losses, one for each.
        with_logits: whether ``inputs`` are logits.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> nn.losses.binary_cross_entropy(mx.array([0.0]), mx.array([1]))
        array(0.693147, dtype=float32)
    """
    _require_equal_shapes("Inputs", inputs, "targets", targets)
    loss = formulas.binary_cross_entropy(inputs, targets, with_logits)
    return _reduce(_weighted(loss, weights), reduction)


def l1_loss(
    predictions: mx.array, targets: mx.array, reduction: Reduction = "mean"
) -> mx.array:
    """Absolute error :math:`|x - t|`. Raises a ValueError for unequal shapes.

    Example:
        >>> nn.losses.l1_loss(mx.array([1.0, 3.0]), mx.array([0.0, 0.0]))
        array(2, dtype=float32)
    """
    _require_equal_shapes("Predictions", predictions, "targets", targets)
    return _reduce(formulas.l1(predictions, targets), reduction)


def mse_loss(
    predictions: mx.array, targets: mx.array, reduction: Reduction = "mean"
) -> mx.array:
    """Squared error :math:`(x - t)^2`. Raises a ValueError for unequal shapes.

    Example:
        >>> nn.losses.mse_loss(mx.array([1.0, 3.0]), mx.array([0.0, 0.0]))
        array(5, dtype=float32)
    """
    _require_equal_shapes("Predictions", predictions, "targets", targets)
    return _reduce(formulas.mse(predictions, targets), reduction)


def nll_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """Negative log likelihood :math:`-x_t` of classes given by log probabilities.

    Args:
        inputs: log probabilities along ``axis``.
        targets: class indices, of the shape of ``inputs`` without ``axis``.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> nn.losses.nll_loss(mx.array([[-0.5, -1.0]]), mx.array([1]))
        array([1], dtype=float32)
    """
    return _reduce(formulas.nll(inputs, targets, axis), reduction)


def gaussian_nll_loss(
    inputs: mx.array,
    targets: mx.array,
    vars: mx.array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> mx.array:
    r"""Negative log likelihood of normal distributions:
    :math:`\frac12 (\log v + (t - x)^2 / v)`, :math:`v = \max(\mathtt{vars}, \epsilon)`.

    Args:
        inputs: the means.
        targets: the samples, of the same shape.
        vars: the variances, of the same shape.
        full: whether to add the constant :math:`\frac12 \log 2 \pi`.
        eps: the least variance, :math:`\epsilon`.

    Raises:
        ValueError: unequal shapes.

    Source: Nix and Weigend, ICNN 1994.

    Example:
        >>> one = mx.array([1.0])
        >>> nn.losses.gaussian_nll_loss(one, one, one)
        array(0, dtype=float32)
    """
    _require_equal_shapes("Inputs", inputs, "targets", targets)
    _require_equal_shapes("Inputs", inputs, "vars", vars)
    return _reduce(formulas.gaussian_nll(inputs, targets, vars, full, eps), reduction)


def kl_div_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    r"""Kullback-Leibler divergence :math:`\sum_c e^{t_c} (t_c - x_c)` of log probabilities.

    Args:
        inputs, targets: log probabilities along ``axis``; the shapes must broadcast, else a
            ValueError is raised.

    Example:
        >>> p = mx.log(mx.array([0.5, 0.5]))
        >>> nn.losses.kl_div_loss(p, p)
        array(0, dtype=float32)
    """
    return _reduce(formulas.kl_div(inputs, targets, axis), reduction)


def smooth_l1_loss(
    predictions: mx.array,
    targets: mx.array,
    beta: float = 1.0,
    reduction: Reduction = "mean",
) -> mx.array:
    r""":math:`\frac12 d^2 / \beta` where :math:`d = |x - t| < \beta`, else
    :math:`d - \frac12 \beta`. Raises a ValueError for unequal shapes.

    Source: Girshick, Fast R-CNN, https://arxiv.org/abs/1504.08083.

    Example:
        >>> nn.losses.smooth_l1_loss(mx.array([2.0]), mx.array([0.0]))
        array(1.5, dtype=float32)
    """
    _require_equal_shapes("Predictions", predictions, "targets", targets)
    return _reduce(formulas.smooth_l1(predictions, targets, beta), reduction)


def triplet_loss(
    anchors: mx.array,
    positives: mx.array,
    negatives: mx.array,
    axis: int = -1,
    p: int = 2,
    margin: float = 1.0,
    eps: float = 1e-6,
    reduction: Reduction = "none",
) -> mx.array:
    r""":math:`\max(d(A, P) - d(A, N) + \mathtt{margin}, 0)`, where
    :math:`d(x, y) = (\sum |x - y|^p + \epsilon)^{1 / p}` along ``axis``.

    The shapes must broadcast, else a ValueError is raised.

    Source: Balntas et al., BMVC 2016.

    Example:
        >>> a, b = mx.array([[0.0]]), mx.array([[5.0]])
        >>> nn.losses.triplet_loss(a, a, b)
        array([0], dtype=float32)
    """
    loss = formulas.triplet(anchors, positives, negatives, axis, p, margin, eps)
    return _reduce(loss, reduction)


def hinge_loss(
    inputs: mx.array, targets: mx.array, reduction: Reduction = "none"
) -> mx.array:
    r""":math:`\max(1 - x t, 0)` for targets of -1 or 1. The shapes must broadcast, else a
    ValueError is raised.

    Example:
        >>> nn.losses.hinge_loss(mx.array([0.5]), mx.array([1.0]))
        array([0.5], dtype=float32)
    """
    return _reduce(formulas.hinge(inputs, targets), reduction)


def huber_loss(
    inputs: mx.array, targets: mx.array, delta: float = 1.0, reduction: Reduction = "none"
) -> mx.array:
    r""":math:`\frac12 d^2` where :math:`d = |x - t| \le \delta`, else
    :math:`\delta (d - \frac12 \delta)`. The shapes must broadcast, else a ValueError is raised.

    Source: Huber, Annals of Mathematical Statistics 35, 1964.

    Example:
        >>> nn.losses.huber_loss(mx.array([3.0]), mx.array([0.0]))
        array([2.5], dtype=float32)
    """
    return _reduce(formulas.huber(inputs, targets, delta), reduction)


def log_cosh_loss(
    inputs: mx.array, targets: mx.array, reduction: Reduction = "none"
) -> mx.array:
    r""":math:`\log \cosh(x - t)`: nearly squared for small errors, absolute for great ones.

    The shapes must broadcast, else a ValueError is raised.

    Example:
        >>> nn.losses.log_cosh_loss(mx.array([1.0]), mx.array([1.0]))
        array([0], dtype=float32)
    """
    return _reduce(formulas.log_cosh(inputs, targets), reduction)


def cosine_similarity_loss(
    x1: mx.array,
    x2: mx.array,
    axis: int = 1,
    eps: float = 1e-8,
    reduction: Reduction = "none",
) -> mx.array:
    r""":math:`x_1 \cdot x_2 / \max(\|x_1\| \|x_2\|, \epsilon)` along ``axis``.

    Example:
        >>> nn.losses.cosine_similarity_loss(mx.array([[1.0, 0.0]]), mx.array([[2.0, 0.0]]))
        array([1], dtype=float32)
    """
    return _reduce(formulas.cosine_similarity(x1, x2, axis, eps), reduction)


def margin_ranking_loss(
    inputs1: mx.array,
    inputs2: mx.array,
    targets: mx.array,
    margin: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    r""":math:`\max(0, -t (x_1 - x_2) + \mathtt{margin})`: :math:`t = 1` asks for
    :math:`x_1 > x_2`, -1 for the contrary. Raises a ValueError for unequal shapes.

    Example:
        >>> nn.losses.margin_ranking_loss(mx.array([1.0]), mx.array([3.0]), mx.array([1]))
        array([2], dtype=float32)
    """
    if not inputs1.shape == inputs2.shape == targets.shape:
        raise ValueError(
            f"The shapes of the arguments do not match. The provided shapes are "
            f"inputs1.shape={inputs1.shape}, inputs2.shape={inputs2.shape}, and "
            f"targets.shape={targets.shape}."
        )
    return _reduce(formulas.margin_ranking(inputs1, inputs2, targets, margin), reduction)
