"""Test set-up: an oracle without a C++ compiler, and the same random numbers in both libraries."""

import os
import sys
from pathlib import Path

import pytest

# Apple's CPU build compiles fused kernels with the system's compiler unless told not to.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Begin every test with the same random numbers in both libraries."""
    from oracle import seed

    seed(0)


@pytest.fixture(scope="session")
def libraries():
    """This library and Apple's MLX in processes of their own, for the sweeps."""
    from sweeping import Libraries

    both = Libraries()
    yield both
    both.close()
