"""Where a module keeps its attributes: arrays and containers in the dictionary that it is."""

from __future__ import annotations

from typing import Any, Dict, Set

import mlx_oxide.core as mx

_KEPT_IN_DICTIONARY = (mx.array, dict, list, tuple)


class Storage(Dict[str, Any]):
    """A dictionary whose items are attributes too.

    An attribute that may hold parameters (an array, a dictionary, a module, a list, a tuple) is
    an item, so that a module is a tree; every other attribute is an ordinary one.
    """

    _no_grad: Set[str]
    _training: bool

    def __getattr__(self, name: str) -> Any:
        # Reached only after the ordinary lookup failed.
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _KEPT_IN_DICTIONARY):
            self.__dict__.pop(name, None)
            self[name] = value
        else:
            super().__setattr__(name, value)
            self.pop(name, None)

    def __delattr__(self, name: str) -> None:
        if name in self:
            del self[name]
        elif name in self.__dict__:
            super().__delattr__(name)
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
