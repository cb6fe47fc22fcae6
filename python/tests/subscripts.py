"""Random subscripts as text, for arrays of given shapes."""

from __future__ import annotations

import random

import numpy as np

SHAPES: list[tuple[int, ...]] = [(1,), (4,), (3, 4), (4, 1), (3, 3), (2, 3, 4), (3, 1, 2), (2, 2, 3, 2)]
INDEX_DTYPES = ["int32", "int64", "int8", "uint8", "uint32", "int16", "uint64"]
COMMON_SHAPES: list[tuple[int, ...]] = [(), (1,), (2,), (2,), (3,), (2, 2), (1, 2), (0,)]


def _position(draw: random.Random, size: int) -> int:
    return draw.randrange(-size, size)


def _bound(draw: random.Random, size: int) -> int | None:
    return draw.choice([None, *range(-size - 2, size + 3)])


def _slice(draw: random.Random, size: int) -> str:
    step = draw.choice([None, None, 1, 2, 3, -1, -2])
    return f"S({_bound(draw, size)}, {_bound(draw, size)}, {step})"


def _positions(draw: random.Random, size: int, shape: tuple[int, ...], distinct: bool) -> str:
    """An array of positions along an axis; `distinct` ones name no element twice."""
    count = int(np.prod(shape))
    signed = draw.choice([True, False])
    if distinct:
        found = draw.sample(range(size), count)
        found = [place - size if signed and draw.random() < 0.3 else place for place in found]
    else:
        found = [_position(draw, size) if signed else draw.randrange(size) for _ in range(count)]
    dtypes = [name for name in INDEX_DTYPES if not (signed and name.startswith("u"))]
    return f"vec({np.array(found, int).reshape(shape).tolist()}, '{draw.choice(dtypes)}')"


def _mask(draw: random.Random, size: int) -> str:
    truths = [draw.random() < 0.5 for _ in range(size)]
    return f"vec({truths}, 'bool_')"


def _shape_of_positions(draw: random.Random, common: tuple[int, ...], limit: int, distinct: bool) -> tuple[int, ...]:
    """A shape that broadcasts with the others of the subscript."""
    shape = draw.choice([common, common, common[1:], tuple(1 for _ in common)])
    if distinct and int(np.prod(shape)) > limit:
        return (1,)
    return shape


def subscript(draw: random.Random, shape: tuple[int, ...], *, masks: bool = False, distinct: bool = False) -> str:
    """A subscript that is in bounds, mostly of several parts.

    With `distinct`, arrays of positions name no element twice, so that the order of assignments
    does not matter.
    """
    consumed = draw.randint(0, len(shape))
    ellipsis = consumed < len(shape) and draw.random() < 0.35
    front = draw.randint(0, consumed) if ellipsis else consumed
    axes = [*range(front), *range(len(shape) - (consumed - front), len(shape))]
    kinds = [draw.choice(["position", "slice", "slice", "positions"]) for _ in axes]
    if masks and axes:
        kinds[draw.randrange(len(axes))] = "mask"
        # other arrays would have to broadcast with the count of true elements
        kinds = [kind if kind != "positions" else "slice" for kind in kinds]
    common = draw.choice(COMMON_SHAPES)
    if distinct and kinds.count("positions") > 1:
        common = draw.choice([(), (1,), (2,)])
    parts = []
    for axis, kind in zip(axes, kinds, strict=True):
        size = shape[axis]
        match kind:
            case "position":
                parts.append(str(_position(draw, size)))
            case "slice":
                parts.append(_slice(draw, size))
            case "mask":
                parts.append(_mask(draw, size))
            case _:
                own = common if distinct else _shape_of_positions(draw, common, size, distinct)
                if distinct and int(np.prod(own)) > size:
                    own = (1,)
                parts.append(_positions(draw, size, own, distinct))
    if ellipsis:
        parts.insert(front, "...")
    while draw.random() < 0.2:
        parts.insert(draw.randint(0, len(parts)), "None")
    if len(parts) == 1 and draw.random() < 0.7:
        return parts[0]
    return f"({', '.join(parts)},)" if parts else draw.choice(["...", "()"])


def selected_shape(shape: tuple[int, ...], source: str) -> tuple[int, ...]:
    """The shape of what a subscript selects, by NumPy."""
    names = {"S": slice, "vec": lambda values, dtype: np.array(values).astype("bool" if dtype == "bool_" else dtype)}
    return np.empty(shape)[eval(source, names)].shape  # noqa: S307


def value(draw: random.Random, dtype: str, selected: tuple[int, ...], dtypes: list[str]) -> str:
    """Something to assign to a part of a shape: a number or an array that broadcasts to it."""
    if draw.random() < 0.25:
        return draw.choice(["3", "1", "True", "0", "2.5" if dtype.startswith(("float", "bfloat", "complex")) else "5"])
    drop = draw.randint(0, len(selected)) if draw.random() < 0.3 else 0
    shape = tuple(1 if draw.random() < 0.15 else size for size in selected[drop:])
    other = dtype if draw.random() < 0.7 else draw.choice(dtypes)
    layout = draw.choice(["plain", "transposed", "strided", "reversed", "offset", "broadcast"])
    return f"arr('{other}', {shape}, '{layout}', {draw.randrange(9)})"


def outside(draw: random.Random, shape: tuple[int, ...]) -> str:
    """A subscript of which one position lies outside the array."""
    axis = draw.randrange(len(shape))
    place = draw.choice([shape[axis], shape[axis] + 5, -shape[axis] - 1, 2**31 - 1, -(2**31)])
    part = str(place) if draw.random() < 0.5 else f"vec([0, {place}], 'int32')"
    return f"({', '.join(['S(None)'] * axis + [part])},)"
