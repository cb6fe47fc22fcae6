"""Changing the spatial size of signals, images and volumes."""

from __future__ import annotations

from typing import Any, Literal, Tuple, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.functional.upsample import (
    upsample_cubic,
    upsample_linear,
    upsample_nearest,
)
from mlx_oxide.nn.layers.base import Module

__all__ = ["Upsample", "upsample_cubic", "upsample_linear", "upsample_nearest"]


class Upsample(Module):
    r"""Resample the axes between the first and the last.

    An axis of size :math:`L` becomes one of size :math:`\lfloor s L \rfloor`. The centres of
    both grids coincide, or their ends if ``align_corners``.

    Source of the cubic kernel: Keys, IEEE Transactions on Acoustics, Speech, and Signal
    Processing 29, 1981; its coefficient is -0.75, and -0.5 with ``antialias``.

    Args:
        scale_factor: :math:`s`, for all spatial axes or one for each.
        mode: ``"nearest"``, ``"linear"`` (bilinear for images, …) or ``"cubic"``.
        align_corners: whether the first and last outputs are the first and last inputs.
        antialias: whether to widen the kernel where an axis shrinks, so that every input counts.

    Raises:
        ValueError: the mode is unknown; a factor is negative; ``antialias`` together with
            ``"nearest"`` or ``align_corners``; in the call, ``x`` has no spatial axis or not as
            many as there are factors.

    Example:
        >>> nn.Upsample(2)(mx.array([1.0, 2.0]).reshape(1, 2, 1)).flatten()
        array([1, 1, 2, 2], dtype=float32)
    """

    def __init__(
        self,
        scale_factor: Union[float, Tuple[float, ...]],
        mode: Literal["nearest", "linear", "cubic"] = "nearest",
        align_corners: bool = False,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(f"[Upsample] Got unsupported upsampling algorithm: {mode}")
        if antialias and mode == "nearest":
            raise ValueError(
                "[Upsample] Antialiasing is not supported for nearest neighbor upsampling"
            )
        if antialias and align_corners:
            raise ValueError(
                "[Upsample] antialias=True with align_corners=True is not supported. "
                "Use align_corners=False for antialiased interpolation."
            )
        factors: Any = scale_factor
        if isinstance(factors, (list, tuple)):
            factors = tuple(map(float, factors))
        else:
            factors = float(factors)
        if min(factors if isinstance(factors, tuple) else (factors,)) < 0:
            raise ValueError(f"[Upsample] scale_factor must not be negative but got {factors}.")
        self.scale_factor = factors
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def _extra_repr(self) -> str:
        antialias = ", antialias=True" if self.antialias else ""
        return (
            f"scale_factor={self.scale_factor}, mode={self.mode!r}, "
            f"align_corners={self.align_corners}{antialias}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        axes = x.ndim - 2
        if axes < 1:
            raise ValueError(
                "[Upsample] The input should have at least 1 spatial dimension which means it "
                f"should be at least 3D but {x.ndim}D was provided"
            )
        factors = self.scale_factor
        if not isinstance(factors, tuple):
            factors = (factors,) * axes
        elif len(factors) != axes:
            raise ValueError(
                "[Upsample] One scale per spatial dimension is required but "
                f"scale_factor={factors} and the number of spatial dimensions were {axes}"
            )
        if 0 in factors and self.mode != "nearest":
            # No output has a place; the empty ones are alike in every mode.
            return upsample_nearest(x, factors).astype(mx.result_type(x, mx.float32))
        if self.mode == "nearest":
            return upsample_nearest(x, factors)
        if self.mode == "linear":
            return upsample_linear(x, factors, self.align_corners, self.antialias)
        return upsample_cubic(x, factors, self.align_corners, self.antialias)
