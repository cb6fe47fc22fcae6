"""Calls of both libraries by name, compared: results, or that both refuse."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import mlx.core as apple
import pytest
from oracle import assert_same, outcome, seed

import mlx_oxide.core as mx

LOOSE = {ValueError, TypeError, RuntimeError}


class Calls(dict[str, Callable[[Any], Any]]):
    """Functions of a library, by name."""

    def case(self, name: str) -> Callable[[Any], Any]:
        def add(function: Any) -> Any:
            assert name not in self
            self[name] = function
            return function

        return add

    def outcomes(self, name: str) -> tuple[Any, Any]:
        """What ours and Apple's return or raise."""
        seed(0)
        return tuple(outcome(lambda: evaluated(core, self[name])) for core in (mx, apple))

    def check(self, name: str) -> None:
        ours, theirs = self.outcomes(name)
        assert isinstance(ours, type) == isinstance(theirs, type), (ours, theirs)
        if isinstance(ours, type):
            # Apple's binding says TypeError, or forwards an exception of C++, where the message
            # here names the argument
            assert issubclass(ours, theirs) or {ours, theirs} <= LOOSE, (ours, theirs)
        else:
            assert_same(ours, theirs, rtol=1e-6)

    def differs(self, name: str) -> bool:
        """Whether the libraries give different results, or only one refuses."""
        try:
            self.check(name)
        except AssertionError:
            return True
        return False


def evaluated(core: Any, call: Any) -> Any:
    result = call(core)
    if result is not None and not isinstance(result, bool):
        core.eval(result)
    return result


def pair(core: Any) -> tuple[Any, Any]:
    return core.array([1.0, 2.0]), core.array([3.0, 5.0])


def layers(core: Any) -> tuple[Any, Any]:
    """The library's layers and optimizers."""
    root = core.__name__.removesuffix(".core")
    return importlib.import_module(f"{root}.nn"), importlib.import_module(f"{root}.optimizers")


def compared(calls: Calls, different: dict[str, str]) -> tuple[Any, Any]:
    """The tests of a table of calls: all calls agree but those that are said to differ, which do."""

    @pytest.mark.parametrize("name", [name for name in calls if name not in different])
    def agree(name: str) -> None:
        calls.check(name)

    @pytest.mark.parametrize("name", different)
    def differ(name: str) -> None:
        assert calls.differs(name)

    return agree, differ
