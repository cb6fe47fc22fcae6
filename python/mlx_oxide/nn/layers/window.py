"""Reading the sizes of kernels, strides and paddings from arguments."""

from __future__ import annotations

from typing import Any, Tuple


def per_axis(layer: str, name: str, value: Any, axes: int) -> Tuple[int, ...]:
    """Spread an integer over the spatial axes, or check that there is one for each.

    Raises:
        ValueError: the value is neither an integer nor ``axes`` of them.
    """
    if _is_integer(value):
        return (value,) * axes
    if isinstance(value, (list, tuple)) and len(value) == axes and all(map(_is_integer, value)):
        return tuple(value)
    plural = "" if axes == 1 else "s"
    raise ValueError(
        f"[{layer}] {name!r} must be an integer or a tuple containing {axes} integer{plural}"
    )


def require_at_least(layer: str, name: str, value: Tuple[int, ...], least: int) -> None:
    """Raise a ValueError if an entry is below ``least``, which is 0 or 1."""
    if min(value) < least:
        sign = "positive" if least else "non-negative"
        raise ValueError(f"[{layer}] {name!r} must be {sign} but got {value}.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
