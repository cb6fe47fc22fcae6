"""NumPy as a second opinion: cases run with NumPy's functions under MLX's names."""

from __future__ import annotations

import re
import types
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special
from cases import assigned, inplace, numbers, updated


def _dtype(name: str) -> Any:
    return {"bool_": bool, "bfloat16": np.float32}.get(name, name)


def _array(dtype: str, shape: tuple[int, ...], layout: str = "plain", seed: int = 0) -> np.ndarray:
    if layout == "broadcast" and shape:
        return np.broadcast_to(numbers(dtype.replace("128", "64"), (1, *shape[1:]), seed), shape).astype(_dtype(dtype))
    values = numbers(dtype.replace("128", "64"), shape, seed)
    return values.astype(_dtype(dtype))


def _vector(values: Any, dtype: str = "float32") -> np.ndarray:
    return np.array(values).astype(_dtype(dtype))


def _starts(array: np.ndarray, start: Any, axes: Any, sizes: list[int]) -> tuple[slice, ...]:
    """The part of the sizes that begins at `start`, moved back until it fits."""
    parts = [slice(0, size) for size in sizes]
    for axis, place in zip(axes, np.ravel(start), strict=True):
        size = sizes[axis]
        first = int(np.clip(int(place), 0, array.shape[axis] - size))
        parts[axis] = slice(first, first + size)
    return tuple(parts)


def _slice(array: np.ndarray, start: Any, axes: Any, sizes: Any) -> np.ndarray:
    return array[_starts(array, start, axes, list(sizes))]


def _slice_update(array: np.ndarray, update: np.ndarray, start: Any, axes: Any) -> np.ndarray:
    result = array.copy()
    sizes = [1] * (array.ndim - update.ndim) + list(update.shape)
    result[_starts(array, start, axes, sizes)] = update
    return result


def _put_along_axis(array: np.ndarray, indices: Any, values: Any, axis: int | None = None) -> np.ndarray:
    result = array.copy()
    np.put_along_axis(result, indices, values, axis)
    return result


def _lower(matrix: np.ndarray, upper: bool = False) -> np.ndarray:
    return np.triu(matrix) if upper else np.tril(matrix)


def _cholesky(matrix: np.ndarray, upper: bool = False) -> np.ndarray:
    factor = np.linalg.cholesky(matrix)
    return np.conj(np.swapaxes(factor, -1, -2)) if upper else factor


def _cholesky_inv(factor: np.ndarray, upper: bool = False) -> np.ndarray:
    factor = _lower(factor, upper)
    adjoint = np.conj(np.swapaxes(factor, -1, -2))
    return np.linalg.inv(adjoint @ factor if upper else factor @ adjoint)


def _svd(matrix: np.ndarray, compute_uv: bool = True) -> Any:
    return np.linalg.svd(matrix, compute_uv=compute_uv)


# Factors and spectra, whose complex ones MLX refuses.
_LINALG = {
    **{name: getattr(np.linalg, name) for name in "inv det slogdet solve pinv eig eigvals eigh eigvalsh qr".split()},
    "cholesky": _cholesky,
    "cholesky_inv": _cholesky_inv,
    "tri_inv": lambda matrix, upper=False: np.linalg.inv(_lower(matrix, upper)),
    "solve_triangular": lambda matrix, b, upper=False: np.linalg.solve(_lower(matrix, upper), b),
    "svd": _svd,
    "lu": lambda matrix: scipy.linalg.lu(matrix, p_indices=True),
    "lu_factor": scipy.linalg.lu_factor,
}

_SPECIAL = {
    "erf": scipy.special.erf,
    "erfinv": scipy.special.erfinv,
    "sigmoid": scipy.special.expit,
    "logsumexp": scipy.special.logsumexp,
    "softmax": lambda a, axis=None, precise=False: scipy.special.softmax(a, axis),
    "unique": np.unique,
    "take": np.take,
    "repeat": np.repeat,
    "moveaxis": np.moveaxis,
    "take_along_axis": np.take_along_axis,
    "put_along_axis": _put_along_axis,
    "slice": _slice,
    "slice_update": _slice_update,
}
_SAME = """add subtract multiply divide divmod remainder floor_divide power left_shift right_shift bitwise_left_shift
bitwise_right_shift exp expm1 sin cos tan sinh cosh tanh log log2 log10 log1p logaddexp nan_to_num isclose sqrt arcsin arccos
arctan arcsinh arccosh arctanh arctan2 float16 float32 float64 complex64 bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64""".split()

SHIM = types.SimpleNamespace(
    **{name: getattr(np, name) for name in _SAME},
    **_SPECIAL,
    linalg=types.SimpleNamespace(**_LINALG),
    vecdot=np.vecdot,
    real=np.real,
    abs=np.abs,
    pow=np.power,
    array=lambda values: np.frombuffer(values, "uint8") if isinstance(values, bytes) else np.array(values),
    argsort=np.argsort,
    sort=np.sort,
    bfloat16=np.float32,
)

SCOPE = {
    "spd": lambda dtype: np.array([[4.0, 1, 0.5], [1, 5, 2], [0.5, 2, 6]]).astype(_dtype(dtype)),
    "mx": SHIM,
    "np": np,
    "arr": _array,
    "vec": _vector,
    "assigned": assigned,
    "updated": updated,
    "inplace": inplace,
    "S": slice,
    "nan": np.nan,
    "inf": np.inf,
}


def by_numpy(source: str) -> Any:
    """What NumPy makes of a case: an array or several, or an exception."""
    source = re.sub(r"^(arr\(.*\))\.at\[(.*)\]\.(\w+)\((.*)\)$", r"updated('\3', \1, \2, \4)", source)
    source = re.sub(r", stream=[\w.]+\(?[\w., ]*\)?\)$", ")", source)
    try:
        with np.errstate(all="ignore"):
            return eval(source, dict(SCOPE))  # noqa: S307
    except Exception as error:  # noqa: BLE001
        return error
