"""Normalizations over features, positions or the batch."""

from __future__ import annotations

from typing import Any, Tuple

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.normalization import (
    batch_norm,
    batch_norm_in_training,
    batch_statistics,
    group_norm,
    group_norm_contiguous,
    instance_norm,
    layer_norm,
    moving_average,
    narrow,
    rms_norm,
)
from mlx_oxide.nn.layers.base import Module


def _require_features(layer: Module, x: mx.array, features: int) -> None:
    if x.shape[-1:] != (features,):
        raise ValueError(
            f"[{type(layer).__name__}] expects inputs whose last axis has size {features} "
            f"but the input has shape {x.shape}."
        )


class InstanceNorm(Module):
    r"""Normalize each channel of each instance over its positions.

    :math:`y = \gamma\, (x - E[x]) / \sqrt{Var[x] + \epsilon} + \beta` for inputs of shape
    ``(N, …, dims)``, where mean and variance are over the axes in the middle.

    Parameters, if ``affine``: ``weight``, :math:`\gamma`, begins 1; ``bias``, :math:`\beta`,
    begins 0; both of shape ``(dims,)``.

    Source: Ulyanov et al., https://arxiv.org/abs/1607.08022.

    Args:
        dims: size of the last axis.
        eps: :math:`\epsilon`.
        affine: whether to learn :math:`\gamma` and :math:`\beta`.

    Raises:
        ValueError: in the call, ``x`` has fewer than 3 axes or another last one.

    Example:
        >>> nn.InstanceNorm(8)(mx.ones((2, 4, 4, 8))).shape
        (2, 4, 4, 8)
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            self.bias = mx.zeros((dims,))
        self.dims = dims
        self.eps = eps

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        if x.ndim < 3:
            raise ValueError(
                "[InstanceNorm] expects inputs with at least 3 dimensions (N, ..., C) "
                f"but the input has {x.ndim} dimensions."
            )
        _require_features(self, x, self.dims)
        return instance_norm(x, self.get("weight"), self.get("bias"), self.eps)


class LayerNorm(Module):
    r"""Normalize over the last axis:
    :math:`y = \gamma\, (x - E[x]) / \sqrt{Var[x] + \epsilon} + \beta`.

    Parameters: if ``affine``, ``weight``, :math:`\gamma`, begins 1, and unless ``bias`` is
    false, ``bias``, :math:`\beta`, begins 0; both of shape ``(dims,)``.

    Source: Ba et al., https://arxiv.org/abs/1607.06450.

    Args:
        dims: size of the last axis.
        eps: :math:`\epsilon`.
        affine: whether to learn :math:`\gamma` and :math:`\beta`.
        bias: whether to learn :math:`\beta` if ``affine``.

    Raises:
        ValueError: in the call, the last axis of ``x`` is not of size ``dims``.

    Example:
        >>> nn.LayerNorm(2)(mx.array([1.0, 3.0]))
        array([-0.999995, 0.999995], dtype=float32)
    """

    def __init__(
        self, dims: int, eps: float = 1e-5, affine: bool = True, bias: bool = True
    ) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = eps
        self.dims = dims

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        weight = self.get("weight")
        if weight is None:
            _require_features(self, x, self.dims)
        try:
            return layer_norm(x, weight, self.get("bias"), self.eps)
        except ValueError:
            _require_features(self, x, self.dims)
            raise


class RMSNorm(Module):
    r"""Scale by the root of the mean square over the last axis:
    :math:`y = \gamma\, x / \sqrt{E[x^2] + \epsilon}`. The mean is taken in ``float32``.

    Parameter: ``weight``, :math:`\gamma`, of shape ``(dims,)``, begins 1.

    Source: Zhang and Sennrich, https://arxiv.org/abs/1910.07467.

    Args:
        dims: size of the last axis.
        eps: :math:`\epsilon`.

    Raises:
        ValueError: in the call, the last axis of ``x`` is not of size ``dims``.

    Example:
        >>> nn.RMSNorm(2)(mx.array([3.0, 3.0]))
        array([0.999999, 0.999999], dtype=float32)
    """

    def __init__(self, dims: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = eps

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def __call__(self, x: mx.array) -> mx.array:
        try:
            return rms_norm(x, self["weight"], self.eps)
        except ValueError:
            _require_features(self, x, self.weight.shape[0])
            raise


class GroupNorm(Module):
    r"""Normalize each group of channels of each instance over its positions.

    :math:`y = \gamma\, (x - E[x]) / \sqrt{Var[x] + \epsilon} + \beta` for inputs of shape
    ``(N, …, dims)``, where mean and variance are over the axes in the middle and a group.

    Parameters, if ``affine``: ``weight``, :math:`\gamma`, begins 1; ``bias``, :math:`\beta`,
    begins 0; both of shape ``(dims,)``.

    Source: Wu and He, https://arxiv.org/abs/1803.08494.

    Args:
        num_groups: how many groups.
        dims: size of the last axis, a multiple of ``num_groups``.
        eps: :math:`\epsilon`.
        affine: whether to learn :math:`\gamma` and :math:`\beta`.
        pytorch_compatible: whether a group is made of neighbouring channels, as in PyTorch. By
            default it takes every ``num_groups``-th channel.

    Raises:
        ValueError: in the call, the last axis of ``x`` does not divide into the groups or is not
            of size ``dims``.

    Example:
        >>> nn.GroupNorm(4, 8)(mx.ones((2, 4, 4, 8))).shape
        (2, 4, 4, 8)
    """

    def __init__(
        self,
        num_groups: int,
        dims: int,
        eps: float = 1e-5,
        affine: bool = True,
        pytorch_compatible: bool = False,
    ) -> None:
        super().__init__()
        if affine:
            self.bias = mx.zeros((dims,))
            self.weight = mx.ones((dims,))
        self.num_groups = num_groups
        self.dims = dims
        self.eps = eps
        self.pytorch_compatible = pytorch_compatible

    def _extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, "
            f"affine={'weight' in self}, pytorch_compatible={self.pytorch_compatible}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        features = x.shape[-1] if x.ndim > 1 else 0
        if self.num_groups < 1 or features % self.num_groups != 0:
            raise ValueError(
                f"[GroupNorm] The number of features ({features}) must be evenly divisible "
                f"by the number of groups ({self.num_groups})."
            )
        _require_features(self, x, self.dims)
        normalize = group_norm_contiguous if self.pytorch_compatible else group_norm
        return normalize(
            x, self.get("weight"), self.get("bias"), self.num_groups, self.eps
        )


class BatchNorm(Module):
    r"""Normalize each channel over the batch and the positions.

    :math:`y = \gamma\, (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta` for inputs of shape
    ``(N, C)``, ``(N, L, C)`` or ``(N, H, W, C)``. In training mode :math:`\mu` and
    :math:`\sigma^2` are those of the batch; in evaluation mode, if they are tracked, the
    running ones, which each training batch moves by ``momentum``: the mean towards its mean, the
    variance towards its unbiased variance.

    Parameters: if ``affine``, ``weight``, :math:`\gamma`, begins 1, and ``bias``,
    :math:`\beta`, begins 0; if ``track_running_stats``, ``running_mean``, begins 0, and
    ``running_var``, begins 1, both always frozen; all of shape ``(num_features,)``.

    Source: Ioffe and Szegedy, https://arxiv.org/abs/1502.03167.

    Args:
        num_features: size of the last axis, :math:`C`.
        eps: :math:`\epsilon`.
        momentum: how far each batch moves the running statistics.
        affine: whether to learn :math:`\gamma` and :math:`\beta`.
        track_running_stats: whether to keep running statistics.

    Raises:
        ValueError: in the call, ``x`` has not 2, 3 or 4 axes, or another last one, or in training
            mode no more than one value for each channel.

    Example:
        >>> nn.BatchNorm(8)(mx.ones((4, 8))).shape
        (4, 8)
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = mx.ones((num_features,))
            self.bias = mx.zeros((num_features,))
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args: Any, **kwargs: Any) -> "BatchNorm":
        """Unfreeze as :meth:`Module.unfreeze` does, but never the running statistics."""
        super().unfreeze(*args, **kwargs)
        self.freeze(keys=["running_mean", "running_var"], recurse=False)
        return self

    def _extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={'weight' in self}, track_running_stats={self.track_running_stats}"
        )

    def _batch_statistics(self, x: mx.array) -> Tuple[mx.array, mx.array]:
        """Return the mean and variance of a batch, which move the running ones."""
        features = x.shape[-1]
        if self._training and x.size <= features:
            raise ValueError(
                "[BatchNorm] training requires more than one value per channel but the input "
                f"has shape {x.shape}."
            )
        mean, variance = batch_statistics(x, tuple(range(x.ndim - 1)))
        if self.track_running_stats:
            count, momentum = x.size // features, self.momentum
            unbiased = variance * (count / (count - 1))
            self.running_mean = moving_average(
                self["running_mean"], narrow(mean, x), momentum
            )
            self.running_var = moving_average(
                self["running_var"], narrow(unbiased, x), momentum
            )
        return mean, variance

    def __call__(self, x: mx.array) -> mx.array:
        if not 2 <= x.ndim <= 4:
            raise ValueError(
                f"[BatchNorm] Expected input tensor to have 2, 3 or 4 dimensions, but got {x.ndim}"
            )
        _require_features(self, x, self.num_features)
        weight, bias = self.get("weight"), self.get("bias")
        if self.track_running_stats and not self._training:
            statistics = self["running_mean"], self["running_var"]
            return batch_norm(x, *statistics, weight, bias, self.eps)
        statistics = self._batch_statistics(x)
        return batch_norm_in_training(x, *statistics, weight, bias, self.eps)
