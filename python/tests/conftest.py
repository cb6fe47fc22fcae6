"""Test set-up: where the core under test comes from, and an oracle without a C++ compiler."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

# Apple's CPU build compiles fused kernels with the system's compiler unless told not to.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
DEVELOPMENT = HERE.parent / "development"
try:
    _core = importlib.util.find_spec("mlx_oxide.core")
except ModuleNotFoundError:
    _core = None
if _core is None and DEVELOPMENT.is_dir():
    sys.modules.pop("mlx_oxide", None)
    sys.path.insert(0, str(DEVELOPMENT))


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Begin every test with the same random numbers in both libraries."""
    from oracle import seed

    seed(0)
