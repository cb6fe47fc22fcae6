"""Apple's MLX in a process of its own, which survives calls that end or hang it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PATIENCE = 20.0


class Oracle:
    """Runs cases one after the other; `("died",)` and `("hung",)` are outcomes too."""

    def __init__(self) -> None:
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
                [sys.executable, str(Path(__file__).resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "MLX_DISABLE_COMPILE": "1"},
            )
        return self.process

    def run(self, sources: list[str]) -> list[Any]:
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
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def serve() -> None:
    import mlx.core as apple
    from cases import run, scope

    apple.set_default_device(apple.cpu)
    names = scope(apple)
    inward, outward = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a case prints must not mix with the outcomes
    while True:
        try:
            sources = pickle.load(inward)  # noqa: S301
        except EOFError:
            return
        for source in sources:
            try:
                data = pickle.dumps(run(apple, names, source))
            except Exception as error:  # noqa: BLE001
                data = pickle.dumps(("object", type(error).__name__))
            outward.write(data)
            outward.flush()


if __name__ == "__main__":
    serve()
