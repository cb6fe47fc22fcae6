"""No argument ends or hangs the process, panics, or takes memory beyond its bound.

Absurd calls of every function and method run in a process whose memory is bounded, so an absurd
allocation fails or ends it. What they give is an exception of the usual classes, or a value.
"""

from __future__ import annotations

import inspect

import pytest
from absurd import calls
from call_table import STATEFUL
from oracle_process import Library
from sweeping import ROUNDS, SEED, assert_none
from test_robustness import EVERY

import mlx_oxide.core as mx

ALLOWED = {"ValueError", "TypeError", "IndexError", "RuntimeError", "OverflowError", "MemoryError", "KeyError", "AttributeError", "RecursionError", "BufferError"}
COUNT = 24 * ROUNDS
BYTES = 6 << 30

FUNCTIONS = [(f"mx.{'' if module is mx else module.__name__.rsplit('.', 1)[-1] + '.'}{name}", getattr(module, name)) for module, name in EVERY]
METHODS = [(f"arr('float32', (2, 3)).{name}", member) for name, member in vars(mx.array).items() if callable(member) and name not in ("__class__", "__new__")]
CLASSES = [(f"mx.{name}", member) for name, member in vars(mx).items() if inspect.isclass(member) and not name.startswith("_")]
CALLABLES = [(name, member) for name, member in FUNCTIONS + METHODS + CLASSES if name.removeprefix("mx.") not in STATEFUL]


@pytest.fixture(scope="module")
def library():
    library = Library("mlx_oxide.core", memory=BYTES)
    yield library
    library.close()


@pytest.mark.parametrize(("name", "member"), CALLABLES, ids=[name for name, _ in CALLABLES])
def test_absurd_arguments_are_errors_or_values(name, member, library):
    sources = calls(name, member, COUNT, SEED)
    found = []
    for source, outcome in zip(sources, library.run(sources), strict=True):
        usual = outcome[0] == "error" and ALLOWED & {*outcome[1]}
        if outcome[0] in ("panic", "died", "hung") or (outcome[0] == "error" and not usual):
            found.append(f"{source}\n    {str(outcome)[:300]}")
    assert_none(found, len(sources))
