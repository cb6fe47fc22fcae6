"""A library in a process of its own, which survives calls that end or hang it."""

from __future__ import annotations

import importlib
import os
import pickle
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PATIENCE = 15.0


class Library:
    """Runs cases one after the other; `("died",)` and `("hung",)` are outcomes too."""

    def __init__(self, module: str, memory: int = 0) -> None:
        self.module = module
        self.memory = memory  # bytes that the process may address, if bounded
        self.process: subprocess.Popen[bytes] | None = None
        self.deadline = float("inf")
        self.late = False
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(0.25)
            if time.monotonic() > self.deadline and self.process is not None:
                self.late, self.deadline = True, float("inf")
                self.process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), self.module, str(self.memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "MLX_DISABLE_COMPILE": "1"},
            )
        return self.process

    def run(self, sources: list[str]) -> list[Any]:
        """The outcomes; what ends or hangs the process is tried again by itself."""
        outcomes = self.run_once(sources)
        for number, outcome in enumerate(outcomes):
            if outcome[0] in ("died", "hung"):
                self.close()
                outcomes[number] = self.run_once([sources[number]])[0]
        return outcomes

    def run_once(self, sources: list[str]) -> list[Any]:
        """The outcomes of the first try."""
        outcomes: list[Any] = []
        while len(outcomes) < len(sources):
            process = self._start()
            assert process.stdin and process.stdout
            pickle.dump(sources[len(outcomes) :], process.stdin)
            process.stdin.flush()
            while len(outcomes) < len(sources):
                self.deadline = time.monotonic() + PATIENCE
                try:
                    outcomes.append(pickle.load(process.stdout))  # noqa: S301
                except (EOFError, pickle.UnpicklingError):
                    process.wait()
                    outcomes.append(("hung",) if self.late else ("died",))
                    self.late = False
                    break
        self.deadline = float("inf")
        return outcomes

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def serve(module: str, memory: int) -> None:
    from cases import run, scope

    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    core = importlib.import_module(module)
    core.set_default_device(core.cpu)
    names = scope(core)
    inward, outward = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a case prints must not mix with the outcomes
    while True:
        try:
            sources = pickle.load(inward)  # noqa: S301
        except EOFError:
            return
        for source in sources:
            outward.write(pickle.dumps(run(core, names, source)))
            outward.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
