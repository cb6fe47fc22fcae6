"""How two outcomes of a case compare: the same dtype, shape and values, or the same exception."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# Relative error of a few roundings in each dtype.
TOLERANCE = {
    "float16": 4e-3,
    "bfloat16": 3e-2,
    "float32": 1e-5,
    "float64": 1e-12,
    "complex64": 2e-5,
}


# Numbers below these count as zero, where roundings cancel.
TINY = {"float16": 1e-7, "bfloat16": 1e-7, "float32": 1e-12, "float64": 1e-15, "complex64": 1e-12}


def _arrays(own: Any, other: Any, loose: bool) -> str:
    _, own_dtype, own_shape, own_values = own
    _, dtype, shape, values = other
    if own_dtype != dtype:
        return f"dtype: {own_dtype} instead of {dtype}"
    if own_shape != shape:
        return f"shape: {own_shape} instead of {shape}"
    if dtype not in TOLERANCE:
        return "" if np.array_equal(own_values, values) else f"values: {own_values} instead of {values}"
    rtol = max(TOLERANCE[dtype], TOLERANCE["float32"] if loose else 0.0)
    with np.errstate(all="ignore"):
        wide = np.complex128 if dtype == "complex64" else np.float64
        finite = np.abs(values.astype(wide))
        scale = finite[np.isfinite(finite)].max(initial=0.0)
        close = np.isclose(own_values.astype(wide), values.astype(wide), rtol, rtol * scale + TINY[dtype], equal_nan=True)
    return "" if close.all() else f"values: {own_values} instead of {values}"


def _plain(own: Any, other: Any) -> bool:
    """Equality of numbers and lists of them; NaN equals itself, and 1 is neither 1.0 nor True."""
    if type(own) is not type(other):
        return False
    if isinstance(own, float):
        return own == other or math.isclose(own, other, rel_tol=1e-5) or (own != own and other != other)
    if isinstance(own, complex):
        return _plain(own.real, other.real) and _plain(own.imag, other.imag)
    if isinstance(own, list | tuple):
        return len(own) == len(other) and all(map(_plain, own, other))
    return bool(own == other)


def mismatch(own: Any, other: Any, loose: bool = False) -> str:
    """What differs between this library's outcome and MLX's; empty if nothing does.

    With `loose`, `float64` need only agree to the accuracy of `float32`.
    """
    kind = own[0]
    if kind in ("panic", "died", "hung"):
        return f"{kind}: {own[1:]} instead of {str(other)[:200]}"
    if other[0] in ("died", "hung"):
        return f"apple {other[0]}: here {str(own)[:200]}"
    if other[0] == "error":
        if kind != "error":
            return f"no error: {str(own)[:200]} instead of {other[1][0]} {other[2][:200]}"
        if other[1][0] not in own[1]:
            return f"class: {own[1][0]} {own[2][:150]} instead of {other[1][0]} {other[2][:150]}"
        return ""
    if kind == "error":
        return f"error: {own[1][0]} {own[2][:200]} instead of {str(other)[:200]}"
    if kind != other[0]:
        return f"kind: {str(own)[:200]} instead of {str(other)[:200]}"
    if kind in ("array", "numpy"):
        return _arrays(own, other, loose)
    if kind in ("list", "tuple"):
        if len(own[1]) != len(other[1]):
            return f"length: {len(own[1])} instead of {len(other[1])}"
        return "; ".join(filter(None, (mismatch(*pair, loose) for pair in zip(own[1], other[1], strict=True))))
    if kind == "dict":
        if list(own[1]) != list(other[1]):
            return f"keys: {list(own[1])} instead of {list(other[1])}"
        return "; ".join(filter(None, (mismatch(own[1][key], part, loose) for key, part in other[1].items())))
    if kind == "function" or _plain(own[1], other[1]):
        return ""
    return f"value: {own[1]!r} instead of {other[1]!r}"
