"""Runs the programs of `programs`, which say `import mlx`, with Apple's library or with ours.

As a script it runs all of them as they are and pickles their results, for an interpreter where
`mlx` is the drop-in package.
"""

from __future__ import annotations

import pickle
import re
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def load(path: Path, library: str) -> ModuleType:
    """The program as a module whose imports of `mlx` mean `library`."""
    source = re.sub(r"\bmlx\b", library, path.read_text())
    name = f"program_{path.stem}_{library}"
    module = sys.modules[name] = ModuleType(name)
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102
    return module


def plain(tree: Any, core: ModuleType, library: str, place: str, into: dict[str, Any]) -> None:
    """Flatten a result: arrays as dtype and NumPy array, everything else as it is."""
    if isinstance(tree, core.array):
        dtype = str(tree.dtype).rsplit(".", 1)[-1]
        wide = tree.astype(core.float32) if dtype == "bfloat16" else tree
        into[place] = (dtype, np.array(wide))
    elif isinstance(tree, dict):
        into[place] = f"dict of {len(tree)}"
        for key, value in tree.items():
            plain(value, core, library, f"{place}/{key}", into)
    elif isinstance(tree, (list, tuple)):
        into[place] = f"{'tuple' if isinstance(tree, tuple) else 'list'} of {len(tree)}"
        for index, value in enumerate(tree):
            plain(value, core, library, f"{place}/{index}", into)
    elif isinstance(tree, str):
        # functions in printed layers show where they are in memory
        into[place] = re.sub(r"0x[0-9a-f]+", "0x", tree.replace(library, "mlx"))
    else:
        into[place] = tree


def run(path: Path, library: str) -> dict[str, Any]:
    """The flattened result of a program."""
    module = load(path, library)
    core = sys.modules[f"{library}.core"]
    into: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        plain(module.main(Path(folder)), core, library, path.stem, into)
    return into


def main(target: str) -> None:
    results: dict[str, Any] = {}
    for path in PROGRAMS:
        try:
            results[path.stem] = run(path, "mlx")
        except Exception:  # noqa: BLE001
            results[path.stem] = traceback.format_exc()
    Path(target).write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
