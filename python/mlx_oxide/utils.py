"""Python trees: nested lists, tuples and dictionaries with anything else as leaves.

Parameters, gradients and optimizer states are such trees. A *path* names a leaf by the keys and
indices on the way to it, joined by dots: ``"layers.0.weight"``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Dict, List, Optional, Tuple, Union

__all__ = [
    "tree_flatten",
    "tree_map",
    "tree_map_with_path",
    "tree_merge",
    "tree_reduce",
    "tree_unflatten",
]

Flat = Union[List[Tuple[str, Any]], Dict[str, Any]]


def tree_map(
    fn: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Optional[Callable[[Any], bool]] = None,
) -> Any:
    """Return a tree shaped like ``tree`` whose leaves are ``fn(leaf, *leaves_of_rest)``.

    Args:
        fn: called once for each leaf of ``tree``, from left to right.
        tree: gives the result its structure. Lists, tuples and named tuples keep their type;
            every kind of dictionary, modules included, becomes a ``dict``.
        rest: further trees, each holding at least the places of ``tree``. A place may hold a
            whole subtree where ``tree`` has a leaf.
        is_leaf: if given and true of a node, that node is passed to ``fn`` whole.

    Raises:
        KeyError, IndexError: one of ``rest`` lacks a place of ``tree``.

    Example:
        >>> tree_map(lambda x, y: x + y, {"a": [1, 2]}, {"a": [10, 20], "b": 0})
        {'a': [11, 22]}
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(tree, *rest)
    if isinstance(tree, dict):
        return {
            key: tree_map(fn, child, *[other[key] for other in rest], is_leaf=is_leaf)
            for key, child in tree.items()
        }
    if isinstance(tree, (list, tuple)):
        return _like(
            tree,
            [
                tree_map(fn, child, *[other[index] for other in rest], is_leaf=is_leaf)
                for index, child in enumerate(tree)
            ],
        )
    return fn(tree, *rest)


def tree_map_with_path(
    fn: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Optional[Callable[[Any], bool]] = None,
    path: Optional[Any] = None,
) -> Any:
    """Do as :func:`tree_map`, calling ``fn(path, leaf, *leaves_of_rest)``.

    Args:
        fn: receives the path of the leaf first. The path is ``path`` itself, ``None`` by
            default, when the whole tree is one leaf.
        tree, rest, is_leaf: as in :func:`tree_map`.
        path: what to put in front of every path.

    Example:
        >>> tree_map_with_path(lambda path, leaf: path, {"layers": [{"w": 0}, {"w": 1}]})
        {'layers': [{'w': 'layers.0.w'}, {'w': 'layers.1.w'}]}
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)
    start = f"{path}." if path else ""
    if isinstance(tree, dict):
        return {
            key: tree_map_with_path(
                fn,
                child,
                *[other[key] for other in rest],
                is_leaf=is_leaf,
                path=f"{start}{key}",
            )
            for key, child in tree.items()
        }
    if isinstance(tree, (list, tuple)):
        return _like(
            tree,
            [
                tree_map_with_path(
                    fn,
                    child,
                    *[other[index] for other in rest],
                    is_leaf=is_leaf,
                    path=f"{start}{index}",
                )
                for index, child in enumerate(tree)
            ],
        )
    return fn(path, tree, *rest)


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: Optional[Callable[[Any], bool]] = None,
    destination: Optional[Flat] = None,
) -> Any:
    """List the leaves of a tree with their paths. Empty containers leave no trace.

    Args:
        tree: the tree to flatten.
        prefix: put in front of every path; its first character is dropped, so ``".model"``
            gives ``"model.…"``.
        is_leaf: if given and true of a node, that node is a leaf.
        destination: a list to extend or a dictionary to fill. A new list by default.

    Returns:
        The destination: pairs of path and leaf. A tree that is one leaf has the path ``""``.

    Raises:
        ValueError: ``destination`` is neither a list nor a dictionary.

    Example:
        >>> tree_flatten({"a": [1, (2,)], "b": {}})
        [('a.0', 1), ('a.1.0', 2)]
        >>> tree_flatten({"a": {"b": 1}}, destination={})
        {'a.b': 1}
    """
    store: Callable[[str, Any], None]
    if destination is None:
        destination = []
    if isinstance(destination, list):
        append = destination.append

        def store(path: str, leaf: Any) -> None:
            append((path[1:], leaf))

    elif isinstance(destination, dict):
        filled = destination

        def store(path: str, leaf: Any) -> None:
            filled[path[1:]] = leaf

    else:
        raise ValueError(
            "[tree_flatten] destination should be a list, a dictionary or None but it is "
            f"of type {type(destination).__name__}."
        )
    _store_leaves(tree, prefix, is_leaf, store)
    return destination


def _store_leaves(
    tree: Any,
    path: str,
    is_leaf: Optional[Callable[[Any], bool]],
    store: Callable[[str, Any], None],
) -> None:
    if is_leaf is not None and is_leaf(tree):
        store(path, tree)
    elif isinstance(tree, dict):
        for key, child in tree.items():
            _store_leaves(child, f"{path}.{key}", is_leaf, store)
    elif isinstance(tree, (list, tuple)):
        for index, child in enumerate(tree):
            _store_leaves(child, f"{path}.{index}", is_leaf, store)
    else:
        store(path, tree)


def tree_unflatten(tree: Flat) -> Any:
    """Rebuild a tree from paths and leaves: the inverse of :func:`tree_flatten`.

    A level whose keys are all numbers becomes a list, ordered by number, with ``{}`` where a
    number is missing; any other level becomes a dictionary. Tuples do not come back, and no
    leaves at all give ``[]``.

    Args:
        tree: pairs of path and leaf, or a dictionary from path to leaf.

    Raises:
        ValueError: a path occurs twice.

    Example:
        >>> tree_unflatten([("layers.0.w", 1), ("layers.2.w", 2)])
        {'layers': [{'w': 1}, {}, {'w': 2}]}
    """
    items = list(tree.items()) if isinstance(tree, dict) else list(tree)
    return _assemble(items, "")


def _assemble(items: List[Tuple[str, Any]], above: str) -> Any:
    if not items:
        return []
    if items[0][0] == "" and len(items) == 1:
        return items[0][1]
    branches: Dict[str, List[Tuple[str, Any]]] = {}
    for path, leaf in items:
        key, _, below = path.partition(".")
        branches.setdefault(key, []).append((below, leaf))
    if len(branches.get("", ())) > 1 and all(path == "" for path, _ in items):
        raise ValueError(f"[tree_unflatten] the path {above[1:]!r} occurs more than once.")
    if all(key.isascii() and key.isdigit() for key in branches):
        by_index = {int(key): key for key in branches}
        if len(by_index) < len(branches):
            raise ValueError(f"[tree_unflatten] an index occurs twice below {above[1:]!r}.")
        return [
            _assemble(branches[by_index[index]], f"{above}.{index}") if index in by_index else {}
            for index in range(max(by_index) + 1)
        ]
    return {key: _assemble(below, f"{above}.{key}") for key, below in branches.items()}


def tree_reduce(
    fn: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = None,
    is_leaf: Optional[Callable[[Any], bool]] = None,
) -> Any:
    """Fold the leaves of a tree from left to right: ``fn(fn(initializer, first), second)``…

    Args:
        fn: takes what has been accumulated and a leaf.
        tree: the tree to fold.
        initializer: what to begin with; the first leaf if ``None``.
        is_leaf: if given and true of a node, that node is a leaf.

    Returns:
        The accumulated value; ``initializer`` if there are no leaves.

    Example:
        >>> tree_reduce(lambda total, leaf: total + leaf, {"a": [1, 2], "b": 3})
        6
    """
    accumulated = initializer

    def accumulate(_: str, leaf: Any) -> None:
        nonlocal accumulated
        accumulated = leaf if accumulated is None else fn(accumulated, leaf)

    _store_leaves(tree, "", is_leaf, accumulate)
    return accumulated


def tree_merge(
    tree_a: Any, tree_b: Any, merge_fn: Optional[Callable[[Any, Any], Any]] = None
) -> Any:
    """Unite two trees, level by level.

    ``None`` and empty containers stand for "nothing here". Lists and tuples are merged index by
    index, the longer one giving the rest, and the result has the type of ``tree_a``.

    Args:
        tree_a, tree_b: the trees.
        merge_fn: called as ``merge_fn(a, b)`` where both have a leaf.

    Raises:
        ValueError: both have a leaf in one place and there is no ``merge_fn``, or two empty
            containers of different types meet.

    Example:
        >>> tree_merge([{"a": 1}, {}], [{"b": 2}, {"c": 3}])
        [{'a': 1, 'b': 2}, {'c': 3}]
    """
    empty_a, empty_b = _is_empty(tree_a), _is_empty(tree_b)
    if empty_a and empty_b and tree_a is not None and tree_b is not None:
        if type(tree_a) is not type(tree_b):
            raise ValueError(
                f"[tree_merge] cannot merge {type(tree_a).__name__} "
                f"with {type(tree_b).__name__}."
            )
        return tree_a
    if empty_a and not empty_b:
        return tree_b
    if empty_b and not empty_a:
        return tree_a
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        merged = dict(tree_a)
        for key, child in tree_b.items():
            merged[key] = tree_merge(tree_a[key], child, merge_fn) if key in tree_a else child
        return merged
    if isinstance(tree_a, (list, tuple)) and isinstance(tree_b, (list, tuple)):
        common = min(len(tree_a), len(tree_b))
        children = [tree_merge(a, b, merge_fn) for a, b in zip(tree_a, tree_b)]
        return _like(tree_a, [*children, *tree_a[common:], *tree_b[common:]])
    if merge_fn is None:
        raise ValueError(
            "[tree_merge] both trees have a leaf in the same place and no merge_fn was given."
        )
    return merge_fn(tree_a, tree_b)


def _is_empty(tree: Any) -> bool:
    return tree is None or (isinstance(tree, (dict, list, tuple)) and len(tree) == 0)


def _like(sequence: Any, children: List[Any]) -> Any:
    kind = type(sequence)
    if kind is list:
        return children
    return kind(*children) if hasattr(kind, "_fields") else kind(children)
