"""Runs of cases on both libraries, for the sweeps.

`MLX_OXIDE_SWEEP_ROUNDS` multiplies the cases and `MLX_OXIDE_SWEEP_SEED` draws others.
"""

from __future__ import annotations

import os
from typing import Any

from differences import unexplained
from oracle_process import Library
from sweep_case import Case

ROUNDS = int(os.environ.get("MLX_OXIDE_SWEEP_ROUNDS", "1"))
SEED = int(os.environ.get("MLX_OXIDE_SWEEP_SEED", "0"))
SHOWN = 12


class Libraries:
    """This library and Apple's MLX, each in a process of its own."""

    def __init__(self) -> None:
        self.own = Library("mlx_oxide.core")
        self.apple = Library("mlx.core")

    def close(self) -> None:
        """End both processes."""
        self.own.close()
        self.apple.close()

    def cases(self, sources: list[str]) -> list[Case]:
        """What both make of the sources."""
        own, other = self.own.run(sources), self.apple.run(sources)
        return [Case(source, *pair, self.apple.run) for source, *pair in zip(sources, own, other, strict=True)]

    def disagreements(self, sources: list[str]) -> list[str]:
        """The cases whose outcomes differ without being meant to, and how."""
        found = ((case.source, unexplained(case)) for case in self.cases(sources))
        return [f"{source}\n    {text}" for source, text in found if text]


def assert_none(disagreements: list[Any], count: int) -> None:
    """Fail with the first of the disagreements."""
    shown = "\n".join(disagreements[:SHOWN])
    assert not disagreements, f"{len(disagreements)} of {count} cases differ:\n{shown}"
