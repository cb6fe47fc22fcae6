"""Calls as text, run on either library, and their outcomes as plain data.

A case is a Python expression in `mx`, `np` and `arr`. Text names a call in full, so that it can be
run in another process (some wrong calls end the process of Apple's MLX), and pasted into a shell.
"""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np

BOOL = ["bool_"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
SIGNED = ["int8", "int16", "int32", "int64"]
FLOATING = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64"]
ALL = BOOL + UNSIGNED + SIGNED + FLOATING + COMPLEX
LAYOUTS = ["plain", "transposed", "strided", "reversed", "offset", "broadcast"]


def numbers(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small numbers that every dtype of the kind holds exactly, zeros among them."""
    generator = np.random.default_rng((seed, *shape))
    if dtype == "bool_":
        return generator.integers(0, 2, shape)
    if dtype in UNSIGNED:
        return generator.integers(0, 9, shape)
    if dtype in SIGNED:
        return generator.integers(-9, 9, shape)
    quarters = generator.integers(-12, 12, shape) / 4
    if dtype in COMPLEX:
        return quarters + 1j * generator.integers(-12, 12, shape) / 4
    return quarters


def make(core: Any, values: np.ndarray, dtype: str) -> Any:
    """An array of a dtype from numbers, by way of a dtype that NumPy has."""
    values = np.asarray(values)
    if dtype == "bfloat16":
        return core.array(values.astype(np.float32)).astype(core.bfloat16)
    if dtype == "float64":
        # a NumPy array of doubles becomes float32, so the numbers go one by one
        made = core.array(values.astype(np.float64).ravel().tolist(), dtype=core.float64)
        return made.reshape(values.shape)
    with np.errstate(all="ignore"):
        return core.array(values.astype("bool" if dtype == "bool_" else dtype))


def assigned(array: Any, subscript: Any, value: Any) -> Any:
    """The array after an assignment to a part of it."""
    array[subscript] = value
    return array


def updated(update: str, array: Any, subscript: Any, value: Any) -> Any:
    """The array after an update of a part of it, by an array's `at` or by NumPy."""
    if isinstance(array, np.ndarray):
        given = np.asarray(value).astype(array.dtype)
        if update == "divide" and array.dtype.kind in "ui":
            divisors = np.ones_like(array)
            np.multiply.at(divisors, subscript, given)
            return array // divisors
        result = array.copy()
        getattr(np, update).at(result, subscript, given)
        return result
    return getattr(array.at[subscript], update)(value)


def inplace(operator: str, left: Any, right: Any) -> Any:
    """The left operand after an operator in place."""
    if isinstance(left, np.ndarray):
        return eval(f"left {operator.removesuffix('=')} right")  # noqa: S307
    names = {"left": left, "right": right}
    exec(f"left {operator} right", names)  # noqa: S102
    return names["left"]


def scope(core: Any) -> dict[str, Any]:
    """The names that a case may use."""

    def arr(dtype: str, shape: tuple[int, ...], layout: str = "plain", seed: int = 0) -> Any:
        """An array of a shape whose elements lie in memory by `layout`."""
        if layout == "broadcast" and shape:
            base = make(core, numbers(dtype, (1, *shape[1:]), seed), dtype)
            return core.broadcast_to(base, shape)
        values = numbers(dtype, shape, seed)
        if not shape:
            layout = "plain"
        every = tuple(slice(None, None, 2) for _ in shape)
        if layout == "transposed":
            array = make(core, np.ascontiguousarray(values.T), dtype).T
        elif layout == "strided":
            wide = np.zeros([2 * size for size in shape], values.dtype)
            wide[every] = values
            array = make(core, wide, dtype)[every]
        elif layout == "reversed":
            back = tuple(slice(None, None, -1) for _ in shape)
            array = make(core, values[back], dtype)[back]
        elif layout == "offset":
            inner = tuple(slice(1, None) for _ in shape)
            wide = np.zeros([size + 1 for size in shape], values.dtype)
            wide[inner] = values
            array = make(core, wide, dtype)[inner]
        else:
            array = make(core, values, dtype)
        core.eval(array)
        return array

    def vec(values: Any, dtype: str = "float32") -> Any:
        return make(core, np.array(values), dtype)

    streams: list[Any] = []

    def other_stream() -> Any:
        """A stream beside the default one; always the same, as MLX's streams hold threads."""
        if not streams:
            streams.append(core.new_stream(core.cpu))
        return streams[0]

    def spd(dtype: str) -> Any:
        """A positive definite matrix."""
        return core.array([[4.0, 1, 0.5], [1, 5, 2], [0.5, 2, 6]]).astype(getattr(core, dtype))

    def extreme(dtype: str) -> Any:
        """The least and greatest numbers of a dtype, and those that are printed in their own way."""
        if dtype in FLOATING or dtype in COMPLEX:
            kind = core.finfo(getattr(core, dtype))
            numbers = [0.0, -0.0, math.nan, math.inf, -math.inf, kind.max, kind.min, kind.eps, 1e-3, 1e5, 1e16, 123456.789]
            return core.array(numbers, dtype=getattr(core, dtype))
        if dtype == "bool_":
            return core.array([True, False])
        kind = core.iinfo(getattr(core, dtype))
        return core.array(np.array([kind.min, 0, 7, kind.max], dtype))

    def nested(depth: int) -> list[Any]:
        """Lists in lists."""
        found: list[Any] = []
        for _ in range(depth):
            found = [found]
        return found

    def circular() -> list[Any]:
        """A list that holds itself."""
        found: list[Any] = [1]
        found.append(found)
        return found

    def printed(precision: int, array: Any) -> str:
        with core.printoptions(precision=precision):
            return repr(array)

    return {
        "copy": copy,
        "pickle": pickle,
        "spd": spd,
        "other_stream": other_stream,
        "extreme": extreme,
        "nested": nested,
        "circular": circular,
        "printed": printed,
        "mx": core,
        "np": np,
        "arr": arr,
        "vec": vec,
        "assigned": assigned,
        "updated": updated,
        "inplace": inplace,
        "nan": math.nan,
        "inf": math.inf,
        "S": slice,
    }


def describe(core: Any, result: Any) -> Any:
    """A result as plain data: what can be pickled and compared without either library."""
    if isinstance(result, core.array):
        core.eval(result)
        dtype = str(result.dtype).rsplit(".", 1)[-1]
        shape = tuple(result.shape)
        if dtype == "bfloat16":
            result = result.astype(core.float32)
        return ("array", dtype, shape, np.array(result))
    if isinstance(result, np.ndarray | np.generic):
        return ("numpy", str(result.dtype), result.shape, np.array(result))
    if isinstance(result, list | tuple):
        kind = "tuple" if isinstance(result, tuple) else "list"  # named ones are tuples
        return (kind, [describe(core, part) for part in result])
    if isinstance(result, dict):
        return ("dict", {key: describe(core, part) for key, part in result.items()})
    if isinstance(result, core.Dtype):
        return ("dtype", str(result).rsplit(".", 1)[-1])
    if result is None or isinstance(result, bool | int | float | complex | str | bytes):
        return ("value", result)
    return ("function",) if callable(result) else ("object", type(result).__name__)


def run(core: Any, names: dict[str, Any], source: str) -> Any:
    """The outcome of a case: its result, or what it raises."""
    core.random.seed(0)
    try:
        with np.errstate(all="ignore"):
            return describe(core, eval(source, dict(names)))  # noqa: S307
    except Exception as error:  # noqa: BLE001
        classes = [kind.__name__ for kind in type(error).__mro__]
        return ("error", classes, str(error))
    except BaseException as error:  # a panic is none of the usual exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
        return ("panic", [type(error).__name__], str(error))
