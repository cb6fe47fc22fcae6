"""Walking the tree of modules: selecting, mapping and replacing what it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import mlx_oxide.core as mx
from mlx_oxide.nn.layers.storage import Storage

Filter = Callable[[Any, str, Any], bool]


def select(
    module: Storage,
    filter_fn: Filter,
    map_fn: Optional[Callable[[Any], Any]],
    is_leaf_fn: Optional[Filter],
) -> dict[str, Any]:
    """Return the items of a module that pass the filter, mapped, as a tree."""
    return {
        key: _select_value(module, key, value, filter_fn, map_fn, is_leaf_fn)
        for key, value in module.items()
        if filter_fn(module, key, value)
    }


def _select_value(
    module: Storage,
    path: str,
    value: Any,
    filter_fn: Filter,
    map_fn: Optional[Callable[[Any], Any]],
    is_leaf_fn: Optional[Filter],
) -> Any:
    if is_leaf_fn is None:
        is_leaf = not isinstance(value, (dict, list))
    else:
        is_leaf = is_leaf_fn(module, path, value)
    if is_leaf:
        return value if map_fn is None else map_fn(value)
    if isinstance(value, Storage):
        return select(value, filter_fn, map_fn, is_leaf_fn)

    def select_below(key: Any, child: Any) -> Any:
        below = f"{path}.{key}"
        if not filter_fn(module, below, child):
            # The place must stay, or the items after it in a list would move.
            return {}
        return _select_value(module, below, child, filter_fn, map_fn, is_leaf_fn)

    if isinstance(value, dict):
        return {key: select_below(key, child) for key, child in value.items()}
    if isinstance(value, list):
        return [select_below(index, child) for index, child in enumerate(value)]
    raise RuntimeError(
        f"[filter_and_map] {path!r} is of type {type(value).__name__}, which cannot be "
        "traversed, but is_leaf_fn says that it is not a leaf."
    )


def replace_arrays(destination: Any, parameters: Any, strict: bool) -> None:
    """Put the arrays of a tree in place of those of a module, list or dictionary."""
    if isinstance(parameters, dict):
        for name, new in parameters.items():
            if isinstance(destination, dict) and name in destination:
                _replace_array(destination, name, new, strict)
            elif strict:
                raise ValueError(f'Module does not have parameter named "{name}".')
    elif isinstance(parameters, list) and not isinstance(destination, dict):
        for index, new in enumerate(parameters):
            if index < len(destination):
                _replace_array(destination, index, new, strict)
            elif strict:
                raise ValueError(_out_of_bounds(index, destination))
    elif strict:
        raise ValueError(_invalid_type(parameters))


def _replace_array(destination: Any, place: Any, new: Any, strict: bool) -> None:
    current = destination[place]
    if not isinstance(current, mx.array):
        if not _is_gap(new):
            replace_arrays(current, new, strict)
    elif isinstance(new, mx.array):
        destination[place] = new
    elif strict and not _is_gap(new):
        raise ValueError(_invalid_type(new))
    elif not _is_gap(new):
        destination[place] = new


def replace_modules(destination: Any, modules: Any, strict: bool) -> None:
    """Put the modules of a tree in place of those of a module, list or dictionary."""
    if isinstance(modules, dict) and not isinstance(modules, Storage):
        for name, new in modules.items():
            if isinstance(destination, dict) and name in destination:
                _replace_module(destination, name, new, strict)
            elif strict:
                raise ValueError(f'Module does not have sub-module named "{name}".')
    elif isinstance(modules, list) and not isinstance(destination, dict):
        for index, new in enumerate(modules):
            if index < len(destination):
                _replace_module(destination, index, new, strict)
            elif strict:
                raise ValueError(_out_of_bounds(index, destination))
    elif strict:
        raise ValueError(_invalid_type(modules))


def _replace_module(destination: Any, place: Any, new: Any, strict: bool) -> None:
    current = destination[place]
    if isinstance(current, Storage) and isinstance(new, Storage):
        destination[place] = new
    elif isinstance(current, (dict, list)) and not isinstance(new, Storage):
        replace_modules(current, new, strict)
    elif strict and not _is_gap(new):
        raise ValueError(_invalid_type(new))


def _is_gap(value: Any) -> bool:
    """Whether a value is the ``{}`` that stands for "nothing here" in selected trees."""
    return type(value) is dict and not value


def _invalid_type(value: Any) -> str:
    return f"Received invalid type: {type(value).__name__}."


def _out_of_bounds(index: int, destination: Any) -> str:
    return f"List index {index} is out of bounds for destination of length {len(destination)}."
