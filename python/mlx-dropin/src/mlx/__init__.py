"""The import name ``mlx``: every submodule is the one of ``mlx_oxide``.

``import mlx.nn.layers.linear`` finds ``mlx_oxide.nn.layers.linear``; both names mean one module.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from types import ModuleType
from typing import Optional, Sequence

_OWN = "mlx_oxide"


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``mlx.x`` as ``mlx_oxide.x``."""

    def find_spec(
        self,
        fullname: str,
        path: Optional[Sequence[str]] = None,
        target: Optional[ModuleType] = None,
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if not fullname.startswith(f"{__name__}."):
            return None
        own = _OWN + fullname[len(__name__) :]
        try:
            importlib.import_module(own)
        except ModuleNotFoundError as error:
            if error.name is not None and own.startswith(error.name):
                return None
            raise
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return sys.modules[_OWN + spec.name[len(__name__) :]]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module has run under its own name."""


def __getattr__(name: str) -> ModuleType:
    """A submodule that was imported by its own name only, as ``mlx.utils`` is by ``mlx.nn``."""
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _refuse_apples_package() -> None:
    try:
        version = importlib.metadata.version("mlx")
    except importlib.metadata.PackageNotFoundError:
        return
    raise ImportError(
        f"Apple's package mlx {version} is installed beside mlx-oxide-dropin, and both provide "
        "the import name mlx: uninstall one of them, or import mlx_oxide"
    )


_refuse_apples_package()
sys.meta_path.insert(0, _Alias())
