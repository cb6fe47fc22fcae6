"""Calls with absurd arguments: sizes that no memory holds, numbers that are none, values of any type.

The cases are text, so that another process runs them, which may end.
"""

from __future__ import annotations

import inspect
import random
from typing import Any

SIZES = ["2**40", "2**62", "2**63 - 1", "-(2**63)", "2**31", "-(2**40)", "2**70", "0", "-1", "7"]
NUMBERS = ["nan", "inf", "-inf", "1e308", "-1e-320", "0.5", "True", "3j", "np.float32('nan')", "np.int64(2**62)"]
SHAPES = ["(2**40,)", "(2**31, 2**31)", "(2**62, 4)", "(0, 2**62)", "(2**40, 0)", "(-1,)", "(3, -(2**63))", "()", "[0]", "(1,) * 70"]
AXES = ["(0, 0)", "[5, -9]", "(2**40,)", "(-1, -2)", "(1, 0)", "[0, 1, 2]", "range(2)"]
THINGS = ["None", "'x' * 999", "''", "b'xyz'", "{}", "object()", "object", "lambda *_: 0", "mx", "...", "slice(None)", "[[]]", "[1, [2]]", "[1, 'a', None]", "set()", "iter([1])"]
NESTED = ["nested(40)", "nested(100_000)", "circular()", "[arr('float32', (2,)), 3, [4]]", "[mx.zeros((0,))] * 3", "[object()] * 9", "{'a': [mx.ones(2), None]}"]
DTYPES = ["mx.float16", "mx.bool_", "mx.complex64", "mx.uint64", "mx.float64", "'float32'", "float"]
ARRAYS = [
    "arr('float32', (2, 3))",
    "arr('float32', (0, 3))",
    "arr('bool_', (3,))",
    "arr('int32', ())",
    "arr('complex64', (3, 3))",
    "arr('uint64', (2, 2)) - 100",
    "arr('float16', (2, 1, 4), 'reversed') * nan",
    "mx.broadcast_to(mx.array(1.0), (2**12, 2**10))",
    "mx.broadcast_to(mx.array(1, mx.int8), (2**22, 2))",
    "mx.zeros((2**40, 0))",
    "mx.array([2**62, -(2**62)], mx.int64)",
    "mx.random.key(0)",
]
POOLS = [SIZES, NUMBERS, SHAPES, AXES, THINGS, NESTED, DTYPES, ARRAYS, ARRAYS, ARRAYS]


def argument(draw: random.Random) -> str:
    return draw.choice(draw.choice(POOLS))


def calls(name: str, function: Any, count: int, seed: int) -> list[str]:
    """Calls of a function: arrays first, then whatever, by place or by the parameters' names."""
    draw = random.Random(f"absurd {name} {seed}")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "stream"]
    required = sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    found = []
    for number in range(count):
        width = required if number % 3 else draw.randint(0, len(parameters))
        first = [draw.choice(ARRAYS) if draw.random() < 0.6 else argument(draw) for _ in range(min(width, 1))]
        placed = first + [argument(draw) for _ in range(width - 1)]
        free = named[width:] if len(named) == len(parameters) else named[-3:]
        keywords = {key: argument(draw) for key in free if draw.random() < 0.4}
        text = ", ".join([*placed, *(f"{key}={value}" for key, value in keywords.items())])
        found.append(f"{name}({text})")
    return found
