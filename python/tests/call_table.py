"""Calls generated out of templates, which the tables of rows hold.

A row is a list of templates. Names in braces are slots, filled anew for every call:

    x       the array of the sweep's dtype, shape and layout
    same    another array of that dtype and shape
    y       an array of that dtype whose shape broadcasts with x's
    z       an array of any dtype whose shape broadcasts with x's
    dt      the sweep's dtype, quoted; for arrays of given shapes
    others  see `SLOTS`
"""

from __future__ import annotations

import random

from array_rows import METHODS, OPERATORS
from call_rows import TABLE
from cases import ALL, LAYOUTS

SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (3,), (2, 3), (3, 3), (0, 3), (2, 1, 4), (2, 3, 4)]
# Matrices are drawn more often than what is degenerate.
WEIGHTS = [2, 1, 1, 3, 4, 3, 1, 2, 4]

SLOTS: dict[str, list[str]] = {
    "ax": ["None", "0", "-1", "1", "2", "-3", "7", "-7"],
    "axis": ["0", "-1", "1", "2", "-2", "7"],
    "axes": ["None", "0", "-1", "1", "()", "(0, 1)", "[0]", "(-1, 0)", "(0, 0)", "7", "(0, -9)", "(2, 0)"],
    "flag": ["True", "False"],
    "dtype": [f"mx.{name}" for name in ALL],
    "small": ["0", "1", "2", "3", "-1", "-2", "9"],
    "count": ["0", "1", "2", "5"],
    "shape": ["()", "(0,)", "(3,)", "(2, 3)", "[2, 1]", "(-1, 2)"],
    "newshape": ["-1", "(-1,)", "()", "(1, -1)", "(3, 2)", "(6,)", "(2, -1)", "(4, 6)", "(0, -1)", "(-1, -1)", "(-2, 3)"],
    "scalar": ["0", "1", "-1", "2.5", "True", "3j", "300", "nan", "(2**33)"],
    "number": ["0", "1", "-2", "2.5", "0.25"],
    "index": ["0", "-1", "1", "vec([0, 1], 'int32')", "vec([[0], [-1]], 'int64')", "vec([], 'int32')", "vec([1, 0], 'uint8')", "vec(0, 'uint32')", "vec([0.0])", "vec([True])"],
    "mode": ["'constant'", "'edge'", "'reflect'", "'symmetric'", "'other'"],
    "width": ["0", "1", "2", "(1, 2)", "(1,)", "[(0, 1)]", "[(1, 0), (2, 1)]", "((1, 1), (0, 2), (1, 0))", "-1", "[(1, -1)]"],
    "sections": ["1", "2", "3", "[1]", "[1, 2]", "(0, 9)", "[-1]", "0", "-1", "[]"],
    "reps": ["1", "2", "0", "(2, 1)", "(1, 2, 1)", "[]", "-1"],
    "shift": ["0", "1", "-2", "7", "(1, 2)", "(1,)"],
    "nn": ["None", "1", "2", "3", "5", "8", "0", "-1"],
    "ss": ["None", "(2,)", "(4, 3)", "(3, 5)", "(0, 2)", "(2, 2, 2)"],
    "faxes": ["None", "(-2, -1)", "(0,)", "(-1,)", "(0, 1)", "(0, 0)", "(5,)", "()"],
    "norm": ["'backward'", "'ortho'", "'forward'", "'other'"],
    "ord": ["None", "1", "2", "-1", "-2", "0", "inf", "-inf", "'fro'", "'nuc'", "0.5", "3", "'other'"],
    "side": ["'left'", "'right'"],
    "uplo": ["'L'", "'U'", "'X'"],
    "key": ["mx.random.key(3)", "None"],
    "group": ["None", "32", "64", "128", "16", "7", "0"],
    "bits": ["None", "2", "3", "4", "5", "6", "8", "1", "7", "0"],
    "quantization": ["'affine'", "'mxfp4'", "'mxfp8'", "'nvfp4'", "'other'"],
    "update": ["add", "subtract", "multiply", "divide", "maximum", "minimum"],
    "s": ["np.float32(2.5)", "np.float64(0.5)", "np.float16(1.5)", "np.int64(3)", "np.int8(-2)", "np.uint8(3)", "np.bool_(True)", "np.complex64(1j)"],
    "odd": ["'a'", "None", "[1, 2]", "np.array([1, 2, 3])", "np.array([0.5, 1, 2])", "np.array(2, dtype='int16')", "(1,)", "{}", "object", "(1 << 70)", "[[1, 2], [3]]", "b'x'", "[1.5, True]", "[]", "-(1 << 63)", "mx.float32", "np.array(['a'])", "[None]"],
    "place": ["mx.cpu", "mx.default_stream(mx.cpu)", "mx.Device(mx.cpu, 0)", "None", "other_stream()", "3", "'cpu'"],
}

def _array(dtype: str, shape: tuple[int, ...], layout: str, seed: int) -> str:
    return f"arr('{dtype}', {shape}, '{layout}', {seed})"


def fill(template: str, dtype: str, shape: tuple[int, ...], layout: str, draw: random.Random) -> str:
    """Fill the slots of a template, each appearance by itself."""
    seed = draw.randrange(5)
    partners = [shape, (), shape[1:], tuple(1 for _ in shape), (*shape[:-1], 1) if shape else (2,)]
    text, parts = "", template.split("{")
    text = parts[0]
    for part in parts[1:]:
        slot, _, rest = part.partition("}")
        match slot:
            case "x":
                filled = _array(dtype, shape, layout, seed)
            case "same":
                filled = _array(dtype, shape, draw.choice(LAYOUTS), seed + 5)
            case "y":
                filled = _array(dtype, draw.choice(partners), draw.choice(LAYOUTS), seed + 6)
            case "z":
                filled = _array(draw.choice(ALL), draw.choice(partners), draw.choice(LAYOUTS), seed + 7)
            case "dt":
                filled = repr(dtype)
            case "spd":
                filled = f"spd({dtype!r})"
            case _:
                filled = draw.choice(SLOTS[slot])
        text += filled + rest
    return text


ROWS = {**TABLE, **{f"array.{name}": templates for name, templates in (METHODS | OPERATORS).items()}}

# What is wrong with any function: no arguments, odd ones, too many, unknown names.
WRONG = [
    "mx.{name}()",
    "mx.{name}({{odd}})",
    "mx.{name}({{x}}, {{odd}})",
    "mx.{name}({{x}}, {{y}}, {{odd}})",
    "mx.{name}({{x}}, unknown=1)",
    "mx.{name}({{x}}, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
    "mx.{name}({{x}}, stream={{place}})",
]


# Their state outlives a call, so they are not called with odd arguments.
STATEFUL = {"set_memory_limit", "set_cache_limit", "set_wired_limit", "set_default_device", "set_default_stream", "set_printoptions"}
# What they say of memory is each library's own.
STATEFUL |= {"get_array_buffer_size", "get_active_memory", "get_cache_memory", "get_memory_limit", "get_peak_memory"}
# Factors are unique but for signs and order, so the rows compare what is unique in them.
# Partitions leave the order within both sides open.
FACTORS = {"partition", "argpartition", "topk", "linalg.eig", "linalg.eigvals", "linalg.eigh", "linalg.svd", "linalg.qr"}


def row(name: str) -> list[str]:
    """The templates of a name: those of its table and the ones that are wrong for any function."""
    if name.startswith("array."):
        method = name.removeprefix("array.")
        wrong = [] if method not in METHODS else [f"{{x}}.{method}({{odd}})", f"{{x}}.{method}({{axis}}, {{odd}})", f"{{x}}.{method}(unknown=1)"]
        return [*ROWS[name], *wrong]
    if name in STATEFUL:
        return ROWS[name]
    wrong = ["mx.{name}()", "mx.{name}({{odd}})", "mx.{name}({{x}}, unknown=1)"] if name in FACTORS else WRONG
    return [*ROWS[name], *(template.format(name=name) for template in wrong)]


def sweep(name: str, rounds: int, seed: int = 0) -> list[str]:
    """Calls of a function: every template with every dtype, `rounds` times with drawn arguments."""
    draw = random.Random(f"{name} {seed}")
    sources: dict[str, None] = {}
    for template in row(name):
        for dtype in ALL:
            for shape in draw.choices(SHAPES, WEIGHTS, k=rounds):
                sources[fill(template, dtype, shape, draw.choice(LAYOUTS), draw)] = None
    return list(sources)
