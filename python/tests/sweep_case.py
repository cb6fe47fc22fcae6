"""A generated case: what both libraries made of it, and the means to ask for more."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from cases import ALL, SIGNED, UNSIGNED
from comparison import mismatch
from numpy_cases import by_numpy
from readings import leaves_out, readings

OPERATORS = {
    "//": "floor_divide",
    "%": "remainder",
    "<<": "left_shift",
    ">>": "right_shift",
    "/": "divide",
    "**": "power",
}
INTEGERS = ["bool_", *UNSIGNED, *SIGNED]


@dataclass
class Case:
    """A case, what both libraries made of it, and the means to ask MLX for more."""

    source: str
    own: Any
    other: Any
    ask: Callable[[list[str]], list[Any]] = field(repr=False)
    is_reading: bool = False

    @cached_property
    def function(self) -> str:
        """The name of the first function of the module, or of the first method."""
        found = re.search(r"\bmx\.((?:linalg|fft|fast|random)\.\w+|\w+)\(", self.source)
        if found and found[1] not in ("array", "swapaxes", "argsort", "Device", "default_stream"):
            return found[1]
        operator = re.search(r" (//|%|<<|>>|/|\*\*) |inplace\('(//|%|<<|>>|/|\*\*)=", self.source)
        if operator:
            return OPERATORS[operator[1] or operator[2]]
        method = re.search(r"\)\.(\w+)\(", self.source)
        return method[1] if method else ""

    @cached_property
    def message(self) -> str:
        """What MLX's exception says."""
        return self.other[2] if self.other[0] == "error" else ""

    @cached_property
    def dtypes(self) -> set[str]:
        """The dtypes of the case's arrays."""
        return {name for name in ALL if re.search(rf"\b{name}\b", self.source)}

    @property
    def fails(self) -> bool:
        """Whether this library raises."""
        return self.own[0] == "error"

    def raises(self, *classes: str) -> bool:
        """Whether this library raises one of the classes."""
        return self.fails and any(name in self.own[1] for name in classes)

    def agrees_with(self, source: str, loose: bool = False) -> bool:
        """Whether the outcome is MLX's of another case."""
        return not mismatch(self.own, self.ask([source])[0], loose)

    def agrees_with_a_reading(self) -> bool:
        """Whether the outcome is right for the arguments that the given ones stand for."""
        if self.is_reading:
            return False
        from differences import unexplained  # the rules are about cases

        sources = [text for text in readings(self.source) if self.fails or "None" in self.source or not leaves_out(text)]
        pairs = zip(sources, self.ask(sources), strict=True)
        return any(not unexplained(Case(source, self.own, other, self.ask, True)) for source, other in pairs)

    def agrees_with_numpy(self) -> bool:
        """Whether the values are NumPy's."""
        expected = by_numpy(self.source)
        return not isinstance(expected, Exception) and same_values(self.own, expected)


def same_values(own: Any, expected: Any) -> bool:
    """Whether an outcome has the values of NumPy arrays, or of numbers."""
    if own[0] == "value":
        return bool(own[1] == expected)
    if own[0] in ("list", "tuple"):
        return len(own[1]) == len(expected) and all(map(same_values, own[1], expected))
    if own[0] != "array":
        return False
    _, dtype, shape, values = own
    expected = np.asarray(expected)
    if expected.shape != shape:
        return False
    with np.errstate(all="ignore"):
        cast = expected.astype(values.dtype)
    return not mismatch(own, ("array", dtype, shape, cast))


def same_but_dtype(own: Any, other: Any) -> bool:
    """Whether two outcomes are equal, but for the dtypes of arrays."""
    if own[0] != other[0]:
        return False
    if own[0] in ("list", "tuple"):
        return len(own[1]) == len(other[1]) and all(map(same_but_dtype, own[1], other[1]))
    if own[0] not in ("array", "numpy"):
        return not mismatch(own, other)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        return not mismatch(own, (own[0], own[1], other[2], other[3].astype(own[3].dtype)), loose=True)


def shapes(outcome: Any) -> Any:
    """The shapes of the arrays of an outcome."""
    if outcome[0] in ("list", "tuple"):
        return [shapes(part) for part in outcome[1]]
    return outcome[2] if outcome[0] == "array" else outcome[0]
