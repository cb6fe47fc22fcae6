"""The same call on both libraries: equal results, or exceptions of the same class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as apple
import numpy as np
from oracle import numpy_of

import mlx_oxide.core as mx

BOOL = ["bool_"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
SIGNED = ["int8", "int16", "int32", "int64"]
HALF = ["float16", "bfloat16"]
FLOATING = [*HALF, "float32", "float64"]
COMPLEX = ["complex64"]
INTEGERS = UNSIGNED + SIGNED
REAL = BOOL + INTEGERS + FLOATING
ALL = REAL + COMPLEX

# Relative error of a few roundings in each dtype.
TOLERANCE = {
    "float16": 4e-3,
    "bfloat16": 3e-2,
    "float32": 4e-6,
    "float64": 1e-12,
    "complex64": 1e-5,
}


def dtype_name(array: Any) -> str:
    return str(array.dtype).rsplit(".", 1)[-1]


def make(core: Any, values: Any, dtype: str) -> Any:
    """Make an array of a dtype from numbers, by way of a dtype that NumPy has."""
    values = np.asarray(values)
    if dtype == "bfloat16":
        return core.array(values.astype(np.float32)).astype(core.bfloat16)
    if dtype == "float64":
        # a NumPy array of doubles becomes float32, so the numbers go one by one
        return core.array(values.astype(np.float64).tolist(), dtype=core.float64).reshape(
            values.shape
        )
    name = "bool" if dtype == "bool_" else dtype
    with np.errstate(all="ignore"):
        return core.array(values.astype(name))


def _settle(core: Any, result: Any) -> Any:
    if isinstance(result, core.array):
        core.eval(result)
        return result
    if isinstance(result, list | tuple):
        return [_settle(core, part) for part in result]
    if isinstance(result, dict):
        return {key: _settle(core, part) for key, part in result.items()}
    return result


def outcome(core: Any, call: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Return the evaluated result of a call, or the exception that it raises."""
    try:
        return _settle(core, call(core, *arguments))
    except Exception as error:  # noqa: BLE001
        return error


def _done(ours: Any) -> bool:
    """Whether the call was done."""
    return not isinstance(ours, Exception)


def _all_are(number: float) -> Callable[[Any], bool]:
    """Whether every element is a number."""
    return lambda ours: _done(ours) and bool(np.all(numpy_of(ours) == number))


def _done_or_refused(ours: Any) -> bool:
    """Whether the call was done, or its converted arguments were refused by what they hold."""
    return _done(ours) or isinstance(ours, TypeError | ValueError | IndexError)


# What Apple's MLX refuses and this library does, by what Apple's says, and what is right instead;
# docs/differences.md has the reasons. The sweeps compare these cases in full, by `differences.py`.
EXTENSIONS: dict[str, Callable[[Any], bool]] = {
    "incompatible function arguments": _done_or_refused,  # one number for a shape, lists for arrays, …
    "std::bad_cast": _done_or_refused,
    "reduce zero size array": _all_are(0),  # argmax along an axis that has elements, of no rows
    "larger than max_size()": _all_are(0),  # argmax of a scalar
    "Does not yet support given type": _done,  # nan_to_num of float64 and complex64
    "[logsumexp] Received empty array": _all_are(-np.inf),  # the logarithm of the empty sum
    "must be used with row contiguous arrays only": _done,  # as_strided of a reversed array
    "[flatten] start_axis must be less than or equal": _done,  # median over no axes
    "Cannot index mlx array using the given type": _done,  # NumPy arrays
    "Slice indices must be integers or None": _done,  # arrays of one integer
    "not a valid PEP 3118 buffer format string": _done,  # NumPy numbers before arrays of bfloat16
    "received in array initialization": _done,  # numbers of NumPy in lists
    "[expm1] Not supported for complex64": _done,
    "object has no attribute": _done,
}


def _check(ours: Any, theirs: Any, rtol: float, atol: float, note: str) -> None:
    if isinstance(theirs, Exception):
        for text, right in EXTENSIONS.items():
            if text in str(theirs):
                assert right(ours) or isinstance(ours, type(theirs)), f"{note}: {ours!r} instead of {theirs!r}"
                return
        assert isinstance(ours, Exception), f"{note}: {ours!r} instead of {theirs!r}"
        assert isinstance(ours, type(theirs)), f"{note}: {ours!r} instead of {theirs!r}"
        return
    if isinstance(ours, Exception):
        raise AssertionError(f"{note}: {ours!r} instead of {theirs!r}") from ours
    if isinstance(theirs, apple.array):
        assert isinstance(ours, mx.array), f"{note}: {ours!r} instead of an array"
        assert dtype_name(ours) == dtype_name(theirs), f"{note}: {ours} instead of {theirs}"
        assert tuple(ours.shape) == tuple(theirs.shape), f"{note}: {ours} instead of {theirs}"
        np.testing.assert_allclose(
            numpy_of(ours), numpy_of(theirs), rtol=rtol, atol=atol, err_msg=note
        )
        return
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), f"{note}: {ours} instead of {theirs}"
        for own, other in zip(ours, theirs, strict=True):
            _check(own, other, rtol, atol, note)
        return
    if isinstance(theirs, apple.Dtype):
        assert str(ours).rsplit(".", 1)[-1] == str(theirs).rsplit(".", 1)[-1], note
        return
    assert ours == theirs, f"{note}: {ours!r} instead of {theirs!r}"


def same(
    call: Callable[..., Any],
    *inputs: tuple[Any, str],
    rtol: float = 0.0,
    atol: float = 0.0,
    note: str = "",
) -> None:
    """Call `call(core, *arrays)` on both libraries with arrays of `inputs`, and compare."""
    own = [make(mx, values, dtype) for values, dtype in inputs]
    other = [make(apple, values, dtype) for values, dtype in inputs]
    with np.errstate(all="ignore"):
        _check(outcome(mx, call, own), outcome(apple, call, other), rtol, atol, note)


def same_text(source: str, *inputs: tuple[Any, str], **options: Any) -> None:
    """Compare an expression in `mx` and the arrays `a`, `b`, `c`."""
    names = ["a", "b", "c", "d"][: len(inputs)]
    code = compile(source, "<case>", "eval")

    def call(core: Any, *arrays: Any) -> Any:
        # one scope, so that names are seen inside comprehensions too
        return eval(code, {"mx": core, "np": np, **dict(zip(names, arrays, strict=True))})  # noqa: S307

    same(call, *inputs, note=source, **options)


# Arrays of every kind of layout, made from an array of shape (4, 6).
LAYOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "contiguous": lambda core, a: a,
    "transposed": lambda core, a: a.T,
    "strided": lambda core, a: a[::2, 1::2],
    "reversed": lambda core, a: a[::-1, ::-2],
    "broadcast": lambda core, a: core.broadcast_to(a[:1], (3, 6)),
    "offset": lambda core, a: a[1:, 2:],
    "vector": lambda core, a: a[1],
    "scalar": lambda core, a: a[2, 3],
    "empty": lambda core, a: a[:0],
    "single": lambda core, a: a[:1, :1],
}


def numbers(dtype: str, seed: int = 0, shape: tuple[int, ...] = (4, 6)) -> np.ndarray:
    """Small numbers that every dtype of its kind holds exactly, zeros among them."""
    generator = np.random.default_rng(seed)
    if dtype == "bool_":
        return generator.integers(0, 2, shape)
    if dtype in UNSIGNED:
        return generator.integers(0, 9, shape)
    if dtype in SIGNED:
        return generator.integers(-9, 9, shape)
    halves = generator.integers(-12, 12, shape) / 4
    if dtype in COMPLEX:
        return halves + 1j * generator.integers(-12, 12, shape) / 4
    return halves
